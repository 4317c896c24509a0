"""How a checkpoint file keeps weights: safetensors, each tensor named by its use, sealed by a hash of everything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from safetensors import SafetensorError, safe_open

from taxonomy import HiertaxError

if TYPE_CHECKING:  # so that what a checkpoint is called can be had without it
    from torch import Tensor

FORMAT = "hiertax-checkpoint"
LAST, BEST = "checkpoint.safetensors", "best.safetensors"
WEIGHTS, AVERAGE = "weights/", "average/"  # what the names of tensors begin with


def is_checkpoint(file: Path) -> bool:
    """Whether a file says of itself that it is a checkpoint of ours."""
    try:
        with safe_open(file, framework="np") as stored:
            return (stored.metadata() or {}).get("format") == FORMAT
    except (OSError, SafetensorError):
        return False


def read_checkpoint(file: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the header of a checkpoint and its tensors by name, executing nothing.

    Raises
    ------
    HiertaxError
        As `read_sealed`.
    """
    return read_sealed(file, FORMAT, "restore it, or train anew")


def read_sealed(file: Path, kind: str, cure: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the header of a file of ours and its tensors by name, executing nothing.

    Parameters
    ----------
    kind
        The ``format`` that it says of itself.
    cure
        What to do where it cannot be read.

    Raises
    ------
    HiertaxError
        If it is truncated or changed, or of another kind.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            header = stored.metadata() or {}
            if header.get("format") != kind:
                raise HiertaxError(f"{file}: is no {kind}; {cure}")
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise HiertaxError(f"{file}: truncated or changed ({error}); {cure}") from None
    if header.get("sha256") != digest(header, tensors):
        raise HiertaxError(f"{file}: was changed after it was written; {cure}")
    return header, tensors


def header_hash(header: Mapping[str, str]) -> hashlib._Hash:
    """Return the SHA-256 of all that a header says but the hash itself, to go on with what it belongs to."""
    about = sorted((key, value) for key, value in header.items() if key != "sha256")
    return hashlib.sha256(msgspec.json.encode(about))


def digest(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 (hex) of all that a checkpoint says but this."""
    found = header_hash(header)
    hash_tensors(found, tensors)
    return found.hexdigest()


def hash_tensors(found: hashlib._Hash | hashlib.blake2b, tensors: Mapping[str, Tensor]) -> None:
    """Add to a hash what tensors are called, of what kind they are and what they hold."""
    import torch

    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def answering_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights to answer with: the averaged ones where a run averages them."""
    return strip_prefix(AVERAGE, tensors) or strip_prefix(WEIGHTS, tensors)


def strip_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, named without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
