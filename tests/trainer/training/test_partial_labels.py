"""Images known to a level above the classes only, from the files to the scores: data, not an error."""

import csv
import json
import re
import shutil
from functools import partial

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from runs import differences, log, signals

from taxonomy import Hierarchy, HiertaxError
from trainer import evaluate
from trainer.config import Config
from trainer.data.augment import Recipe, draw_params
from trainer.data.labelled import LabelledDataset
from trainer.models.losses import Objective
from trainer.runtime.progress import Reporter
from trainer.training.epoch import plan_epoch, train_epoch
from trainer.training.learner import Learner

LEVELS = ("order", "family", "species")
LINEAGES = {
    "Gull": ("Charadriiformes", "Laridae", "Gull"), "Tern": ("Charadriiformes", "Laridae", "Tern"),
    "Auk": ("Charadriiformes", "Alcidae", "Auk"), "Jay": ("Passeriformes", "Corvidae", "Jay"),
    "Crow": ("Passeriformes", "Corvidae", "Crow"),
}  # fmt: skip
PER_SPLIT = {"train": (2, 2, 4), "val": (1, 1, 2), "test": (1, 1, 2)}  # images a species known to each level


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Images of five species, of which some are known to their family, and some to their order only."""
    root, generator = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    rows = []
    for i, (name, line) in enumerate(LINEAGES.items()):
        for split, counts in PER_SPLIT.items():
            for depth, count in enumerate(counts, start=1):
                for _ in range(count):
                    path = f"images/{len(rows)}.png"
                    (root / "images").mkdir(exist_ok=True)
                    noise = generator.normal([60 + 40 * i, 200 - 30 * i, 100], 20, (40, 40, 3))
                    Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(root / path)
                    rows.append({"path": path, "species_": name, "split": split, "known": line[:depth]})
    Hierarchy.from_lineages(list(LINEAGES.values()), LEVELS, name="birds", root="bird").save(root / "birds.json")
    write_columns(root / "columns.csv", rows)
    write_table(
        root / "labels.csv", ("path", "label", "split"), [(r["path"], r["known"][-1], r["split"]) for r in rows]
    )
    for row in rows:
        place = root / "folders" / row["split"] / "/".join(row["known"])
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / row["path"], place)
    return root, rows


def write_table(file, header, rows):
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([header, *rows])


def write_columns(file, rows):
    """Write a table with a column for each level, blank where it is not known."""
    cells = [(r["path"], *r["known"], *[""] * (3 - len(r["known"])), r["split"]) for r in rows]
    write_table(file, ("path", *LEVELS, "split"), cells)


SOURCES = ["columns.csv", "labels.csv", "folders"]
SMALL = (
    "--backbone",
    "shufflenet_v2_x0_5",
    "--weights",
    "none",
    "--image-size",
    32,
    "--batch-size",
    8,
    "--device",
    "cpu",
)


def options(root, data, *more, epochs=2, hierarchy="birds.json"):
    known = ("--hierarchy", root / hierarchy) if hierarchy else ()
    return (*known, "--data", root / data, *SMALL, "--epochs", epochs, *more)


def expected(rows, split, names):
    """The label of each image at each level, by file name, read from the rows alone."""
    return {
        row["path"].split("/")[-1]: [
            names[k].index(row["known"][k]) if k < len(row["known"]) else -1 for k in range(len(LEVELS))
        ]
        for row in rows
        if row["split"] == split
    }


# What is learned from


@pytest.mark.parametrize("own", [False, True], ids=["given", "its own"])
@pytest.mark.parametrize("source", SOURCES)
def test_labels_are_those_that_the_source_states(world, source, own, capsys):
    root, rows = world
    if own and source == "labels.csv":
        pytest.skip("a column of labels has no hierarchy of its own")
    hierarchy = None if own else Hierarchy.load(root / "birds.json")
    task = LabelledDataset.prepare(Config(data=str(root / source)), hierarchy, Reporter())
    assert task.hierarchy.sizes == (2, 3, 5)
    names = [level.labels for level in task.hierarchy.levels]
    for part, split in zip((task.dataset.train, task.dataset.val, task.dataset.test), PER_SPLIT, strict=True):
        found = {path.name: task.paths[i].tolist() for path, i in zip(part.paths, part.labels, strict=True)}
        assert found == expected(rows, split, names)
    said = capsys.readouterr().err
    levels = ("family", "order") if source != "folders" or not own else ("level 2", "level 1")
    assert "20 images are known to {} only, 20 to {}".format(*levels) in said
    assert (f"hierarchy built from the {'folders' if source == 'folders' else 'table'}: 2 " in said) is own


def test_the_command_of_a_hierarchy_of_a_tables_own_names_the_table(world):
    root, _ = world
    task = LabelledDataset.prepare(Config(data=str(root / "columns.csv")), None, Reporter(silent=True))
    assert task.hierarchy.source["command"] == f"hiertax build --dataset folder --root {root}/columns.csv --ragged fill"


def test_a_limit_and_a_share_to_validate_on_are_of_each_taxon_too(world):
    root, _ = world
    task = LabelledDataset.prepare(
        Config(data=str(root / "columns.csv")), Hierarchy.load(root / "birds.json"), Reporter(silent=True)
    )
    train, _ = task.dataset.to_learn(2, 0.0)
    assert np.bincount(train.labels).tolist() == [2] * (5 + 3 + 2)  # species, families, orders
    train, held = task.dataset.to_learn(None, 0.25)
    assert np.bincount(held.labels).tolist() == [1] * 5 + [
        2,
        1,
        1,
        1,
        1,
    ]  # of Charadriiformes six are known to it alone
    assert set(train.labels) == set(held.labels) == set(range(10))


@pytest.mark.parametrize("way", ["mask", "marginal"])
@pytest.mark.parametrize("method", ["ours", "vanilla_multi"])
def test_a_run_counts_each_level_over_the_images_that_know_it(hiertrain, world, tmp_path, way, method):
    root, _ = world
    outcome = hiertrain(
        *options(root, "columns.csv", "--partial-labels", way, "--method", method, "--freeze-backbone"),
        *("--out", tmp_path / "run", "--patience", 1),
    )
    assert outcome.code == 0, outcome
    scores = json.loads(hiertrain("evaluate", tmp_path / "run", "--json").out)
    assert (scores["n"], scores["rules"]["independent"]["known"]) == (20, 10)
    assert [level["known"] for level in scores["rules"]["independent"]["levels"]] == [20, 15, 10]
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        row[f"test_{level}"] for row in [best(tmp_path / "run")] for level in LEVELS
    ]
    assert (
        evaluate(tmp_path / "run", device="cpu").to_json()["rules"]["independent"]["levels"]
        == scores["rules"]["independent"]["levels"]
    )
    table = hiertrain("evaluate", tmp_path / "run").out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]
    images = {row[0]: row[-1] for row in rows}
    assert [images[level] for level in LEVELS] == ["20", "15", "10"]
    named = ("average accuracy", "all levels right (FPA)", "contradictions (TICE)", "tree-induced error (TIE)")
    assert [images[name] for name in named] == ["20", "10", "20", "10"]
    assert hiertrain("report", tmp_path / "run", "--out", tmp_path / "page.html").code == 0
    page = (tmp_path / "page.html").read_text()
    assert "of 5 images the family is not known; they do not count at that level" in page
    assert "of 10 images the species is not known; they do not count at that level" in page


def best(run):
    """The row of the log of the epoch that answers."""
    means = [sum(row[f"val_{level}"] for level in LEVELS) for row in log(run)]
    return log(run)[means.index(max(means))]


def test_where_all_labels_are_known_both_ways_learn_the_same_to_the_bit(hiertrain, patches, tmp_path):
    for way in ("mask", "marginal"):
        outcome = hiertrain(*patches.options("--partial-labels", way, "--out", tmp_path / way, epochs=1))
        assert outcome.code == 0, outcome
    found = differences(tmp_path / "mask", tmp_path / "marginal")
    assert found == ["checkpoint.safetensors: config"]


# A level that nobody knows


@pytest.fixture(scope="module")
def unscored(world):
    """The table without any species, and any family, among the images to validate on and to score."""
    root, rows = world
    write_columns(
        root / "unscored.csv",
        [row | ({} if row["split"] == "train" else {"known": row["known"][:1]}) for row in rows],
    )
    return root


def test_a_level_that_no_image_knows_has_no_score_and_decides_nothing(hiertrain, unscored, tmp_path):
    run = tmp_path / "run"
    outcome = hiertrain(*options(unscored, "unscored.csv", "--freeze-backbone", "--patience", 2, "--out", run))
    assert outcome.code == 0, outcome
    assert "species -" in outcome.err
    assert [row["val_species"] for row in log(run)] == [row["test_family"] for row in log(run)] == [None, None]
    means = [row["val_order"] for row in log(run)]
    assert json.loads(hiertrain("evaluate", run, "--json").out)["epoch"] == 1 + means.index(max(means))
    assert hiertrain("--resume", run, "--epochs", 3).code == 0
    scores = json.loads(hiertrain("evaluate", run, "--json").out)
    heads = scores["rules"]["independent"]
    assert (heads["levels"][2]["accuracy"], heads["full_path_accuracy"], heads["known"]) == (None, None, 0)
    assert re.search(r"│ species +│ +5 │ +- │ +- │ +- │ +0 │", hiertrain("evaluate", run).out)
    assert hiertrain("report", run, "--out", tmp_path / "page.html").code == 0


# Nothing is lost


@pytest.mark.parametrize("way", ["mask", "marginal"])
def test_a_run_goes_on_to_the_bit(hiertrain, world, tmp_path, way):
    root, _ = world
    more = ("--partial-labels", way, "--mixup", 0.3, "--accumulate", 2, "--ema", 0.9, "--val-fraction", 0.2)
    assert hiertrain(*options(root, "columns.csv", *more, "--out", tmp_path / "whole")).code == 0
    with signals(Learner, "finish_step", 3):
        hiertrain(*options(root, "columns.csv", *more, "--out", tmp_path / "half"))
    assert len(log(tmp_path / "whole")) == 2
    assert hiertrain("--resume", tmp_path / "half").code == 0
    assert not differences(tmp_path / "whole", tmp_path / "half")


def test_bad_images_of_a_taxon_are_counted_and_leave_no_class_out(hiertrain, world, tmp_path):
    root, rows = world
    shutil.copytree(root, tmp_path / "own")
    bad = [row["path"] for row in rows if row["split"] == "train" and row["known"] == LINEAGES["Auk"][:2]]
    for path in bad:
        (tmp_path / "own" / path).write_bytes(b"no picture")
    run = tmp_path / "run"
    outcome = hiertrain(
        *options(tmp_path / "own", "columns.csv", "--skip-bad-images", "--freeze-backbone", "--out", run, epochs=1)
    )
    assert outcome.code == 0, outcome
    assert Hierarchy.load(run / "hierarchy.json").sizes == (2, 3, 5)
    assert "38 training, 20 validation, 20 test images" in outcome.err


@pytest.fixture
def lacking(world, tmp_path):
    """The images without any of auks to train on whose species is known; two are known to their family."""
    root, rows = world
    shutil.copytree(root, tmp_path / "own")
    kept = [r for r in rows if not (r["species_"] == "Auk" and r["split"] == "train" and len(r["known"]) == 3)]
    write_columns(tmp_path / "own" / "columns.csv", kept)
    cells = [(r["path"], r["known"][-1], r["split"]) for r in kept]
    write_table(tmp_path / "own" / "labels.csv", ("path", "label", "split"), cells)
    return tmp_path / "own"


@pytest.mark.parametrize("source", ["columns.csv", "labels.csv"])
def test_images_of_a_taxon_without_a_class_to_learn_are_known_as_before_when_a_run_goes_on(
    hiertrain, lacking, tmp_path, source
):
    """Their family is no more in the run's hierarchy."""
    for name in ("whole", "half"):
        with signals(Learner, "finish_step", 99 if name == "whole" else 3):
            outcome = hiertrain(*options(lacking, source, "--freeze-backbone", "--out", tmp_path / name))
        assert "4 images of taxa without a class that can be learned are known by the levels above" in outcome.err
    assert Hierarchy.load(tmp_path / "half" / "hierarchy.json").sizes == (2, 2, 4)
    outcome = hiertrain("--resume", tmp_path / "half")
    assert outcome.code == 0, outcome
    assert not differences(tmp_path / "whole", tmp_path / "half")
    scores = json.loads(hiertrain("evaluate", tmp_path / "whole", "--json").out)
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        log(tmp_path / "whole")[-1][f"test_{level}"] for level in LEVELS
    ]
    assert [level["known"] for level in scores["rules"]["independent"]["levels"]] == [18, 12, 8]


