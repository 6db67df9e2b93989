"""Step 5: how good predictions are, and where not."""
