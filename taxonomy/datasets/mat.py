"""MATLAB files: what datasets of 2008 to 2013 keep their labels in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taxonomy.errors import HiertaxError


def variable(path: Path, name: str) -> Any:
    """Return a variable of a MATLAB file: an array, of one axis where it is a row or a column.

    Raises
    ------
    HiertaxError
        If the file cannot be read, or has no such variable.
    """
    from scipy.io import loadmat  # slow to import, and only two layouts need it

    try:
        return loadmat(path, variable_names=[name])[name].ravel()
    except Exception as error:  # scipy raises whatever its parser stumbles over, IndexError and struct.error included
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error) or type(error).__name__
        raise HiertaxError(f"{path}: no {name} can be read from this .mat ({reason}); fetch it again") from None


def texts(path: Path, name: str) -> list[str]:
    """Return a cell array of texts.

    Raises
    ------
    HiertaxError
        If the file cannot be read, or has no such variable, or it holds something else.
    """
    cells = variable(path, name)
    try:
        return [str(cell.item()) for cell in cells]
    except (AttributeError, ValueError):
        raise HiertaxError(f"{path}: no {name} can be read from this .mat (no texts); fetch it again") from None
