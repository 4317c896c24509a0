"""Runs shared among processes: one process for each, so many at a time, over several GPUs where there are any."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

from taxonomy import HiertaxError
from taxonomy.errors import Interrupted
from trainer.config import Config
from trainer.reproduce.cells import Cell
from trainer.runtime.progress import Once
from trainer.runtime.signals import listening

LOOK: Final = 0.2  # seconds between two looks at whether a signal came


@dataclass(frozen=True)
class Job:
    """What one process does: the run of one cell, or heads for several on features that they share.

    Attributes
    ----------
    cells
        The cells, of one dataset.
    base
        The hierarchy file of the dataset.
    """

    cells: tuple[Cell, ...]
    base: Path

    @property
    def name(self) -> str:
        """What it is called."""
        first = self.cells[0].name
        return first if len(self.cells) == 1 else f"{first} and {len(self.cells) - 1} more on the same features"

    @property
    def frozen(self) -> bool:
        """Whether heads alone are trained."""
        return self.cells[0].config.freeze_backbone


@dataclass
class _Running:
    process: Any
    answer: Connection
    job: Job
    slot: int


def do_jobs(jobs: Sequence[Job], runs: Path, count: int, reporter: Once) -> dict[str, str]:
    """Do all jobs, so many at a time; one that fails keeps no other from being done.

    Parameters
    ----------
    runs
        The folder of the run folders.
    count
        How many at a time.
    reporter
        Who tells of progress; what it has said, as of the dataset that all jobs read anew, jobs do not say again.

    Returns
    -------
    Why jobs failed, by what they are called.

    Raises
    ------
    Interrupted
        After Ctrl-C or SIGTERM, once every process has saved what it has learned.
    """
    context = _context()
    gpus = visible_gpus(jobs[0].cells[0].config) if jobs else []
    waiting, running, failed = deque(jobs), dict[Any, _Running](), dict[str, str]()
    free = list(range(max(1, min(count, len(jobs)))))[::-1]
    total, stopped, begun = len(jobs), 0, 0
    with listening() as signalled:
        try:
            while waiting or running:
                if signalled() and not stopped:
                    stopped = signalled()
                    waiting.clear()
                    _send(running.values())
                while waiting and free:
                    begun += 1
                    job, slot = waiting.popleft(), free.pop()
                    reporter.say(f"{begun} of {total}: {job.name}")
                    started = _start(context, job, runs, slot, count, gpus, reporter)
                    running[started.process.sentinel] = started
                for sentinel in wait(list(running), timeout=LOOK):
                    ended = running.pop(sentinel)
                    free.append(ended.slot)
                    if why := _ended(ended):
                        failed[ended.job.name] = why
        finally:
            _send(running.values())  # at an error here, or a second Ctrl-C
            for each in running.values():
                each.process.join()
    if stopped:
        raise Interrupted("interrupted; what was learned is saved; go on by the same command", 128 + stopped)
    return failed


def visible_gpus(config: Config) -> list[str]:
    """Return the GPUs that runs may be shared among, as CUDA_VISIBLE_DEVICES names them; none on a CPU."""
    if config.device not in ("auto", "cuda"):
        return []
    if named := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return named.split(",")
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _context() -> Any:
    """Return how processes start: from one that has imported torch and nothing else, where there is such a way."""
    way = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(way)
    if way == "forkserver":
        context.set_forkserver_preload(["trainer.reproduce.work"])
    return context


def _start(context: Any, job: Job, runs: Path, slot: int, count: int, gpus: Sequence[str], reporter: Once) -> _Running:
    here, there = context.Pipe(duplex=False)
    gpu = gpus[slot % len(gpus)] if gpus else None
    process = context.Process(target=_work, args=(job, runs, count, gpu, reporter.silent, reporter.said, there))
    process.start()
    there.close()
    return _Running(process, here, job, slot)


def _send(running: Any) -> None:
    """Ask processes to save and end; a second time, to end at once."""
    for each in running:
        if each.process.is_alive():
            each.process.terminate()


def _ended(ended: _Running) -> str | None:
    """Return why a process failed, if it did."""
    ended.process.join()
    why = None
    with suppress(EOFError):
        why = ended.answer.recv() if ended.answer.poll() else None
    code = ended.process.exitcode
    ended.answer.close()
    if why is None and code == -signal.SIGKILL:
        return "was killed, perhaps for want of memory"
    return why if why or code in (0, -signal.SIGTERM, 128 + signal.SIGTERM) else f"ended with code {code}"


# In the process of a job


def _work(
    job: Job, runs: Path, count: int, gpu: str | None, silent: bool, said: set[str], answer: Connection
) -> None:  # fmt: skip
    os.setpgrp()  # so that a signal to all of a terminal's processes reaches this one once, by the one that shares out
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    multiprocessing.set_start_method(None, force=True)  # for processes that decode, as outside of this one
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        _do(job, runs, count, _Lines(job, silent=silent, bars=count == 1, said=said))
    except (Interrupted, KeyboardInterrupt):
        raise SystemExit(128 + signal.SIGTERM) from None
    except HiertaxError as error:
        answer.send(str(error))
        raise SystemExit(error.exit_code) from None


def _do(job: Job, runs: Path, count: int, reporter: Once) -> None:
    import joblib
    import torch

    from trainer.reproduce.work import train_frozen, train_whole
    from trainer.runtime.device import explaining_memory

    if count > 1:
        torch.set_num_threads(max(1, min(torch.get_num_threads(), joblib.cpu_count() // count)))
    if job.frozen:
        with explaining_memory(job.cells[0].config):
            train_frozen(job.cells, job.base, runs, reporter)
    else:
        for cell in job.cells:
            train_whole(cell, runs, reporter)


class _Lines(Once):
    """Tells of a job among others: each line begins with its name, and bars are left out."""

    def __init__(self, job: Job, *, silent: bool, bars: bool, said: set[str]) -> None:
        super().__init__(silent=silent, phrase=str if bars else lambda line: f"{job.cells[0].name}: {line}", said=said)
        self.bars, self.job = bars, job

    def renewed(self, *, silent: bool = False) -> _Lines:
        """Return one that speaks as this one does, or not at all."""
        return _Lines(self.job, silent=self.silent or silent, bars=self.bars, said=self.said)

    @property
    def shows_bars(self) -> bool:
        """Whether there is a terminal to show bars on, and one job that uses it."""
        return self.bars and super().shows_bars


def _end_with_parent() -> None:
    """Save and end when the process that shares out the jobs is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
