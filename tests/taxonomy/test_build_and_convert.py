"""`hiertax build` and `hiertax convert` as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from grocery import CLASSES, draw_grocery

from taxonomy.cli import main
from taxonomy.commands.parameters import READABLE
from taxonomy.datasets import find_dataset, join
from taxonomy.formats import load
from taxonomy.hierarchy import Hierarchy
from taxonomy.sources import curated

TABLE = "class,order,family,species\n2,O,F,b\n1,O,F,a\n3,P,G,c\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*args: str) -> Result:
    return CliRunner().invoke(main, list(args), prog_name="hiertax")


def test_a_table_becomes_a_hierarchy_that_says_how_to_rebuild_it() -> None:
    Path("birds.csv").write_text(TABLE)
    done = run("build", "--csv", "birds.csv", "--root-label", "bird")
    assert (done.exit_code, done.stdout) == (0, "hierarchies/birds.json: bird > 2 order, 2 family, 3 species\n")
    built = Path("hierarchies/birds.json").read_bytes()
    hierarchy = Hierarchy.load("hierarchies/birds.json")
    assert hierarchy.classes == ("2", "1", "3")
    command = hierarchy.source["command"]
    assert command == "hiertax build --csv birds.csv --root-label bird"
    assert run(*command.split()[1:]).exit_code == 0
    assert Path("hierarchies/birds.json").read_bytes() == built


def test_uneven_depth_is_refused_or_said() -> None:
    Path("t.csv").write_text("family,species\n,a\nF,b\n")
    refused = run("build", "--csv", "t.csv")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: t.csv: 1 of 2 lineages have a gap")
    assert refused.stderr.endswith("; fill it in, or say --ragged fill or --ragged collapse\n")
    assert not Path("hierarchies").exists()
    filled = run("build", "--csv", "t.csv", "--ragged", "fill")
    assert filled.stderr == "--ragged fill: lineages with a gap: 1; taxa added: 1\n"
    collapsed = run("build", "--csv", "t.csv", "--ragged", "collapse")
    assert collapsed.stderr == "--ragged collapse: lineages with a gap: 1; levels dropped: family\n"


def test_a_grocery_is_built_and_found_sound(tmp_path: Path) -> None:
    data = draw_grocery(tmp_path / "shop")
    refused = run("build", "--dataset", "folder", "--root", str(data))
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"error: {data}: 6 of 8 lineages have a gap")
    levels = ("--levels", "aisle,kind,sort,product", "--root-label", "food")
    done = run("build", "--dataset", "folder", "--root", str(data), *levels, "--ragged", "fill")
    assert done.stdout == "hierarchies/grocery.json: food > 3 aisle, 6 kind, 8 sort, 8 product\n"
    assert done.stderr.splitlines() == [
        "1 folder has no images: 'vegetable/Kale'",
        "2 files are no images that can be read: .heic 1, .txt 1",
        "3 hidden files or folders passed over: '._0.png', '.ipynb_checkpoints', 'Thumbs.db'",
        "--ragged fill: lineages with a gap: 6; taxa added: 9",
    ]
    checked = run("validate", "hierarchies/grocery.json", "--root", str(data))
    assert checked.exit_code == 0, checked.stdout
    assert "errors: 0" in checked.stdout
    joined = join(find_dataset(data), Hierarchy.load("hierarchies/grocery.json"))
    assert joined.hierarchy.classes == tuple(
        name if name.endswith(("Red", "Plain")) else name.rpartition("/")[2] for name in CLASSES
    )
    assert joined.notes == ()


def test_every_readable_format_comes_back_through_build() -> None:
    run("build", "--dataset", "cub", "--out", "cub.json")
    for kind in READABLE:
        assert run("convert", "cub.json", "--to", kind, "--out", f"{kind}.file").exit_code == 0
        names = () if kind == "node-link" else ("--levels", "order,family,species", "--name", "again")
        built = run("build", "--from", kind, f"{kind}.file", *names, "--out", f"{kind}.json")
        assert (built.exit_code, built.stdout.partition("> ")[2]) == (0, "13 order, 37 family, 200 species\n"), (
            built.stderr
        )


def test_convert_says_what_is_lost_and_writes_to_standard_output() -> None:
    run("build", "--dataset", "cars", "--out", "h.json")
    done = run("convert", "h.json", "--to", "newick")
    assert done.stdout.endswith(")car;\n")
    assert "newick does not carry level names, class names" in done.stderr
    assert run("convert", "h.json", "--to", "dot").stderr == ""


def test_the_input_of_convert_is_told_by_suffix_and_content() -> None:
    hierarchy = curated.build("cub")
    hierarchy.save("h.json")
    for kind, name in {"lineage-csv": "l.csv", "parent-child-csv": "p.csv", "node-link": "n.json", "hiclass": "y.npy",
                       "newick": "t.nwk"}.items():  # fmt: skip
        run("convert", "h.json", "--to", kind, "--out", name)
        assert load(name).sizes == hierarchy.sizes
        assert load(name).name == ("cub_wiki" if kind == "node-link" else Path(name).stem)
    assert load("h.json") == hierarchy


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ("build", "give one of --dataset, --csv, --from and --names"),
        ("build --dataset cub --csv t.csv", "give one of"),
        ("build --dataset folder", "--dataset folder needs --root DIR"),
        (
            "build --dataset cub --root .",
            "--root goes with a dataset's own files or a dataset's own lists or folders, not with the reviewed tables",
        ),
        ("build --csv t.csv --root .", "--root goes with"),
        ("build --csv t.csv --source wikipedia", "--source wikipedia goes with Wikipedia's pages on a dataset or"),
        ("build --names t.csv --source curated", "goes with the reviewed tables, not with Wikipedia's pages on a list"),
        ("build --names t.csv", "--names needs --levels A,B,..., the ranks to look for"),
        ("build --dataset cub --ragged fill", "--ragged goes with a dataset's own lists or folders or a table or"),
        ("build --dataset aircraft --root . --root-label plane", "not with a dataset's own files"),
        ("build --dataset cub --contact me@example.org", "--contact goes with Wikipedia's pages"),
        ("build --csv t.csv --name a/b", "cannot name a file"),
        ("build --from dot t.csv", "'dot' is not one of"),
        ("build --csv none.csv", "does not exist"),
        ("convert t.csv --to phyloxml", "'phyloxml' is not one of"),
        ("build --dataset cub --qualify", "--qualify goes with lineage-csv or"),
        ("build --csv t.csv --name-inner", "--name-inner goes with newick or nexus, not with lineage-csv"),
        ("build --from newick t.csv --delimiter ;", "--delimiter goes with lineage-csv or"),
    ],
)
def test_wrong_usage_exits_2_with_one_line(args: str, fault: str) -> None:
    Path("t.csv").write_text(TABLE)
    done = run(*args.split())
    assert done.exit_code == 2
    assert fault in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(Path().iterdir()) == [Path("t.csv")]


def test_a_broken_file_exits_1_and_writes_nothing() -> None:
    Path("t.nwk").write_text("((a,b);")
    done = run("convert", "t.nwk", "--to", "html", "--out", "t.html")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: t.nwk: offset 6")
    assert list(Path().iterdir()) == [Path("t.nwk")]


def test_help_shows_its_examples_line_by_line() -> None:
    for command in ("build", "convert", "select", "show"):
        assert "\n  Example:\n    hiertax " in run(command, "--help").stdout
