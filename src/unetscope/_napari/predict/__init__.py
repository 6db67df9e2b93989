"""Step 4: layers and folders segmented with a model."""
