"""The page and the JSON API of a trained run, as an application that any ASGI server runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from taxonomy import HiertaxError
from taxonomy.threads import cores
from taxonomy.web.guard import LOOPBACK, Guard
from trainer.inference.predictor import Predictor
from trainer.runtime.progress import Reporter
from trainer.serve.answers import Answerer, Asked, Reply, to_json
from trainer.serve.batcher import Batcher
from trainer.serve.limits import ServingLimits
from trainer.serve.page import STATIC, about, page
from trainer.serve.photograph import check_type, decode
from trainer.serve.refused import RefusedError
from trainer.serve.wishes import Settings

MOST_ON_CPU = 8  # photographs of a batch: more would take as long for each, and let the first wait for the last


def application(
    model: Predictor,
    limits: ServingLimits | None = None,
    *,
    hosts: Collection[str] = LOOPBACK,
    audiences: Sequence[str | Path] = (),
    reporter: Reporter | bool | None = None,
) -> FastAPI:
    """Return a web application that answers for photographs, to be run by uvicorn or mounted in another one.

    It has a page, ``GET /``; ``POST /api/answer`` with the bytes of an image file as the body; and ``GET /api/model``.
    All of its addresses are relative to where it is mounted. Nothing is kept, in memory or on the disk.

    Parameters
    ----------
    model
        What `trainer.load` returns; what it was made to answer in its own way holds, as far as a request does not say
        otherwise.
    limits
        What is accepted and held at once.
    hosts
        The names under which it may be asked for, without ports; others are refused, as are pages of other sites.
    audiences
        Profiles of ``hiertax study profile`` that may be asked for beside ``amateur`` and ``expert``, each a file, with
        a group or without: ``birds.json:group2`` is asked for as ``birds:group2``.
    reporter
        Who tells what there is to know about the model, True for stderr; without one nothing is shown.

    Raises
    ------
    HiertaxError
        If the model's calibration is of another checkpoint, its logits are not finite, or an audience is not there.

    Examples
    --------
    >>> import trainer
    >>> from fastapi.testclient import TestClient
    >>> from trainer.serve.app import application
    >>> app = application(trainer.load("runs/patches", device="cpu"), hosts=["testserver"])
    >>> with TestClient(app) as client, open("data/test/red/0.png", "rb") as photograph:
    ...     answer = client.post("/api/answer", content=photograph.read()).json()
    >>> [link["level"] for link in answer["chain"]]
    ['tone', 'colour']
    """
    limits = limits or ServingLimits()
    desk = _Desk(Answerer.of(model, audiences, reporter), limits)
    app = FastAPI(title="hiertax", docs_url=None, redoc_url=None, lifespan=desk.lifespan)
    app.add_middleware(Guard, limits=limits, hosts=hosts, refuse=_error)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    whole_page = page(desk.answerer, limits)

    @app.get("/", include_in_schema=False)
    async def get_page() -> Response:
        return Response(whole_page, media_type="text/html")

    @app.get("/static/{name}", include_in_schema=False)
    async def get_static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(STATIC[name].content, media_type=STATIC[name].media_type)

    @app.get("/api/model")
    async def get_model() -> dict[str, Any]:
        return about(desk.answerer, limits)

    @app.post("/api/answer")
    async def post_answer(request: Request, settings: Annotated[Settings, Query()]) -> JSONResponse:
        return JSONResponse(await desk.answer(request, settings))

    return app


@dataclass(eq=False)
class _Desk:
    """Where photographs are taken in: as many at once as may be, decoded in threads, answered for in batches."""

    answerer: Answerer
    limits: ServingLimits
    held: int = 0
    decoders: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(cores()))

    def __post_init__(self) -> None:
        model = self.answerer.model
        most = model.config.batch_size if model.compute.on_gpu else min(model.config.batch_size, MOST_ON_CPU)
        self.batcher: Batcher[Asked, Reply] = Batcher(self.answerer.answer, most)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Give up, when the server stops, what has not begun."""
        yield
        self.decoders.shutdown(wait=False, cancel_futures=True)
        self.batcher.close()

    async def answer(self, request: Request, settings: Settings) -> dict[str, Any]:
        """Answer one request, if there is room for it."""
        if self.held >= self.limits.at_once:
            async for _ in request.stream():  # taken in, so that the sender gets to read the answer, but not kept
                pass
            raise RefusedError(503, f"{self.limits.at_once} photographs are answered at a time; try again in a moment")
        self.held += 1
        try:
            return await self._answer(request, settings)
        finally:
            self.held -= 1

    async def _answer(self, request: Request, settings: Settings) -> dict[str, Any]:
        in_thread = asyncio.get_running_loop().run_in_executor
        parts = [part async for part in request.stream()]
        check_type(request.headers.get("content-type"))
        asked = await in_thread(self.decoders, self._asked, parts, settings)
        try:
            reply = await asyncio.wrap_future(self.batcher.submit(asked))
        except HiertaxError as error:  # of the model, not of what was asked
            raise RuntimeError(str(error)) from error
        return await in_thread(self.decoders, to_json, reply)

    def _asked(self, parts: list[bytes], settings: Settings) -> Asked:
        answering, depth_rule = self.answerer.wished(settings.wishes())
        if settings.maps and self.answerer.no_maps is not None:
            raise RefusedError(400, f"`maps`: {self.answerer.no_maps}")
        content = b"".join(parts)
        parts.clear()
        pixels = decode(content, self.answerer.model.config.image_size, self.limits.pixels)
        return Asked(pixels, answering, depth_rule, settings.top_k, settings.maps)


def _error(status: int, line: str) -> JSONResponse:
    headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse({"error": line}, status, headers)


async def _refused(_request: Request, error: Any) -> JSONResponse:
    return _error(error.status if isinstance(error, RefusedError) else HTTPStatus.BAD_REQUEST, str(error))


async def _not_valid(_request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    name, why = first["loc"][1], f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    if first["type"] == "extra_forbidden":
        why = f"no such setting of answers; there are {', '.join(Settings.model_fields)}"
    return _error(400, f"`{name}`: {why}")


async def _of_http(_request: Request, error: Any) -> JSONResponse:
    line = {404: "there is nothing here; see GET api/model", 405: "another method is needed here"}
    return _error(error.status_code, line.get(error.status_code, error.detail))


async def _gone(_request: Request, _cause: Any) -> JSONResponse:
    return _error(400, "the request ended before it was whole")


async def _failed(_request: Request, _cause: Any) -> JSONResponse:
    return _error(500, "the server failed; what it wrote to its standard error says why")


_HANDLERS: dict[type[Exception], Any] = {
    HiertaxError: _refused,
    RequestValidationError: _not_valid,
    HTTPException: _of_http,
    ClientDisconnect: _gone,
    Exception: _failed,
}
