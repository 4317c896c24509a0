"""What can be wrong with what was asked for, as far as it can be told without torch."""

from __future__ import annotations

from pathlib import Path

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.models.pretrained import WITHOUT_FILE, check_backbone_of_run, check_file, weights_file
from trainer.runs.header import Header
from trainer.runtime.progress import Reporter
from trainer.training.stopping import is_stale


def check_weights(config: Config) -> None:
    """Make sure that there are weights where some were named.

    Raises
    ------
    HiertaxError
        If the file or run is not there, cannot be read, is empty, is no safetensors where its name says so, or is a run
        of another backbone.
    """
    if config.weights in WITHOUT_FILE:
        return
    place = Path(config.weights)
    if place.is_dir():
        own = Header.read(weights_file(config.weights)).config.backbone
        check_backbone_of_run(place, own, config.backbone)
    else:
        check_file(place)


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
