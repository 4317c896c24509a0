"""Images decoded once: the same pixels wherever they lie, found again by content, never found half-done."""

import json
import multiprocessing
import os
import shutil
import signal
import threading
import time

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from taxonomy import HiertaxError
from taxonomy.files import cache_root
from trainer.data.entries import UnusableCacheError
from trainer.data.images import UndecodableImageError, load_images
from trainer.data.inputs import ArrayInputs, FileInputs
from trainer.data.placement import open_inputs
from trainer.data.store import decode_once, fingerprint
from trainer.runtime.progress import Reporter

# From Python 3.12 on, a process with threads is warned of its forks.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

CPU = torch.device("cpu")
HUGE = 10**6  # pixels a side: room for no image anywhere
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The folder of the cache, which is not there yet."""
    monkeypatch.setenv("HIERTAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path):
    """Five images, each of its own colours."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(5):
        Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    return sorted((tmp_path / "photos").iterdir())


@pytest.fixture
def spoilt(photos):
    """The photos, the second of them no image."""
    photos[1].write_text("404 not found")
    return photos


def opened(paths, cache="disk", size=8, skip_bad=False, device=CPU):
    """Open the inputs, and return the positions kept too."""
    options = {"cache": cache, "skip_bad": skip_bad, "workers": 0, "device": device}
    return open_inputs(paths, size, what="training", reporter=Reporter(), **options)


def pixels(inputs, device=CPU):
    return torch.cat(list(inputs.batches([torch.arange(len(inputs))], device)))


def entries(root):
    """Return what is in the cache, except locks and what is remembered of files."""
    return sorted(path for path in root.iterdir() if path.suffix != ".lock" and path.name != "digests")


# Decoded once


@pytest.mark.parametrize("cache", ["auto", "ram", "disk", "off"])
def test_the_same_images_come_from_every_place(photos, cache):
    inputs, kept = opened(photos, cache)
    assert isinstance(inputs, FileInputs if cache == "off" else ArrayInputs)
    assert torch.equal(pixels(inputs), load_images(photos, 8)[0])
    assert kept == [0, 1, 2, 3, 4]


def test_an_entry_is_announced_and_is_a_plain_numpy_array(photos, root, capsys):
    opened(photos)
    (entry,) = entries(root)
    assert capsys.readouterr().err == f"training: 5 images of 8 px, 0.00 GB, decoded once into {entry}\n"
    assert sorted(path.name for path in entry.iterdir()) == ["about.json", "images.npy"]
    assert np.array_equal(np.load(entry / "images.npy"), load_images(photos, 8)[0])
    about = json.loads((entry / "about.json").read_text())
    assert (about["source"], about["count"], about["size"]) == (str(photos[0].parent), 5, 8)


@pytest.mark.parametrize("cache", ["auto", "ram", "disk"])
def test_the_second_time_nothing_is_decoded(photos, root, cache, capsys):
    first, _ = opened(photos)
    (entry,) = entries(root)
    written = (entry / "images.npy").stat().st_mtime_ns
    capsys.readouterr()
    second, _ = opened(photos, cache)
    assert capsys.readouterr().err == ""
    assert (entry / "images.npy").stat().st_mtime_ns == written
    assert torch.equal(pixels(second), pixels(first))


def test_only_what_lies_on_disk_stays_mapped(photos, root):
    in_memory, _ = opened(photos, "ram")
    shutil.rmtree(root)
    assert torch.equal(pixels(in_memory), load_images(photos, 8)[0])


def test_a_dataset_that_moves_finds_its_images_again(photos, tmp_path):
    moved = sorted(shutil.copytree(tmp_path / "photos", tmp_path / "moved").iterdir())
    assert fingerprint(moved, 8) == fingerprint(photos, 8)


def test_another_image_order_or_size_is_another_entry(photos, root):
    before = fingerprint(photos, 8)
    assert fingerprint(photos, 9) != before
    assert fingerprint(photos[::-1], 8) != before
    assert fingerprint(photos[:4], 8) != before
    opened(photos)
    Image.new("RGB", (9, 11), "red").save(photos[2])
    inputs, _ = opened(photos)
    assert pixels(inputs)[2, :, 0, 0].tolist() == [255, 0, 0]
    assert len(entries(root)) == 2


