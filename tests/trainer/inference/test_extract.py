"""Deep features of training images: which images, which pooling, what is recorded, what is refused."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from taxonomy import Hierarchy
from taxonomy.cli import main as hiertax_main
from taxonomy.clustering.features import read_features
from trainer.commands import main
from trainer.data.augment import normalise
from trainer.data.images import load_images
from trainer.inference import features
from trainer.models.backbones import build_backbone
from trainer.runs.checkpoint import Checkpoint

NETWORK = "shufflenet_v2_x0_5"
SMALL = ("--image-size", "32", "--device", "cpu")
CUB50 = Path(__file__).parents[3].parent / "shared" / "data" / "cub50"
COLOURS = {"b red": (200, 40, 40), "a blue": (40, 60, 200), "c teal": (30, 160, 150)}  # in no particular order


def call(command, arguments) -> int:
    with pytest.raises(SystemExit) as end:
        command(list(map(str, arguments)))
    return int(end.value.code or 0)


def hiertrain(*arguments) -> int:
    return call(main, arguments)


def hiertax(*arguments) -> int:
    return call(hiertax_main, arguments)


def draw(root: Path, classes=COLOURS, per_class=4) -> None:
    generator = np.random.default_rng(0)
    for name in classes:
        for split, count in (("train", per_class), ("test", 2)):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(generator.normal(COLOURS[name], 40, (40, 36, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.png")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Images of three classes, their hierarchy, and a weight file."""
    root = tmp_path_factory.mktemp("world")
    torch.set_num_threads(1)  # equal seeds give equal bits
    draw(root / "data")
    lineages = [("warm", "Red"), ("cold", "Teal"), ("cold", "Blue")]
    Hierarchy.from_lineages(
        lineages,
        ("tone", "colour"),
        classes=("b red", "c teal", "a blue"),
        name="patches",
        root="patch",
        dataset="tiny",
    ).save(root / "h.json")
    torch.manual_seed(3)
    save_file(build_backbone(NETWORK).state_dict(), root / "w.safetensors")
    return root


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def options(world):
    where = ("--hierarchy", world / "h.json", "--data", world / "data")
    return ("extract", *where, "--backbone", NETWORK, "--weights", world / "w.safetensors", *SMALL)


def train(world, out, *more):
    where = ("--hierarchy", world / "h.json", "--data", world / "data", "--out", out)
    learn = ("--backbone", NETWORK, "--weights", "none", "--batch-size", 4, "--epochs", 1, *SMALL)
    assert hiertrain(*where, *learn, *more) == 0
    return out


def test_features_are_averages_of_the_last_map_of_the_training_images(world, options, capsys):
    assert hiertrain(*options, "--out", "f.npz") == 0
    captured = capsys.readouterr()
    assert captured.out == (
        "f.npz: 12 x 1024 features of 3 classes\nnext: hiertax cluster --method hc --features f.npz\n"
    )
    assert "features of 12 training images in" in captured.err
    made = read_features(Path("f.npz"))
    assert made.classes == ("a blue", "b red", "c teal")
    torch.manual_seed(3)  # the weights in the file
    paths = sorted((world / "data" / "train" / "b red").iterdir())
    backbone, images = build_backbone(NETWORK).eval(), load_images(paths, 32)[0]
    with torch.inference_mode():
        maps = backbone(normalise(images))
    mine = made.features[made.labels == 1]
    expected = maps.mean((2, 3)).numpy()
    for row in expected:  # rows of a class are sorted by their bytes
        assert np.abs(mine - row).max(axis=1).min() < 1e-5
    assert made.features.dtype == np.float32


def test_what_was_done_is_recorded(world, options):
    assert hiertrain(*options, "--limit-per-class", 2, "--out", "f.npz") == 0
    made = read_features(Path("f.npz"))
    assert len(made.labels) == 6
    about = dict(made.provenance)
    command = about.pop("command")
    assert command.startswith("hiertrain extract --hierarchy ")
    assert "--out" not in command
    assert about == {
        "dataset": "tiny", "root": "patch", "hierarchy": "patches", "split": "train", "limit_per_class": 2,
        "backbone": NETWORK, "weights": "w.safetensors", "image_size": 32, "pooling": "global average",
        "weights_sha256": hashlib.sha256((world / "w.safetensors").read_bytes()).hexdigest(),
    }  # fmt: skip


