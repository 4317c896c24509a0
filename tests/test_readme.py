"""The Python of the README runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


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
