"""A torchvision network without its classifier: images in, a feature map out."""

from __future__ import annotations

import sys
from collections import OrderedDict
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models
from torchvision.models import ResNet, get_model, get_model_weights, list_models
from torchvision.models.resnet import BasicBlock

from taxonomy import HiertaxError

CLASSIFIER_NAMES = ("avgpool", "fc", "classifier", "head", "flatten")


class Backbone(nn.Module):
    """The convolutional trunk of a torchvision classification network.

    Its parameters keep torchvision's names, so that any weight file of that network fits.

    Attributes
    ----------
    name
        torchvision's name of the network, such as ``resnet50``; or ``resnet10``, one basic block per stage, which
        is small enough to learn from scratch on a CPU.
    width
        The number of channels of the feature map.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        for child_name, child in _trunk(name).items():
            self.add_module(child_name, child)
        self.name = name
        self.width = _width(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to features ``[B, width, h, w]``."""
        for child in self.children():
            images = child(images)
        return images


def global_max_pool(maps: Tensor) -> Tensor:
    """Map features ``[B, W, h, w]`` to the largest of each channel, ``[B, W]``.

    As torch's adaptive pooling to one pixel; unlike that it can be had to the bit on a GPU too.
    """
    return maps.flatten(2).max(dim=2).values


def _trunk(name: str) -> OrderedDict[str, nn.Module]:
    """Return what stands before the pooling and the classifier, by torchvision's own names."""
    if name == "resnet10":
        network = ResNet(BasicBlock, [1, 1, 1, 1])
    elif name in list_models(module=models):  # without detection and the like, which download a backbone
        network = get_model(name, weights=None)
    else:
        raise HiertaxError(
            f"--backbone {name}: torchvision has no such classification network; try resnet50 or mobilenet_v2"
        )
    children = OrderedDict(network.named_children())
    for classifier in CLASSIFIER_NAMES:
        while classifier in children:
            children.popitem()
    return children


@torch.no_grad()
def _width(backbone: Backbone) -> int:
    """Ask the network itself how many channels its feature map has."""
    try:
        features = backbone.eval()(torch.zeros(1, 3, 96, 96))
    except (RuntimeError, TypeError, AttributeError, AssertionError):
        features = None
    if not isinstance(features, Tensor) or features.dim() != 4:
        raise HiertaxError(
            f"--backbone {backbone.name}: it yields no feature map; try resnet50, mobilenet_v2 or convnext_tiny"
        )
    backbone.train()
    return int(features.shape[1])


def load_weights(backbone: Backbone, weights: str) -> None:
    """Fill a backbone with pretrained weights.

    Parameters
    ----------
    weights
        ``imagenet`` (torchvision's first ImageNet-1k weights, those of the paper's time), ``none``, or a
        file: safetensors, or a torch state dict read without executing pickled code. A classifier in the
        file is passed over, whatever its classes; other layers that the backbone lacks are not.

    Raises
    ------
    HiertaxError
        If the file cannot be read, belongs to another network, or the download fails.
    """
    if weights == "none":
        return
    state = _imagenet(backbone.name) if weights == "imagenet" else _read_state(Path(weights))
    wanted = backbone.state_dict()
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    children = dict(backbone.named_children())
    foreign = [key for key in state if key not in wanted and key.partition(".")[0] in children]
    if missing or foreign:
        odd = f"lacks {missing[0]!r}" if missing else f"has {foreign[0]!r}, which {backbone.name} lacks"
        raise HiertaxError(
            f"--weights {weights}: not weights of {backbone.name}: {len(missing)} of its {len(wanted)} tensors are "
            f"missing, {len(foreign)} are foreign; the file {odd}; name the --backbone they belong to"
        )
    for key, tensor in wanted.items():
        if key in state and state[key].shape != tensor.shape:
            raise HiertaxError(
                f"--weights {weights}: {key} has shape {list(state[key].shape)}, {backbone.name} needs "
                f"{list(tensor.shape)}; name the --backbone they belong to"
            )
    backbone.load_state_dict({key: state.get(key, tensor) for key, tensor in wanted.items()})


def _imagenet(name: str) -> dict[str, Tensor]:
    try:
        weights = get_model_weights(name)["IMAGENET1K_V1"]
    except (ValueError, KeyError):
        raise HiertaxError(
            f"--weights imagenet: torchvision has none for {name}; give --weights a file, or --weights none"
        ) from None
    try:
        with redirect_stdout(sys.stderr):  # where progress belongs
            state: dict[str, Tensor] = weights.get_state_dict(progress=True)
    except (OSError, RuntimeError) as error:
        raise HiertaxError(
            f"--weights imagenet: the weights of {name} could not be downloaded ({error}); "
            "give --weights a file that you have, or --weights none"
        ) from None
    return state


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _load_without_code(path)
    except FileNotFoundError:
        raise HiertaxError(f"--weights {path}: no such file; name a file, `imagenet` or `none`") from None
    except (OSError, SafetensorError) as error:
        raise HiertaxError(f"--weights {path}: cannot be read ({error}); restore the file or name another") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict):
        raise HiertaxError(f"--weights {path}: holds no state dict; save the network's state_dict()")
    return {str(key).removeprefix("module."): value for key, value in state.items() if isinstance(value, Tensor)}


def _load_without_code(path: Path) -> Any:
    """Load what `torch.save` wrote, but for anything that would have to be executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # on broken and hostile files torch raises whatever comes up, with advice to trust them
        raise HiertaxError(
            f"--weights {path}: not a plain state dict, or damaged; nothing in it was executed; "
            "save the network's state_dict() anew, best as safetensors"
        ) from None
