"""What a variant changes of Ours, as a value; what is not named stays as it is there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from trainer.models.heads import DisentangledHeads, Levels
from trainer.models.single import MakeHeads

OURS: Final[MakeHeads] = partial(DisentangledHeads, reinforce=True)


@dataclass(frozen=True, eq=False)
class Change:
    """What differs from Ours.

    Attributes
    ----------
    heads
        Makes the heads of the width of f and the number of labels of each level.
    finest
        The loss of the finest level: a module that is called as `trainer.models.losses.LabelLoss`; None for the
        cross-entropy. It has no parameters, and what it needs of the tree lies in buffers of whole numbers that no
        checkpoint keeps, since they are made anew from the hierarchy.
    joint
        A loss of all levels together, called as `trainer.models.losses.JointLoss`, which is added; None for none.
    """

    heads: MakeHeads = OURS
    finest: nn.Module | None = None
    joint: nn.Module | None = None


def tree_paths(levels: Levels) -> Tensor:
    """Return the label at every level of each label of the finest, int64 ``[C_K, K]``.

    Raises
    ------
    ValueError
        If there are several levels, and nobody said which labels stand above which.
    """
    if levels.paths is None and len(levels.sizes) > 1:
        raise ValueError("a loss over a tree needs to know which labels stand above")
    return torch.arange(levels.sizes[-1])[:, None] if levels.paths is None else torch.tensor(levels.paths.tolist())
