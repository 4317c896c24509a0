import socket
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from web import browsing, needs_browser, said_to, serving

from taxonomy import HiertaxError
from taxonomy.web.guard import HEADERS, Guard, Limits
from taxonomy.web.server import address, listen


async def size(request: Request):
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture(scope="module")
def url():
    app = Starlette(routes=[Route(path, size, methods=["GET", "POST"]) for path in ("/", "/favicon.ico")])
    with serving(Guard(app, Limits(body=1000, seconds=0.5))) as url:
        yield url


def test_what_is_small_and_of_this_machine_is_answered(url):
    assert httpx.post(url, content=b"x" * 1000).text == "1000"


def test_every_answer_forbids_what_no_page_of_ours_needs(url):
    for answer in (httpx.get(url), httpx.get(f"{url}/nothing"), httpx.post(url, content=b"x" * 2000)):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_large_body_is_refused_before_it_is_read(url):
    answer = said_to(
        url, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\nx"
    )
    assert answer.startswith("HTTP/1.1 413")
    assert answer.endswith("the request is larger than 0.000953674 MiB\n")


def test_a_large_body_of_no_declared_length_is_refused_where_it_becomes_large(url):
    answer = httpx.post(url, content=iter([b"x" * 600] * 2))
    assert (answer.status_code, answer.text) == (413, "the request is larger than 0.000953674 MiB")


def test_a_slow_sender_is_given_up_and_the_next_is_answered(url):
    start = time.monotonic()
    answer = said_to(url, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 5\r\n\r\nx")
    assert answer.startswith("HTTP/1.1 408")
    assert answer.endswith("longer than 0.5 s to arrive")
    assert time.monotonic() - start < 5
    assert httpx.get(url).text == "0"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.", "[::1"]
)
def test_a_name_that_was_pointed_at_this_machine_is_refused(url, host):
    answer = httpx.get(url, headers={"Host": host})
    assert answer.status_code == 421
    assert "does not answer for" in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:81", "[::1]:80", "127.0.0.1"])
def test_this_machine_has_several_names(url, host):
    assert httpx.get(url, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_what_another_site_posts_is_refused(url, origin):
    assert httpx.post(url, headers={"Origin": origin}).status_code == 403
    assert httpx.post(url, headers={"Origin": url}).status_code == 200


def test_a_length_that_is_no_number_is_refused(url):
    assert " 400 " in said_to(
        url, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: ten\r\n\r\n"
    )


def test_a_port_that_is_taken_is_said_in_a_line():
    with listen("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        assert address(opened) == f"http://127.0.0.1:{port}/"
        with pytest.raises(HiertaxError, match=f"port {port}: .*in use.*; take another `port`"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_said_in_a_line():
    with pytest.raises(HiertaxError, match=r"192\.0\.2\.1, port 0: "):
        listen("192.0.2.1", 0)


def test_a_page_has_an_address_in_ipv6_too():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    try:
        opened = listen("::1", 0)
    except HiertaxError:
        pytest.skip("no IPv6 on this machine")
    with opened:
        assert address(opened).startswith("http://[::1]:")


@needs_browser
def test_a_browser_opens_it(url):
    with browsing() as page:
        page.goto(url)
        assert page.inner_text("body") == "0"
