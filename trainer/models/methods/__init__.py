"""The methods, each a file of its name: its network, the steps by which it learns, its options.

A new one is a file here that has what `Method` says, and its name in the one list, `trainer.config.Method`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

import msgspec

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from trainer.config import Config, Pool
from trainer.models.backbones import build_backbone
from trainer.models.backbones.interface import Backbone
from trainer.models.heads import Levels
from trainer.models.network import Network

__all__ = ["Method", "Network", "build_network", "method_of", "network_of"]


class Method(Protocol):
    """What the file of a method has.

    Attributes
    ----------
    Options
        A frozen dataclass of what the method can be asked for beside its recipe, each with a default.
    """

    Options: type[Any]

    def build(self, levels: Levels, new_backbone: Callable[[], Backbone], options: Any, *, frozen: bool) -> Network:
        """Build the network.

        Parameters
        ----------
        levels
            How many labels each level has, and which stand above which.
        new_backbone
            Makes a backbone, filled with the weights to start from.
        options
            A value of `Options`.
        frozen
            Whether backbones stay as they are; several would then be alike.
        """


def method_of(name: str) -> Method:
    """Return the method of a name in `trainer.config.METHODS`."""
    return cast(Method, import_module(f"{__name__}.{name}"))


def network_of(config: Config, hierarchy: Hierarchy, *, weights: str = "none") -> Network:
    """Build the network that a run's settings ask for.

    Parameters
    ----------
    hierarchy
        Whose labels it is to tell apart.
    weights
        Those to start from: the config's own, or none where others are filled in.

    Raises
    ------
    HiertaxError
        As `build_network`; and if the method cannot learn from the features that its heads are to learn from first.
    """
    network = build_network(
        config.method, config.backbone, hierarchy.sizes, paths=hierarchy.paths, weights=weights,
        frozen=config.freeze_backbone, options=config.method_options, image_size=config.image_size, pool=config.pool,
        train_blocks=config.train_blocks, keeps_statistics=config.norm_statistics == "pretrained",
    )  # fmt: skip
    if config.heads_first:
        _check_features(network, config.method, "heads_first")
    return network


def build_network(
    method: str, backbone: str, sizes: Sequence[int], *, paths: IntArray | None = None,
    weights: str = "none", frozen: bool = False, options: str | None = None,
    image_size: int = 224, pool: Pool = "max", train_blocks: int | None = None,
    keeps_statistics: bool = False,
) -> Network:  # fmt: skip
    """Build the network of a method.

    Parameters
    ----------
    method
        One of `trainer.config.METHODS`.
    backbone
        See `trainer.models.backbones.build_backbone`.
    sizes
        The number of labels of each level, coarsest first.
    paths
        See `trainer.models.heads.Levels`.
    weights
        See `trainer.models.backbones.load_weights`.
    frozen
        Whether the backbone stays as it is.
    options
        Of the method's own, those that are not left at their defaults: ``width=512,depth=2``.
    image_size, pool, train_blocks
        See `trainer.models.backbones.build_backbone`.
    keeps_statistics
        See `trainer.models.backbones.Backbone`.

    Raises
    ------
    HiertaxError
        If backbone, weights or options are refused, or the method cannot learn from a frozen backbone.
    """

    def new_backbone() -> Backbone:
        made = build_backbone(backbone, weights, image_size=image_size, pool=pool, train_blocks=train_blocks)
        made.keeps_statistics = keeps_statistics
        return made.requires_grad_(False) if frozen else made

    made = method_of(method)
    network = made.build(Levels(tuple(sizes), paths), new_backbone, read_options(method, options), frozen=frozen)
    if frozen:
        _check_features(network, method, "freeze_backbone")
    return network


def _check_features(network: Network, method: str, setting: str) -> None:
    """Refuse a setting by which a network is to learn from features, where it cannot."""
    if not network.can_freeze:
        raise HiertaxError(
            f"`{setting}`: {method} learns from views of the images, not from features computed once; leave it out"
        )


def read_options(method: str, text: str | None) -> Any:
    """Return a method's options, ``width=512,depth=2``, as its own dataclass.

    Raises
    ------
    HiertaxError
        If the method has no such option, it is given twice, or is of the wrong type or out of its range.
    """
    kind = method_of(method).Options
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    names = [name.strip() for name, _, _ in pairs]
    options = {name: value.strip() for name, (_, _, value) in zip(names, pairs, strict=True)}
    for name in options:
        if name not in kind.__dataclass_fields__:
            own = ", ".join(kind.__dataclass_fields__) or "none"
            raise HiertaxError(f"`method_options` {name}: {method} has no such option; it has {own}")
        if names.count(name) > 1:
            raise HiertaxError(f"`method_options` {text}: {name} is given more than once; give it once")
    try:
        return msgspec.convert(options, kind, strict=False)
    except msgspec.ValidationError as error:
        raise HiertaxError(f"`method_options` {text}: {str(error).replace(' - at `$.', '; correct `')}") from None
