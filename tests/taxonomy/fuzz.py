"""Any input at all, through the command line: a hierarchy that can be read again, or one line that says why not.

    python tests/taxonomy/fuzz.py --inputs 100000 --seed 0       # a quarter of an hour on one core

Inputs are files of every format and archives of every source, made up or sound ones with some bytes or some text
spoilt, with options drawn at random. An input is its number and the seed, so that `--only NUMBER` gives it again. What
counts as a fault: a traceback, an error of more than a line, a run longer than `SECONDS`, a file left half-written.
"""

from __future__ import annotations

import io
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import checklists
import click
import numpy as np
from click.testing import CliRunner
from trees import WORKED

from taxonomy import formats
from taxonomy.cli import main as hiertax
from taxonomy.commands.parameters import READABLE
from taxonomy.hierarchy import Hierarchy

SECONDS = 20  # that an input may take, on a busy machine
MEMORY = 8 << 30  # bytes of address space
MARKS = [
    *(
        "(",
        ")",
        ",",
        ":",
        ";",
        "'",
        '"',
        "[",
        "]",
        "{",
        "}",
        "\t",
        "\n",
        " ",
        "|",
        "-",
        "#",
        "0",
        "1.5",
        "a",
        "b_c",
        "NA",
    ),
    *("class", "species", "genus", "family", "parent", "child", "level", "k__", "p__x", "#NEXUS", "begin trees;", "> "),
    *("tree t =", "end;", '"name":', '"children":', '"nodes":', '"links":', "\r\n", "├", "\u00a0", "\ufeff", "é", "\0"),
    *("/", "..", "id", "1.0", "%", "\\N", "__", "1e999", "\u2028", "-1", "nan", "<", "&", "=", '"categories": [{'),
]
PIECES = {
    "newick": ["(a,b)c", "(", ")", ",", "0.9", "'x'", ":1", ";", "[c]", "98%", "nan"],
    "nexus": ["#NEXUS ", "begin trees;", "tree a = ", "((a)b)c;", "end;", "translate 1 x;", "(", "'", "["],
    "outline": ["a\n", " b\n", "\tc\n", "- d\n", "  e\n", "├── f\n", "NA\n", "\n", "-", "# g\n", "** h\n",
                "1.1 i\n", "+-- j\n"],
    "nested-json": ['{"name": "a", "children": [', "]}", '{"b": ', "{}", "}", "[", "]", '"c"', ", ", "null", "1"],
    "edges": ["1 0\n", "2 0\n", "3 1\n", "0 3\n", "a,b\n", "# child parent\n", "x\n", "\t", "4 1 {}\n", "from,to\n"],
    "node-link": ['{"directed": true, "nodes": [', '{"id": 1}, ', '{"id": 2, "label": "a"}', '], "links": [',
                  '{"source": 1, "target": 2}', "]}", "{", "}", ", "],
    "lineage-csv": ["order,species\n", "A,b\n", "A;b\n", ",c\n", "NA,d\n", '"', "class", "k__A;p__B\n", "\t", "|",
                    "1,2\n", "lineage\n", "A > B\n", "id,", "path,", "1.jpg,"],
    "parent-child-csv": ["child,parent\n", "level,label,parent,class\n", "a,b\n", "b,\n", "b,a\n", "o,a,,\n",
                         "s,b,a,c\n", "id,parent,name\n", "1,0,a\n", "2,1.0,b\n"],
    "inat": ['{"categories": [', '{"id": 1, "name": "a", "genus": "g"}', '{"name": "b"}', '{"id": []}', ", ", "]}",
             "[", "]"],
}  # fmt: skip
SUFFIXES = (".json", ".csv", ".txt", ".tsv", ".nwk", ".nex", ".md", ".npy", ".parquet", ".xlsx", ".edges", "", ".jpg")


@dataclass
class Input:
    """The files of an input, by name, and the arguments of the command."""

    what: str
    args: list[str]
    files: dict[str, bytes] = field(default_factory=dict)


