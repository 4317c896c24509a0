"""Answers for images a run has never seen: a chain from the root down, as sure as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from trainer.data.images import load_images
from trainer.data.inputs import ArrayInputs
from trainer.inference.decoding import best_paths
from trainer.inference.forward import predict_logits
from trainer.runs.checkpoint import Checkpoint
from trainer.runtime.device import choose


def percent(probability: float) -> str:
    """Write a probability so that nothing short of certain reads as certain."""
    if 0.995 <= probability < 1:
        return ">99 %"
    return "<1 %" if 0 < probability < 0.005 else f"{100 * probability:.0f} %"


@dataclass(frozen=True)
class Step:
    """One link of the chain: a taxon of a level and how likely it is."""

    level: str
    label: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What a run says about an image."""

    image: str
    root: str
    chain: tuple[Step, ...]

    def __str__(self) -> str:
        links = (f"{step.label} {percent(step.probability)}" for step in self.chain)
        return f"{self.image}\n  {' > '.join([self.root, *links])}"

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        return asdict(self)


class Predictor:
    """A trained run, loaded once, that answers for any number of images."""

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        """Take a run's network to a device, as `Checkpoint.load_to_answer` gives it."""
        self.checkpoint = checkpoint
        self.compute = choose(replace(checkpoint.config, device=device))
        self.network = self.compute.place(checkpoint.answering())

    def answer(self, paths: Sequence[Path]) -> list[Answer]:
        """Answer for image files, in their order.

        Raises
        ------
        HiertaxError
            If one of them cannot be decoded.
        """
        config, hierarchy = self.checkpoint.config, self.checkpoint.hierarchy
        images, _ = load_images(paths, config.image_size)
        logits = predict_logits(self.network, ArrayInputs(images), batch_size=config.batch_size, compute=self.compute)
        answers = []
        for path, labels, probability in zip(paths, *best_paths(hierarchy, logits), strict=True):
            steps = zip(hierarchy.levels, labels, probability, strict=True)
            chain = tuple(Step(level.name, level.labels[i], float(p)) for level, i, p in steps)
            answers.append(Answer(str(path), hierarchy.root, chain))
        return answers
