"""What is measured in which order, and what there is time for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

NAMES = {"a": "official way", "b": "good plain loop", "c": "hiertrain", "d": "hiertrain, made-up images"}
# Seconds of a row, by how its steps are made ready, before one like it was measured.
GUESS = {"off": 30.0, "graphs": 40.0, "on": 100.0}
READY = {"off": "", "graphs": ", as CUDA graphs", "on": ", compiled"}
PATIENCE = 4  # a row that takes so many times as long as was to be expected is given up
LEAST = 60.0  # seconds that every row may take


@dataclass(frozen=True)
class Row:
    """One thing to measure, in a process of its own.

    Attributes
    ----------
    key
        One of `NAMES`, who trains; or ``bandwidth``, of the device; or ``bytes``, what a step of a network moves.
    compile
        The trainer's setting of that name, one of `GUESS`.
    method
        Whose network it is.
    """

    key: str
    backbone: str = ""
    batch: int = 0
    compile: str = "off"
    method: str = "ours"

    def __str__(self) -> str:
        if self.key not in NAMES:
            return f"{self.key} {self.backbone}".rstrip()
        return f"({self.key}) {self.name}, {self.backbone}, batch {self.batch}"

    @property
    def name(self) -> str:
        """Who trains."""
        own = "" if self.method == "ours" else f", {self.method}"
        return NAMES[self.key] + own + READY[self.compile]

    def record(self) -> dict[str, Any]:
        """Return what tells the row's figures from those of others."""
        return {"row": asdict(self)}

    @property
    def group(self) -> tuple[str, str]:
        """Rows of one group take about as long."""
        return self.compile, self.backbone


def rows_of(backbones: Sequence[str], batches: tuple[int, int], *, graphs: bool) -> list[Row]:
    """Return all rows, those first that say most: every network as it is, then made ready, compiled last."""
    small, large = batches
    eager = [("a", small), ("b", small), ("c", small), ("d", small), ("b", large), ("c", large), ("d", large)]
    rows = [Row("bandwidth")]
    for backbone in backbones:
        rows += [Row("bytes", backbone), *(Row(key, backbone, batch) for key, batch in eager)]
    ready = ("graphs", "on") if graphs else ("on",)
    return rows + [
        Row(key, name, batch, how) for how in ready for name in backbones for batch in batches for key in "dc"
    ]


def rows_of_methods(methods: Sequence[str], backbones: Sequence[str], batch: int) -> list[Row]:
    """Return the rows that compare methods with ``ours``: each on made-up images, as loading is the same for all."""
    names = dict.fromkeys(("ours", *methods))
    return [Row("d", backbone, batch, method=method) for backbone in backbones for method in names]


def expected(row: Row, taken: Mapping[Row, float]) -> float:
    """Return the seconds that a row will take: the most that one like it took, else a guess."""
    alike = [seconds for other, seconds in taken.items() if other.group == row.group and other.key in NAMES]
    return max(alike, default=GUESS[row.compile] if row.key in NAMES else 0.0)


def limit(row: Row, taken: Mapping[Row, float], left: float) -> float:
    """Return after how many seconds a row is given up, so that one that hangs does not cost the others."""
    return min(left, max(PATIENCE * expected(row, taken), LEAST))