def drawn(number: int, seed: int) -> Input:
    """Return an input, the same for the same number and seed."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 - not for secrets
    return rng.choice((_of_format, _of_format, _of_format, _validated, _selected, _looked_up, _looked_up, _clustered))(
        rng
    )


# ---------------------------------------------------------------- files of a format


def _of_format(rng: random.Random) -> Input:
    kind = rng.choice(READABLE)
    args = ["build", "--from", kind, "file", *_options(rng, kind), "--out", "out.json"]
    files = {"file": _content(rng, kind)}
    if "--labels" in args:
        files["labels"] = _spoilt(rng, b"1 a\n2 b\n3\tc d\n0,e\n")
    return Input(kind, args, files)


def _validated(rng: random.Random) -> Input:
    kind = rng.choice((*READABLE, "hierarchy"))
    name = "file" + rng.choice((*SUFFIXES, *(() if kind == "hierarchy" else formats.FORMATS[kind].suffixes * 8)))
    return Input(
        f"validate {kind}", ["validate", name, *rng.choice(([], ["--json"], ["--strict"]))], {name: _content(rng, kind)}
    )


def _selected(rng: random.Random) -> Input:
    kind = rng.choice((*READABLE, "hierarchy"))
    how = rng.choice((["--depths", "1,-1"], ["--levels", "order,species"], ["--within", "a"], ["--classes", "names"]))
    args = [
        "select",
        "file",
        *how,
        *(["--from", kind] if kind != "hierarchy" else []),
        "--ragged",
        "fill",
        "--out",
        "out.json",
    ]
    return Input(f"select {kind}", args, {"file": _content(rng, kind), "names": _spoilt(rng, b"Mallard\na\nb\n")})


def _options(rng: random.Random, kind: str) -> Iterator[str]:
    takes = formats.FORMATS[kind].takes
    choices = {
        "delimiter": (",", ";", "\\t", "xx", "\0"), "encoding": ("utf-8", "cp1252", "utf-16", "no", "idna"),
        "class_column": ("class", "species", "b"), "edges": ("child-parent", "parent-child"), "labels": ("labels",),
        "parents": ("first", "shortest", "deepest"),
    }  # fmt: skip
    yield from ("--ragged", rng.choice(("error", "fill", "collapse")))
    for name, values in choices.items():
        if name in takes and rng.random() < 0.2:
            yield from (f"--{name.replace('_', '-')}", rng.choice(values))
    for name in ("header", "name_inner"):
        if name in takes and rng.random() < 0.2:
            yield {"header": "--no-header", "name_inner": "--name-inner"}[name]
    if rng.random() < 0.3:
        yield "--qualify"
    if rng.random() < 0.2:
        yield from ("--levels", rng.choice(("order,species", "a", "", "a,b,c", "species,order")))


@cache
def sound(kind: str) -> tuple[bytes, ...]:
    """Return sound files of a format."""
    import json

    if kind == "hierarchy":
        return (json.dumps(WORKED.to_json()).encode(),)
    content = formats.encode(WORKED, kind)
    if kind == "hiclass":
        archive = io.BytesIO()
        np.savez_compressed(archive, labels=np.load(io.BytesIO(content)))
        return content, content, archive.getvalue()
    return (content,)


def _content(rng: random.Random, kind: str) -> bytes:
    how = rng.randrange(8)
    if how == 0:
        return rng.randbytes(rng.randrange(120))
    if how == 1:
        return "".join(rng.choices(MARKS, k=rng.randrange(25))).encode()
    if how < 5 and kind in PIECES:
        return "".join(rng.choices(PIECES[kind], k=rng.randrange(15))).encode()
    return _spoilt(rng, rng.choice(sound(kind)))


def _spoilt(rng: random.Random, content: bytes) -> bytes:
    """Return content with up to eight places changed: bytes turned, lost, doubled or put in, or all cut short."""
    data = bytearray(content)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 8))):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 4, 30))
        how = rng.randrange(6)
        if how == 0:
            data[at : at + length] = b""
        elif how == 1:
            data[at:at] = rng.choice(MARKS).encode()
        elif how == 2:
            data[at:at] = data[at : at + length]
        elif how == 3:
            data[at:] = b"" if rng.random() < 0.2 else data[at:]
        else:
            data[at : at + length] = rng.randbytes(min(length, len(data) - at))
    return bytes(data)


# ---------------------------------------------------------------- feature files


@cache
def features() -> bytes:
    """Return a sound feature file."""
    table = np.random.default_rng(0).standard_normal((12, 4), dtype=np.float32)
    out = io.BytesIO()
    np.savez(out, features=table, labels=np.arange(12) % 4, classes=np.array(["a", "b", "c", "d"]))
    return out.getvalue()


def _clustered(rng: random.Random) -> Input:
    how = rng.choice((["--method", "hc", "--levels", "2"], ["--method", "random", "--levels", "2"]))
    return Input(
        "features", ["cluster", *how, "--features", "file", "--out", "out.json"], {"file": _spoilt(rng, features())}
    )


# ---------------------------------------------------------------- archives


@cache
def taxonomies() -> tuple[tuple[str, dict[str, bytes]], ...]:
    """Return sources and the files of their archives."""
    made = [
        ("ncbi", checklists.taxdump()), ("dwca", checklists.dwca()), ("dwca", checklists.dwca(checklists.COLUMNS_ONLY)),
        ("dwca", checklists.coldp()), ("dwca", checklists.coldp_in_three()),
        ("clements", {"clements.csv": checklists.clements()}),
    ]  # fmt: skip
    return tuple(
        (kind, {name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()})
        for kind, files in made
    )


def _looked_up(rng: random.Random) -> Input:
    kind, files = rng.choice(taxonomies())
    if rng.random() < 0.6:
        spoilt = rng.sample(sorted(files), min(rng.choice((1, 1, 2, 9)), len(files)))
        files = {name: _spoilt(rng, content) if name in spoilt else content for name, content in files.items()}
    if rng.random() < 0.1:
        odd = rng.choice(("../names.dmp", "/etc/x", "a\\..\\b", "nodes.dmp/", "x" * 300, "meta.xml "))
        files = {**files, odd: rng.choice(list(files.values()))}
    packed = _packed(rng, kind, files)
    names = _spoilt(
        rng, b"Parus major\nPrunella modularis\nPrunella vulgaris\nCyanistes caeruleus\nQuercus x rosacea\n"
    )
    suffix = rng.choice((".txt", ".txt", ".csv"))
    files = {f"names{suffix}": names if suffix == ".txt" else b"class,scientific_name\n" + names, **packed}
    archive = "archive" if any(name.startswith("archive/") for name in packed) else next(iter(packed))
    args = ["build", "--names", f"names{suffix}", "--source", kind, "--archive", archive, "--out", "out.json"]
    args += ["--levels", rng.choice(("order,family,genus,species", "family,species", "genus,species", "kingdom,order"))]
    args += [
        "--ragged",
        rng.choice(("error", "fill", "collapse")),
        *rng.choice(([], ["--qualify"], ["--within", "Aves"])),
    ]
    return Input(kind, args, files)


def _packed(rng: random.Random, kind: str, files: dict[str, bytes]) -> dict[str, bytes]:
    if kind == "clements":
        return {"clements.csv": files["clements.csv"]}
    how = rng.choice(("folder", "zip", "w", "w:gz", "w:bz2", "w:xz"))
    if how == "folder":
        inside = {name: content for name, content in files.items() if not {"/", "\\"} & set(name) and len(name) < 200}
        return {f"archive/{name}": content for name, content in inside.items()} or {"archive/x": b""}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "packed"
        with warnings.catch_warnings(action="ignore"):
            checklists.in_zip(path, files) if how == "zip" else checklists.in_tar(path, files, how)
        content = path.read_bytes()
    return {"packed": _spoilt(rng, content) if rng.random() < 0.6 else content}


# ---------------------------------------------------------------- one input


class HangError(Exception):
    """An input that takes longer than it may."""


@contextmanager
def _within_seconds() -> Iterator[None]:
    def late(*_: object) -> None:
        raise HangError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fault(given: Input, folder: Path) -> tuple[str | None, int]:
    """Return what is wrong with how an input is dealt with, None if nothing, and the exit code."""
    for name, content in given.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    with _within_seconds():
        done = CliRunner().invoke(hiertax, given.args, prog_name="hiertax")
    if isinstance(done.exception, BaseException) and not isinstance(done.exception, SystemExit):
        return "".join(traceback.format_exception(done.exception)), done.exit_code
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - there
    if done.exit_code not in (0, 1, 2) or "Traceback" in done.stderr:
        return f"exit code {done.exit_code}: {done.stderr}", done.exit_code
    if done.exit_code and given.args[0] != "validate":
        *before, last = done.stderr.splitlines() or [""]
        said = ("warning: ", "file: ")  # what was found wrong, or assumed, before
        if left or not last.startswith("error: ") or not all(line.startswith(said) for line in before):
            return f"left {sorted(left)} and said {done.stderr!r}", done.exit_code
    if left - {"out.json", "out.evidence.csv"}:
        return f"left {sorted(left)}", done.exit_code
    if "out.json" in left:
        Hierarchy.load(folder / "out.json")  # raises if it cannot be read again
    return None, done.exit_code


def run(numbers: Sequence[int], seed: int, tell: Callable[[str], None]) -> Counter[str]:
    """Try inputs in an empty folder each; tell of faults, and return how often what happened."""
    import os

    count: Counter[str] = Counter()
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        for number in numbers:
            folder = Path(name) / str(number)
            folder.mkdir()
            os.chdir(folder)
            given = drawn(number, seed)
            try:
                wrong, code = fault(given, folder)
            except Exception:  # whatever is wrong with it is what is sought
                wrong, code = traceback.format_exc(), -1
            os.chdir(home)
            count["inputs"] += 1
            count["read" if code == 0 else "refused"] += 1
            if wrong is not None:
                count["faults"] += 1
                tell(f"--only {number} --seed {seed}: {given.what}, {' '.join(given.args)}\n{wrong}")
            shutil.rmtree(folder)
    return count


@click.command(context_settings={"show_default": True})
@click.option("--inputs", type=click.IntRange(min=1), default=1000, help="How many.")
@click.option("--start", type=click.IntRange(min=0), default=0, help="The number of the first.")
@click.option("--seed", type=int, default=0)
@click.option("--only", type=int, multiple=True, help="The numbers of inputs to try alone.")
def main(inputs: int, start: int, seed: int, only: tuple[int, ...]) -> None:
    """Try inputs, print the faults, and exit with 1 if there is one."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    began, count = time.perf_counter(), Counter[str]()
    numbers = list(only or range(start, start + inputs))
    for at in range(0, len(numbers), 5000):
        count += run(numbers[at : at + 5000], seed, click.echo)
        click.echo(f"{dict(count)}, faults: {count['faults']}; {time.perf_counter() - began:.0f} s", err=True)
    sys.exit(1 if count["faults"] else 0)


if __name__ == "__main__":
    main()
