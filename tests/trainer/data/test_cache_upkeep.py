"""The cache looked after: unchanged files are not read again, and what was used least recently goes first."""

import json
import multiprocessing
import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from taxonomy import HiertaxError
from taxonomy.files import cache_root
from trainer.data import digests
from trainer.data.digests import content_digests
from trainer.data.entries import UnusableCacheError, list_entries, remove, select_entries
from trainer.data.store import decode_once
from trainer.runtime.progress import Reporter

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The folder of the cache, which is not there yet."""
    monkeypatch.setenv("HIERTAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Five images of 300 bytes or so, old enough for a later change to show."""
    monkeypatch.setattr(digests, "SETTLED", 0.05)
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(5):
        Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.bmp")
    time.sleep(0.1)
    return sorted((tmp_path / "photos").iterdir())


def decoded(paths, size=8, **options):
    return decode_once(paths, size, skip_bad=False, what="training", reporter=Reporter(), **options)


# Unchanged files


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that are read."""
    seen, read = [], digests._read

    def noting(path, key):
        seen.append(path.name)
        return read(path, key)

    monkeypatch.setattr(digests, "_read", noting)
    return seen


def look(photos, root):
    return content_digests(photos, root / "digests", lambda _: None)


def test_a_file_that_has_not_changed_is_not_read_again(photos, root, reads):
    first = look(photos, root)
    assert sorted(reads) == [path.name for path in photos]
    reads.clear()
    assert look(photos[::-1], root) == first[::-1]
    assert reads == []
    assert len(set(first)) == 5


def test_a_part_is_known_by_the_whole_and_adds_to_it(photos, root, reads):
    look(photos[:2], root)
    look(photos, root)
    reads.clear()
    look(photos[1:4], root)
    assert reads == []


@pytest.mark.parametrize("times", ["new", "kept"])
def test_a_changed_file_is_read_again_even_if_size_and_time_of_modification_are_as_before(photos, root, reads, times):
    before = look(photos, root)
    status = photos[2].stat()
    Image.new("RGB", (11, 9), "red").save(photos[2])
    assert photos[2].stat().st_size == status.st_size
    if times == "kept":
        os.utime(photos[2], ns=(status.st_atime_ns, status.st_mtime_ns))
    reads.clear()
    after = look(photos, root)
    assert reads == ["2.bmp"]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True, True]


def test_a_file_written_a_moment_ago_is_not_taken_for_unchanged(photos, root, reads, monkeypatch):
    monkeypatch.setattr(digests, "SETTLED", 100)
    look(photos, root)
    reads.clear()
    look(photos, root)
    assert len(reads) == 5


@pytest.mark.parametrize("content", [b"", b"hiertax-digests\1", bytes(200), None])
def test_a_damaged_table_is_as_good_as_none(photos, root, reads, content):
    first = look(photos, root)
    (table,) = (root / "digests").iterdir()
    if content is None:
        table.write_bytes(table.read_bytes()[:-1] + b"!")
    else:
        table.write_bytes(content)
    reads.clear()
    assert look(photos, root) == first
    assert len(reads) == 5
    reads.clear()
    look(photos, root)
    assert reads == []


def test_a_table_that_cannot_be_written_costs_only_time(photos, root, reads):
    root.write_text("a file where the folder should be")
    assert look(photos, root) == look(photos, root)
    assert len(reads) == 10


def test_a_missing_file_is_told_by_who_decodes_it(photos, root):
    photos[0].unlink()
    assert look(photos, root)[0] == bytes(16)


def test_many_processes_at_once_give_the_same(photos, root):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        found = pool.starmap(content_digests, [(photos, root / "digests", len_of)] * 8)
    assert all(digest == look(photos, root) for digest in found)


def len_of(count):
    return count


# A limit

ENTRY = 5 * 3 * 8 * 8  # bytes of pixels


def limit(entries):
    """The limit, in GB, for so many entries of five images of 8 px, with some room for what is beside the pixels."""
    return (entries * (ENTRY + 400)) / 1e9


def aged(root, *seconds):
    """Make the entries as old as that, in the order in which they were made."""
    for entry, age in zip(sorted(list_entries(root), key=lambda entry: entry.about.size), seconds, strict=True):
        for path in (entry.folder, *entry.folder.iterdir()):
            os.utime(path, (time.time() - age,) * 2)


def sizes(root):
    return sorted(entry.about.size for entry in list_entries(root))


def test_the_entry_used_least_recently_makes_room(photos, root, capsys):
    for size in (6, 7, 8):
        decoded(photos, size)
    aged(root, 20, 30, 10)
    capsys.readouterr()
    decoded(photos, 5, limit=3e-6)
    assert sizes(root) == [5, 6, 8]
    removed, built = capsys.readouterr().err.splitlines()
    assert removed.startswith(
        f"{root}: 1 entry of decoded images or features (0.00 GB) removed, least recently used first, to stay"
    )
    assert "decoded once into" in built


def test_finding_an_entry_counts_as_use(photos, root):
    for size in (6, 7, 8):
        decoded(photos, size)
    aged(root, 30, 20, 10)
    decoded(photos, 6)
    assert list_entries(root)[0].about.size == 6
    decoded(photos, 6, limit=limit(2))
    assert sizes(root) == [6, 8]


def test_without_a_limit_nothing_goes(photos, root):
    for size in (6, 7, 8):
        decoded(photos, size)
    assert sizes(root) == [6, 7, 8]


def test_what_is_in_use_stays_and_what_does_not_fit_beside_it_is_not_kept(photos, root):
    held = decoded(photos, 8)
    with pytest.raises(UnusableCacheError, match=r"`cache_limit` .* GB are needed, .* GB are in use"):
        decoded(photos, 7, limit=limit(1))
    assert sizes(root) == [8]
    del held
    decoded(photos, 7, limit=limit(1))
    assert sizes(root) == [7]


def test_an_entry_larger_than_the_limit_is_not_built_and_nothing_goes_for_it(photos, root):
    decoded(photos, 8)
    with pytest.raises(UnusableCacheError, match=r"`cache_limit` 1e-09: 0\.00 GB are needed; raise it"):
        decoded(photos, 9, limit=1e-9)
    assert sizes(root) == [8]


def hold(photos, ready, done):
    held = decoded(photos, 8)
    ready.set()
    done.wait(60)
    del held


@pytest.mark.parametrize("killed", [False, True])
def test_an_entry_that_another_process_uses_stays_until_that_has_ended(photos, root, killed):
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(photos, ready, done))
    process.start()
    assert ready.wait(60)
    (entry,) = list_entries(root)
    assert not remove(entry)
    assert entry.folder.is_dir()
    if killed:
        process.kill()
    else:
        done.set()
    process.join(60)
    assert remove(entry)
    assert list_entries(root) == []


# Listed and cleared


def test_the_cache_lists_its_entries(hiertrain, photos, root):
    assert hiertrain("cache").out == f"{root}: neither decoded images nor features are kept\n"
    decoded(photos, 8)
    out = hiertrain("cache").out
    (entry,) = list_entries(root)
    for word in (entry.name[:8], str(photos[0].parent), "training", "5", "8", "0.00", "whole"):
        assert word in out
    (about,) = json.loads(hiertrain("cache", "--json").out)
    assert (about["dataset"], about["images"], about["pixels"]) == (str(photos[0].parent), 5, 8)
    assert about["bytes"] == sum(path.stat().st_size for path in entry.folder.iterdir())


def test_all_is_cleared_and_counted_but_nothing_that_is_not_the_caches(hiertrain, photos, root):
    held = decoded(photos, 8)
    decoded(photos, 7)
    (root / "notes.txt").write_text("mine")
    (root / "mine").mkdir()
    outcome = hiertrain("cache", "--clear")
    assert outcome.out == (
        "1 entry of decoded images or features (0.00 GB) removed; "
        "1 entry of decoded images or features (0.00 GB) in use and kept\n"
    )
    assert sizes(root) == [8]
    del held
    assert hiertrain("cache", "--clear").out == "1 entry of decoded images or features (0.00 GB) removed\n"
    assert {path.name for path in root.iterdir() if path.suffix != ".lock"} == {"notes.txt", "mine", "digests"}


def test_named_entries_are_cleared(hiertrain, photos, root, tmp_path):
    decoded(photos, 8)
    other = sorted(shutil.copytree(tmp_path / "photos", tmp_path / "other").iterdir())[:3]
    decoded(other, 8)
    assert hiertrain("cache", "--clear", tmp_path / "other").code == 0
    (left,) = list_entries(root)
    assert left.about.count == 5
    assert hiertrain("cache", "--clear", left.name[:6]).code == 0
    assert list_entries(root) == []


def test_a_name_that_means_no_entry_is_an_error_and_nothing_goes(hiertrain, photos, root):
    decoded(photos, 8)
    (entry,) = list_entries(root)
    assert "no entry of the cache" in hiertrain("cache", "--clear", entry.name[:6], "nothing").error()
    assert len(list_entries(root)) == 1
    with pytest.raises(HiertaxError):
        select_entries(list_entries(root), [""])


def test_what_a_killed_build_and_an_earlier_version_left_is_listed_and_cleared(hiertrain, photos, root):
    decoded(photos, 8)
    (entry,) = list_entries(root)
    shutil.copytree(entry.folder, root / f".{'0' * 32}.part")
    (root / f".{'0' * 32}.part" / "about.json").unlink()
    about = json.loads((entry.folder / "about.json").read_text())
    (entry.folder / "about.json").write_text(json.dumps({**about, "version": 1}))
    states = {one["state"] for one in json.loads(hiertrain("cache", "--json").out)}
    assert states == {"unfinished", "of another version, never used again"}
    assert "unfinished" in hiertrain("cache").out
    assert hiertrain("cache", "--clear").out.startswith("2 entries of decoded images")
    assert list_entries(root) == []


def test_a_cache_that_is_no_folder_is_one_line(hiertrain, root):
    root.write_text("a file where the folder should be")
    assert hiertrain("cache").error() == f"error: {root}: cannot be read: Not a directory; check HIERTAX_CACHE"
    assert cache_root() == root


def test_the_limit_is_a_setting_of_training(hiertrain, patches, root, tmp_path):
    options = patches.options("--out", tmp_path / "run", "--cache-limit", 0.00001, epochs=1)
    outcome = hiertrain(*options)
    assert outcome.code == 0, outcome
    assert "1e-05: 0.00 GB are needed" in outcome.err
    assert "decoding into memory, for this run only" in outcome.err
    assert list_entries(root) == []
