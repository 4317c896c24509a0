"""The log of a run: one row per finished epoch, as CSV, as JSON lines and, if asked for, for TensorBoard."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from taxonomy import HiertaxError
from taxonomy.files import read_bytes, write_atomic

Row = dict[str, Any]


def write_log(folder: Path, rows: Sequence[Row]) -> None:
    """Write ``log.csv`` and ``log.jsonl``, each as a whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(folder / "log.csv", text.getvalue().encode())
    write_atomic(folder / "log.jsonl", b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def read_log(folder: Path) -> list[Row]:
    """Read the log back.

    Raises
    ------
    HiertaxError
        If it is missing, or is not a log.
    """
    file = folder / "log.jsonl"
    try:
        rows = msgspec.json.Decoder(Row).decode_lines(read_bytes(file))
        complete = all(row["epoch"] == i and row.keys() == rows[0].keys() for i, row in enumerate(rows, start=1))
    except (msgspec.DecodeError, KeyError) as error:
        raise HiertaxError(f"{file}: not a readable log ({error}); `resume` writes it anew") from None
    if not rows or not complete:
        raise HiertaxError(f"{file}: rows are missing or of another run; `resume` writes it anew")
    return rows


def check_board() -> None:
    """Make sure that there is a TensorBoard to write for.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; the command line says how to do that.
    """
    if find_spec("tensorboard") is None:
        raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")


class Board:
    """Writes rows of the log for TensorBoard, in ``tensorboard/``."""

    def __init__(self, folder: Path, finished: int) -> None:
        """Go on after so many finished epochs; what an interrupted run wrote beyond them is hidden."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=finished + 1)

    def add(self, row: Row) -> None:
        """Write an epoch's numbers, ``train_order`` as ``train/order``."""
        for name, value in row.items():
            if name != "epoch" and value is not None:
                self.writer.add_scalar(re.sub("^(train|val|held_out|test)_", r"\1/", name), value, row["epoch"])
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        self.writer.close()
