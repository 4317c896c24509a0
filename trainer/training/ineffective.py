"""Settings that were given and change nothing, because another one leaves them nothing to do."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.config import Config
from trainer.models.backbones.blocks import batch_norms
from trainer.models.network import Network

OF_VIEWS = ("crop", "crop_area", "color_jitter", "mixup", "cutmix")  # how an image is changed before it is learned from


def without_effect(config: Config, network: Network, images: int) -> list[str]:
    """Say of each setting that is not at its default whether it changes nothing here, or counts twice, and why.

    None of these is refused: a recipe sets many together of which one may be at odds with an option beside it.

    Parameters
    ----------
    network
        That of the config.
    images
        How many there are to learn from.
    """
    given = {name for name, field in Config.__dataclass_fields__.items() if getattr(config, name) != field.default}
    notes = [
        f"`{name}` {getattr(config, name)} has no effect: {why}"
        for name, why in _idle(config, network)
        if name in given
    ]
    if config.balance and config.logit_adjustment:
        notes.append("`balance` and `logit_adjustment` both make up for rare classes, so that they count twice")
    if config.batch_size > images:
        notes.append(f"`batch_size` {config.batch_size}: there are {images} training images, so that a batch is all")
    return notes


def _idle(config: Config, network: Network) -> Iterator[tuple[str, str]]:
    """Yield each setting that has nothing to do, and why."""
    if config.freeze_backbone:
        yield from ((name, "a frozen backbone sees every image once, as it is") for name in OF_VIEWS)
    elif config.crop == "pad":
        yield "crop_area", "it is of `crop` resized"
    if not any(any(batch_norms(trunk)) for trunk in network.trunks()) and not config.freeze_backbone:
        yield "norm_statistics", f"{config.backbone} has no batch norms"
    if config.optimizer == "adamw":
        yield "momentum", "it is of `optimizer` sgd"
    if network.finest_only:
        yield "level_weights", f"{config.method} learns the finest level alone"
