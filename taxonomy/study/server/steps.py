"""What a person is asked next, from what they have answered: the order of the study, and nothing of how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from taxonomy.study.published import NONE

StepKind = Literal["consent", "test", "stage1", "stage2", "thanks"]
AGREED: Final = "agreed"
YES_NO: Final = ("yes", "no")
Answered = Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class Step:
    """A page: what is asked, and which one of how many such (a question of the test, or an image), from 1."""

    kind: StepKind
    position: int
    of: int


def next_step(answers: Answered, questions: int, images: int) -> Step:
    """Return the first step without an answer: consent, the test, then both stages of each image, then thanks.

    Stage 2 of an image is not asked after ``none``.
    """
    if ("consent", 0) not in answers:
        return Step("consent", 0, 0)
    for position in range(1, questions + 1):
        if ("test", position) not in answers:
            return Step("test", position, questions)
    for position in range(1, images + 1):
        first = answers.get(("stage1", position))
        if first is None:
            return Step("stage1", position, images)
        if first != NONE and ("stage2", position) not in answers:
            return Step("stage2", position, images)
    return Step("thanks", images, images)
