"""What a training run was asked for, as one frozen value: the same on the command line, in a file, in a checkpoint."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, inspect

from taxonomy import HiertaxError
from taxonomy.files import read_text, write_atomic

HeadMethod = Literal["ours", "ours_single", "vanilla_single", "vanilla_multi"]  # they differ by their heads alone
Method = Literal[HeadMethod, "ours_mc", "ours_nts", "ours_pmg", "ours_variant", "mc", "nts", "pmg", "ft"]
HEAD_METHODS: tuple[HeadMethod, ...] = get_args(HeadMethod)
METHODS: tuple[Method, ...] = get_args(Method)
Pool = Literal["max", "avg", "token", "gem"]

RUNTIME_FIELDS = (  # where and how, not what is learned
    "data", "device", "cache", "cache_limit", "workers", "compile", "tensorboard",
)  # fmt: skip
RESUMABLE = ("epochs", *RUNTIME_FIELDS)  # what may be another when a run is resumed


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

    hierarchy: Annotated[str, _text("Hierarchy file, as `hiertax build` writes it. [folders of the data]")] | None = (
        None
    )
    data: Annotated[str, _text("The dataset's folder. [data; the sketchbirds are drawn there]")] | None = None
    method: Annotated[Method, _text("The network; see docs/methods.md.")] = "ours"
    method_options: (
        Annotated[str, _text("Settings of the method's own, such as width=512; several by commas.")] | None
    ) = None
    backbone: Annotated[str, _text("A torchvision network, or timm/NAME for one of timm.")] = "resnet50"
    weights: Annotated[str, _text("imagenet, none, a file, or a run whose backbone to take.")] = "imagenet"
    freeze_backbone: Annotated[bool, _text("Train neck and heads alone, on features computed once.")] = False
    train_blocks: Annotated[int, _int("Train so many last blocks of the backbone alone. [all]", 1)] | None = None
    norm_statistics: Annotated[
        Literal["batch", "pretrained"],
        _text("What the backbone's batch norms go by in training: the batch, or what their weights came with."),
    ] = "batch"
    pool: Annotated[Pool, _text("What heads read: the largest or mean feature, a learned mean, the class token.")] = (
        "max"
    )
    image_size: Annotated[int, _int("Pixels per side that every image is resized to first.", 32)] = 224

    partial_labels: Annotated[
        Literal["mask", "marginal"],
        _text("Where an image is known to a level only: leave finer heads out, or let them answer for its taxon."),
    ] = "mask"

    balance: Annotated[bool, _text("Draw every class as often as any other, however many images it has.")] = False
    logit_adjustment: Annotated[
        float, _float("Weight of how common labels are, by which rare ones are learned harder, such as 1.")
    ] = 0.0
    label_smoothing: Annotated[
        float, _float("Share of a target that all labels have alike, such as 0.1.", 0.0, 0.9)
    ] = 0.0
    level_weights: (
        Annotated[str, _text("Weights of the levels' losses, coarsest first, such as 1,0.5,1. [1 each]")] | None
    ) = None

    epochs: Annotated[int, _int("Passes over the training images.", 1)] = 100
    batch_size: Annotated[int, _int("Images per step of the optimiser, over all processes.", 2)] = 64
    accumulate: Annotated[int, _int("Parts that a batch is computed in, to save memory.", 1)] = 1
    optimizer: Annotated[
        Literal["sgd", "adamw"],
        _text("Stochastic gradient descent, or Adam with decoupled decay, as transformers need."),
    ] = "sgd"
    learning_rate: Annotated[float, _float("Peak for neck and heads; falls along half a cosine.")] = 0.1
    backbone_learning_rate: Annotated[float, _float("Peak for the backbone.")] = 0.01
    heads_first: Annotated[
        int, _int("Epochs at the start in which neck and heads alone learn, on features computed once.", 0)
    ] = 0
    warmup_epochs: Annotated[int, _int("Epochs in which the whole network's rates rise to their peaks.", 0)] = 0
    layer_decay: Annotated[
        float, _float("Factor of the backbone's rate from each block to the one before it, such as 0.8.", 0.01, 1.0)
    ] = 1.0
    momentum: Annotated[float, _float("Of stochastic gradient descent.", 0.0, 0.999)] = 0.9
    weight_decay: Annotated[float, _float("On every parameter.")] = 5e-4
    decay_norms: Annotated[bool, _text("Weight decay on biases and normalisation layers too.")] = True
    ema: Annotated[float, _float("Decay of averaged weights that answer, such as 0.999; 0: none.", 0.0, 0.99999)] = 0.0
    seed: Annotated[int, _int("Decides initialisation, order and augmentation.", 0, 2**63 - 1)] = 0

    split: Annotated[str, _text("Table of the images to train on and to score: columns path and split.")] | None = None
    test_fraction: Annotated[
        float, _float("Share of every class to score, drawn where the dataset has no split.", 0.01, 0.9)
    ] = 0.2
    limit_per_class: Annotated[int, _int("Train on the first so many images of each class.", 1)] | None = None
    val_fraction: Annotated[float, _float("Share of the training images to validate on instead.", 0.0, 0.9)] = 0.0
    patience: Annotated[int, _int("Stop after so many epochs without a better validation.", 1)] | None = None
    crop_to_box: Annotated[bool, _text("Crop images to the box that the dataset has of their object.")] = False
    skip_bad_images: Annotated[bool, _text("Count images that cannot be decoded, and go on without them.")] = False

    crop: Annotated[
        Literal["pad", "resized"], _text("Random crop of the image in a black frame of 4 px, or of any part of it.")
    ] = "pad"
    crop_area: Annotated[float, _float("Least share of the image that a resized crop keeps.", 0.01, 1.0)] = 0.08
    color_jitter: Annotated[float, _float("Strength on brightness, contrast and saturation, such as 0.4.")] = 0.0
    mixup: Annotated[float, _float("Alpha of mixed images, such as 0.2; 0: none.")] = 0.0
    cutmix: Annotated[float, _float("Alpha of images with a part of another, such as 1; 0: none.")] = 0.0

    device: Annotated[str, _text("cpu, cuda, auto, or another that torch has, such as mps.")] = "auto"
    precision: Annotated[
        Literal["auto", "bf16", "fp16", "fp32"], _text("Of the network's arithmetic; auto: bf16 on a GPU, else fp32.")
    ] = "auto"
    compile: Annotated[
        Literal["auto", "on", "graphs", "off"],
        _text("Compile training steps, or record them as CUDA graphs; auto: compile on a GPU, where it pays."),
    ] = "auto"
    deterministic: Annotated[bool, _text("The same bits every time on the same GPU, for some speed.")] = False
    cache: Annotated[
        Literal["auto", "gpu", "ram", "disk", "off"],
        _text("Where the decoded images lie; off: decode them again in every epoch."),
    ] = "auto"
    cache_limit: Annotated[float, _float("Gigabytes that all decoded images may take on disk. [no limit]")] | None = (
        None
    )
    workers: Annotated[int, _int("Processes that decode where the cache is off. [one a core]", 0)] | None = None
    tensorboard: Annotated[bool, _text("Write the log for TensorBoard as well.")] = False

    def __post_init__(self) -> None:
        """Refuse what is no setting, wherever it comes from.

        Numbers of NumPy and paths may stand where numbers and texts are asked for.

        Raises
        ------
        HiertaxError
            If a value is of the wrong type, out of its range or not finite, if a text is not Unicode, as a path may
            be, or if settings exclude each other: the settings, their values, what may stand there.
        """
        for name in self.__dataclass_fields__:
            value = _plain(getattr(self, name))
            object.__setattr__(self, name, _accepted(name, value, f"`{name}` {value!r}"))
        check_batch(self)
        _check_backbone(self)
        _check_phases(self)

    @property
    def data_folder(self) -> Path:
        """The dataset's folder, or where it is looked for if none is named."""
        return Path("data" if self.data is None else self.data)

    @property
    def hierarchy_file(self) -> Path:
        """The hierarchy file, where there is no other way to have one."""
        if self.hierarchy is None:
            raise HiertaxError("no `hierarchy` is named; name the file")
        return Path(self.hierarchy)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Any) -> Config:
        """Read settings back.

        Raises
        ------
        HiertaxError
            If a setting is not as it should be; unknown ones are passed over.
        """
        try:
            return cls(**{name: value for name, value in dict(raw).items() if name in cls.__dataclass_fields__})
        except (HiertaxError, TypeError, ValueError) as error:
            raise HiertaxError(f"config: {error}") from None

    def save(self, path: Path) -> None:
        """Write the settings as a TOML file that `read_settings` reads; what is None is left out."""
        import tomli_w

        settings = {name: value for name, value in self.to_json().items() if value is not None}
        write_atomic(path, tomli_w.dumps(settings).encode())


