"""Feathers: the colours of a bird's parts as smooth functions of each part's own coordinates.

In a frame u runs along the part and v across it: for the body from rear (-1) to breast (1) and from
belly (-1) to back (1), for the wing and the tail from root (0) to tip (1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainer.sketchbirds.fauna import COATS, INKS, Bird, Plumage
from trainer.sketchbirds.raster import (
    FloatArray,
    Grid,
    Points,
    Window,
    band,
    blur,
    colour,
    coverage,
    descent,
    fuse,
    grid,
    lay,
    noise,
    ramp,
    window,
)
from trainer.sketchbirds.skeleton import Frame, Skeleton


@dataclass(frozen=True)
class Dress:
    """A plumage as one individual wears it: no two birds of a species match exactly.

    The three coats are colours of shape (3, 1, 1); `fresh` is the strength of the marks, which fade with
    wear from 1 down to a half.
    """

    plumage: Plumage
    back: FloatArray
    belly: FloatArray
    wing: FloatArray
    fresh: float

    def mark(self, picture: FloatArray, ink: str | None, mask: FloatArray) -> None:
        """Lay a mark over the picture in place, if the species has it."""
        if ink:
            lay(picture, _ink(ink), self.fresh * mask)


@dataclass(frozen=True)
class Masks:
    """How much of each pixel every part of the bird covers; fields of the same shape."""

    tail: FloatArray
    skin: FloatArray
    neck: FloatArray
    bill: FloatArray
    legs: FloatArray
    wing: FloatArray
    far_wing: FloatArray

    @property
    def outline(self) -> FloatArray:
        """The silhouette of the whole bird."""
        parts = (self.tail, self.skin, self.bill, self.legs, self.wing, self.far_wing)
        outline: FloatArray = np.maximum.reduce(parts)
        return outline


def masks(skeleton: Skeleton, shape: Grid) -> Masks:
    """Rasterise a skeleton.

    Parameters
    ----------
    skeleton : Skeleton
        Polygons in pixels.
    shape : tuple of int
        Rows and columns to rasterise into.

    Returns
    -------
    Masks
        Anti-aliased coverage of every part.
    """
    p = skeleton.parts
    trunk = coverage(p["body"] + p["neck"] + p["head"], shape)
    smooth = fuse(trunk, 0.09 * skeleton.unit)
    return Masks(
        tail=coverage(p["tail"], shape),
        skin=np.maximum(np.maximum(smooth, trunk), coverage(p["crest"], shape)),
        neck=coverage(p["neck"], shape),
        bill=coverage(p["bill"], shape),
        legs=coverage(p["legs"], shape),
        wing=coverage(p["wing"], shape),
        far_wing=coverage(p["far_wing"], shape),
    )


def paint(bird: Bird, skeleton: Skeleton, part: Masks, rng: np.random.Generator) -> FloatArray:
    """Colour a bird; what lies outside its outline is meaningless.

    Parameters
    ----------
    bird : Bird
        The species.
    skeleton : Skeleton
        Its pose, in pixels.
    part : Masks
        The skeleton rasterised.
    rng : numpy.random.Generator
        Source of the variation between individuals.

    Returns
    -------
    ndarray of float32, shape (3, rows, columns)
        Colours in [0, 1], shaded by a light from above.
    """
    shape = part.skin.shape
    dress = _dress(bird.plumage, rng)
    down = noise(rng, (shape[0] // 3 + 1, shape[1] // 3 + 1), shape)
    picture = np.empty((3, *shape), dtype=np.float32)
    picture[:] = dress.wing * 0.72
    lay(picture, _ink(bird.shape.leg_colour) * 0.9, part.legs)
    lay(picture, _tail(dress, skeleton, shape), part.tail)
    lay(picture, _skin(dress, skeleton, part, down), part.skin)
    _bill(picture, bird.shape.bill_colour, part, skeleton)
    picture *= 1 - 0.38 * _shadow(part.wing, skeleton)
    lay(picture, _wing(dress, skeleton, shape), part.wing)
    picture *= _relief(part, skeleton) * (1 + 0.035 * down)
    _eye(picture, skeleton)
    return picture


def _dress(plumage: Plumage, rng: np.random.Generator) -> Dress:
    coat = COATS[plumage.coat]
    shade = rng.normal(1.0, 0.10) * rng.normal(1.0, 0.05, (3, 3, 1, 1)).astype(np.float32)
    back, belly, wing = (colour(c) * s for c, s in zip((coat.back, coat.belly, coat.wing), shade, strict=True))
    return Dress(plumage, back, belly, wing, fresh=rng.uniform(0.5, 1.0))


def _around(frame: Frame, reach: float, shape: Grid) -> Window:
    """Return the window within `reach` times the frame's unit of its origin: small parts need no more."""
    span = reach * float(np.hypot(*frame.along))
    return window(frame.origin - span, frame.origin + span, shape)


