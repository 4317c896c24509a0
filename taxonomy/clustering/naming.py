"""Names for induced groups: their position and size, or words that their members share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from taxonomy.hierarchy import IntArray

WORDS = 3


def by_position(groups: IntArray) -> list[list[str]]:
    """Name groups by their place in the tree and their number of classes: ``group 2.1 (7)``.

    Parameters
    ----------
    groups
        int64 ``[C, L]``, coarsest level first, nested, numbered by smallest member.

    Returns
    -------
    For every level the name of each group.
    """
    names: list[list[str]] = []
    for level, column in enumerate(groups.T):
        first = np.unique(column, return_index=True)[1]
        above = groups[first, level - 1] if level else np.zeros(len(first), dtype=np.int64)
        child = [int((above[:i] == above[i]).sum()) + 1 for i in range(len(first))]
        prefix = [names[-1][a].split(" ")[1] + "." if level else "" for a in above]
        count = np.bincount(column)
        names.append([f"group {prefix[i]}{child[i]} ({count[i]})" for i in range(len(first))])
    return names


def by_words(groups: IntArray, leaves: Sequence[str]) -> list[list[str]]:
    """Name groups by words of their members' labels: ``albatross, fulmar``, ``warbler, vireo, wren +2``.

    The rule: first the word that most members have, then the one that most of the rest have, up to
    `WORDS` words. Of equally frequent words the one that stands later in the labels comes first (the
    noun of a bird's name), then the one that is rarer in all labels, then the alphabetically first.
    ``+n`` counts members that have none of the words. A name already given, at any level or to a leaf,
    gets a number behind it.

    Parameters
    ----------
    groups
        As for `by_position`.
    leaves
        The C leaf labels.
    """
    words = [_words(leaf) for leaf in leaves]
    everywhere = Counter(word for each in words for word in set(each))
    taken = {leaf.casefold() for leaf in leaves}
    names: list[list[str]] = []
    for column in groups.T:
        members = [np.flatnonzero(column == i) for i in range(int(column.max()) + 1)]
        names.append([_unique(_name([words[m] for m in of], everywhere), taken) for of in members])
    return names


def _words(label: str) -> list[str]:
    """Split a label into lower-case words, numbers left out."""
    return re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", label.replace("_", " ").casefold())


def _name(members: list[list[str]], everywhere: Counter[str]) -> str:
    uncovered, chosen = [each for each in members if each], list[str]()
    while uncovered and len(chosen) < WORDS:
        inside = Counter(word for each in uncovered for word in set(each))
        place = {word: max(each.index(word) - len(each) for each in uncovered if word in each) for word in inside}
        best = min(inside, key=lambda word: (-inside[word], -place[word], everywhere[word], word))
        chosen.append(best)
        uncovered = [each for each in uncovered if best not in each]
    left = len(members) - sum(any(word in each for word in chosen) for each in members)
    return (", ".join(chosen) or "unnamed") + (f" +{left}" if left else "")


def _unique(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name} [{number}]"
    taken.add(candidate.casefold())
    return candidate
