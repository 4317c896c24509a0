"""The outline of a bird: family proportions and a pose in, polygons in pixels out.

Built facing right with y upwards in units of half a body, then turned, scaled and placed in the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trainer.sketchbirds.fauna import Bird, Posture, Shape
from trainer.sketchbirds.raster import FloatArray, Grid, Points, Window, grid, window

Outlines = dict[str, list[Points]]


@dataclass(frozen=True)
class Pose:
    """How one bird happens to hold itself and where it is in the image; independent of its class."""

    facing: int
    tilt: float
    head: float
    wing: float
    stretch: tuple[float, float, float]
    fill: float
    shift: tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """Coordinates of one part: the origin and the two steps that count as 1 along and across it."""

    origin: Points
    along: Points
    across: Points

    def fields(self, shape: Grid) -> tuple[FloatArray, FloatArray]:
        """Return the coordinates (u along, v across) of every pixel of a grid, each of its shape."""
        x, y = grid(shape)
        dx, dy = x - float(self.origin[0]), y - float(self.origin[1])
        (ax, ay), (bx, by) = self.along.tolist(), self.across.tolist()
        area = ax * by - ay * bx
        return dx * (by / area) - dy * (bx / area), dy * (ax / area) - dx * (ay / area)

    def at(self, coordinates: Points) -> Points:
        """Return the points at these coordinates (u, v), an array of shape (..., 2)."""
        u, v = coordinates[..., :1], coordinates[..., 1:]
        return self.origin + u * self.along + v * self.across

    def shifted(self, by: Points) -> Frame:
        """Return the same frame with its origin moved."""
        return replace(self, origin=self.origin + by)


@dataclass(frozen=True)
class Skeleton:
    """The parts of a bird as polygons, their frames, the point it rests on and the length of its unit."""

    parts: Outlines
    frames: dict[str, Frame]
    rest: Points
    unit: float

    def shifted(self, by: Points) -> Skeleton:
        """Return the same skeleton moved by (x, y) pixels."""
        parts = {name: [outline + by for outline in part] for name, part in self.parts.items()}
        frames = {name: frame.shifted(by) for name, frame in self.frames.items()}
        return Skeleton(parts, frames, self.rest + by, self.unit)

    def box(self, size: int) -> Window:
        """Return the rows and columns of an image of this size in which any of the bird lies."""
        points = np.concatenate([outline for part in self.parts.values() for outline in part])
        return window(points.min(axis=0) - 3, points.max(axis=0) + 3, (size, size))


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw a pose at random.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Pose
        Tilt, head and wing angles in degrees; `fill` and `shift` as shares of the image side.
    """
    stretch = rng.normal(1.0, 0.035, 3).clip(0.92, 1.08)
    tilt, head, wing = (rng.normal(0.0, (5, 9, 7))).clip((-10, -18, -18), (10, 18, 18)).tolist()
    return Pose(
        facing=1 if rng.random() < 0.5 else -1,
        tilt=tilt,
        head=head,
        wing=abs(wing),
        stretch=(float(stretch[0]), float(stretch[1]), float(stretch[2])),
        fill=rng.uniform(0.62, 1.0),
        shift=(rng.uniform(-0.09, 0.09), rng.uniform(-0.07, 0.07)),
    )


def build(bird: Bird, pose: Pose, size: int) -> Skeleton:
    """Build the skeleton of a bird in a pose, placed in an image.

    Parameters
    ----------
    bird : Bird
        The species; only its order and family matter here.
    pose : Pose
        How it holds itself.
    size : int
        Side of the image in pixels.

    Returns
    -------
    Skeleton
        All coordinates in pixels, x to the right and y downwards.
    """
    deep, long, wide = pose.stretch
    shape = replace(
        bird.shape,
        body_depth=bird.shape.body_depth * deep,
        neck_length=bird.shape.neck_length * long,
        tail_length=bird.shape.tail_length * long,
        head_radius=bird.shape.head_radius * wide,
        bill_length=bird.shape.bill_length * wide,
    )
    return _place(_upright(shape, bird.posture, pose), pose, size, afloat=bird.posture.afloat)


def _upright(shape: Shape, posture: Posture, pose: Pose) -> Skeleton:
    body = _turn(posture.body_angle + pose.tilt)
    crown = _crown(shape, body, pose)
    face = _turn(pose.head + 0.4 * pose.tilt + (14 if posture.hovering else 0))
    wing, wing_parts = _wing(shape, posture, body, pose)
    legs, rest = _legs(shape, posture, body)
    parts = {
        "tail": [_tail(shape, body)],
        "body": [_egg(shape, body)],
        "neck": [_neck(shape, body, crown)],
        "head": [_oval(crown, face, shape.head_radius * 1.1, shape.head_radius)],
        "crest": _crest(shape, crown, face),
        "bill": [_bill(shape, crown, face)],
        "legs": legs,
        **wing_parts,
    }
    return Skeleton(parts, {"wing": wing, **_frames(shape, body, crown, face)}, rest, 1.0)


