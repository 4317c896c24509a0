"""What can be wrong with what was asked for, as far as it can be told without torch."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.models.stored import BEST, LAST
from trainer.runs.header import Header, answering_checkpoint
from trainer.runtime.progress import Reporter
from trainer.training.stopping import is_stale


def check_weights(config: Config) -> None:
    """Make sure that there is a file of weights where one was named.

    Raises
    ------
    HiertaxError
        If it is not there, cannot be read, is empty, or is no safetensors where its name says so.
    """
    if config.weights in ("imagenet", "none"):
        return
    file = Path(config.weights)
    if file.is_dir():
        _check_run(config, file)
    elif not file.exists():
        raise HiertaxError(f"`weights` {file}: no such file; name a file, `imagenet` or `none`")
    try:
        if file.is_file() and file.suffix == ".safetensors":
            with safe_open(file, framework="np"):
                pass
    except (OSError, SafetensorError) as error:
        raise HiertaxError(f"`weights` {file}: cannot be read ({error}); restore the file or name another") from None


def _check_run(config: Config, run: Path) -> None:
    if not any((run / name).is_file() for name in (BEST, LAST)):
        raise HiertaxError(f"`weights` {run}: a folder without a checkpoint; name a run, a file, `imagenet` or `none`")
    own = Header.read(answering_checkpoint(run)).config.backbone
    if own != config.backbone:
        raise HiertaxError(f"`weights` {run}: of a run with the `backbone` {own}, not {config.backbone}; name that")


def check_schedule(config: Config, header: Header, reporter: Reporter) -> None:
    """Make sure that a run can go on to another number of epochs, and say how its learning rate goes on.

    Raises
    ------
    HiertaxError
        If more are done already, or the run has ended by its patience.
    """
    before, done = header.config.epochs, header.epoch + bool(header.progress["step"])
    if config.epochs == before:
        return
    if config.epochs < done:
        begun = ", the last of them in part" if header.progress["step"] else ""
        raise HiertaxError(
            f"`epochs` {config.epochs}: {header.path.parent} has trained {done} epochs already{begun}; give {done} or "
            "more"
        )
    if is_stale(header.log, config.patience):
        raise HiertaxError(
            f"`epochs` {config.epochs}: {header.path.parent} has ended by its `patience` {config.patience} after "
            f"{header.epoch} epochs; train anew with more of it"
        )
    reporter.say(
        f"epochs {before} -> {config.epochs}: from epoch {header.epoch + 1} on, the learning rate goes on along half a "
        f"cosine over {config.epochs} epochs"
    )
