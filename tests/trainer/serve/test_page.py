"""The page as a person meets it, in a real browser."""

import base64
import json
import re

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from web import browsing, needs_browser, serving

from trainer.inference.answering.stopping import best_served, certain_depth
from trainer.inference.answering.wishes import Wishes
from trainer.inference.answers import percent
from trainer.serve.app import application
from trainer.serve.limits import ServingLimits

pytestmark = [needs_browser, pytest.mark.usefixtures("one_browser")]

DROP = """([files, target]) => {
    const transfer = new DataTransfer();
    for (const [name, type, content] of files) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    const event = { bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer };
    const made = target === "paste" ? new ClipboardEvent(target, event) : new DragEvent(target, event);
    document.getElementById("drop").dispatchEvent(made);
}"""


def drop(page, *files, by="drop"):
    """Drop or paste files, each its name, type and bytes."""
    page.evaluate(DROP, [[(name, kind, base64.b64encode(content).decode()) for name, kind, content in files], by])


@pytest.fixture(scope="module")
def photos(patches):
    """Some photographs as they are dropped."""
    paths = [patches.data / "test" / colour / "0.png" for colour in ("red", "orange", "blue")]
    return [(f"{path.parent.name}.png", "image/png", path.read_bytes()) for path in paths]


def chain_of(url, photo, confidence=None, **wishes):
    """What the API says of a photograph."""
    if confidence is not None:
        wishes["confidence"] = confidence
    return httpx.post(f"{url}/api/answer", content=photo[2], params=wishes).json()["chain"]


def slide(page, percent):
    page.locator("#confidence").fill(str(percent))


def said(card):
    """The labels of the links that are answered on a card."""
    return card.locator(".said .label").all_inner_texts()


def test_a_photograph_is_dropped_and_the_answer_stops_at_the_family_or_goes_on_as_is_slid(url, photos):
    family, species = chain_of(url, photos[0])
    between = int(50 * (family["probability"] + species["probability"]))
    assert species["probability"] < between / 100 <= family["probability"]
    with browsing() as page:
        page.goto(url)
        drop(page, photos[0])
        card = page.locator("#cards > li")
        slide(page, between)
        expect(card.locator(".answer")).to_have_text(family["label"])
        expect(card.locator(".how")).to_contain_text("Not sure enough of the species")
        expect(card.locator(".unsaid .label")).to_have_text(f"perhaps {species['label']}")
        expect(page.locator("#said")).to_have_text("1 named down to the family")
        expect(page.locator("#sure")).to_have_text(f"at least {between} % sure")
        slide(page, 0)
        expect(card.locator(".answer")).to_have_text(species["label"])
        expect(page.locator("#sure")).to_have_text("however unsure")
        slide(page, 100)
        expect(card.locator(".answer")).to_have_text("Bird")
        expect(page.locator("#said")).to_have_text("1 named bird and no more")


def test_several_photographs_are_chosen_and_stop_where_the_server_stops(url, photos, tmp_path):
    for name, _, content in photos:
        (tmp_path / name).write_bytes(content)
    with browsing() as page:
        page.goto(url)
        with page.expect_file_chooser() as chooser:
            page.get_by_text("Choose photographs").click()
        chooser.value.set_files([tmp_path / name for name, _, _ in photos])
        cards = page.locator("#cards > li")
        expect(page.locator("#cards .chain")).to_have_count(3)
        for sure in (0, 20, 30, 40, 50, 60, 70, 100):
            slide(page, sure)
            for at, photo in enumerate(photos):
                expect(cards.nth(at).locator("figcaption")).to_have_text(photo[0])
                assert said(cards.nth(at)) == [link["label"] for link in chain_of(url, photo, sure / 100)]


