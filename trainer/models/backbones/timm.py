"""timm's networks as backbones (the extra ``timm``)."""

from __future__ import annotations

import difflib
import itertools
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import timm
import torch
from timm.models import group_parameters
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.models.backbones.blocks import group_by_block, parts_of
from trainer.models.backbones.interface import Backbone, Preprocessing
from trainer.models.backbones.probing import UNSUITED, probe, unused_parameters
from trainer.models.pretrained import TIMM


def timm_backbone(name: str) -> Callable[[int], Backbone]:
    """Return what builds a network of timm, without its classifier, for images of a size.

    Parameters
    ----------
    name
        ``timm/`` and timm's name of the network, perhaps with that of published weights: ``timm/NAME.WEIGHTS``.

    Raises
    ------
    HiertaxError
        If there is no such network, or no such weights.
    """
    architecture, _, tag = name.removeprefix(TIMM).partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=1)
        raise HiertaxError(f"`backbone` {name}: timm has no such network; try {TIMM}{(near or ['resnet50'])[0]}")
    tags = timm.list_pretrained(f"{architecture}.*")
    if tag and f"{architecture}.{tag}" not in tags:
        known = f"try {' or '.join(TIMM + each for each in tags[:3])}" if tags else "leave them out"
        raise HiertaxError(f"`backbone` {name}: timm publishes no such weights; {known}")
    return partial(TimmBackbone, name)


