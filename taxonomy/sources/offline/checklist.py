"""`Checklist`: a taxonomy as its publisher gives it, as arrays over its taxa and over the names that lead to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import IntArray
from taxonomy.sources.offline.scientific import canonical

if TYPE_CHECKING:
    import pandas as pd

ROOT: Final = -1  # the parent of a taxon that has none
ABSENT: Final = -2  # the parent of a taxon whose parent is named and not in the archive
DEEPEST: Final = 500  # steps from a taxon to the root
SAME_RANK: Final = {"superkingdom": "domain"}  # as NCBI called it until 2025


@dataclass(frozen=True, eq=False)
class Checklist:
    """A taxonomy of N taxa, and M further names that lead to them.

    Attributes
    ----------
    kind, version
        Who says it (``ncbi``, ...), and which edition, as far as the archive tells.
    ids
        ``[N]``: the publisher's identifiers.
    parents
        int64 ``[N]``: the index of the parent, `ROOT` or `ABSENT`.
    ranks, rank_names
        int64 ``[N]``: an index into the names of the ranks, in lower case.
    names
        str ``[N]``: the accepted names, without authority.
    other_names, other_taxa, other_kinds
        str, int64 and str ``[M]``: synonyms and common names, the taxon that each leads to (`ABSENT` where the
        archive lacks it), and what kind of name it is; a common name's kind is ``common name``.
    """

    kind: str
    version: str
    ids: NDArray[Any]
    parents: IntArray
    ranks: IntArray
    rank_names: tuple[str, ...]
    names: pd.Series[str]
    other_names: pd.Series[str]
    other_taxa: IntArray
    other_kinds: pd.Series[str]

    def rank(self, taxon: int) -> str:
        """Return the rank of a taxon."""
        return self.rank_names[int(self.ranks[taxon])]

    def name(self, taxon: int) -> str:
        """Return the accepted name of a taxon, as `canonical` writes it."""
        return canonical(str(self.names.iat[taxon]))

    def line(self, taxon: int) -> list[int]:
        """Return a taxon and its ancestors, from the taxon up."""
        line = [taxon]
        while (above := int(self.parents[line[-1]])) >= 0:
            line.append(above)
            _check_depth(self, len(line), taxon)
        return line

    def rank_codes(self, levels: Sequence[str]) -> list[int]:
        """Return the index of each level's rank.

        Raises
        ------
        HiertaxError
            If no taxon has that rank; the likeliest one is named.
        """
        from difflib import get_close_matches

        known = {SAME_RANK.get(rank, rank): i for i, rank in enumerate(self.rank_names)}
        for level in levels:
            if SAME_RANK.get(level, level) not in known:
                near = get_close_matches(level, list(known), n=1)
                hint = f"is {near[0]!r} meant?" if near else f"it has {', '.join(sorted(known)[:12])}"
                raise HiertaxError(f"no taxon of the archive has the rank {level!r}; {hint}")
        return [known[SAME_RANK.get(level, level)] for level in levels]

    def ancestors(self, taxa: IntArray, ranks: Sequence[int]) -> tuple[IntArray, NDArray[np.bool_]]:
        """Return the nearest taxon of each rank at or above each taxon, and where the way to the root breaks off.

        Parameters
        ----------
        taxa
            int64 ``[T]``: indices of taxa.
        ranks
            K indices of ranks.

        Returns
        -------
        int64 ``[T, K]``, -1 where there is none, and bool ``[T]``: whether an ancestor is not in the archive.

        Raises
        ------
        HiertaxError
            If a taxon is its own ancestor.
        """
        found = np.full((len(taxa), len(ranks)), ROOT)
        at, steps = np.array(taxa, dtype=np.int64), 0
        while (going := np.flatnonzero(at >= 0)).size:
            steps += 1
            _check_depth(self, steps, int(taxa[going[0]]))
            for k, rank in enumerate(ranks):
                here = going[(self.ranks[at[going]] == rank) & (found[going, k] == ROOT)]
                found[here, k] = at[here]
            at[going] = self.parents[at[going]]
        return found, at == ABSENT


def _check_depth(checklist: Checklist, steps: int, taxon: int) -> None:
    if steps > DEEPEST:
        raise HiertaxError(
            f"taxon {checklist.ids[taxon]} ({checklist.name(taxon)}) has more than {DEEPEST} ancestors or is its own;"
            " fetch the archive again from its publisher"
        )


def index_of(ids: NDArray[Any], wanted: NDArray[Any], missing: int = ABSENT) -> IntArray:
    """Return the place of each wanted identifier among `ids`, int64; `missing` where it is not there.

    Raises
    ------
    HiertaxError
        If an identifier is there twice.
    """
    import pandas as pd

    index = pd.Index(ids)
    if not index.is_unique:
        raise HiertaxError(f"the id {index[index.duplicated()][0]} is there twice")
    places = np.asarray(index.get_indexer(pd.Index(wanted)), dtype=np.int64)
    places[places < 0] = missing
    return places
