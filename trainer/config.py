"""What a training run was asked for, as one frozen value: the same on the command line, in a file, in a checkpoint."""

from __future__ import annotations

import difflib
import math
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from taxonomy import HiertaxError
from taxonomy.files import read_text, write_atomic

Method = Literal["ours", "ours_single", "vanilla_single", "vanilla_multi"]
METHODS: tuple[Method, ...] = get_args(Method)

RUNTIME_FIELDS = ("data", "device", "cache", "workers", "compile", "tensorboard")  # where and how, not what is learned


def _int(about: str, low: int, high: int | None = None) -> Meta:
    return Meta(ge=low, le=high, description=about)


def _float(about: str, low: float = 0.0, high: float | None = None) -> Meta:
    return Meta(ge=low, le=high, description=about)


def _text(about: str) -> Meta:
    return Meta(description=about)


@dataclass(frozen=True)
class Config:
    """The settings of a run; the defaults are the recipe of the paper and its code (docs/methods.md).

    Each field carries its range and its meaning; the command line is made from them (`trainer.commands.options`).
    """

    hierarchy: Annotated[str, _text("Hierarchy file, as `hiertax build` writes it.")]
    data: Annotated[str, _text("The dataset's folder.")] = "data"
    method: Annotated[Method, _text("The network; see docs/methods.md.")] = "ours"
    method_options: (
        Annotated[str, _text("Settings of the method's own, such as width=512; several by commas.")] | None
    ) = None
    backbone: Annotated[str, _text("A torchvision network.")] = "resnet50"
    weights: Annotated[str, _text("imagenet, none, a file, or a run whose backbone to take.")] = "imagenet"
    freeze_backbone: Annotated[bool, _text("Train neck and heads alone, on features computed once.")] = False
    image_size: Annotated[int, _int("Pixels per side that every image is resized to first.", 32)] = 224

    epochs: Annotated[int, _int("Passes over the training images.", 1)] = 100
    batch_size: Annotated[int, _int("Images per step of the optimiser, over all processes.", 2)] = 64
    accumulate: Annotated[int, _int("Parts that a batch is computed in, to save memory.", 1)] = 1
    learning_rate: Annotated[float, _float("Peak for neck and heads; falls along half a cosine.")] = 0.1
    backbone_learning_rate: Annotated[float, _float("Peak for the backbone.")] = 0.01
    momentum: Annotated[float, _float("Of stochastic gradient descent.", 0.0, 0.999)] = 0.9
    weight_decay: Annotated[float, _float("On every parameter.")] = 5e-4
    ema: Annotated[float, _float("Decay of averaged weights that answer, such as 0.999; 0: none.", 0.0, 0.99999)] = 0.0
    seed: Annotated[int, _int("Decides initialisation, order and augmentation.", 0, 2**63 - 1)] = 0

    limit_per_class: Annotated[int, _int("Train on the first so many images of each class.", 1)] | None = None
    val_fraction: Annotated[float, _float("Share of the training images to validate on instead.", 0.0, 0.9)] = 0.0
    patience: Annotated[int, _int("Stop after so many epochs without a better validation.", 1)] | None = None
    skip_bad_images: Annotated[bool, _text("Count images that cannot be decoded, and go on without them.")] = False

    crop: Annotated[
        Literal["pad", "resized"], _text("Random crop of the image in a black frame of 4 px, or of any part of it.")
    ] = "pad"
    color_jitter: Annotated[float, _float("Strength on brightness, contrast and saturation, such as 0.4.")] = 0.0
    mixup: Annotated[float, _float("Alpha of mixed images, such as 0.2; 0: none.")] = 0.0
    cutmix: Annotated[float, _float("Alpha of images with a part of another, such as 1; 0: none.")] = 0.0

    device: Annotated[str, _text("cpu, cuda or auto.")] = "auto"
    precision: Annotated[
        Literal["auto", "bf16", "fp16", "fp32"], _text("Of the network's arithmetic; auto: bf16 on a GPU, else fp32.")
    ] = "auto"
    compile: Annotated[Literal["auto", "on", "off"], _text("Compile the network; auto: on a GPU, where it works.")] = (
        "auto"
    )
    deterministic: Annotated[bool, _text("The same bits every time on the same GPU, for some speed.")] = False
    cache: Annotated[
        Literal["auto", "gpu", "ram", "disk", "off"],
        _text("Where the decoded images lie; off: decode them again in every epoch."),
    ] = "auto"
    workers: Annotated[int, _int("Processes that decode with --cache off. [one a core]", 0)] | None = None
    tensorboard: Annotated[bool, _text("Write the log for TensorBoard as well.")] = False

    def __post_init__(self) -> None:
        """Refuse what no file could hold.

        Raises
        ------
        HiertaxError
            If a number is infinite or none, or a text is not Unicode, as a path may be.
        """
        for name, value in self.to_json().items():
            if isinstance(value, float) and not math.isfinite(value):
                raise HiertaxError(f"{name}: {value} is not a finite number; correct it")
            if isinstance(value, str) and not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
                raise HiertaxError(f"{name}: {value!r} is not UTF-8; rename the file or folder")

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

    def save(self, path: Path) -> None:
        """Write the settings as a TOML file that `read_settings` reads; what is None is left out."""
        import tomli_w

        settings = {name: value for name, value in self.to_json().items() if value is not None}
        write_atomic(path, tomli_w.dumps(settings).encode())


def read_settings(path: Path) -> dict[str, Any]:
    """Read some settings, or all, from a TOML file.

    Returns
    -------
    Only what the file sets, strip_prefix the names of `Config`'s fields.

    Raises
    ------
    HiertaxError
        If it is not TOML, or a setting is unknown or out of its range: the file, the name, the reason.
    """
    try:
        raw = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise HiertaxError(f"{path}: not TOML: {error}; write lines such as `epochs = 100`") from None
    names = list(Config.__dataclass_fields__)
    for name in raw:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise HiertaxError(f"{path}: {name}: no such setting; " + (f"is it {near[0]}?" if near else "remove it"))
    try:
        msgspec.convert({"hierarchy": "", **raw}, Config)
    except (msgspec.ValidationError, HiertaxError) as error:
        raise HiertaxError(f"{path}: {str(error).replace(' - at `$.', '; correct `')}") from None
    return raw
