"""Recipes compared over one dataset, in a process of its own, watched through the experiment's folder."""