def test_the_same_again_gives_the_same_bytes(options):
    for name in ("one.npz", "two.npz"):
        assert hiertrain(*options, "--out", name) == 0
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()


def test_an_untrained_network_is_warned_of_and_the_same_every_time(options, capsys):
    untrained = [*options[: options.index("--weights")], "--weights", "none", *SMALL]
    for name in ("one.npz", "two.npz"):
        assert hiertrain(*untrained, "--out", name) == 0
    assert "learnt nothing" in capsys.readouterr().err
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()


@pytest.mark.parametrize("method", ["ours", "vanilla_multi"])
def test_a_run_gives_features_rows_of_its_finest_head_and_confusions_of_unseen_images(world, method, capsys):
    run = train(world, Path(f"run-{method}"), "--method", method, "--limit-per-class", 3)
    assert hiertrain("extract", "--run", run, "--device", "cpu", "--out", "f.npz") == 0
    assert "no confusions" not in capsys.readouterr().err
    made = read_features(Path("f.npz"))
    assert made.features.shape == (12, 1024)
    checkpoint = Checkpoint.load(run)
    head = {"ours": "classifier.heads.heads.1.weight", "vanilla_multi": "classifiers.1.heads.heads.0.weight"}[method]
    leaf = checkpoint.hierarchy.class_index
    rows = checkpoint.tensors[f"weights/{head}"].numpy()
    assert np.array_equal(made.weights, rows[[leaf[name] for name in made.classes]])
    assert made.confusion.sum(axis=1).tolist() == [1, 1, 1]
    about = made.provenance
    assert (about["run"], about["method"], about["epoch"], about["seed"]) == (run.name, method, 1, 0)
    assert about["checkpoint_sha256"] == hashlib.sha256((run / "checkpoint.safetensors").read_bytes()).hexdigest()
    for representation in ("weights", "confusion"):
        how = ("--levels", "2", "--sizes", "2", "--linkage", "average", "--representation", representation)
        assert hiertax("cluster", "--method", "hc", "--features", "f.npz", "--out", "t.json", *how) == 0


def test_confusions_count_what_the_finest_head_says(world):
    run = train(world, Path("run"), "--limit-per-class", 2)
    assert hiertrain("extract", "--run", run, "--device", "cpu", "--out", "f.npz") == 0
    made = read_features(Path("f.npz"))
    checkpoint = Checkpoint.load(run)
    network = checkpoint.network().eval()
    for i, name in enumerate(made.classes):
        paths = sorted((world / "data" / "train" / name).iterdir())[2:]
        images, _ = load_images(paths, 32)
        with torch.inference_mode():
            leaves = network(normalise(images))[-1].argmax(1)
        taken_for = [made.classes.index(checkpoint.hierarchy.classes[leaf]) for leaf in leaves]
        assert np.bincount(taken_for, minlength=3).tolist() == made.confusion[i].tolist()


def test_a_run_that_has_seen_all_images_has_no_confusions_and_says_so(world, capsys):
    run = train(world, Path("run"))
    assert hiertrain("extract", "--run", run, "--device", "cpu") == 0
    assert "no confusions" in capsys.readouterr().err
    made = read_features(Path("features.npz"))
    assert made.confusion is None
    assert made.weights.shape[0] == 3


def test_a_run_serves_classes_it_was_not_trained_on_by_its_features_alone(world, tmp_path, capsys):
    run = train(world, Path("run"))
    draw(tmp_path / "two", ("a blue", "b red"))
    where = ("--hierarchy", world / "h.json", "--data", tmp_path / "two", "--device", "cpu")
    assert hiertrain("extract", "--run", run, *where) == 0
    assert "features only" in capsys.readouterr().err
    made = read_features(Path("features.npz"))
    assert made.classes == ("a blue", "b red")
    assert made.weights is None


def test_bad_images_are_left_out_where_asked(options, tmp_path, capsys):
    draw(tmp_path / "own")
    (tmp_path / "own" / "train" / "a blue" / "0.png").write_bytes(b"no picture")
    own = [*map(str, options), "--data", str(tmp_path / "own")]
    assert hiertrain(*own) == 1
    assert "0.png: cannot be decoded" in capsys.readouterr().err
    assert not Path("features.npz").exists()
    assert hiertrain(*own, "--skip-bad-images") == 0
    made = read_features(Path("features.npz"))
    assert len(made.labels) == 11
    assert made.provenance["left_out"] == 1


