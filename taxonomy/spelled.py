"""The names of a level in the forms that the rules about names compare, each made once and only when asked for."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from taxonomy.distinct import hashes_differ, line_hashes, ordered_differ

PUNCTUATION = " -_'.,;:()[]/&"
QUOTES = '"\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb`\u00b4\u2032\u2033\u02bc'  # of cultivars
HYBRID = dict.fromkeys("\u00d7\u2715\u2716\u2a09\u2a2f", "x")  # signs of a cross, for which an x is typed
SPELLING = str.maketrans({**dict.fromkeys(PUNCTUATION + QUOTES, ""), **HYBRID})
CHUNK = 4096  # names that are looked over at once
BLOCK = 1 << 18  # characters at a time, so that what is intermediate stays in the processor's cache
FEW = 20_000  # names, of which a set is made as quickly as hashes
DELETE = 127  # the one code of ASCII above the visible ones


class Names:
    """The names of a level.

    Where all are plain (visible ASCII with single spaces inside), what is made of them is made of their joined text,
    in a few passes and without a string for each.

    Attributes
    ----------
    given
        The names as they are.
    once
        Whether they are looked at once, so that a form of them which serves several rules is not worth its making.
    """

    def __init__(self, given: list[str], *, once: bool = False) -> None:
        self.given, self.once = given, once

    def __len__(self) -> int:
        return len(self.given)

    @cached_property
    def text(self) -> bytes | None:
        """The plain names in one case with a line feed between them; None if one is not plain."""
        return _plain(self.given)

    @cached_property
    def folded(self) -> list[str]:
        """The names in one case and with single spaces."""
        if self.text is not None:
            return self.text.decode().split("\n")
        return [" ".join(name.split()).casefold() for name in self.given]

    @cached_property
    def bare_text(self) -> bytes | None:
        """The folded names without punctuation, as `text` has them."""
        return None if self.text is None else self.text.translate(None, (PUNCTUATION + '"`').encode())

    @cached_property
    def bare(self) -> list[str]:
        """The folded names without accents and punctuation."""
        return [_bare(key) for key in self.folded] if self.bare_text is None else self.bare_text.decode().split("\n")

    @cached_property
    def hashes(self) -> NDArray[np.uint64] | None:
        """A hash of each bare name, uint64 ``[n]``; None if one is not plain, or is very long."""
        return None if self.bare_text is None else line_hashes(self.bare_text)

    @cached_property
    def ordered(self) -> NDArray[np.uint64] | None:
        """The same, ascending."""
        return None if self.hashes is None else np.sort(self.hashes)

    def fold(self, index: int) -> str:
        """Return one folded name."""
        return self.given[index].lower() if self.text is not None else self.folded[index]

    def find(self, known: Collection[str]) -> list[int]:
        """Return the indices of the names that are, folded, among some, ascending."""
        if len(self) > FEW and self.hashes is not None and self.ordered is not None:
            wanted = Names([name for name in known if name.isascii()]).hashes
            if wanted is not None:
                place = np.minimum(np.searchsorted(self.ordered, wanted), len(self) - 1)
                there = wanted[self.ordered[place] == wanted]
                alike = np.isin(self.hashes, there) if len(there) else there
                return [j for j in np.flatnonzero(alike).tolist() if self.fold(j) in known]
        return [j for j, key in enumerate(self.folded) if key in known]

    def blank(self) -> list[int]:
        """Return the indices of the names that are empty or of spaces alone."""
        if (not self.once and self.text is not None) or all(map(str.strip, self.given)):
            return []
        return [j for j, name in enumerate(self.given) if not name.strip()]

    def repeats(self) -> Iterator[tuple[int, int]]:
        """Yield the first and the later index of every name that stood earlier in the list, as it is given."""
        if not self.once and len(self) > FEW and self.ordered is not None and ordered_differ(self.ordered):
            return
        if len(set(self.given)) == len(self):
            return
        first: dict[str, int] = {}
        for i, name in enumerate(self.given):
            if (earlier := first.setdefault(name, i)) != i:
                yield earlier, i

    def unusual(self) -> Iterator[tuple[int, str]]:
        """Yield the names, with their indices, that may not be plain."""
        if self.text is None:
            for start in range(0, len(self.given), CHUNK):
                part = self.given[start : start + CHUNK]
                if _plain(part) is None:
                    yield from enumerate(part, start)

    def all_unlike(self, *, spelling: bool) -> bool:
        """Tell whether all are ASCII and differ in more than capitals, spaces and, if asked, punctuation."""
        if self.text is None and not all(map(str.isascii, self.given)):
            return False
        if not spelling:
            return surely_unlike([self]) or len(set(self.folded)) == len(self)
        return surely_unlike([self]) or len(set(self.bare)) == len(self)


def surely_unlike(levels: Sequence[Names]) -> bool:
    """Tell whether all names of all levels are plain, and differ in more than capitals, spaces and punctuation."""
    known = [names.hashes for names in levels if names.hashes is not None]
    if len(known) < len(levels):
        return False
    return hashes_differ(np.concatenate(known))


def _plain(names: Sequence[str]) -> bytes | None:
    """Return names in one case, joined by line feeds, if all are visible ASCII with single spaces inside."""
    joined = "\n".join(names)
    if not joined or not joined.isascii():
        return None
    code = np.frombuffer(joined.encode(), dtype=np.uint8)
    if code[0] <= ord(" ") or code[-1] <= ord(" "):
        return None
    seams, lower = 0, np.empty_like(code)
    for start in range(0, len(code), BLOCK):
        part = code[start : start + BLOCK + 1]  # with the first of the next, for the pair of the two
        gaps = part <= ord(" ")
        if (gaps[1:] & gaps[:-1]).any() or part.max() >= DELETE:
            return None
        seen = int(np.count_nonzero(part[:BLOCK] == ord("\n")))
        if seen != np.count_nonzero(part[:BLOCK] < ord(" ")):
            return None
        seams += seen
        _lower(part[:BLOCK], lower[start : start + BLOCK])
    return lower.tobytes() if seams == len(names) - 1 else None


def _lower(code: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Write ASCII in one case: 32 is added to the 26 capitals, of which the codes begin at 65."""
    capitals = (code - np.uint8(ord("A"))) < 26
    np.add(code, capitals.view(np.uint8) * np.uint8(32), out=out)  # a shift takes ten times as long


def _bare(key: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", key.translate(SPELLING)) if not unicodedata.combining(c))
