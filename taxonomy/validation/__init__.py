"""What can be wrong with a hierarchy: findings with a rule id, a severity, a place and a cure.

`validate` reads a file that may be broken in any way and never raises for what is in it; `check` does the
same for a document at hand. The rules are in `taxonomy.rules`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxonomy.console import visible
from taxonomy.document import Document, Naming, Place, check_structure, json_place
from taxonomy.rules import RULES, Finding, Severity
from taxonomy.validation import drafts

SHOWN = 100  # findings of one rule that are kept; the rest is counted
UNLEVEL = frozenset({"cycle", "orphan", "two-roots", "uneven-depth"})  # of which unsound levels are a mere consequence

__all__ = ["Report", "check", "validate"]


@dataclass(frozen=True)
class Report:
    """What was found about one file.

    Attributes
    ----------
    findings
        The first hundred of each rule, errors first.
    counts
        How often each rule was broken.
    levels
        Name and size of each level, as far as the file could be read.
    """

    file: str
    findings: tuple[Finding, ...]
    counts: dict[str, int]
    levels: tuple[tuple[str, int], ...] = ()

    def number(self, severity: Severity) -> int:
        """Return how many findings have a severity."""
        return sum(count for rule, count in self.counts.items() if RULES[rule].severity == severity)

    def sound(self, *, strict: bool = False) -> bool:
        """Tell whether there is no error, and under `strict` no warning."""
        return not self.number("error") and not (strict and self.number("warning"))

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        findings = [
            {"rule": f.rule, "severity": f.severity, "place": f.place, "message": f.message, "cure": f.cure}
            | ({"lineages": [list(line) for line in f.lineages]} if f.lineages else {})
            for f in self.findings
        ]
        totals: dict[str, Any] = {severity: self.number(severity) for severity in _ORDER}
        levels = [{"level": name, "labels": size} for name, size in self.levels]
        return {"file": self.file, "levels": levels, **totals, "counts": self.counts, "findings": findings}

    def to_text(self) -> str:
        """Return a heading, one line per finding, and the totals."""
        heading = ", ".join(f"{size:,} {name}" for name, size in self.levels) or "not read"
        lines = [visible(f"{self.file}: {heading}", 400)]
        width = max((len(f.rule) for f in self.findings), default=0)
        for f in self.findings:
            paths = " | ".join(" > ".join(visible(name, 60) for name in line) for line in f.lineages)
            told = visible(f.message, 500) + (f" ({paths})" if paths else "")
            lines.append(
                f"  {f.severity:<7}  {f.rule:<{width}}  {visible(f.place, 200)}: {told}"
                + ("" if f.severity == "info" else f"; {f.cure}")
            )
        lines += [
            f"  {RULES[rule].severity:<7}  {rule:<{width}}  and {count - SHOWN:,} more of this rule"
            for rule, count in self.counts.items()
            if count > SHOWN
        ]
        totals = ", ".join(f"{word}: {self.number(kind):,}" for kind, word in _TOTALS.items())
        return "\n".join([*lines, f"  {totals}"])


_TOTALS: dict[Severity, str] = {"error": "errors", "warning": "warnings", "info": "notes"}
_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


def validate(path: str | Path, root: str | Path | None = None) -> Report:
    """Check a hierarchy file, a lineage table or a parent-child table.

    Parameters
    ----------
    path
        The file; it may hold anything, or not exist.
    root
        The folder of the dataset whose classes the hierarchy should have.
    """
    draft = drafts.read(Path(path))
    kept: list[Finding] = []
    counts: Counter[str] = Counter()
    _tally(draft.findings, kept, counts)
    if draft.document is not None:
        _tally(check(draft.document, draft.place, None if root is None else Path(root), set(counts)), kept, counts)
    kept.sort(key=lambda finding: _ORDER[finding.severity])
    levels = () if draft.document is None else tuple((lv.name, len(lv.labels)) for lv in draft.document.levels)
    return Report(str(path), tuple(kept), dict(counts), levels)


def check(
    document: Document, place: Place = json_place, root: Path | None = None, earlier: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield what is wrong with a document: its tree, its names, and, if the tree is sound, its dataset and shape.

    Parameters
    ----------
    place
        Names the place of an entry.
    earlier
        The rules that were broken already while reading it.
    """
    from taxonomy.validation.names import naming

    names = Naming.of(document)
    broken = any(RULES[rule].severity == "error" for rule in earlier)
    if UNLEVEL.isdisjoint(earlier):
        for finding in check_structure(document, place, names):
            broken = True
            yield finding
    yield from naming(document, place, names)
    if not broken:
        yield from _of_sound(document, place, root)


def _of_sound(document: Document, place: Place, root: Path | None) -> Iterator[Finding]:
    from taxonomy.validation.datasets import facts
    from taxonomy.validation.shape import shape

    yield from facts(document, place, root)
    yield from shape(document, place)


def _tally(findings: Iterable[Finding], kept: list[Finding], counts: Counter[str]) -> None:
    """Count findings by rule and keep the first ones of each; a file may give millions."""
    for finding in findings:
        counts[finding.rule] += 1
        if counts[finding.rule] <= SHOWN:
            kept.append(finding)
