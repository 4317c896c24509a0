"""The web study in a real browser: from consent to thanks, by keyboard, on a phone, without scripts, and accessible."""

import json
import random
from collections import Counter

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import call
from participants import prepared
from web import browsing, command_serving, needs_browser, serving

from taxonomy.cli import main
from taxonomy.study.analysis import analyse
from taxonomy.study.page import write_report
from taxonomy.study.responses import read_responses
from taxonomy.study.server.app import make_app

PHONE = {"viewport": {"width": 380, "height": 780}}
URL = "http://127.0.0.1:8080"
pytestmark = [needs_browser, pytest.mark.slow, pytest.mark.usefixtures("one_browser")]


@pytest.fixture
def site(tmp_path):
    files = prepared(tmp_path, people=12, per_person=2, is_trial=True)
    study = files.open()
    with serving(make_app(study, URL, print)) as url:
        yield url, files, study
    study.store.close()


def open_link(page, site, name="p01"):
    page.goto(f"{site[0]}/in/{site[1].token(name)}")


def expect_heading(page, text):
    page.locator("h1", has_text=text).wait_for(timeout=10_000)


def is_sound(page):
    """Whether nothing is wrong by axe that it calls serious, and nothing is wider than the screen."""
    found = [
        (rule["id"], rule["impact"], [node["html"] for node in rule["nodes"]])
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
    ]
    assert found == []
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_from_consent_to_thanks_by_keyboard_alone(site):
    with browsing() as page:
        open_link(page, site)
        expect_heading(page, "About this study")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        for number in range(1, 5):
            expect_heading(page, f"question {number} of 4")
            page.keyboard.press("Tab")  # to the first option
            page.keyboard.press("ArrowDown")  # which chooses the second
            page.keyboard.press("Enter")
        for number in range(1, 3):
            page.locator(".progress", has_text=f"Image {number} of 2").wait_for()
            page.keyboard.press("b")
            chosen = page.locator("input:checked").input_value()
            page.keyboard.press("Enter")
            if chosen != "none":
                expect_heading(page, "Stage 2")
                page.keyboard.press("1")
                page.keyboard.press("Enter")
        expect_heading(page, "Thank you")
    clicks = [kept.click for kept in site[2].store.clicks_of("p01")]
    orders = site[2].plan.participants[0].option_orders
    assert [c.value for c in clicks if c.kind == "stage1"] == [site[2].plan.options[order[1]] for order in orders]
    assert {c.value for c in clicks if c.kind == "stage2"} == {"yes"}
    assert all(c.measured == "page" and 0 < c.ms < 60_000 for c in clicks if c.kind != "consent")


@pytest.mark.parametrize("options", [{}, {**PHONE, "color_scheme": "dark"}], ids=["wide", "phone in the dark"])
def test_every_page_is_accessible_and_fits_the_screen(site, options):
    with browsing(**options) as page:
        open_link(page, site)
        assert is_sound(page)  # consent
        page.check("#agreed")
        page.click("button")
        for number in range(1, 5):
            expect_heading(page, f"question {number} of 4")
            assert number > 1 or is_sound(page)
            page.check("#option-A")
            page.click("button")
        expect_heading(page, "Stage 1")
        assert page.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 40
        assert is_sound(page)
        page.check("input[value=family]")
        page.click("button")
        expect_heading(page, "Stage 2")
        assert is_sound(page)
        page.goto(f"{site[0]}/?said=kept")
        assert page.get_by_role("status").inner_text().startswith("You had answered that already")
        assert is_sound(page)
        page.click("footer a")
        expect_heading(page, "Withdraw from the study?")
        assert is_sound(page)
        page.click("button")
        expect_heading(page, "You have withdrawn")
        assert is_sound(page)


