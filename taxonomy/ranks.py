"""The ranks of biology, and words that stand where a taxon's name is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

RANKS: Final = (
    *("domain", "superkingdom", "kingdom", "subkingdom", "superphylum", "phylum", "division", "subphylum"),
    *("superclass", "class", "subclass", "infraclass", "superorder", "order", "suborder", "infraorder"),
    *("superfamily", "family", "subfamily", "supertribe", "tribe", "subtribe", "genus", "species", "subspecies"),
)  # coarsest first; without subgenus: the first of a genus has its name by rule (ICZN, article 44)
PLACE: Final = {rank: place for place, rank in enumerate(RANKS)}

_WORDS: Final = (
    *[
        *("na", "n/a", "n.a.", "n. a.", "nan", "<na>", "none", "null", "nil", "-", "--", "---", "?", "??", "???"),
        *("unknown", "not known", "not available", "not applicable", "missing", "undefined", "undetermined"),
        *("unidentified", "unassigned", "unclassified", "unplaced", "unranked", "no rank", "indet", "indet.", "tbd"),
        *("incertae sedis", "inc. sed.", "inc sed", "sp", "sp.", "spp", "spp.", "ssp", "ssp.", "\u2013", "\u2014"),
    ],
)
PLACEHOLDERS: Final = frozenset(
    form.format(word) for word in _WORDS for form in ("{}", "({})", "[{}]", "<{}>")
)  # in one case, with blanks rather than underscores; see `is_placeholder`
_LONGEST = max(map(len, PLACEHOLDERS))


def is_placeholder(name: str) -> bool:
    """Tell whether a name says only that there is none, whatever its capitals, brackets or underscores.

    Such a word is a gap: as a taxon it would make strangers kin. ``Larus sp.`` is a name, ``sp.`` is not.
    """
    if len(name) > 2 * _LONGEST:
        return False
    key = name.casefold()
    return key in PLACEHOLDERS or (
        ("_" in key or " " in key) and " ".join(key.replace("_", " ").split()) in PLACEHOLDERS
    )


def out_of_order(levels: Sequence[str]) -> tuple[str, str] | None:
    """Return the first two levels that are ranks and stand finest first, None where there are none."""
    ranks = [name for name in levels if name.strip().casefold() in PLACE]
    places = [PLACE[name.strip().casefold()] for name in ranks]
    return next(
        ((a, b) for a, b, i, j in zip(ranks, ranks[1:], places, places[1:], strict=False) if i > j),
        None,
    )
