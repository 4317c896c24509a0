"""A MediaWiki Action API on this machine: real HTTP, the real answers' shape, faults on demand."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

DATA = Path(__file__).parents[1] / "data" / "wikipedia"
Fault = Callable[["Handler"], None]


@dataclass
class FakeWiki:
    """The wiki behind the server: pages (HTML by title), redirects, templates; and what was asked of it."""

    pages: dict[str, str]
    redirects: dict[str, list[str]] = field(default_factory=dict)
    disambiguation: set[str] = field(default_factory=set)
    set_index: set[str] = field(default_factory=set)
    templates: dict[str, str] = field(default_factory=dict)
    faults: deque[Fault | None] = field(default_factory=deque)
    asked: list[dict[str, str]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    url: str = ""

    @classmethod
    def of_files(cls) -> FakeWiki:
        about = json.loads((DATA / "wiki.json").read_text(encoding="utf-8"))
        return cls(
            pages={path.stem: path.read_text(encoding="utf-8") for path in sorted(DATA.glob("*.html"))},
            redirects=about["redirects"],
            disambiguation=set(about["disambiguation"]),
            set_index=set(about["set_index"]),
            templates=about["templates"],
        )

    def answer(self, asked: dict[str, str]) -> dict[str, Any]:
        return self._parse(asked) if asked["action"] == "parse" else self._query(asked)

    def _parse(self, asked: dict[str, str]) -> dict[str, Any]:
        title = asked["page"]
        steps = []
        while title in self.redirects and len(steps) < 3:
            target, fragment = self.redirects[title]
            steps.append({"from": title, "to": target} | ({"tofragment": fragment} if fragment else {}))
            title = target
        if title not in self.pages:
            info = "The page you specified doesn't exist."
            return {"error": {"code": "missingtitle", "info": info, "docref": "See api.php for API usage."}}
        parse = {"title": title, "pageid": number(title) % 9999, "revid": number(title), "redirects": steps}
        return {"parse": parse | {"text": self.pages[title]}}

    def _query(self, asked: dict[str, str]) -> dict[str, Any]:
        titles = asked["titles"].split("|")
        assert len(titles) <= 50
        query: dict[str, list[Any]] = {"normalized": [], "redirects": [], "pages": []}
        for title in titles:
            spelt = (title[0].upper() + title[1:]).replace("_", " ")
            if spelt != title:
                query["normalized"].append({"fromencoded": False, "from": title, "to": spelt})
            seen: list[str] = []
            while spelt in self.redirects and spelt not in seen:
                seen.append(spelt)
                target, fragment = self.redirects[spelt]
                step = {"from": spelt, "to": target} | ({"tofragment": fragment} if fragment else {})
                if step not in query["redirects"]:
                    query["redirects"].append(step)
                spelt = target
            page = self._about(spelt, asked)
            if spelt not in seen and page not in query["pages"]:  # MediaWiki gives no page for a circle
                query["pages"].append(page)
        return {"batchcomplete": True, "query": {key: value for key, value in query.items() if value}}

    def _about(self, title: str, asked: dict[str, str]) -> dict[str, Any]:
        key = title.removeprefix("Template:Taxonomy/")
        page = {"ns": 10 if key != title else 2 if title.startswith("User:") else 0, "title": title}
        if title not in self.pages and (key == title or key not in self.templates):
            return page | {"missing": True}
        page |= {"pageid": number(title) % 9999}
        if title in self.disambiguation:
            page |= {"pageprops": {"disambiguation": ""}}
        if title in self.set_index:
            page |= {"categories": [{"ns": 14, "title": "Category:All set index articles"}]}
        if "revisions" in asked["prop"]:
            slot = {"contentmodel": "wikitext", "contentformat": "text/x-wiki", "content": self.templates[key]}
            page |= {"revisions": [{"revid": number(title), "parentid": 1, "slots": {"main": slot}}]}
        return page


def number(title: str) -> int:
    """A revision number that stays the same from run to run."""
    return 1_000_000_000 + zlib.crc32(title.encode()) % 300_000_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits 40 ms
    wiki: FakeWiki

    def do_GET(self) -> None:
        self.asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        self.wiki.asked.append(self.asked)
        self.wiki.agents.append(self.headers["User-Agent"])
        fault = self.wiki.faults.popleft() if self.wiki.faults else None
        if fault:
            fault(self)
        else:
            self.reply(self.body())

    def body(self) -> bytes:
        return json.dumps(self.wiki.answer(self.asked), ensure_ascii=False).encode()

    def reply(self, body: bytes, status: int = 200, promised: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""
        if not isinstance(sys.exception(), ConnectionError):
            raise


@contextmanager
def serve(wiki: FakeWiki) -> Iterator[FakeWiki]:
    """Run the wiki on a free port of this machine."""

    class Bound(Handler):
        pass

    Bound.wiki = wiki
    server = _Server(("127.0.0.1", 0), Bound)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    wiki.url = f"http://127.0.0.1:{server.server_port}/w/api.php"
    try:
        yield wiki
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---------------------------------------------------------------- faults


def status(code: int, **headers: str) -> Fault:
    return lambda handler: handler.reply(b"<html>sorry</html>", code, **headers)


def maxlag(handler: Handler) -> None:
    info = "Waiting for db1234: 6.2 seconds lagged."
    error = {"code": "maxlag", "info": info, "host": "db1234", "lag": 6.2, "type": "db"}
    handler.reply(json.dumps({"error": error}).encode(), Retry_After="5", X_Database_Lag="6")


def dropped(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.close()


def cut_short(handler: Handler) -> None:
    body = handler.body()
    handler.close_connection = True
    handler.reply(body[: len(body) // 2], promised=len(body))


def cut_short_unnoticed(handler: Handler) -> None:
    body = handler.body()
    handler.reply(body[: len(body) // 2])


def zipped(handler: Handler) -> None:
    handler.reply(gzip.compress(handler.body()), Content_Encoding="gzip")


def broken_zip(handler: Handler) -> None:
    body = bytearray(gzip.compress(handler.body()))
    body[len(body) // 2 :] = b"\xff" * (len(body) - len(body) // 2)
    handler.reply(bytes(body), Content_Encoding="gzip")


def zip_bomb(handler: Handler) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(packer.compress(b" " * 1_000_000) for _ in range(60)) + packer.flush()
    handler.reply(body, Content_Encoding="gzip")


def chunked(handler: Handler) -> None:
    body = handler.body()
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for at in range(0, len(body), 700):
        piece = body[at : at + 700]
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def circle(handler: Handler) -> None:
    handler.wiki.faults.append(circle)
    handler.reply(b"", 302, Location=handler.path)
