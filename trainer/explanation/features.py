"""What a run's heads stand on, laid out in the plane, and how well it tells the labels of each level apart."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import HiertaxError
from taxonomy.files import write_atomic
from taxonomy.palette import MUTED
from taxonomy.pictures import check_png, png
from trainer.data.augment import normalise
from trainer.data.placement import open_split
from trainer.explanation.explain import to_frame
from trainer.explanation.gradcam import twin
from trainer.inference.answers import percent
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import Where, run_dataset
from trainer.models.heads import Neck
from trainer.runtime.progress import Reporter, reporter_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NEIGHBOURS: Final = 10
PERPLEXITY: Final = 30.0
FIRST: Final = 50  # dimensions that principal components leave for t-SNE
MOST: Final = 20_000  # images; t-SNE takes minutes of as many
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
LISTED: Final = 14  # labels that a panel's legend lists

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeaturePlane:
    """The features f of N images in the plane.

    Attributes
    ----------
    run
        The run folder.
    levels, labels
        The names of the K levels, and of each its labels.
    images, truth
        Their paths, and their labels int64 ``[N, K]``, -1 where unknown.
    points
        float64 ``[N, 2]``, by t-SNE.
    silhouette, neighbours
        Of the features themselves, by level ``[K]``: the mean silhouette of images under their labels, and the share of
        images that most of their 10 nearest have the label of. NaN where there are too few.
    """

    run: Path
    levels: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    images: tuple[str, ...]
    truth: NDArray[np.int64]
    points: Floats
    silhouette: Floats
    neighbours: Floats

    def to_frame(self) -> pd.DataFrame:
        """Return a table of the points: image, x, y, and the label of each level."""
        rows = []
        for image, (x, y), path in zip(self.images, self.points.tolist(), self.truth.tolist(), strict=True):
            named = {
                level: labels[c] if c >= 0 else None
                for level, labels, c in zip(self.levels, self.labels, path, strict=True)
            }
            rows.append({"image": image, "x": x, "y": y} | named)
        return to_frame(rows)

    def by_level(self) -> pd.DataFrame:
        """Return a table of the scores by level."""
        labels = [len(np.unique(column[column >= 0])) for column in self.truth.T]
        columns = zip(self.levels, labels, self.silhouette.tolist(), self.neighbours.tolist(), strict=True)
        return to_frame([{"level": a, "labels": b, "silhouette": c, "knn": d} for a, b, c, d in columns])


@torch.inference_mode()
def heads_features(predictor: Predictor, pixels: Tensor) -> Tensor:
    """Return what the heads stand on, float32 ``[N, D]`` on the CPU, of uint8 images ``[N, 3, S, S]``.

    It is f, what the necks give, side by side where levels have their own; of a network without a neck the pooled maps.
    """
    network, found = twin(predictor.network).eval(), list[Tensor]()
    for module in network.modules():
        if isinstance(module, Neck):
            module.register_forward_hook(lambda _module, _inputs, output: found.append(output))
    with predictor.compute.autocast():
        pooled = network.embed(normalise(pixels.to(predictor.compute.device), network.preprocessing))
        network.classify(pooled)
    return torch.cat(found or [pooled], dim=1).float().cpu()


def silhouettes(features: NDArray[np.float32], truth: NDArray[np.int64]) -> Floats:
    """Return the mean silhouette coefficient by level ``[K]`` (Euclidean), of images with a known label."""
    from sklearn.metrics import silhouette_score

    scores = np.full(truth.shape[1], np.nan)
    for k, column in enumerate(truth.T):
        known = column >= 0
        if 2 <= len(np.unique(column[known])) < known.sum():
            scores[k] = silhouette_score(features[known], column[known])
    return scores


def neighbour_accuracy(features: NDArray[np.float32], truth: NDArray[np.int64], count: int = NEIGHBOURS) -> Floats:
    """Return by level ``[K]`` the share of images whose label most of their nearest others have (each left out once).

    Of labels that are equally frequent the first of the level counts.
    """
    from sklearn.neighbors import NearestNeighbors

    shares = np.full(truth.shape[1], np.nan)
    for k, column in enumerate(truth.T):
        known = column >= 0
        if known.sum() <= count:
            continue
        nearest = NearestNeighbors(n_neighbors=count).fit(features[known]).kneighbors(return_distance=False)
        votes = np.zeros((int(known.sum()), int(column.max()) + 1), dtype=np.int32)
        np.add.at(votes, (np.arange(len(votes))[:, None], column[known][nearest]), 1)
        shares[k] = (votes.argmax(axis=1) == column[known]).mean()
    return shares


def plane_of(features: NDArray[np.float32], seed: int = 0) -> Floats:
    """Lay features ``[N, D]`` out in the plane, ``[N, 2]``: principal components, then t-SNE.

    Raises
    ------
    HiertaxError
        If there are too few images, or too many.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    _check_count(len(features))
    few = PCA(min(FIRST, *features.shape), random_state=seed).fit_transform(features)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    made = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", max_iter=1000, random_state=seed)
    return np.asarray(made.fit_transform(few), dtype=np.float64)


