"""Seals of what is stored: HMACs with a key that lies beside the database (RFC 2104, SHA-256)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from taxonomy.errors import HiertaxError
from taxonomy.files import read_text

_KEY_BYTES: Final = 32
_TOKEN_BYTES: Final = 24  # 192 random bits: nobody guesses one


@dataclass(frozen=True, repr=False)
class Seals:
    """A key, and what is sealed or made unguessable with it."""

    key: bytes

    def of(self, purpose: str, *parts: Any) -> str:
        """Return the seal of some JSON values, 64 hexadecimal digits; equal values for another purpose have another."""
        return hmac.new(self.key, msgspec.json.encode([purpose, *parts]), hashlib.sha256).hexdigest()

    def name(self, purpose: str, *parts: Any) -> str:
        """Return 32 hexadecimal digits that stand for some values and tell nothing about them."""
        return self.of(purpose, *parts)[:32]


def new_key() -> str:
    """Return the text of a new key's file."""
    return secrets.token_hex(_KEY_BYTES) + "\n"


def read_seals(path: Path) -> Seals:
    """Read a key.

    Raises
    ------
    HiertaxError
        If it is missing or is none.
    """
    try:
        key = bytes.fromhex(read_text(path).strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise HiertaxError(f"{path}: no key of a study; put back the file as `hiertax study prepare` made it")
    return Seals(key)


def new_token() -> str:
    """Return what makes a participant's link: 32 characters that cannot be guessed."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_digest(token: str) -> str:
    """Return what is kept of a token. It is random and long, so that a plain hash cannot be turned back."""
    return hashlib.sha256(token.encode()).hexdigest()


def equal(one: str, other: str) -> bool:
    """Tell whether two texts are the same, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