def test_where_no_image_of_a_class_can_be_decoded_those_of_its_taxon_are_known_by_the_levels_above(
    hiertrain, world, tmp_path
):
    root, rows = world
    shutil.copytree(root, tmp_path / "own")
    for row in rows:
        if row["split"] == "train" and row["known"] == LINEAGES["Auk"]:
            (tmp_path / "own" / row["path"]).write_bytes(b"no picture")
    run = tmp_path / "run"
    more = ("--skip-bad-images", "--freeze-backbone", "--out", run)
    outcome = hiertrain(*options(tmp_path / "own", "columns.csv", *more, epochs=1))
    assert outcome.code == 0, outcome
    assert Hierarchy.load(run / "hierarchy.json").sizes == (2, 2, 4)
    scores = json.loads(hiertrain("evaluate", run, "--json").out)
    assert [level["known"] for level in scores["rules"]["independent"]["levels"]] == [18, 12, 8]
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        log(run)[-1][f"test_{level}"] for level in LEVELS
    ]


# Errors


def test_a_name_that_is_neither_class_nor_taxon_is_one_line(hiertrain, world, tmp_path):
    root, rows = world
    shutil.copytree(root, tmp_path / "own")
    cells = [(r["path"], "Larids" if i == 3 else r["known"][-1], r["split"]) for i, r in enumerate(rows)]
    write_table(tmp_path / "own" / "labels.csv", ("path", "label", "split"), cells)
    line = hiertrain(*options(tmp_path / "own", "labels.csv", "--out", tmp_path / "run")).error()
    assert "classes are not in hierarchy 'birds': 'Larids' (nearest: 'Laridae')" in line
    assert not (tmp_path / "run").exists()


