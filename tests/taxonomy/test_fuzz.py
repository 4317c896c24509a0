"""A few of the inputs of `fuzz.py`, which tries as many as one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fuzz


def test_some_inputs_of_every_kind_are_read_or_refused_in_one_line() -> None:
    told: list[str] = []
    count = fuzz.run(range(250), 12, told.append)
    assert not told, "\n".join(told)
    assert count["inputs"] == 250
    assert min(count["read"], count["refused"]) > 10


def test_an_input_is_the_same_for_its_number_and_seed() -> None:
    assert [fuzz.drawn(number, 3) for number in range(20)] == [fuzz.drawn(number, 3) for number in range(20)]
    kinds = {fuzz.drawn(number, 0).what for number in range(400)}
    assert {
        "ncbi",
        "dwca",
        "clements",
        "parquet",
        "xlsx",
        "hiclass",
        "features",
        "validate newick",
        "select edges",
    } <= kinds


def test_the_script_prints_what_it_counted() -> None:
    script = Path(fuzz.__file__)
    done = subprocess.run(
        [sys.executable, script, "--only", "1", "--only", "2"], capture_output=True, text=True, check=True
    )
    assert "'inputs': 2" in done.stderr
