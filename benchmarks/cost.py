"""What an image costs each method, counted rather than timed: floating-point operations, and memory of a training step.

    python benchmarks/cost.py                              # ResNet-50, 224 and 448 px, CUB's levels; some minutes
    python benchmarks/cost.py --size 64 --backbone resnet10 --method ours --method ours_pmg

Operations are PyTorch's own count (`torch.utils.flop_counter`): of all training steps, forward and backward, and of one
answer. Memory is what a step keeps of an image for its backward pass, in float32: the tensors that autograd saves,
parameters aside, each storage once, the largest step where there are several. Weights, gradients and momentum take 12
bytes a parameter beside it. Images are made up; what is counted does not depend on the machine.
"""

from __future__ import annotations

import sys

sys.path.append(sys.path.pop(0))  # files here have names of the package's: look for the package first

import click
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from taxonomy.sources.curated import build
from trainer.config import METHODS
from trainer.models.losses import PLAIN
from trainer.models.methods import build_network
from trainer.models.network import Network

IMAGES = 2  # of a batch, which batch normalisation needs


def kept_bytes(network: Network, step: int, images: Tensor, targets: Tensor) -> int:
    """Return how many bytes a training step saves for its backward pass, and run that."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    storages: dict[int, int] = {}
    alive = []  # so that no storage's place is given to another

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _ = network.training_steps()[step](images, targets, None, PLAIN)
    loss.backward()
    return sum(storages.values())


def cost(method: str, backbone: str, size: int) -> tuple[float, float, float]:
    """Return GFLOP of training and of answering, and MiB that a training step keeps, of one image."""
    tree = build("cub")
    network = build_network(method, backbone, tree.sizes, paths=tree.paths, image_size=size)
    images, targets = torch.rand(IMAGES, 3, size, size), torch.tensor(tree.paths[:IMAGES])
    with FlopCounterMode(display=False) as training:
        kept = max(kept_bytes(network.train(), k, images, targets) for k in range(len(network.training_steps())))
    with FlopCounterMode(display=False) as answering, torch.inference_mode():
        network.eval()(images)
    operations = (counter.get_total_flops() / IMAGES / 1e9 for counter in (training, answering))
    return (*operations, kept / IMAGES / 2**20)


@click.command(context_settings={"show_default": True})
@click.option("--method", "methods", multiple=True, type=click.Choice(METHODS), default=METHODS, help="Of which.")
@click.option("--backbone", default="resnet50", help="As of hiertrain.")
@click.option("--size", "sizes", multiple=True, type=int, default=(224, 448), help="Pixels per side.")
def main(methods: tuple[str, ...], backbone: str, sizes: tuple[int, ...]) -> None:
    """Count what an image costs each method."""
    click.echo(
        f"| {backbone} | px | GFLOP of training | of answering | MiB kept |\n| --- | ---: | ---: | ---: | ---: |"
    )
    for method in methods:
        for size in sizes:
            training, answering, kept = cost(method, backbone, size)
            click.echo(f"| `{method}` | {size} | {training:.1f} | {answering:.1f} | {kept:.0f} |")


if __name__ == "__main__":
    main()
