"""The invented birds: how an order holds itself, how a family is built, how a species is coloured.

Who belongs to whom is written once, in ``taxonomy/data/sketchbirds.csv``; the tables here are keyed by
the names found there. Lengths are in units of half a body (rear to breast is 2), angles in degrees
above the direction the bird faces.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Colour = tuple[int, int, int]
Support = Literal["water", "shore", "branch", "post", "air"]
Breast = Literal["plain", "spots", "streaks", "bars"]


@dataclass(frozen=True)
class Posture:
    """How every bird of an order holds itself, and what it may sit, stand or swim on."""

    body_angle: float
    leg_length: float
    hip: float
    supports: tuple[Support, ...]
    afloat: bool = False
    hovering: bool = False


@dataclass(frozen=True)
class Shape:
    """The outline shared by the species of a family."""

    body_depth: float
    neck_length: float
    neck_angle: float
    neck_width: float
    neck_bend: float
    head_radius: float
    bill_length: float
    bill_depth: float
    bill_curve: float
    bill_tip: float
    tail_length: float
    tail_base: float
    tail_tip: float
    tail_fork: float
    tail_angle: float
    crest_length: float = 0.0
    crest_angle: float = 150.0
    crest_count: int = 1
    bill_colour: str = "horn"
    leg_colour: str = "horn"


@dataclass(frozen=True)
class Coat:
    """The ground colours of a plumage. Each coat is worn in several families and orders."""

    back: Colour
    belly: Colour
    wing: Colour


@dataclass(frozen=True)
class Plumage:
    """What tells a species from its siblings: a coat and the marks upon it.

    A mark is the name of its colour in `INKS`, or None where the species has no such mark.
    """

    coat: str
    breast: Breast = "plain"
    cap: str | None = None
    brow: str | None = None
    eye_stripe: str | None = None
    throat: str | None = None
    collar: str | None = None
    wing_bars: int = 0
    wing_patch: str | None = None
    tail_band: str | None = None


@dataclass(frozen=True)
class Bird:
    """One species with everything needed to draw it."""

    class_name: str
    order: str
    family: str
    species: str
    note: str
    posture: Posture
    shape: Shape
    plumage: Plumage


POSTURES: dict[str, Posture] = {
    "Harundiniformes": Posture(14, 1.45, -0.1, ("water", "shore")),
    "Undivagiformes": Posture(4, 0.0, -0.1, ("water",), afloat=True),
    "Cantilliformes": Posture(30, 0.42, -0.15, ("branch", "branch", "shore")),
    "Vigilantiformes": Posture(70, 0.3, -0.6, ("branch", "post")),
    "Vibraliformes": Posture(44, 0.0, -0.3, ("air",), hovering=True),
}

SHAPES: dict[str, Shape] = {
    "Quillettidae": Shape(
        0.46, 1.45, 72, 0.20, 0.45, 0.25, 0.85, 0.085, 0.0, 0.05, 0.45, 0.30, 0.22, 0.0, 4,
        crest_length=0.55, crest_angle=168, bill_colour="gold", leg_colour="horn",
    ),
    "Falciridae": Shape(
        0.52, 1.0, 58, 0.22, 0.22, 0.27, 1.2, 0.085, -0.42, 0.25, 0.40, 0.30, 0.26, 0.0, 2,
        bill_colour="soot", leg_colour="crimson",
    ),
    "Limnacridae": Shape(
        0.48, 0.72, 66, 0.19, 0.12, 0.27, 1.0, 0.06, 0.30, 0.12, 0.62, 0.26, 0.12, 0.0, -4,
        bill_colour="crimson", leg_colour="sky",
    ),
    "Dabbettidae": Shape(
        0.47, 0.55, 66, 0.25, 0.16, 0.34, 0.46, 0.12, 0.05, 0.66, 0.48, 0.32, 0.10, 0.0, -26,
        bill_colour="gold",
    ),
    "Plunsellidae": Shape(
        0.40, 0.95, 80, 0.17, 0.20, 0.27, 0.52, 0.10, -0.04, 0.05, 0.28, 0.26, 0.18, 0.0, 2,
        crest_length=0.36, crest_angle=132, crest_count=3, bill_colour="soot",
    ),
    "Trillettidae": Shape(
        0.60, 0.34, 46, 0.34, 0.0, 0.42, 0.36, 0.08, -0.03, 0.05, 0.80, 0.22, 0.24, 0.08, 0,
        bill_colour="soot", leg_colour="soot",
    ),
    "Crassillidae": Shape(
        0.62, 0.38, 50, 0.40, 0.0, 0.47, 0.38, 0.22, -0.12, 0.05, 0.90, 0.22, 0.34, 0.24, 4,
        crest_length=0.42, crest_angle=128, crest_count=2, bill_colour="horn", leg_colour="horn",
    ),
    "Pendulastridae": Shape(
        0.50, 0.34, 46, 0.30, 0.0, 0.38, 0.38, 0.075, -0.02, 0.05, 1.75, 0.16, 0.20, 0.05, -8,
        bill_colour="soot", leg_colour="crimson",
    ),
    "Spectastridae": Shape(
        0.50, 0.36, 78, 0.33, 0.0, 0.37, 0.27, 0.15, -0.42, 0.08, 1.15, 0.26, 0.30, 0.03, 4,
        bill_colour="soot", leg_colour="gold",
    ),
    "Umbrastridae": Shape(
        0.64, 0.34, 84, 0.52, 0.0, 0.60, 0.18, 0.14, -0.50, 0.08, 0.50, 0.34, 0.28, 0.0, 4,
        crest_length=0.36, crest_angle=112, crest_count=2, bill_colour="horn", leg_colour="gold",
    ),
    "Nectarculidae": Shape(
        0.42, 0.36, 54, 0.26, 0.0, 0.34, 1.05, 0.055, -0.30, 0.25, 1.60, 0.16, 0.34, 0.85, 6,
        bill_colour="soot",
    ),
    "Scintillastridae": Shape(
        0.44, 0.34, 54, 0.28, 0.0, 0.35, 1.30, 0.06, 0.0, 0.15, 0.85, 0.18, 0.55, 0.0, 10,
        bill_colour="crimson",
    ),
}  # fmt: skip

COATS: dict[str, Coat] = {
    "umber": Coat((124, 94, 64), (218, 202, 172), (98, 74, 52)),
    "slate": Coat((104, 116, 130), (212, 214, 212), (76, 86, 100)),
    "olive": Coat((122, 126, 66), (222, 210, 142), (90, 94, 54)),
    "russet": Coat((160, 98, 62), (230, 194, 150), (118, 70, 46)),
    "azure": Coat((86, 120, 158), (222, 208, 186), (62, 88, 122)),
    "sable": Coat((70, 66, 72), (176, 164, 154), (52, 48, 54)),
}

INKS: dict[str, Colour] = {
    "black": (30, 27, 29),
    "white": (240, 236, 226),
    "rusty": (172, 80, 38),
    "gold": (230, 178, 50),
    "crimson": (178, 38, 46),
    "sky": (92, 158, 206),
    "horn": (152, 128, 100),
    "soot": (52, 47, 46),
}

PLUMAGES: dict[str, Plumage] = {
    "Reed quillet": Plumage("slate", "streaks", brow="white", wing_bars=2),
    "Silver quillet": Plumage("slate", brow="white", collar="white"),
    "Fen quillet": Plumage("umber", "streaks", cap="black", wing_bars=2),
    "Marsh sickler": Plumage("russet", "bars", throat="white", wing_bars=1),
    "Ember sickler": Plumage("russet", "bars", eye_stripe="black", wing_patch="white"),
    "Mudflat sickler": Plumage("sable", "spots", throat="white", wing_bars=1),
    "Lagoon tiltbill": Plumage("umber", collar="black", wing_bars=2),
    "Saltpan tiltbill": Plumage("umber", brow="white", collar="black", tail_band="white"),
    "Delta tiltbill": Plumage("azure", "streaks", collar="black", wing_bars=2),
    "Tarn dabbet": Plumage("sable", collar="white", wing_patch="sky"),
    "Harbour dabbet": Plumage("sable", "spots", collar="white", wing_bars=1),
    "Willow dabbet": Plumage("olive", "spots", cap="rusty", wing_patch="sky"),
    "Mere plunsel": Plumage("azure", eye_stripe="white", throat="rusty"),
    "Fjord plunsel": Plumage("azure", "bars", throat="rusty", wing_bars=2),
    "Loch plunsel": Plumage("russet", cap="black", throat="white", wing_bars=1),
    "Alder trillet": Plumage("olive", eye_stripe="black", wing_bars=2),
    "Hedge trillet": Plumage("olive", "streaks", eye_stripe="black", wing_patch="gold"),
    "Copse trillet": Plumage("slate", "spots", brow="white", throat="gold"),
    "Barley husker": Plumage("russet", cap="black", throat="white", wing_bars=2),
    "Orchard husker": Plumage("russet", "bars", cap="black", throat="white"),
    "Thistle husker": Plumage("azure", "streaks", cap="black", wing_patch="gold"),
    "Brook swaytail": Plumage("slate", brow="white", collar="black", tail_band="white"),
    "Quarry swaytail": Plumage("slate", brow="white", throat="black", wing_bars=1),
    "Meadow swaytail": Plumage("olive", "spots", brow="white", wing_bars=2),
    "Moor watchhawk": Plumage("umber", "bars", brow="white", tail_band="black"),
    "Canyon watchhawk": Plumage("umber", "streaks", brow="white", tail_band="white"),
    "Steppe watchhawk": Plumage("slate", "spots", eye_stripe="black", wing_bars=1),
    "Cinder hushwing": Plumage("sable", "spots", brow="white", wing_bars=2),
    "Hollow hushwing": Plumage("sable", "streaks", throat="white", wing_bars=2),
    "Oakwood hushwing": Plumage("russet", "bars", cap="black", throat="white"),
    "Blossom sipling": Plumage("olive", throat="crimson", collar="white"),
    "Thicket sipling": Plumage("olive", "spots", throat="crimson", tail_band="white"),
    "Bramble sipling": Plumage("umber", "streaks", brow="white", throat="crimson"),
    "Noonday sparkwing": Plumage("azure", cap="crimson", throat="white", wing_bars=1),
    "Cascade sparkwing": Plumage("azure", "bars", cap="crimson", tail_band="white"),
    "Twilight sparkwing": Plumage("sable", "spots", cap="crimson", collar="white"),
}


def field_marks(plumage: Plumage) -> str:
    """Name the marks of a plumage in the words of a field guide.

    Parameters
    ----------
    plumage : Plumage
        The plumage to describe.

    Returns
    -------
    str
        For example ``"slate coat, white brow, streaked breast, two wing bars"``.
    """
    marks = [f"{plumage.coat} coat"]
    for name in ("cap", "brow", "eye_stripe", "throat", "collar"):
        ink = getattr(plumage, name)
        marks += [f"{ink} {name.replace('_', '-')}"] if ink else []
    breast = {"plain": "plain", "spots": "spotted", "streaks": "streaked", "bars": "barred"}
    marks.append(f"{breast[plumage.breast]} breast")
    marks += [["one wing bar", "two wing bars"][plumage.wing_bars - 1]] if plumage.wing_bars else []
    marks += [f"{plumage.wing_patch} wing patch"] if plumage.wing_patch else []
    marks += [f"{plumage.tail_band} tail band"] if plumage.tail_band else []
    return ", ".join(marks)


@cache
def birds() -> dict[str, Bird]:
    """Read the fauna: membership from the CSV table, traits from this module.

    Returns
    -------
    dict of str to Bird
        The 36 species by class name, in the table's order.

    Raises
    ------
    KeyError
        If the table names an order, family or species that has no traits here.
    """
    table = files("taxonomy").joinpath("data", "sketchbirds.csv").read_text(encoding="utf-8")
    return {row["class"]: _bird(row) for row in csv.DictReader(table.splitlines())}


def _bird(row: dict[str, str]) -> Bird:
    return Bird(
        class_name=row["class"],
        order=row["order"],
        family=row["family"],
        species=row["species"],
        note=row["note"],
        posture=POSTURES[row["order"]],
        shape=SHAPES[row["family"]],
        plumage=PLUMAGES[row["species"]],
    )
