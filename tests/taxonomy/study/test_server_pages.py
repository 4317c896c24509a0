"""The pages of a web study: from consent to thanks, and everything that must not get in."""

import io
import re
import sqlite3
import threading

import httpx
import pytest
from participants import PHOTOGRAPHER, QUESTIONS, Visitor, prepared
from PIL import Image
from web import serving

from taxonomy.study.server import app as application
from taxonomy.study.server.export import export_responses
from taxonomy.study.server.limits import Rate
from taxonomy.study.server.links import make_links

URL = "http://127.0.0.1:8080"


class Served:
    """A study that is served, and what its server told those who run it."""

    def __init__(self, files, study, url, told):
        self.files, self.study, self.url, self.told = files, study, url, told

    def visit(self, name="p01"):
        return Visitor(self.url, self.files.token(name))


@pytest.fixture
def served(tmp_path):
    files, told = prepared(tmp_path), []
    study = files.open()
    with serving(application.make_app(study, URL, told.append)) as url:
        yield Served(files, study, url, told)
    study.store.close()


def test_from_consent_to_thanks(served):
    with served.visit() as visitor:
        assert visitor.heading == "About this study"
        assert "You will see 4 images" in visitor.text
        assert f"First come {QUESTIONS} short questions" in visitor.text
        visitor.send("agreed")
        assert visitor.heading == "Before the images: question 1 of 4"
        visitor.begin()
        assert visitor.heading == "Stage 1"
        assert "This is a bird. Which one of the labels further defines this bird?" in visitor.text
        assert sorted(visitor.options) == ["family", "none", "order", "species"]
        visitor.send("family")
        assert visitor.heading == "Stage 2"
        assert "do you have the impulse to choose more than one label?" in visitor.text
        visitor.send("yes")
        assert "Image 2 of 4" in visitor.text
        visitor.send("none")  # no stage 2
        assert "Image 3 of 4" in visitor.text
        visitor.answer_all()
        assert visitor.heading == "Thank you"
    assert served.told == []


def test_the_labels_are_those_of_the_image_in_the_order_of_the_plan(served):
    with served.visit() as visitor:
        visitor.begin()
        plan = served.study.plan
        person = plan.participants[0]
        assert visitor.options == [plan.options[i] for i in person.option_orders[0]]
        lineage = served.study.hierarchy.lineage(plan.images[person.images[0]].class_id)
        assert all(f". {label}</label>" in visitor.page.text for label in (*lineage, "None of these"))


def test_who_comes_back_finds_the_place(served):
    with served.visit() as visitor:
        visitor.begin()
        visitor.send("family")
    with served.visit() as again:
        assert again.heading == "Stage 2"
        assert "Image 1 of 4" in again.text


def test_a_form_sent_twice_counts_once(served):
    with served.visit() as visitor:
        visitor.begin()
        fields = visitor.fields
        for _ in range(2):  # a double click: the same answer, nothing to be said of
            visitor.send("family", **fields)
            assert visitor.heading == "Stage 2"
            assert "first answer stands" not in visitor.text
    assert served.study.store.answers_of("p01")["stage1", 1] == "family"


def test_another_answer_by_the_back_button_or_a_second_tab_is_kindly_refused(served):
    with served.visit() as visitor, served.visit() as tab:
        visitor.begin()
        tab.page = tab.http.get("/")
        fields = visitor.fields
        visitor.send("family")
        tab.send("order")  # the tab still shows stage 1
        assert "You had answered that already; your first answer stands." in tab.text
        assert tab.heading == "Stage 2"
        visitor.send("no")
        visitor.send("species", **fields)  # back, and answered anew
        assert "your first answer stands" in visitor.text
        assert "Image 2 of 4" in visitor.text
    assert served.study.store.answers_of("p01")["stage1", 1] == "family"


def test_of_two_tabs_at_the_same_time_one_answer_stands(served):
    with served.visit() as visitor:
        visitor.begin()
        data, cookies = visitor.fields, dict(visitor.http.cookies)
    both = threading.Barrier(8)

    def post(value):
        both.wait()
        httpx.post(f"{served.url}/answer", data={**data, "value": value}, cookies=cookies, timeout=30)

    threads = [threading.Thread(target=post, args=(value,)) for value in ("order", "family", "species", "none") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [one.click for one in served.study.store.clicks_of("p01") if one.click.kind == "stage1"]
    assert len(kept) == 1
    assert kept[0].value in ("order", "family", "species", "none")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"value": "order", "position": "2"}, 409),  # still to come
        ({"value": "yes", "kind": "stage2"}, 409),
        ({"value": "genus"}, 415),
        ({"value": "<script>alert(1)</script>"}, 415),
        ({"value": "=HYPERLINK(1)"}, 415),
        ({"value": "order", "position": "x"}, 415),
        ({"value": "order", "position": "-1"}, 415),
        ({"value": "order", "kind": "thanks"}, 409),
        ({"value": "order", "form": "0" * 32}, 403),
        ({"value": "order", "form": ""}, 403),
    ],
)
def test_what_is_no_answer_to_what_is_asked_is_refused(served, fields, status):
    with served.visit() as visitor:
        visitor.begin()
        before = served.study.store.clicks_of("p01")
        answer = visitor.http.post("/answer", data={**visitor.fields, **fields})
        assert answer.status_code == status
        assert "<script>alert" not in answer.text
        assert served.study.store.clicks_of("p01") == before


