"""Images in shards decoded, kept and read anew as those in files of their own are."""

import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from shards import SIZES, WRITERS, samples, truncate

from taxonomy import HiertaxError
from taxonomy.datasets import find_dataset
from trainer.data import digests
from trainer.data.images import decode
from trainer.data.inputs import FileInputs
from trainer.data.placement import open_inputs
from trainer.data.store import fingerprint
from trainer.inference.batches import decoded_batches
from trainer.runtime.progress import Reporter

SIZE = 24
WHOLE = SIZES["train"]


@pytest.fixture(params=WRITERS)
def root(request, tmp_path):
    return WRITERS[request.param](tmp_path / request.param)


@pytest.fixture
def files(tmp_path):
    """The training images in files of their own."""
    (tmp_path / "loose").mkdir()
    for number, _, content in samples("train"):
        (tmp_path / "loose" / f"{number:06d}.png").write_bytes(content)
    return sorted((tmp_path / "loose").iterdir())


def training(root):
    dataset = find_dataset(root)
    return dataset.files(dataset.rows("train"))


def opened(paths, cache, **options):
    options = {"skip_bad": False, "workers": 2, **options}
    return open_inputs(
        paths, SIZE, cache=cache, device=torch.device("cpu"), what="training", reporter=Reporter(), **options
    )  # fmt: skip


def pixels(inputs):
    return torch.cat(list(inputs.batches(torch.arange(len(inputs)).split(7), torch.device("cpu"))))


@pytest.mark.parametrize("cache", ["disk", "ram", "off"])
def test_pixels_are_those_of_files(root, files, cache):
    expected = np.stack([decode(file, SIZE) for file in files])
    inputs, kept = opened(training(root), cache)
    assert kept == list(range(WHOLE))
    assert np.array_equal(pixels(inputs).numpy(), expected)


def test_workers_of_their_own_read_in_any_order(root, files):
    order = torch.randperm(WHOLE)
    inputs = FileInputs(training(root), SIZE, 2)
    read = torch.cat(list(inputs.batches(order.split(5), torch.device("cpu"))))
    assert np.array_equal(read.numpy(), np.stack([decode(files[i], SIZE) for i in order.tolist()]))


def test_a_shard_counts_by_what_it_holds_not_by_where_it_lies(root, tmp_path):
    before = fingerprint(training(root), SIZE)
    shutil.copytree(root, tmp_path / "copy")
    paths = training(tmp_path / "copy")
    assert fingerprint(paths, SIZE) == before
    assert fingerprint(paths[1:], SIZE) != before
    shard = paths[0].parent
    shutil.copy(paths[-1].parent, shard)
    assert fingerprint(paths, SIZE) != before


def test_each_shard_is_read_once_for_its_digest(root, monkeypatch):
    asked = []
    original = digests._read
    monkeypatch.setattr(digests, "_read", lambda path, key: asked.append(path) or original(path, key))
    counted = []
    found = digests.content_digests(training(root), root.parent / "digests", counted.append)
    assert len(set(found)) == WHOLE
    assert len(asked) == len(set(asked)) == 6
    assert sum(counted) == WHOLE


@pytest.mark.parametrize("cache", ["disk", "off"])
def test_an_image_that_cannot_be_decoded_is_named_by_its_address(tmp_path, cache):
    root = WRITERS["webdataset"](tmp_path / "set")
    paths = training(root)
    shard = paths[9].parent
    content = next(data for number, _, data in samples("train") if number == 9)
    shard.write_bytes(shard.read_bytes().replace(content, b"x" * len(content)))
    with pytest.raises(HiertaxError, match=f"^{re.escape(str(paths[9]))}: cannot be decoded"):
        pixels(opened(paths, cache)[0])
    inputs, kept = opened(paths, cache, skip_bad=True)
    assert len(inputs) == WHOLE - 1
    assert 9 not in kept


def test_a_shard_that_breaks_after_it_was_listed_is_told_by_its_images(root):
    paths = training(root)
    shard = paths[0].parent
    truncate(shard, shard.stat().st_size // 2)
    with pytest.raises(HiertaxError, match="cannot be decoded") as caught:
        pixels(FileInputs(paths, SIZE, 0))
    assert str(caught.value).startswith(str(shard))
    shard.unlink()
    with pytest.raises(HiertaxError, match="cannot be decoded"):
        pixels(FileInputs(paths, SIZE, 0))


def test_decompression_bombs_are_refused_as_in_files(root, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(HiertaxError, match="cannot be decoded"):
        decode(training(root)[0], SIZE)


def test_batches_to_answer_for_are_named_by_address(root):
    paths = training(root)
    shard = paths[0].parent
    (batch,) = decoded_batches(shard, SIZE, 100)
    assert batch.names == tuple(map(str, paths[:8]))
    assert np.array_equal(batch.pixels[0].numpy(), decode(paths[0], SIZE))
