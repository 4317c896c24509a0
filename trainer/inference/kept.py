"""Features of a backbone that is not to learn, kept on disk: a run on the same images need not compute them again.

An entry is a folder of the cache that decoded images lie in (`trainer.data.entries`), named by all that the features
come from: the images, pixel by pixel, the backbone's weights, how it is computed and by which release.
"""

from __future__ import annotations

import io
import os
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from taxonomy.files import cache_root
from trainer.config import Config
from trainer.data.entries import (
    ABOUT,
    FEATURES,
    FEATURES_FORMAT,
    VERSIONS,
    About,
    UnusableCacheError,
    built_beside,
    make_room,
    mark_used,
)
from trainer.data.inputs import ArrayInputs, Inputs
from trainer.inference.forward import Embedder, embed
from trainer.models.stored import hash_tensors
from trainer.runtime.device import Compute
from trainer.runtime.progress import Reporter

PROBED = 4  # images of which the features are computed once more, to see that what was kept is right
CLOSE = 0.05  # what they may differ by, relative to their length: a batch of another size is rounded otherwise


def place_of(images: Inputs, network: Embedder, config: Config, compute: Compute) -> Path | None:
    """Return where the features of images are kept; None where they are not, as they are computed as quickly.

    That is so on a GPU, and where images are decoded anew each time, so that their pixels are not at hand.
    """
    if compute.on_gpu or config.cache == "off" or not isinstance(images, ArrayInputs):
        return None
    made_by = (
        FEATURES_FORMAT, VERSIONS[FEATURES_FORMAT], version("hiertax"), torch.__version__, type(network).__qualname__,
        config.backbone, config.pool, config.image_size, config.batch_size, str(compute.dtype),
    )  # fmt: skip
    whole = blake2b(repr(made_by).encode(), digest_size=16)
    for trunk in network.trunks():
        hash_tensors(whole, trunk.state_dict())
    hash_tensors(whole, {"images": images.tensor})
    return cache_root() / whole.hexdigest()


def read(place: Path, images: Inputs, network: Embedder, compute: Compute, reporter: Reporter) -> Tensor | None:
    """Return the features that are kept, float32 ``[N, W]``; None where there are none that are whole and right."""
    if not (place / FEATURES).exists():
        return None
    try:
        found = torch.from_numpy(np.load(place / FEATURES, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        reporter.say(f"{place}: {error}; computing the features anew")
        return None
    few = ArrayInputs(images.tensor[:PROBED]) if isinstance(images, ArrayInputs) else images
    probe = embed(network, few, batch_size=PROBED, compute=compute)
    fits = found.dtype == torch.float32 and found.shape == (len(images), probe.shape[1])
    if not (fits and (found[:PROBED] - probe).norm() <= CLOSE * probe.norm()):
        reporter.say(f"{place}: holds features of something else; computing them anew")
        return None
    mark_used(place)
    return found


def keep(features: Tensor, place: Path, what: str, config: Config, reporter: Reporter) -> None:
    """Keep features; where there is no room for them, say so and go on."""
    about = About(
        FEATURES_FORMAT, VERSIONS[FEATURES_FORMAT], str(config.data_folder.absolute()), config.image_size,
        len(features), [], f"{what}, as {config.backbone} sees them",
    )  # fmt: skip
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if config.cache_limit is not None:
            make_room(place, config.cache_limit, features.nbytes, reporter.say)
        with built_beside(place, place.with_name(f".{place.name}.{os.getpid()}.part")) as part:
            file = io.BytesIO()  # into a file of its own numpy would write without a word of a full disk
            np.save(file, features.numpy())
            (part / FEATURES).write_bytes(file.getbuffer())
            (part / ABOUT).write_bytes(msgspec.json.encode(about))
    except (OSError, UnusableCacheError) as error:
        if (place / FEATURES).exists():
            return  # another process was as quick
        reason = getattr(error, "strerror", None) or error
        reporter.say(f"{place.parent}: features of {what} images are not kept ({reason}); they will be computed again")
