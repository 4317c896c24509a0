"""The familiarity test: how well a person knows the subject, as a score and one of five groups.

The paper tested 200 people "about birds" and says no more of the test. This one asks, of some classes, what they belong
to; a lab may bring its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from taxonomy.errors import HiertaxError
from taxonomy.files import read_bytes
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.sampling import into_groups
from taxonomy.study.server.texts import Texts

USUAL: Final = 10
CHOICES: Final = 4
Line = Annotated[str, Meta(min_length=1, max_length=500)]


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A question with one right answer among its options."""

    text: Line
    options: Annotated[list[Line], Meta(min_length=2, max_length=20)]
    answer: Line


class _File(Struct, forbid_unknown_fields=True):
    question: Annotated[list[Question], Meta(min_length=1)]


def read_questions(path: Path) -> list[Question]:
    """Read a test of the lab's own: a TOML file of ``[[question]]`` with ``text``, ``options`` and ``answer``.

    Raises
    ------
    HiertaxError
        If it is no such file, or an answer is not among its options.
    """
    try:
        questions = msgspec.convert(tomllib.loads(read_bytes(path).decode()), _File).question
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise HiertaxError(f"{path}: no test: {error}; write [[question]] with text, options and answer") from None
    for number, question in enumerate(questions, start=1):
        if question.answer not in question.options or len(set(question.options)) < len(question.options):
            raise HiertaxError(f"{path}: question {number}: its answer must be one of its options, and these differ")
    return questions


def make_questions(hierarchy: Hierarchy, texts: Texts, seed: int, count: int = USUAL) -> list[Question]:
    """Ask of some classes which taxon above them they belong to, at the finest level above that has two.

    Classes are spread over the taxa as evenly as may be; the wrong options are drawn from the other taxa.

    Raises
    ------
    HiertaxError
        If no level above the classes has two taxa.
    """
    able = [k for k in range(hierarchy.depth - 1) if hierarchy.sizes[k] > 1]
    if not able:
        raise HiertaxError("the hierarchy has no two taxa above its classes to ask about; bring a `test` of your own")
    level = hierarchy.levels[able[-1]]
    rng = np.random.default_rng([seed, 1])
    taxa = hierarchy.paths[:, able[-1]]
    order = rng.permutation(len(taxa))
    turn = {int(leaf): int((taxa[order[:i]] == taxa[leaf]).sum()) for i, leaf in enumerate(order)}
    questions = []
    for leaf in sorted(order.tolist(), key=lambda leaf: turn[leaf])[:count]:
        right = int(taxa[leaf])
        others = np.setdiff1d(np.arange(len(level)), [right])
        drawn = rng.choice(others, size=min(CHOICES - 1, len(others)), replace=False)
        options = [level.labels[i] for i in rng.permutation([right, *drawn])]
        text = texts("test_question", name=hierarchy.levels[-1].labels[leaf], level=level.name)
        questions.append(Question(text, [*options, texts("dont_know")], level.labels[right]))
    return questions


def edges_of(questions: int) -> list[float]:
    """Return the scores at which groups 2 to 5 begin where the lab gives none: equal widths of what can be scored."""
    return [questions * step / 5 for step in range(1, 5)]


def score_of(questions: Sequence[Question], answers: Sequence[str]) -> float:
    """Return how many answers are right."""
    return float(sum(q.answer == answer for q, answer in zip(questions, answers, strict=True)))


def group_of(score: float, edges: Sequence[float]) -> int:
    """Return the group of a score, 1 to 5."""
    return int(into_groups(np.array([score]), edges)[0])
