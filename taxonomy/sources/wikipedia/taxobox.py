"""What a rendered page states about its taxon: the rows of its taxobox. Pure, no network.

Rows are read by their label ("Family:"), never by their number. A cell that is not one plain taxon (an
alternative, a question mark, "incertae sedis") states nothing: it is left out, not guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

MAX_TABLE: Final = 400_000  # characters; real taxoboxes have 5,000 to 100,000
MAX_DEPTH: Final = 100  # elements within elements; real taxoboxes have about 10

_TABLE = re.compile(r"""<(/?)table\b((?:[^<>"']|"[^"]*"|'[^']*')*+)>""", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)")
_VOID = {"br", "img", "hr", "wbr", "link", "meta", "input", "area", "col", "source", "track"}
_CLASS = re.compile(r"""\bclass\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
_NOTICE = re.compile(r"""<(?:div|table)\b[^<>]{0,500}\bid\s*=\s*["'](disambigbox|setindexbox)["']""", re.IGNORECASE)
_TAXON = re.compile(r"[^\W\d_](?:[^\W\d_]|[ .'’×-]){0,99}")  # noqa: RUF001 (the hybrid sign is meant)
_NOT_A_TAXON = ("incertae sedis", "disputed", "see text", "unknown", "uncertain", "none")
_ARTICLES = ("/wiki/", "./")  # as written by MediaWiki's old and by its new parser
_TAXONOMY = "Template:Taxonomy/"


@dataclass(frozen=True)
class Row:
    """One row of a taxobox: a rank in lower case, the taxon, and the page its link leads to, if any."""

    rank: str
    name: str
    page: str | None = None

    def __str__(self) -> str:
        return f"{self.rank.capitalize()}: {self.name}"


@dataclass(frozen=True)
class Taxobox:
    """What the taxobox or taxoboxes of a page state.

    Attributes
    ----------
    rows
        In the page's order; a rank may occur more than once (clades always, other ranks where a page
        contradicts itself).
    binomial
        The scientific name of the species, if one is given.
    taxonomy
        The key of the ``Template:Taxonomy/`` page that the box was made from, if it names one.
    """

    rows: tuple[Row, ...]
    binomial: str | None = None
    taxonomy: str | None = None


class UnreadableError(ValueError):
    """A page without a taxobox that can be read; the text says why."""


def read_taxobox(html: str) -> Taxobox:
    """Read the taxobox of a page's HTML.

    Raises
    ------
    UnreadableError
        If the page has none, is a disambiguation or a set-index page, or its box is absurdly large or deep.
    """
    html = without_comments(html)
    if notice := _NOTICE.search(html):
        kind = "a disambiguation page" if notice[1].lower() == "disambigbox" else "a set-index page"
        raise UnreadableError(f"is {kind}")
    tables = list(_taxobox_tables(html))
    if not tables:
        raise UnreadableError("has no taxobox")
    if any(_depth(table) > MAX_DEPTH for table in tables):
        raise UnreadableError("has a taxobox that is nested absurdly deep")
    soups = [BeautifulSoup(table, "html.parser") for table in tables]
    for soup in soups:
        _remove_asides(soup)
    rows = tuple(row for soup in soups for row in _rows(soup))
    return Taxobox(rows, _binomial(soups), _taxonomy_key(soups))


def without_comments(html: str) -> str:
    """Cut HTML comments, in linear time whatever the page holds."""
    kept, at = [], 0
    while (start := html.find("<!--", at)) >= 0 and (end := html.find("-->", start + 4)) >= 0:
        kept.append(html[at:start])
        at = end + 3
    return "".join([*kept, html[at:]])


def _taxobox_tables(html: str) -> Iterator[str]:
    """Yield the HTML of every outermost table with the class token ``biota``.

    Only these are parsed: a whole page takes twenty times as long.
    """
    start, depth = -1, 0
    for tag in _TABLE.finditer(html):
        if start < 0:
            named = None if tag[1] else _CLASS.search(tag[2])
            if named and "biota" in named[1].lower().split():
                start, depth = tag.start(), 1
            continue
        depth += -1 if tag[1] else 1
        if tag.end() - start > MAX_TABLE:
            raise UnreadableError(f"has a taxobox of more than {MAX_TABLE:,} characters")
        if depth == 0:
            yield html[start : tag.end()]
            start = -1
    if start >= 0:
        raise UnreadableError("has a taxobox that does not end; the answer may be cut short")


def _depth(table: str) -> int:
    """Return how deep the elements of a table nest, counting those that never end."""
    still_open: Counter[str] = Counter()
    deepest = depth = 0
    for closing, name in _TAG.findall(table.lower()):
        if closing and still_open[name]:
            still_open[name] -= 1
            depth -= 1
        elif not closing and name not in _VOID:
            still_open[name] += 1
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def _remove_asides(soup: BeautifulSoup) -> None:
    """Remove what stands in a cell beside the taxon: authorities, references, styles, scripts, pictures."""
    for tag in soup.find_all(["small", "sup", "style", "script", "template", "img"]):
        tag.extract()


def _rows(soup: BeautifulSoup) -> Iterator[Row]:
    for row in soup.find_all("tr"):
        cells = row.find_all("td", recursive=False)
        if len(cells) != 2:
            continue
        label = _text(cells[0])
        if not label.endswith(":"):
            continue
        rank = label.rstrip(": ").strip("()").casefold()
        if taxon := _taxon(cells[1]):
            yield Row(rank, *taxon)


def _taxon(cell: Tag) -> tuple[str, str | None] | None:
    """Return the one taxon of a cell and the page linked to, or None where there is no plain one."""
    lines = _first_line(cell)
    links = [tag for node in lines if isinstance(node, Tag) for tag in _links(node)]
    text = _clean("".join(node.get_text() for node in lines))
    if len(links) > 1 or not _TAXON.fullmatch(text) or text.casefold().startswith(_NOT_A_TAXON):
        return None
    if links and _clean(links[0].get_text()) != text:
        return None
    if not links and " " in text and text not in [_text(bold) for bold in cell.find_all("b")]:
        return None  # perhaps an authority that is not set apart: "Laridae Rafinesque"
    return text, _page(links[0]) if links else None


def _first_line(cell: Tag) -> list[Tag]:
    """Return what stands before the line break that separates the taxon from its authority."""
    nodes = list(cell.children)
    while len(real := [n for n in nodes if isinstance(n, Tag) or n.get_text().strip()]) == 1:
        only = real[0]
        if not isinstance(only, Tag) or only.name in ("a", "b", "i"):
            break
        nodes = list(only.children)
    kept: list[Tag] = []
    for node in nodes:
        if isinstance(node, Tag) and (node.name in ("br", "div", "p") or node.find("br")) and _clean(_joined(kept)):
            break
        kept.append(node)  # type: ignore[arg-type]
    return kept


def _joined(nodes: list[Tag]) -> str:
    return "".join(node.get_text() for node in nodes)


def _links(node: Tag) -> list[Tag]:
    return [node] if node.name == "a" else list(node.find_all("a"))


def _page(link: Tag) -> str | None:
    """Return the title of the article that a link leads to; None for itself, sections, red and outside links."""
    parts = urlsplit(str(link.get("href") or ""))
    article = next((start for start in _ARTICLES if parts.path.startswith(start)), None)
    if parts.netloc or parts.query or parts.fragment or article is None:
        return None
    return unquote(parts.path.removeprefix(article)).replace("_", " ").strip() or None


def _binomial(soups: list[BeautifulSoup]) -> str | None:
    """Return the species' scientific name, if the boxes give exactly one."""
    names = {_text(tag) for soup in soups for tag in soup.find_all("span", class_="binomial")}
    names = {name for name in names if _TAXON.fullmatch(name) and " " in name}
    return names.pop() if len(names) == 1 else None


def _taxonomy_key(soups: list[BeautifulSoup]) -> str | None:
    pages = [_page(link) or "" for soup in soups for link in soup.find_all("a")]
    keys = [page.removeprefix(_TAXONOMY) for page in pages if page.startswith(_TAXONOMY)]
    return keys[0] if keys else None


def _text(tag: Tag) -> str:
    return _clean(tag.get_text())


def _clean(text: str) -> str:
    """Drop daggers, and make every kind of space one plain space."""
    return " ".join(text.replace("†", " ").replace("\u200b", "").split())