def test_a_class_whose_images_are_all_bad_is_named(options, tmp_path, capsys):
    draw(tmp_path / "own", per_class=1)
    (tmp_path / "own" / "train" / "a blue" / "0.png").write_bytes(b"no picture")
    assert hiertrain(*options, "--data", tmp_path / "own", "--skip-bad-images") == 1
    assert "'a blue' has no sample" in capsys.readouterr().err.splitlines()[-1]
    assert not Path("features.npz").exists()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (["--weights", "nowhere.safetensors"], 1, "no such file"),
        (["--backbone", "resnet18"], 1, "not weights of resnet18"),
        (["--backbone", "resnet19"], 1, "torchvision has no such"),
        (["--data", "nowhere"], 1, "no images of tiny here"),
        (["--device", "abacus"], 1, "not on this machine"),
        (["--image-size", "8"], 2, "--image-size"),
        (["--out", "/dev/null/f.npz"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(options, changes, code, message, capsys):
    assert hiertrain(*options, *changes) == code
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a hierarchy file by --hierarchy, or a run by --run"),
        (["--run", ".", "--backbone", "resnet18"], "--backbone is the run's own"),
        (["--run", ".", "--image-size", "64"], "--image-size is the run's own"),
    ],
)
def test_wrong_usage_is_told(arguments, message, capsys):
    assert hiertrain("extract", *arguments) == 2
    assert message in capsys.readouterr().err


def test_an_interrupt_is_one_line_and_leaves_nothing(options, monkeypatch, capsys, tmp_path_factory):
    monkeypatch.setenv("HIERTAX_CACHE", str(tmp_path_factory.mktemp("cache")))  # where no features are kept yet

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(features, "embed", interrupt)
    assert hiertrain(*options) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "error: interrupted"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("command", [("extract",), ("reproduce", "hierarchy-ablation")], ids=lambda words: words[-1])
def test_images_too_small_for_the_network_are_refused(world, command, capsys):
    where = ("--hierarchy", world / "h.json", "--data", world / "data")
    assert hiertrain(*command, *where, "--backbone", "alexnet", "--weights", "none", *SMALL) == 1
    assert "--image-size 32: does not suit alexnet" in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_without_a_run_is_told(tmp_path, capsys):
    assert hiertrain("extract", "--run", tmp_path) == 1
    assert "no run with anything saved here" in capsys.readouterr().err


def test_extract_to_cluster_to_training_needs_no_further_word(world, options):
    assert hiertrain(*options) == 0
    assert hiertax("cluster", "--method", "dft", "--levels", "2", "--sizes", "2", "--out", "dft.json") == 0
    assert json.loads(Path("dft.json").read_text())["dataset"] == "tiny"
    where = ("--hierarchy", "dft.json", "--data", world / "data", "--out", "run", "--epochs", 1)
    assert hiertrain(*where, "--backbone", NETWORK, "--weights", "none", "--freeze-backbone", *SMALL) == 0


def test_a_part_of_a_dataset_is_declared_as_such_all_the_way(world, tmp_path):
    draw(tmp_path / "two", ("a blue", "b red"))
    where = ("--hierarchy", world / "h.json", "--data", tmp_path / "two", "--backbone", NETWORK, "--weights", "none")
    assert hiertrain("extract", *where, *SMALL) == 0
    part = {"classes": 2, "of": 3}
    assert read_features(Path("features.npz")).provenance["restricted"] == part
    assert hiertax("cluster", "--method", "hc", "--levels", "2", "--sizes", "1", "--out", "hc.json") == 0
    assert Hierarchy.load("hc.json").source["restricted"] == part


@pytest.mark.skipif(not CUB50.is_dir(), reason="needs photographs of 50 species in CUB's layout")
def test_trees_found_in_a_part_of_cub_pass_validation(capsys):
    manual = Path(__file__).parents[3] / "hierarchies" / "cub_wiki.json"
    where = ("--hierarchy", manual, "--data", CUB50, "--limit-per-class", 2)
    assert hiertrain("extract", *where, "--backbone", NETWORK, "--weights", "none", *SMALL) == 0
    for method in ("hc", "dft", "random"):
        assert hiertax("cluster", "--method", method, "--levels", "3", "--out", f"{method}.json") == 0
        assert hiertax("validate", f"{method}.json") == 0, capsys.readouterr()
