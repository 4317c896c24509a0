"""A run folder: ``config.json``, ``hierarchy.json``, ``log.csv`` and ``checkpoint.safetensors``.

The checkpoint is one file that is replaced as a whole after every epoch. It holds the weights, the
optimiser's momentum, and, in its header, hierarchy, class names, config and epoch: nothing in it can be
executed, and nothing else is needed to predict. Random numbers are drawn from (seed, epoch) alone, so there
is no generator state to keep, and a resumed run goes on exactly as it would have.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from taxonomy import Hierarchy, HiertaxError
from taxonomy.files import write_atomic, write_json
from trainer.config import Config
from trainer.methods import Network, build_network

FORMAT = "hiertax-checkpoint"
WEIGHTS, MOMENTUM = "weights/", "momentum/"


@dataclass(frozen=True)
class Run:
    """A run folder on disk."""

    path: Path

    @property
    def log_path(self) -> Path:
        """One CSV line per finished epoch."""
        return self.path / "log.csv"

    @property
    def checkpoint_path(self) -> Path:
        """The state after the last finished epoch."""
        return self.path / "checkpoint.safetensors"

    @classmethod
    def create(cls, path: Path, config: Config, hierarchy: Hierarchy) -> Run:
        """Start a run folder.

        Raises
        ------
        HiertaxError
            If there is a run in it already, or it cannot be written.
        """
        run = cls(path)
        run.refuse_if_trained()
        write_json(path / "config.json", config.to_json())
        hierarchy.save(path / "hierarchy.json")
        run.log_path.unlink(missing_ok=True)
        return run

    def refuse_if_trained(self) -> None:
        """Refuse a folder with a run in it, before any work is done for another.

        Raises
        ------
        HiertaxError
            If an epoch was finished here.
        """
        if self.checkpoint_path.exists():
            raise HiertaxError(
                f"{self.path}: there is a run here; go on with it by hiertrain --resume {self.path}, "
                "or choose another --out"
            )

    def read_log(self, epochs: int | None = None) -> list[dict[str, Any]]:
        """Read the log back, or its first `epochs` rows; numbers are numbers.

        Raises
        ------
        HiertaxError
            If it is missing, has fewer rows, or is not a log.
        """
        try:
            with self.log_path.open(encoding="utf-8", newline="") as file:
                rows = [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)]
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise HiertaxError(f"{self.log_path}: not a readable log ({error}); restore it from a copy") from None
        if epochs is not None and len(rows) < epochs:
            raise HiertaxError(f"{self.log_path}: {len(rows)} rows for {epochs} epochs; restore it from a copy")
        return rows[:epochs]

    def save(
        self, network: Network, optimizer: Optimizer, config: Config, hierarchy: Hierarchy, log: list[dict[str, Any]]
    ) -> None:
        """Save the state after ``len(log)`` epochs: the log, then the checkpoint.

        A kill between the two leaves a log that is one row longer than the checkpoint, which `resume` cuts.
        """
        write_atomic(self.log_path, _csv(log))
        tensors = {WEIGHTS + name: tensor for name, tensor in network.state_dict().items()}
        for name, parameter in network.named_parameters():
            if "momentum_buffer" in optimizer.state.get(parameter, {}):
                tensors[MOMENTUM + name] = optimizer.state[parameter]["momentum_buffer"]
        header = {
            "format": FORMAT,
            "epoch": str(len(log)),
            "config": msgspec.json.encode(config.to_json()).decode(),
            "hierarchy": msgspec.json.encode(hierarchy.to_json()).decode(),
        }
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        header["sha256"] = _digest(header, tensors)
        write_atomic(self.checkpoint_path, save(tensors, metadata=header))


def _digest(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 (hex) of all that a checkpoint says but this."""
    about = sorted((key, value) for key, value in header.items() if key != "sha256")
    digest = hashlib.sha256(msgspec.json.encode(about))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _number(text: str) -> int | float:
    """Read a number so that it is written as it was."""
    return int(text) if text.isdecimal() else float(text)


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds."""

    path: Path
    epoch: int
    config: Config
    hierarchy: Hierarchy
    weights: Mapping[str, Tensor]
    momentum: Mapping[str, Tensor]

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read the checkpoint of a run folder, executing nothing.

        Raises
        ------
        HiertaxError
            If there is none, it is truncated or changed, or it is no checkpoint of ours.
        """
        file = path / "checkpoint.safetensors"
        if not file.is_file():
            raise HiertaxError(f"{path}: no run with a finished epoch here; train one by hiertrain --out {path}")
        try:
            with safe_open(file, framework="pt") as stored:
                header = stored.metadata() or {}
                if header.get("format") != FORMAT:
                    raise HiertaxError(f"{file}: not a checkpoint of hiertrain; name a run folder")
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
            if header.get("sha256") != _digest(header, tensors):
                raise HiertaxError(f"{file}: was changed after it was written; restore it, or train anew")
            config = Config.from_json(msgspec.json.decode(header["config"]))
            hierarchy = Hierarchy.from_json(msgspec.json.decode(header["hierarchy"]))
            epoch = int(header["epoch"])
        except (OSError, SafetensorError, msgspec.DecodeError, KeyError, ValueError) as error:
            raise HiertaxError(f"{file}: truncated or changed ({error}); restore it, or train anew") from None
        weights, momentum = (
            {name.removeprefix(kind): tensor for name, tensor in tensors.items() if name.startswith(kind)}
            for kind in (WEIGHTS, MOMENTUM)
        )
        return cls(file, epoch, config, hierarchy, weights, momentum)

    def network(self) -> Network:
        """Build the network and fill in its weights.

        Raises
        ------
        HiertaxError
            If the weights do not fit the network that the config names.
        """
        network = build_network(
            self.config.method, self.config.backbone, self.hierarchy.sizes, frozen=self.config.freeze_backbone
        )
        try:
            network.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise HiertaxError(f"{self.path}: its weights do not fit its config ({reason}); restore it") from None
        return network

    def restore(self, optimizer: Optimizer, network: Network) -> None:
        """Give an optimiser of `network` its momentum back."""
        for name, parameter in network.named_parameters():
            if name in self.momentum:
                optimizer.state[parameter]["momentum_buffer"] = self.momentum[name].to(parameter.device)
