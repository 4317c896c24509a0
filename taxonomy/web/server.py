"""A port of this machine, and the server that listens at it until it is stopped."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE = 3  # seconds in which requests that are under way may end


def listen(host: str, port: int) -> socket.socket:
    """Open a port, before anything slow is loaded.

    Parameters
    ----------
    host
        An address of this machine, or its name.
    port
        0 takes any that is free.

    Raises
    ------
    HiertaxError
        If the port is taken, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = error.strerror or str(error)
        raise HiertaxError(f"{host}, port {port}: {reason}; take another `port` (0: any that is free)") from None


def address(opened: socket.socket) -> str:
    """Return where a browser on this machine finds what listens at an open port."""
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}/" if opened.family == socket.AF_INET6 else f"http://{host}:{port}/"


def serve(app: ASGIApp, opened: socket.socket, most_at_once: int | None = None) -> None:
    """Answer requests at an open port until Ctrl-C or SIGTERM; what is under way has three seconds to end.

    Parameters
    ----------
    app
        What answers.
    opened
        From `listen`.
    most_at_once
        Requests above this many get the status 503.
    """
    import uvicorn

    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=GRACE, limit_concurrency=most_at_once,
    )  # fmt: skip
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the caller's `finally` runs
    try:
        uvicorn.Server(config).run(sockets=[opened])
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