def _frames(shape: Shape, body: Points, crown: Points, face: Points) -> dict[str, Frame]:
    throat = _throat(shape, body)
    spine = crown - throat
    return {
        "body": Frame(np.zeros(2), body[0], body[1] * shape.body_depth),
        "neck": Frame(throat, spine, _left(spine) / np.hypot(*spine) * shape.head_radius),
        "head": Frame(crown, face[0] * shape.head_radius, face[1] * shape.head_radius),
        "tail": _tail_frame(shape, body),
    }


def _turn(degrees: float) -> Points:
    """Return the unit vectors along and across a direction, as the rows of a (2, 2) array."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, s], [-s, c]])


def _left(vector: Points) -> Points:
    return np.array([-vector[1], vector[0]])


def _oval(centre: Points, axes: Points, length: float, depth: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    return centre + np.stack([length * np.cos(angle), depth * np.sin(angle)], axis=1) @ axes


def _egg(shape: Shape, body: Points) -> Points:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    depth = shape.body_depth * (1 + 0.2 * np.cos(angle)) * np.where(np.sin(angle) > 0, 0.9, 1.08)
    return np.stack([np.cos(angle), depth * np.sin(angle)], axis=1) @ body


def _tube(spine: Points, radius: Points) -> Points:
    """Return the outline of a tube of varying radius around a spine of shape (n, 2)."""
    step = np.gradient(spine, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1) / np.hypot(step[:, 0], step[:, 1])[:, None]
    side = normal * radius[:, None]
    return np.concatenate([spine + side, (spine - side)[::-1]])


def _throat(shape: Shape, body: Points) -> Points:
    return np.asarray(0.66 * body[0] + 0.22 * shape.body_depth * body[1])


def _crown(shape: Shape, body: Points, pose: Pose) -> Points:
    lean = _turn(shape.neck_angle + 0.5 * pose.tilt + 0.4 * pose.head)[0]
    return np.asarray(_throat(shape, body) + (shape.neck_length + 0.12) * lean)


def _neck(shape: Shape, body: Points, crown: Points) -> Points:
    start = _throat(shape, body) - 0.25 * body[0]
    bend = np.array([shape.neck_length * shape.neck_bend, 0.0])
    lift = (crown - start) / 3
    knots = [start, start + lift + 1.3 * bend, crown - lift - 1.1 * bend, crown]
    t = np.linspace(0, 1, 14)[:, None]
    weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
    spine = sum(w * knot for w, knot in zip(weights, knots, strict=True))
    base = 0.62 * shape.body_depth + 0.06
    return _tube(np.asarray(spine), shape.neck_width + (base - shape.neck_width) * (1 - t[:, 0]) ** 2)


def _bill(shape: Shape, crown: Points, face: Points) -> Points:
    t = np.linspace(0, 1, 12)
    root = 0.8 * shape.head_radius
    along = root + t * shape.bill_length
    across = shape.bill_curve * shape.bill_length * t**2 - 0.06 * shape.head_radius
    depth = shape.bill_depth * (1 - (1 - shape.bill_tip) * t) * np.sqrt(1 - 0.8 * t**8)
    return crown + _tube(np.stack([along, across], axis=1), depth) @ face


def _crest(shape: Shape, crown: Points, face: Points) -> list[Points]:
    tufts = []
    for i in range(shape.crest_count if shape.crest_length else 0):
        axes = _turn(shape.crest_angle - 26 * i)
        root, radius = 0.55 * shape.head_radius, 0.30 * shape.head_radius
        t = np.linspace(0, 1, 6)
        spine = np.stack([root + t * (shape.crest_length + 0.45 * shape.head_radius), -0.1 * t**2], axis=1)
        tufts.append(crown + _tube(spine, radius * (1 - 0.93 * t)) @ axes @ face)
    return tufts


def _tail_frame(shape: Shape, body: Points) -> Frame:
    axes = _turn(180 + shape.tail_angle) @ body
    return Frame(-0.72 * body[0], axes[0] * (shape.tail_length + 0.28), -axes[1] * shape.tail_tip)


def _tail(shape: Shape, body: Points) -> Points:
    base = shape.tail_base / shape.tail_tip
    notch = 1 - shape.tail_fork * 0.8
    mid = (base + 0.8) / 2
    profile = [(0, base), (0.5, mid), (0.94, 1), (1, 0.72), (notch, 0), (1, -0.72), (0.94, -1), (0.5, -mid)]
    return _tail_frame(shape, body).at(np.array([*profile, (0, -base)]))


def _wing(shape: Shape, posture: Posture, body: Points, pose: Pose) -> tuple[Frame, Outlines]:
    """Return the near wing's frame and the wing outlines: folded along the back, or raised to hover."""
    if posture.hovering:
        raised = np.asarray([0.42, 0.30 * shape.body_depth]) @ body
        near, far = (_blade(raised, _turn(angle + pose.wing * 2), 1.75) for angle in (118, 78))
        return near[0], {"wing": [near[1]], "far_wing": [far[1]]}
    shoulder = np.asarray([0.56, 0.36 * shape.body_depth]) @ body
    axes = _turn(180 + 11 - pose.wing) @ body
    frame = Frame(shoulder, axes[0] * 1.62, -axes[1] * 0.60 * shape.body_depth)
    return frame, {"wing": [_leaf(frame)], "far_wing": []}


