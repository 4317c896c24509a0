"""The page of a report in a real browser: by mouse, by keyboard, on a narrow screen, without scripts, for all eyes."""

import pytest
from web import CHROMIUM, needs_browser

pytestmark = needs_browser
WIDE, NARROW = {"width": 1200, "height": 900}, {"width": 380, "height": 800}


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(hiertrain, run, patches, tmp_path_factory):
    """A page on two runs, one with a long name, that cannot all be scored alike."""
    folder = tmp_path_factory.mktemp("pages")
    other = folder / "a-run-with-a-rather-long-name-without-a-space-in-it"
    options = ("--freeze-backbone", "--val-fraction", 0.3, "--seed", 1)
    assert hiertrain(*patches.options(*options, "--out", other, epochs=1)).code == 0
    out = folder / "page.html"
    image = patches.data / "test" / "red" / "0.png"
    assert hiertrain("report", run, other, "--device", "cpu", "--image", image, "--out", out).code == 0
    return out


@pytest.fixture
def opened(browser, file):
    """Open the page, and make sure in the end that it asked for nothing and had nothing to complain of."""
    contexts, asked, said = [], [], []

    def open_page(viewport, **how):
        contexts.append(browser.new_context(viewport=viewport, **how))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {file.as_uri()}


def shown(page, text):
    return page.locator("#tree .name", has_text=text).first.is_visible()


def test_the_tree_expands_collapses_and_is_searched(opened):
    page = opened(WIDE)
    assert not shown(page, "Teal")
    page.click("#expand")
    assert shown(page, "Teal")
    page.click("#collapse")
    assert not shown(page, "Teal")
    page.fill("#query", "tea")
    assert shown(page, "Teal")
    assert not shown(page, "warm")
    assert page.locator("#found").inner_text() == "1 of 4 classes"
    assert page.locator("#tree .name mark").inner_text() == "Tea"


def test_it_works_by_keyboard_alone(opened):
    page = opened(WIDE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("/")
    page.keyboard.type("blue")
    assert page.locator("#found").inner_text() == "1 of 4 classes"
    page.keyboard.press("Escape")
    assert page.locator("#found").inner_text() == ""
    for _ in range(3):
        page.keyboard.press("Tab")  # past two buttons to the first taxon
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open")


def test_every_part_that_scrolls_is_reached_by_keyboard(opened):
    page = opened(NARROW)
    wide = "[...document.querySelectorAll('.wide')].filter(el => el.scrollWidth > el.clientWidth)"
    assert page.evaluate(f"{wide}.length") > 0
    assert page.evaluate(f"{wide}.every(el => el.tabIndex === 0)")


def test_a_narrow_screen_shows_all_of_it_without_scrolling_sideways(opened):
    page = opened(NARROW)
    page.click("#expand")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    wider = (
        "[...document.querySelectorAll('main img, figcaption, .chain, h2, .card')].filter(el => el.offsetWidth > 380)"
    )
    assert page.evaluate(f"{wider}.length") == 0


def test_without_scripts_taxa_still_open_and_nothing_stands_there_in_vain(opened):
    page = opened(WIDE, java_script_enabled=False)
    assert not page.locator("#query").is_visible()
    page.locator("#tree summary").first.click()
    assert page.locator("#tree .leaf").first.is_visible()


def test_pictures_are_drawn(opened):
    page = opened(WIDE)
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("[...document.images].every(image => image.alt)")


def test_there_is_no_serious_obstacle_for_anyone(opened):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(NARROW)
    page.click("#expand")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")] == []
