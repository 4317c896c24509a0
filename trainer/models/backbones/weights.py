"""Pretrained weights for a backbone: from its library, a file, or a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from taxonomy import HiertaxError
from trainer.models.backbones.interface import GEM, Backbone
from trainer.models.pretrained import check_backbone_of_run, no_such_file, unreadable, weights_file
from trainer.models.stored import answering_weights, is_checkpoint, read_checkpoint, strip_prefix

STATES = ("state_dict", "model", "model_state_dict")  # what checkpoints of other trainers call the weights
WRAPPERS = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile and Lightning


def load_weights(backbone: Backbone, weights: str) -> None:
    """Fill a backbone with pretrained weights.

    Parameters
    ----------
    weights
        ``imagenet`` (those that the network's library publishes), ``none``, a file, or a run. A file is
        safetensors, or a torch state dict, read without executing pickled code; a classifier in it is passed over,
        whatever its classes; other layers that the backbone lacks are not. A run is its folder or its checkpoint: the
        backbone that it answers with counts, that of the finest level where it has several, whatever its classes.

    Raises
    ------
    HiertaxError
        If the file cannot be read, belongs to another network or holds what no network computes with, as quantised
        weights, or the download fails.
    """
    if weights == "none":
        return
    wanted = _tensors(backbone)
    state = backbone.published_weights() if weights == "imagenet" else _read_state(weights, backbone)
    if _misfit(backbone, wanted, state):
        state = backbone.adapted(state)
    if misfit := _misfit(backbone, wanted, state):
        raise HiertaxError(f"`weights` {weights}: {misfit}; name the `backbone` they belong to")
    if unfit := _unfit(wanted, state):
        raise HiertaxError(f"`weights` {weights}: {unfit}")
    filled = {key: state.get(key, tensor) for key, tensor in wanted.items()}
    backbone.library_network.load_state_dict(filled, strict=False)  # but for a pooling that learns


def _tensors(backbone: Backbone) -> dict[str, Tensor]:
    """Return what weights are needed for, by the library's names."""
    state = backbone.library_network.state_dict()
    return {key: tensor for key, tensor in state.items() if not key.startswith(f"{GEM}.")}


def _misfit(backbone: Backbone, wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Say why weights do not fit a backbone; nothing if they do."""
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    foreign = [key for key in state if key not in wanted and not backbone.is_classifiers(key)]
    if missing or foreign:
        odd = f"lacks {missing[0]!r}" if missing else f"has {foreign[0]!r}, which {backbone.name} lacks"
        return (
            f"not weights of {backbone.name}: {len(missing)} of its {len(wanted)} tensors are missing, "
            f"{len(foreign)} are foreign; the file {odd}"
        )
    for key, tensor in wanted.items():
        if key in state and state[key].shape != tensor.shape:
            return f"{key} has shape {list(state[key].shape)}, {backbone.name} needs {list(tensor.shape)}"
    return ""


def _unfit(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Say which tensor of fitting weights is of numbers that mean something else, and what to do; nothing if none is.

    Filled in as they are, whole numbers of quantised weights would lack their scale, and any other fault turn up as a
    loss that is no number.
    """
    for key, tensor in state.items():
        if key not in wanted or not wanted[key].is_floating_point():
            continue
        if not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            return f"{key} is {kind}, as of quantised weights; save them as floating-point numbers"
        values = tensor.float()
        if not values.isfinite().all():
            return f"{key} has values that are no finite numbers; take another file"
        if key.endswith("running_var") and (values < 0).any():
            return f"{key} has negative variances; take another file"
    return ""


def _read_state(weights: str, backbone: Backbone) -> Mapping[str, Tensor]:
    file = weights_file(weights)
    return _of_run(file, backbone) if is_checkpoint(file) else _of_file(file)


def _of_run(file: Path, backbone: Backbone) -> dict[str, Tensor]:
    header, tensors = read_checkpoint(file)
    check_backbone_of_run(file, msgspec.json.decode(header["config"])["backbone"], backbone.name)
    state = answering_weights(tensors)
    *_, prefix = ["", *_prefixes(state, _tensors(backbone))]
    pooling = f"{GEM}."  # how heads read, and learned with them
    return {key: tensor for key, tensor in strip_prefix(prefix, state).items() if not key.startswith(pooling)}


def _prefixes(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Iterable[str]:
    """Yield what the names of a network's weights begin with before the names of each of its backbones."""
    first = next(iter(wanted))
    for name in state:
        prefix = name.removesuffix(first)
        if prefix != name and all(prefix + key in state for key in wanted):
            yield prefix


def _of_file(path: Path) -> dict[str, Tensor]:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _load_without_code(path)
    except FileNotFoundError:
        raise no_such_file(path) from None
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from None
    content: dict[Any, Any] = state if isinstance(state, dict) else {}
    content = next((content[name] for name in STATES if isinstance(content.get(name), dict)), content)
    found = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not found:
        raise HiertaxError(f"`weights` {path}: holds no state dict; save the network's state_dict()")
    return _unwrapped(found)


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights, one at least, without what those who trained them put before all their names."""
    wrapper = next((each for each in WRAPPERS if all(name.startswith(each) for name in state)), None)
    return state if wrapper is None else _unwrapped(strip_prefix(wrapper, state))


def _load_without_code(path: Path) -> Any:
    """Load what `torch.save` wrote, but for anything that would have to be executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # on broken and hostile files torch raises whatever comes up, with advice to trust them
        raise HiertaxError(
            f"`weights` {path}: not a plain state dict, or damaged; nothing in it was executed; "
            "save the network's state_dict() anew, best as safetensors"
        ) from None
