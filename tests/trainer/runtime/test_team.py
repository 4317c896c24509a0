"""Several processes that train one network do what one process does; the real ``torchrun`` starts and stops one run.

Two processes see the same batches in the same halves as one process with ``--accumulate 2``, so their weights are the
same to within rounding. The running statistics of batch normalisation are not: each process keeps its own over its
halves, and they are averaged when an epoch ends, while one process takes both halves one after the other.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from processes import Together
from runs import log, progress, signals, stored
from tiny import FREEZABLE

from trainer.config import METHODS, Config
from trainer.data.inputs import ArrayInputs
from trainer.data.samples import Samples
from trainer.models.network import Network
from trainer.runs.checkpoint import Snapshot
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, ProcessGroup, join_processes
from trainer.training.epoch import plan_epoch, seed_from, train_epoch
from trainer.training.learner import Learner

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
FILES = ["checkpoint.safetensors", "config.toml", "hierarchy.json", "log.csv", "log.jsonl"]
SECONDS = 200  # for what takes ten: the machine may be busy
REPO = Path(__file__).parents[3]
TOLERANCE = 1e-5  # of numbers about 1; sums of parts are rounded in another order


@dataclass(frozen=True)
class Said:
    """How two processes ended, and what they said; torchrun's own words are left out."""

    code: int
    out: list[str]
    err: list[str]

    @classmethod
    def of(cls, process):
        """Of two processes that torchrun did not start."""
        codes = set(process.end())
        assert len(codes) == 1, process.err
        return cls(*codes, process.out, [line for line in process.err if not line.startswith("starting took ")])

    @classmethod
    def by(cls, process):
        """Of torchrun."""
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.terminate()
        lines = err.splitlines()
        own = next((i for i, line in enumerate(lines) if "torch/distributed/" in line), len(lines))
        errors = [line for line in lines[own:] if line.startswith(("error: ", "saving "))]
        said = [line for line in lines[:own] if line and not line.startswith("starting took ")]  # on a busy machine
        return cls(process.returncode, out.splitlines(), said + errors)


def start(*args, **environment):
    """Start two processes by the real torchrun."""
    return subprocess.Popen(
        [*TORCHRUN, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPO,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(REPO), str(REPO / "tests"))), **environment},
    )  # fmt: skip


def step_of(run):
    return progress(run)["epoch"], progress(run)["step"]


def assert_same_learning(one, other):
    """Weights, momentum and progress are the same; running statistics aside."""
    (_, a), (_, b) = stored(one), stored(other)
    assert a.keys() == b.keys()
    for name in a:
        if "running_" not in name and "num_batches" not in name:
            torch.testing.assert_close(
                a[name], b[name], rtol=TOLERANCE, atol=TOLERANCE, msg=lambda m, n=name: f"{n}: {m}"
            )
    assert step_of(one) == step_of(other)


def sigterm_after(steps):
    return signals(Learner, "finish_step", at=steps, number=signal.SIGTERM)


# One process


def test_one_process_is_a_team_of_its_own():
    with join_processes() as group:
        assert group is SINGLE
    tensor = torch.tensor([1.0, 2.0])
    assert SINGLE.is_main
    assert SINGLE.all_reduce_sum_(tensor) is tensor
    assert [SINGLE.any(flag) for flag in (False, True)] == [False, True]
    SINGLE.all_reduce_mean_(tensor)
    assert tensor.tolist() == [1, 2]
    with SINGLE.one_by_one():
        SINGLE.barrier()


@given(
    steps=st.integers(1, 4), size=st.integers(1, 3), processes=st.integers(1, 4), parts=st.integers(1, 3),
    left=st.integers(0, 5), seed=st.integers(0, 99),
)  # fmt: skip
def test_processes_share_the_parts_that_one_process_computes_alone(steps, size, processes, parts, left, seed):
    batch = size * processes * parts
    count = steps * batch + left
    alone = plan_epoch(count, seed, batch_size=batch, parts=processes * parts)
    shares = [
        plan_epoch(count, seed, batch_size=batch, parts=parts, group=ProcessGroup(i, processes))
        for i in range(processes)
    ]
    assert torch.equal(torch.cat([share.indices for share in shares], dim=1), alone.indices)
    assert torch.equal(torch.cat([share.offsets for share in shares], dim=1), alone.offsets)


