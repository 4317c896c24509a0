"""What each of two processes that ``torchrun`` starts does for test_team.py: ``two_processes.py OUT``.

Each writes what it found to ``OUT/RANK.json``, and leaves by the same error.
"""

import hashlib
import json
import sys
import time
from contextlib import chdir
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from tiny import FREEZABLE, TwoSteps, of_stages, paths
from torch import nn

from taxonomy import Hierarchy, HiertaxError
from trainer import sketchbirds
from trainer.config import METHODS, Config
from trainer.data.augment import Recipe, draw_params
from trainer.data.inputs import ArrayInputs
from trainer.data.labelled import LabelledDataset
from trainer.data.samples import Samples
from trainer.inference.forward import count_right
from trainer.models.losses import Objective
from trainer.models.methods import build_network
from trainer.models.network import Network
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, join_processes
from trainer.runtime.progress import Reporter
from trainer.sketchbirds import draw_dataset
from trainer.training.epoch import plan_epoch, train_epoch
from trainer.training.learner import Learner

CPU = Compute(torch.device("cpu"))
CONFIG = Config("none.json", backbone="squeezenet1_1", weights="none", batch_size=8, learning_rate=0.01, epochs=2)
SIZES = (2, 4)
ANCESTORS = (torch.tensor([[0, 1]]), torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3]]))


class Forgetful(Network):
    """A head that drops half of what it sees, each time another half."""

    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(512, size) for size in SIZES)

    def forward(self, features):
        return [head(nn.functional.dropout(features, 0.5, self.training)) for head in self.heads]


def samples(count, *, frozen, known=None):
    """Images or features; of all but the first few, where `known` says how many, the finest label is not known."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    fine = torch.arange(count) % 4
    inputs = torch.randn(count, 512, generator=generator) if frozen else images
    targets = torch.stack([fine // 2, fine], dim=1)
    if known is not None:
        targets[known:, 1] = -1
    return Samples(ArrayInputs(inputs), targets)


def learn(network, config, group, data):
    """Train for two epochs; return the learner, and the loss of either epoch."""
    objective = Objective(ANCESTORS if config.partial_labels == "marginal" else None)
    learner = Learner(network, config, CPU, len(SIZES), group, objective=objective)
    losses = []
    for epoch in range(2):
        plan = plan_epoch(
            len(data), epoch, batch_size=config.batch_size, parts=config.accumulate, group=group,
            draw=(lambda g: draw_params(Recipe(), len(data), 32, g)) if data.inputs.tensor.dim() == 4 else None,
        )  # fmt: skip
        train_epoch(learner, data, plan, CPU, seed=epoch, group=group)
        learner.pool()
        losses.append(learner.finish_epoch()[0])
    return learner, losses


def digest(tensors):
    """Return one word for tensors: equal words, equal bits."""
    content = b"".join(name.encode() + tensor.numpy().tobytes() for name, tensor in sorted(tensors.items()))
    return hashlib.sha256(content).hexdigest()


def furthest(one, other):
    """Return how far apart the parameters of two networks are at most."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def compared(group, make, config, data):
    """Train a network in both processes, and again alone in as many parts; return what tests compare."""
    together, alone = make(), make()
    mine, losses = learn(together, config, group, data)
    own, expected = learn(alone, replace(config, accumulate=config.accumulate * group.size), SINGLE, data)
    return {
        "state": digest(mine.tensors()),
        "apart": furthest(mine.network, own.network),
        "answering_apart": furthest(mine.answering, own.answering),
        "losses": [losses, expected],
    }


def networks():
    """Yield name, maker, config and frozen for every network to compare."""

    def of_features(method, frozen=True):
        def make():
            torch.manual_seed(0)
            return build_network(method, "squeezenet1_1", SIZES, paths=paths(SIZES), frozen=frozen)

        return make

    def maker(method, frozen):
        return of_features(method) if frozen else partial(of_stages, method)

    def forgetful():
        torch.manual_seed(0)
        return Forgetful()

    for method, frozen in (*((method, False) for method in METHODS), *((method, True) for method in FREEZABLE)):
        yield f"{method} {'frozen' if frozen else 'whole'}", maker(method, frozen), CONFIG, frozen, None
    yield "ours in parts", maker("ours", True), replace(CONFIG, accumulate=2), True, None
    yield "ours averaged", maker("ours", False), replace(CONFIG, ema=0.9), False, None
    yield "heads first", of_features("ours", frozen=False), replace(CONFIG, heads_first=1), True, None
    yield "with dropout", forgetful, CONFIG, True, None
    yield "two steps", TwoSteps, CONFIG, False, None
    yield "two steps in parts", TwoSteps, replace(CONFIG, accumulate=2), False, None
    for known in (0, 1, 5):  # with one, one of the processes knows no finest label
        yield f"{known} finest labels known", maker("ours", True), CONFIG, True, known
    marginal = replace(CONFIG, partial_labels="marginal")
    yield "one finest label known, marginal", maker("ours", False), marginal, False, 1
    yield "in parts, marginal", maker("vanilla_multi", True), replace(marginal, accumulate=2), True, 3


def draw_once(group, out):
    """Prepare the embedded dataset, drawn small; return how many times this process has drawn it."""
    drawn = []

    def draw(folder, on_image):
        drawn.append(folder)
        time.sleep(0.3)
        draw_dataset(folder, on_image=on_image, per_class_train=1, per_class_test=1, size=32)

    sketchbirds.draw_dataset = draw
    hierarchy = Hierarchy.load(Path(__file__).parents[3] / "hierarchies" / "sketchbirds.json")
    reporter = Reporter()
    reporter.console.quiet = True
    with chdir(out):  # nothing is drawn into a folder that was named
        prepared = LabelledDataset.prepare(replace(CONFIG, data=None), hierarchy, reporter, group)
    return {"drawn": len(drawn), "found": len(prepared.dataset.train)}


def main(out):
    with join_processes() as group:
        facts = {
            "leads": group.is_main,
            "size": group.size,
            "total": group.all_reduce_sum_(torch.tensor([1.0, group.rank])).tolist(),
            "any": [group.any(flag) for flag in (False, group.rank == 1, True)],
        }
        buffers = {"float": torch.tensor([1.0, 4.0 * group.rank]), "count": torch.tensor(7 + group.rank)}
        for buffer in buffers.values():
            group.all_reduce_mean_(buffer)
        facts["average"] = {name: buffer.tolist() for name, buffer in buffers.items()}
        facts["birds"] = draw_once(group, out)
        facts["networks"] = {
            name: compared(group, make, config, samples(config.batch_size, frozen=frozen, known=known))
            for name, make, config, frozen, known in networks()
        }
        scored = of_stages("vanilla_multi")
        for count in (1, 5):
            right, _, finite = count_right(scored, samples(count, frozen=False), batch_size=2, compute=CPU, group=group)
            alone, *_ = count_right(scored, samples(count, frozen=False), batch_size=2, compute=CPU)
            facts[f"scored {count}"] = [right.tolist(), alone.tolist(), finite]
        (out / f"{group.rank}.json").write_text(json.dumps(facts))
        raise HiertaxError("what both processes meet")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except HiertaxError as error:
        sys.exit(f"error: {error}")
