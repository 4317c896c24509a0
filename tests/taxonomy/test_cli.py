"""The command line ``hiertax``: quick to answer, free of torch, and plain about what is wrong."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from trees import WORKED

from taxonomy import Hierarchy
from taxonomy.cli import main
from taxonomy.console import invocation

ROOT = Path(__file__).parents[2]
HIERTAX = [sys.executable, "-c", "import sys; sys.argv[0] = 'hiertax'; from taxonomy.cli import main; main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def hiertax(*args):
    """Run the command line in this process."""
    return CliRunner().invoke(main, [str(arg) for arg in args], prog_name="hiertax")


def run_process(command, **options):
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, **options)


# ---------------------------------------------------------------- quick, and free of torch


def test_help_answers_in_less_than_a_third_of_a_second():
    def seconds():  # of processor time, which on a machine with nothing else to do is all that it takes
        before = os.times()
        done = run_process([*HIERTAX, "--help"])
        after = os.times()
        assert done.returncode == 0
        return sum(after[2:4]) - sum(before[2:4])

    assert min(seconds() for _ in range(5)) < 0.3


WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class Forbid(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "trainer", "matplotlib"):
            raise AssertionError(f"taxonomy imports {name}")

sys.meta_path.insert(0, Forbid())
sys.argv[0] = "hiertax"
"""
WITHOUT_PILLOW = WITHOUT_TORCH.replace('"trainer"', '"trainer", "PIL"')


def test_the_toolkit_builds_and_shows_without_torch_trainer_and_pillow(tmp_path):
    script = WITHOUT_PILLOW + "from taxonomy.cli import main; main()"
    built = run_process([sys.executable, "-c", script, "build", "--dataset", "cub", "--out", "cub.json"], cwd=tmp_path)
    shown = run_process([sys.executable, "-c", script, "show", "cub.json"], cwd=tmp_path)
    assert (built.returncode, built.stderr) == (0, "")
    assert (shown.returncode, shown.stderr) == (0, "")


def test_every_module_of_the_toolkit_imports_without_torch_and_trainer():
    files = sorted((ROOT / "taxonomy").rglob("*.py"))
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    done = run_process([sys.executable, "-c", WITHOUT_TORCH + "".join(f"import {name}\n" for name in modules)])
    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------- build


@pytest.mark.parametrize("dataset", ["cub", "cub-paper", "aircraft", "cars", "sketchbirds"])
def test_build_reproduces_the_committed_file_byte_for_byte(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = hiertax("build", "--dataset", dataset)
    assert result.exit_code == 0
    (built,) = (tmp_path / "hierarchies").iterdir()
    assert built.read_bytes() == (ROOT / "hierarchies" / built.name).read_bytes()
    assert result.stdout.startswith(f"hierarchies/{built.name}: ")


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("cub_wiki", (13, 37, 200)),
        ("cub_paper", (13, 38, 200)),
        ("aircraft", (30, 70, 100)),
        ("cars", (9, 196)),
        ("sketchbirds", (5, 12, 36)),
    ],
)
def test_committed_hierarchies_have_their_sizes_and_the_command_that_rebuilds_them(name, sizes, tmp_path):
    hierarchy = Hierarchy.load(ROOT / "hierarchies" / f"{name}.json")
    assert (hierarchy.name, hierarchy.sizes) == (name, sizes)
    program, *args = hierarchy.source["command"].split()
    assert program == "hiertax"
    assert hiertax(*args, "--out", tmp_path / "again.json").exit_code == 0
    assert Hierarchy.load(tmp_path / "again.json") == hierarchy


def test_the_published_bird_tree_differs_from_the_corrected_one_in_the_kittiwake_alone():
    corrected, published = (Hierarchy.load(ROOT / "hierarchies" / f"{name}.json") for name in ("cub_wiki", "cub_paper"))
    assert corrected.classes == published.classes
    moved = [name for name in corrected.classes if corrected.lineage(name) != published.lineage(name)]
    assert moved == ["084.Red_legged_Kittiwake"]


def test_build_says_what_it_wrote_and_makes_the_folder(tmp_path):
    result = hiertax("build", "--dataset", "cub", "--out", tmp_path / "new" / "cub.json")
    assert result.stdout == f"{tmp_path}/new/cub.json: bird > 13 order, 37 family, 200 species\n"
    assert result.stderr == ""


# ---------------------------------------------------------------- show


@pytest.fixture
def worked(tmp_path):
    WORKED.save(tmp_path / "worked.json")
    return tmp_path / "worked.json"