def read_settings(path: Path) -> dict[str, Any]:
    """Read some settings, or all, from a TOML file.

    Returns
    -------
    Only what the file sets, by the names of `Config`'s fields.

    Raises
    ------
    HiertaxError
        If it is not TOML, or a setting is unknown or out of its range: the file, the name, the reason.
    """
    try:
        raw = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise HiertaxError(f"{path}: not TOML: {error}; write lines such as `epochs = 100`") from None
    for name, value in raw.items():
        if name not in Config.__dataclass_fields__:
            raise HiertaxError(f"{path}: {name}: no such setting; {nearest_setting(name)}")
        _accepted(name, value, f"{path}: {name} = {value!r}")
    return raw


def make_config(settings: Mapping[str, Any]) -> Config:
    """Return the config of some settings by name, the others at their defaults.

    Raises
    ------
    HiertaxError
        If there is no such setting, or `Config` refuses one.
    """
    check_names(settings)
    return Config(**settings)


def check_names(settings: Iterable[str]) -> None:
    """Refuse names that no setting has.

    Raises
    ------
    HiertaxError
        The name, and the nearest that there is.
    """
    for name in settings:
        if name not in Config.__dataclass_fields__:
            raise HiertaxError(f"{name}: no such setting; {nearest_setting(name)}")


