"""Step 1: which images with which masks."""
