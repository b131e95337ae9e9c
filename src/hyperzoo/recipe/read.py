"""Reads recipes: TOML files, and those built in."""

import tomllib
from importlib import resources
from pathlib import Path

from hyperzoo.errors import RecipeError, did_you_mean
from hyperzoo.recipe.recipe import Recipe, parse_recipe


def builtin_recipes() -> dict[str, str]:
    """The built-in recipes: name -> TOML text, in alphabetical order."""
    folder = resources.files("hyperzoo") / "recipes"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".toml")),
        key=lambda file: file.name.removesuffix(".toml"),
    )
    return {file.name.removesuffix(".toml"): file.read_text("utf-8") for file in files}


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: the name of a built-in recipe ("digits-lenet5"), or a path to a TOML file.

    Raises:
        RecipeError: there is no such recipe, or it is not valid; every problem is listed.
    """
    builtin = builtin_recipes()
    if str(name_or_path) in builtin:
        return _parse_toml(builtin[str(name_or_path)], f"built-in recipe '{name_or_path}'")
    path = Path(name_or_path)
    if not path.is_file():
        raise RecipeError(
            f"no recipe '{name_or_path}': neither a file nor a built-in recipe"
            f"{did_you_mean(str(name_or_path), builtin)} (built in: {', '.join(builtin)})"
        )
    try:
        text = path.read_text("utf-8-sig")  # Windows' editors put a mark first
    except UnicodeDecodeError as error:
        raise RecipeError(f"recipe {path} can't be read: {error}; save it as UTF-8") from error
    except OSError as error:
        raise RecipeError(f"recipe {path} can't be read: {error}") from error
    recipe = _parse_toml(text, str(path))
    recipe._folder = path.parent
    return recipe


def _parse_toml(text: str, place: str) -> Recipe:
    try:
        return parse_recipe(tomllib.loads(text), place)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{place} is not valid TOML: {error}") from error
    except RecipeError:
        raise
    except (ValueError, RecursionError) as error:  # of Python, which has bounds that TOML has not
        raise RecipeError(
            f"{place} can't be read: it has an integer of thousands of digits, or lists or tables "
            "hundreds deep in one another; take them out"
        ) from error
