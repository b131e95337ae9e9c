"""Options that `train`, `submit` and `collect` share, and a recipe as they change it."""

from typing import Annotated

import typer

from hyperzoo.cli.console import err
from hyperzoo.recipe import Recipe

BreakLock = Annotated[
    bool,
    typer.Option(
        "--break-lock", help="Take the lock that a killed run left, on file systems without locks."
    ),
]


def changed_recipe(recipe: Recipe, networks_per_class: int | None, epochs: int | None) -> Recipe:
    """Change a recipe; checkpoints that a shorter training lacks go, which is said.

    Args:
        recipe: the recipe.
        networks_per_class: in place of the recipe's own; None to keep that.
        epochs: in place of the recipe's own; None to keep that.
    """
    kept = recipe.training.checkpoint_epochs
    within = tuple(epoch for epoch in kept if epochs is None or epoch <= epochs)
    changed = recipe.with_changes(
        networks_per_class=networks_per_class, epochs=epochs, checkpoint_epochs=within
    )
    if late := [str(epoch) for epoch in kept if epoch not in within]:
        err.print(
            f"note: no checkpoint after epoch {', '.join(late)}, beyond the {epochs} of --epochs"
        )
    return changed
