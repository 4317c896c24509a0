"""What images are taken for by several rules, kept from logits that come and go batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import TOPS, Predictions, distances_of_top
from trainer.inference.decoding import (
    LEAF_RULES,
    RULES,
    LeafRule,
    Rule,
    best_leaf,
    blocks,
    leaf_scores,
    rows_of_block,
    top_leaves,
)


def predictions_of(
    hierarchy: Hierarchy, truth: IntArray, batches: Iterable[Sequence[Tensor]], rules: Sequence[Rule]
) -> dict[Rule, Predictions]:
    """Decode logits by some rules, and keep of them no more than the scores need.

    Parameters
    ----------
    truth
        int64 ``[N, K]``: the true label at every level, -1 where it is unknown.
    batches
        The logits of some images after others, each K tensors ``[B, C_k]`` on the CPU; N at least 1 in all.
    """
    parts: dict[Rule, list[Predictions]] = {rule: [] for rule in rules}
    done = 0
    for block in _blocks(hierarchy, batches):
        leaves = truth[done : done + len(block[0]), -1]
        done += len(leaves)
        for rule in rules:
            parts[rule].append(_predict(hierarchy, leaves, block, rule))
    return {rule: _joined(each) for rule, each in parts.items()}


def _blocks(hierarchy: Hierarchy, batches: Iterable[Sequence[Tensor]]) -> Iterator[list[Tensor]]:
    """Join batches, or take them apart, to blocks that are decoded at once."""
    waiting: list[Sequence[Tensor]] = []
    rows = rows_of_block(hierarchy)
    for batch in batches:
        waiting.append(batch)
        if sum(len(each[0]) for each in waiting) >= rows:
            yield from blocks(hierarchy, [torch.cat(level) for level in zip(*waiting, strict=True)])
            waiting.clear()
    if waiting:
        yield from blocks(hierarchy, [torch.cat(level) for level in zip(*waiting, strict=True)])


def _predict(hierarchy: Hierarchy, truth: IntArray, logits: Sequence[Tensor], rule: Rule) -> Predictions:
    """Decode one block; the rules that rank leaves tell how far the best of them are from the truth ``[B]``."""
    ranking = _ranking(rule)
    scores = leaf_scores(hierarchy, logits, ranking) if ranking else None
    decoded = best_leaf(hierarchy, scores) if scores is not None and ranking == rule else RULES[rule](hierarchy, logits)
    top = decoded.labels[:, -1:] if scores is None else top_leaves(scores, max(TOPS))
    return Predictions(*decoded, distances_of_top(hierarchy, truth, top))


def _ranking(rule: Rule) -> LeafRule | None:
    """Return by what a rule ranks all leaves: independent heads by the finest; None where it ranks none."""
    if rule == "independent":
        return "leaf"
    return next((ranking for ranking in LEAF_RULES if ranking == rule), None)


def _joined(parts: Sequence[Predictions]) -> Predictions:
    distances: Mapping[int, Sequence[IntArray]] = {k: [part.distances[k] for part in parts] for k in parts[0].distances}
    said = [part.probability for part in parts if part.probability is not None]
    return Predictions(
        np.concatenate([part.labels for part in parts]),
        np.concatenate(said),
        {k: np.concatenate(sums) for k, sums in distances.items()},
    )