def _ink(name: str) -> FloatArray:
    return colour(INKS[name])


def _skin(dress: Dress, skeleton: Skeleton, part: Masks, down: FloatArray) -> FloatArray:
    """Body, neck and head: dark above, pale below, with the marks of the species."""
    shape, ragged = down.shape, 0.06 * down
    u, v = skeleton.frames["body"].fields(shape)
    along, front = skeleton.frames["neck"].fields(shape)
    picture = np.empty((3, *shape), dtype=np.float32)
    picture[:] = dress.belly
    nape = ramp(front + ragged, -0.30, 0.15) * part.neck * ramp(along, 0.0, 0.25)
    bare = 1 - ramp(front, -0.2, -0.5) * part.neck * ramp(along, 0.1, 0.35)
    lay(picture, dress.back, np.maximum(ramp(v + ragged, -0.10, 0.22) * bare, nape))
    breast = _breast(dress.plumage.breast, u, v, along, skeleton)
    lay(picture, dress.back * 0.62, (0.2 + 0.65 * dress.fresh) * breast)
    rows, columns = near = _around(skeleton.frames["head"], 3.2, shape)
    head = skeleton.frames["head"].shifted(-np.array([columns.start, rows.start]))
    _head(picture[:, rows, columns], dress, head, ragged[near])
    ring = band(along + ragged * 0.5, 0.30, 0.62 * _head_share(skeleton), 0.08)
    dress.mark(picture, dress.plumage.collar, ring * ramp(np.abs(front), 3.0, 2.5))
    return picture


def _head_share(skeleton: Skeleton) -> float:
    """Length of a head's radius on the scale of the neck frame's u."""
    frames = skeleton.frames
    return float(np.hypot(*frames["head"].along) / np.hypot(*frames["neck"].along))


