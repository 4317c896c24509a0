"""Scores of a trained run on the whole test set of its dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from taxonomy import HiertaxError
from taxonomy.metrics import RESAMPLES
from trainer.data.datasets import ImageDataset
from trainer.data.inputs import Inputs
from trainer.data.placement import open_split
from trainer.evaluation.scores import SCORED, Scores, score_batches
from trainer.inference.answering.answer import Answering
from trainer.inference.decoding import Rule
from trainer.inference.forward import stream_logits
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import run_dataset
from trainer.runtime.progress import Reporter


def evaluate(
    predictor: Predictor,
    reporter: Reporter,
    *,
    data: str | Path | None = None,
    skip_bad_images: bool | None = None,
    cache: str = "auto",
    workers: int | None = None,
    rules: Sequence[Rule] = SCORED,
    resamples: int = RESAMPLES,
) -> Scores:
    """Score a run on every test image.

    Logits are scored batch by batch, so that memory hardly grows with the number of images.

    Parameters
    ----------
    data, skip_bad_images, cache, workers
        See `trainer.inference.run_dataset`.
    rules
        The rules of decoding to score.
    resamples
        How many resamples to take intervals from, 0 for none.

    Raises
    ------
    HiertaxError
        If the dataset cannot be read, or has other classes than the run was trained on.
    """
    config, task = run_dataset(
        predictor, reporter, data=data, skip_bad_images=skip_bad_images, cache=cache, workers=workers
    )
    dataset = task.dataset
    images, kept = open_split(dataset.test, dataset.scored, config, predictor.compute, reporter)
    about = {
        "run": str(predictor.run), "method": config.method, "backbone": config.backbone, "seed": config.seed,
        "epoch": predictor.epoch,
    }  # fmt: skip
    answering = predictor.answering
    with reporter.images("scoring", len(kept)) as advance:
        return score_batches(
            Answering(task.hierarchy, temperatures=answering.temperatures, path_weights=answering.path_weights),
            task.paths[dataset.test.labels[kept]],
            _finite_logits(predictor, images, advance),
            rules=rules,
            resamples=resamples,
            images=_names(dataset, kept),
            split=dataset.scored,
            left_out=len(dataset.test) - len(kept),
            about=about,
        )


def _finite_logits(predictor: Predictor, images: Inputs, advance: Callable[[int], None]) -> Iterator[list[Tensor]]:
    size = predictor.config.batch_size
    for logits in stream_logits(predictor.network, images, batch_size=size, compute=predictor.compute):
        if not all(level.isfinite().all() for level in logits):
            raise HiertaxError(
                f"{predictor.run}: its logits are not finite on {predictor.compute}; try another `device`"
            )
        yield logits
        advance(len(logits[0]))


def _names(dataset: ImageDataset, kept: Sequence[int]) -> tuple[str, ...]:
    """Call images by where they lie below the dataset's folder, which may have moved."""
    paths = (dataset.test.paths[i] for i in kept)
    return tuple(str(path.relative_to(dataset.root) if path.is_relative_to(dataset.root) else path) for path in paths)


def label_runs(paths: Sequence[Path]) -> dict[str, Path]:
    """Call each run, given once or twice, by its folder's name, or by its path where two folders have one name."""
    places = list(dict.fromkeys(path.resolve() for path in paths))
    names = [place.name for place in places]
    return dict(zip(names if len(set(names)) == len(names) else map(str, places), places, strict=True))
