"""Participants chosen from a pool so that their scores look Gaussian, and divided into groups of rising score."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from taxonomy.errors import HiertaxError
from taxonomy.files import read_text
from taxonomy.study.published import GROUPS

if TYPE_CHECKING:
    from pandas import DataFrame

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Grouping = Literal["equal_width", "equal_count"]
BINS: Final = 10
PSEUDONYM: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")  # no room for a name with spaces, an e-mail or an IP address


@dataclass(frozen=True)
class Sampled:
    """Chosen participants.

    Attributes
    ----------
    table
        ``participant_id``, ``score`` and ``group`` (1 to 5), in the order of the pool.
    edges
        The boundaries between the bins of scores, float64 ``[B + 1]``.
    quota, present, taken
        For each bin how many a Gaussian asks for, how many the pool has, and how many were chosen.
    notes
        What fell short or was left out, one line each.
    """

    table: DataFrame
    edges: FloatArray
    quota: IntArray
    present: IntArray
    taken: IntArray
    notes: tuple[str, ...]


def read_scores(path: Path) -> tuple[DataFrame, list[str]]:
    """Read a table of ``participant_id`` and ``score``; other columns are not kept, which a note says.

    Raises
    ------
    HiertaxError
        If a column is missing, an id is no pseudonym or is there twice, or a score is no number: the line.
    """
    import csv

    import pandas as pd

    rows = csv.DictReader(read_text(path).splitlines())
    columns = rows.fieldnames or []
    if missing := [name for name in ("participant_id", "score") if name not in columns]:
        raise HiertaxError(f"{path}: no column {missing[0]!r}; its first line names the columns participant_id,score")
    seen: dict[str, int] = {}
    scores = []
    for row in rows:
        line, name, score = rows.line_num, row["participant_id"] or "", row["score"] or ""
        if not PSEUDONYM.fullmatch(name):
            raise HiertaxError(f"{path}:{line}: participant_id {name!r} is no pseudonym; use letters, digits, - and _")
        if name in seen:
            raise HiertaxError(f"{path}:{line}: participant {name!r} is in line {seen[name]} too; keep one of them")
        seen[name] = line
        scores.append(_score(score, f"{path}:{line}"))
    if not seen:
        raise HiertaxError(f"{path}: no participants; write one a line below participant_id,score")
    others = [name for name in columns if name not in ("participant_id", "score", "group")]
    notes = [f"{len(others)} other columns of {path} are not kept: {', '.join(map(str, others))}"] if others else []
    return pd.DataFrame({"participant_id": list(seen), "score": scores}), notes


def read_people(path: Path) -> DataFrame:
    """Read participants with their groups, as ``hiertax study sample`` writes them.

    Raises
    ------
    HiertaxError
        As `read_scores`; or if a group is not 1 to 5: the line.
    """
    import csv

    table, _ = read_scores(path)
    reader, groups = csv.DictReader(read_text(path).splitlines()), []
    for row in reader:
        if row.get("group") not in tuple(map(str, GROUPS)):
            raise HiertaxError(
                f"{path}:{reader.line_num}: group {row.get('group')!r} is none of 1 to 5; use `hiertax study sample`"
            )
        groups.append(int(row["group"]))
    return table.assign(group=groups)


def sample(
    pool: DataFrame, number: int, *, grouping: Grouping | Sequence[float] = "equal_width", seed: int = 0
) -> Sampled:
    """Choose participants whose scores look normal, with the mean and the spread of the pool.

    The range of scores is cut into ten bins; each gets its part of `number` by the normal's mass there, and so many
    are drawn from it. Where a bin has fewer, all are taken and the rest goes to the other bins in the same proportions.

    Parameters
    ----------
    pool
        ``participant_id`` and ``score``.
    grouping
        How to cut the chosen into groups 1 to 5: ``equal_width`` of scores, ``equal_count`` of people (equal scores
        stay together), or the four scores at which groups 2 to 5 begin.

    Raises
    ------
    HiertaxError
        If the pool is smaller than `number`, all scores are equal, or the boundaries do not rise.
    """
    from scipy import stats

    scores = pool["score"].to_numpy(dtype=np.float64)
    if not 1 <= number <= len(scores):
        raise HiertaxError(f"`participants` {number}: the pool has {len(scores)} people; ask for 1 to {len(scores)}")
    if np.ptp(scores) == 0:
        raise HiertaxError(
            "all scores are equal: there is nothing to make groups of; use a test that tells people apart"
        )
    edges = np.linspace(scores.min(), scores.max(), BINS + 1)
    bins = np.digitize(scores, edges[1:-1])
    present = np.bincount(bins, minlength=BINS)
    mass = np.diff(stats.norm.cdf(edges, scores.mean(), scores.std(ddof=1)))
    quota, taken = _apportion(mass, number, np.full(BINS, number)), _apportion(mass, number, present)
    rng = np.random.default_rng(seed)
    chosen = np.sort(np.concatenate([rng.permutation(np.flatnonzero(bins == b))[:n] for b, n in enumerate(taken)]))
    table = pool.iloc[chosen].reset_index(drop=True)
    groups = into_groups(scores[chosen], grouping)
    return Sampled(
        table.assign(group=groups), edges, quota, present, taken, tuple(_notes(edges, quota, present, groups))
    )


def into_groups(scores: FloatArray, grouping: Grouping | Sequence[float]) -> IntArray:
    """Return the group of each score, 1 to 5, rising with the score."""
    steps = np.arange(1, len(GROUPS)) / len(GROUPS)
    if grouping == "equal_width":
        edges = scores.min() + steps * np.ptp(scores)
    elif grouping == "equal_count":
        edges = np.quantile(scores, steps, method="higher")
    else:
        edges = np.array(grouping, dtype=np.float64)
        if edges.shape != (len(GROUPS) - 1,) or not (np.diff(edges) > 0).all():
            raise HiertaxError(f"`groups` {grouping}: give the four rising scores at which groups 2 to 5 begin")
    return np.digitize(scores, edges) + 1


def _apportion(mass: FloatArray, number: int, capacity: IntArray) -> IntArray:
    """Divide `number` by mass, each part within its capacity; largest remainders get what rounding leaves."""
    given = np.zeros(len(mass), dtype=np.int64)
    while left := number - int(given.sum()):
        weight = np.where(given < capacity, np.maximum(mass, 1e-12), 0)
        ideal = left * weight / weight.sum()
        part = np.floor(ideal).astype(np.int64)
        largest = np.argsort(-(ideal - part), kind="stable")[: left - int(part.sum())]
        part[largest] += 1
        given = np.minimum(given + part, capacity)
    return given


def _notes(edges: FloatArray, quota: IntArray, present: IntArray, groups: IntArray) -> list[str]:
    notes = [
        f"scores {edges[b]:.4g} to {edges[b + 1]:.4g}: {present[b]} people for a quota of {quota[b]}; "
        f"the missing {quota[b] - present[b]} were taken from other bins"
        for b in np.flatnonzero(present < quota)
    ]
    empty = [str(g) for g in GROUPS if not (groups == g).any()]
    return [*notes, f"no participant is in group {', '.join(empty)}"] if empty else notes


def _score(text: str, place: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = float("nan")
    if not np.isfinite(score):
        raise HiertaxError(f"{place}: score {text!r} is no number; write one such as 12.5")
    return score
