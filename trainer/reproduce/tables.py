"""A table as a value, and as Markdown, LaTeX, or a terminal shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table as RichTable

_LATEX: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; all columns but the first are of numbers, unless `texts` names them.

    Attributes
    ----------
    title
        What it is of, in one line.
    header, rows
        The cells.
    notes
        What a reader has to know beside, each a sentence.
    texts
        The numbers of columns that hold text.
    ends
        The numbers of rows after which a line is drawn.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    texts: tuple[int, ...] = (0,)
    ends: tuple[int, ...] = ()


def to_markdown(table: Table) -> str:
    """Write a table as Markdown, its title above and its notes below."""
    marks = [":--" if at in table.texts else "--:" for at in range(len(table.header))]
    lines = [_markdown_row(table.header), "| " + " | ".join(marks) + " |", *map(_markdown_row, table.rows)]
    notes = "".join(f"\n* {in_markdown(note)}" for note in table.notes)
    return f"**{in_markdown(table.title)}**\n\n" + "\n".join(lines) + "\n" + (f"{notes}\n" if notes else "")


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(in_markdown, cells)) + " |"


def in_markdown(text: str) -> str:
    """Write text so that Markdown shows it as it stands."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def to_latex(table: Table, label: str) -> str:
    """Write a table as LaTeX, which needs the package booktabs."""
    kinds = "".join("l" if at in table.texts else "r" for at in range(len(table.header)))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{in_latex(' '.join((table.title + '.', *table.notes)))}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{{kinds}}}",
        r"\toprule",
        _latex_row(table.header),
        r"\midrule",
    ]
    for at, row in enumerate(table.rows):
        lines += [_latex_row(row), *([r"\midrule"] if at in table.ends and at < len(table.rows) - 1 else [])]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(in_latex, cells)) + r" \\"


def in_latex(text: str) -> str:
    """Write text so that LaTeX shows it as it stands."""
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))


def to_rich(table: Table) -> RichTable:
    """Lay a table out for a terminal."""
    from rich.table import Table as RichTable

    shown = RichTable(title=table.title, title_justify="left", caption="\n".join(table.notes), caption_justify="left")
    for at, name in enumerate(table.header):
        shown.add_column(name, justify="left" if at in table.texts else "right")
    for at, row in enumerate(table.rows):
        shown.add_row(*row, end_section=at in table.ends)
    return shown
