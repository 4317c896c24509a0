"""What a server says of photographs: the answers of `hiertrain predict`, and where the network looked."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from taxonomy import HiertaxError
from trainer.data.inputs import ArrayInputs
from trainer.explanation.explain import Explainer, Mapped, MapSettings
from trainer.inference.answering.answer import Answering
from trainer.inference.answering.choose import uncalibrated
from trainer.inference.answering.wishes import Wishes
from trainer.inference.answers import Answers
from trainer.inference.predictor import Predictor
from trainer.runtime.progress import Reporter, reporter_of

NAME = "image 0"  # of an image without one, as of `Predictor.predict`


class Asked(NamedTuple):
    """One decoded photograph, uint8 ``[3, S, S]``, and how it is to be answered."""

    pixels: NDArray[np.uint8]
    answering: Answering
    top_k: int | None = None
    maps: bool = False


class LevelMap(NamedTuple):
    """Where the head of a level saw a label, uint8 ``[S, S]``, 255 where that is strongest; and the share it covers."""

    level: str
    label: str
    area: float
    shades: NDArray[np.uint8]


class Reply(NamedTuple):
    """What there is to say of a photograph: its answer as plain JSON values, and its maps, if they were asked for."""

    answer: dict[str, Any]
    maps: tuple[LevelMap, ...] = ()


@dataclass(frozen=True, eq=False)
class Answerer:
    """A trained run, or an exported file, that answers each photograph of a batch as is wished for.

    Attributes
    ----------
    model
        What answers.
    explainer
        What shows where it looked; None where it cannot.
    no_maps
        Why it cannot.
    """

    model: Predictor
    explainer: Explainer | None
    no_maps: str | None = None

    @classmethod
    def of(cls, model: Predictor, reporter: Reporter | bool | None = None) -> Answerer:
        """Find out what a model can do, on a black image.

        Parameters
        ----------
        reporter
            Who tells what there is to know, such as that it is not calibrated.

        Raises
        ------
        HiertaxError
            If its calibration is of another checkpoint, its logits are not finite, or it is wished to answer in
            another way than by default, which each request says for itself.
        """
        if model.answering.weights is not None or model.answering.confidence is not None:
            raise HiertaxError(f"{model.run}: serve it as it was loaded; how to answer is said with each photograph")
        cautious = model.wishing(Wishes(confidence=0.5), reporter)
        model = replace(model, answering=replace(cautious.answering, confidence=None))
        size = model.config.image_size
        black = torch.zeros(1, 3, size, size, dtype=torch.uint8)
        model.logits_of(ArrayInputs(black))
        if not model.network.trunks():
            return cls(model, None, "an exported file gives answers alone; serve the run itself to see where it looked")
        explainer = Explainer(model, MapSettings())
        try:
            explainer.map(black)
        except HiertaxError as error:
            reporter_of(reporter).say(f"no maps: {error}")
            return cls(model, None, str(error))
        return cls(model, explainer)

    def wished(self, wishes: Wishes) -> Answering:
        """Return how to answer, calibrated as the model is; no file is read for it.

        Raises
        ------
        HiertaxError
            If a taxon is not there, or settings contradict each other.
        """
        own = self.model.answering
        answering = uncalibrated(self.model.hierarchy, wishes).answering
        return replace(answering, temperatures=own.temperatures, path_weights=own.path_weights)

    def answer(self, batch: Sequence[Asked]) -> list[Reply]:
        """Answer for decoded photographs, all in one pass.

        Raises
        ------
        HiertaxError
            If logits are not finite.
        """
        pixels = torch.from_numpy(np.stack([asked.pixels for asked in batch]))
        logits = self.model.logits_of(ArrayInputs(pixels))
        rows = [[level[i : i + 1] for level in logits] for i in range(len(batch))]
        replies = [Reply(self._named(asked, row)) for asked, row in zip(batch, rows, strict=True)]
        mapped = [i for i, asked in enumerate(batch) if asked.maps]
        if mapped and self.explainer is not None:
            labels = np.concatenate([_path(batch[i].answering, rows[i]) for i in mapped])
            found = self.explainer.map(pixels[mapped], torch.from_numpy(labels))
            for at, i in enumerate(mapped):
                replies[i] = replies[i]._replace(maps=tuple(_maps(self.explainer, found, at)))
        return replies

    def _named(self, asked: Asked, logits: Sequence[Tensor]) -> dict[str, Any]:
        """Return the answer for one photograph as `hiertrain predict --json` has it."""
        found = asked.answering.answer(logits)
        top = () if asked.top_k is None else tuple(asked.answering.top(logits, asked.top_k))
        answers = Answers(self.model.hierarchy, (NAME,), found.labels, found.probability, (), found.unknown, top)
        return answers[0].to_json()


def _path(answering: Answering, logits: Sequence[Tensor]) -> NDArray[np.int64]:
    """Return the labels that maps are of, int64 ``[1, K]``: those of the whole path, however unsure."""
    return replace(answering, rule="path", confidence=None).answer(logits).labels


def _maps(explainer: Explainer, found: Mapped, at: int) -> Iterator[LevelMap]:
    labels = explainer.labels(found.classes[at].tolist())
    for k, level in enumerate(explainer.predictor.hierarchy.levels):
        shades = np.rint(255 * found.maps[at, k]).astype(np.uint8)
        yield LevelMap(level.name, str(labels[k]), float(found.areas[at, k]), shades)


def to_json(reply: Reply) -> dict[str, Any]:
    """Return a reply as plain JSON values, its maps as grey pictures that are white where they are strongest."""
    if not reply.maps:
        return reply.answer
    maps = [
        {"level": one.level, "label": one.label, "area": one.area, "png": _picture(one.shades)} for one in reply.maps
    ]
    return {**reply.answer, "maps": maps}


def _picture(shades: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(shades).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
