"""Step 2: what the network sees."""
