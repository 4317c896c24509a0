"""Scores of a trained run on the whole test set of its dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from torch import Tensor

from taxonomy import HiertaxError
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import RESAMPLES
from trainer.config import Config
from trainer.data.inputs import Inputs
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.evaluation.scores import SCORED, Scores, score_batches
from trainer.inference.answering.answer import Answering
from trainer.inference.decoding import Rule
from trainer.inference.forward import stream_logits
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import Where, run_dataset
from trainer.runtime.progress import Reporter


@dataclass(frozen=True, eq=False)
class TestSet:
    """The images that a run is scored on.

    Attributes
    ----------
    config
        The run's settings, with what was given in their place.
    task
        Its dataset, joined to its hierarchy.
    inputs
        The N decoded images.
    kept
        The positions of these in ``task.dataset.test``; those that are missing cannot be decoded.
    """

    __test__ = False  # pytest would take the name for a class of tests

    config: Config
    task: LabelledDataset
    inputs: Inputs
    kept: Sequence[int]

    @property
    def truth(self) -> IntArray:
        """int64 ``[N, K]``: the true label at every level, -1 where it is unknown."""
        return self.task.paths[self.task.dataset.test.labels[self.kept]]

    @property
    def left_out(self) -> int:
        """How many images cannot be decoded."""
        return len(self.task.dataset.test) - len(self.kept)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The N image files."""
        return tuple(self.task.dataset.test.paths[i] for i in self.kept)

    @property
    def names(self) -> tuple[str, ...]:
        """What the images are called: where they lie below the dataset's folder, which may have moved."""
        root = self.task.dataset.root
        return tuple(str(path.relative_to(root) if path.is_relative_to(root) else path) for path in self.paths)


def open_test_set(predictor: Predictor, reporter: Reporter, **where: Unpack[Where]) -> TestSet:
    """Open the images that a run is scored on.

    Parameters
    ----------
    where
        As of `trainer.inference.run_dataset.run_dataset`.

    Raises
    ------
    HiertaxError
        If the dataset cannot be read, or has other classes than the run was trained on.
    """
    config, task = run_dataset(predictor, reporter, **where)
    return TestSet(
        config, task, *open_split(task.dataset.test, task.dataset.scored, config, predictor.compute, reporter)
    )


def score_test_set(
    predictor: Predictor,
    images: TestSet,
    reporter: Reporter,
    *,
    rules: Sequence[Rule] = SCORED,
    resamples: int = RESAMPLES,
    on_logits: Callable[[list[Tensor]], None] = lambda _: None,
) -> Scores:
    """Score a run on open images, in one pass through them.

    Logits are scored batch by batch, so that memory hardly grows with the number of images.

    Parameters
    ----------
    rules, resamples
        As of `evaluate`.
    on_logits
        Called with the logits of each batch, K float32 tensors ``[B, C_k]`` on the CPU.

    Raises
    ------
    HiertaxError
        If the logits are not finite.
    """
    config, answering = images.config, predictor.answering
    about = {
        "run": str(predictor.run), "method": config.method, "backbone": config.backbone, "seed": config.seed,
        "epoch": predictor.epoch,
    }  # fmt: skip
    with reporter.images("scoring", len(images.kept)) as advance:

        def batches() -> Iterator[list[Tensor]]:
            for logits in _finite_logits(predictor, images.inputs):
                on_logits(logits)
                yield logits
                advance(len(logits[0]))

        return score_batches(
            Answering(images.task.hierarchy, temperatures=answering.temperatures, path_weights=answering.path_weights),
            images.truth,
            batches(),
            rules=rules,
            resamples=resamples,
            images=images.names,
            split=images.task.dataset.scored,
            left_out=images.left_out,
            about=about,
        )


def evaluate(
    predictor: Predictor,
    reporter: Reporter,
    *,
    rules: Sequence[Rule] = SCORED,
    resamples: int = RESAMPLES,
    **where: Unpack[Where],
) -> Scores:
    """Score a run on every test image.

    Parameters
    ----------
    rules
        The rules of decoding to score.
    resamples
        How many resamples to take intervals from, 0 for none.
    where
        As of `open_test_set`.

    Raises
    ------
    HiertaxError
        As `open_test_set` and `score_test_set`.
    """
    images = open_test_set(predictor, reporter, **where)
    return score_test_set(predictor, images, reporter, rules=rules, resamples=resamples)


def _finite_logits(predictor: Predictor, images: Inputs) -> Iterator[list[Tensor]]:
    size = predictor.config.batch_size
    for logits in stream_logits(predictor.network, images, batch_size=size, compute=predictor.compute):
        if not all(level.isfinite().all() for level in logits):
            raise HiertaxError(
                f"{predictor.run}: its logits are not finite on {predictor.compute}; try another `device`"
            )
        yield logits


def label_runs(paths: Sequence[Path]) -> dict[str, Path]:
    """Call each run, given once or twice, by its folder's name, or by its path where two folders have one name."""
    places = list(dict.fromkeys(path.resolve() for path in paths))
    names = [place.name for place in places]
    return dict(zip(names if len(set(names)) == len(names) else map(str, places), places, strict=True))
