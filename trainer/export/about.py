"""What an exported file says of itself: all that its logits need to become answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.inference.decoding import RULES, Rule
from trainer.inference.predictor import Predictor
from trainer.models.stored import header_hash

FORMAT: Final = "hiertax-export"


@dataclass(frozen=True)
class About:
    """What goes with exported weights.

    Attributes
    ----------
    hierarchy
        The K levels; its labels are in the order of the logits.
    config
        The settings of the run; of its paths only the last part.
    epoch
        How many epochs it was trained for.
    mean, std
        What was taken from pixels in 0 to 1, and what the rest was divided by.
    temperatures, path_weights
        The calibration of the K heads, None where the run has none.
    decode
        Where labels come from, see `trainer.inference.decoding`.
    precision
        What the weights are stored in.
    """

    hierarchy: Hierarchy
    config: Config
    epoch: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    temperatures: tuple[float, ...] | None
    path_weights: tuple[float, ...] | None
    decode: Rule
    precision: str = "fp32"

    @classmethod
    def of(cls, predictor: Predictor, precision: str) -> About:
        """Say it of a loaded run."""
        config, answering = predictor.config, predictor.answering
        paths = {name: getattr(config, name) for name in ("data", "hierarchy", "weights")}
        names: dict[str, Any] = {name: path and Path(path).name for name, path in paths.items()}
        how = predictor.network.preprocessing
        return cls(
            predictor.hierarchy, replace(config, **names), predictor.epoch, tuple(how.mean), tuple(how.std),
            answering.temperatures, answering.path_weights, answering.decode, precision,
        )  # fmt: skip

    def to_metadata(self) -> dict[str, str]:
        """Return it as text by name, each value JSON but for the format."""
        values: dict[str, Any] = {
            "hierarchy": self.hierarchy.to_json(), "config": self.config.to_json(), "epoch": self.epoch,
            "image_size": self.config.image_size, "mean": self.mean, "std": self.std,
            "levels": [level.name for level in self.hierarchy.levels],
            "labels": [list(level.labels) for level in self.hierarchy.levels],
            "paths": self.hierarchy.paths.tolist(),
            "temperatures": self.temperatures, "path_weights": self.path_weights,
            "decode": self.decode, "precision": self.precision,
        }  # fmt: skip
        return {"format": FORMAT, **{name: msgspec.json.encode(value).decode() for name, value in values.items()}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], file: Path) -> About:
        """Read it back.

        Raises
        ------
        HiertaxError
            If the file is not one that `hiertrain export` wrote, or was changed.
        """
        if metadata.get("format") != FORMAT:
            raise HiertaxError(f"{file}: was not written by hiertrain export; export a run: hiertrain export RUN")
        try:
            about = {name: msgspec.json.decode(value) for name, value in metadata.items() if name in _READ}
            if about["decode"] not in RULES:
                raise ValueError(f"decode {about['decode']}")
            calibration = {name: _floats(about[name]) for name in ("temperatures", "path_weights")}
            return cls(
                Hierarchy.from_json(about["hierarchy"]), Config.from_json(about["config"]), int(about["epoch"]),
                tuple(about["mean"]), tuple(about["std"]), decode=about["decode"], precision=about["precision"],
                **calibration,
            )  # fmt: skip
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, HiertaxError) as error:
            raise HiertaxError(f"{file}: was changed after it was written ({error}); export it anew") from None


_READ = {"hierarchy", "config", "epoch", "mean", "std", "temperatures", "path_weights", "decode", "precision"}


def _floats(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(map(float, values))


def seal(metadata: Mapping[str, str], content: bytes) -> str:
    """Return the SHA-256 (hex) of all metadata but the seal, and of what it belongs to."""
    found = header_hash(metadata)
    found.update(content)
    return found.hexdigest()
