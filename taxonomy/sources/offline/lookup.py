"""Names found in a checklist: as accepted names, synonyms or common names; what is not there, and what is near it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import IntArray
from taxonomy.sources.offline.checklist import ABSENT, Checklist
from taxonomy.sources.offline.scientific import canonical, folded, spellings
from taxonomy.sources.subjects import Subject

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED: Final = "accepted"
COMMON: Final = "common name"
MOST_NAMED: Final = 4  # candidates that a refusal names
ENDS: Final = 3  # letters that a name shares with one it may be a slip for, at its beginning or its end
NEIGHBOURS: Final = 60  # on either side of a name in the order of the alphabet
ALIKE: Final = 0.8  # ratio of difflib


@dataclass(frozen=True)
class Match:
    """A taxon that a name leads to, and how: what is written there, and what kind of name it is."""

    taxon: int
    written: str
    kind: str


class NotFoundError(ValueError):
    """A name that leads to no taxon, or to several; the text says why."""


def find(
    checklist: Checklist, subjects: Sequence[Subject], finest: str, within: str | None = None
) -> list[Match | NotFoundError]:
    """Find each class in a checklist.

    An accepted name goes before a synonym, and a taxon of the rank of the finest level before others. What then
    leads to several taxa is refused, with them named.

    Parameters
    ----------
    finest
        The rank that classes should have.
    within
        A taxon: only what is below it counts.

    Raises
    ------
    HiertaxError
        If no taxon is called `within`.
    """
    tries = [_tries(subject) for subject in subjects]
    keys = {key for one in tries for key, _ in one}
    known = _candidates(checklist, keys | ({within, *spellings(within)} if within else set()))
    inside = None
    if within:
        clades = [m.taxon for key in spellings(within) for m in known.get((key, False), []) if m.taxon >= 0]
        if not clades:
            similar = nearest(checklist, [within]).get(within)
            hint = f"is {similar} meant?" if similar else "name one of its taxa"
            raise HiertaxError(f"no taxon of the archive is called {within!r}; {hint}")
        inside = np.unique(clades)
    found = [_resolve(checklist, one, known, finest, within, inside) for one in tries]
    lost = [subject for subject, one in zip(subjects, found, strict=True) if one is None]
    near = nearest(checklist, [_asked(subject) for subject in lost])
    return [one or _unknown(_asked(subject), near) for subject, one in zip(subjects, found, strict=True)]


def _asked(subject: Subject) -> str:
    return subject.scientific or subject.title


def _unknown(name: str, near: Mapping[str, str]) -> NotFoundError:
    return NotFoundError("not found" + (f"; the nearest name is {near[name]!r}" if name in near else ""))


def _tries(subject: Subject) -> list[tuple[str, bool]]:
    """Return the keys under which to look, likeliest first, and whether each is a common name's."""
    scientific = [key for name in (subject.scientific, subject.title) if name for key in spellings(name)]
    return [*((key, False) for key in dict.fromkeys(scientific)), (folded(subject.title), True)]


def _candidates(checklist: Checklist, keys: Iterable[str]) -> dict[tuple[str, bool], list[Match]]:
    """Return all taxa that any of the keys leads to."""
    wanted = list(keys)
    found: dict[tuple[str, bool], list[Match]] = defaultdict(list)
    at = np.flatnonzero(checklist.names.isin(wanted).to_numpy(dtype=bool))
    for taxon, name in zip(at.tolist(), checklist.names.iloc[at], strict=True):
        found[name, False].append(Match(taxon, name, ACCEPTED))
    common = (checklist.other_kinds == COMMON).to_numpy(dtype=bool)
    at = np.flatnonzero(checklist.other_names.isin(wanted).to_numpy(dtype=bool) & ~common)
    for i, name in zip(at.tolist(), checklist.other_names.iloc[at], strict=True):
        found[name, False].append(Match(int(checklist.other_taxa[i]), name, str(checklist.other_kinds.iat[i])))
    at, sought = np.flatnonzero(common), set(wanted)
    for i, name in zip(at.tolist(), checklist.other_names.iloc[at], strict=True):
        if (key := folded(name)) in sought:
            found[key, True].append(Match(int(checklist.other_taxa[i]), name, COMMON))
    return found


