"""What the ``Template:Taxonomy/X`` pages state: each names a taxon's rank and its parent. Pure, no network.

Wikipedia's automatic taxoboxes are made from these pages; following the parents gives the ranks that a
taxobox leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from taxonomy.sources.wikipedia.taxobox import Row, without_comments

PREFIX: Final = "Template:Taxonomy/"
MAX_DEPTH: Final = 80  # steps; a bird's genus has some 40 pages above it

_LATIN = {
    "regnum": "kingdom", "divisio": "division", "classis": "class", "cohort": "cohort", "ordo": "order",
    "familia": "family", "tribus": "tribe", "sectio": "section", "series": "series", "cladus": "clade",
}  # fmt: skip
_PREFIXES = re.compile(r"(super|grand|mir|sub|infra|parv|micro|mega|magn)?(.*)")
_PARAMETER = re.compile(r"\s*([\w ]+?)\s*=(.*)", re.DOTALL)
_NAME = re.compile(r"[^\W\d_][\w .'’×/()-]{0,99}")  # noqa: RUF001 (the hybrid sign is meant)


@dataclass(frozen=True)
class Taxonomy:
    """One ``Template:Taxonomy/`` page: rank (in English, or None), the taxon's name, and its parent's key."""

    rank: str | None
    name: str | None
    parent: str | None
    same_as: str | None = None


def read_taxonomy(wikitext: str) -> Taxonomy:
    """Read the wikitext of a taxonomy page; what it does not state plainly is None."""
    rank = name = parent = same_as = None
    shown_next = False
    for part in _top_level_parts(without_comments(wikitext[:50_000])):
        match = _PARAMETER.fullmatch(part)
        if not match:
            if shown_next:  # |link=Tyrant flycatcher|Tyrannidae: the second is the taxon
                name = _plain(part)
            shown_next = False
            continue
        key, value = match[1].strip().replace(" ", "_").lower(), match[2].strip()
        shown_next = key == "link"
        if key == "rank":
            rank = english_rank(value)
        elif key == "link":
            name = _plain(value.partition("(")[0])
        elif key == "parent":
            parent = _key(value)
        elif key == "same_as":
            same_as = _key(value)
    return Taxonomy(rank, name, parent, same_as)


def english_rank(rank: str) -> str:
    """Return the English word for a rank in the Latin of the templates ("superfamilia" is "superfamily")."""
    prefix, stem = _PREFIXES.fullmatch(rank.strip().casefold()).groups("")  # type: ignore[union-attr]
    return prefix + _LATIN.get(stem, stem)


def follow(key: str, read: Callable[[str], Taxonomy | None]) -> tuple[list[tuple[str, Row]], str | None]:
    """Follow the parents of a taxonomy page.

    Parameters
    ----------
    key
        Where to start: the title without ``Template:Taxonomy/``.
    read
        Gives the page of a key, or None where it has not been fetched.

    Returns
    -------
    The keys with what each states, from the start upwards, and the first key that `read` does not know:
    fetch it and follow again, or None where the chain ends.
    """
    chain: list[tuple[str, Row]] = []
    seen: set[str] = set()
    at: str | None = key
    while at and at not in seen and len(seen) < MAX_DEPTH and not at.endswith("/?"):  # "/?" marks a doubtful parent
        seen.add(at)
        page = read(at)
        if page is None:
            return chain, at
        if page.same_as:
            like = read(page.same_as)
            if like is None:
                return chain, page.same_as
            page = Taxonomy(page.rank or like.rank, page.name or like.name, page.parent or like.parent)
        if page.rank and page.name:
            chain.append((at, Row(page.rank, page.name)))
            if page.rank == "kingdom":
                break
        at = page.parent
    return chain, None


def _top_level_parts(text: str) -> list[str]:
    """Split the first template call at its own bars, not at those of templates and links inside it."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        pair = text[at : at + 2]
        if pair in ("{{", "[["):
            depth, at = depth + 1, at + 2
        elif pair in ("}}", "]]"):
            depth -= 1
            if depth == 0:
                break
            at += 2
        else:
            if text[at] == "|" and depth == 1:
                parts.append(text[start:at])
                start = at + 1
            at += 1
    return [*parts, text[start:at]][1:]


def _plain(value: str) -> str | None:
    name = " ".join(value.replace("'''", "").replace("''", "").replace("†", "").split())
    return name if _NAME.fullmatch(name) and "/" not in name else None


def _key(value: str) -> str | None:
    if not value:
        return None
    return value if _NAME.fullmatch(value.removesuffix("?")) else None
