"""What a checkpoint file says of itself, read without torch and without its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.models.stored import BEST, FORMAT, LAST
from trainer.runs.log import Row


@dataclass(frozen=True)
class Header:
    """The header of a checkpoint file.

    Attributes
    ----------
    path
        The file.
    progress
        How far training was: the finished epochs, the steps of the next, and so on.
    log
        One row per finished epoch.
    metadata
        All of this as it is stored, and the hash over it and the tensors.
    """

    path: Path
    config: Config
    hierarchy: Hierarchy
    progress: Mapping[str, Any]
    log: Sequence[Row]
    metadata: Mapping[str, str]

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return int(self.progress["epoch"])

    @classmethod
    def read(cls, file: Path) -> Header:
        """Read the header of a checkpoint file.

        Raises
        ------
        HiertaxError
            If it is truncated or changed, or it is no checkpoint of ours.
        """
        try:
            with safe_open(file, framework="np") as stored:
                metadata = stored.metadata() or {}
        except (OSError, SafetensorError) as error:
            raise HiertaxError(f"{file}: truncated or changed ({error}); restore it, or train anew") from None
        if metadata.get("format") != FORMAT:
            raise HiertaxError(f"{file}: not a checkpoint of hiertrain; name a run folder")
        try:
            about = {name: msgspec.json.decode(metadata[name]) for name in ("config", "hierarchy", "progress", "log")}
            config, hierarchy = Config.from_json(about["config"]), Hierarchy.from_json(about["hierarchy"])
            int(about["progress"]["epoch"]), about["config"]["data"]  # which every run has
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, HiertaxError) as error:
            raise HiertaxError(
                f"{file}: was changed after it was written ({error}); restore it, or train anew"
            ) from None
        return cls(file, config, hierarchy, about["progress"], about["log"], metadata)


def last_checkpoint(run: Path) -> Path:
    """Return the file that training goes on from.

    Raises
    ------
    HiertaxError
        If nothing is saved in the run folder.
    """
    if not (run / LAST).is_file():
        raise HiertaxError(f"{run}: no run with anything saved here; name the folder that a run was trained in")
    return run / LAST


def answering_checkpoint(run: Path) -> Path:
    """Return the file that answers best: that of the best validation where a run kept one, else the last.

    Raises
    ------
    HiertaxError
        If nothing is saved in the run folder.
    """
    return run / BEST if (run / BEST).is_file() else last_checkpoint(run)
