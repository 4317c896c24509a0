"""What is measured in which order, and what there is time for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

NAMES = {"a": "official way", "b": "good plain loop", "c": "hiertrain", "d": "hiertrain, made-up images"}
GUESS = {False: 30.0, True: 100.0}  # seconds of a row, compiled or not, before one like it was measured
PATIENCE = 4  # a row that takes so many times as long as was to be expected is given up
LEAST = 60.0  # seconds that every row may take


@dataclass(frozen=True)
class Row:
    """One thing to measure, in a process of its own.

    Attributes
    ----------
    key
        One of `NAMES`, who trains; or ``bandwidth``, of the device; or ``bytes``, what a step of a network moves.
    method
        Whose network it is.
    """

    key: str
    backbone: str = ""
    batch: int = 0
    compiled: bool = False
    method: str = "ours"

    def __str__(self) -> str:
        if self.key not in NAMES:
            return f"{self.key} {self.backbone}".rstrip()
        return f"({self.key}) {self.name}, {self.backbone}, batch {self.batch}"

    @property
    def name(self) -> str:
        """Who trains."""
        own = "" if self.method == "ours" else f", {self.method}"
        return NAMES[self.key] + own + (", compiled" if self.compiled else "")

    def record(self) -> dict[str, Any]:
        """Return what tells the row's figures from those of others."""
        return {"row": asdict(self)}

    @property
    def group(self) -> tuple[bool, str]:
        """Rows of one group take about as long."""
        return self.compiled, self.backbone


def rows_of(backbones: Sequence[str], batches: tuple[int, int]) -> list[Row]:
    """Return all rows, those first that say most: every network without a compiler, then with one."""
    small, large = batches
    eager = [("a", small), ("b", small), ("c", small), ("d", small), ("b", large), ("c", large), ("d", large)]
    rows = [Row("bandwidth")]
    for backbone in backbones:
        rows += [Row("bytes", backbone), *(Row(key, backbone, batch) for key, batch in eager)]
    return rows + [Row(key, name, batch, True) for name in backbones for batch in batches for key in "dc"]


def rows_of_methods(methods: Sequence[str], backbones: Sequence[str], batch: int) -> list[Row]:
    """Return the rows that compare methods with ``ours``: each on made-up images, as loading is the same for all."""
    names = dict.fromkeys(("ours", *methods))
    return [Row("d", backbone, batch, method=method) for backbone in backbones for method in names]


def expected(row: Row, taken: Mapping[Row, float]) -> float:
    """Return the seconds that a row will take: the most that one like it took, else a guess."""
    alike = [seconds for other, seconds in taken.items() if other.group == row.group and other.key in NAMES]
    return max(alike, default=GUESS[row.compiled] if row.key in NAMES else 0.0)


def limit(row: Row, taken: Mapping[Row, float], left: float) -> float:
    """Return after how many seconds a row is given up, so that one that hangs does not cost the others."""
    return min(left, max(PATIENCE * expected(row, taken), LEAST))
