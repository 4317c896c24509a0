"""The audiences that a server offers: the two that are shipped, and those of profiles that it was started with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from taxonomy import Hierarchy, HiertaxError
from taxonomy.study.profiles import SHIPPED, find_audience, served_at


@dataclass(frozen=True)
class Offered:
    """An audience by the name under which it may be asked for.

    Attributes
    ----------
    said
        Whose choices it rests on, and how they were fitted to the levels of the hierarchy.
    served
        F_k, for each of the K levels (`taxonomy.study.profiles`).
    """

    name: str
    said: str
    served: tuple[float, ...]


def offered(hierarchy: Hierarchy, profiles: Sequence[str | Path] = ()) -> Mapping[str, Offered]:
    """Look up all audiences once, so that no request leads to a file.

    Parameters
    ----------
    profiles
        Files of ``hiertax study profile``, with or without one of their groups, as ``birds.json:group2``, which is then
        called ``birds:group2``.

    Raises
    ------
    HiertaxError
        If there is no such file or group, or two have one name.
    """
    levels = [level.name for level in hierarchy.levels]
    found: dict[str, Offered] = {}
    for wished in (*SHIPPED, *profiles):
        name = Path(wished).name.replace(".json", "")
        if name in found:
            raise HiertaxError(f"`audience` {wished}: another one is called {name!r} already; rename the file")
        served, said = served_at(find_audience(wished), levels)
        found[name] = Offered(name, said, served)
    return found
