"""What can be told of a backbone and of weights by their names alone, without torch, which takes seconds to import."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from safetensors import SafetensorError, safe_open

from taxonomy import HiertaxError
from trainer.models.stored import BEST, LAST

TIMM = "timm/"  # what the names of timm's networks begin with here
WITHOUT_FILE = ("imagenet", "none")


def check_library(backbone: str) -> None:
    """Make sure that the library of a backbone is installed.

    Raises
    ------
    HiertaxError
        If it is timm, which is an extra, and is not.
    """
    if backbone.startswith(TIMM) and find_spec("timm") is None:
        raise HiertaxError(f"`backbone` {backbone}: timm is not installed; do that by pip install 'hiertax[timm]'")


def weights_file(weights: str) -> Path:
    """Return the file that weights are read from: of a run's folder the checkpoint that answers best.

    Raises
    ------
    HiertaxError
        If it is a folder without a checkpoint.
    """
    path = Path(weights)
    if not path.is_dir():
        return path
    for name in (BEST, LAST):
        if (path / name).is_file():
            return path / name
    raise HiertaxError(f"`weights` {path}: a folder without a checkpoint; name a run, a file, `imagenet` or `none`")


def check_file(path: Path) -> None:
    """Make sure that a file of weights is there and, where its name says so, is safetensors.

    Raises
    ------
    HiertaxError
        If that is not so.
    """
    if not path.exists():
        raise no_such_file(path)
    try:
        if path.is_file() and path.suffix == ".safetensors":
            with safe_open(path, framework="np"):
                pass
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from None


def check_backbone_of_run(weights: Path, own: str, asked: str) -> None:
    """Make sure that a run whose backbone is to be taken has the one that is asked for.

    Raises
    ------
    HiertaxError
        If it has another.
    """
    if own != asked:
        raise HiertaxError(f"`weights` {weights}: of a run with the `backbone` {own}, not {asked}; name that")


def no_such_file(path: Path) -> HiertaxError:
    """Return the error of a file of weights that is not there."""
    return HiertaxError(f"`weights` {path}: no such file; name a file, `imagenet` or `none`")


def unreadable(path: Path, reason: Exception) -> HiertaxError:
    """Return the error of a file of weights that cannot be read."""
    return HiertaxError(f"`weights` {path}: cannot be read ({reason}); restore the file or name another")
