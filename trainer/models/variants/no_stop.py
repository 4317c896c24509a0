"""Reinforcement whose gradient is not stopped: a coarse head's loss also shapes the finer features that it reads.

The paper's equation (2) without Gamma: ``z_k = W_k [f_k, f_{k+1}, ..., f_{K-1}] + b_k``. Its answers to given weights
are those of Ours.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from trainer.models.heads import DisentangledHeads, Levels
from trainer.models.variants.change import Change

STRENGTH: Final = None


def change(levels: Levels, strength: float) -> Change:  # noqa: ARG001
    """Return reinforced heads that stop no gradient."""
    return Change(heads=partial(DisentangledHeads, reinforce=True, stops_gradient=False))
