"""Runs to be stopped, and what run folders hold: whether two hold the same."""

import json
import signal
from contextlib import contextmanager

import pytest
import torch
from safetensors import safe_open

CLOCK = {"seconds", "images_per_second", "waiting_for_data", "memory_mib"}


@contextmanager
def signals(owner, name, at, number=signal.SIGINT):
    """Send this process a signal when `owner.name` is called for the `at`-th time, then let it do its work."""
    original, calls = getattr(owner, name), iter(range(1, 10**9))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run with it ignored

    def observed(*args, **options):
        if next(calls) == at:
            signal.raise_signal(number)
        return original(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, observed)
        yield
    signal.signal(signal.SIGINT, before)


def contents(folder):
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stored(run, name="checkpoint.safetensors"):
    """The header and the tensors of a checkpoint."""
    with safe_open(run / name, "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


def progress(run, name="checkpoint.safetensors"):
    """How far a checkpoint is."""
    return json.loads(stored(run, name)[0]["progress"])


def log(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def learned(run):
    """The log without what the clock decides."""
    return [{name: value for name, value in row.items() if name not in CLOCK} for row in log(run)]


def differences(one, other):
    """What differs between the files of two runs, but for what the clock decides: nothing where all bits are equal."""
    different = ["log"] if learned(one) != learned(other) else []
    names = {path.name for path in one.iterdir()}
    if names != {path.name for path in other.iterdir()}:
        different.append("files")
    for name in names & {"checkpoint.safetensors", "best.safetensors"}:
        (header, a), (other_header, b) = stored(one, name), stored(other, name)
        different += [
            f"{name}: {key}" for key in header if key not in ("sha256", "log") and header[key] != other_header[key]
        ]
        different += [f"{name}: {key}" for key in a.keys() | b.keys() if not _equal(a.get(key), b.get(key))]
    return different


def _equal(a, b):
    return a is not None and b is not None and a.dtype == b.dtype and torch.equal(a, b)