class Plain(Network):
    """A network without batch normalisation, whose gradient is a mean over images."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.heads = torch.nn.ModuleList(torch.nn.Linear(6, size) for size in (2, 4))

    def forward(self, features):
        return [head(features) for head in self.heads]


@pytest.mark.parametrize("parts", [2, 4])
def test_without_batch_normalisation_a_batch_in_parts_is_the_batch(parts):
    fine = torch.arange(20) % 4
    inputs = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    data = Samples(ArrayInputs(inputs), torch.stack([fine // 2, fine], dim=1))
    compute, learned = Compute(torch.device("cpu")), []
    for count in (1, parts):
        learner = Learner(Plain(), Config("none.json"), compute, 2)
        train_epoch(learner, data, plan_epoch(20, 0, batch_size=8, parts=count), compute)
        assert (learner.step, learner.seen) == (2, 16)
        learned.append(learner)
    whole, in_parts = learned
    for a, b in zip(whole.network.parameters(), in_parts.network.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(whole.sums, in_parts.sums)


@pytest.mark.parametrize("size", [7, 2, 5])
def test_a_batch_that_cannot_be_divided_names_one_that_can(hiertrain, patches, tmp_path, size):
    out = tmp_path / "out" / "run"
    line = hiertrain(*patches.options("--batch-size", size, "--accumulate", 2, "--out", out)).error()
    assert f"--batch-size {size}: makes no 2 equal parts of two or more (1 processes x --accumulate 2)" in line
    fits = int(line.rsplit("try ", 1)[1])
    assert not out.parent.exists()
    assert hiertrain(
        *patches.options("--batch-size", fits, "--accumulate", 2, "--freeze-backbone", "--out", out, epochs=1)
    ).code == 0  # fmt: skip


# Two processes, part by part


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """What two_processes.py found in either process, which both then leave by the same error."""
    out = tmp_path_factory.mktemp("facts")
    process = Together(out / "process", out, program=Path(__file__).with_name("two_processes.py"))
    assert (process.end(), process.out) == ([1, 1], []), process.err
    assert process.err == ["error: what both processes meet"]  # told once
    return [json.loads((out / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_share_numbers(facts):
    assert [each["leads"] for each in facts] == [True, False]
    assert [each["size"] for each in facts] == [2, 2]
    for each in facts:
        assert each["total"] == [2, 1]
        assert each["any"] == [False, True, True]
        assert each["average"]["float"] == [1, 2]
    assert [each["average"]["count"] for each in facts] == [7, 8]  # of a count there is no mean


@pytest.mark.slow
def test_of_two_processes_one_draws_the_embedded_dataset_and_both_find_it(facts):
    assert [each["birds"] for each in facts] == [{"drawn": 1, "found": 36}, {"drawn": 0, "found": 36}]


NETWORKS = [f"{method} whole" for method in METHODS] + [f"{method} frozen" for method in FREEZABLE]
NETWORKS += ["ours in parts", "ours averaged", "heads first", "with dropout", "two steps", "two steps in parts"]
NETWORKS += [f"{known} finest labels known" for known in (0, 1, 5)]
NETWORKS += ["one finest label known, marginal", "in parts, marginal"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_two_processes_learn_what_one_learns_in_twice_the_parts(facts, name):
    first, second = (each["networks"][name] for each in facts)
    assert first["state"] == second["state"]  # running statistics and averaged weights included
    assert first["apart"] < TOLERANCE
    assert first["answering_apart"] < TOLERANCE
    together, alone = first["losses"]
    assert together == pytest.approx(alone, rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 5])
def test_two_processes_score_every_sample_once_even_if_there_are_fewer(facts, count):
    for each in facts:
        together, alone, finite = each[f"scored {count}"]
        assert together == alone
        assert finite


# Two processes, the whole way


LEARNABLE = ("--backbone", "resnet10", "--learning-rate", 0.02)
EPOCHS = 12


@pytest.fixture(scope="module")
def together(patches, tmp_path_factory):
    """A run of two processes, and what they said."""
    root = tmp_path_factory.mktemp("together")
    options = patches.options(*LEARNABLE, "--cache", "disk", "--out", root / "run", epochs=EPOCHS)
    process = Together(root / "process", *options, prepare=partial(keep_in, root / "cache"))
    return root / "run", Said.of(process), root / "cache"


def keep_in(cache):
    """Keep decoded images in a place of its own."""
    os.environ["HIERTAX_CACHE"] = str(cache)


@pytest.mark.slow
def test_only_the_first_process_speaks_and_says_how_the_batch_is_shared(together):
    run, said, _ = together
    assert (said.code, said.out) == (0, [f"{run}: trained; next: hiertrain evaluate {run}"]), said
    assert len(said.err) == len(set(said.err)) == 2 + 1 + EPOCHS
    assert said.err[2] == (
        "ours, resnet10 on CPU, 1 thread, fp32; 24 training, 11 test images; batch 8 (2 processes x 4); "
        "learning rate 0.02, backbone 0.01"
    )
    assert [line.split("  ")[0] for line in said.err[3:]] == [f"epoch {i}/{EPOCHS}" for i in range(1, EPOCHS + 1)]


@pytest.mark.slow
def test_a_run_of_two_processes_is_a_run_like_any_other(together, hiertrain):
    run, _, _ = together
    assert sorted(path.name for path in run.iterdir()) == FILES
    assert [row["epoch"] for row in log(run)] == list(range(1, EPOCHS + 1))
    scores = json.loads(hiertrain("evaluate", run, "--json").out)
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        log(run)[-1][f"test_{level}"] for level in ("tone", "colour")
    ]


@pytest.mark.slow
def test_two_processes_decode_once(together):
    _, said, cache = together
    assert [line.split(":")[0] for line in said.err[:2]] == ["training", "test"]
    assert all("decoded once" in line for line in said.err[:2])
    assert len(list(cache.rglob("images.npy"))) == 2


@pytest.mark.slow
def test_a_run_of_two_processes_has_the_weights_of_one_process_in_two_parts(together, hiertrain, patches, tmp_path):
    run, alone = together[0], tmp_path / "run"
    options = patches.options(*LEARNABLE, "--accumulate", 2, "--out", alone, epochs=EPOCHS)
    assert hiertrain(*options).code == 0
    assert_same_learning(run, alone)
    for a, b in zip(log(run), log(alone), strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=TOLERANCE, abs=2e-6)
        assert [a[name] for name in ("learning_rate", "train_tone", "train_colour")] == [
            b[name] for name in ("learning_rate", "train_tone", "train_colour")
        ]


@pytest.mark.slow
def test_two_processes_answer_as_well_as_one_on_every_level(together, hiertrain, patches, tmp_path):
    """Normalised over halves of a batch they cannot be equal; two of 11 test images may differ."""
    options = patches.options(*LEARNABLE, "--out", tmp_path / "run", epochs=EPOCHS)
    assert hiertrain(*options).code == 0
    pair = log(together[0])[-1], log(tmp_path / "run")[-1]
    for level in ("tone", "colour"):
        two, one = (row[f"test_{level}"] for row in pair)
        assert two == pytest.approx(one, abs=2 / 11 + 1e-6)
        assert two > 0.7


# Cut short


def wait_for(run, epochs, process):
    """Wait until so many epochs are in the log."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (run / "log.jsonl").exists() and len(log(run)) >= epochs:
            return
        time.sleep(0.01)