def test_no_choice_is_asked_for_again(served):
    with served.visit() as visitor:
        visitor.begin()
        visitor.send("")
        assert "Please choose one of the options first." in visitor.text
        assert visitor.heading == "Stage 1"


def test_ten_megabytes_of_form_are_refused_and_the_next_is_answered(served):
    with served.visit() as visitor:
        visitor.begin()
        huge = visitor.http.post("/answer", data={**visitor.fields, "value": "x" * 10_000_000})
        assert huge.status_code == 413
        many = visitor.http.post("/answer", content="&".join("a=1" for _ in range(3000)), headers=FORM)
        assert many.status_code == 415
        file = visitor.http.post("/answer", files={"value": b"x"})
        assert file.status_code == 415
        visitor.send("order")
        assert visitor.heading == "Stage 2"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_another_site_cannot_answer(served):
    with served.visit() as visitor:
        visitor.begin()
        data = {**visitor.fields, "value": "order"}
        for origin in ("http://evil.example", "null"):
            assert visitor.http.post("/answer", data=data, headers={"Origin": origin}).status_code == 403
        own = visitor.http.post("/answer", data=data, headers={"Origin": served.url})
        assert own.status_code == 200


def test_the_form_of_one_person_answers_for_nobody_else(served):
    with served.visit("p01") as one, served.visit("p02") as other:
        one.begin()
        answer = other.send("order", **one.fields)
        assert answer.status_code == 403
        assert "opened with another link" in answer.text
    assert ("stage1", 1) not in served.study.store.answers_of("p02")


def test_images_are_for_those_who_are_shown_them(served):
    with served.visit("p01") as one, served.visit("p02") as other, httpx.Client(base_url=served.url) as nobody:
        one.begin()
        other.begin()
        picture = one.picture
        assert one.http.get(picture).status_code == 200
        assert other.http.get(picture).status_code == 404
        assert nobody.get(picture).status_code == 401
        site = application.Site(served.study, False, print)
        coming = site._image_name(served.study.plan.participants[0], 2)
        assert one.http.get(f"/image/{coming}").status_code == 404
        one.send("none")
        assert one.http.get(f"/image/{coming}").status_code == 200
        assert one.http.get(picture).status_code == 200  # stage 2, or the page before


def test_images_tell_nothing_but_what_they_show(served):
    with served.visit() as visitor:
        visitor.begin()
        answer = visitor.http.get(visitor.picture)
        assert answer.headers["content-type"] == "image/jpeg"
        shown = Image.open(io.BytesIO(answer.content))
        assert shown.size == (40, 30)
        assert not shown.getexif()
        assert PHOTOGRAPHER.encode() not in answer.content
        assert "content-disposition" not in answer.headers
        of = served.study.plan.images[served.study.plan.participants[0].images[0]]
        said = visitor.page.text + str(answer.headers)
        assert not any(name in said for name in (of.path, of.image_id, "0.jpg", "1.jpg"))


def test_links_cannot_be_guessed_and_are_kept_as_hashes(served):
    tokens = [served.files.token(name) for name in served.files.links]
    assert all(len(token) == 32 for token in tokens)  # of 64 letters: 192 bits
    kept = b"".join(file.read_bytes() for file in served.files.folder.iterdir())
    assert not any(token.encode() in kept for token in tokens)
    with Visitor(served.url, tokens[0][:-1] + "x") as stranger:
        assert stranger.page.status_code == 404
        assert stranger.http.get("/").status_code == 401
        codes = [stranger.http.get(f"/in/{i:032}").status_code for i in range(40)]
        assert codes[-1] == 429
    with served.visit() as visitor:  # which locks nobody out
        assert visitor.page.status_code == 200


def test_a_new_link_ends_the_old_one(served, tmp_path):
    make_links(served.study, URL, tmp_path / "new.csv", ["p01"])
    with served.visit() as old:
        assert old.page.status_code == 404
    token = (tmp_path / "new.csv").read_text().rpartition("/")[2].strip()
    with Visitor(served.url, token) as visitor:
        assert visitor.heading == "About this study"


def test_one_person_cannot_keep_the_server_busy(served):
    with served.visit() as visitor:
        codes = [visitor.http.get("/withdraw").status_code for _ in range(160)]
        assert 429 in codes
    with served.visit("p02") as other:
        assert other.page.status_code == 200


def test_a_bucket_fills_again():
    times = iter([0.0, 0.0, 0.0, 0.5, 1.0, -5.0])
    rate = Rate(2, 1, times.__next__)
    assert [rate.allows("x") for _ in range(5)] == [True, True, False, False, True]


