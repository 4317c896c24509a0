"""The study as a web application: who asks, what is due, and what becomes of an answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from taxonomy.errors import HiertaxError
from taxonomy.study.plan import Participant
from taxonomy.study.server.folder import Opened
from taxonomy.study.server.images import TYPE, Pictures
from taxonomy.study.server.limits import Rate
from taxonomy.study.server.pages import STATIC, Pages, static
from taxonomy.study.server.records import Click, NotStoredError, Person
from taxonomy.study.server.seals import equal, token_digest
from taxonomy.study.server.steps import Step, next_step
from taxonomy.web.guard import LOOPBACK, Guard, Limits

LIMITS: Final = Limits(body=16 << 10, seconds=20)
FIELDS: Final = 10
_SAID: Final = {"kept": "said_kept", "choose": "said_choose"}
_LONGEST: Final = 3_600_000.0  # milliseconds: who took an hour was away
_SLACK: Final = 5_000.0  # by which a page's time may be above the server's, which begins earlier
Form = Mapping[str, str]


def make_app(study: Opened, url: str, tell: Callable[[str], None]) -> Guard:
    """Make the application of a study.

    Parameters
    ----------
    url
        Under which participants find it; its host is answered beside those of this machine.
    tell
        Takes a line for those who run the study, such as that the disk is full.
    """
    parts = urlsplit(url)
    site = Site(study, parts.scheme == "https", tell)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return Guard(site.app(), LIMITS, {*LOOPBACK, name})


class Site:
    """Answers requests; what may wait for the disk runs in threads.

    Parameters
    ----------
    is_secure
        Whether browsers are to send the cookie over HTTPS only.
    """

    def __init__(self, study: Opened, is_secure: bool, tell: Callable[[str], None]) -> None:
        self.study, self.pages, self.pictures = study, Pages(study), Pictures(study.images)
        self.is_secure, self.tell = is_secure, tell
        self.cookie = f"study-{study.plan.seal[:12]}"
        self.people = {who.participant_id: who for who in study.plan.participants}
        self.of_one, self.of_strangers = Rate(100, 20), Rate(30, 1)
        self.shown: dict[str, tuple[str, int, float]] = {}

    def app(self) -> Starlette:
        """Return the routes."""
        routes = [
            Route("/", self.home),
            Route("/in/{token}", self.enter),
            Route("/answer", self.answer, methods=["POST"]),
            Route("/withdraw", self.ask_withdrawal, methods=["GET"]),
            Route("/withdraw", self.withdraw, methods=["POST"]),
            Route("/image/{name}", self.image),
            Route("/static/{name}", self.static),
        ]
        handlers = {HTTPException: self.on_status, HiertaxError: self.on_failure}
        return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]

    def enter(self, request: Request) -> Response:
        """Take a link: the browser keeps its token as a cookie, so that no later address holds it."""
        token = request.path_params["token"]
        self._person(token, 404)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self.cookie, token, httponly=True, samesite="lax", secure=self.is_secure)
        return answer

    def home(self, request: Request) -> Response:
        """Show what is due."""
        person = self._asking(request)
        notice = _SAID.get(request.query_params.get("said", ""))
        said = self.pages.texts(notice) if notice else ""
        if person.state == "withdrawn":
            return _html(self.pages.withdrawn())
        who = self.people[person.participant_id]
        step = self._step(who, self.study.store.answers_of(who.participant_id))
        if step.kind == "consent":
            return _html(self.pages.consent(who, self._form_of(person), said))
        if step.kind == "thanks":
            return _html(self.pages.thanks(said))
        picture = "" if step.kind == "test" else self._picture_of(who, step)
        page = self.pages.question(who, step, picture, self._form_of(person), said)
        self.shown[who.participant_id] = (step.kind, step.position, time.monotonic())
        return _html(page)

    async def answer(self, request: Request) -> Response:
        """Take an answer."""
        form = await _read_form(request)
        return await run_in_threadpool(self._take, request, form)

    def _take(self, request: Request, form: Form) -> Response:
        """Store an answer to what is due; the first answer to a question stands, whatever comes later."""
        person = self._sender(request, form)
        if person.state == "withdrawn":
            return RedirectResponse("/", 303)
        who, value = self.people[person.participant_id], form.get("value", "")
        answers = self.study.store.answers_of(who.participant_id)
        asked, step = _asked(form), self._step(who, answers)
        if asked in answers:
            return _home(kept=answers[asked] != value)
        if asked != (step.kind, step.position) or step.kind == "thanks":
            raise HTTPException(409)
        if not value:
            return RedirectResponse("/?said=choose", 303)
        if value not in [option for option, _ in self.pages.options(who, step)]:
            raise HTTPException(415)
        stands = self.study.store.record(
            who.participant_id, Click(step.kind, step.position, value, *self._time(who, step, form))
        )
        return _home(kept=stands != value)

    def ask_withdrawal(self, request: Request) -> Response:
        """Ask whether to withdraw."""
        person = self._asking(request)
        done = person.state == "withdrawn"
        return _html(self.pages.withdrawn() if done else self.pages.withdraw(self._form_of(person)))

    async def withdraw(self, request: Request) -> Response:
        """Erase what a person answered."""
        form = await _read_form(request)
        return await run_in_threadpool(self._withdraw, request, form)

    def _withdraw(self, request: Request, form: Form) -> Response:
        person = self._sender(request, form)
        self.study.store.withdraw(person.participant_id)
        self.shown.pop(person.participant_id, None)
        return RedirectResponse("/", 303)

    def image(self, request: Request) -> Response:
        """Send an image that this person is shown, or was; nobody else's, and none that is still to come."""
        person = self._asking(request)
        who = self.people[person.participant_id]
        step = self._step(who, self.study.store.answers_of(who.participant_id))
        seen = step.position if step.kind in ("stage1", "stage2", "thanks") and person.state == "open" else 0
        for position in range(seen, 0, -1):
            if equal(request.path_params["name"], self._image_name(who, position)):
                picture = self.pictures.picture(self.study.plan.images[who.images[position - 1]])
                return Response(picture, media_type=TYPE, headers={"Cache-Control": "private, max-age=600"})
        raise HTTPException(404)

    async def static(self, request: Request) -> Response:
        """Send a file that pages load."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        return Response(static(name), media_type=STATIC[name], headers={"Cache-Control": "public, max-age=600"})

    async def on_status(self, _: Request, error: HTTPException) -> Response:
        """Say kindly what did not work."""
        key = str(error.status_code)
        known = f"problem_{key}" in self.pages.texts.sentences
        return _html(self.pages.problem(key if known else "404"), error.status_code)

    async def on_failure(self, _: Request, error: HiertaxError) -> Response:
        """Say that it is not the participant's fault, and say to those who run the study what it is."""
        self.tell(str(error))
        if isinstance(error, NotStoredError):
            return _html(self.pages.problem("503"), 503)
        return _html(self.pages.problem("image" if isinstance(error, _NoPictureError) else "500"), 500)

    def _asking(self, request: Request) -> Person:
        return self._person(request.cookies.get(self.cookie, ""), 401)

    def _person(self, token: str, status: Literal[401, 404]) -> Person:
        """Return whose token it is; one that is nobody's, or comes too often, is refused."""
        found = self.study.store.person_of(token_digest(token)) if token else None
        if found is None:
            raise HTTPException(status if not token or self.of_strangers.allows("") else 429)
        if not self.of_one.allows(found.participant_id):
            raise HTTPException(429)
        return found

    def _sender(self, request: Request, form: Form) -> Person:
        """Return who sent a form, which must be of a page that was made for that person."""
        person = self._asking(request)
        if not equal(form.get("form", ""), self._form_of(person)):
            raise HTTPException(403)
        return person

    def _step(self, who: Participant, answers: Mapping[tuple[str, int], str]) -> Step:
        return next_step(answers, len(self.study.questions_for(who)), len(who.images))

    def _form_of(self, person: Person) -> str:
        return self.study.seals.name("form", person.participant_id)

    def _image_name(self, who: Participant, position: int) -> str:
        return self.study.seals.name("image", who.participant_id, position)

    def _picture_of(self, who: Participant, step: Step) -> str:
        """Return the address of the image of a step, after a look at the file; a broken one is never asked about."""
        try:
            self.pictures.check(self.study.plan.images[who.images[step.position - 1]])
        except HiertaxError as error:
            raise _NoPictureError(str(error)) from None
        return f"/image/{self._image_name(who, step.position)}"

    def _time(
        self, who: Participant, step: Step, form: Form
    ) -> tuple[float | None, Literal["page", "server"] | None]:  # fmt: skip
        """Return how long an answer took, in milliseconds, and who measured it; clocks that may be set have no say."""
        kind, position, moment = self.shown.get(who.participant_id, ("", 0, 0.0))
        here = 1000 * (time.monotonic() - moment) if (kind, position) == (step.kind, step.position) else None
        page = _number(form.get("ms", ""))
        if page is not None and 0 <= page <= min(_LONGEST, math.inf if here is None else here + _SLACK):
            return page, "page"
        if here is not None and here <= _LONGEST:
            return round(here, 1), "server"
        return None, None


class _NoPictureError(HiertaxError):
    """The image that is due is not as it was planned."""


def _html(page: str, status: int = 200) -> Response:
    # A form's Origin would be null under the guard's stricter policy, and then be refused.
    return HTMLResponse(page, status, headers={"Referrer-Policy": "same-origin"})


def _home(kept: bool) -> Response:
    return RedirectResponse("/?said=kept" if kept else "/", 303)


async def _read_form(request: Request) -> Form:
    """Return the fields of a form, the first of each name; anything else is refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        raise HTTPException(415) from None
    return dict(reversed(pairs))


def _asked(form: Form) -> tuple[str, int]:
    """Return what a form answers."""
    position = form.get("position", "")
    if not (position.isascii() and position.isdigit() and len(position) < 10):
        raise HTTPException(415)
    return form.get("kind", ""), int(position)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
