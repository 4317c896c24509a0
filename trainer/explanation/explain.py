"""Where a run looked in images: a batch of maps at a time, and one image with its maps as a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import HiertaxError
from trainer.data.augment import normalise
from trainer.explanation.gradcam import Gamma, GradCam, LevelMaps
from trainer.explanation.measures import Floats, areas_of, level_pairs, masks_of, overlaps_of
from trainer.inference.answers import percent
from trainer.inference.batches import Images, decoded_batches
from trainer.inference.predictor import Predictor
from trainer.runtime.progress import Reporter, reporter_of

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD: Final = 0.5  # of a map's maximum; the paper does not state its own
BATCH: Final = 32  # images whose maps are in memory at once
DIFFER: Final = 1e-9  # areas that are farther apart than this differ


@dataclass(frozen=True)
class MapSettings:
    """How maps are made and measured.

    Attributes
    ----------
    gamma
        See `GradCam`.
    threshold
        The share of its maximum from which on a map counts as looked at.
    """

    gamma: Gamma = "as-trained"
    threshold: float = THRESHOLD

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise HiertaxError(f"threshold {self.threshold}: give a share of a map's maximum, above 0 and at most 1")


class Mapped(NamedTuple):
    """What a run says of N images, and where it saw that, in numbers."""

    classes: NDArray[np.int64]
    """``[N, K]``, -1 where there is none."""
    probability: Floats
    """``[N, K]``, of these labels by each head alone, as calibrated if the run is."""
    areas: Floats
    """``[N, K]``, shares of the image; 0 of an empty map."""
    overlaps: Floats
    """``[N, P]``, see `overlaps_of`."""
    maps: NDArray[np.float32]
    """``[N, K, S, S]``."""
    parts: NDArray[np.float32]
    """``[N, M, 4]``, as of `LevelMaps`."""


@dataclass(frozen=True, eq=False)
class Explainer:
    """A run that shows where it looks."""

    predictor: Predictor
    settings: MapSettings

    @cached_property
    def cam(self) -> GradCam:
        """What makes the maps."""
        return GradCam(self.predictor.network, self.predictor.compute, self.settings.gamma)

    def map(self, pixels: Tensor, classes: Tensor | None = None) -> Mapped:
        """Return maps and numbers of decoded images.

        Parameters
        ----------
        pixels
            uint8 ``[N, 3, S, S]``.
        classes
            As of `GradCam.__call__`.

        Raises
        ------
        HiertaxError
            As `GradCam`; and if logits are not finite.
        """
        on_device = pixels.to(self.predictor.compute.device)
        found = self.cam(normalise(on_device, self.predictor.network.preprocessing), classes)
        if not all(level.isfinite().all() for level in found.logits):
            run, compute = self.predictor.run, self.predictor.compute
            raise HiertaxError(f"{run}: its logits are not finite on {compute}; try another `device`")
        return self._measured(found)

    def _measured(self, found: LevelMaps) -> Mapped:
        classes, maps = found.classes.cpu().numpy(), found.maps.cpu().numpy()
        temperatures = self.predictor.answering.temperatures or (1.0,) * len(found.logits)
        shares = [(z.double() / t).softmax(dim=1).cpu() for z, t in zip(found.logits, temperatures, strict=True)]
        named = torch.from_numpy(classes).clamp(min=0)
        probability = torch.cat([p.gather(1, named[:, k, None]) for k, p in enumerate(shares)], dim=1).numpy()
        masks, unknown = masks_of(maps, self.settings.threshold), classes < 0
        areas, overlaps = areas_of(masks), overlaps_of(masks)
        areas[unknown] = probability[unknown] = np.nan
        for at, (coarse, fine) in enumerate(level_pairs(classes.shape[1])):
            overlaps[unknown[:, coarse] | unknown[:, fine], at] = np.nan
        return Mapped(classes, probability, areas, overlaps, maps, found.parts.cpu().numpy())

    def labels(self, classes: Sequence[int]) -> tuple[str | None, ...]:
        """Return the labels of the levels, ``[K]`` of their indices; None for -1."""
        levels = self.predictor.hierarchy.levels
        return tuple(level.labels[i] if i >= 0 else None for level, i in zip(levels, classes, strict=True))


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where a run looked in one image.

    Attributes
    ----------
    image
        Its path, or what it is called.
    run, method
        The run folder, and its method.
    settings
        How the maps were made and measured.
    pixels
        The image as the network sees it, uint8 ``[S, S, 3]``.
    levels
        The names of the K levels, coarsest first.
    labels, probability
        What each head takes it for, and how likely that head alone finds it. They need not lie on one path.
    maps
        float32 ``[K, S, S]``, each with maximum 1; all zeros where nothing speaks for the label.
    areas
        The share of the image that is at least at the threshold of each map's maximum, ``[K]``.
    overlaps
        By pairs of levels, the coarser first: intersection over union of what is; NaN where both are empty.
    parts
        float32 ``[M, 4]``: left, top, right and bottom, in pixels of the image as the network sees it, of parts that
        the method looked at beside the whole image; they may reach beyond it. Most methods look at none.
    """

    image: str
    run: Path
    method: str
    settings: MapSettings
    pixels: NDArray[np.uint8]
    levels: tuple[str, ...]
    labels: tuple[str, ...]
    probability: Floats
    maps: NDArray[np.float32]
    areas: Floats
    overlaps: dict[tuple[str, str], float]
    parts: NDArray[np.float32]

    def __repr__(self) -> str:
        looked = ", ".join(
            f"{level} {label} {percent(area)}"
            for level, label, area in zip(self.levels, self.labels, self.areas, strict=True)
        )
        return f"<{type(self).__name__} of {self.image}: {looked}; gamma {self.settings.gamma}>"

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Where each level looked, ``[K, S, S]``."""
        return masks_of(self.maps, self.settings.threshold)

    def to_row(self) -> dict[str, Any]:
        """Return it without its pictures, as a row of the table that `hiertrain explain --csv` writes."""
        overlaps = list(self.overlaps.values())
        return row_of(self.image, self.run, self, self.levels, self.labels, self.probability, self.areas, overlaps)

    def save(self, out: str | Path) -> None:
        """Draw it as a PNG: the image, and where each level looked.

        Raises
        ------
        HiertaxError
            If the file is no .png or cannot be written.
        """
        from trainer.explanation.figure import save_figure

        save_figure([self], Path(out))


def row_of(
    image: str, run: Path, what: Any, levels: Sequence[str], labels: Sequence[str | None],
    probability: Sequence[float] | Floats, areas: Sequence[float] | Floats, overlaps: Sequence[float] | Floats,
) -> dict[str, Any]:  # fmt: skip
    """Return a row of the table: an image, a run (`what` has its method and settings), numbers by level and pair."""
    settings: MapSettings = what.settings
    row: dict[str, Any] = {
        "image": image, "run": str(run), "method": what.method, "gamma": settings.gamma, "threshold": settings.threshold
    }  # fmt: skip
    for level, label, share, area in zip(levels, labels, probability, areas, strict=True):
        row |= {level: label, f"{level}_probability": float(share), f"{level}_area": float(area)}
    for (coarse, fine), overlap in zip(level_pairs(len(levels)), overlaps, strict=True):
        row[f"{levels[coarse]}_{levels[fine]}_overlap"] = float(overlap)
    return row


def explanations(
    predictor: Predictor,
    images: Images,
    settings: MapSettings | None = None,
    *,
    reporter: Reporter | bool | None = None,
) -> Iterator[Explanation]:
    """Yield where a run looked in each of any number of images, in their order.

    Parameters
    ----------
    images
        As of `Predictor.predict`.
    settings
        How to make and measure the maps.
    reporter
        Who tells how far it is, True for a bar on stderr; without one nothing is shown.

    Raises
    ------
    HiertaxError
        If an image cannot be decoded, or something is no image; and as `Explainer.map`.
    """
    explainer = Explainer(predictor, settings or MapSettings())
    size, total = predictor.config.image_size, len(images) if isinstance(images, list | tuple) else None
    with reporter_of(reporter).images("explaining", total) as advance:
        for batch in decoded_batches(images, size, min(BATCH, predictor.config.batch_size)):
            found = explainer.map(batch.pixels)
            for i, name in enumerate(batch.names):
                yield _explanation(explainer, name, batch.pixels[i], found, i)
            advance(len(batch.names))


def _explanation(explainer: Explainer, name: str, pixels: Tensor, found: Mapped, i: int) -> Explanation:
    levels = tuple(level.name for level in explainer.predictor.hierarchy.levels)
    pairs = [(levels[coarse], levels[fine]) for coarse, fine in level_pairs(len(levels))]
    return Explanation(
        name, explainer.predictor.run, explainer.predictor.config.method, explainer.settings,
        pixels.permute(1, 2, 0).numpy(), levels, tuple(map(str, explainer.labels(found.classes[i].tolist()))),
        found.probability[i], found.maps[i], found.areas[i],
        dict(zip(pairs, found.overlaps[i].tolist(), strict=True)), found.parts[i],
    )  # fmt: skip


def explain(predictor: Predictor, image: Any, settings: MapSettings | None = None) -> Explanation:
    """Return where a run looked in one image.

    Raises
    ------
    HiertaxError
        As `explanations`; and if there are several images.
    """
    found = explanations(predictor, image, settings)
    first = next(found, None)
    if first is None or next(found, None) is not None:
        raise HiertaxError(f"{image if isinstance(image, str | Path) else 'image'}: give one image at a time")
    return first


def to_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table."""
    import pandas as pd

    return pd.DataFrame(rows)
