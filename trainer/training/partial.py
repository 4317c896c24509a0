"""How labels that are known in part enter the loss of each step of an epoch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from taxonomy import Hierarchy
from trainer.models.losses import PartialLabels, has_term

Ancestors = tuple[Tensor, ...]  # for each level k int64 ``[k + 1, C_k]``: the label at levels 0 to k of its labels


def ancestors_of(hierarchy: Hierarchy, device: torch.device) -> Ancestors:
    """Return for each level the labels above each of its labels, and themselves, coarsest first."""
    first = (np.unique(column, return_index=True)[1] for column in hierarchy.paths.T)
    return tuple(
        torch.from_numpy(np.ascontiguousarray(hierarchy.paths[rows, : k + 1].T)).to(device)
        for k, rows in enumerate(first)
    )


def partial_labels(batches: Tensor, parts: int, targets: Tensor, ancestors: Ancestors | None) -> list[PartialLabels]:
    """Return how the labels of each batch enter the loss.

    Every process knows all labels and all batches, so that nothing has to be sent for it.

    Parameters
    ----------
    batches
        int64 ``[steps, B]``: the samples of each step, over all processes.
    parts
        How many parts a batch is computed in, on all processes.
    targets
        int64 ``[N, K]`` of all samples, -1 where unknown.
    ancestors
        Those of `ancestors_of`, where an image answers for the taxon that is known of it; else None.
    """
    terms = has_term(targets, marginal=ancestors is not None)
    counts = terms[batches.to(targets.device)].sum(1).float() / parts  # [steps, K]
    return [PartialLabels(each, ancestors) for each in counts.unbind(0)]
