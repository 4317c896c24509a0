"""The client and its cache against a real server that misbehaves."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
import wiki_server as faults
from wiki_server import FakeWiki, serve

from taxonomy.errors import HiertaxError
from taxonomy.sources.wikipedia.api import Page, Wiki
from taxonomy.sources.wikipedia.build import open_wiki
from taxonomy.sources.wikipedia.client import ATTEMPTS, INTERVAL, Client, NetworkError, user_agent


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def server() -> Iterator[FakeWiki]:
    with serve(FakeWiki.of_files()) as wiki:
        yield wiki


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wiki(server: FakeWiki, clock: Clock, tmp_path: Path) -> Iterator[Wiki]:
    wiki = connect(server, tmp_path / "cache", clock)
    yield wiki
    wiki.close()


def connect(server: FakeWiki, cache: Path, clock: Clock) -> Wiki:
    return open_wiki(cache, server.url, "me@example.org", sleep=clock.sleep, clock=clock)


def page(wiki: Wiki, title: str = "California gull") -> Page:
    wiki.fetch([title])
    return wiki.pages[title]


def test_a_page_is_read_with_its_revision(wiki: Wiki, server: FakeWiki) -> None:
    gull = page(wiki)
    assert gull.names("family") == ["Laridae"]
    assert gull.box.binomial == "Larus californicus"
    assert gull.box.taxonomy == "Larus"
    assert gull.revision == faults.number("California gull")
    assert server.asked[0]["maxlag"] == "5"


def test_the_operator_is_named_in_every_request(wiki: Wiki, server: FakeWiki) -> None:
    page(wiki)
    assert server.agents[0].startswith("hiertax/")
    assert "(me@example.org)" in server.agents[0]


@pytest.mark.parametrize("contact", ["", "me", "me@", "a@b.c\r\nX: y", "mé@example.org", "http://", "(x) y@z.w"])
def test_a_contact_that_reaches_nobody_is_refused(contact: str) -> None:
    with pytest.raises(HiertaxError, match="give your own address"):
        user_agent(contact)


@pytest.mark.parametrize("contact", ["me@example.org", "https://example.org/me", "User:Somebody"])
def test_addresses_of_every_usual_kind_are_contacts(contact: str) -> None:
    assert f"({contact})" in user_agent(contact)


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(500), faults.status(502), faults.status(503), faults.status(429), faults.maxlag, faults.dropped,
        faults.cut_short, faults.cut_short_unnoticed, faults.broken_zip,
    ],
    ids=["500", "502", "503", "429", "maxlag", "dropped", "cut short", "cut short unnoticed", "broken gzip"],
)  # fmt: skip
def test_a_passing_fault_is_waited_out(wiki: Wiki, server: FakeWiki, clock: Clock, fault: faults.Fault) -> None:
    server.faults.extend([fault, fault])
    assert page(wiki).names("order") == ["Charadriiformes"]
    assert len(server.asked) == 3
    assert sum(clock.waits) >= 1 + 2


@pytest.mark.parametrize("whole", [faults.zipped, faults.chunked])
def test_answers_come_packed_or_in_pieces(wiki: Wiki, server: FakeWiki, whole: faults.Fault) -> None:
    server.faults.append(whole)
    assert page(wiki).names("order") == ["Charadriiformes"]
    assert len(server.asked) == 1


def test_retry_after_in_seconds_is_honoured(wiki: Wiki, server: FakeWiki, clock: Clock) -> None:
    server.faults.append(faults.status(429, Retry_After="77"))
    page(wiki)
    assert 77 <= max(clock.waits) < 79


def test_retry_after_as_a_date_is_honoured(wiki: Wiki, server: FakeWiki, clock: Clock) -> None:
    server.faults.append(faults.status(503, Retry_After=formatdate(time.time() + 90, usegmt=True)))
    page(wiki)
    assert 80 <= max(clock.waits) <= 92


@pytest.mark.parametrize("header", ["soon", "-5", "1e9", "", "\x7f", "Mon, 99 Foo 2026"])
def test_a_senseless_retry_after_is_passed_over(wiki: Wiki, server: FakeWiki, clock: Clock, header: str) -> None:
    server.faults.append(faults.status(503, Retry_After=header))
    page(wiki)
    assert max(clock.waits) <= 2


def test_a_wait_of_an_hour_is_left_to_the_user(wiki: Wiki, server: FakeWiki) -> None:
    server.faults.append(faults.status(429, Retry_After="3600"))
    with pytest.raises(NetworkError, match="asks to wait 3600 s"):
        page(wiki)
    assert len(server.asked) == 1


def test_a_fault_that_stays_ends_in_one_clear_error(wiki: Wiki, server: FakeWiki, clock: Clock) -> None:
    server.faults.extend([faults.status(503)] * 50)
    with pytest.raises(NetworkError, match=r"503 Service Unavailable, 6 times"):
        page(wiki)
    assert len(server.asked) == ATTEMPTS
    backoff = [wait for wait in clock.waits if wait > INTERVAL]
    assert [int(wait) for wait in sorted(backoff)] == pytest.approx([1, 2, 4, 8, 16], abs=1)


def test_requests_are_paced(wiki: Wiki, server: FakeWiki, clock: Clock) -> None:
    wiki.fetch(["California gull", "Larus", "Laridae", "Kittiwake"])
    assert len(server.asked) == 4
    assert clock.now == pytest.approx(3 * INTERVAL)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.circle, "redirects in a circle"),
        (faults.status(403), "403 Forbidden; check --api-url and --contact"),
        (lambda h: h.reply(b'{"error": {"code": "badvalue", "info": "no"}}'), "the API refuses: badvalue"),
        (lambda h: h.reply(b'{"parse": {"title": 7}}'), "not of MediaWiki's shape"),
        (lambda h: h.reply(b"[1, 2]"), "not of MediaWiki's shape"),
        (lambda h: h.reply(b"{}"), "not of MediaWiki's shape"),
    ],
)
def test_what_waiting_cannot_mend_is_said_at_once(
    wiki: Wiki, server: FakeWiki, fault: faults.Fault, said: str, tmp_path: Path
) -> None:
    server.faults.append(fault)
    with pytest.raises(HiertaxError, match=said):
        page(wiki)
    kept = [path for path in (tmp_path / "cache").glob("*.json") if path.name != "api.json"]
    assert not kept


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.org/api.php", "http://", "http://127.0.0.1:99999/"])
def test_an_address_that_is_none_is_said_at_once(url: str, clock: Clock, tmp_path: Path) -> None:
    wiki = open_wiki(tmp_path, url, "me@example.org", sleep=clock.sleep, clock=clock)
    with pytest.raises(HiertaxError, match="check"):
        page(wiki)
    wiki.close()


def test_json_nested_without_end_is_no_answer(wiki: Wiki, server: FakeWiki) -> None:
    server.faults.extend([lambda h: h.reply(b"[" * 1_000_000)] * ATTEMPTS)
    with pytest.raises(NetworkError, match="broken or cut short"):
        page(wiki)


@pytest.mark.parametrize("huge", [faults.zip_bomb, lambda h: h.reply(b" " * 9_000_000)], ids=["bomb", "plain"])
def test_a_huge_body_costs_only_its_page(wiki: Wiki, server: FakeWiki, huge: faults.Fault) -> None:
    server.faults.append(huge)
    tracemalloc.start()
    try:
        assert "more than 8,000,000 bytes" in str(page(wiki).problem)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
    assert page(wiki, "Larus").names("family") == ["Laridae"]
    wiki.pages.clear()
    assert "more than 8,000,000 bytes" in str(page(wiki).problem)  # kept: not asked again
    assert len(server.asked) == 2


def test_a_body_that_drips_is_not_waited_for(wiki: Wiki, server: FakeWiki, clock: Clock) -> None:
    def drip(handler: faults.Handler) -> None:
        body = handler.body()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:10])
        time.sleep(0.1)
        clock.now += 121
        handler.wfile.write(body[10:20])

    server.faults.append(drip)
    server.faults.append(None)
    assert page(wiki).names("family") == ["Laridae"]
    assert len(server.asked) == 2


def test_titles_are_asked_fifty_at_a_time(wiki: Wiki, server: FakeWiki) -> None:
    found = wiki.resolve([f"Bird {i}" for i in range(120)] + ["California gull"])
    assert [len(asked["titles"].split("|")) for asked in server.asked] == [50, 50, 21]
    assert found["California gull"].problem is None
    assert found["Bird 7"].problem == "has no page"


def test_long_titles_make_shorter_batches(wiki: Wiki, server: FakeWiki) -> None:
    wiki.resolve([f"{i:03}" + "鳥" * 80 for i in range(40)])
    assert [len(asked["titles"].split("|")) for asked in server.asked] == [8] * 5


@pytest.mark.parametrize(
    ("title", "leads_to", "problem"),
    [
        ("Bank_swallow", "Sand martin", None),
        ("california gull", "California gull", None),
        ("Rissa", "Kittiwake", None),
        ("Ouroboros", "Ouroboros", "redirects in a circle"),
        ("Rock parrot (old name)", "Swallow", "leads to a section of 'Swallow'"),
        ("Cardinal", "Cardinal", "is a disambiguation page"),
        ("Nighthawk", "Nighthawk", "is a set-index page"),
        ("Dodo of CUB", "Dodo of CUB", "has no page"),
        ("A|B", "A|B", "is no valid title"),
        ("x" * 256, "x" * 256, "is no valid title"),
        ("{{subst}}", "{{subst}}", "is no valid title"),
        ("  ", "  ", "is no valid title"),
    ],
)
def test_a_title_is_followed_to_its_page(wiki: Wiki, title: str, leads_to: str, problem: str | None) -> None:
    found = wiki.resolve([title])[title]
    assert (found.title, found.problem) == (leads_to, problem)


def test_continued_answers_are_read_to_their_end(wiki: Wiki, server: FakeWiki) -> None:
    def part(handler: faults.Handler) -> None:
        first = {"continue": {"clcontinue": "12|x", "continue": "||"}, "query": {"pages": [{"title": "Auk"}]}}
        handler.reply(json.dumps(first).encode())

    def rest(handler: faults.Handler) -> None:
        props = [{"title": "Auk", "pageprops": {"disambiguation": ""}}]
        handler.reply(json.dumps({"batchcomplete": True, "query": {"pages": props}}).encode())

    server.faults.extend([part, rest])
    assert wiki.resolve(["Auk"])["Auk"].problem == "is a disambiguation page"
    assert server.asked[1]["clcontinue"] == "12|x"


def test_a_page_moved_or_deleted_in_between_states_nothing(wiki: Wiki, server: FakeWiki) -> None:
    del server.pages["California gull"]
    assert page(wiki).problem == "has no page"
    server.redirects["Larus"] = ["Laridae", "Genera"]
    assert page(wiki, "Larus").problem == "leads to a section of 'Laridae'"


# ---------------------------------------------------------------- the cache


def test_what_was_fetched_is_not_asked_again(wiki: Wiki, server: FakeWiki, clock: Clock, tmp_path: Path) -> None:
    gull = page(wiki)
    again = connect(server, tmp_path / "cache", clock)
    assert page(again) == gull
    again.close()
    assert len(server.asked) == 1


def test_offline_makes_no_request(wiki: Wiki, server: FakeWiki, tmp_path: Path) -> None:
    gull = page(wiki)
    offline = open_wiki(tmp_path / "cache", None, None)
    assert page(offline) == gull
    with pytest.raises(HiertaxError, match="has no answer about Larus; run once without --offline"):
        page(offline, "Larus")
    assert len(server.asked) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"request": {}}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_answer_is_fetched_again_or_named(
    wiki: Wiki, server: FakeWiki, tmp_path: Path, damage: bytes, clock: Clock
) -> None:
    gull = page(wiki)
    (path,) = (path for path in (tmp_path / "cache").glob("*.json") if path.name != "api.json")
    path.write_bytes(damage)
    with pytest.raises(HiertaxError, match=r"damaged; delete it"):
        page(open_wiki(tmp_path / "cache", None, None))
    again = connect(server, tmp_path / "cache", clock)
    assert page(again).box == gull.box
    again.close()
    assert len(server.asked) == 2


@pytest.mark.usefixtures("wiki")
def test_caches_of_two_wikis_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match="choose another --cache folder"):
        open_wiki(tmp_path / "cache", "https://de.example.org/w/api.php", "me@example.org")
    (tmp_path / "cache" / "api.json").write_text("[]")
    with pytest.raises(HiertaxError, match="does not say whose answers these are"):
        open_wiki(tmp_path / "cache", None, None)


def test_offline_without_a_cache_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match="no cached answers there; run once without --offline"):
        open_wiki(tmp_path / "none", None, None)
    assert not (tmp_path / "none").exists()


def test_ctrl_c_leaves_whole_answers(wiki: Wiki, server: FakeWiki, clock: Clock, tmp_path: Path) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    wiki.answers.client.sleep = interrupt  # type: ignore[union-attr]
    with pytest.raises(KeyboardInterrupt):
        wiki.fetch(["California gull", "Larus"])
    assert not list((tmp_path / "cache").glob("*.part"))
    again = connect(server, tmp_path / "cache", clock)
    again.fetch(["California gull", "Larus"])
    again.close()
    assert [asked["page"] for asked in server.asked] == ["California gull", "Larus"]


def test_waiting_is_announced(server: FakeWiki, clock: Clock) -> None:
    said: list[str] = []
    notice: Callable[[str], None] = said.append
    client = Client(server.url, "me@example.org", clock.sleep, clock, notice)
    server.faults.append(faults.maxlag)
    client.get({"action": "query", "titles": "Larus", "prop": "pageprops"})
    client.close()
    assert said == ["the server is busy (maxlag); waiting 5 s"] or said == ["the server is busy (maxlag); waiting 6 s"]
