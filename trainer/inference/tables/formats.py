"""The formats that answers are written in, and which of them a file's name asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

from taxonomy import HiertaxError
from taxonomy.datasets.conventions import suffix
from trainer.inference.answering.wishes import check_choice
from trainer.inference.tables import camera_trap, darwin_core, plain
from trainer.inference.tables.rows import Row, Subject

FormatName = Literal["csv", "jsonl", "parquet", "xlsx", "darwin-core", "camera-trap"]


def _always(_subject: Subject, _count: int) -> None:
    """Refuse nothing."""


class Format(NamedTuple):
    """How rows are written: to what suffixes, and by what; `check` refuses before the work begins."""

    suffixes: tuple[str, ...]
    write: Callable[[Path, Subject, Iterable[Row]], None]
    check: Callable[[Subject, int], None] = _always


FORMATS: Final[Mapping[FormatName, Format]] = {
    "csv": Format((".csv",), plain.write_csv),
    "jsonl": Format((".jsonl", ".ndjson"), plain.write_jsonl),
    "parquet": Format((".parquet",), plain.write_parquet, plain.check_parquet),
    "xlsx": Format((".xlsx",), plain.write_xlsx, plain.check_xlsx),
    "darwin-core": Format((".csv",), darwin_core.write, darwin_core.check),
    "camera-trap": Format((".json",), camera_trap.write),
}
_BY_SUFFIX: Final[Mapping[str, FormatName]] = {
    end: name for name in get_args(FormatName)[:4] for end in FORMATS[name].suffixes
}


def format_of(out: Path, named: FormatName | None = None) -> Format:
    """Return the format that is named, else that of the suffix.

    Raises
    ------
    HiertaxError
        If there is none of that suffix or name, or the format that is named has another suffix.
    """
    end = suffix(out.name)
    if named is not None:
        check_choice("format", named, tuple(FORMATS))
        if end not in FORMATS[named].suffixes:
            raise HiertaxError(f"{out}: a file of {named} ends in {' or '.join(FORMATS[named].suffixes)}; rename `out`")
        return FORMATS[named]
    if end in _BY_SUFFIX:
        return FORMATS[_BY_SUFFIX[end]]
    other = "; for .json give `format` camera-trap" if end == ".json" else ""
    raise HiertaxError(f"{out}: no table ends in {end or 'no suffix'}; choose {', '.join(_BY_SUFFIX)}{other}")
