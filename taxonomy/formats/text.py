"""Bytes of a text file as text: which encoding it has, told or found."""

from __future__ import annotations

import codecs
import unicodedata

from taxonomy.errors import HierarchyError

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # the 32-bit ones first, since one begins as a 16-bit one does
OLD_OFFICE = bytes.fromhex("d0cf11e0a1b11ae1")  # how .xls files begin
SAMPLE = 2**17  # bytes that the detector looks at
WESTERN = "cp1252"


def decode(content: bytes, encoding: str | None = None) -> tuple[str, str | None]:
    """Return the text of a file, and its encoding where that was neither told nor UTF-8.

    A byte-order mark tells the encoding; without one it is UTF-8 if the bytes are, else what the detector finds.
    A few Latin letters fit many code pages, so there Windows-1252 is taken, by far the most common.

    Raises
    ------
    HierarchyError
        If the bytes are no text, or not of the encoding told.
    """
    if content.startswith(OLD_OFFICE):
        raise HierarchyError("a workbook of an old Excel, no text; save it as .xlsx or CSV")
    if encoding is not None:
        return _strictly(content, encoding), None
    marked = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if marked is not None:
        return _strictly(content, marked), None if marked == "utf-8-sig" else marked
    if b"\0" in content:
        wide = _wide(content)
        if wide is None:
            raise HierarchyError(f"byte {content.index(0)}: a NUL byte, so this is no text; give a text file")
        return _strictly(content, wide), wide
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        return _detected(content, error.start)


def _strictly(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except LookupError:
        raise HierarchyError(f"`encoding={encoding}` is unknown; name one that Python knows, such as cp1252") from None
    except (UnicodeError, ValueError) as error:
        place = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise HierarchyError(f"not {encoding} text{place}; save it as UTF-8, or name its `encoding`") from None
    return text.removeprefix("\ufeff")


def _wide(content: bytes) -> str | None:
    """Tell UTF-16 without a mark by NUL bytes that stand at every second place only."""
    sample = content[: SAMPLE - SAMPLE % 2]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if len(content) % 2 or not (even == 0 or odd == 0) or 4 * (even + odd) < len(sample) // 2:
        return None
    return "utf-16-le" if odd else "utf-16-be"


def _detected(content: bytes, at: int) -> tuple[str, str]:
    from charset_normalizer import from_bytes  # slow to import, and few files need it

    around = content[max(0, at - SAMPLE // 2) :][:SAMPLE]
    best = from_bytes(around).best()
    if best is None:
        raise HierarchyError(f"neither UTF-8 (byte {at}) nor of an encoding that can be told; name its `encoding`")
    try:
        western = around.decode(WESTERN)
    except UnicodeDecodeError:
        western = None
    latin = all(unicodedata.name(c, "").startswith("LATIN") for c in str(best) if c.isalpha())
    if western is not None and (western == str(best) or (latin and best.coherence == 0)):
        return _strictly(content, WESTERN), WESTERN
    return _strictly(content, best.encoding), best.encoding
