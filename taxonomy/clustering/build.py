"""Features in, `Hierarchy` out: what ``hiertax cluster`` does between its files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from taxonomy.clustering import control, dft, hc, naming, report, sizes
from taxonomy.clustering.features import Features, Float64
from taxonomy.clustering.partition import Rule
from taxonomy.clustering.representation import Kind, Representation, represent
from taxonomy.document import restriction
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy, IntArray

Method = Literal["hc", "dft", "random"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to cluster. What a method does not use has no effect on it.

    Attributes
    ----------
    method, levels
        How groups are found, and how many levels the tree has, that of the classes included.
    sizes
        ``like``, ``geometric``, ``gap``, ``silhouette``, or the numbers of groups, coarsest first.
    representation, linkage
        Of ``hc``.
    rule, operator, nearest, delta
        Of ``dft``; a `delta` of None is measured.
    seed
        Of everything random.
    """

    method: Method
    levels: int = 3
    sizes: str | tuple[int, ...] = "geometric"
    representation: Kind = "mean"
    linkage: hc.Linkage = "ward"
    rule: Rule = "spectral"
    operator: dft.Operator = "sigma"
    nearest: int = 1
    delta: float | None = None
    seed: int = 0

    def used(self) -> dict[str, Any]:
        """Return the settings that the method uses, by name."""
        own = {
            "hc": ("representation", "linkage"),
            "dft": ("rule", "operator", "nearest", "delta"),
            "random": (),
        }[self.method]
        used = {name: value for name, value in asdict(self).items() if name in ("levels", "sizes", *own, "seed")}
        if self.method == "dft" and self.rule == "louvain":
            del used["sizes"]
        return used


@dataclass(frozen=True, eq=False)
class Clustering:
    """Groups of each class, int64 ``[C, levels - 1]`` coarsest first, and what came with them."""

    groups: IntArray
    represented: Representation
    linkage: Float64 | None = None
    delta: float | None = None


def cluster(
    features: Features, settings: Settings, like: Hierarchy | None = None, *, track: dft.Track = iter
) -> Clustering:
    """Group the classes of a feature file into nested levels.

    Parameters
    ----------
    like
        A hierarchy with at least these classes, for the sizes ``like`` and the shape of the control.
    track
        See `taxonomy.clustering.dft.deep_fuzzy_tree`.

    Raises
    ------
    HiertaxError
        If the features, or the hierarchy to be like, do not allow what is asked for.
    """
    classes = features.classes
    if like is not None and (unknown := [name for name in classes if name not in like.class_index]):
        raise HiertaxError(
            f"hierarchy {like.name!r} has no class {unknown[0]!r}, {len(unknown)} such in all; "
            "classes are joined by name: take the hierarchy of the same dataset"
        )
    like = None if like is None else like.restrict(classes)
    if settings.method != "hc":
        represented = represent(features, "mean")
    else:
        represented = represent(features, settings.representation)
    linkage = hc.dendrogram(represented, settings.linkage) if settings.method == "hc" else None
    counts = _sizes(settings, represented, linkage, like)
    if settings.method == "hc":
        return Clustering(
            hc.cluster(represented, settings.linkage, linkage, counts, settings.seed), represented, linkage
        )
    if settings.method == "random":
        if settings.sizes == "like" and like is not None and like.depth == settings.levels:
            return Clustering(control.shuffled(like, classes, settings.seed), represented)
        return Clustering(control.dealt(len(classes), counts, settings.seed), represented)
    tree = dft.deep_fuzzy_tree(
        features, counts, rule=settings.rule, operator=settings.operator, nearest=settings.nearest,
        delta=settings.delta, seed=settings.seed, track=track,
    )  # fmt: skip
    return Clustering(tree.groups, represented, delta=tree.delta)


def to_hierarchy(
    features: Features,
    settings: Settings,
    found: Clustering,
    *,
    like: Hierarchy | None = None,
    command: str,
    name_groups: bool = False,
) -> Hierarchy:
    """Make found groups a hierarchy whose `source` tells how to find them again.

    Leaves are labelled by their class, or as in the hierarchy `like`; they are in the order of the
    class names, groups in the order of their first class.
    """
    leaves = _leaf_labels(features.classes, like)
    groups = naming.by_words(found.groups, leaves) if name_groups else naming.by_position(found.groups)
    known = features.provenance
    dataset = like.dataset if like is not None and like.dataset else known.get("dataset")
    parameters = settings.used() | ({"delta": found.delta} if found.delta is not None else {})
    about: Mapping[str, Any] = {"sha256": features.sha256, "provenance": dict(known)}
    restricted = {"restricted": known["restricted"]} if restriction(known) else {}
    return Hierarchy.from_lineages(
        [
            [*(names[i] for names, i in zip(groups, path, strict=True)), leaf]
            for path, leaf in zip(found.groups.tolist(), leaves, strict=True)
        ],
        [*(f"level{k + 1}" for k in range(settings.levels - 1)), like.levels[-1].name if like else "class"],
        classes=features.classes,
        name=re.sub(r"[^\w.-]+", "_", f"{dataset or 'features'}_{settings.method}"),
        root=like.root if like else str(known.get("root") or "object"),
        dataset=str(dataset) if dataset else None,
        source={
            "kind": "clustered", "command": command, "method": settings.method, "parameters": parameters,
            "features": about, **restricted,
            **({"like": {"name": like.name, "content_hash": like.content_hash}} if like else {}),
        },
    )  # fmt: skip


def describe(features: Features, settings: Settings, found: Clustering, like: Hierarchy | None) -> dict[str, Any]:
    """Return the report on a clustering, as JSON values."""
    levels = []
    for k, column in enumerate(found.groups.T):
        level = {"level": f"level{k + 1}"} | report.level_report(column)
        if like is not None:
            level |= report.agreement(column, features.classes, like, k, settings.levels)
        levels.append(level)
    return {
        "method": settings.method,
        "classes": len(features.classes),
        "samples": len(features.labels),
        "features_sha256": features.sha256,
        "parameters": settings.used() | ({"delta": found.delta} if found.delta is not None else {}),
        "reference": None if like is None else like.name,
        "levels": levels,
        "cophenetic_correlation": report.cophenetic_correlation(found.represented, found.groups, found.linkage),
    }


def _sizes(
    settings: Settings, represented: Representation, linkage: Float64 | None, like: Hierarchy | None
) -> Sequence[int]:
    classes, levels, rule = len(represented.rows), settings.levels, settings.sizes
    if not isinstance(rule, str):
        if len(rule) != levels - 1:
            raise HiertaxError(
                f"{len(rule)} sizes for {levels} levels; give {levels - 1}, the classes are the last level"
            )
        return sizes.checked(rule, classes)
    if rule == "like":
        if like is None:
            raise HiertaxError("sizes like another hierarchy, but which? Name its file with --like")
        return sizes.checked(sizes.like(like.sizes, levels), classes)
    if rule == "geometric":
        return sizes.geometric(classes, levels)
    if linkage is None:
        raise HiertaxError(f"sizes {rule} needs a dendrogram; use method hc with linkage ward, average or complete")
    if rule == "gap":
        return sizes.gap(linkage, levels)
    return sizes.silhouette(linkage, represented.distance(squared=settings.linkage != "ward"), levels)


def _leaf_labels(classes: Sequence[str], like: Hierarchy | None) -> list[str]:
    if like is None:
        return list(classes)
    return [like.levels[-1].labels[like.class_index[name]] for name in classes]