def test_show_prints_levels_and_outline(worked):
    result = hiertax("show", worked)
    assert result.exit_code == 0
    assert result.stdout == (
        "worked: bird, 3 levels, 5 classes\n"
        "  order              2 labels   classes in each: 2 to 3, median 2.5\n"
        "  family             3 labels   classes in each: 1 to 2, median 2\n"
        "  species            5 labels\n"
        "\n"
        "bird\n"
        "├─ O1 (3)\n"
        "│  ├─ F1 (2)\n"
        "│  │  a, b\n"
        "│  └─ F2 (1)\n"
        "│     c\n"
        "└─ O2 (2)\n"
        "   └─ F3 (2)\n"
        "      d, e\n"
    )


@pytest.mark.parametrize("file", sorted((ROOT / "hierarchies").glob("*.json")), ids=lambda path: path.name)
def test_show_names_every_taxon_of_a_committed_file(file):
    lines = " ".join(hiertax("show", file).stdout.replace("│", " ").split())
    for level in Hierarchy.load(file).levels:
        assert all(label in lines for label in level.labels)


def test_show_json_is_for_machines(worked):
    about = json.loads(hiertax("show", worked, "--json").stdout)
    assert (about["name"], about["root"], about["content_hash"]) == ("worked", "bird", WORKED.content_hash)
    assert about["levels"][0] == {
        "level": "order", "labels": 2, "leaves_per_label": {"min": 2, "median": 2.5, "max": 3},
    }  # fmt: skip


# ---------------------------------------------------------------- what is wrong, and exit codes


def assert_one_line(result, code, start):
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {start}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "start"),
    [
        (["frobnicate"], "No such command 'frobnicate'. Try: hiertax --help"),
        (["build"], "give one of --dataset"),
        (["build", "--dataset", "cats"], "Invalid value for '--dataset': 'cats' is not one of 'cub'"),
        (["show"], "Missing argument 'FILE'. Try: hiertax show --help"),
        (["show", "nowhere.json"], "Invalid value for 'FILE': File 'nowhere.json' does not exist"),
        (["show", str(ROOT)], "Invalid value for 'FILE': File"),
        (["show", "--colour", "x"], "No such option"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(args, start):
    assert_one_line(hiertax(*args), 2, start)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "not JSON: Input data was truncated; restore or rebuild the file"),
        ('{"format": "hiertax-hierarchy", "version": 9}', "version: 9 cannot be read, only 1; rebuild the file"),
    ],
)
def test_a_broken_file_is_one_line_and_exit_code_1(tmp_path, content, text):
    (tmp_path / "bad.json").write_text(content)
    assert_one_line(hiertax("show", tmp_path / "bad.json"), 1, f"{tmp_path}/bad.json: {text}")


def test_a_place_that_cannot_be_written_is_one_line_and_exit_code_1(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "cub.json"
    assert_one_line(hiertax("build", "--dataset", "cub", "--out", place), 1, f"{place}: cannot be written")


@pytest.mark.parametrize("args", [["--debug", "show"], ["show", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(tmp_path, args):
    (tmp_path / "bad.json").write_text("")
    done = run_process([*HIERTAX, *args, str(tmp_path / "bad.json")])
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "taxonomy/hierarchy.py" in done.stderr


def test_without_debug_a_process_prints_one_line(tmp_path):
    (tmp_path / "bad.json").write_text("")
    done = run_process([*HIERTAX, "show", str(tmp_path / "bad.json")])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_control_c_is_one_line_and_exit_code_130(tmp_path):
    os.mkfifo(tmp_path / "endless.json")
    process = subprocess.Popen(
        [*HIERTAX, "show", str(tmp_path / "endless.json")], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    with (tmp_path / "endless.json").open("w"):  # opens once the process has: it now waits for content
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors.strip()) == (130, "error: interrupted")


def test_without_a_command_the_help_comes_as_it_is():
    result = hiertax()
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: hiertax [OPTIONS] COMMAND")
    assert result.stderr.count("\n") > 10


def test_fine_is_exit_code_0():
    assert hiertax("--help").exit_code == 0
    assert hiertax("--version").stdout.startswith("hiertax, version ")


@pytest.mark.parametrize("name", main.commands)
def test_every_command_shows_an_example(name):
    assert f"hiertax {name}" in hiertax(name, "--help").stdout.partition("Example:")[2]


@pytest.mark.parametrize(
    "given",
    ["a.json", "a.json b.json --no-frozen", "a.json --within Aves --within 'Mus musculus' --frozen --recipe strong"],
)
def test_a_command_line_is_told_as_it_was_given(given):
    def taken(ctx, param, value):
        ctx.meta[param.name] = value

    @click.command("try")
    @click.argument("files", nargs=-1)
    @click.option("--within", multiple=True)
    @click.option("--frozen/--no-frozen")
    @click.option("--recipe", expose_value=False, callback=taken)
    @click.option("--out")
    @click.pass_context
    def command(ctx, **_):
        click.echo(invocation("hiertrain reproduce", ctx))

    words = [*shlex.split(given), "--out", "there"]
    assert CliRunner().invoke(command, words).output == f"hiertrain reproduce try {given}\n"
