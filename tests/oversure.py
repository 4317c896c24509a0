"""Heads that are surer than they should be, by a factor that tests know."""

import torch
from trees import WORKED


def overconfident(factor=3.0, count=4000, seed=0):
    """Return logits ``factor`` times those that the labels were drawn by, heads above the finest by their sums."""
    generator = torch.Generator().manual_seed(seed)
    leaves = torch.randn(count, 5, generator=generator)
    truth = WORKED.paths[torch.multinomial(leaves.softmax(1), 1, generator=generator)[:, 0].numpy()]
    logits = []
    for k in range(3):
        index = torch.from_numpy(WORKED.paths[:, k].copy())
        share = torch.zeros(count, WORKED.sizes[k]).index_add_(1, index, leaves.softmax(1))
        logits.append(factor * share.log())
    return logits, truth
