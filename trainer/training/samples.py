"""A split's images and labels, ready to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.data.datasets import Split
from trainer.data.inputs import ArrayInputs
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.data.samples import Samples
from trainer.inference.features import features_of
from trainer.models.methods import Network
from trainer.runtime.device import Compute
from trainer.runtime.processes import ProcessGroup
from trainer.runtime.progress import Reporter


class UnlearnableError(HiertaxError):
    """No training image of a class can be decoded, so that nobody can learn it.

    Attributes
    ----------
    bad
        All training images that cannot be decoded.
    """

    def __init__(self, bad: set[Path], name: str) -> None:
        super().__init__(f"class {name!r}: not one of its training images can be decoded; replace them")
        self.bad = bad


def load_samples(
    split: Split, what: str, config: Config, task: LabelledDataset, network: Network, compute: Compute,
    group: ProcessGroup, reporter: Reporter,
) -> Samples:  # fmt: skip
    """Open a split's images and, for a frozen backbone, replace them by their features.

    Raises
    ------
    UnlearnableError
        If images of a class are to be trained on, and not one can be decoded.
    HiertaxError
        As `open_split` does.
    """
    with group.one_by_one():  # so that the one that decodes them is the one that says so
        inputs, kept = open_split(split, what, config, compute, reporter)
    if what == "training" and not task.is_fixed:
        _check_learnable(split, kept, task)
    if config.freeze_backbone:
        inputs = ArrayInputs(features_of(inputs, what, network, config, compute, reporter))
    return Samples(inputs, torch.from_numpy(task.paths[split.labels[kept]]).to(compute.device))


def _check_learnable(split: Split, kept: Sequence[int], task: LabelledDataset) -> None:
    classes = split.labels[split.labels < len(task.dataset.classes)]  # a taxon above them may lose its images
    if lost := sorted(set(classes.tolist()) - set(split.labels[kept].tolist())):
        bad = {split.paths[i] for i in np.setdiff1d(np.arange(len(split)), kept)}
        raise UnlearnableError(bad, task.dataset.classes[lost[0]])
