"""How logits become answers, as one frozen value: decoding, calibration, restriction, depth, and `unknown`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from trainer.inference.answering.stopping import (
    FloatArray,
    Nodes,
    best_served,
    best_trade,
    certain_depth,
    most_specific,
)
from trainer.inference.answering.unknown import SCORES, KnownScore
from trainer.inference.answering.wishes import Depth, check_choice, check_share
from trainer.inference.decoding import (
    DEFAULT,
    RULES,
    Decoded,
    LeafRule,
    Rule,
    decode,
    leaf_scores,
    node_probabilities,
    top_leaves,
)

LEAVES: Mapping[Rule, LeafRule] = {
    "leaf": "leaf", "path": "path", "chain": "chain", "greedy": "chain", "beam": "path",
}  # fmt: skip
BLOCK = 1 << 21  # nodes of all samples at a time, 16 MiB as float64


class Answered(NamedTuple):
    """What N samples are taken for, and how far down.

    Attributes
    ----------
    labels
        int64 ``[N, K]``: the label at every level, coarsest first, -1 below the depth of the answer.
    probability
        float64 ``[N, K]``: how likely each is, NaN below the depth of the answer.
    depth
        int64 ``[N]``: how many levels are answered: 0 for the root alone, K for a leaf.
    unknown
        bool ``[N]``: whether the sample is like nothing that was learned; its depth is 0 then.
    """

    labels: IntArray
    probability: FloatArray
    depth: IntArray
    unknown: NDArray[np.bool_]


class Ranked(NamedTuple):
    """The likeliest labels of one level, best first: int64 ``[N, k]``, and how likely they are, float64 ``[N, k]``."""

    labels: IntArray
    probability: FloatArray


@dataclass(frozen=True, eq=False)
class Answering:
    """How logits become answers; by default whole paths, as sure as the heads say, from anything in the tree.

    Attributes
    ----------
    hierarchy
        The K levels that the logits are of.
    decode
        Where labels come from, see `trainer.inference.decoding`: ``path``, ``leaf``, ``chain``, ``greedy``, ``beam``,
        or heads that are ``independent`` and may contradict each other.
    temperatures
        What the logits of each head are divided by where heads are asked one by one; None leaves them as they are.
    path_weights
        What they are multiplied by where all heads are asked for whole paths (``path``, ``beam``), for heads that agree
        are no independent witnesses; None leaves them as they are.
    rule
        How deep to answer: along the ``path`` as long as `confidence` holds; the most specific node above
        ``threshold`` `confidence`, or above one half (``majority``); or by information and `trade_off` (``darts``).
    confidence
        From 0 to 1; None answers down to the leaf.
    trade_off
        Lambda of ``darts``, 0 or more.
    served
        The share of an audience that an answer down to each of the K levels serves, which chooses the depth instead
        of `confidence` along the path; None for no audience.
    restriction
        bool ``[C_K]``: which leaves there may be; None for all.
    prior
        float64 ``[C_K]``: how much commoner than in training each leaf is, 0 or more; None for no difference.
    unknown_threshold
        What an image has to score to be of the tree; None takes all for it.
    unknown_score
        What it is scored by, see `trainer.inference.answering.unknown`.

    Raises
    ------
    HiertaxError
        If there is no such rule, a number is out of its range, settings contradict each other, or no leaf is left.
    """

    hierarchy: Hierarchy
    decode: Rule = DEFAULT
    temperatures: tuple[float, ...] | None = None
    path_weights: tuple[float, ...] | None = None
    rule: Depth = "path"
    confidence: float | None = None
    trade_off: float | None = None
    served: tuple[float, ...] | None = None
    restriction: NDArray[np.bool_] | None = None
    prior: FloatArray | None = None
    unknown_threshold: float | None = None
    unknown_score: KnownScore = "energy"

    def __post_init__(self) -> None:
        check_choice("decode", self.decode, tuple(RULES))
        check_choice("rule", self.rule, get_args(Depth))
        check_share("confidence", self.confidence)
        if self.rule == "threshold" and self.confidence is None:
            raise HiertaxError("`rule` threshold: give `confidence` too, or `target_accuracy`")
        if self.rule == "majority" and self.confidence is not None:
            raise HiertaxError("`rule` majority: is a threshold of one half; leave out `confidence`")
        if self.rule == "darts" and self.confidence is not None:
            raise HiertaxError(
                "`rule` darts: trades accuracy for information; give `target_accuracy` in place of `confidence`"
            )
        if self.rule == "darts" and self.trade_off is None:
            raise HiertaxError("`rule` darts: give `target_accuracy` too")
        if self.rule != "path" and self.decode == "independent":
            raise HiertaxError(f"`rule` {self.rule}: heads on their own have no tree to climb; choose another `decode`")
        if self.weights is not None and not self.weights.any():
            raise HiertaxError("`prior`: is zero for all that the restriction leaves; nothing could be answered")

    @cached_property
    def weights(self) -> FloatArray | None:
        """float64 ``[C_K]``: restriction and prior in one, None where there is neither."""
        if self.restriction is None:
            return self.prior
        allowed = self.restriction.astype(np.float64)
        return allowed if self.prior is None else allowed * self.prior

    def answer(self, logits: Sequence[Tensor]) -> Answered:
        """Answer for N samples.

        Parameters
        ----------
        logits
            K tensors ``[N, C_k]`` on the CPU, coarsest level first; N may be 0.
        """
        blocks = zip(*(level.split(self._block) for level in logits), strict=True)
        parts = [self._answer(block) for block in blocks]
        return Answered(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def top(self, logits: Sequence[Tensor], count: int) -> list[Ranked]:
        """Return the likeliest labels of every level, at most `count` of them, coarsest level first."""
        if count < 1:
            raise HiertaxError(f"`top_k` {count}: give a whole number of 1 or more")
        blocks = zip(*(level.split(self._block) for level in logits), strict=True)
        found = [[_best(level, count) for level in self.node_probabilities(block)] for block in blocks]
        return [Ranked(*map(np.concatenate, zip(*parts, strict=True))) for parts in zip(*found, strict=True)]

    def node_probabilities(self, logits: Sequence[Tensor]) -> list[FloatArray]:
        """Return how likely every label is, K arrays float64 ``[N, C_k]``, all samples at once."""
        scaled = self.scaled(logits)
        if self.decode == "independent":
            return [(z.double() + self._log_weight(k)).softmax(1).numpy() for k, z in enumerate(scaled)]
        scores = leaf_scores(self.hierarchy, scaled, LEAVES[self.decode]) + self._log_weight(self.hierarchy.depth - 1)
        return [np.minimum(level, 1.0) for level in node_probabilities(self.hierarchy, scores.softmax(1).numpy())]

    @property
    def _block(self) -> int:
        return max(1, BLOCK // sum(self.hierarchy.sizes))

    @cached_property
    def _nodes(self) -> Nodes:
        return Nodes(self.hierarchy)

    @property
    def is_calibrated(self) -> bool:
        """Whether probabilities were fitted to how often answers are right."""
        return self.temperatures is not None or self.path_weights is not None

    def scaled(self, logits: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return logits, K tensors ``[N, C_k]``, as calibration has them where `decode` is what they are for."""
        if LEAVES.get(self.decode) == "path":
            factors = self.path_weights
        else:
            factors = None if self.temperatures is None else tuple(1 / t for t in self.temperatures)
        return logits if factors is None else [z.double() * f for z, f in zip(logits, factors, strict=True)]

    def _log_weight(self, level: int) -> Tensor:
        """Return the logarithm of the weight of each label of a level, the mean weight of the leaves below it."""
        if self.weights is None:
            return torch.zeros(1, dtype=torch.float64)
        under, size = self.hierarchy.paths[:, level], self.hierarchy.sizes[level]
        mean = np.bincount(under, self.weights, size) / np.bincount(under, minlength=size)
        return torch.from_numpy(mean).log()

    def weigh(self, logits: Sequence[Tensor]) -> Decoded | FloatArray:
        """Return what the depth of answers is decided on, the same whatever `confidence` and `trade_off` are.

        Returns
        -------
        The full answers, or, for rules that look at all nodes, how likely each is, float64 ``[N, 1 + sum of C_k]``.
        """
        if self.rule == "path":
            return self._full(logits)
        levels = self.node_probabilities(logits)
        return np.concatenate([np.ones((len(levels[0]), 1)), *levels], axis=1)

    def decide(self, weighed: Decoded | FloatArray) -> tuple[Decoded, IntArray]:
        """Return labels and probabilities, and down to which depth they are the answers, int64 ``[N]``."""
        if isinstance(weighed, Decoded):
            if self.served is not None:
                return weighed, best_served(weighed.probability, self.served)
            if self.confidence is None:
                return weighed, np.full(len(weighed.labels), self.hierarchy.depth)
            return weighed, certain_depth(weighed.probability, self.confidence)
        if self.rule == "darts":
            best = best_trade(self._nodes, weighed, self.trade_off or 0.0)
        else:
            best = most_specific(self._nodes, weighed, 0.5 if self.confidence is None else self.confidence)
        labels = self._nodes.paths[best]
        probability = np.take_along_axis(weighed, self._nodes.start + labels, axis=1)  # below the node any will do
        return Decoded(labels, probability), self._nodes.depth[best]

    def _answer(self, logits: Sequence[Tensor]) -> Answered:
        found, depth = self.decide(self.weigh(logits))
        unknown = np.zeros(len(depth), dtype=np.bool_)
        if self.unknown_threshold is not None:
            unknown = SCORES[self.unknown_score](logits[-1]) < self.unknown_threshold
        depth = np.where(unknown, 0, depth)
        below = np.arange(self.hierarchy.depth) >= depth[:, None]
        return Answered(np.where(below, -1, found.labels), np.where(below, np.nan, found.probability), depth, unknown)

    def _full(self, logits: Sequence[Tensor]) -> Decoded:
        """Return an answer at every level."""
        if self.weights is None:
            return decode(self.hierarchy, self.scaled(logits), self.decode)
        if self.decode == "beam":
            weights = [self._log_weight(k) for k in range(self.hierarchy.depth)]
            ruled_out = [
                torch.where(w.isneginf(), w, 0.0) for w in weights[:-1]
            ]  # the prior counts once, at the leaves
            return decode(
                self.hierarchy,
                [z.double() + w for z, w in zip(self.scaled(logits), [*ruled_out, weights[-1]], strict=True)],
                "beam",
            )
        nodes = self.node_probabilities(logits)
        if self.decode == "independent":
            labels = np.stack([level.argmax(axis=1) for level in nodes], axis=1)
        elif self.decode == "greedy":
            labels = _downwards(self.hierarchy, nodes)
        else:
            labels = self.hierarchy.paths[nodes[-1].argmax(axis=1)]
        rows = np.arange(len(labels))
        return Decoded(labels, np.stack([level[rows, at] for level, at in zip(nodes, labels.T, strict=True)], axis=1))


def _downwards(hierarchy: Hierarchy, nodes: Sequence[FloatArray]) -> IntArray:
    """Return the likeliest label of the coarsest level, then of its children, and so on, int64 ``[N, K]``."""
    labels = [nodes[0].argmax(axis=1)]
    for level, probability in zip(hierarchy.levels[1:], nodes[1:], strict=True):
        own = level.parents == labels[-1][:, None]
        labels.append(np.where(own, probability, -1.0).argmax(axis=1))
    return np.stack(labels, axis=1)


def _best(probability: FloatArray, count: int) -> Ranked:
    labels = top_leaves(torch.from_numpy(probability), count)
    return Ranked(labels, np.take_along_axis(probability, labels, axis=1))
