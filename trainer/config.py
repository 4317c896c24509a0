"""What a training run was asked for, as one frozen value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from taxonomy import HiertaxError

METHODS = ("ours", "ours_single", "vanilla_single", "vanilla_multi")


@dataclass(frozen=True)
class Config:
    """The settings of a run; the defaults are the recipe of the paper and its code (docs/methods.md).

    Attributes
    ----------
    hierarchy, data
        The hierarchy file and the dataset's folder.
    method, backbone, weights, freeze_backbone
        The network; see `trainer.methods.build_network`.
    image_size
        Pixels per side after the resize that every image gets first.
    epochs, batch_size, learning_rate, backbone_learning_rate, momentum, weight_decay
        SGD; both learning rates fall along half a cosine.
    seed
        Decides initialisation, order and augmentation.
    device
        ``cpu``, ``cuda``, or ``auto``: the GPU if there is one.
    limit_per_class
        Use only the first so many training images of each class.
    skip_bad_images
        Go on without images that cannot be decoded.
    """

    hierarchy: str
    data: str
    method: str = "ours"
    backbone: str = "resnet50"
    weights: str = "imagenet"
    freeze_backbone: bool = False
    image_size: int = 224
    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 0.1
    backbone_learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seed: int = 0
    device: str = "auto"
    limit_per_class: int | None = None
    skip_bad_images: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Any) -> Config:
        """Read settings back.

        Raises
        ------
        HiertaxError
            If a setting is of the wrong type, or one without a default is missing; unknown ones are passed over.
        """
        try:
            config: Config = msgspec.convert(raw, cls)
        except msgspec.ValidationError as error:
            raise HiertaxError(f"config: {error}; the run's files were changed, restore them") from None
        return config
