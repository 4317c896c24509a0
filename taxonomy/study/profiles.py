"""How deep an audience wants answers, from what its people chose at stage 1: a profile that predictions can follow.

The mapping (docs/study.md, "Answers for an audience"): of those of an audience who named a level, the share that chose
level k or one above it is F_k. A right answer down to level k is taken to serve these. With P_k the probability of the
label at level k, the answer stops at the level of the largest F_k P_k, the share of the audience expected to be served.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from taxonomy.errors import HiertaxError
from taxonomy.files import read_json, write_json
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.answers import Answers, exclude, to_answers
from taxonomy.study.bootstrap import FEWEST
from taxonomy.study.plan import LEAST, Plan
from taxonomy.study.published import GROUPS, LEVELS, group_shares
from taxonomy.study.responses import Responses

FORMAT: Final = "hiertax-audiences"
VERSION: Final = 1
EVERYONE: Final = "everyone"
SHIPPED: Final = {"amateur": 1, "expert": 5}  # groups of the paper's Fig. 2b
Count = Annotated[int, Meta(ge=0)]


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """What some people chose: how often each level, coarsest first, and how often none."""

    people: Count
    chosen: list[Count]
    none: Count


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The audiences of a study, as in their file: ``everyone``, and ``group1`` to ``group5`` where there are people."""

    format: str
    version: int
    study_id: str
    hierarchy: str
    synthetic: bool
    levels: list[str]
    audiences: dict[str, Group]

    def save(self, path: Path) -> None:
        """Write the file, atomically."""
        write_json(path, self)


@dataclass(frozen=True)
class Audience:
    """Whom answers are for.

    Attributes
    ----------
    name, source
        What it is called, and whose choices its shares are, in words.
    levels
        The levels of which one was chosen, coarsest first.
    shares
        The share of each, of those who did not choose none; they add up to 1.
    """

    name: str
    source: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]

    @property
    def served(self) -> tuple[float, ...]:
        """For each level the share that chose it or one above it, F_k; 1 at the last."""
        return tuple(min(1.0, float(share)) for share in np.cumsum(self.shares))

    @property
    def steps(self) -> tuple[float, ...]:
        """How likely a level must be, given the one above it, to be worth going down to: F_(k-1) / F_k."""
        above = (0.0, *self.served[:-1])
        return tuple(a / b if b else 0.0 for a, b in zip(above, self.served, strict=True))


def make_profile(responses: Responses, hierarchy: Hierarchy, plan: Plan | None = None) -> Profile:
    """Count what each group chose, after the same exclusion of images as in `analyse`.

    Raises
    ------
    HiertaxError
        If no image has enough responses.
    """
    kept, _ = exclude(to_answers(responses.rows, hierarchy), LEAST if plan is None else plan.least)
    groups = {f"group{g}": kept.group == g for g in GROUPS}
    every = {EVERYONE: np.ones(len(kept), dtype=np.bool_), **groups}
    return Profile(
        format=FORMAT,
        version=VERSION,
        study_id=responses.rows[0].study_id,
        hierarchy=hierarchy.name,
        synthetic=responses.is_synthetic,
        levels=list(kept.options[:-1]),
        audiences={name: _group(kept.take(rows)) for name, rows in every.items() if rows.any()},
    )


def _group(answers: Answers) -> Group:
    counts = np.bincount(answers.choice, minlength=len(answers.options)).tolist()
    return Group(len(answers.scores), counts[:-1], counts[-1])


def find_audience(wished: str | Path) -> Audience:
    """Return an audience by name, or from a profile.

    Parameters
    ----------
    wished
        ``amateur`` or ``expert`` (groups 1 and 5 of the paper's Fig. 2b, read off the picture), or a file of
        `make_profile`, whose ``everyone`` is meant unless another of its audiences follows, as ``profile.json:group2``.

    Raises
    ------
    HiertaxError
        If there is no such audience or file, or nobody in it named a level.
    """
    text = str(wished)
    if text in SHIPPED:
        shares = group_shares()[SHIPPED[text] - 1, :-1]
        source = f"group {SHIPPED[text]} of Chang et al. 2021, Fig. 2b, digitised"
        return Audience(text, source, LEVELS, tuple((shares / shares.sum()).tolist()))
    path, name = Path(text), EVERYONE
    if not path.exists() and ":" in text:
        before, _, name = text.rpartition(":")
        path = Path(before)
    if not path.exists():
        raise HiertaxError(
            f"`audience` {text}: neither {' nor '.join(SHIPPED)} nor a file; make one by `hiertax study profile`"
        )
    return _of_file(path, name)


def _of_file(path: Path, name: str) -> Audience:
    try:
        profile = msgspec.convert(read_json(path), Profile)
    except msgspec.ValidationError as error:
        raise HiertaxError(f"{path}: no profile of audiences: {error}; make it by `hiertax study profile`") from None
    if (profile.format, profile.version) != (FORMAT, VERSION):
        raise HiertaxError(f"{path}: no profile of audiences of version {VERSION}; make it by `hiertax study profile`")
    group = profile.audiences.get(name)
    if group is None:
        raise HiertaxError(f"{path}: no audience {name!r}; there are {', '.join(profile.audiences)}")
    total = sum(group.chosen)
    if not total or len(group.chosen) != len(profile.levels):
        raise HiertaxError(f"{path}: nobody of {name} chose a level; take another audience")
    made_up = "SYNTHETIC " if profile.synthetic else ""
    source = f"{made_up}study {profile.study_id}, {group.people} people, {total} choices"
    return Audience(name, source, tuple(profile.levels), tuple(count / total for count in group.chosen))


def served_at(audience: Audience, levels: Sequence[str]) -> tuple[tuple[float, ...], str]:
    """Return F_k for the levels of a hierarchy, coarsest first, and what is to be said of it in a line.

    The levels are those of the audience where they have the same names or are as many; else F is interpolated between
    the depths, 0 for the root and 1 for the leaves.
    """
    said = f"answers for {audience.name} ({audience.source})"
    if list(levels) == list(audience.levels):
        return audience.served, said
    own = np.arange(len(audience.levels) + 1) / len(audience.levels)
    asked = np.arange(1, len(levels) + 1) / len(levels)
    found = np.interp(asked, own, (0.0, *audience.served))
    how = "in their order" if len(levels) == len(audience.levels) else "by depth, interpolated"
    said += f": what was asked for {', '.join(audience.levels)} is taken for {', '.join(levels)}, {how}"
    return tuple(found.tolist()), said


def text(profile: Profile) -> str:
    """Return the audiences as a small table: the shares of the levels, and how sure a step down must be."""
    lines = [
        "audience   people  choices   " + "  ".join(f"{level:>10}" for level in profile.levels) + "   steps down at"
    ]
    for name, group in profile.audiences.items():
        total = sum(group.chosen)
        if not total:
            lines.append(f"{name:<10} {group.people:>6}  nobody chose a level")
            continue
        audience = Audience(name, "", tuple(profile.levels), tuple(n / total for n in group.chosen))
        shares = "  ".join(f"{100 * share:>8.1f} %" for share in audience.shares)
        steps = ", ".join(f"{100 * step:.0f} %" for step in audience.steps[1:])
        few = f"  (fewer than {FEWEST} people)" if group.people < FEWEST else ""
        lines.append(f"{name:<10} {group.people:>6}  {total:>7}   {shares}   {steps}{few}")
    return "\n".join(lines)