def test_images_known_to_taxa_alone_are_nothing_to_learn_classes_from(world, tmp_path):
    root, rows = world
    shutil.copytree(root, tmp_path / "own")
    write_columns(tmp_path / "own" / "columns.csv", [row | {"known": row["known"][:2]} for row in rows])
    with pytest.raises(HiertaxError, match=r"no class has training images; a classifier needs two classes or more"):
        LabelledDataset.prepare(
            Config(data=str(tmp_path / "own" / "columns.csv")), Hierarchy.load(root / "birds.json"), Reporter()
        )


# Steps


@pytest.mark.parametrize("marginal", [False, True], ids=["mask", "marginal"])
def test_parts_of_a_batch_that_know_different_numbers_of_labels_learn_what_the_batch_learns(marginal):
    """Without batch normalisation, which sees a part at a time, weights are the same to within rounding."""

    class Plain(tiny.SingleNetwork):
        def __init__(self):
            torch.nn.Module.__init__(self)
            torch.manual_seed(0)
            self.heads = torch.nn.ModuleList(torch.nn.Linear(512, size) for size in tiny.SIZES)

        def trunks(self):
            return ()

        def forward(self, features):
            return [head(features) for head in self.heads]

    ancestors = (torch.tensor([[0, 1]]), torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3]])) if marginal else None
    samples, states = tiny.features(16), []
    samples.targets[3:, 1] = -1
    for parts in (1, 2, 4):
        learner = Learner(
            Plain(),
            Config("h.json", batch_size=8, accumulate=parts),
            tiny.CPU,
            levels=2,
            objective=Objective(ancestors),
        )
        train_epoch(learner, samples, plan_epoch(16, 1, batch_size=8, parts=parts), tiny.CPU)
        states.append((tiny.state(learner.network), learner.finish_epoch()[0]))
    for state, loss in states[1:]:
        assert loss == pytest.approx(states[0][1], rel=1e-5)
        for name, tensor in state.items():
            torch.testing.assert_close(tensor, states[0][0][name], atol=1e-5, rtol=1e-5)


