"""What an experiment came to, as files: results.json, and tables and figures to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from taxonomy import Hierarchy
from taxonomy.files import write_atomic, write_json
from trainer.config import RUNTIME_FIELDS, Config
from trainer.reproduce.claims import Verdict
from trainer.reproduce.drawing import QUICK
from trainer.reproduce.experiment import Report, Results
from trainer.reproduce.published import SIZES
from trainer.reproduce.records import Record, commit
from trainer.reproduce.tables import Table, in_markdown, to_latex, to_markdown

FORMAT, VERSION = "hiertax-results", 1
_OWN: Final = ("hierarchy", "data", "method", "seed", "level_weights", *RUNTIME_FIELDS)  # of runs, not of all of them
_PAPER: Final = Config()  # its recipe


def write_results(name: str, title: str, results: Results, report: Report, command: str) -> list[Path]:
    """Write everything to the folder of an experiment; return the files.

    Raises
    ------
    HiertaxError
        If a file cannot be written; none is ever half-written.
    """
    out, quick = results.setup.out, results.setup.quick
    write_json(out / "results.json", as_json(name, title, results, report, command))
    page = to_page(title, results, report, command)
    files = {out / f"{name}.md": page.encode(), out / f"{name}.tex": _latex(name, report, quick=quick).encode()}
    if report.numbers:
        files[out / f"{name}.csv"] = _csv(report.numbers, quick=quick)
    files |= {out / f"{called}.png": picture for called, picture in report.figures.items()}
    files |= {out / f"{called}.csv": _csv(rows, quick=quick) for called, rows in report.points.items()}
    for file, content in files.items():
        write_atomic(file, content)
    return [out / "results.json", *files]


def write_tables(
    out: Path, name: str, title: str, tables: Mapping[str, Table], figures: Mapping[str, bytes], notes: Sequence[str],
    told: Mapping[str, Any],
) -> list[Path]:  # fmt: skip
    """Write tables and figures that no runs were made for to a folder; return the files."""
    parts = [
        f"# {title}\n",
        *map(to_markdown, tables.values()),
        *(f"![{called}]({called}.png)\n" for called in figures),
    ]
    parts += ["\n".join(f"* {in_markdown(note)}" for note in notes) + "\n"] if notes else []
    latex = "\n".join(to_latex(table, f"{name}-{called}") for called, table in tables.items())
    files = {out / f"{name}.md": "\n".join(parts).encode(), out / f"{name}.tex": latex.encode()}
    files |= {out / f"{called}.csv": _csv(_as_rows(table), quick=False) for called, table in tables.items()}
    files |= {out / f"{called}.png": content for called, content in figures.items()}
    write_json(out / "results.json", told)
    for file, content in files.items():
        write_atomic(file, content)
    return [out / "results.json", *files]


def _as_rows(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


def as_json(name: str, title: str, results: Results, report: Report, command: str) -> dict[str, Any]:
    """Return all that is known of an experiment as JSON values, what is not known as None."""
    minutes = [record.minutes for record in results.records if record.minutes is not None]
    return {
        "format": FORMAT, "version": VERSION, "experiment": name, "title": title, "quick": results.setup.quick,
        "command": command, "commit": commit(),
        "machines": sorted({record.computed_on for record in results.records}),
        "minutes": round(sum(minutes), 2) if minutes else None,
        "settings": common_settings(results.records),
        "deviations": deviations(results),
        "datasets": [_dataset(results, key) for key in dict.fromkeys(record.source for record in results.records)],
        "numbers": [_plain(row) for row in report.numbers],
        "verdicts": [verdict_json(each) for each in report.verdicts],
        "notes": list(report.notes),
        "missing": dict(results.missing),
        "runs": [_run(record) for record in results.records],
    }  # fmt: skip


def _run(record: Record) -> dict[str, Any]:
    found = asdict(record)
    del found["config"]
    return found


def _dataset(results: Results, key: str) -> dict[str, Any]:
    """Describe a dataset by its first run, and its whole hierarchy."""
    source = next(source for source in results.setup.sources if source.key == key)
    first = next(record for record in results.records if record.source == key)
    whole = Hierarchy.load(source.hierarchy)
    own = {level.level: level.labels for level in first.levels}
    return {
        "key": key, "dataset": source.dataset, "title": source.title, "train": first.train, "test": first.test,
        "left_out": first.left_out,
        "levels": [{"level": level.name, "labels": own.get(level.name), "of": len(level)} for level in whole.levels],
    }  # fmt: skip


def common_settings(records: Sequence[Record]) -> dict[str, Any]:
    """Return the settings that all runs share, files by their names alone."""
    if not records:
        return {}
    first = records[0].config
    shared = {name: value for name, value in first.items() if all(each.config.get(name) == value for each in records)}
    named = {name: value for name, value in shared.items() if name not in _OWN}
    return {
        name: Path(value).name if name in ("weights", "split") and value else value for name, value in named.items()
    }


def deviations(results: Results) -> list[str]:
    """Say what differs from the paper's protocol: settings, seeds, parts of datasets."""
    settings = common_settings(results.records)
    own = {**asdict(_PAPER), "image_size": results.setup.paper_size, "weights": "imagenet"}
    said = [
        f"{name} {value} (paper: {own[name]})"
        for name, value in settings.items()
        if name in own and value != own[name] and name != "weights"
    ]
    seeds = {record.seed for record in results.records}
    if len(seeds) != 3:
        said.append(f"{len(seeds)} seed{'s' * (len(seeds) > 1)} (paper: 3)")
    for key in dict.fromkeys(record.source for record in results.records):
        found = _dataset(results, key)
        if found["dataset"] not in SIZES:
            said.append(f"{key} is no dataset of the paper")
        elif part := [
            f"{e['labels']} of {e['of']} {e['level']}" for e in found["levels"] if e["labels"] not in (None, e["of"])
        ]:
            said.append(f"{found['title']} in part: {', '.join(part)}; the paper's numbers are of the whole")
    return said


