"""A checkpoint: one file with all that predicting and going on need, in which nothing can be executed.

It is safetensors: the weights, the optimiser's state, the averaged weights if there are any, and a header with
hierarchy, class names, config, progress, the log so far and a hash of everything. One file, replaced as a whole, cannot
be half new and half old. Random numbers are drawn from (seed, epoch, step) alone: there is no generator state to keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from safetensors.torch import save
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.files import write_atomic
from trainer.config import Config
from trainer.models.methods import Network, network_of
from trainer.models.stored import FORMAT, WEIGHTS, answering_weights, digest, read_checkpoint, strip_prefix
from trainer.runs.header import Header, answering_checkpoint, last_checkpoint
from trainer.runs.log import Row

# What the names of other tensors begin with: of the optimiser's state, and, in older checkpoints, of its momentum.
OPTIMIZER, MOMENTUM = "optimizer/", "momentum/"
SUMS, KNOWN = "sums", "known"  # of the epoch so far: loss and right answers, known labels


@dataclass(frozen=True)
class Snapshot:
    """A learner at one moment, on the CPU, ready to be written while the learner goes on."""

    tensors: Mapping[str, Tensor]
    header: Mapping[str, str]
    log: Sequence[Row]

    @classmethod
    def of(
        cls,
        tensors: Mapping[str, Tensor],
        progress: Mapping[str, Any],
        config: Config,
        hierarchy: Hierarchy,
        log: Sequence[Row],
    ) -> Snapshot:
        """Put a learner's tensors and progress together with what they belong to, and the log that led to them."""
        about = {
            "config": config.to_json(),
            "hierarchy": hierarchy.to_json(),
            "progress": progress,
            "log": list(log),
        }
        header = {name: msgspec.json.encode(value).decode() for name, value in about.items()}
        return cls(tensors, {"format": FORMAT, **header}, list(log))

    def write(self, file: Path) -> None:
        """Write the checkpoint, sealed by its hash, in place of the one that is there.

        Raises
        ------
        HiertaxError
            If it cannot be written; the old file stays.
        """
        seal = digest(self.header, self.tensors)
        write_atomic(file, save(dict(self.tensors), metadata={**self.header, "sha256": seal}))


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds."""

    path: Path
    config: Config
    hierarchy: Hierarchy
    progress: Mapping[str, Any]
    log: Sequence[Row]
    tensors: Mapping[str, Tensor]

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return int(self.progress["epoch"])

    @classmethod
    def load(cls, run: Path) -> Checkpoint:
        """Read the last checkpoint of a run folder, executing nothing.

        Raises
        ------
        HiertaxError
            If there is none, it is truncated or changed, or it is no checkpoint of ours.
        """
        return cls._read(last_checkpoint(run))

    @classmethod
    def load_to_answer(cls, run: Path) -> Checkpoint:
        """Read the checkpoint that answers best: that of the best validation where a run kept one, else the last.

        Raises
        ------
        HiertaxError
            As `load`.
        """
        return cls._read(answering_checkpoint(run))

    @classmethod
    def _read(cls, file: Path) -> Checkpoint:
        header = Header.read(file)
        _, tensors = read_checkpoint(file)
        return cls(file, header.config, header.hierarchy, header.progress, header.log, _renamed(tensors))

    def network(self) -> Network:
        """Build the network that learns and fill in its weights.

        Raises
        ------
        HiertaxError
            If the weights do not fit the network that the config names.
        """
        return self._filled(strip_prefix(WEIGHTS, self.tensors))

    def answering(self) -> Network:
        """Build the network to predict with: that of the averaged weights where the run averages them.

        Raises
        ------
        HiertaxError
            As `network`.
        """
        return self._filled(answering_weights(self.tensors))

    def _filled(self, state: dict[str, Tensor]) -> Network:
        network = network_of(self.config, self.hierarchy)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise HiertaxError(f"{self.path}: its weights do not fit its config ({reason}); restore it") from None
        return network


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the momentum of older checkpoints as that of others: by parameter, then by what the optimiser calls it."""
    old = strip_prefix(MOMENTUM, tensors)
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(MOMENTUM)}
    return rest | {f"{OPTIMIZER}{name}/momentum_buffer": tensor for name, tensor in old.items()}
