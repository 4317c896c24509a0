"""Early stopping: how long ago the validation was best."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.runs.log import Row


def since_best(rows: Sequence[Row]) -> int:
    """Return how many epochs ago the validation was best, by its mean over levels."""
    prefix = "held_out_" if any(name.startswith("held_out_") for name in rows[0]) else "val_"
    means = [
        sum(value for name, value in row.items() if name.startswith(prefix) and value is not None) for row in rows
    ]  # None is the accuracy of a level that no image knows
    return len(means) - 1 - means.index(max(means))


def is_stale(rows: Sequence[Row], patience: int | None) -> bool:
    """Tell whether training has waited for a better validation as long as it was to."""
    return patience is not None and len(rows) > 0 and since_best(rows) >= patience
