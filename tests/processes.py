"""The command line in processes of its own that start at once: forked from one that has imported torch already."""

import json
import multiprocessing
import os
import runpy
import signal
import sys
import time
from functools import partial
from pathlib import Path

import psutil

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "torch._dynamo", "torchvision", "torch.distributed", "pandas", "rich.progress", "safetensors.torch",
        "trainer.commands", "trainer.training.start", "trainer.training.loop", "trainer.models.backbones.torchvision",
        "trainer.api.model", "trainer.reproduce.work",
    ]
)  # fmt: skip


class Hiertrain:
    """``hiertrain ARGS``, at work in the background.

    Parameters
    ----------
    prepare
        Called in the process first.
    program
        The file of another program to run in its place.
    """

    def __init__(self, folder, *args, prepare=None, program=None):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        for name in ("out", "err"):
            (self.folder / name).unlink(missing_ok=True)
        self.process = FORKS.Process(target=_run, args=(self.folder, [str(arg) for arg in args], prepare, program))
        self.process.start()
        self.wait_for((self.folder / "out").exists)

    @property
    def out(self):
        return (self.folder / "out").read_text()

    @property
    def err(self):
        return (self.folder / "err").read_text()

    def wait_for(self, condition, seconds=60):
        """Wait until something is so, or the process has ended."""
        deadline = time.monotonic() + seconds
        while not condition() and self.process.is_alive():
            assert time.monotonic() < deadline, self.err
            time.sleep(0.002)

    def wait_for_training(self):
        """Wait for the line that says what is about to be computed."""
        self.wait_for(lambda: "learning rate" in self.err)

    def wait_until_it_listens(self):
        """Wait until it saves before it heeds a signal, which on a busy machine is a while after that line."""
        self.wait_for(lambda: _handles(self.process.pid, "SigCgt"))

    def wait_for_workers(self, count):
        """Wait until it listens and its workers leave signals to it."""
        self.wait_until_it_listens()
        own = psutil.Process(self.process.pid)
        self.wait_for(lambda: sum(_handles(worker.pid, "SigIgn") for worker in own.children()) == count)

    def send(self, number):
        """Send a signal to it and to the processes it has started, as a terminal does."""
        if self.process.is_alive():
            os.killpg(self.process.pid, number)

    def end(self, seconds=60):
        """Wait for the end; return the exit code, or minus the signal that ended it."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, self.err
        return self.process.exitcode


class Together:
    """Two of ``hiertrain ARGS`` that know of each other by what ``torchrun`` tells the processes that it starts.

    They start at once, which by ``torchrun`` takes three times the import of torch.
    """

    def __init__(self, folder, *args, prepare=None, program=None):
        from torch.distributed import TCPStore

        Path(folder).mkdir(exist_ok=True)
        self.store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # which outlives both, as there
        self.processes = [
            Hiertrain(
                Path(folder) / str(rank), *args, program=program,
                prepare=partial(_take_part, rank, self.store.port, prepare),
            )
            for rank in range(2)
        ]  # fmt: skip

    @property
    def out(self):
        """All lines on standard output, those of the first process first."""
        return [line for each in self.processes for line in each.out.splitlines()]

    @property
    def err(self):
        """All lines of errors and progress, those of the first process first."""
        return [line for each in self.processes for line in each.err.splitlines()]

    def send(self, number):
        """Send a signal to both."""
        for each in self.processes:
            each.send(number)

    def end(self):
        """Wait for the end of both; return their exit codes."""
        return [each.end(200) for each in self.processes]


def _handles(pid, how):
    """Whether a process catches SIGTERM, or ignores it, as Linux tells."""
    try:
        _, _, rest = Path(f"/proc/{pid}/status").read_text().partition(f"{how}:")
    except OSError:  # it has ended, or there is no such file on this system
        return not Path("/proc").exists()
    return bool(int(rest.split()[0], 16) >> (signal.SIGTERM - 1) & 1)


def _take_part(rank, port, prepare):
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    told |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE": True}
    os.environ.update({name: str(value) for name, value in told.items()})
    if prepare is not None:
        prepare()


def _run(folder, args, prepare, program):
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run with it ignored
    multiprocessing.set_start_method("fork", force=True)  # for its own workers, as outside of tests
    for number, name in ((2, "err"), (1, "out")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    from trainer.commands import main

    if prepare is not None:
        prepare()
    if program is not None:
        sys.argv = [str(program), *args]
        runpy.run_path(str(program), run_name="__main__")
    else:
        main(args)


# What a process may do first: meet its end at a chosen moment, or take its time


def _observe(owner, name, at, act):
    """Let a function act before its `at`-th call."""
    original, calls = getattr(owner, name), iter(range(1, 10**9))

    def observed(*args, **options):
        if next(calls) == at:
            act()
        return original(*args, **options)

    setattr(owner, name, observed)


def die_at_file(at):
    """Be killed when the `at`-th file is written but has not yet taken its place."""
    _observe(os, "fsync", at, lambda: os.kill(os.getpid(), signal.SIGKILL))


def record_plans(folder):
    """Write which samples this process takes in each epoch."""
    from trainer.training import loop

    plans, original = [], loop.plan_epoch

    def recorded(*args, group, **options):
        plan = original(*args, group=group, **options)
        plans.append(plan.indices.flatten().tolist())
        (folder / f"{group.rank}.json").write_text(json.dumps(plans))
        return plan

    loop.plan_epoch = recorded


def sleep_in_step(at):
    """Fall asleep for a minute in the `at`-th step, and say so."""
    from trainer.training.learner import Learner

    _observe(Learner, "finish_step", at, lambda: (os.write(2, b"asleep\n"), time.sleep(60)))


def save_and_sleep():
    """Save within the first epoch after one step, and fall asleep for a minute in the third."""
    from trainer.training import loop

    loop.FIRST_SAVE = 0
    sleep_in_step(3)


def ignore_ctrl_c():
    """Be a job that a shell without job control has started in the background, or nohup."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def save_slowly():
    """Take two seconds more for the first checkpoint."""
    from trainer.runs.checkpoint import Snapshot

    _observe(Snapshot, "write", 1, lambda: time.sleep(2))


def decode_slowly(cache):
    """Take long for every image, and keep them in a place of its own."""
    from trainer.data import images, inputs

    os.environ["HIERTAX_CACHE"] = str(cache)
    for module in (images, inputs):
        module.decode = partial(_slowly, module.decode)


def _slowly(decode, *args):
    time.sleep(0.2)
    return decode(*args)


def have_little_memory(mb):
    """Be allowed hardly more memory than is in use."""
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + mb * 2**20,) * 2)
