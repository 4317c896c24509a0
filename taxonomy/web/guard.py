"""What every served page refuses, whatever it is about, and the headers that every answer bears."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Limits:
    """What one request may cost.

    Parameters
    ----------
    body
        The largest body, in bytes.
    seconds
        Within which the whole request must have arrived.
    """

    body: int
    seconds: float


class Guard:
    """An ASGI application around another: foreign hosts and origins, large bodies and slow senders get one line.

    A page of another site cannot reach the application: its name is not among `hosts` (which stops names that were
    pointed at this machine), and what it posts bears its own origin.

    Parameters
    ----------
    app
        The application that answers the rest.
    limits
        What one request may cost.
    hosts
        The names under which the server may be asked for, without ports.
    """

    def __init__(self, app: ASGIApp, limits: Limits, hosts: Collection[str] = LOOPBACK) -> None:
        self.app, self.limits, self.hosts = app, limits, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a web socket is none of ours."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refused = self._refusal(scope["method"], Headers(scope=scope))
        answer: ASGIApp = self.app if refused is None else PlainTextResponse(f"{refused[1]}\n", refused[0])
        await answer(scope, self._limited(receive), _with_headers(send))

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Return status and line of a refusal that the head of a request suffices for."""
        host, origin, length = headers.get("host", ""), headers.get("origin"), headers.get("content-length", "0")
        if _name(host) not in self.hosts:
            return 421, f"this server does not answer for {_name(host)[:80] or 'a request without a host'!r}"
        if method not in READING and origin is not None and urlsplit(origin).netloc != host:
            return 403, "a page of another site sent this: refused"
        if not length.isascii() or not length.isdigit():
            return 400, "the length of the body is not a number"
        if int(length) > self.limits.body:
            return 413, too_large(self.limits)
        return None

    def _limited(self, receive: Receive) -> Receive:
        """Wrap the receiving of a body: counted as it comes, whatever its head has promised, and in time."""
        loop = asyncio.get_running_loop()
        deadline, taken, whole = loop.time() + self.limits.seconds, 0, False

        async def limited() -> Message:
            nonlocal taken, whole
            if whole:  # what comes now is the end of the connection, which has no deadline
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(deadline - loop.time(), 0))
            except TimeoutError:
                raise HTTPException(408, f"the request took longer than {self.limits.seconds:g} s to arrive") from None
            taken += len(message.get("body", b""))
            if taken > self.limits.body:
                raise HTTPException(413, too_large(self.limits))
            whole = not message.get("more_body", False)
            return message

        return limited


def too_large(limits: Limits) -> str:
    """Return the line that refuses a body."""
    return f"the request is larger than {limits.body / 2**20:g} MiB"


def _name(host: str) -> str:
    """Return a host's name without its port, in lower case; an IPv6 address keeps its brackets."""
    end = host.find("]") + 1 or (host.rfind(":") if ":" in host else len(host))
    return host[:end].lower()


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers
