"""Work off the GUI thread: with progress, a cancel that works, and no error that gets lost."""
