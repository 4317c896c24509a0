"""A polite client of the MediaWiki Action API: one request at a time, paced, patient, bounded.

It keeps to what Wikimedia asks of every program: a User-Agent with the operator's contact, at most 200
requests a minute, none in parallel, ``maxlag``, ``Retry-After``.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec
import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util.retry import Retry

from taxonomy.errors import HiertaxError

WIKIPEDIA: Final = "https://en.wikipedia.org/w/api.php"
INTERVAL: Final = 60 / 199  # seconds between two requests: never more than 200 in any minute
ATTEMPTS: Final = 6
LONGEST_WAIT: Final = 300  # seconds; asked to wait longer, we stop and say so
MAX_BODY: Final = 8_000_000  # bytes, decompressed; real answers have up to 1 MB
BODY_TIME: Final = 120  # seconds for one body to arrive
TIMEOUTS: Final = (10, 30)  # seconds to connect, and between two pieces of an answer
MAXLAG: Final = 5  # seconds of database lag at which Wikimedia wants programs to wait
SETTLED: Final = {"missingtitle", "invalidtitle", "pagecannotexist"}  # errors that are an answer
_TRY_AGAIN = ("maxlag", "ratelimited", "readonly", "internal_api_error")


class NetworkError(HiertaxError):
    """The API could not be reached, or gave no usable answer however often it was asked."""


class TooLargeError(HiertaxError):
    """An answer larger than `MAX_BODY`."""


class _PassingError(Exception):
    """A fault that may have passed in `wait` seconds, if the server says when."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def user_agent(contact: str) -> str:
    """Return the User-Agent that Wikimedia asks for: program, version, the operator's contact, library.

    Raises
    ------
    HiertaxError
        If the contact is no address at which the operator can be reached.
    """
    contact = contact.strip()
    reachable = re.fullmatch(r"[^\s@()]+@[^\s@()]+\.[^\s@()]+|https?://[^\s()]+|User:[^()\r\n]+", contact)
    if not reachable or not contact.isascii() or not contact.isprintable():
        raise HiertaxError(f"contact {contact!r}: not an e-mail address, a URL or a User: page; give your own address")
    try:
        ours = version("hiertax")
    except PackageNotFoundError:
        ours = "0"
    return f"hiertax/{ours} ({contact}) python-requests/{requests.__version__}"


@dataclass
class Client:
    """Asks one API, patiently.

    Attributes
    ----------
    api_url
        Where the API is, such as `WIKIPEDIA`.
    contact
        The operator's e-mail address or URL; it is sent with every request.
    sleep, clock
        Waiting and the time in seconds; a test passes its own.
    notice
        Told in one line whenever there is something to wait for.
    """

    api_url: str
    contact: str
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    notice: Callable[[str], None] = lambda _: None
    requests_sent: int = 0
    _next: float = field(default=0.0, repr=False)
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        self._session.headers["User-Agent"] = user_agent(self.contact)
        self._session.max_redirects = 3

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def get(self, parameters: Mapping[str, str]) -> bytes:
        """Return the JSON of one answer, trying again where a fault may pass.

        Raises
        ------
        NetworkError
            If it could not be had in `ATTEMPTS` attempts, or the server asks for a wait beyond `LONGEST_WAIT`.
        TooLargeError
            If the answer is larger than `MAX_BODY`.
        """
        for attempt in range(ATTEMPTS):
            try:
                return self._ask(parameters)
            except _PassingError as fault:
                reason, asked = str(fault), fault.wait
            if asked is not None and asked > LONGEST_WAIT:
                raise NetworkError(
                    f"{self.api_url}: {reason}, and asks to wait {asked:.0f} s; run the command again after that"
                )
            if attempt + 1 < ATTEMPTS:
                wait = max(asked or 0.0, 2.0**attempt) + random.uniform(0, 1)  # noqa: S311 (jitter, no secret)
                self.notice(f"{reason}; waiting {wait:.0f} s")
                self.sleep(wait)
        raise NetworkError(f"{self.api_url}: {reason}, {ATTEMPTS} times; try again later, what was fetched is kept")

    def _ask(self, parameters: Mapping[str, str]) -> bytes:
        self._pace()
        asked = {**parameters, "maxlag": str(MAXLAG)}
        try:
            with self._session.get(self.api_url, params=asked, timeout=TIMEOUTS, stream=True) as response:
                wait = _retry_after(response)
                if response.status_code == 429 or response.status_code >= 500:
                    raise _PassingError(f"the server answers {response.status_code} {response.reason}", wait)
                if response.status_code != 200:
                    raise NetworkError(
                        f"{self.api_url}: the server answers {response.status_code} {response.reason};"
                        " check --api-url and --contact"
                    )
                body = self._body(response)
        except requests.TooManyRedirects:
            raise NetworkError(f"{self.api_url}: redirects in a circle; check --api-url") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise NetworkError(f"{self.api_url}: not the address of an API; check --api-url") from None
        except requests.exceptions.SSLError:
            raise NetworkError(f"{self.api_url}: the server's certificate cannot be trusted; check --api-url") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _PassingError(_reason(error)) from None
        _refuse_faults(body, wait)
        return body

    def _pace(self) -> None:
        now = self.clock()
        if now < self._next:
            self.sleep(self._next - now)
        self._next = max(now, self._next) + INTERVAL
        self.requests_sent += 1

    def _body(self, response: requests.Response) -> bytes:
        """Read an answer piece by piece, so that neither its size nor its slowness can hurt."""
        body, start = bytearray(), self.clock()
        while piece := response.raw.read1(65_536, decode_content=True):
            body += piece
            if len(body) > MAX_BODY:
                raise TooLargeError(f"an answer of more than {MAX_BODY:,} bytes")
            if self.clock() - start > BODY_TIME:
                raise _PassingError(f"an answer that takes more than {BODY_TIME} s")
        return bytes(body)


def _refuse_faults(body: bytes, wait: float | None) -> None:
    """Raise on what is no answer: broken JSON, and errors of the API that ask for patience."""
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _PassingError("the answer is broken or cut short") from None
    error = answer.get("error") if isinstance(answer, dict) else None
    if not error:
        return
    code, info = (str(error.get(key, "")) if isinstance(error, dict) else "" for key in ("code", "info"))
    if code.startswith(_TRY_AGAIN):
        raise _PassingError(f"the server is busy ({code})", max(wait or 0.0, MAXLAG))
    if code not in SETTLED:
        raise NetworkError(f"the API refuses: {code}: {info[:200]}; check --api-url and --contact")


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that a server asks to wait, whether it gives seconds or a date."""
    try:
        header = response.headers.get("Retry-After")
        return Retry(retry_after_max=86_400).parse_retry_after(header) if header else None
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    if "Decod" in kind:
        return "the answer cannot be unpacked"
    return "no answer in time" if "Timeout" in kind else "the connection failed or broke off"
