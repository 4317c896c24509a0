"""A network as a sequence of blocks, of which only the last ones may learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def is_plain(module: nn.Module) -> bool:
    """Whether a module does no more than call its parts one after the other."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def parts_of(modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Yield what images pass one after the other, with plain containers taken apart however deep they lie."""
    for module in modules:
        if isinstance(module, nn.ModuleList) or is_plain(module):
            yield from parts_of(module.children())
        else:
            yield module


def group_by_block(named: Iterable[tuple[str, nn.Parameter]], parts: Iterable[nn.Module]) -> list[list[str]]:
    """Return the names of the parameters of each block, from the first that images pass to the last.

    Parameters
    ----------
    named
        The parameters of the network with their names.
    parts
        The parts of the network in the order in which images pass them.

    Returns
    -------
    One list for each part with parameters. A part that has vectors only, as a normalisation has, belongs to the block
    before it; parameters of no part, such as position embeddings, belong to the first.
    """
    names = {id(parameter): name for name, parameter in named}
    blocks: list[list[str]] = []
    for part in parts:
        parameters = list(part.parameters())
        own = [names.pop(id(parameter)) for parameter in parameters if id(parameter) in names]
        if own and blocks and all(parameter.dim() == 1 for parameter in parameters):
            blocks[-1] += own
        elif own:
            blocks.append(own)
    return [[*names.values(), *blocks[0]], *blocks[1:]] if blocks else []


def batch_norms(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the parts that normalise by a batch's statistics and keep running ones."""
    return (part for part in module.modules() if isinstance(part, _BatchNorm))


def resting_parts(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the largest parts of a module that have parameters of which none learns."""
    for child in module.children():
        learns = [parameter.requires_grad for parameter in child.parameters()]
        if learns and not any(learns):
            yield child
        else:
            yield from resting_parts(child)