def test_a_file_named_twice_comes_twice(photos):
    inputs, kept = opened([photos[0], photos[1], photos[0]])
    assert torch.equal(pixels(inputs), load_images(photos, 8)[0][[0, 1, 0]])
    assert kept == [0, 1, 2]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HIERTAX_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"HIERTAX_CACHE": "", "XDG_CACHE_HOME": "/x"}, "/x/hiertax/images"),
        ({"HIERTAX_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/hiertax/images"),
    ],
)
def test_the_cache_is_where_the_environment_says(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_root().as_posix() == expected


# Bad images


@pytest.mark.parametrize("cache", ["auto", "ram", "disk", "off"])
def test_bad_images_are_left_out_where_asked_each_time(spoilt, cache):
    for _ in range(2):
        inputs, kept = opened(spoilt, cache, skip_bad=True)
        assert kept == [0, 2, 3, 4]
        assert torch.equal(pixels(inputs), load_images(spoilt, 8, skip_bad=True)[0])


@pytest.mark.parametrize("left_out_before", [False, True])
def test_a_bad_image_stops_the_work_and_nothing_new_is_left(spoilt, root, left_out_before):
    if left_out_before:
        opened(spoilt, skip_bad=True)
    before = entries(root) if left_out_before else []
    with pytest.raises(UndecodableImageError, match=r"1\.png: cannot be decoded"):
        opened(spoilt)
    assert entries(root) == before
    assert [path.suffix for path in root.iterdir() if path not in before] == [".lock"]


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_no_good_image_at_all_is_an_error(tmp_path, cache):
    with pytest.raises(HiertaxError, match="not one image could be decoded"):
        opened([tmp_path / "missing.png"], cache, skip_bad=True)
    with pytest.raises(HiertaxError, match="training: there is not one image"):
        opened([], cache)


# Places without room


def test_a_gpu_is_asked_for_where_there_is_none(photos):
    with pytest.raises(HiertaxError, match="`cache` gpu: the device is cpu, no GPU; set it to auto"):
        opened(photos, "gpu")


def test_more_than_memory_holds_is_refused_before_anything_is_decoded(photos, root):
    with pytest.raises(HiertaxError, match=r"need .* GB of memory, .* GB are free; .* or set `cache` to disk"):
        opened(photos, "ram", size=HUGE)
    assert not root.exists()


def test_more_than_the_disk_holds_is_refused_before_anything_is_decoded(photos, root):
    with pytest.raises(UnusableCacheError, match=r"\(15000\.00 GB needed, .* GB free\); set HIERTAX_CACHE"):
        opened(photos, "disk", size=HUGE)
    assert entries(root) == []


def test_what_finds_no_room_anywhere_streams_and_says_so(photos, capsys):
    inputs, kept = opened(photos, "auto", size=HUGE)
    assert isinstance(inputs, FileInputs)
    assert kept == [0, 1, 2, 3, 4]
    fuller, streams = capsys.readouterr().err.splitlines()
    assert fuller == "training: 15000.00 GB of images would fill memory; they are read from disk"
    assert streams.endswith("decoding the images anew in every epoch")


@pytest.mark.parametrize("cache", ["auto", "ram"])
def test_a_cache_that_cannot_be_written_costs_only_time(photos, root, cache, capsys):
    root.write_text("a file where the folder should be")
    inputs, _ = opened(photos, cache)
    assert torch.equal(pixels(inputs), load_images(photos, 8)[0])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"training: {root}: decoded images cannot be kept there (File exists)")
    assert line.endswith("decoding into memory, for this run only")
    with pytest.raises(UnusableCacheError, match="set HIERTAX_CACHE to a folder with room"):
        opened(photos, "disk")


