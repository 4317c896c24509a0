"""One photograph of one bird, from a species and a source of randomness."""

from __future__ import annotations

import numpy as np
from PIL import Image

from trainer.sketchbirds import scene
from trainer.sketchbirds.fauna import Bird, birds
from trainer.sketchbirds.plumage import masks, paint
from trainer.sketchbirds.raster import FloatArray, lay
from trainer.sketchbirds.skeleton import Skeleton, build, draw_pose

SMALLEST = 32


def draw_bird(class_name: str, rng: np.random.Generator, size: int = 128) -> Image.Image:
    """Draw one picture of a species.

    Parameters
    ----------
    class_name : str
        A class of ``taxonomy/data/sketchbirds.csv``, such as ``"21.Reed_Quillet"``.
    rng : numpy.random.Generator
        Decides pose, individual, scene and light. The same state gives the same pixels.
    size : int, default 128
        Side of the square picture in pixels, at least 32.

    Returns
    -------
    PIL.Image.Image
        An RGB picture of ``size`` by ``size`` pixels.

    Raises
    ------
    ValueError
        If the class is unknown or the size too small.
    """
    bird = _known(class_name, size)
    skeleton = build(bird, draw_pose(rng), size)
    support = bird.posture.supports[rng.integers(len(bird.posture.supports))]
    picture = scene.backdrop(rng, size)
    scene.perch(picture, support, skeleton.rest, skeleton.unit, rng)
    _lay_bird(picture, bird, skeleton, rng)
    if support == "water":
        lift = 0.0 if bird.posture.afloat else rng.uniform(0.05, 0.5) * skeleton.unit
        scene.water(picture, float(skeleton.rest[1]) - lift, rng)
    if rng.random() < 0.5:
        scene.leaves(picture, rng)
    return scene.expose(picture, rng)


def draw_outline(class_name: str, rng: np.random.Generator, size: int = 128) -> FloatArray:
    """Draw only the silhouette of the bird that `draw_bird` draws from the same generator state.

    Parameters
    ----------
    class_name : str
        A class of ``taxonomy/data/sketchbirds.csv``.
    rng : numpy.random.Generator
        Decides the pose.
    size : int, default 128
        Side in pixels, at least 32.

    Returns
    -------
    ndarray of float32, shape (size, size)
        How much of each pixel the bird covers, were nothing before it.

    Raises
    ------
    ValueError
        If the class is unknown or the size too small.
    """
    bird = _known(class_name, size)
    return masks(build(bird, draw_pose(rng), size), (size, size)).outline


def _lay_bird(picture: FloatArray, bird: Bird, skeleton: Skeleton, rng: np.random.Generator) -> None:
    """Paint the bird over the scene, working only in the box that holds it."""
    rows, columns = skeleton.box(picture.shape[1])
    inside = skeleton.shifted(-np.array([columns.start, rows.start]))
    part = masks(inside, (rows.stop - rows.start, columns.stop - columns.start))
    lay(picture[:, rows, columns], paint(bird, inside, part, rng), part.outline)


def _known(class_name: str, size: int) -> Bird:
    fauna = birds()
    if class_name not in fauna:
        raise ValueError(f"no sketchbird is named {class_name!r}; see taxonomy/data/sketchbirds.csv")
    if size < SMALLEST:
        raise ValueError(f"a picture of {size} pixels is too small to draw a bird in; use {SMALLEST} or more")
    return fauna[class_name]
