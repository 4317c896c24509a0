"""The features that the package ships, and the hierarchies in the repository that were found in them."""

import json
from pathlib import Path

import pytest
from sklearn.metrics import adjusted_rand_score

from taxonomy.cli import main
from taxonomy.clustering.features import SHIPPED, read_features
from taxonomy.hierarchy import Hierarchy
from taxonomy.sources import curated

HIERARCHIES = Path(__file__).parents[2] / "hierarchies"


def hiertax(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def test_they_are_small_and_tell_where_they_come_from() -> None:
    assert SHIPPED.stat().st_size < 500_000
    features = read_features(SHIPPED)
    manual = curated.build("sketchbirds")
    assert set(features.classes) == set(manual.classes)
    assert features.features.shape == (5 * 36, 512)
    assert features.weights is not None
    assert features.confusion is not None
    about = features.provenance
    assert (about["dataset"], about["root"], about["split"]) == ("sketchbirds", "bird", "train")
    assert about["command"].startswith("hiertrain extract --hierarchy hierarchies/sketchbirds.json --run build/")
    assert about["method"] == "vanilla_single"  # trained on the species alone: the tree is not in the features


@pytest.mark.parametrize("method", ["hc", "dft"])
def test_the_plain_command_builds_the_committed_file_in_any_folder(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert hiertax("cluster", "--method", method, "--levels", "3") == 0
    built, committed = (
        (folder / f"sketchbirds_{method}.json").read_text() for folder in (tmp_path / "hierarchies", HIERARCHIES)
    )
    if method == "dft":  # the last digits of what is measured depend on the machine's BLAS
        width = json.loads(built)["source"]["parameters"]["delta"]
        recorded = json.loads(committed)["source"]["parameters"]["delta"]
        assert width == pytest.approx(recorded, rel=1e-5)
        built = built.replace(repr(width), repr(recorded))
    assert built == committed
    assert json.loads(built)["source"]["command"] == f"hiertax cluster --method {method} --levels 3"


@pytest.mark.parametrize("method", ["hc", "dft"])
def test_the_committed_file_is_sound_and_nearer_to_the_true_tree_than_chance(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = HIERARCHIES / f"sketchbirds_{method}.json"
    assert hiertax("validate", str(path), "--strict") == 0, capsys.readouterr()
    found, manual = Hierarchy.load(path), curated.build("sketchbirds")
    assert found.sizes == (3, 11, 36)
    leaf = [manual.class_index[name] for name in found.classes]
    order, family = (adjusted_rand_score(manual.paths[leaf, k], found.paths[:, k]) for k in (0, 1))
    assert order > 0.1
    assert family > 0.4
