"""What might be better than the paper's Ours: each a file of its name, with one thing changed.

None has won yet (docs/methods.md). They are asked for as options of the method ``ours_variant``, and compared by
`trainer.reproduce.beyond`. A new one is a file here that has what `Variant` says, and its name in the one list, `Name`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, cast, get_args

if TYPE_CHECKING:  # the names alone need no torch
    from trainer.models.heads import Levels
    from trainer.models.variants.change import Change

Name = Literal[
    "no_stop", "reversed", "gated", "unequal", "tree_path", "consistency", "soft_labels", "hierarchical_ce"
]  # fmt: skip
NAMES: tuple[Name, ...] = get_args(Name)


class Variant(Protocol):
    """What the file of a variant has.

    Attributes
    ----------
    STRENGTH
        The number that it takes beside, where nobody gives another; None where it takes none.
    """

    STRENGTH: float | None

    def change(self, levels: Levels, strength: float) -> Change:
        """Return what differs from Ours.

        Parameters
        ----------
        levels
            How many labels each level has, and which stand above which.
        strength
            Its number; 0 where it takes none.
        """


def variant_of(name: Name) -> Variant:
    """Return the variant of a name."""
    return cast(Variant, import_module(f"{__name__}.{name}"))