def _breast(kind: str, u: FloatArray, v: FloatArray, along: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Spots, streaks or bars over breast and flank, on a lattice of fixed size in units of the body."""
    if kind == "plain":
        return np.zeros_like(u)
    depth = float(np.hypot(*skeleton.frames["body"].across) / np.hypot(*skeleton.frames["body"].along))
    x, y = u, v * depth
    where = ramp(v, 0.28, 0.0) * ramp(u, -0.75, -0.4) * ramp(along, 0.75, 0.5)
    if kind == "bars":
        return where * ramp(np.sin(2 * np.pi * (x / 0.24 + 0.25 * np.sin(9 * y))), -0.1, 0.5)
    if kind == "streaks":
        return where * _lattice(x, y, 0.52, 0.16, (0.43, 0.27))
    return where * _lattice(x, y, 0.25, 0.20, (0.33, 0.33))


def _lattice(x: FloatArray, y: FloatArray, dx: float, dy: float, reach: tuple[float, float]) -> FloatArray:
    """Soft ovals in staggered rows, dx apart along and dy across, reaching these shares of a cell."""
    row = np.floor(y / np.float32(dy))
    along = (x / np.float32(dx) + 0.5 * (row % 2)) % 1 - 0.5
    across = (y / np.float32(dy)) % 1 - 0.5
    return ramp((along / reach[0]) ** 2 + (across / reach[1]) ** 2, 1.25, 0.5)


def _head(picture: FloatArray, dress: Dress, head: Frame, ragged: FloatArray) -> None:
    """Paint crown, cheek and the marks of the face, in place, in a window around the head."""
    u, v = head.fields(ragged.shape)
    u, v = u + ragged, v + ragged
    near = ramp(u * u + v * v, 2.6, 1.9)
    lay(picture, dress.back, near * ramp(v, -0.35, 0.0))
    lay(picture, dress.belly, near * ramp(v, -0.2, -0.5) * ramp(u, -0.7, -0.3))
    for name, region in FACE.items():
        dress.mark(picture, getattr(dress.plumage, name), region(u, v))


def _throat(u: FloatArray, v: FloatArray) -> FloatArray:
    return ramp((u - 0.15) ** 2 + (v + 1.0) ** 2, 0.9, 0.63) * ramp(v, -0.05, -0.25)


def _cap(u: FloatArray, v: FloatArray) -> FloatArray:
    return ramp(u * u + v * v, 6.0, 5.0) * ramp(v - 0.10 * u, 0.22, 0.42)


def _eye_stripe(u: FloatArray, v: FloatArray) -> FloatArray:
    return band(v - 0.10 * u, 0.08, 0.40, 0.14) * band(u, -0.15, 2.0, 0.3)


def _brow(u: FloatArray, v: FloatArray) -> FloatArray:
    return band(v + 0.10 * u, 0.50, 0.36, 0.14) * band(u, -0.15, 1.9, 0.3)


# Where each mark of the face lies, in head radii from the middle of the head; later ones lie on top.
FACE: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "throat": _throat,
    "cap": _cap,
    "eye_stripe": _eye_stripe,
    "brow": _brow,
}


def _tail(dress: Dress, skeleton: Skeleton, shape: Grid) -> FloatArray:
    u, v = skeleton.frames["tail"].fields(shape)
    vanes = 1 - 0.16 * ramp(np.cos(2 * np.pi * 2.5 * v), 0.6, 1.0)
    picture: FloatArray = dress.wing * (vanes * (1.05 - 0.2 * u))
    dress.mark(picture, dress.plumage.tail_band, band(u, 0.82, 0.22, 0.06))
    return picture


def _wing(dress: Dress, skeleton: Skeleton, shape: Grid) -> FloatArray:
    """Scaled coverts at the shoulder, long flight feathers with pale edges behind them, then the marks."""
    u, v = skeleton.frames["wing"].fields(shape)
    flight = ramp(u + 0.10 * v, 0.38, 0.50)
    edge = ramp(np.cos(2 * np.pi * (2.6 * v + 1.6 * u)), 0.70, 1.0) * flight
    scallop = ramp((6.5 * u + 0.35 * np.cos(2 * np.pi * 2.2 * v)) % 1.0, 0.62, 0.95) * (1 - flight)
    picture: FloatArray = dress.wing * (1.12 - 0.30 * flight + 0.1 * v)
    lay(picture, dress.back * 1.18, 0.45 * edge + 0.40 * scallop)
    for i in range(dress.plumage.wing_bars):
        dress.mark(picture, "white", 0.95 * band(u + 0.13 * v, 0.46 - 0.20 * i, 0.085, 0.05))
    patch = band(u, 0.52, 0.26, 0.06) * ramp(v, 0.05, -0.12)
    dress.mark(picture, dress.plumage.wing_patch, patch)
    return picture


def _bill(picture: FloatArray, name: str, part: Masks, skeleton: Skeleton) -> None:
    """Lay the bill over the face in place, paler along its ridge and feathered at its root."""
    u, v = skeleton.frames["head"].fields(part.bill.shape)
    ridge = 0.82 + 0.42 * ramp(v, -0.35, 0.25)
    feathers = ramp(u * u + v * v, 0.98, 0.72)
    lay(picture, _ink(name) * ridge, part.bill * (1 - 0.85 * feathers))


def _shadow(wing: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Throw the soft shadow of a folded wing on the flank below it."""
    drop = max(1, round(0.10 * skeleton.unit))
    soft = blur(wing, 0.08 * skeleton.unit)
    return np.roll(soft, drop, axis=0)


def _relief(part: Masks, skeleton: Skeleton) -> FloatArray:
    """Light from above on a rounded body: the slope of the blurred outline stands for its surface."""
    height = blur(np.maximum(part.skin, part.tail), 0.22 * skeleton.unit)
    fine = blur(np.maximum(part.wing, part.far_wing), 0.05 * skeleton.unit)
    slope = descent(height) * (0.55 * skeleton.unit)
    ridge = descent(fine) * (0.05 * skeleton.unit)
    light: FloatArray = 0.98 + np.clip(0.62 * slope, -0.5, 0.22) + np.clip(ridge, -0.12, 0.12)
    return light


def _eye(picture: FloatArray, skeleton: Skeleton) -> None:
    frame = skeleton.frames["head"]
    rows, columns = _around(frame, 1.2, picture.shape[1:])
    part = picture[:, rows, columns]
    head = frame.shifted(-np.array([columns.start, rows.start]))
    centre = head.origin + 0.34 * head.along + 0.16 * head.across
    radius = max(1.1, 0.055 * skeleton.unit + 0.10 * float(np.hypot(*head.along)))
    away = _distance(centre, part)
    lay(part, _ink("horn"), 0.7 * ramp(away, radius + 0.9, radius))
    lay(part, colour((18, 14, 14)), ramp(away, radius + 0.35, radius - 0.55))
    glint = _distance(centre + np.array([0.3, -0.4]) * radius, part)
    lay(part, colour((255, 252, 244)), 0.95 * ramp(glint, 0.45 * radius + 0.4, 0.2 * radius))


def _distance(point: Points, picture: FloatArray) -> FloatArray:
    x, y = grid(picture.shape[1:])
    away: FloatArray = np.hypot(x - np.float32(point[0]), y - np.float32(point[1]))
    return away
