"""The Python of the README runs; its tables of runs, and those of docs/results.md, are the committed results."""

import json
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
RESULTS = (README.parent / "docs" / "results.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"benchmarks/results/(\w+)\.json", RESULTS)))
LINKED = set(re.findall(r"\(benchmarks/results/(\w+)\.json\)", TEXT))


def test_there_is_python_in_the_readme():
    assert BLOCKS


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_it_runs_and_prints_tables(block, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(README), "exec"), {"__name__": "__main__"})  # noqa: S102 - running it is the test
    said = capfd.readouterr()
    assert said.err == ""
    assert re.search(r"^\d+ +independent +order +5 ", said.out, re.MULTILINE)
    assert "species_probability" in said.out
    assert "[36 rows x 7 columns]" in said.out


def results(name):
    return json.loads((README.parent / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name in NAMED if name.startswith("table2")])
def test_rows_of_methods_are_those_of_the_results_they_name(name):
    numbers = {(n["row"], n["measure"]): n["ours"] for n in results(name)["numbers"]}
    methods = {row for row, measure in numbers if measure == "average"} - {"majority"}
    assert methods
    for method in methods:
        cells = " | ".join(f"{numbers[method, measure]:.2f}" for measure in ("order", "family", "species", "average"))
        for text in (RESULTS, TEXT) if name in LINKED else (RESULTS,):
            assert f"| `{method}` | {cells} |" in text


def test_rows_of_transfer_are_those_of_the_results_they_name():
    told = [verdict for verdict in results("fig4_cub50_frozen")["verdicts"] if verdict["better"]]
    assert len(told) == 2
    for verdict in told:
        intervals = " | ".join(f"{low:.2f} to {high:.2f}" for low, high in (verdict["by_seed"], verdict["by_image"]))
        assert f"| {verdict['difference']:+.2f} | {intervals} | {verdict['outcome']} |" in RESULTS
