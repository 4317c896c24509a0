"""Links by which participants come in: made once, shown once, kept as hashes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from taxonomy.errors import HiertaxError
from taxonomy.study.server.folder import Opened
from taxonomy.study.server.seals import new_token, token_digest


def check_url(url: str) -> str:
    """Return the address of a study without its last slash.

    Raises
    ------
    HiertaxError
        If it is no address of a whole site: pages have paths of their own.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/")
        fine = fine and not (parts.query or parts.fragment or parts.username) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise HiertaxError(f"`url` {url!r}: give an address without a path, such as https://study.example.org")
    return url.removesuffix("/")


def make_links(study: Opened, url: str, out: Path, participants: Sequence[str] = ()) -> list[str]:
    """Make links and write them as a CSV of ``participant_id,link``, the only place where they are ever written.

    Parameters
    ----------
    participants
        Whose links to make anew; their old ones end. By default all who have none yet.

    Returns
    -------
    Whose links were made.

    Raises
    ------
    HiertaxError
        If there is no such participant, everybody has one already, or the file is there or cannot be written.
    """
    address, people = check_url(url), study.store.people()
    if unknown := [name for name in participants if name not in people]:
        raise HiertaxError(
            f"`participant` {unknown[0]!r}: not in the plan; there are {', '.join(list(people)[:3])}, ..."
        )
    names = list(dict.fromkeys(participants)) or [name for name, person in people.items() if not person.has_link]
    if not names:
        raise HiertaxError(
            "everybody has a link already, of which only a hash is kept; name by `participant` who needs a new one"
        )
    tokens = {name: new_token() for name in names}
    lines = ["participant_id,link", *(f"{name},{address}/in/{token}" for name, token in tokens.items())]
    _write_once(out, "\n".join(lines) + "\n")
    try:
        study.store.set_tokens({name: token_digest(token) for name, token in tokens.items()})
    except HiertaxError:
        out.unlink()  # links that open nothing
        raise
    return names


def _write_once(out: Path, text: str) -> None:
    """Write a new file that its owner alone may read; one that is there may hold the links that people have."""
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise HiertaxError(f"{out}: is there already; choose another `out`") from None
    except OSError as error:
        raise HiertaxError(f"{out}: cannot be written: {error.strerror or error}; choose another `out`") from None
