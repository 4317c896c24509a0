"""Files in, files out: what ``hiertax cluster`` reads, writes and says."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from taxonomy.clustering.build import Settings, cluster, describe, to_hierarchy
from taxonomy.clustering.features import SHIPPED, Features, Float64, find_features, read_features
from taxonomy.files import write_json
from taxonomy.hierarchy import Hierarchy


@dataclass(frozen=True, eq=False)
class Result:
    """A built hierarchy, the report on it, and its dendrogram where there is one."""

    hierarchy: Hierarchy
    report: dict[str, Any]
    linkage: Float64 | None

    def save(self, out: Path, report: Path | None = None, plot: Path | None = None) -> None:
        """Write the hierarchy file, and the report and the picture where asked for."""
        if plot is not None:  # first: a wrong file name should leave nothing behind
            from taxonomy.clustering.plot import draw_tree

            draw_tree(plot, self.hierarchy, self.linkage)
        if report is not None:
            write_json(report, self.report)
        self.hierarchy.save(out)


def cluster_file(
    settings: Settings,
    file: Path | None = None,
    like: Path | None = None,
    *,
    name_groups: bool = False,
    shipped: Path = SHIPPED,
) -> Result:
    """Cluster the classes of a feature file.

    Parameters
    ----------
    file
        The feature file; if not given ``features.npz`` of the working directory, else the `shipped` one.
        What is taken is said on stderr.
    like
        A hierarchy file of the same classes, see `taxonomy.clustering.build`.
    """
    path = file or find_features(Path(), shipped)
    if path == shipped:
        print(f"no features given and no features.npz here: taking the package's own {path.name}", file=sys.stderr)
    elif file is None:
        print(f"no features given: taking {path}", file=sys.stderr)
    reference = None if like is None else Hierarchy.load(like)
    features: Features = read_features(path)
    found = cluster(features, settings, reference, track=_progress)
    for k, groups in enumerate(found.groups.max(axis=0) + 1, start=1):
        if groups == 1 < len(features.classes):
            print(f"warning: level{k} is one group of all classes; a classifier learns nothing there", file=sys.stderr)
    hierarchy = to_hierarchy(
        features, settings, found, like=reference, name_groups=name_groups,
        command=_command(settings, None if path == shipped else path, like, name_groups),
    )  # fmt: skip
    return Result(hierarchy, describe(features, settings, found, reference), found.linkage)


def _progress(steps: Sequence[int]) -> Iterable[int]:
    """Show on stderr, if a person looks there, how far the long part is."""
    from rich.console import Console
    from rich.progress import track

    return track(
        steps, "comparing samples", console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )


def _command(settings: Settings, file: Path | None, like: Path | None, name_groups: bool) -> str:
    """Return the command line that does the same again."""
    words = ["hiertax", "cluster", "--method", settings.method, "--levels", str(settings.levels)]
    words += ["--features", str(file)] if file else []
    words += ["--like", str(like)] if like else []
    usual = {field.name: field.default for field in fields(settings)} | {"sizes": "like" if like else "geometric"}
    for name, value in settings.used().items():
        if name != "levels" and value != usual[name]:
            words += [f"--{name}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return shlex.join(words + ["--name-groups"] * name_groups)
