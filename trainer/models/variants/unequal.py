"""Unequal splits of f: a level with more labels gets more units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from torch import nn

from trainer.models.heads import DisentangledHeads, Levels
from trainer.models.variants.change import Change

STRENGTH: Final = 0.5


def unequal_widths(width: int, sizes: Sequence[int], power: float) -> list[int]:
    """Split `width` among levels in proportion to a power of their numbers of labels.

    Each level has a unit; the rest is dealt by largest remainders, ties to the coarser. They add up to `width` exactly.

    Parameters
    ----------
    power
        0 for even parts (`trainer.models.heads.split_widths`), 1 in proportion to the labels.
    """
    share = np.asarray(sizes, dtype=np.float64) ** power
    exact = (width - len(sizes)) * share / share.sum()
    whole = np.floor(exact).astype(int)
    left = width - len(sizes) - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return [1 + int(each) for each in whole]


def change(levels: Levels, strength: float) -> Change:  # noqa: ARG001
    """Return the heads of Ours on parts in proportion to the numbers of labels to the power of `strength`."""

    def heads(width: int, sizes: Sequence[int]) -> nn.Module:
        return DisentangledHeads(width, sizes, reinforce=True, widths=unequal_widths(width, sizes, strength))

    return Change(heads=heads)
