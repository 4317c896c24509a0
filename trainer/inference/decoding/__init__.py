"""From the logits of K heads to labels and probabilities, by one rule or another (docs/methods.md, "Answers")."""

from trainer.inference.decoding.leaves import (
    LEAF_RULES,
    LeafRule,
    leaf_distribution,
    leaf_scores,
    node_probabilities,
    top_leaves,
)
from trainer.inference.decoding.rules import (
    BEAM_WIDTH,
    DEFAULT,
    RULES,
    Decoded,
    Rule,
    beam,
    best_leaf,
    blocks,
    chain,
    decode,
    greedy,
    independent,
    leaf,
    path,
    rows_of_block,
    top_labels,
)

__all__ = [
    "BEAM_WIDTH", "DEFAULT", "LEAF_RULES", "RULES", "Decoded", "LeafRule", "Rule", "beam", "best_leaf", "blocks",
    "chain", "decode", "greedy", "independent", "leaf", "leaf_distribution", "leaf_scores", "node_probabilities",
    "path", "rows_of_block", "top_labels", "top_leaves",
]  # fmt: skip
