"""The calibration of a run: temperatures and weights of its heads, and what they were fitted on.

It is one safetensors file in the run folder, replaced as a whole, sealed by a hash of everything and bound to the
checkpoint that it is of; nothing in it is executed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from taxonomy import HiertaxError
from taxonomy.files import write_atomic
from taxonomy.hierarchy import IntArray
from trainer.models.stored import digest, read_sealed
from trainer.runs.folder import CALIBRATION
from trainer.runs.header import Header, answering_checkpoint

FORMAT: Final = "hiertax-calibration"


@dataclass(frozen=True, eq=False)
class Calibration:
    """How sure a run's answers are to be, and what shows it.

    Attributes
    ----------
    checkpoint
        SHA-256 (hex) of the checkpoint that it is of, by its header.
    temperatures
        What the logits of each of the K heads are divided by.
    path_weights
        What they are multiplied by where all heads are asked for whole paths.
    images
        What the images are that it was fitted on: ``val``, or ``held_out`` of the training images.
    logits
        K float32 tensors ``[N, C_k]``: what the heads say of them.
    truth
        int64 ``[N, K]``: their labels, -1 where unknown.
    """

    checkpoint: str
    temperatures: tuple[float, ...]
    path_weights: tuple[float, ...]
    images: str
    logits: tuple[Tensor, ...]
    truth: IntArray

    @property
    def n(self) -> int:
        """The number of images."""
        return len(self.truth)

    def save(self, run: Path) -> None:
        """Write it into the run folder, in place of the one that is there.

        Raises
        ------
        HiertaxError
            If it cannot be written; the old one stays.
        """
        about = {
            "checkpoint": self.checkpoint,
            "temperatures": self.temperatures,
            "path_weights": self.path_weights,
            "images": self.images,
        }
        header = {"format": FORMAT, **{name: msgspec.json.encode(value).decode() for name, value in about.items()}}
        tensors = {f"logits/{k}": z.float().contiguous() for k, z in enumerate(self.logits)}
        tensors["truth"] = torch.from_numpy(np.ascontiguousarray(self.truth))
        write_atomic(run / CALIBRATION, save(tensors, metadata={**header, "sha256": digest(header, tensors)}))

    @classmethod
    def load(cls, run: Path) -> Calibration:
        """Read the calibration of a run.

        Raises
        ------
        HiertaxError
            If there is none, it is truncated or changed, or of another checkpoint than the one that answers.
        """
        file = run / CALIBRATION
        if not file.is_file():
            raise HiertaxError(f"{run}: is not calibrated; do that first: hiertrain calibrate {run}")
        found = _read(file)
        if found.checkpoint != checkpoint_seal(run):
            raise HiertaxError(
                f"{file}: is of another checkpoint than the one that answers; do it anew: hiertrain calibrate {run}"
            )
        return found


def is_calibrated(run: Path) -> bool:
    """Whether there is a calibration of a run, be it of the checkpoint that answers or of another."""
    return (run / CALIBRATION).is_file()


def checkpoint_seal(run: Path) -> str:
    """Return the hash of the checkpoint that answers for a run.

    Raises
    ------
    HiertaxError
        If nothing is saved in the run folder, or it is damaged.
    """
    return Header.read(answering_checkpoint(run)).metadata["sha256"]


def _read(file: Path) -> Calibration:
    header, tensors = read_sealed(file, FORMAT, f"calibrate anew: hiertrain calibrate {file.parent}")
    about = {
        name: msgspec.json.decode(header[name]) for name in ("checkpoint", "temperatures", "path_weights", "images")
    }
    logits = tuple(tensors[f"logits/{k}"] for k in range(len(tensors) - 1))
    return Calibration(
        **{**about, **{name: tuple(about[name]) for name in ("temperatures", "path_weights")}},
        logits=logits,
        truth=tensors["truth"].numpy(),
    )
