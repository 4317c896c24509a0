"""What every benchmark says of the machine and of its own process (Linux only)."""

from __future__ import annotations

import platform
from pathlib import Path


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def memory(field: str) -> int:
    """Return this process's resident bytes: ``VmRSS`` now, ``VmHWM`` at its peak."""
    return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0]) * 1024


def forget_peak() -> None:
    """Let the peak of this process be what it holds now."""
    Path("/proc/self/clear_refs").write_text("5")
