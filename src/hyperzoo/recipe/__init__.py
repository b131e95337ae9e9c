"""A recipe: everything that determines a zoo, parsed from TOML."""

from hyperzoo.recipe.read import builtin_recipes, load_recipe
from hyperzoo.recipe.recipe import Recipe, parse_recipe
from hyperzoo.recipe.vary import Distribution

__all__ = ["Distribution", "Recipe", "builtin_recipes", "load_recipe", "parse_recipe"]