def nearest_setting(name: str) -> str:
    """Say what to do about a name that no setting has."""
    near = difflib.get_close_matches(name, list(Config.__dataclass_fields__), n=1)
    return f"is it `{near[0]}`?" if near else "remove it"


def check_batch(config: Config, processes: int = 1) -> None:
    """Make sure that a batch can be computed in its parts.

    Parameters
    ----------
    processes
        How many share a batch.

    Raises
    ------
    HiertaxError
        If the parts would not be equal, or hold fewer than the two images that batch normalisation needs.
    """
    size, parts = config.batch_size, processes * config.accumulate
    if size % parts or size // parts < 2:
        raise HiertaxError(
            f"`batch_size` {size}: makes no {parts} equal parts of two or more "
            f"({processes} processes x `accumulate` {config.accumulate}); try {max(2, size // parts) * parts}"
        )


def _check_backbone(config: Config) -> None:
    """Refuse what says how a backbone learns, where it does not; and statistics that it does not have."""
    of_blocks = {"train_blocks": config.train_blocks is not None, "layer_decay": config.layer_decay != 1}
    for name in (name for name, given in of_blocks.items() if given and config.freeze_backbone):
        raise HiertaxError(
            f"`{name}` {getattr(config, name)}: no block of a frozen backbone learns; leave out one of the two, "
            "it or `freeze_backbone`"
        )
    if config.norm_statistics == "pretrained" and config.weights == "none":
        raise HiertaxError(
            "`norm_statistics` pretrained: `weights` none has no statistics; give weights, or leave it out"
        )


def _check_phases(config: Config) -> None:
    """Make sure that an epoch of the whole network is left after those of the heads, and one after the warm-up."""
    if config.heads_first and config.freeze_backbone:
        raise HiertaxError("`heads_first`: the backbone is frozen in all epochs by `freeze_backbone`; leave one out")
    if config.heads_first >= config.epochs:
        raise HiertaxError(
            f"`heads_first` {config.heads_first}: leaves none of {config.epochs} epochs for the whole network; give "
            "more `epochs`, or `freeze_backbone`"
        )
    if config.warmup_epochs and config.warmup_epochs >= (whole := config.epochs - config.heads_first):
        raise HiertaxError(f"`warmup_epochs` {config.warmup_epochs}: is to be less than the {whole} epochs to train in")


@cache
def setting_types() -> dict[str, inspect.Type]:
    """Return the type of every setting, without its description; one that may be None is a union."""
    about = inspect.type_info(Config)
    assert isinstance(about, inspect.DataclassType)  # noqa: S101 - tells mypy what it is
    return {field.name: _bare(field.type) for field in about.fields}


def _bare(kind: inspect.Type) -> inspect.Type:
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _plain(value: Any) -> Any:
    """Return paths as text and NumPy's numbers as Python's."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _accepted(name: str, value: Any, where: str) -> Any:
    """Return a setting's value, whole numbers as floats where it is one; refuse what it cannot be, and say where."""
    try:
        accepted = msgspec.convert(value, _annotations()[name])
    except msgspec.ValidationError:
        raise HiertaxError(f"{where}: give {_wanted(setting_types()[name])}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise HiertaxError(f"{where}: not a finite number; correct it")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise HiertaxError(f"{where}: not UTF-8; rename the file or folder")
    return accepted


@cache
def _annotations() -> dict[str, Any]:
    return get_type_hints(Config, include_extras=True)


def _wanted(kind: inspect.Type) -> str:
    """Say what may stand for a setting."""
    match kind:
        case inspect.LiteralType(values=choices):
            return f"one of {', '.join(map(str, choices))}"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number {_range(low, high)}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number {_range(low, high)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.UnionType(types=kinds):
            first = next(kind for kind in map(_bare, kinds) if not isinstance(kind, inspect.NoneType))
            return f"{_wanted(first)}, or leave it out"
    return "a text"


def _range(low: float | None, high: float | None) -> str:
    return f"of {low} or more" if high is None else f"from {low} to {high}"