def test_pages_forbid_what_they_do_not_need(served):
    with served.visit() as visitor:
        headers = visitor.page.headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["cache-control"], headers["x-frame-options"]) == ("no-store", "DENY")
        assert headers["referrer-policy"] == "same-origin"
        assert not re.search(r"<script>|style=|onclick", visitor.page.text)
        entered = httpx.get(f"{served.url}/in/{served.files.token('p01')}")
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(entered.headers["set-cookie"].split("; "))
        assert entered.headers["location"] == "/"


def test_behind_https_the_cookie_goes_over_https_only(served):
    site = application.make_app(served.study, "https://study.example.org", print)
    with serving(site) as url:
        entered = httpx.get(f"{url}/in/{served.files.token('p01')}", headers={"Host": "study.example.org"})
        assert "Secure" in entered.headers["set-cookie"]
        assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 421


def test_nothing_of_a_person_is_stored_but_answers(served):
    agent = "Peculiar Browser 4711"
    with served.visit() as visitor:
        visitor.http.headers["User-Agent"] = agent
        visitor.http.headers["X-Forwarded-For"] = "192.0.2.77"
        visitor.answer_all()
    kept = b"".join(file.read_bytes() for file in served.files.folder.iterdir())
    assert not any(word in kept for word in (agent.encode(), b"192.0.2.77", b"127.0.0.1"))
    with sqlite3.connect(served.files.folder / "study.sqlite") as db:
        columns = [row[1] for table in ("person", "click") for row in db.execute(f"PRAGMA table_info({table})")]
    db.close()
    assert columns == [
        *("participant_id", "token", "state", "clicks", "last", "seal"),
        *("participant_id", "number", "kind", "position", "value", "ms", "measured", "at", "seal"),
    ]


def test_times_are_by_the_page_or_by_the_server_and_never_below_zero(served):
    with served.visit() as visitor:
        visitor.begin()
        for ms in ("1234.5", "-3", "nan", "9e99", "x"):
            visitor.page = visitor.http.get("/")
            visitor.send("none", ms=ms if ms != "1234.5" else "12.5")
    clicks = [one.click for one in served.study.store.clicks_of("p01") if one.click.kind == "stage1"]
    assert (clicks[0].ms, clicks[0].measured) == (12.5, "page")
    assert all(click.measured == "server" and 0 <= click.ms < 60_000 for click in clicks[1:])


def test_a_withdrawal_erases_and_says_so(served):
    with served.visit() as visitor:
        visitor.begin()
        visitor.send("order")
        visitor.page = visitor.http.get("/withdraw")
        assert "This cannot be undone" in visitor.text
        fields = visitor.fields
        assert visitor.http.post("/withdraw", data={"form": "x"}).status_code == 403
        visitor.page = visitor.http.post("/withdraw", data=fields)
        assert visitor.heading == "You have withdrawn"
        assert "has been erased" in visitor.text
        late = visitor.http.post("/answer", data={**fields, "kind": "stage2", "position": "1", "value": "yes"})
        assert "You have withdrawn" in late.text
    with served.visit() as again:
        assert again.heading == "You have withdrawn"
    assert served.study.store.clicks_of("p01") == []


def test_a_changed_image_is_not_asked_about(served):
    person, plan = served.study.plan.participants[0], served.study.plan
    with served.visit() as visitor:
        visitor.begin()
        file = served.files.images / plan.images[person.images[1]].path
        before = file.read_bytes()
        file.write_bytes(before + b"x")
        visitor.send("none")
        assert visitor.page.status_code == 500
        assert "The next image cannot be shown as it was planned." in visitor.text
        assert served.told[-1].startswith(f"{file}: not the image that was planned")
        file.write_bytes(before)
        visitor.page = visitor.http.get("/")
        assert "Image 2 of 4" in visitor.text


def test_an_edited_row_takes_no_more_answers(served):
    with served.visit() as visitor:
        visitor.begin()
        with sqlite3.connect(served.files.folder / "study.sqlite") as db:
            db.execute("UPDATE person SET clicks = 1 WHERE participant_id = 'p01'")
        db.close()
        assert visitor.send("order").status_code == 500
        assert "Something is wrong with the study itself" in visitor.text
        assert "the seal is broken at participant p01" in served.told[-1]


def test_script_in_what_the_lab_wrote_is_text(tmp_path):
    lineages = [
        ("<script>alert(1)</script>", "=cmd|' /C calc'!A0", "Mallard"),
        ("<script>alert(1)</script>", "Anatidae", "<img src=x onerror=alert(1)>"),
        ("Piciformes", "Picidae", "Flicker"),
    ]
    files = prepared(tmp_path, 3, 6, 2, lineages=[(a, b, c.replace("/", "")) for a, b, c in lineages])
    study = files.open()
    with serving(application.make_app(study, URL, print)) as url, Visitor(url, files.token("p01")) as visitor:
        visitor.begin()
        pages = []
        while visitor.options:
            pages.append(visitor.page.text)
            visitor.send(visitor.options[0])
    assert any("&lt;script&gt;alert(1)" in page for page in pages)
    assert not any("<script>alert" in page or "<img src=x" in page for page in pages)
    rows, _ = export_responses(study)
    study.store.close()
    assert len(rows) == 6
