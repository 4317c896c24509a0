"""The libraries of networks, imported without torch's compiler."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

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
    """Import torchvision within, without the seconds that it takes to import torch's compiler.

    One of torchvision's modules, `torchvision.ops.roi_align`, imports a function of the compiler's, which it calls when
    it computes. What asks for anything else of that module has it as usual.
    """
    if ASKED in sys.modules or "torchvision" in sys.modules:
        yield
        return
    sys.modules[ASKED] = stand_in = StandIn(ASKED)
    try:
        yield
    finally:
        if sys.modules.get(ASKED) is stand_in:
            del sys.modules[ASKED]
