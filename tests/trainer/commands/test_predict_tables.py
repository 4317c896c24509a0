"""``hiertrain predict --out``: a folder in, a table out, whatever comes between."""

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from processes import Hiertrain, Together

import trainer
from taxonomy import HiertaxError
from trainer.inference import batches
from trainer.inference.tables.job import TableJob
from trainer.inference.tables.journal import Journal
from trainer.inference.tables.rows import Row
from trainer.inference.tables.write import about_of

REPO = Path(__file__).parents[3]


def rows(table):
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def kept(table):
    """How many answers are kept of a table that is not written yet."""
    return sum(file.read_bytes().count(b"\n") for file in Path(f"{table}.part").glob("*.jsonl"))


def draw(root, count, bad=()):
    """Write small images into a few folders, some of them broken; return their paths in order."""
    rng = np.random.default_rng(0)
    paths = [root / f"site {i // 500}" / f"{i:05d}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        if i in bad:
            path.write_text("no picture")
        else:
            Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A folder of 1,000 images, 25 of them broken, and what a table of it must hold."""
    root, bad = tmp_path_factory.mktemp("many"), set(range(7, 1000, 40))
    return root, [(str(path), i in bad) for i, path in enumerate(draw(root, 1000, bad))]


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """A folder of 400 images, 10 of them broken, and what a table of it must hold."""
    root, bad = tmp_path_factory.mktemp("some"), set(range(7, 400, 40))
    return root, [(str(path), i in bad) for i, path in enumerate(draw(root, 400, bad))]


def assert_whole(table, images):
    """Each image once and in order, the broken with their reason, and nothing left beside the table."""
    found = rows(table)
    assert [(row["image"], row["reason"] != "") for row in found] == images
    for row in found:
        assert (row["tone"] == "") == (row["reason"] != "")
        assert row["reason"] in ("", "cannot be decoded (no image of a known format); replace the file")
    assert not Path(f"{table}.part").exists()


# What the table says


def test_a_table_says_what_is_printed(hiertrain, run, patches, tmp_path):
    outcome = hiertrain("predict", run, patches.data / "test", "--out", tmp_path / "deep" / "answers.csv")
    assert (outcome.code, outcome.out) == (0, f"{tmp_path}/deep/answers.csv: 11 of 11 images answered\n")
    printed = json.loads(hiertrain("predict", run, patches.data / "test", "--json").out)
    for row, answer in zip(rows(tmp_path / "deep" / "answers.csv"), printed, strict=True):
        assert row["image"] == answer["image"]
        assert [row[link["level"]] for link in answer["chain"]] == [link["label"] for link in answer["chain"]]
        assert float(row["colour_probability"]) == pytest.approx(answer["chain"][1]["probability"], abs=1e-6)
        assert (row["depth"], row["reason"]) == ("2", "")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_python_writes_the_same_table(run, patches, tmp_path):
    model = trainer.load(run, device="cpu")
    written = model.predict_table([patches.data / "test"], tmp_path / "a.json", format="camera-trap")
    assert (written.images, written.unreadable, written.out) == (11, 0, tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["images"][0]["file"] == "blue/0.png"
    assert found["info"]["classifier"].endswith(f", {run.name}")


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "xlsx"])
def test_other_suffixes_give_other_formats(hiertrain, run, patches, tmp_path, kind):
    out = tmp_path / f"answers.{kind}"
    assert hiertrain("predict", run, patches.data / "test" / "red", "--out", out).code == 0
    assert out.stat().st_size > 100


def test_images_named_twice_have_one_row_and_it_is_said(hiertrain, run, patches, tmp_path):
    folder = patches.data / "test" / "red"
    outcome = hiertrain("predict", run, folder / "1.png", folder, "--out", tmp_path / "a.csv")
    assert [Path(row["image"]).name for row in rows(tmp_path / "a.csv")] == ["1.png", "0.png", "2.png"]
    assert "1 image named twice, answered once" in outcome.err


def test_images_in_shards_have_rows(hiertrain, run, patches, tmp_path):
    subprocess.run(["tar", "cf", tmp_path / "a.tar", "-C", patches.data / "test", "red", "blue"], check=True)  # noqa: S607
    hiertrain("predict", run, tmp_path / "a.tar", "--out", tmp_path / "a.csv")
    assert {row["image"] for row in rows(tmp_path / "a.csv")} >= {f"{tmp_path}/a.tar/red/0.png"}
    assert len(rows(tmp_path / "a.csv")) == 6


# Images of every kind


def test_what_cannot_be_read_has_a_row_with_the_reason_and_the_exit_says_so(hiertrain, run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a text.jpg").write_text("no picture")
    (folder / "empty.png").touch()
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")
    Image.new("I", (4, 4), 70_000).save(folder / "of 32 bits.tif")
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    outcome = hiertrain("predict", run, folder, "--out", tmp_path / "a.csv")
    assert outcome.code == 1
    assert outcome.out == (
        f"{tmp_path}/a.csv: 1 of 5 images answered, 4 could not be read (see the reason in their rows)\n"
    )
    reasons = {Path(row["image"]).name: row["reason"] for row in rows(tmp_path / "a.csv")}
    assert reasons.pop("tiny.png") == ""
    assert "no image of a known format" in reasons["a text.jpg"]
    assert "exceeds limit" in reasons["huge.png"]
    assert "no agreed white" in reasons["of 32 bits.tif"]
    assert all(reason.startswith("cannot be decoded (") for reason in reasons.values())


def test_pictures_of_every_kind_are_answered(hiertrain, run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    picture = Image.effect_noise((60, 40), 90)
    for mode, suffix in [("CMYK", "tif"), ("I;16", "png"), ("P", "gif"), ("RGBA", "png"), ("LA", "png"), ("1", "png")]:
        image = Image.new(mode, (60, 40)) if mode == "I;16" else picture.convert(mode)
        image.save(folder / f"{mode.strip(';')}.{suffix}")
    picture.save(folder / "moving.gif", save_all=True, append_images=[Image.new("L", (60, 40), i) for i in range(3)])
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "turned.jpg", exif=exif)
    upright = picture.transpose(Image.Transpose.ROTATE_270)
    upright.save(folder / "upright.png")
    assert hiertrain("predict", run, folder, "--out", tmp_path / "a.csv").code == 0
    found = {Path(row["image"]).name: float(row["colour_probability"]) for row in rows(tmp_path / "a.csv")}
    assert len(found) == 9
    assert found["turned.jpg"] == pytest.approx(found["upright.png"], abs=0.02)


def test_heic_is_read_by_its_plugin(hiertrain, run, tmp_path):
    plugin = pytest.importorskip("pillow_heif")
    (tmp_path / "in").mkdir()
    plugin.from_pillow(Image.effect_noise((64, 64), 90).convert("RGB")).save(tmp_path / "in" / "IMG_1.HEIC")
    assert hiertrain("predict", run, tmp_path / "in", "--out", tmp_path / "a.csv").code == 0
    assert rows(tmp_path / "a.csv")[0]["depth"] == "2"


def test_heic_without_the_plugin_says_what_to_install(hiertrain, run, tmp_path, monkeypatch):
    from trainer.data import images

    images.learn_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "IMG_1.heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert hiertrain("predict", run, tmp_path / "in", "--out", tmp_path / "a.csv").code == 1
    assert "pip install pillow-heif" in rows(tmp_path / "a.csv")[0]["reason"]


# What is refused, in a line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "a.pdf"), "no table ends in .pdf; choose .csv, .jsonl"),
        (("--out", "a.json"), "for .json give --format camera-trap"),
        (("--out", "a.csv", "--format", "camera-trap"), "a file of camera-trap ends in .json; rename --out"),
        (("--out", "a.csv", "--format", "darwin-core"), "none of the levels (tone, colour) is a rank of biology"),
        (("--out", "there.csv"), "there.csv: is there already; replace it by --overwrite, or choose another --out"),
        (("--out", "folder.csv"), "folder.csv: is a folder; name a file in it by --out"),
        (("--out", "there.csv/a.csv"), "cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_written_is_refused(hiertrain, run, patches, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("mine")
    Path("folder.csv").mkdir()
    assert said in hiertrain("predict", run, patches.data / "test" / "red", *options).error()
    assert Path("there.csv").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"there.csv", "folder.csv"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "csv"), "--format is for a table; give --out too"),
        (("--overwrite",), "--overwrite is for a table; give --out too"),
        (("--out", "a.csv", "--json"), "--json prints; leave it out with --out"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(hiertrain, run, patches, options, said):
    assert said in hiertrain("predict", run, patches.data / "test" / "red", *options).error(2)


def test_an_empty_folder_is_refused_and_leaves_nothing(hiertrain, run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert (
        "empty: no images in this folder"
        in hiertrain("predict", run, tmp_path / "empty", "--out", tmp_path / "a.csv").error()
    )
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_folder_without_a_run_is_refused(hiertrain, patches, tmp_path):
    line = hiertrain("predict", tmp_path, patches.data / "test", "--out", tmp_path / "a.csv").error()
    assert "no run with anything saved here" in line
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_is_refused(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    Path(path).touch()
    with pytest.raises(HiertaxError, match="the name is not UTF-8 text; rename it"):
        TableJob.of([path], tmp_path / "a.csv")


# Gone on with


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again_each_image_has_one_row(hiertrain, run, many, tmp_path):
    root, images = many
    out = tmp_path / "answers.csv"
    arguments = ("predict", run, root, "--out", out, "--device", "cpu")
    process = Hiertrain(tmp_path / "process", *arguments)
    process.wait_for(lambda: kept(out) >= 200)
    process.send(signal.SIGKILL)
    assert process.end() == -signal.SIGKILL
    before = kept(out)
    assert 200 <= before < 1000
    assert not out.exists()
    outcome = hiertrain(*arguments)
    assert outcome.code == 1
    assert f"975 of 1,000 images answered, {before:,} of them before, 25 could not be read" in outcome.out
    assert_whole(out, images)


def begin(journal, given, count, **other):
    """Keep a few answers as an earlier program would have."""
    about = {"format": "hiertrain-answers", "version": 1}
    with journal.opened(about | other), journal.appending(0) as append:
        append(Row(f"{given}/{i}.png", [0, 0], [1.0, 1.0]) for i in range(count))


def test_answers_of_something_else_are_refused_unless_overwritten(hiertrain, run, patches, tmp_path):
    out = tmp_path / "a.csv"
    begin(Journal(out), patches.data / "test" / "red", 2, checkpoint="another")
    arguments = ("predict", run, patches.data / "test" / "red", "--out", out)
    line = hiertrain(*arguments).error()
    assert f"{out}.part: holds answers of another run; start anew by --overwrite, or choose another --out" in line
    assert kept(out) == 2
    assert "3 of 3 images answered\n" in hiertrain(*arguments, "--overwrite").out


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("checkpoint", "another run"),
        ("answering", "other settings"),
        ("images", "other images"),
        ("version", "another"),
    ],
)
def test_answers_that_are_kept_say_what_differs(tmp_path, key, said):
    journal = Journal(tmp_path / "a.csv")
    about = {"version": 1, "checkpoint": "a", "answering": {"confidence": 0.9}, "images": ["in"]}
    with journal.opened(about):
        pass
    with journal.opened(about):
        pass
    with pytest.raises(HiertaxError, match=f"holds answers of {said}"), journal.opened({**about, key: "b"}):
        pass


def test_answers_to_other_wishes_are_refused(run, patches, tmp_path):
    model, out = trainer.load(run, device="cpu"), tmp_path / "a.csv"
    images = [patches.data / "test" / "red"]
    with Journal(out).opened(about_of(TableJob.of(images, out), model)):
        pass
    with pytest.raises(HiertaxError, match="holds answers of other settings"):
        model.predict_table(images, out, confidence=0.9)
    assert model.predict_table(images, out).images == 3


def test_cautious_answers_are_less_deep_in_a_table(hiertrain, run, patches, tmp_path):
    hiertrain("predict", run, patches.data / "test", "--confidence", 1, "--out", tmp_path / "a.csv")
    hiertrain("predict", run, patches.data / "test", "--out", tmp_path / "b.csv")
    for cautious, full in zip(rows(tmp_path / "a.csv"), rows(tmp_path / "b.csv"), strict=True):
        depth = int(cautious["depth"])
        assert depth <= int(full["depth"]) == 2
        assert [cautious[level] for level in ("tone", "colour")] == [
            full[level] if k < depth else "" for k, level in enumerate(("tone", "colour"))
        ]
    assert any(row["depth"] != "2" for row in rows(tmp_path / "a.csv"))


def test_a_table_that_is_there_is_replaced_where_asked(hiertrain, run, patches, tmp_path):
    out = tmp_path / "a.csv"
    out.write_text("the old one")
    hiertrain("predict", run, patches.data / "test" / "red", "--out", out, "--overwrite")
    assert len(rows(out)) == 3


def test_two_programs_do_not_write_one_table(hiertrain, run, patches, tmp_path):
    (tmp_path / "a.csv.part").mkdir()
    with FileLock(tmp_path / "a.csv.part" / ".lock"):
        line = hiertrain("predict", run, patches.data / "test" / "red", "--out", tmp_path / "a.csv").error()
    assert "another program is writing it" in line


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(hiertrain, run, some, tmp_path):
    root, images = some
    out = tmp_path / "a.csv"
    process = Hiertrain(tmp_path / "process", "predict", run, root, "--out", out)
    process.wait_for(lambda: kept(out) >= 50)
    process.send(signal.SIGINT)
    assert process.end() == 130
    assert process.err.splitlines()[-1] == (
        f"error: {out}: interrupted; what is done is kept in {out}.part: start the same again to go on"
    )
    assert not out.exists()
    hiertrain("predict", run, root, "--out", out)
    assert_whole(out, images)


def limit_files(size):
    """Be on a disk that has no room for files larger than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize(("suffix", "size"), [("csv", 6_000), ("jsonl", 60_000), ("xlsx", 60_000)])
def test_a_full_disk_is_a_line_and_no_half_table(hiertrain, run, some, tmp_path, suffix, size):
    """Full while images are answered for, and while the table is written, which is larger than what is kept."""
    root, _ = some
    out = tmp_path / f"a.{suffix}"
    arguments = ("predict", run, root, "--out", out, "--device", "cpu")
    process = Hiertrain(tmp_path / "process", *arguments, prepare=partial(limit_files, size))
    assert process.end() == 1
    line = process.err.splitlines()[-1]
    assert line.startswith(f"error: {out}: cannot be written: File too large; free some space")
    assert line.endswith(f"then start the same again: what is done is kept in {out}.part")
    assert "Traceback" not in process.err
    assert not out.exists()
    assert (kept(out) < 400) == (suffix == "csv")
    assert "390 of 400 images answered" in hiertrain(*arguments).out


def test_images_that_come_and_go_between_are_answered_and_left_out(hiertrain, run, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "a.csv"
    paths = draw(folder, 40)
    process = Hiertrain(tmp_path / "process", "predict", run, folder, "--out", out, prepare=partial(limit_files, 1500))
    assert process.end() == 1
    paths[0].unlink()
    shutil.copy(paths[1], paths[1].with_name("00000a.jpg"))
    outcome = hiertrain("predict", run, folder, "--out", out)
    assert "1 answer of images that are no longer there left out" in outcome.err
    assert [Path(row["image"]).name for row in rows(out)][:2] == ["00000a.jpg", "00001.jpg"]
    assert len(rows(out)) == 40


def test_a_line_that_was_cut_off_is_answered_again(tmp_path):
    journal = Journal(tmp_path / "a.csv")
    with journal.opened({}), journal.appending(0) as append:
        append([Row("a", [0], [1.0]), Row("b", [0], [1.0])])
    file = journal.files()[0]
    file.write_bytes(file.read_bytes()[:-3])
    assert journal.index(["a", "b", "c"]).file.tolist() == [0, -1, -1]
    with journal.opened({}), journal.appending(journal.number()) as append:
        append([Row("c", [0], [1.0]), Row("b", [1], [0.5])])
    assert [row.image for row in journal.rows(journal.index(["a", "b", "c"]))] == ["a", "b", "c"]


# Memory and processes


def test_images_are_decoded_no_further_ahead_than_two_batches(some):
    root, _ = some
    taken = 0

    def names():
        nonlocal taken
        for path in sorted(root.rglob("*.jpg")):
            taken += 1
            yield path

    first = next(batches.decoded_batches(names(), 32, 8, on_bad=lambda *_: None))
    assert len(first.names) == 8
    assert taken <= 8 + max(2 * 8, 4 * (os.cpu_count() or 1)) + 3


def test_decoded_in_turn_batches_are_the_same_and_none_is_begun_before_it_is_asked_for(some):
    root, _ = some
    paths = sorted(root.rglob("*.jpg"))[:50]
    taken, bad = [], []

    def one_by_one():
        for path in paths:
            taken.append(path)
            yield path

    ahead = [batch.names for batch in batches.decoded_batches(paths, 8, 8, on_bad=lambda *_: None)]
    in_turn = batches.decoded_batches(one_by_one(), 8, 8, on_bad=lambda name, _: bad.append(name), ahead=False)
    assert next(in_turn).names == ahead[0]
    assert len(taken) == 8 + len(bad)
    assert [batch.names for batch in in_turn] == ahead[1:]
    assert len(bad) == 50 - sum(map(len, ahead)) > 0


@pytest.mark.slow
def test_two_processes_write_one_table(run, some, tmp_path):
    root, images = some
    out = tmp_path / "answers.csv"
    process = Together(tmp_path / "process", "predict", run, root, "--device", "cpu", "--out", out)
    assert process.end() == [0, 0], process.err  # torchrun would take another code for a crash
    assert sum("390 of 400 images answered, 10 could not be read" in line for line in process.out) == 1
    assert sum("answered" in line for line in process.out) == 1
    assert_whole(out, images)
