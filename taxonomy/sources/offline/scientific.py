"""How scientific names are written: one form for hybrids and accents, and names without their authorities."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

CROSS: Final = "\N{MULTIPLICATION SIGN}"
CROSSES: Final = frozenset("x" + "X" + CROSS + "\N{MULTIPLICATION X}\N{HEAVY MULTIPLICATION X}")
_GLUED: Final = re.compile(r"(^|\s)[\u00d7\u2715\u2716](?=\S)")
_PARTICLES: Final = frozenset(
    [
        *("de", "del", "della", "des", "di", "do", "dos", "da", "du", "van", "von", "der", "den", "ter", "ten", "zu"),
        *("zur", "la", "le", "et", "ex", "in", "and", "y", "auct", "non", "nec", "sensu", "bis", "f", "fil", "emend"),
        *("pro", "hort"),
    ]
)  # lower-case words of authorities
_MARKERS: Final = frozenset(
    [
        *("subsp.", "ssp.", "var.", "subvar.", "f.", "fo.", "forma", "cv.", "sp.", "spp.", "cf.", "aff.", "sect."),
        *("ser.", "subg.", "nothosubsp.", "nothovar.", "pv.", "bv.", "f.sp.", "agg."),
    ]
)
_EPITHET: Final = re.compile(r"[^\W\d_A-Z]+(?:[-'.][^\W\d_A-Z]+)*")


def canonical(text: str) -> str:
    """Return a name in normal form C, with single blanks, and the sign of a hybrid (U+00D7) between blanks."""
    text = _GLUED.sub(rf"\1{CROSS} ", unicodedata.normalize("NFC", text))
    words = text.split()
    last = len(words) - 1
    return " ".join(CROSS if word in CROSSES and i < last and last > 0 else word for i, word in enumerate(words))


def without_authority(text: str) -> str:
    """Return a name as `canonical` writes it, without author and year.

    What follows the epithets from the first word on that is neither an epithet, nor a mark of a rank, nor a
    hybrid's sign is the authority: ``Parus major Linnaeus, 1758``, ``Abies alba subsp. alba (L.) Mill.``; authors
    between species and subspecies are dropped too.
    """
    words = canonical(text).split()
    start = 1 if words[:1] == [CROSS] else 0
    kept, skipping = words[: start + 1], False
    rest = words[start + 1 :]
    if rest and re.fullmatch(r"\([A-Z][^\W\d_]+\)", rest[0]) and len(rest) > 1 and _is_epithet(rest[1]):
        rest = rest[1:]  # a subgenus between genus and epithet
    for i, word in enumerate(rest):
        follows = rest[i + 1] if i + 1 < len(rest) else ""
        if word.lower() in _MARKERS and _is_epithet(follows):
            kept.append(word)
            skipping = False
        elif not skipping and (word == CROSS or _is_epithet(word)):
            kept.append(word)
        else:
            skipping = True
    return " ".join(kept)


def _is_epithet(word: str) -> bool:
    return bool(_EPITHET.fullmatch(word)) and word not in _PARTICLES and not word.startswith(("d'", "l'"))


def spellings(text: str) -> list[str]:
    """Return how a scientific name may stand in a checklist, likeliest first.

    That is with and without its authority, the sign of a hybrid and accents as either convention writes them.
    """
    name, bare = canonical(text), without_authority(text)
    tries = [name, bare, *(one[:1].upper() + one[1:].lower() for one in (name, bare))]
    signs = [one.replace(f"{CROSS} ", sign) for one in tries for sign in (f"{CROSS} ", CROSS, "x ", "X ")]
    return list(dict.fromkeys([*signs, *(unicodedata.normalize("NFD", one) for one in signs)]))


def folded(text: str) -> str:
    """Return a common name without case, hyphens, apostrophes and full stops."""
    text = unicodedata.normalize("NFC", text).casefold()
    text = re.sub("['\u2019\u2018`.]", "", text)
    return " ".join(re.sub("[-_\u2010\u2011\u2013]", " ", text).split())
