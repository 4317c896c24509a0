"""What several tests share: the command line called in this process, and a tiny dataset with a run trained on it."""

import gc
import io
import os
import signal
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Torch reads this when it is first imported: one thread, so that equal seeds give equal bits here and in subprocesses.
os.environ["OMP_NUM_THREADS"] = "1"

# Hypothesis draws the same examples on every machine, and a busy machine fails no test.
settings.register_profile("steady", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("steady")


def pytest_collection_modifyitems(items):
    """Begin with the files of slow tests: workers, which take a file at a time, end together on those of quick ones."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    """Spare the garbage collector all that was imported and collected, which takes it a second each time."""
    gc.collect()
    gc.freeze()


COLOURS = {"red": (200, 40, 40), "orange": (220, 140, 40), "blue": (40, 60, 200), "teal": (30, 160, 150)}
LINEAGES = [("warm", "Red"), ("warm", "Orange"), ("cold", "Blue"), ("cold", "Teal")]
TRAIN_PER_CLASS, TEST_PER_CLASS = 6, (3, 3, 3, 2)  # 11 test images, which no batch size used here divides


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def error(self, code=1):
        """Return the one line of a failure, and make sure that it is one line, after whatever was done before."""
        assert self.code == code, self
        *before, line = self.err.splitlines()
        assert line.startswith("error: ")
        assert not any(word in said for said in before for word in ("error", "Error", "Traceback"))
        return line


def call(main, args):
    """Call a console script in this process, as a shell would."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main([str(arg) for arg in args])
    return Outcome(end.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep decoded images away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIERTAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def hiertrain():
    """Return a function that runs ``hiertrain ARGS`` and returns its outcome."""
    from trainer.commands import main

    return lambda *args: call(main, args)


@pytest.fixture
def ctrl_c():
    """Ctrl-C as in a terminal, here and in children; nohup and CI systems start jobs in which it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def full_disk():
    """Return what makes every file end at some bytes, as on a disk with no more room."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def ending_at(most=4096):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return ending_at


@dataclass(frozen=True)
class Patches:
    """A tiny image folder of colour patches and its two-level hierarchy."""

    data: Path
    hierarchy: Path

    def options(self, *more, epochs=2):
        """Return the options that train the smallest network on it, in about a second."""
        return (
            *("--hierarchy", self.hierarchy, "--data", self.data, "--device", "cpu"),
            *("--backbone", "shufflenet_v2_x0_5", "--weights", "none", "--image-size", 32),
            *("--batch-size", 8, "--epochs", epochs, *more),
        )


def write_patches(root, classes=tuple(COLOURS)):
    """Write the image folder: noisy patches, each class of its own colour."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, test_count in zip(classes, TEST_PER_CLASS, strict=False):
        for split, count in (("train", TRAIN_PER_CLASS), ("test", test_count)):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(rng.normal(COLOURS.get(name, (0, 0, 0)), 40, (40, 36, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")


def write_hierarchy(path, lineages=LINEAGES, classes=tuple(COLOURS), levels=("tone", "colour"), **about):
    """Write the hierarchy file of the patches, or one like it."""
    from taxonomy import Hierarchy

    about = {"name": "patches", "root": "patch", **about}
    Hierarchy.from_lineages(lineages, levels, classes=classes, **about).save(path)
    return path


@pytest.fixture(scope="session")
def patches(tmp_path_factory):
    """The colour patches on disk; tests must not change them."""
    root = tmp_path_factory.mktemp("patches")
    write_patches(root / "data")
    return Patches(root / "data", write_hierarchy(root / "patches.json"))


@pytest.fixture(scope="session")
def run(hiertrain, patches, tmp_path_factory):
    """A run trained on the patches for two epochs; tests must not change it."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    outcome = hiertrain(*patches.options("--out", path))
    assert outcome.code == 0, outcome
    return path


@pytest.fixture(scope="module")
def one_browser():
    """One browser for all tests of a module; one for all modules would leave them its event loop."""
    from web import shared_browser

    with shared_browser():
        yield


@pytest.fixture(scope="session")
def hierarchy_file():
    """Return the function that writes a hierarchy file like that of the patches."""
    return write_hierarchy


@pytest.fixture(scope="session")
def part_of_patches(tmp_path_factory):
    """The warm half of the patches; tests must not change it."""
    root = tmp_path_factory.mktemp("part")
    write_patches(root, ("red", "orange"))
    return root


@pytest.fixture
def own_patches(tmp_path):
    """A copy of the patches' images that a test may spoil."""
    write_patches(tmp_path / "own")
    return tmp_path / "own"
