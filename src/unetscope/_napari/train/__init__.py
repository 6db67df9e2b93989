"""Step 3: training in a process of its own, watched through the run folder."""
