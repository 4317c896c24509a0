"""Pages as people meet them: a server in this process, a command that serves, and a real browser."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

# The one without windows does the same with half the work.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@contextmanager
def serving(app):
    """An application at a free port of this machine, in a thread; its address without the last slash."""
    import uvicorn

    from taxonomy.web.server import address, listen

    opened = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield address(opened).removesuffix("/")
    finally:
        server.should_exit = True
        thread.join()
        opened.close()


@contextmanager
def command_serving(folder, program, *args):
    """A command that serves, in a process of its own: the process, and its address, which it has printed.

    Parameters
    ----------
    folder
        Where its standard output and errors are kept, as `out` and `err`.
    program
        The module of its command line, "taxonomy.cli" or "trainer".
    """
    out, err = Path(folder) / "out", Path(folder) / "err"
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen([sys.executable, "-m", program, *map(str, args)], stdout=stdout, stderr=stderr)
    try:
        deadline = time.monotonic() + 60
        while "http://" not in out.read_text():
            assert process.poll() is None, err.read_text()
            assert time.monotonic() < deadline, err.read_text()
            time.sleep(0.05)
        yield process, "http://" + out.read_text().partition("http://")[2].split()[0].removesuffix("/")
    finally:
        process.terminate()
        process.wait(20)


def said_to(url, request):
    """What a server answers to raw bytes, which no well-behaved client would send, until it closes the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


SHARED = []  # the browser of the module whose tests run, if they share one


@contextmanager
def shared_browser():
    """Headless Chromium, for all that browse within."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        SHARED.append(browser)
        try:
            yield browser
        finally:
            SHARED.remove(browser)
            browser.close()


@contextmanager
def browsing(*, logged="", **options):
    """A page of headless Chromium; the test fails on whatever its console calls an error.

    Parameters
    ----------
    logged
        Part of the errors that the test is about, such as the status of a refusal.
    **options
        Of the browser's context, such as ``viewport={"width": 380, "height": 800}``.
    """
    with ExitStack() as stack:
        browser = SHARED[-1] if SHARED else stack.enter_context(shared_browser())
        context = browser.new_context(**options)
        stack.callback(context.close)
        page, errors = context.new_page(), []
        page.on("pageerror", lambda error: errors.append(str(error)))
        # Asked for now, file choosers are handed over: asked for when one is expected, a key press may be quicker.
        page.on("filechooser", lambda _: None)
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        yield page
    assert [error for error in errors if not logged or logged not in error] == []