@pytest.mark.slow
def test_sigterm_stops_both_at_the_same_step_and_one_process_goes_on(hiertrain, patches, tmp_path):
    run, alone = tmp_path / "run", tmp_path / "alone"
    script = Path(sys.executable).with_name("hiertrain")  # the form of torchrun that starts any command
    form = ["--no-python", script] if script.exists() else ["-m", "trainer"]
    process = start(*form, *patches.options("--out", run, epochs=60))
    wait_for(run, 1, process)
    process.terminate()
    said = Said.by(process)
    assert said.code != 0
    (line,) = [line for line in said.err if line.startswith("error: ")]
    epochs, steps = step_of(run)
    assert line == (
        f"error: interrupted in epoch {epochs + 1} after {steps} steps; all is saved; "
        f"go on by: hiertrain --resume {run}"
    )
    assert [line for line in said.err if line.startswith("saving ")] == [
        "saving after this step; once more to stop at once"
    ]

    with sigterm_after(3 * epochs + steps):
        assert hiertrain(*patches.options("--accumulate", 2, "--out", alone, epochs=60)).code == 143
    assert_same_learning(run, alone)

    with sigterm_after(4):  # to see that it goes on a little is enough
        assert hiertrain("--resume", run).code == 143
    assert len(log(run)) > epochs
    assert [row["epoch"] for row in log(run)] == list(range(1, len(log(run)) + 1))


@pytest.mark.slow
def test_two_processes_go_on_with_a_run_of_one(hiertrain, patches, tmp_path):
    run, alone = tmp_path / "run", tmp_path / "alone"
    with sigterm_after(5):
        assert hiertrain(*patches.options("--out", run, epochs=3)).code == 143
    assert step_of(run) == (1, 2)
    in_two_parts(run, alone)

    said = Said.of(Together(tmp_path / "process", "--resume", run))
    assert (said.code, said.out) == (0, [f"{run}: trained; next: hiertrain evaluate {run}"]), said
    assert hiertrain("--resume", alone).code == 0
    assert_same_learning(run, alone)
    assert len(log(run)) == 3


def in_two_parts(run, copy):
    """Copy a run as if it had been asked to compute every batch in two parts."""
    header, tensors = stored(run)
    config = json.dumps(json.loads(header["config"]) | {"accumulate": 2})
    copy.mkdir()
    Snapshot(tensors, header | {"config": config}, []).write(copy / "checkpoint.safetensors")


# What goes wrong is told once


@pytest.mark.slow
def test_an_error_in_one_process_ends_both_and_is_told_once(patches, own_patches, tmp_path):
    images = sorted((own_patches / "train").glob("*/*"))
    second = plan_epoch(len(images), seed_from(0, 0), batch_size=8, group=ProcessGroup(1, 2)).indices
    spoilt = images[int(second[1, 0, 0])]
    spoilt.write_bytes(b"no image")
    options = patches.options("--data", own_patches, "--cache", "off", "--workers", 0, "--out", tmp_path / "run")
    said = Said.of(Together(tmp_path / "process", *options))
    assert said.code == 1
    (error,) = [line for line in said.err if line.startswith("error: ")]
    assert error.startswith(f"error: {spoilt}: ")
    assert not [line for line in said.err if "Traceback" in line]
