"""Images cropped to the box of their object: which pixels, and what becomes of boxes that are missing or wrong."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import log

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.data.boxes import boxed
from trainer.data.datasets import Split
from trainer.data.images import UndecodableImageError, decode
from trainer.data.inputs import FileInputs
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.data.store import decode_once, fingerprint
from trainer.runtime.device import Compute
from trainer.runtime.progress import Reporter

SIZE = 32


@pytest.fixture
def photo(tmp_path):
    """An image of noise, 60 wide and 40 high."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def part(photo, left, top, right, bottom):
    """What lies in a box, cut out by Pillow."""
    with Image.open(photo) as image:
        cut = image.crop((left, top, right, bottom)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(cut).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("box", "edges"),
    [((10, 5, 20, 30), (10, 5, 30, 35)), ((10.2, 5.9, 19.1, 29), (10, 5, 30, 35)), ((-9, 5, 29, 99), (0, 5, 20, 40))],
    ids=["whole pixels", "parts of pixels", "beyond"],
)
def test_what_lies_in_the_box_and_in_the_image_is_resized(photo, box, edges):
    assert np.array_equal(decode(boxed(photo, box), SIZE), part(photo, *edges))
    assert np.array_equal(decode(boxed(photo, (0, 0, 60, 40)), SIZE), decode(photo, SIZE))


@pytest.mark.parametrize("box", [(60, 5, 9, 9), (5, -9, 9, 9), (5, 5, 0, 9), (5, 5, -3, 9)])
def test_a_box_without_a_pixel_is_one_line_or_skipped_and_counted(photo, box, capsys):
    paths = (photo, boxed(photo, box))
    with pytest.raises(UndecodableImageError, match=r"photo.png: its box .* has not a pixel in .* 60 x 40; mend the b"):
        decode(paths[1], SIZE)
    config = Config("h.json", image_size=SIZE, skip_bad_images=True, device="cpu")
    _, kept = open_split(
        Split(paths, np.zeros(2, dtype=np.int64)), "test", config, Compute(torch.device("cpu")), Reporter()
    )
    assert kept == [0]
    assert "1 of 2 images cannot be decoded and are left out" in capsys.readouterr().err


def test_decoded_images_are_kept_apart_by_their_boxes(photo):
    one, other = boxed(photo, (0, 0, 30, 30)), boxed(photo, (5, 5, 30, 30))
    names = [fingerprint([path], SIZE) for path in (photo, one, other, boxed(photo, (0, 0, 30, 30)))]
    assert len(set(names)) == 3
    assert names[1] == names[3]
    for path in (photo, one, other):
        found = decode_once([path], SIZE, skip_bad=False, what="test", reporter=Reporter(silent=True))
        assert np.array_equal(found.images[0], decode(path, SIZE))


@pytest.mark.parametrize("workers", [0, 1])
def test_other_processes_know_the_box(photo, workers):
    path = boxed(photo, (5, 5, 30, 30))
    assert (again := pickle.loads(pickle.dumps(path))) == path  # noqa: S301 - its own
    assert again.box == path.box
    (batch,) = FileInputs([path], SIZE, workers).batches([torch.tensor([0])], torch.device("cpu"))
    assert np.array_equal(batch[0], decode(path, SIZE))


@pytest.fixture
def table(own_patches):
    """A table of the patches with a box for every second image."""
    rows = ["path,label,split,box_x,box_y,box_width,box_height"]
    for i, image in enumerate(sorted(own_patches.glob("*/*/*.png"))):
        split, name = image.parts[-3:-1]
        rows.append(f"{image.relative_to(own_patches)},{name},{split}," + ("4,8,20,16" if i % 2 else ",,,"))
    (own_patches / "images.csv").write_text("\n".join(rows))
    return own_patches / "images.csv"


def test_a_run_crops_its_images_wherever_it_sees_them(hiertrain, patches, table, tmp_path):
    run = tmp_path / "run"
    outcome = hiertrain(*patches.options("--data", table, "--crop-to-box", "--out", run, epochs=1))
    assert outcome.code == 0, outcome
    assert f"{table.parent}: 18 of 35 images have no box and are taken whole" in outcome.err
    scores = json.loads(hiertrain("evaluate", run, "--json").out)
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        log(run)[-1][f"test_{level}"] for level in ("tone", "colour")
    ]
    config = Config(data=str(table), image_size=SIZE, crop_to_box=True, device="cpu")
    task = LabelledDataset.prepare(config, None, Reporter(silent=True), run=None)
    numbers = {line.split(",")[0]: i for i, line in enumerate(table.read_text().splitlines()[1:])}
    for split in (task.dataset.train, task.dataset.test):
        images, _ = open_split(split, "any", config, Compute(torch.device("cpu")), Reporter(silent=True))
        (pixels,) = images.batches([torch.arange(len(split))], torch.device("cpu"))
        for path, found in zip(split.paths, pixels.numpy(), strict=True):
            i = numbers[path.relative_to(table.parent).as_posix()]
            assert np.array_equal(found, part(path, 4, 8, 24, 24) if i % 2 else decode(Path(path), SIZE))


def test_a_dataset_without_boxes_is_one_line(hiertrain, patches, tmp_path):
    line = hiertrain(*patches.options("--crop-to-box", "--out", tmp_path / "run")).error()
    assert line.endswith(f"{patches.data}: of no image a box is known; leave out --crop-to-box")
    with pytest.raises(HiertaxError, match="leave out `crop_to_box`"):
        LabelledDataset.prepare(Config(data=str(patches.data), crop_to_box=True), None, Reporter())
    assert not (tmp_path / "run").exists()