def test_the_page_stops_by_the_rule_of_the_server_and_never_shows_more_than_it_is_sure(url):
    rng = np.random.default_rng(0)
    probability = np.sort(rng.integers(0, 101, (300, 4)) / 100, axis=1)[:, ::-1]
    confidence = [*rng.integers(0, 101, 150) / 100, *probability[150:, 2]]
    served = np.sort(rng.integers(1, 11, (300, 4)) / 10, axis=1)  # so coarse that many levels serve equally many
    chains = [[{"probability": p} for p in row] for row in probability.tolist()]
    script = """async ([chains, confidence, served]) => {
        const { depthAt, depthFor } = await import("/static/page.js");
        return chains.map((chain, i) => [depthAt(chain, confidence[i]), depthFor(chain, served[i])]);
    }"""
    shares = [0.0, 1e-9, 0.001, 0.005, 0.125, 0.29, 0.375, 0.7949, 0.7999, 0.8, 0.9949, 0.995, 0.9999, 1.0]
    percents = (
        "async (values) => { const page = await import('/static/page.js'); return values.map((p) => page.percent(p)); }"
    )
    too_little = """async (pairs) => {
        const page = await import("/static/page.js");
        return pairs.map((pair) => page.tooLittle(...pair));
    }"""
    with browsing() as page:
        page.goto(url)
        found = page.evaluate(script, [chains, list(map(float, confidence)), served.tolist()])
        assert page.evaluate(percents, shares) == [percent(share).replace(" ", "\u00a0") for share in shares]
        little = page.evaluate(too_little, [[0.7949, 80], [0.797, 80], [0.9999, 100], [0.001, 1]])
        assert [text.replace("\u00a0", " ") for text in little] == ["79 %", "<80 %", "<100 %", "<1 %"]
    sure = [int(certain_depth(probability[i : i + 1], c)[0]) for i, c in enumerate(confidence)]
    asked = [int(best_served(probability[i : i + 1], served[i])[0]) for i in range(300)]
    assert found == [list(pair) for pair in zip(sure, asked, strict=True)]


def test_switched_from_expert_to_amateur_by_the_keyboard_an_answer_stops_higher_and_says_what_it_takes(url, photos):
    family, species = chain_of(url, photos[0], audience="expert")
    assert chain_of(url, photos[0], audience="amateur") == [family]
    with browsing(viewport={"width": 380, "height": 800}) as page:
        page.goto(url)
        drop(page, photos[0])
        card = page.locator("#cards > li")
        page.get_by_label("How deep to answer").focus()
        for _ in range(2):
            page.keyboard.press("ArrowDown")
        expect(page.locator("#whose")).to_contain_text("Answers for expert (group 5 of Chang et al. 2021")
        expect(page.locator("#by-slider")).to_be_hidden()
        expect(card.locator(".answer")).to_have_text(species["label"])
        expect(card.locator(".how")).to_contain_text("As deep as it goes for expert.")
        page.keyboard.press("ArrowUp")
        expect(card.locator(".answer")).to_have_text(family["label"])
        expect(card.locator(".how")).to_contain_text(
            re.compile(r"Not sure enough of the species for amateur: <?\d+.%; it takes")
        )
        expect(page.locator("#said")).to_have_text("1 named down to the family")
        assert serious(page) == []
        page.keyboard.press("ArrowUp")
        expect(page.locator("#whose")).to_be_hidden()
        page.keyboard.press("Tab")
        expect(page.locator("#confidence")).to_be_focused()


def test_a_model_that_was_given_wishes_is_shown_with_them_first(model, photos):
    given, strict = model.wishing(Wishes(without="Orange", confidence=0.999)), model.wishing(Wishes(unknown=1.0))
    with serving(application(given)) as url, serving(application(strict)) as other, browsing() as page:
        page.goto(url)
        expect(page.locator("header")).to_contain_text("the model answers as it was given: 3 of 4 classes")
        drop(page, photos[1])
        assert page.locator("#choice").input_value() == "given"
        expect(page.locator("#whose")).to_have_text("Confidence 0.999.")
        expect(page.locator("#cards .chain")).to_have_count(1)
        assert said(page.locator("#cards > li")) == [link["label"] for link in chain_of(url, photos[1])]
        page.get_by_label("How deep to answer").select_option("as sure as the slider says")
        slide(page, 0)
        labels = [link["label"] for link in chain_of(url, photos[1], 0)]
        assert said(page.locator("#cards > li")) == labels
        assert "orange" not in labels
        page.goto(other)
        drop(page, photos[0])
        expect(page.locator("#cards .answer")).to_have_text("Unknown")
        expect(page.locator("footer")).to_contain_text("What is too unlike them it calls unknown.")
        expect(page.locator("#said")).to_have_text("1 unknown")


