import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from planted import few_classes, planted_tree

from taxonomy.cli import main
from taxonomy.clustering import run
from taxonomy.clustering.build import Settings
from taxonomy.clustering.features import write_features
from taxonomy.hierarchy import Hierarchy


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made, _ = planted_tree(samples=5)
    write_features(Path("planted.npz"), made.features, made.labels, made.classes, made.provenance)
    return Path("planted.npz")


def hiertax(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["cluster", *arguments])
    return int(end.value.code or 0)


@pytest.mark.parametrize("method", ["hc", "dft", "random"])
def test_it_writes_a_sound_file_and_says_what_it_is(
    features: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hiertax("--method", method, "--levels", "3", "--features", str(features)) == 0
    tree = Hierarchy.load(f"hierarchies/planted_{method}.json")
    assert tree.sizes == (4, 13, 48)
    assert [level.name for level in tree.levels] == ["level1", "level2", "class"]
    out = capsys.readouterr().out
    assert out.startswith(f"hierarchies/planted_{method}.json: thing > 4 level1, 13 level2, 48 class\n")
    assert "entropy" in out


@pytest.mark.parametrize(
    "options",
    [
        ["--method", "hc", "--linkage", "average", "--sizes", "4,12", "--name-groups"],
        ["--method", "dft", "--rule", "average", "--nearest", "2", "--operator", "t", "--delta", "0.25"],
        ["--method", "random", "--seed", "5", "--levels", "4"],
    ],
    ids=["hc", "dft", "random"],
)
def test_the_recorded_command_builds_the_same_bytes(features: Path, options: list[str]) -> None:
    assert hiertax(*options, "--features", str(features), "--out", "one.json") == 0
    command = Hierarchy.load("one.json").source["command"].split()
    assert command[:2] == ["hiertax", "cluster"]
    assert hiertax(*command[2:], "--out", "two.json") == 0
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


def test_json_and_report_file_say_the_same(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        hiertax("--method", "hc", "--features", str(features), "--json", "--report", "r.json", "--out", "a.json") == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told.pop("file") == "a.json"
    assert told == json.loads(Path("r.json").read_text())
    assert [level["groups"] for level in told["levels"]] == [4, 13]
    assert told["parameters"]["seed"] == 0


def test_another_hierarchy_gives_sizes_labels_and_scores(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hiertax("--method", "hc", "--features", str(features), "--sizes", "4,12", "--out", "one.json") == 0
    capsys.readouterr()
    assert hiertax("--method", "dft", "--features", str(features), "--like", "one.json", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [level["groups"] for level in told["levels"]] == [4, 12]
    assert [level["reference_level"] for level in told["levels"]] == ["level1", "level2"]
    assert told["levels"][0]["ari"] == 1


def test_without_features_it_takes_those_of_the_folder_or_the_shipped_ones(
    features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = few_classes()
    write_features(Path("shipped.npz"), few.features, few.labels, few.classes, {"dataset": "few"})
    shipped = run.cluster_file(Settings(method="hc"), shipped=Path("shipped.npz"))
    assert shipped.hierarchy.name == "few_hc"
    assert shipped.hierarchy.source["command"] == "hiertax cluster --method hc --levels 3"
    assert "taking the package's own shipped.npz" in capsys.readouterr().err
    features.rename("features.npz")
    assert hiertax("--method", "hc", "--levels", "3") == 0
    assert "taking features.npz" in capsys.readouterr().err
    command = Hierarchy.load("hierarchies/planted_hc.json").source["command"]
    assert command == "hiertax cluster --method hc --levels 3 --features features.npz"


@pytest.mark.parametrize(("method", "name_groups"), [("hc", True), ("dft", False)])
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_tree_is_drawn(features: Path, method: str, name_groups: bool, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    named = ["--name-groups"] if name_groups else []
    assert hiertax("--method", method, "--features", str(features), "--plot", f"tree.{suffix}", *named) == 0
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert Path(f"tree.{suffix}").read_bytes().startswith(start)
    if suffix == "svg":
        assert "class 47" in Path("tree.svg").read_text() or method == "hc"


def test_an_unknown_picture_format_leaves_nothing_behind(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert hiertax("--method", "hc", "--features", str(features), "--plot", "tree.xyz", "--out", "a.json") == 1
    assert "name the file .png, .pdf or .svg" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["planted.npz"]


def test_one_class_and_tied_trees_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from taxonomy.clustering.build import cluster, to_hierarchy
    from taxonomy.clustering.features import make_features
    from taxonomy.clustering.plot import draw_tree

    for count in (1, 5):
        constant = make_features(np.ones((count, 2)), np.arange(count), [f"c{i}" for i in range(count)])
        for way in (Settings(method="hc"), Settings(method="random")):
            found = cluster(constant, way)
            tree = to_hierarchy(constant, way, found, command="x")
            draw_tree(tmp_path / "tree.png", tree, found.linkage)
            assert (tmp_path / "tree.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--method", "dft", "--linkage", "ward"], 2, "--linkage is for --method hc"),
        (["--method", "hc", "--nearest", "2"], 2, "--nearest is for --method dft"),
        (["--method", "dft", "--rule", "louvain", "--sizes", "2,3"], 2, "leave out --sizes"),
        (["--method", "hc", "--sizes", "few"], 2, "neither like, geometric, gap, silhouette nor numbers"),
        (["--method", "hc", "--levels", "1"], 2, "--levels"),
        (["--method", "hc", "--sizes", "4,99"], 1, "99 groups of 48 classes"),
        (["--method", "hc", "--sizes", "like"], 1, "--like"),
        (["--method", "hc", "--representation", "weights"], 1, "holds no weights"),
    ],
)
def test_what_cannot_be_is_one_line(
    features: Path, options: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hiertax(*options, "--features", str(features)) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("hierarchies").exists()


def test_a_level_of_one_group_is_warned_of(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hiertax("--method", "hc", "--features", str(features), "--sizes", "1,4") == 0
    assert "warning: level1 is one group" in capsys.readouterr().err


def test_faulty_features_are_named(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features.write_bytes(features.read_bytes()[:1000])
    assert hiertax("--method", "hc", "--features", str(features)) == 1
    assert capsys.readouterr().err.startswith("error: planted.npz: not a feature file")


def test_help_needs_neither_scipy_nor_numpy() -> None:
    code = "import sys; from taxonomy.cli import main\ntry: main(['cluster', '--help'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "hiertax cluster --method hc --levels 3" in done.stdout
    assert not {"numpy", "scipy", "sklearn", "matplotlib", "torch"} & set(done.stdout.split())


def test_the_part_of_a_dataset_that_features_declare_is_declared_by_the_tree(features: Path) -> None:
    made, _ = planted_tree(samples=5)
    declared = {"classes": len(made.classes), "of": 200}
    for restricted in (declared, None, "some"):
        provenance = {**made.provenance, "restricted": restricted}
        write_features(features, made.features, made.labels, made.classes, provenance)
        assert hiertax("--method", "hc", "--features", str(features), "--out", "tree.json") == 0
        source = Hierarchy.load("tree.json").source
        assert source.get("restricted") == (declared if restricted == declared else None)