def _check_count(images: int) -> None:
    if not 4 <= images <= MOST:
        raise HiertaxError(f"t-SNE: {images:,} images; from 4 to {MOST:,} can be shown, see `limit_per_class`")


def feature_plane(
    predictor: Predictor, *, limit_per_class: int | None = None, reporter: Reporter | bool | None = None,
    **where: Unpack[Where],
) -> FeaturePlane:  # fmt: skip
    """Lay the features of a run's test images out in the plane, and score them by level.

    Parameters
    ----------
    limit_per_class, reporter, where
        As of `trainer.explanation.test_set.explain_test_set`.

    Raises
    ------
    HiertaxError
        As that, and as `plane_of`.
    """
    seen = features_of_test_images(predictor, limit_per_class=limit_per_class, reporter=reporter, **where)
    levels = predictor.hierarchy.levels
    return FeaturePlane(
        predictor.run, tuple(level.name for level in levels), tuple(tuple(level.labels) for level in levels),
        seen.images, seen.truth,
        plane_of(seen.features), silhouettes(seen.features, seen.truth), neighbour_accuracy(seen.features, seen.truth),
    )  # fmt: skip


class SeenFeatures(NamedTuple):
    """What heads stand on, of the test images of a run: features ``[N, D]``, labels ``[N, K]``, and their paths."""

    features: NDArray[np.float32]
    truth: NDArray[np.int64]
    images: tuple[str, ...]


def features_of_test_images(
    predictor: Predictor, *, limit_per_class: int | None = None, reporter: Reporter | bool | None = None,
    **where: Unpack[Where],
) -> SeenFeatures:  # fmt: skip
    """Return the features of a run's test images.

    Parameters
    ----------
    limit_per_class, reporter, where
        As of `trainer.explanation.test_set.explain_test_set`.

    Raises
    ------
    HiertaxError
        As that; and if there are more images than t-SNE can show.
    """
    teller = reporter_of(reporter)
    config, task = run_dataset(predictor, teller, **where)
    chosen = task.dataset.test.limit_per_class(limit_per_class)
    if len(chosen) > MOST:
        _check_count(len(chosen))  # before anything is computed
    inputs, kept = open_split(chosen, task.dataset.scored, config, predictor.compute, teller)
    rows, parts = torch.arange(len(kept)).split(config.batch_size), []
    with teller.images("features", len(kept)) as advance:
        for pixels in inputs.batches(rows, predictor.compute.device):
            parts.append(heads_features(predictor, pixels))
            advance(len(pixels))
    names = tuple(str(chosen.paths[i]) for i in kept)
    return SeenFeatures(torch.cat(parts).numpy(), task.paths[chosen.labels[kept]], names)


def save_plane(plane: FeaturePlane, out: Path) -> None:
    """Draw the plane as a PNG, a panel for each level, coloured by its labels.

    Raises
    ------
    HiertaxError
        If the file is no .png or cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    check_png(out)

    names_as_they_are = rc_context({"text.parse_math": False, "font.family": "DejaVu Sans"})
    with names_as_they_are, warnings.catch_warnings(action="ignore", category=UserWarning):
        figure = Figure(figsize=(4.2 * len(plane.levels), 5.6), layout="constrained")
        panels: Sequence[Axes] = figure.subplots(1, len(plane.levels), squeeze=False)[0]
        for k, panel in enumerate(panels):
            _panel(panel, plane, k)
        figure.suptitle(f"{plane.run.name}: t-SNE of f, {len(plane.images):,} test images", fontsize=11)
        write_atomic(out, png(figure, dpi=150))


def _panel(panel: Axes, plane: FeaturePlane, k: int) -> None:
    """Draw the points, each label with a colour and a marker of its own as far as these go, and list the commonest."""
    column = plane.truth[:, k]
    there, counts = np.unique(column[column >= 0], return_counts=True)
    listed = set(there[np.argsort(-counts, kind="stable")][:LISTED].tolist())
    if (column < 0).any():
        panel.scatter(
            plane.points[column < 0, 0], plane.points[column < 0, 1], s=7, color="#bbbbbb", marker=".", label="unknown"
        )
    for at, label in enumerate(there.tolist()):
        name = plane.labels[k][label]
        shown = (name if len(name) <= 26 else f"{name[:25]}…") if label in listed else "_"
        colour, marker = MUTED[at % len(MUTED)], MARKERS[at // len(MUTED) % len(MARKERS)]
        x, y = plane.points[column == label].T
        panel.scatter(x, y, s=11, color=colour, marker=marker, linewidths=0, alpha=0.8, label=shown)
    near = "-" if math.isnan(plane.neighbours[k]) else percent(plane.neighbours[k])  # of too few images
    scores = f"silhouette {plane.silhouette[k]:.2f}, kNN {near}".replace("nan", "-")
    panel.set_title(f"{plane.levels[k]}: {len(there)} labels\n{scores}", fontsize=10, loc="left")
    panel.set_xticks([])
    panel.set_yticks([])
    more = f"{LISTED} most frequent of {len(there)}" if len(there) > LISTED else None
    panel.legend(
        fontsize=7, frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(-0.02, -0.01), title=more,
        title_fontsize=7, alignment="left", handletextpad=0.2, columnspacing=0.8, markerscale=1.8,
    )  # fmt: skip
