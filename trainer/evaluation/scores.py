"""The one way from the logits of K heads to scores, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import LabelScores, score_labels
from trainer.inference.decoding import Rule, decode

if TYPE_CHECKING:
    from pandas import DataFrame

SCORED: Final[tuple[Rule, ...]] = ("independent", "path")  # as in the paper, and as people are answered


@dataclass(frozen=True)
class Scores:
    """How good answers on labelled images are, as fractions.

    Attributes
    ----------
    heads
        The scores where each head answers for itself, as in the paper.
    path
        The scores of the consistent paths that `hiertrain predict` gives.
    split
        Which images: ``test``.
    left_out
        How many of them cannot be decoded and do not count.
    about
        What was scored: ``run``, ``method``, ``backbone``, ``seed`` and ``epoch``, where it is a run.
    """

    heads: LabelScores
    path: LabelScores
    split: str = "test"
    left_out: int = 0
    about: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """The number of images that were scored."""
        return self.heads.n

    def to_frame(self) -> DataFrame:
        """Return a pandas table with a row per rule and level.

        Its columns are ``rule`` (``independent`` or ``path``), ``level``, ``labels`` (how many it has), ``known``
        (how many images know theirs, those that count), ``accuracy``, ``majority`` (what always answering the
        commonest label would score) and ``calibration_error``.
        """
        from pandas import DataFrame

        return DataFrame([{"rule": rule, **asdict(level)} for rule in SCORED for level in self.of(rule).levels])

    def of(self, rule: Rule) -> LabelScores:
        """Return the scores of a rule, ``independent`` or ``path``."""
        return {"independent": self.heads, "path": self.path}[rule]

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain JSON values: those of the heads, and under ``path`` those of the paths."""
        about = {**self.about, "split": self.split, "left_out": self.left_out}
        return {**about, **self.heads.to_json(), "path": self.path.to_json()}


def score_logits(hierarchy: Hierarchy, truth: IntArray, logits: Sequence[Tensor], **about: Any) -> Scores:
    """Score what K heads say of images, by every rule.

    Parameters
    ----------
    truth
        int64 ``[N, K]``: the true label at every level, -1 where it is unknown.
    logits
        K float32 tensors ``[N, C_k]`` on the CPU, coarsest level first; N at least 1.
    about
        ``split``, ``left_out`` and ``about`` of `Scores`.
    """
    found = {rule: score_labels(hierarchy, truth, *decode(hierarchy, logits, rule)) for rule in SCORED}
    return Scores(heads=found["independent"], path=found["path"], **about)
