"""``hiertrain report`` and `Model.report`: what the page says, of what runs, and what is refused."""

import base64
import csv
import json
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import contents
from shards import write_webdataset
from trees import WORKED

import trainer
from taxonomy import HiertaxError
from taxonomy.metrics import Predictions
from taxonomy.sources import curated
from trainer.evaluation.scores import score_logits
from trainer.explanation.explain import MapSettings
from trainer.inference.answers import percent
from trainer.reporting import draw
from trainer.reporting.cases import Case, choose_cases, room_for
from trainer.reporting.gather import RunFacts, Scored
from trainer.reporting.page import render
from trainer.reporting.pictures import MOST, SIDE, looked_at, outline, photograph
from trainer.reporting.protocol import Protocol
from trainer.reporting.report import Report
from trainer.reporting.tables import cards, confused, score_table
from trainer.reporting.tree import tree_steps

FROZEN = ("--freeze-backbone",)
ROOT = Path(__file__).parents[3]
LINK = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"


class Page(HTMLParser):
    """What a browser would fetch, run and show."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words, self.inside = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = tag
        self.words += [" "] * (tag in ("td", "th", "li"))
        self.links += [value for key, value in attrs if key.split(":")[-1] in ("src", "href", "data", "action")]

    def handle_data(self, data):
        if self.inside not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def file(hiertrain, run, patches, tmp_path_factory):
    """A page on a run and an image."""
    out = tmp_path_factory.mktemp("pages") / "page.html"
    image = patches.data / "test" / "blue" / "0.png"
    outcome = hiertrain("report", run, "--image", image, "--device", "cpu", "--out", out)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{out}: written\n", "")
    return out


@pytest.fixture(scope="module")
def text(file):
    """What the page says."""
    return Page(file.read_text(encoding="utf-8")).text


@pytest.fixture
def report(hiertrain, tmp_path):
    """Make a page, and return it read."""

    def make(*args):
        out = tmp_path / "page.html"
        outcome = hiertrain("report", *args, "--device", "cpu", "--out", out)
        assert (outcome.code, outcome.out) == (0, f"{out}: written\n"), outcome
        return Page(out.read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="module")
def train(hiertrain, patches, tmp_path_factory):
    """Train a run of neck and heads for an epoch, with other options."""

    def make(*options):
        run = tmp_path_factory.mktemp("runs") / "run"
        outcome = hiertrain(*patches.options(*FROZEN, *options, "--out", run, epochs=1))
        assert outcome.code == 0, outcome
        return run

    return make


@pytest.fixture(scope="module")
def calibrated(train):
    return train("--val-fraction", 0.3)


# What it says


def test_it_is_one_file_that_fetches_nothing_and_runs_its_own_script_alone(file):
    text = file.read_text()
    page = Page(text)
    pictures = [link for link in page.links if not link.startswith("#")]
    assert len(pictures) == page.tags.count("img")
    kinds = {link.partition(",")[0] for link in pictures}
    assert kinds == {"data:image/jpeg;base64", "data:image/svg+xml;base64"}
    for picture in pictures:
        content = base64.b64decode(picture.partition(",")[2])
        if picture.startswith("data:image/jpeg"):
            Image.open(BytesIO(content)).verify()
    assert not {"link", "iframe", "object", "form"} & set(page.tags)
    assert page.tags.count("script") == 1
    assert "default-src 'none'" in text
    assert re.search("script-src 'sha256-[A-Za-z0-9+/]{43}='", text)
    assert [path.name for path in file.parent.iterdir()] == ["page.html"]


def test_its_numbers_are_those_of_evaluate(text, hiertrain, run):
    scores = json.loads(hiertrain("evaluate", run, "--json").out)["rules"]
    for rule in scores.values():
        for level in rule["levels"]:
            estimate = next(
                row
                for row in rule["estimates"]
                if (row["name"], row["level"], row["average"]) == ("accuracy", level["level"], "micro")
            )
            low, high = (f"{100 * estimate[end]:.1f}" for end in ("low", "high"))
            assert f"{100 * level['accuracy']:.2f} [{low}, {high}]" in text


def test_it_tells_the_protocol(text):
    for words in (
        "method ours", "backbone shufflenet_v2_x0_5", "weights none", "image_size 32", "epochs 2", "seed 0",
        "24 to train on, 11 to score (test)", "patches, of patch: tone 2, colour 4", "epochs trained 2", "torch 2.",
    ):  # fmt: skip
        assert words in text


def test_the_tree_has_the_accuracy_of_each_taxon(text, hiertrain, run, tmp_path):
    hiertrain("evaluate", run, "--csv", tmp_path / "scores")
    rows = list(csv.DictReader((tmp_path / "scores" / "taxa.csv").read_text().splitlines()))
    for row in (row for row in rows if row["rule"] == "path"):
        told = f"{100 * float(row['recall']):.0f} % {row['right']} of {row['images']}"
        assert re.search(rf"{row['taxon']} .{{0,20}}{re.escape(told)}", text)


def test_an_image_that_is_asked_for_has_its_chain_its_truth_and_its_maps(text, hiertrain, run, patches):
    image = patches.data / "test" / "blue" / "0.png"
    asked = text[text.index("Images asked for 0.png") :]
    assert f"It is patch {LINK} cold {LINK} Blue" in asked  # its folder is named like a class
    (answer,) = json.loads(hiertrain("predict", run, image, "--json").out)
    for step in answer["chain"]:
        assert f"{step['label']} {percent(step['probability'])}" in asked
    assert re.search(r"tone: (\d+ %|nothing speaks for it)", asked)


def test_a_calibrated_run_says_by_what_and_shows_both(report, calibrated):
    text = report(calibrated).text
    assert "on 8 images held out of training; temperatures" in text
    assert "without calibration" in text
    assert re.search(r"calibration error [\d.]+ %, [\d.]+ % without", text)
    assert "not calibrated" not in text


def test_runs_stand_side_by_side_with_what_tells_them_apart(report, hiertrain, run, train):
    other = train("--method", "vanilla_single", "--seed", 1)
    text = report(run, other).text
    assert "method differs ours vanilla_single" in text
    assert "freeze_backbone differs false true" in text
    found = json.loads(hiertrain("compare", run, other, "--json").out)["differences"]
    row = next(row for row in found if (row["name"], row["level"], row["average"]) == ("accuracy", "tone", "micro"))
    assert f"{100 * row['first']:.2f} {100 * row['second']:.2f} " in text[text.index("Differences from tiny") :]


def test_runs_of_one_name_both_stand_in_it(report, run, train):
    names = [train("--seed", seed) for seed in (1, 2)]
    text = report(*names, run).text
    for name in (*names, run):
        assert str(name) in text


def test_the_same_runs_give_the_same_page(report, file, run, patches, tmp_path):
    report(run, "--image", patches.data / "test" / "blue" / "0.png")
    assert (tmp_path / "page.html").read_bytes() == file.read_bytes()


def test_names_are_text_and_never_markup(report, hiertrain, patches, hierarchy_file, own_patches, tmp_path):
    evil = "<script>alert('$1 & $2')</script>"
    lineages = [(f"{evil} 1", evil), (f"{evil} 1", "Orange"), ("cold", "Blue"), ("cold", "$\\frac$ 鳥")]
    file = hierarchy_file(tmp_path / "h.json", lineages, levels=(f"<b>{evil}", "a$b$_{c}"), root=f"root {evil}")
    run = tmp_path / "<script>run$x$"
    assert hiertrain(*patches.options("--hierarchy", file, *FROZEN, "--out", run, epochs=1)).code == 0
    image = own_patches / "test" / "red" / "<script>.png"
    shutil.copy(own_patches / "test" / "red" / "0.png", image)
    page = report(run, "--image", image)
    assert page.tags.count("script") == 1
    assert "b" not in {tag for tag in page.tags if tag == f"b>{evil}"}
    for name in (f"root {evil}", f"<b>{evil}", "$\\frac$ 鳥", "<script>run$x$", "<script>.png"):
        assert name in page.text


def test_its_sections_are_those_of_the_documentation(report, run, train, patches, tmp_path):
    other = train("--seed", 3)
    report(run, other, "--image", patches.data / "test" / "red")
    navigation = (tmp_path / "page.html").read_text().partition("<nav")[2].partition("</nav>")[0]
    documented = re.findall(r"^\| ([A-Z][a-z ]+) \|", (ROOT / "docs" / "reporting.md").read_text(), re.MULTILINE)
    assert re.findall(r'<a href="#[^"]+">([^<]+)</a>', navigation) == documented


# What is left out


def test_a_run_without_its_images_is_shown_without_scores_and_says_why(
    report, hiertrain, own_patches, patches, tmp_path
):
    run = tmp_path / "run"
    options = patches.options("--data", own_patches, *FROZEN, "--out", run, epochs=1)
    assert hiertrain(*options).code == 0
    shutil.move(own_patches, tmp_path / "elsewhere")
    text = report(run).text
    assert "could not be scored" in text
    assert f"{own_patches}: no images" in text
    assert "method ours" in text
    assert "Learning curves" in text
    assert "Most confused" not in text
    assert "could not be scored" not in report(run, "--data", tmp_path / "elsewhere").text


def test_one_of_two_runs_may_lack_its_images(report, hiertrain, own_patches, run, patches, tmp_path):
    other = tmp_path / "other"
    assert hiertrain(*patches.options("--data", own_patches, *FROZEN, "--out", other, epochs=1)).code == 0
    shutil.rmtree(own_patches)
    text = report(run, other).text
    assert "other could not be scored" in text
    assert "Cases" in text
    assert "Differences from" not in text


def test_images_that_cannot_be_decoded_are_counted(report, hiertrain, own_patches, patches, tmp_path):
    run = tmp_path / "run"
    assert hiertrain(*patches.options("--data", own_patches, *FROZEN, "--out", run, epochs=1)).code == 0
    (own_patches / "test" / "red" / "0.png").write_bytes(b"no picture")
    assert "red/0.png: cannot be decoded" in report(run).text
    assert "1 of 11 test images cannot be decoded" in report(run, "--skip-bad-images").text


def test_images_known_to_a_level_only_do_not_count_below_it(report, hiertrain, own_patches, patches, tmp_path):
    rows = [
        {"path": str(path.relative_to(own_patches)), "label": path.parent.name, "split": path.parts[-3]}
        for path in sorted(own_patches.rglob("*.png"))
    ]
    known = [{**row, "label": "warm"} if row["split"] == "test" and row["label"] == "red" else row for row in rows]
    with (own_patches / "images.csv").open("w") as file:
        writer = csv.DictWriter(file, ["path", "label", "split"])
        writer.writeheader()
        writer.writerows(known)
    run = tmp_path / "run"
    assert hiertrain(*patches.options("--data", own_patches / "images.csv", *FROZEN, "--out", run, epochs=1)).code == 0
    text = report(run).text
    assert "of 3 images the colour is not known; they do not count at that level" in text
    assert "no test image of 1 taxa of the level colour: 'Red'" in text


def test_images_in_shards_are_called_by_their_addresses(report, hiertrain, patches, tmp_path):
    data, run = write_webdataset(tmp_path / "data"), tmp_path / "run"
    assert hiertrain(*patches.options("--data", data, *FROZEN, "--out", run, epochs=1)).code == 0
    assert re.search(r"patches-test-\d{6}\.tar/\d{6}\.png It is patch", report(run).text)


def test_of_many_images_the_first_are_shown_and_the_rest_counted(report, run, patches, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(MOST + 3):
        shutil.copy(patches.data / "test" / "red" / "0.png", folder / f"{i:03}.png")
    page = report(run, "--image", folder)
    assert f"3 of {MOST + 3} images that were asked for" in page.text
    assert "maps of the images that were asked for" in page.text
    assert f"{MOST - 1:03}.png" in page.text
    assert f"{MOST:03}.png" not in page.text


# What is refused


def test_runs_on_different_hierarchies_are_refused(hiertrain, run, train, part_of_patches, tmp_path):
    other = train("--data", part_of_patches)
    line = hiertrain("report", run, other, "--out", tmp_path / "page.html").error()
    assert "different hierarchies" in line
    assert str(run) in line
    assert str(other) in line
    assert not (tmp_path / "page.html").exists()


def test_a_page_with_a_bad_image_is_not_written(hiertrain, run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "page.html").write_text("the old page")
    line = hiertrain("report", run, "--image", tmp_path / "bad.png", "--out", tmp_path / "page.html").error()
    assert "bad.png: cannot be decoded" in line
    assert (tmp_path / "page.html").read_text() == "the old page"


def test_data_that_are_named_must_be_there(hiertrain, run, tmp_path):
    line = hiertrain("report", run, "--data", tmp_path / "nowhere", "--out", tmp_path / "page.html").error()
    assert "nowhere: no images" in line
    assert not (tmp_path / "page.html").exists()


def test_where_there_is_no_space_the_old_page_stays(hiertrain, run, tmp_path, full_disk):
    (tmp_path / "page.html").write_text("the old page")
    with full_disk():
        line = hiertrain("report", run, "--out", tmp_path / "page.html").error()
    assert f"{tmp_path / 'page.html'}: cannot be written: File too large; free some space" in line
    assert contents(tmp_path) == {"page.html": b"the old page"}


# From Python


def test_a_model_reports_on_itself(run, patches, tmp_path):
    out = trainer.load(run, device="cpu").report(tmp_path / "page.html", images=[patches.data / "test" / "red"])
    page = Page(out.read_text())
    assert "Images asked for" in page.text
    with pytest.raises(HiertaxError, match="no such file or folder"):
        trainer.load(run, device="cpu").report(tmp_path / "other.html", images=["nowhere.png"])
    assert not (tmp_path / "other.html").exists()


# Cases and pictures


def test_worst_go_wrong_at_the_coarsest_level_and_are_the_surest_best_are_right_and_the_surest():
    paths = WORKED.paths
    truth = paths[[0, 1, 2, 3, 4, 0]]
    labels = truth.copy()
    far = next(leaf for leaf in range(5) if paths[leaf, 0] != paths[0, 0])
    near = next(leaf for leaf in range(1, 5) if paths[leaf, 1] == paths[0, 1])
    labels[0], labels[5] = paths[near], paths[far]
    sure = np.linspace(0.9, 0.4, 6)[:, None] * np.ones(3)
    worst, best = choose_cases(WORKED, truth, Predictions(labels, sure), room=12)
    assert worst.tolist() == [5]  # of one class the worse
    assert best.tolist() == [1, 2, 3, 4]


def test_no_case_is_chosen_of_images_whose_labels_are_unknown():
    truth = np.full((3, 3), -1)
    worst, best = choose_cases(WORKED, truth, Predictions(WORKED.paths[:3], np.ones((3, 3))), room=12)
    assert len(worst) == len(best) == 0


def test_a_picture_is_small_and_its_outline_lies_within_what_was_looked_at():
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    mask = np.zeros((400, 400), bool)
    mask[:200] = True
    for address in (photograph(noise), looked_at(noise, mask)):
        with Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
            assert picture.size == (SIDE, SIDE)
    rim = outline(mask)
    assert rim[198:200].all()
    assert not rim[:198].any()  # what lies beyond the edge of the image is no edge
    assert not rim[200:].any()


def test_a_page_on_all_of_cub_is_below_ten_megabytes_even_with_pictures_of_noise_wherever_there_is_room():
    hierarchy, draw = curated.build("cub"), np.random.default_rng(0)
    leaves = draw.integers(0, 200, 5794)
    logits = [torch.from_numpy(draw.normal(size=(5794, size)).astype(np.float32)) for size in hierarchy.sizes]
    scores = score_logits(hierarchy, hierarchy.paths[leaves], logits, images=tuple(map(str, range(5794))))
    runs = [(i, f"run {i}", scores) for i in range(3)]
    picture = photograph(draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    cases = [Case("noise", picture, ("Passeriformes",) * 3, ())] * MOST
    facts = [RunFacts(called, None, [{}], Scored(None, (), each, None, None, ())) for _, called, each in runs]
    tables = {called: score_table({called: (each, "path")}) for _, called, each in runs}
    tree = list(tree_steps(hierarchy, [(i, each) for i, _, each in runs]))
    confusions = [(i, confused(each)) for i, _, each in runs]
    page = render(
        Report(
            hierarchy, facts, Protocol((), (), ()), [], cards(runs), tables, None, [], [], [], tree, confusions,
            cases[1:], cases[:1], cases, MapSettings(), [],
        )
    )  # fmt: skip
    assert page.count("<img ") == 2 * MOST
    assert len(page) < 10e6


@pytest.mark.parametrize(("depth", "runs"), [(1, 1), (3, 1), (3, 3), (7, 4), (30, 9)])
def test_pictures_of_cases_and_maps_stay_within_their_room(depth, runs):
    many = room_for(depth, runs)
    assert many == 1 or many * (1 + depth * runs) <= MOST


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_epochs_are_whole_numbers_on_their_axis(count):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot(range(1, count + 1), [0.5] * count, "o-")
    draw._epochs(axes)
    low, high = axes.get_xlim()
    shown = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert shown
    assert all(tick == round(tick) for tick in shown)