def _resolve(
    checklist: Checklist, tries: Sequence[tuple[str, bool]], known: Mapping[tuple[str, bool], Sequence[Match]],
    finest: str, within: str | None, inside: IntArray | None,
) -> Match | NotFoundError | None:  # fmt: skip
    outside: list[Match] = []
    for key in tries:
        matches = _one_each(known.get(key, ()))
        if matches and all(match.taxon == ABSENT for match in matches):
            return NotFoundError(f"is a {matches[0].kind} of a taxon that the archive lacks")
        matches = [match for match in matches if match.taxon >= 0]
        if matches and inside is not None:
            below = _below(checklist, [match.taxon for match in matches], inside)
            outside += [match for match, fits in zip(matches, below, strict=True) if not fits]
            matches = [match for match, fits in zip(matches, below, strict=True) if fits]
        matches = [match for match in matches if match.kind == ACCEPTED] or matches
        matches = [match for match in matches if checklist.rank(match.taxon) == finest] or matches
        if len(matches) > 1:
            return _ambiguous(checklist, matches)
        if matches:
            return matches[0]
    if outside:
        return NotFoundError(f"is not within {within}: {_described(checklist, outside)}")
    return None


def _one_each(matches: Iterable[Match]) -> list[Match]:
    """Return the first match of each taxon, accepted names before others."""
    first: dict[int, Match] = {}
    for match in matches:
        first.setdefault(match.taxon, match)
    return list(first.values())


def _below(checklist: Checklist, taxa: Sequence[int], clades: IntArray) -> NDArray[np.bool_]:
    return np.array([bool(np.isin(checklist.line(taxon), clades).any()) for taxon in taxa])


def _ambiguous(checklist: Checklist, matches: Sequence[Match]) -> NotFoundError:
    kinds = {match.kind for match in matches}
    what = "is the accepted name" if kinds == {ACCEPTED} else f"is a {' or '.join(sorted(kinds))}"
    return NotFoundError(
        f"{what} of {len(matches)} taxa: {_described(checklist, matches)}; name a taxon above the right one, "
        "as `hiertax build --within` does"
    )


def _described(checklist: Checklist, matches: Sequence[Match]) -> str:
    told = [describe(checklist, match.taxon) for match in matches[:MOST_NAMED]]
    return ", ".join(told) + ", ..." * (len(matches) > MOST_NAMED)


def describe(checklist: Checklist, taxon: int) -> str:
    """Return a taxon's name, rank, id and where it stands, for a message."""
    above = [i for i in checklist.line(taxon)[1:] if checklist.rank(i) in ("kingdom", "class", "family", "genus")]
    place = " > ".join(checklist.name(i) for i in reversed(above)) or "nothing above it"
    number = f" {checklist.ids[taxon]}" if str(checklist.ids[taxon]) else ""
    return f"{checklist.name(taxon)} ({checklist.rank(taxon) or 'no rank'}{number}, {place})"


def nearest(checklist: Checklist, names: Sequence[str]) -> dict[str, str]:
    """Return for each name the most similar one of a checklist, where there is one that may be meant.

    Only names are compared that share the first or the last letters and stand nearby in the order of the
    alphabet, read forwards or backwards: so the work does not grow with the product of the two lists.
    """
    from difflib import get_close_matches

    if not names:
        return {}
    asked = {name: canonical(name) for name in names}
    starts, ends = ({name[:ENDS] for name in asked.values()}, {name[-ENDS:] for name in asked.values()})
    forwards: list[str] = []
    backwards: list[str] = []
    for column in (checklist.names, checklist.other_names):
        forwards += _those(column, column.str.slice(0, ENDS), starts)
        backwards += (name[::-1] for name in _those(column, column.str.slice(-ENDS), ends))
    forwards.sort()
    backwards.sort()
    near = {}
    for name, key in asked.items():
        pool = {*_around(forwards, key), *(other[::-1] for other in _around(backwards, key[::-1]))}
        if found := get_close_matches(key, sorted(pool), n=1, cutoff=ALIKE):
            near[name] = found[0]
    return near


def _those(column: pd.Series[str], part: pd.Series[str], wanted: set[str]) -> list[str]:
    return list(map(str, column[part.isin(list(wanted)).to_numpy(dtype=bool)]))


def _around(ordered: Sequence[str], key: str) -> Sequence[str]:
    place = bisect_left(ordered, key)
    return ordered[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]