def test_six_people_walk_the_pages_and_what_they_chose_is_what_is_analysed(tmp_path):
    (tmp_path / "test.toml").write_text(
        '[[question]]\ntext = "Which of these is a duck?"\noptions = ["Mallard", "Flicker"]\nanswer = "Mallard"\n'
    )
    files = prepared(tmp_path, people=6, per_person=2, per_class=1, is_trial=True, test=tmp_path / "test.toml")
    chosen = Counter()
    served = command_serving(tmp_path, "taxonomy.cli", "study", "serve", files.folder, "--port", 0)
    with served as (_, url), browsing() as page:
        for i, name in enumerate(files.links):
            page.context.clear_cookies()
            page.goto(f"{url}/in/{files.token(name)}")
            chosen += walk(page, random.Random(i))  # noqa: S311
    rows, report = tmp_path / "responses.csv", tmp_path / "report"
    plan = ("--hierarchy", files.hierarchy, "--plan", files.plan, "--images", files.images)
    assert "12 responses by 6 participants" in call(main, ("study", "export", files.folder, "--out", rows)).out
    assert call(main, ("study", "analyse", rows, *plan, "--resamples", 100, "--out", report)).code == 0
    found = json.loads((report / "analysis.json").read_text())
    assert found["is_synthetic"]
    assert {s["option"]: s["count"] for s in found["shares"] if s["table"] == "table1"} == {
        option: chosen["stage1", option] for option in ("order", "family", "species", "none")
    }
    [multi] = [s for s in found["shares"] if s["table"] == "fig2a" and s["option"] is None]
    assert (multi["count"], multi["of"]) == (chosen["stage2", "yes"], 12 - chosen["stage1", "none"])
    with browsing() as page:
        page.goto((report / "study.html").as_uri())
        assert page.get_by_role("note").inner_text().startswith("SYNTHETIC")
        levels = page.locator("details summary").all_inner_texts()
    assert levels == ["order (2)", "family (3)", "species (4)"]


def walk(page, rng):
    """Take part from consent to thanks, at random; what was chosen at both stages, counted."""

    def send():
        with page.expect_navigation(wait_until="domcontentloaded"):
            page.click("button")

    page.check("#agreed")
    send()
    chosen = Counter()
    while count := page.locator("input[type=radio]").count():
        option = page.locator("input[type=radio]").nth(rng.randrange(count))
        chosen[page.locator("input[name=kind]").input_value(), option.input_value()] += 1
        option.check()
        send()
    expect_heading(page, "Thank you")
    return chosen


def test_it_works_without_scripts(site):
    with browsing(java_script_enabled=False) as page:
        open_link(page, site)
        page.check("#agreed")
        page.click("button")
        while "Thank you" not in page.inner_text("h1"):
            page.check("#option-A")
            page.click("button")
    clicks = [kept.click for kept in site[2].store.clicks_of("p01")]
    assert {c.measured for c in clicks if c.kind == "stage1"} == {"server"}
    assert len([c for c in clicks if c.kind == "stage1"]) == 2


def test_a_double_click_and_the_back_button_answer_nothing_twice(site):
    with browsing() as page:
        open_link(page, site)
        page.check("#agreed")
        page.dblclick("button")
        for number in range(1, 5):
            expect_heading(page, f"question {number} of 4")
            page.check("#option-A")
            page.dblclick("button")
        expect_heading(page, "Stage 1")
        page.check("input[value=family]")
        page.dblclick("button")
        expect_heading(page, "Stage 2")
        page.go_back()
        page.wait_for_load_state()
        expect_heading(page, "Stage 2")  # what is due, not what was asked before
        page.check("#option-A")
        page.click("button")
        page.locator(".progress", has_text="Image 2 of 2").wait_for()
    answers = site[2].store.answers_of("p01")
    assert {key: value for key, value in answers.items() if key[0].startswith("stage")} == {
        ("stage1", 1): "family",
        ("stage2", 1): "yes",
    }


def test_the_page_of_an_analysis_fits_a_phone_too(study, tmp_path):
    rows = read_responses(study.responses, study.hierarchy, study.plan)
    write_report(analyse(rows, study.hierarchy, study.plan, resamples=100), tmp_path / "report")
    with browsing(**PHONE) as page:
        page.goto((tmp_path / "report" / "study.html").as_uri())
        assert is_sound(page)
        narrow = page.locator("td:first-child").evaluate_all(
            "cells => Math.min(...cells.map(cell => cell.offsetWidth))"
        )
        assert narrow >= 70  # names are not broken into letters
