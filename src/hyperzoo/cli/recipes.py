"""`hyperzoo recipes`: the built-in recipes."""

from typing import Annotated

import typer
from rich.table import Table

from hyperzoo.cli.console import out, print_table
from hyperzoo.errors import RecipeError
from hyperzoo.recipe import builtin_recipes, load_recipe


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe as TOML.")] = None,
) -> None:
    """List the built-in recipes, or print one as a start for your own."""
    texts = builtin_recipes()
    if name is not None:
        if name not in texts:
            load_recipe(name)  # tells of a wrong name, with the nearest known one
            raise RecipeError(f"'{name}' is a file, not a built-in recipe ({', '.join(texts)})")
        out.print(texts[name], markup=False, end="")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("recipe", "networks", "images", "architecture", "task", "epochs"):
        table.add_column(column, justify="right" if column in ("networks", "epochs") else "left")
    for key in texts:
        recipe = load_recipe(key)
        count = f"{recipe.networks_per_class}"
        if recipe.task.kind != "multi-class":
            count += " a class" if recipe.task.kind == "one-vs-all" else " a subset"
        table.add_row(
            key,
            count,
            f"{recipe.images.source} {recipe.images.size}x{recipe.images.size}",
            recipe.architecture.name,
            recipe.task.kind,
            str(recipe.training.epochs),
        )
    print_table(table)
