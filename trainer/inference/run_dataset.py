"""The dataset that a run was trained on, opened once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.inference.predictor import Predictor
from trainer.runtime.progress import Reporter


class Where(TypedDict, total=False):
    """Where the images of a run are and how they are read, as `run_dataset` takes it and functions above pass on."""

    data: str | Path | None
    skip_bad_images: bool | None
    cache: str
    workers: int | None


def run_dataset(
    predictor: Predictor,
    reporter: Reporter,
    *,
    data: str | Path | None = None,
    skip_bad_images: bool | None = None,
    cache: str = "auto",
    workers: int | None = None,
) -> tuple[Config, LabelledDataset]:
    """Prepare the dataset of a run again.

    Parameters
    ----------
    data
        The dataset's folder, if it is no longer where the run found it.
    skip_bad_images
        Whether to go on without images that cannot be decoded; as the run did where not given.
    cache, workers
        See `trainer.config.Config`.

    Returns
    -------
    config
        The run's, with what was given.
    dataset
        Its images, joined to the run's hierarchy.

    Raises
    ------
    HiertaxError
        If the dataset cannot be read, or has other classes than the run was trained on.
    """
    changes: dict[str, Any] = {"cache": cache, "workers": workers}
    changes |= {} if data is None else {"data": str(data)}
    changes |= {} if skip_bad_images is None else {"skip_bad_images": skip_bad_images}
    config = replace(predictor.config, **changes)
    return config, LabelledDataset.prepare(config, predictor.hierarchy, reporter, run=predictor.run)
