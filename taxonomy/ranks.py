"""The ranks of biology, and words that stand where a taxon's name is missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

RANKS: Final = (
    *("domain", "superkingdom", "kingdom", "subkingdom", "superphylum", "phylum", "division", "subphylum"),
    *("superclass", "class", "subclass", "infraclass", "superorder", "order", "suborder", "infraorder"),
    *("superfamily", "family", "subfamily", "supertribe", "tribe", "subtribe", "genus", "species", "subspecies"),
)  # coarsest first; without subgenus: the first of a genus has its name by rule (ICZN, article 44)
PLACE: Final = {rank: place for place, rank in enumerate(RANKS)}

_IRREGULAR: Final = {"genus": "genera", "species": "species", "subspecies": "subspecies"}
_BESIDE: Final = frozenset(["name", "names", "label", "scientific", "latin", "rank", "taxon"])  # words beside a rank

_NOBODY: Final = (
    *("unknown", "not known", "unidentified", "not identified", "undetermined", "not determined", "unassigned"),
    *("not assigned", "unclassified", "undefined", "unspecified", "unplaced", "unranked", "unnamed", "uncultured"),
    *("incertae sedis", "incertae-sedis", "inc. sed.", "inc sed", "inc. sedis", "not specified"),
)  # with or without the rank of whom, ``unknown family``, ``family incertae sedis``
_WORDS: Final = (
    *("na", "n/a", "n.a.", "n. a.", "#n/a", "nan", "<na>", "nat", "none", "null", "nil", "n.d.", "n/d", "tbd", "tba"),
    *("not available", "not applicable", "missing", "no rank", "no name", "noname", "no data", "ambiguous taxa"),
    *("indet", "indet.", "undet", "undet.", "metagenome", "sp", "sp.", "spp", "spp.", "ssp", "ssp.", "gen. sp."),
    *("-", "--", "---", "?", "??", "???", ".", "..", "...", "/", "_", "\\n", "\u2013", "\u2014", "\u2026"),
    *("#value!", "#ref!", "#name?", "#null!", "#div/0!", "#num!", "unk", "unk."),
    *(
        f"{prefix}__" for prefix in ("d", "sk", "k", "p", "c", "o", "f", "g", "s", "t")
    ),  # of a rank, with no name behind
    *(f"d_{place}__" for place in range(7)),
)
_WHOM: Final = (*RANKS, "taxon", "organism", "bacterium", "archaeon", "eukaryote", "fungus")
_FORMS: Final = ("{}", "({})", "[{}]", "<{}>", '"{}"', "'{}'")
PLACEHOLDERS: Final = frozenset(
    form.format(word)
    for form in _FORMS
    for word in (
        *_WORDS, *_NOBODY, *(f"{no} {whom}" for no in _NOBODY for whom in _WHOM),
        *(f"{whom} {no}" for no in _NOBODY for whom in _WHOM),
    )
)  # in one case, with blanks rather than underscores; see `is_placeholder`  # fmt: skip
_LONGEST = max(map(len, PLACEHOLDERS))


def is_placeholder(name: str) -> bool:
    """Tell whether a name says only that there is none, whatever its capitals, brackets, quotes or underscores.

    Such a word is a gap: as a taxon it would make strangers kin. ``Larus sp.`` is a name, ``sp.`` is not.
    """
    if len(name) > 2 * _LONGEST:
        return False
    key = name.casefold()
    return key in PLACEHOLDERS or (
        ("_" in key or " " in key) and " ".join(key.replace("_", " ").split()) in PLACEHOLDERS
    )


def rank_of(level: str) -> str | None:
    """Return the rank that a level is called by, such as ``Genera`` or ``family_name``; None for none."""
    words = [word for word in re.split(r"[\W_]+", level.casefold()) if word and word not in _BESIDE]
    return _CALLED.get(words[0]) if len(words) == 1 else None


def _plural(rank: str) -> str:
    if rank.endswith("class"):
        return f"{rank}es"
    return _IRREGULAR.get(rank) or (rank[:-2] + "a" if rank.endswith("um") else re.sub("y$", "ie", rank) + "s")


_CALLED: Final = {name: rank for rank in RANKS for name in (rank, _plural(rank))}


def out_of_order(levels: Sequence[str]) -> tuple[str, str] | None:
    """Return the first two levels that are ranks and stand finest first, None where there are none."""
    ranks = [(name, PLACE[rank]) for name in levels if (rank := rank_of(name))]
    return next(((one, two) for (one, i), (two, j) in pairwise(ranks) if i > j), None)