class TimmBackbone(Backbone):
    """A network of timm's before its pooling and classifier: maps as they are, tokens and channels-last maps turned."""

    def __init__(self, name: str, image_size: int = 224) -> None:
        super().__init__()
        self.name, self.image_size = name, image_size
        self.network = _network(name, image_size)
        self._check_patches()
        self.preprocessing = _preprocessing(self.network.pretrained_cfg)
        self.inner_only, self.channels_last, self.prefix = False, False, 0
        last = self._find_layout()
        for unused in unused_parameters(self, last):  # as those of layers after the pooling
            unused.requires_grad_(False)
        self.stages, self.widths = self._find_stages(last.shape)

    @property
    def library_network(self) -> nn.Module:
        """The network as timm makes it."""
        network: nn.Module = self.network
        return network

    def _check_patches(self) -> None:
        """Refuse a size of which timm would leave out what fills no patch."""
        patch = getattr(getattr(self.network, "patch_embed", None), "patch_size", 1)
        if any(self.image_size % side for side in (patch if isinstance(patch, Sequence) else (patch,))):
            raise ValueError(f"{self.image_size} px make no whole patches of {patch}")

    def _find_layout(self) -> Tensor:
        """Find in what form the network gives its last features; return these, as a map."""
        last = probe(self, self.network.forward_features, self.image_size)
        # A few give no features of places here, but lists, or the class token alone; these have inner maps at least.
        self.inner_only = not isinstance(last, Tensor) or (last.dim() == 3 and last.shape[1] == 1)
        if self.inner_only:
            last = probe(self, self._features, self.image_size)
        width = self.network.num_features
        self.channels_last = last.dim() == 4 and last.shape[1] != width and last.shape[3] == width
        if last.dim() == 3:
            places, told = last.shape[1], getattr(self.network, "num_prefix_tokens", None)
            self.prefix = places - math.isqrt(places) ** 2 if told is None else told
        tokens = any("cls_token" in name for name, _ in self.network.named_parameters())
        self.has_class_token = self.prefix > 0 and tokens
        map_ = self._map(last)
        if map_.dim() != 4 or min(map_.shape) < 1:
            raise ValueError(f"no map but {list(map_.shape)}")
        return map_

    @torch.no_grad()
    def _find_stages(self, last: torch.Size) -> tuple[list[int], tuple[int, ...]]:
        """Find the inner maps before the resolution falls, where the network gives such, and the widths of all maps."""
        info = list(getattr(self.network, "feature_info", None) or ())
        ends = {stage["reduction"]: i for i, stage in enumerate(info)}  # the last of each resolution
        self.stages = [i for reduction, i in ends.items() if reduction >= 4][:-1]
        try:
            shapes = [map_.shape for map_ in probe(self, self.maps, self.image_size)]
        except UNSUITED:
            shapes = []
        sides = [shape[-1] for shape in shapes]
        falling = all(finer > coarser for finer, coarser in itertools.pairwise(sides))
        if len(shapes) != len(self.stages) + 1 or shapes[-1] != last or not falling:
            return [], (last[1],)
        return self.stages, tuple(shape[1] for shape in shapes)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Map normalised images ``[B, 3, S, S]`` to the features of each stage, ``[B, widths[i], h_i, w_i]``."""
        if not self.stages:
            return [self(images)]
        last, inner = self.network.forward_intermediates(images, indices=self.stages, output_fmt="NCHW")
        return [*inner, self._map(last)]

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to the last features ``[B, width, h, w]``."""
        return self._map(self._features(images))

    def class_token_of(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to their class token after the last layer, ``[B, width]``."""
        return self._features(images)[:, 0]

    def parameter_blocks(self) -> list[list[str]]:
        """Return the names of the parameters of each block, as timm groups them for learning rates by layer."""
        if not hasattr(self.network, "group_matcher"):
            return group_by_block(self.named_network_parameters(), parts_of(self.network.children()))
        groups: dict[int, list[str]] = group_parameters(self.network, self.network.group_matcher(coarse=False))
        return [[f"network.{name}" for name in groups[i]] for i in sorted(groups)]

    def published_weights(self) -> dict[str, Tensor]:
        """Return the weights that timm publishes for this network, made to fit its image size.

        Raises
        ------
        HiertaxError
            If there are none, or they cannot be downloaded.
        """
        about = self.network.pretrained_cfg
        if not any(about.get(place) for place in ("url", "file", "hf_hub_id")):
            raise HiertaxError(
                f"`weights` imagenet: timm has none for {self.name}; give `weights` a file, or `weights` none"
            )
        try:
            network = _network(self.name, self.image_size, pretrained=True)
        except Exception as error:  # whatever a download raises, which depends on where the weights lie
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise HiertaxError(
                f"`weights` imagenet: the weights of {self.name} could not be downloaded ({reason}); "
                "give `weights` a file that you have, or `weights` none"
            ) from None
        state: dict[str, Tensor] = network.state_dict()
        return state

    def adapted(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return weights renamed and resized as timm does with those that it publishes itself."""
        convert = getattr(sys.modules[type(self.network).__module__], "checkpoint_filter_fn", None)
        if convert is None:
            return state
        try:
            with warnings.catch_warnings(action="ignore"):  # of timm's to itself
                converted: Mapping[str, Tensor] = convert(dict(state), self.network)
        except Exception:  # of weights of another network anything may be missing
            return state
        return converted

    def is_classifiers(self, tensor: str) -> bool:
        """Whether a tensor of timm's network, by its name, is of the classifier, which the backbone lacks."""
        classifiers = self.network.pretrained_cfg.get("classifier") or ()
        names = (classifiers,) if isinstance(classifiers, str) else classifiers
        return super().is_classifiers(tensor) or tensor.partition(".")[0] in {name.partition(".")[0] for name in names}

    def _features(self, images: Tensor) -> Tensor:
        """Return the last features as the network gives them."""
        if self.inner_only:
            inner: Sequence[Tensor] = self.network.forward_intermediates(
                images, indices=1, output_fmt="NCHW", intermediates_only=True
            )
            return inner[-1]
        features: Tensor = self.network.forward_features(images)
        return features

    def _map(self, features: Tensor) -> Tensor:
        """Return features as a map, ``[B, width, h, w]``: tokens without those that are of no place."""
        if features.dim() == 3:
            places = features[:, self.prefix :]
            side = math.isqrt(places.shape[1])
            map_: Tensor = places.transpose(1, 2).unflatten(2, (side, side))
            return map_
        return features.permute(0, 3, 1, 2) if self.channels_last else features


def _network(name: str, image_size: int, *, pretrained: bool = False) -> Any:
    """Return a network without a classifier, for an image size where it is made for one."""
    own = name.removeprefix(TIMM)
    try:
        return timm.create_model(own, pretrained=pretrained, num_classes=0, img_size=image_size)
    except TypeError as error:  # as most that take any size do not take it as an argument
        if "img_size" not in str(error):
            raise
    return timm.create_model(own, pretrained=pretrained, num_classes=0)


def _preprocessing(about: Mapping[str, Any]) -> Preprocessing:
    mean, std = tuple(about["mean"]), tuple(about["std"])
    return Preprocessing(mean, std, about["input_size"][-1], about["interpolation"], about["crop_pct"])