def _leaf(frame: Frame) -> Points:
    """Draw the outline of a folded wing: round at the shoulder, full below, pointed over the tail."""
    u = np.linspace(0, 1, 16)
    profile = np.sqrt(np.clip(u, 0, 1)) * (1 - u) ** 0.62 * 1.9
    upper, lower = np.stack([u, 0.62 * profile], axis=1), np.stack([u, -1.05 * profile], axis=1)
    return frame.at(np.concatenate([upper, lower[::-1]]))


def _blade(root: Points, axes: Points, length: float) -> tuple[Frame, Points]:
    """Return frame and outline of a raised wing: a narrow curved blade with a stepped trailing edge."""
    frame = Frame(root, axes[0] * length, -axes[1] * 0.36)
    u = np.linspace(0, 1, 16)
    lead = 0.42 * np.sin(np.pi * u**0.8) ** 0.6 + 0.1
    trail = -1.25 * np.sin(np.pi * (0.16 + 0.84 * u)) ** 0.7 - 0.12 * np.abs(np.sin(5 * np.pi * u))
    outline = np.concatenate([np.stack([u, lead], axis=1), np.stack([u, trail], axis=1)[::-1]])
    return frame, frame.at(outline)


def _legs(shape: Shape, posture: Posture, body: Points) -> tuple[list[Points], Points]:
    """Return the leg and toe outlines and the point the bird rests on."""
    hip = np.asarray([posture.hip, -0.75 * shape.body_depth]) @ body
    if not posture.leg_length:
        return [], hip + (np.array([0, 0.42 * shape.body_depth]) if posture.afloat else 0.0)
    foot = hip + np.array([0.06 * posture.leg_length, -posture.leg_length])
    legs = [part for dx in (-0.14, 0.16) for part in _leg(hip, foot, dx, posture.leg_length)]
    return legs, foot


def _leg(hip: Points, foot: Points, dx: float, length: float) -> list[Points]:
    side = np.array([dx, 0.0])
    knee = (hip + foot) / 2 + side + np.array([-0.10 * length, 0.05 * length])
    width = 0.045 if length > 1 else 0.055
    shank = _tube(np.stack([hip + side, knee, foot + side]), np.array([2.2, 1.0, 1.0]) * width)
    tips = np.array([[0.27, -0.02], [0.15, -0.04], [-0.14, -0.02]])
    sole = foot + side + np.array([[0.0, 1.1 * width], [0.0, -1.1 * width]])
    return [shank, *(np.concatenate([sole, [foot + side + tip]]) for tip in tips)]


def _place(skeleton: Skeleton, pose: Pose, size: int, *, afloat: bool) -> Skeleton:
    """Scale the skeleton to fill its share of the image, turn y downwards and the bird to its side."""
    points = np.concatenate([outline for part in skeleton.parts.values() for outline in part])
    low, high = points.min(axis=0), points.max(axis=0)
    width, height = high - low
    # The geometric mean keeps a long thin bird from shrinking to a thread; what sticks out is cropped.
    extent = max(width, height) ** 0.75 * (width * height) ** 0.125
    scale = pose.fill * size * 0.92 / extent
    scale = min(scale, 1.04 * size / max(width, height))
    flip = np.array([pose.facing * scale, -scale])
    target = size * (np.array([0.5, 0.56 if afloat else 0.5]) + np.array(pose.shift))
    offset = target - (low + high) / 2 * flip
    parts = {name: [p * flip + offset for p in part] for name, part in skeleton.parts.items()}
    frames = {n: Frame(f.origin * flip + offset, f.along * flip, f.across * flip) for n, f in skeleton.frames.items()}
    return Skeleton(parts, frames, skeleton.rest * flip + offset, float(scale))