def test_a_disk_that_fills_up_is_one_line_and_leaves_no_litter(photos, root):
    """A limit on the size of files stands in for a full disk."""
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(UnusableCacheError) as caught:
            opened(photos, "disk", size=100)
        inputs, _ = opened(photos, "auto", size=100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert str(caught.value).startswith(f"{root}: decoded images cannot be kept there (File too large)")
    assert len(inputs) == 5
    assert entries(root) == []


@needs_gpu
def test_a_gpu_holds_what_fits(photos):
    cuda = torch.device("cuda")
    for cache in ("auto", "gpu"):
        inputs, _ = opened(photos, cache, device=cuda)
        assert inputs.tensor.is_cuda
        assert torch.equal(pixels(inputs, cuda).cpu(), load_images(photos, 8)[0])
    with pytest.raises(HiertaxError, match=r"`cache` gpu: 5 images .* set it to auto"):
        opened(photos, "gpu", size=HUGE, device=cuda)


# Damage


def other_about(entry):
    about = json.loads((entry / "about.json").read_text())
    (entry / "about.json").write_text(json.dumps({**about, "count": 4}))


DAMAGES = {
    "a byte short": lambda entry: os.truncate(entry / "images.npy", (entry / "images.npy").stat().st_size - 1),
    "a byte long": lambda entry: os.truncate(entry / "images.npy", (entry / "images.npy").stat().st_size + 1),
    "empty": lambda entry: os.truncate(entry / "images.npy", 0),
    "another array": lambda entry: np.save(entry / "images.npy", np.zeros((5, 192), np.uint8)),
    "no array": lambda entry: (entry / "images.npy").unlink(),
    "nothing about it": lambda entry: (entry / "about.json").unlink(),
    "half about it": lambda entry: os.truncate(entry / "about.json", 30),
    "something else about it": lambda entry: (entry / "about.json").write_text("[]"),
    "about other images": other_about,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_decoded_anew_and_that_is_said(photos, root, damage, capsys):
    opened(photos)
    (entry,) = entries(root)
    DAMAGES[damage](entry)
    capsys.readouterr()
    inputs, _ = opened(photos)
    assert torch.equal(pixels(inputs), load_images(photos, 8)[0])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"{entry}: ")
    assert said[0].endswith("; decoding anew")
    assert entries(root) == [entry]


# Several processes, and killed ones

WHOLE = 128 + 60 * 3 * 64 * 64


@pytest.fixture
def large(tmp_path):
    """One image that, named sixty times, takes long enough to be caught."""
    Image.radial_gradient("L").resize((600, 600)).convert("RGB").save(tmp_path / "large.png")
    return tmp_path / "large.png"


def decode_sixty(large):
    return decode_once([large] * 60, 64, skip_bad=False, what="training", reporter=Reporter()).images


def start(large):
    """Decode in a process of its own."""
    process = multiprocessing.get_context("fork").Process(target=decode_sixty, args=(large,))
    process.start()
    return process


def wait_for_part(root, share):
    """Wait until that share of the array is written beside its place."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if sum(path.stat().st_size for path in root.glob(".*.part/images.npy")) > share * WHOLE:
            return
        time.sleep(0.001)
    raise TimeoutError


@pytest.mark.parametrize("share", [0, 0.3, 0.7])
def test_a_killed_build_leaves_nothing_that_looks_whole(large, root, share):
    process = start(large)
    wait_for_part(root, share)
    process.kill()
    process.join()
    (part,) = entries(root)
    assert part.name.endswith(".part")
    assert torch.equal(decode_sixty(large), load_images([large], 64)[0].expand(60, 3, 64, 64))
    (entry,) = entries(root)
    assert part.name == f".{entry.name}.part"


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_build_leaves_nothing(large, root):
    def interrupt():
        wait_for_part(root, 0.3)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        decode_sixty(large)
    thread.join()
    assert entries(root) == []


def test_of_several_processes_one_decodes_and_the_others_wait(large, root, capfd):
    root.mkdir()
    said = ""
    with FileLock(root / f"{fingerprint([large] * 60, 64)}.lock"):
        processes = [start(large) for _ in range(2)]
        deadline = time.monotonic() + 60
        while said.count("waiting for another process that decodes the same images") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            said += capfd.readouterr().err
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert capfd.readouterr().err.count("decoded once into") == 1
    assert len(entries(root)) == 1