def test_a_compiled_epoch_of_mixed_batches_is_one_graph_and_learns_as_the_eager_one():
    """Of the first batch no image knows the finest level, of the second all, of the third some."""
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    samples = tiny.images(24)
    plan = plan_epoch(24, 0, batch_size=8, draw=partial(draw_params, Recipe(mixup=0.2), 24, 32))
    samples.targets[plan.indices[0, 0], 1] = -1
    samples.targets[plan.indices[2, 0, ::3], 1] = -1
    ancestors = (torch.tensor([[0, 1]]), torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3]]))
    eager, compiled = (
        Learner(tiny.network(), tiny.CONFIG, tiny.CPU, 2, objective=Objective(ancestors)) for _ in range(2)
    )
    steps = [torch.compile(step, backend="aot_eager") for step in compiled.steps]
    counters.clear()
    train_epoch(eager, samples, plan, tiny.CPU)
    train_epoch(compiled, samples, plan, tiny.CPU, steps=steps)
    assert counters["stats"]["unique_graphs"] == 1
    assert compiled.sums.isfinite().all()
    for name, tensor in eager.tensors().items():
        torch.testing.assert_close(compiled.tensors()[name], tensor, msg=name, atol=1e-5, rtol=1e-4)
    torch.compiler.reset()
