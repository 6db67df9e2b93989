"""What widgets are made of: the panel, the recipe's form, plots and small controls."""
