"""The schema of a training run, its presets, and the plan that `auto` makes for a dataset."""

from unetscope.recipe.recipe import Recipe
from unetscope.recipe.text import change, from_dict, from_yaml, read_recipe, recipe_keys, to_yaml

__all__ = ["Recipe", "change", "from_dict", "from_yaml", "read_recipe", "recipe_keys", "to_yaml"]