def test_everything_works_by_the_keyboard_alone(url, photos, tmp_path):
    (tmp_path / "red.png").write_bytes(photos[0][2])
    with browsing() as page:
        page.goto(url)
        page.keyboard.press("Tab")
        expect(page.locator("#files")).to_be_focused()
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(tmp_path / "red.png")
        expect(page.locator("#cards .chain")).to_have_count(1)
        page.keyboard.press("Tab")
        expect(page.locator("#choice")).to_be_focused()
        page.keyboard.press("Tab")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        expect(page.locator("#sure")).to_have_text("at least 83 % sure")
        page.keyboard.press("Home")
        expect(page.locator("#cards .unsaid")).to_have_count(0)
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#cards canvas")).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Remove red.png")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#cards > li")).to_have_count(0)
        expect(page.locator("#files")).to_be_focused()


def test_the_map_of_a_level_lies_over_the_photograph_and_is_told_in_words(url, photos):
    labels = [link["label"] for link in chain_of(url, photos[0])]
    with browsing() as page:
        page.goto(url)
        drop(page, photos[0])
        canvas = page.locator("#cards canvas")
        expect(page.locator("#cards .chain")).to_have_count(1)
        expect(canvas).to_be_hidden()
        for level, label in zip(("family", "species"), labels, strict=True):
            page.get_by_role("radio", name=level).check()
            expect(canvas).to_be_visible()
            about = re.compile(rf"red\.png\. (Bright|Dark): .* for {label} \({level}\)")
            expect(page.get_by_alt_text(about)).to_be_visible()
        shown = page.evaluate("() => { const c = document.querySelector('canvas'); return [c.width, c.height]; }")
        assert shown == [432, 480]  # as high as is wide the photograph of 36 x 40
        page.get_by_role("radio", name="no map").check()
        expect(canvas).to_be_hidden()


def test_a_photograph_is_pasted_and_what_holds_no_file_is_said(url, photos):
    with browsing() as page:
        page.goto(url)
        drop(page)
        expect(page.locator("#said")).to_have_text("That held no file. Save the picture first, then give the file.")
        drop(page, photos[0], by="paste")
        expect(page.locator("#cards .chain")).to_have_count(1)


def test_what_is_no_photograph_is_refused_on_its_card_before_it_is_sent(model, photos):
    with serving(application(model, ServingLimits(body=9000))) as url, browsing() as page:
        page.goto(url)
        drop(
            page,
            ("notes.txt", "text/plain", b"words"),
            ("drawing.svg", "image/svg+xml", b"<svg/>"),
            ("large.png", "image/png", bytes(9001)),
            photos[0],
        )
        refusals = page.locator(".refusal")
        expect(refusals).to_have_text([
            "notes.txt was not answered: text/plain is no photograph",
            "drawing.svg was not answered: image/svg+xml is no photograph",
            re.compile(r"large.png was not answered: it is larger than 0\.00858.* MiB"),
        ])  # fmt: skip
        expect(page.locator("#cards .chain")).to_have_count(1)
        expect(page.locator("#said")).to_contain_text("3 not answered")


def test_what_the_server_refuses_is_told_and_the_next_is_answered(url, photos):
    with browsing(logged="status of 415") as page:
        page.goto(url)
        drop(page, ("<b>broken</b>.png", "image/png", b"not a picture"), photos[0])
        expect(page.locator(".refusal")).to_contain_text(
            "<b>broken</b>.png was not answered: no image of a known format"
        )
        expect(page.locator("#cards .chain")).to_have_count(1)


def test_a_busy_server_is_asked_again(model, photos):
    with serving(application(model, ServingLimits(at_once=1))) as url, browsing(logged="status of 503") as page:
        page.goto(url)
        drop(page, *photos)
        expect(page.locator("#cards .chain")).to_have_count(3, timeout=20_000)


@pytest.mark.parametrize("width", [380, 1200])
def test_it_fits_a_phone_and_a_screen_and_keeps_the_rules_of_accessibility(url, photos, width):
    with browsing(viewport={"width": width, "height": 800}) as page:
        page.goto(url)
        assert serious(page) == []
        drop(page, *photos)
        expect(page.locator("#cards .chain")).to_have_count(3)
        page.get_by_role("radio", name="species").check()
        slide(page, 45)
        expect(page.locator("#cards canvas").first).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert serious(page) == []


def serious(page):
    """What axe finds against the rules, as far as it is serious."""
    found = Axe().run(page).response["violations"]
    return [
        json.dumps(one["nodes"][0]["html"]) + one["id"] for one in found if one["impact"] in ("serious", "critical")
    ]