def to_page(title: str, results: Results, report: Report, command: str) -> str:
    """Return everything as a page of Markdown."""
    parts = [f"# {title}\n"]
    if results.setup.quick:
        parts.append(f"**{QUICK}.**\n")
    parts.append(protocol(results, command))
    parts += [to_markdown(marked(table, quick=results.setup.quick)) for table in report.tables.values()]
    if report.verdicts:
        parts.append(to_markdown(marked(verdict_table(report), quick=results.setup.quick)))
    parts += [f"![{called}]({called}.png)\n" for called in report.figures]
    if report.notes:
        parts.append(
            "To be known of these numbers:\n\n" + "\n".join(f"* {in_markdown(note)}" for note in report.notes) + "\n"
        )
    if results.missing:
        lines = [f"* {in_markdown(name)}: {in_markdown(why)}" for name, why in results.missing.items()]
        parts.append(f"{len(results.missing)} runs are missing:\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def protocol(results: Results, command: str) -> str:
    """Say in Markdown how the runs were made."""
    if not results.records:
        return "No run is finished.\n"
    minutes = sum(record.minutes or 0 for record in results.records)
    settings = ", ".join(
        f"{name} {value}" for name, value in common_settings(results.records).items() if value is not None
    )
    lines = [
        f"Made by `{command}`, version {commit() or 'not known'}; {len(results.records)} runs, {minutes:.1f} minutes "
        f"of training on {'; '.join(sorted({record.computed_on for record in results.records}))}.",
        "Mean ± standard deviation (n - 1) over seeds, in percent, of all test images after the last epoch; each head "
        "answers for itself, as in the paper. A difference is ours less the paper's, in points.",
    ]
    if found := deviations(results):
        lines.append(f"Not as in the paper: {in_markdown('; '.join(found))}.")
    lines.append(f"Settings: {in_markdown(settings)}.")
    return "\n\n".join(lines) + "\n"


def verdict_table(report: Report) -> Table:
    """Lay out what the runs say of claims; beside what the paper prints, where it does."""
    verdicts, (title, says) = report.verdicts, report.put
    rows, ends = [], []
    for at, each in enumerate(verdicts):
        claim = each.claim
        what = f"{claim.better} above {claim.worse}, {each.measure}" if claim.better else each.measure
        paper = "" if each.paper is None else f"{each.paper:+.2f}"
        rows.append(
            (claim.says, what, f"{100 * each.difference:+.2f}", *_bounds(each), str(each.seeds), each.outcome, paper)
        )
        if at + 1 < len(verdicts) and verdicts[at + 1].source != each.source:
            ends.append(at)
    if len({each.source for each in verdicts}) > 1:
        rows = [(f"{each.source}: {row[0]}", *row[1:]) for each, row in zip(verdicts, rows, strict=True)]
    header: tuple[str, ...] = (
        says, "put to", "difference", "over seeds", "over images", "seeds", "here it", "in the paper",
    )  # fmt: skip
    notes = (
        "Differences in points; intervals of 95 %: over seeds by a paired t test, over test images by the paired "
        "bootstrap (of maps, by a normal distribution). A claim holds, or does not, where all known intervals lie on "
        "one side of zero; of one seed that says something of these two networks alone.",
    )
    if all(each.paper is None for each in verdicts):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return Table(title, header, tuple(rows), notes, (0, 1, 6), tuple(ends))


def _bounds(verdict: Verdict) -> list[str]:
    return [
        "" if math.isnan(low) else f"[{100 * low:+.2f}, {100 * high:+.2f}]"
        for low, high in (verdict.by_seed, verdict.by_image)
    ]


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON values, differences in points."""
    claim = verdict.claim
    return {
        "dataset": verdict.source, "says": claim.says, "better": claim.better, "worse": claim.worse,
        "measure": verdict.measure, "seeds": verdict.seeds, "difference": round(100 * verdict.difference, 4),
        "by_seed": _ends(verdict.by_seed), "by_image": _ends(verdict.by_image), "outcome": verdict.outcome,
        "paper": verdict.paper,
    }  # fmt: skip


def _ends(interval: Sequence[float]) -> list[float] | None:
    return None if math.isnan(interval[0]) else [round(100 * end, 4) for end in interval]


def marked(table: Table, *, quick: bool) -> Table:
    """Let a table of a scaled-down version say that it is one."""
    if not quick:
        return table
    return Table(f"{table.title} ({QUICK})", table.header, table.rows, table.notes, table.texts, table.ends)


def _latex(name: str, report: Report, *, quick: bool) -> str:
    tables = dict(report.tables) | ({"claims": verdict_table(report)} if report.verdicts else {})
    written = [to_latex(marked(table, quick=quick), f"{name}-{called}") for called, table in tables.items()]
    return "\n".join([f"% {QUICK}\n" if quick else "", *written]).lstrip("\n")


def _csv(rows: Sequence[Mapping[str, Any]], *, quick: bool) -> bytes:
    from pandas import DataFrame

    frame = DataFrame([_plain(row) for row in rows])
    if quick:
        frame.insert(0, "quick", QUICK)
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
