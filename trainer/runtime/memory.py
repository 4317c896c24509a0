"""How much memory may still be taken: that of the machine, or of the container or job that this process runs in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import psutil

GROUPS: Final = Path("/sys/fs/cgroup")  # where Linux shows its control groups, which containers and jobs are
OWN: Final = Path("/proc/self/cgroup")  # those that this process is in


class _Files(NamedTuple):
    """What the files of a control group are called, and the line of ``memory.stat`` of what may be dropped."""

    limit: str
    used: str
    droppable: str


_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")
_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def free_memory(groups: Path = GROUPS, own: Path = OWN) -> int:
    """Return how many bytes may still be taken, by the machine and by every control group around this process.

    Parameters
    ----------
    groups, own
        Where Linux shows control groups, and which of them this process is in; nothing lies there on other systems.
    """
    return min([psutil.virtual_memory().available, *_rooms(groups, own)])


def _rooms(groups: Path, own: Path) -> Iterator[int]:
    """Yield what each group with a limit leaves; in a container the outermost that it sees is its own."""
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, files = (groups / "memory", _VERSION_1) if controllers else (groups, _VERSION_2)
        group = root if ".." in path else root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root) and (room := _room(folder, files)) is not None:
                yield room


def _room(group: Path, files: _Files) -> int | None:
    """Return what a group may still take, its cache of files that are not in use aside; None where it has no limit."""
    limit, used = _text(group / files.limit).strip(), _text(group / files.used).strip()
    if not (limit.isdecimal() and used.isdecimal()):  # "max" is none
        return None
    stat = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines() if " " in line)
    return max(0, int(limit) - int(used) + int(stat.get(files.droppable, 0)))


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
