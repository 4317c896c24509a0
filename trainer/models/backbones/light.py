"""The libraries of networks, imported without torch's compiler."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch._compile import _disable_dynamo

ASKED = "torch._dynamo.utils"


class StandIn(ModuleType):
    """What is found in place of a module of the compiler's until something of it is needed."""

    def is_compile_supported(self, device_type: str) -> bool:
        """Answer as the compiler does."""
        return bool(import_module(ASKED).is_compile_supported(device_type))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(ASKED) is self:
            del sys.modules[ASKED]
        return getattr(import_module(ASKED), name)


@contextmanager
def without_compiler() -> Iterator[None]:
    """Import torchvision and timm within, without the seconds that it takes to import torch's compiler.

    One of torchvision's modules, `torchvision.ops.roi_align`, imports a function of the compiler's, which it calls when
    it computes; what asks for anything else of that module has it as usual. Some networks of timm have methods that
    are kept out of what is compiled, which is done when such a method is first called.
    """
    if "torch._dynamo" in sys.modules:
        yield
        return
    kept = torch.compiler.disable
    sys.modules[ASKED] = stand_in = StandIn(ASKED)
    torch.compiler.disable = _disable_when_called
    try:
        yield
    finally:
        torch.compiler.disable = kept
        if sys.modules.get(ASKED) is stand_in:
            del sys.modules[ASKED]


def _disable_when_called(fn: Any = None, recursive: Any = True, *, reason: Any = None) -> Any:  # noqa: ARG001
    """Do what `torch.compiler.disable` does, but no sooner than what is disabled is called."""
    return _disable_dynamo(fn, recursive)
