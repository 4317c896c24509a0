"""What a server says of photographs: the answers of `hiertrain predict`, and where the network looked."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from taxonomy import HiertaxError
from trainer.data.inputs import ArrayInputs
from trainer.explanation.explain import Explainer, Mapped, MapSettings
from trainer.export.about import wishes_told
from trainer.inference.answering.answer import Answering
from trainer.inference.answering.choose import uncalibrated
from trainer.inference.answering.wishes import Wishes
from trainer.inference.answers import Answers
from trainer.inference.predictor import Predictor
from trainer.runtime.progress import Reporter, reporter_of
from trainer.serve.audiences import Offered, offered

NAME = "image 0"  # of an image without one, as of `Predictor.predict`


class Asked(NamedTuple):
    """One decoded photograph, uint8 ``[3, S, S]``, how it is to be answered, and by what its depth is chosen."""

    pixels: NDArray[np.uint8]
    answering: Answering
    depth_rule: str
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

    What the model itself was given holds: its classes, prior, decoding and unknowns for every photograph, its depth for
    those with which no other is wished for.

    Attributes
    ----------
    model
        What answers.
    audiences
        For whom, by name.
    explainer
        What shows where it looked; None where it cannot.
    no_maps
        Why it cannot.
    """

    model: Predictor
    audiences: Mapping[str, Offered]
    explainer: Explainer | None
    no_maps: str | None = None

    @classmethod
    def of(
        cls, model: Predictor, profiles: Sequence[str | Path] = (), reporter: Reporter | bool | None = None
    ) -> Answerer:  # fmt: skip
        """Find out what a model can do, on a black image.

        Parameters
        ----------
        profiles
            Further audiences, see `offered`.
        reporter
            Who tells what there is to know, such as that it is not calibrated.

        Raises
        ------
        HiertaxError
            If its calibration is of another checkpoint, its logits are not finite, or an audience is not there.
        """
        audiences = offered(model.hierarchy, profiles)
        model.wishing(Wishes(confidence=0.5), reporter)  # which tells of its calibration
        size = model.config.image_size
        black = torch.zeros(1, 3, size, size, dtype=torch.uint8)
        model.logits_of(ArrayInputs(black))
        if not model.network.trunks():
            why = "an exported file gives answers alone; serve the run itself to see where it looked"
            return cls(model, audiences, None, why)
        explainer = Explainer(model, MapSettings())
        try:
            explainer.map(black)
        except HiertaxError as error:
            reporter_of(reporter).say(f"no maps: {error}")
            return cls(model, audiences, None, str(error))
        return cls(model, audiences, explainer)

    def wished(self, wishes: Wishes) -> tuple[Answering, str]:
        """Return how to answer, calibrated as the model is, and in a line what its depth follows; reads no file.

        Raises
        ------
        HiertaxError
            If a taxon or an audience is not there, nothing is left of the model's own classes, or settings contradict
            each other.
        """
        own, audience = self.model.answering, self._audience(wishes)
        asked = uncalibrated(self.model.hierarchy, replace(wishes, audience=None)).answering
        asked = replace(asked, served=None if audience is None else audience.served)
        depth = asked if wishes.is_cautious else own
        answering = replace(
            own, restriction=_both(own.restriction, asked.restriction), rule=depth.rule, confidence=depth.confidence,
            trade_off=depth.trade_off, served=depth.served,
        )  # fmt: skip
        return answering, depth_told(answering) if audience is None else audience.said

    def _audience(self, wishes: Wishes) -> Offered | None:
        if wishes.audience is None:
            return None
        if (found := self.audiences.get(str(wishes.audience))) is None:
            raise HiertaxError(f"`audience` {wishes.audience}: not offered; there are {', '.join(self.audiences)}")
        return found

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
        return {**answers[0].to_json(), "depth_rule": asked.depth_rule}


def depth_told(answering: Answering) -> str:
    """Return in a few words by what the depth of answers is chosen."""
    by = Answering(
        answering.hierarchy, rule=answering.rule, confidence=answering.confidence, trade_off=answering.trade_off,
        served=answering.served,
    )  # fmt: skip
    return wishes_told(by) or f"down to the {answering.hierarchy.levels[-1].name}"


def fixed_told(answering: Answering) -> str:
    """Return in a few words what holds for every photograph, whatever is wished for; nothing where nothing does."""
    return wishes_told(replace(answering, rule="path", confidence=None, trade_off=None, served=None))


def _both(own: NDArray[np.bool_] | None, asked: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Return the classes that two restrictions leave."""
    if own is None or asked is None:
        return asked if own is None else own
    if not (own & asked).any():
        raise HiertaxError(f"`within`, `without`: leave none of the {int(own.sum())} classes that the model may answer")
    return own & asked


def _path(answering: Answering, logits: Sequence[Tensor]) -> NDArray[np.int64]:
    """Return the labels that maps are of, int64 ``[1, K]``: those of the whole path, however unsure."""
    whole = replace(answering, rule="path", confidence=None, served=None, unknown_threshold=None)
    return whole.answer(logits).labels


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
