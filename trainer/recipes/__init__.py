"""Recipes: settings that go together, as TOML files that ``hiertrain --config`` could have read.

Each file of this folder is one. What it does not set is at its default; what is given beside it wins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from taxonomy import HiertaxError
from trainer.config import read_settings

RECIPES: Final = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.toml")))


def recipe_file(name: str) -> Path:
    """Return the file of a recipe, to be read, or copied and changed.

    Raises
    ------
    HiertaxError
        If there is no such recipe.
    """
    if name not in RECIPES:
        raise HiertaxError(f"`recipe` {name}: no such recipe; choose one of {', '.join(RECIPES)}")
    return Path(__file__).parent / f"{name}.toml"


def read_recipe(name: str) -> dict[str, Any]:
    """Return what a recipe sets, by the names of `Config`'s fields.

    Raises
    ------
    HiertaxError
        If there is no such recipe.
    """
    return read_settings(recipe_file(name))
