"""`hiertax study prepare`, `links`, `serve` and `export`, as a lab types them; the server is real and may be killed."""

import csv
import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from conftest import call
from participants import LINEAGES, Visitor, prepared
from web import command_serving

from taxonomy.cli import main
from taxonomy.study.responses import read_responses
from taxonomy.study.server.folder import open_study
from taxonomy.study.server.records import Click
from taxonomy.web.server import listen

KILLS = int(os.environ.get("HIERTAX_KILLS", "3"))


def hiertax(*args):
    return call(main, args)


@contextmanager
def served(files, log, *args):
    log.mkdir(exist_ok=True)
    with command_serving(log, "taxonomy.cli", "study", "serve", files.folder, "--port", 0, *args) as (process, url):
        yield process, url


def tokens(file):
    with Path(file).open() as opened:
        return {row["participant_id"]: row["link"].rpartition("/")[2] for row in csv.DictReader(opened)}


@pytest.mark.slow
def test_as_a_new_user_from_a_plan_to_a_page(tmp_path):
    files = prepared(tmp_path)  # for its images and hierarchy; the rest is typed
    few, study, rows = (
        ("--hierarchy", files.hierarchy, "--images", files.images),
        tmp_path / "birds",
        tmp_path / "r.csv",
    )
    sizes = ("--participants", 10, "--per-person", 4, "--out", tmp_path / "p.json")
    assert hiertax("study", "plan", *few, *sizes).code == 0
    made = hiertax(
        "study", "prepare", tmp_path / "p.json", *few, "--contact", "a@example.org", "--trial", "--out", study
    )
    assert made.code == 0, made
    assert "birds: TRIAL, a test of 4 questions" in made.out
    assert "10 links" in hiertax("study", "links", study, "--out", tmp_path / "l.csv").out
    given = tokens(tmp_path / "l.csv")
    (tmp_path / "log").mkdir()
    with command_serving(tmp_path / "log", "taxonomy.cli", "study", "serve", study, "--port", 0) as (process, url):
        for i, token in enumerate(given.values()):
            with Visitor(url, token) as visitor:
                assert "Trial: what is answered here is marked as synthetic" in visitor.text
                visitor.answer_all(random.Random(i))  # noqa: S311
                assert visitor.heading == "Thank you"
        while_served = hiertax("study", "export", study, "--out", tmp_path / "early.jsonl")
        assert "40 responses by 10 participants" in while_served.out
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    done = hiertax("study", "export", study, "--out", rows)
    assert "40 responses by 10 participants" in done.out
    assert "note: a trial: all responses are marked as synthetic" in done.err
    found = hiertax(
        "study", "analyse", rows, *few, "--plan", tmp_path / "p.json", "--resamples", 100, "--out", tmp_path / "o"
    )
    assert found.code == 0, found
    assert found.out.startswith("SYNTHETIC")
    assert "10 people" in found.out
    assert "SYNTHETIC" in (tmp_path / "o" / "study.html").read_text()
    assert not any(token in rows.read_text() for token in given.values())


@pytest.mark.slow
def test_a_server_killed_at_random_moments_loses_no_acknowledged_click(tmp_path):
    """As often as HIERTAX_KILLS says; each time the server comes back and people go on."""
    files = prepared(tmp_path, 4 + KILLS // 8, 60, 20)
    rng, acknowledged, names = random.Random(0), {}, list(files.links)  # noqa: S311
    for turn in range(KILLS):
        with served(files, tmp_path / "log") as (process, url):
            ready = threading.Event()
            clicking = threading.Thread(target=_click, args=(files, url, names, acknowledged, ready))
            clicking.start()
            assert ready.wait(30)
            time.sleep(rng.random() * 0.3)
            process.kill()
            clicking.join()
        assert "Traceback" not in (tmp_path / "log" / "err").read_text(), turn
    study = open_study(files.folder)  # which looks at every seal
    for (name, kind, position), value in acknowledged.items():
        assert study.store.answers_of(name)[kind, position] == value
    study.store.close()
    assert len(acknowledged) > 2 * KILLS


def _click(files, url, names, acknowledged, ready):
    """Take part, one person after the other, until the server is gone; keep what it said it had stored."""
    try:
        for name in names:
            with Visitor(url, files.token(name)) as visitor:
                while visitor.options:
                    data = {**visitor.fields, "value": visitor.options[0]}
                    key = (name, data["kind"], int(data["position"]))
                    taken = visitor.http.post("/answer", data=data, follow_redirects=False)
                    if taken.status_code == 303 and taken.headers["location"] == "/":
                        acknowledged[key] = data["value"]
                        ready.set()
                    elif taken.status_code == 429:
                        time.sleep(0.2)
                    visitor.page = visitor.http.get("/")
    except (httpx.TransportError, TypeError):
        pass
    finally:
        ready.set()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit")
def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path):
    files = prepared(tmp_path)
    with served(files, tmp_path / "log") as (process, url), Visitor(url, files.token("p01")) as visitor:
        visitor.begin()
        data = {**visitor.fields, "value": "order"}
        size = max(file.stat().st_size for file in files.folder.glob("study.sqlite*"))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        refused = visitor.http.post("/answer", data=data)
        assert refused.status_code == 503
        assert "Your answer could not be stored. Please wait a moment and try again." in refused.text
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        visitor.page = visitor.http.post("/answer", data=data)
        assert visitor.heading == "Stage 2"
        [line] = (tmp_path / "log" / "err").read_text().splitlines()
        assert re.fullmatch(r"error: \S+study\.sqlite: cannot be written: .*; free some space, or .*", line)
    study = open_study(files.folder)
    assert study.store.answers_of("p01")["stage1", 1] == "order"
    study.store.close()


@pytest.fixture
def answered(tmp_path):
    """A study in which p01 is done, p02 half way, p03 has withdrawn, and the others never came."""
    files = prepared(tmp_path)
    study = files.open()
    for name, images in (("p01", 4), ("p02", 2), ("p03", 1)):
        study.store.record(name, Click("consent", 0, "agreed"))
        for i, question in enumerate(study.questions, start=1):
            study.store.record(name, Click("test", i, question.answer))
        for position in range(1, images + 1):
            study.store.record(name, Click("stage1", position, "family", 10.5, "page"))
            if name != "p02" or position == 1:
                study.store.record(name, Click("stage2", position, "yes", 20.0, "server"))
    study.store.withdraw("p03")
    study.store.close()
    return files


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_the_export_is_what_analyse_reads(answered, tmp_path, suffix):
    out = tmp_path / f"responses.{suffix}"
    done = hiertax("study", "export", answered.folder, "--out", out)
    assert f"{out}: 5 responses by 2 participants" in done.out
    assert done.err.splitlines() == [
        "note: 5 of 24 planned responses are there",
        "note: 3 participants answered nothing yet",
        "note: 1 participant withdrew, and what they answered is erased",
        "note: 1 image with an answer to stage 1 only, left out",
        "note: times: 5 measured in the page, 5 by the server (with the way to it and back), 0 unknown",
    ]
    study = answered.open()
    read = read_responses(out, study.hierarchy, study.plan)
    study.store.close()
    assert [(row.participant_id, row.position, row.stage1, row.stage2) for row in read.rows] == [
        *(("p01", position, "family", "yes") for position in range(1, 5)),
        ("p02", 1, "family", "yes"),
    ]
    assert {(row.group, row.score, row.rt1_ms, row.rt2_ms, row.synthetic) for row in read.rows} == {
        (5, 4.0, 10.5, 20.0, False)
    }
    assert (tmp_path / f"responses.{suffix}.seal").exists()


def test_an_export_says_that_the_clock_was_set_back(tmp_path):
    files = prepared(tmp_path)
    moments = iter(datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (12, 13, 9, 10))
    study = files.open(clock=moments.__next__)
    for position in (1, 2):
        study.store.record("p01", Click("stage1", position, "order", 10.5, "page"))
        study.store.record("p01", Click("stage2", position, "yes", 20.0, "page"))
    study.store.close()
    done = hiertax("study", "export", files.folder, "--out", tmp_path / "r.csv")
    assert "note: the clock went back 1 time between two clicks of a person: timestamps are as the clock" in done.err
    assert "2 responses by 1 participant\n" in done.out


def test_cells_that_a_spreadsheet_would_work_out_are_guarded(tmp_path):
    lineages = [*LINEAGES[:3], ("Piciformes", "Capitonidae", "=cmd|calc!A0")]
    files = prepared(tmp_path, lineages=lineages)
    with served(files, tmp_path / "log") as (_, url), Visitor(url, files.token("p01")) as visitor:
        visitor.answer_all()
    study = files.open()
    shown = [study.plan.images[i].class_id for i in study.plan.participants[0].images]
    done = hiertax("study", "export", files.folder, "--out", tmp_path / "r.csv")
    assert f"{shown.count('=cmd|calc!A0')} cells of" in done.err
    cells = list(csv.reader((tmp_path / "r.csv").read_text().splitlines()))
    assert not any(cell[:1] in ("=", "+", "@") for row in cells for cell in row)
    read = read_responses(tmp_path / "r.csv", study.hierarchy, study.plan)
    study.store.close()
    assert [row.class_id for row in read.rows] == shown


def test_an_export_of_an_edited_database_says_where(answered, tmp_path):
    with sqlite3.connect(answered.folder / "study.sqlite") as db:
        db.execute(
            "UPDATE click SET value = 'species' WHERE participant_id = 'p02' AND kind = 'stage1' AND position = 1"
        )
    db.close()
    failed = hiertax("study", "export", answered.folder, "--out", tmp_path / "r.csv")
    assert "the seal is broken at participant p02, click 6 (stage1 1)" in failed.error()
    assert not (tmp_path / "r.csv").exists()
    assert "the seal is broken" in hiertax("study", "serve", answered.folder, "--port", 0).error()


def _resealed(files):
    plan = json.loads((files.folder / "plan.json").read_text())
    plan["participants"] = plan["participants"][::-1]
    (files.folder / "plan.json").write_text(json.dumps(plan))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda f: (f.folder / "texts.toml").write_text("x = 1"),
            "texts.toml: the seal is broken: the file was changed",
        ),
        (lambda f: (f.folder / "test.json").unlink(), "test.json: No such file"),
        (_resealed, "plan.json: the seal is broken"),
        (lambda f: (f.folder / "key").write_text("00" * 32), "the seal is broken at what the study is"),
        (lambda f: (f.folder / "key").write_text("x"), "key: no key of a study"),
        (lambda f: (f.folder / "study.sqlite").unlink(), "study.sqlite: no such file"),
        (lambda f: (f.images / "Mallard" / "0.jpg").write_bytes(b"x"), "not the image that was planned"),
        (lambda f: shutil.rmtree(f.images), "not the image that was planned"),
    ],
)
def test_what_was_changed_is_refused_at_the_start(tmp_path, spoil, said):
    files = prepared(tmp_path)
    spoil(files)
    assert said in hiertax("study", "serve", files.folder, "--port", 0).error()


def test_images_that_were_moved_are_found_where_they_are_said_to_be(tmp_path):
    files = prepared(tmp_path)
    files.images.rename(tmp_path / "elsewhere")
    moved = served(files, tmp_path / "log", "--images", tmp_path / "elsewhere")
    with moved as (_, url), Visitor(url, files.token("p01")) as visitor:
        visitor.begin()
        assert visitor.http.get(visitor.picture).status_code == 200


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("links", "--out", "OUT"), "everybody has a link already"),
        (("links", "--out", "LINKS", "--participant", "p01"), "links.csv: is there already; choose another --out"),
        (("links", "--out", "OUT", "--participant", "p77"), "--participant 'p77': not in the plan; there are p01, p02"),
        (
            ("links", "--out", "OUT", "--url", "https://example.org/a/b"),
            "--url 'https://example.org/a/b': give an address",
        ),
        (("links", "--out", "OUT", "--url", "ftp://example.org"), "give an address without a path"),
        (("export", "--out", "OUT"), "no image has been answered yet"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, args, said):
    files = prepared(tmp_path)
    places = {"OUT": tmp_path / "out.csv", "LINKS": tmp_path / "links.csv"}
    command, *rest = (places.get(arg, arg) for arg in args)
    assert said in hiertax("study", command, files.folder, *rest).error()
    assert not (tmp_path / "out.csv").exists()


def test_a_wrong_address_is_told_before_a_port_that_is_taken(tmp_path):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        failed = hiertax("study", "serve", prepared(tmp_path).folder, "--url", "example.org", "--port", port)
    assert "--url 'example.org': give an address without a path" in failed.error()


def test_a_folder_that_is_there_is_not_prepared_over(tmp_path):
    files = prepared(tmp_path)
    few = ("--hierarchy", files.hierarchy, "--images", files.images, "--contact", "x")
    again = hiertax("study", "prepare", files.plan, *few, "--out", files.folder)
    assert "study: is there already, and may hold answers; choose another --out" in again.error()
    (files.images / "Mallard" / "0.jpg").write_bytes(b"x")
    assert (
        "not the image that was planned"
        in hiertax("study", "prepare", files.plan, *few, "--out", tmp_path / "new").error()
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.json", "images", "links.csv", "plan.json", "study"]


def test_links_and_key_are_for_their_owner_alone(tmp_path):
    files = prepared(tmp_path)
    for path in (tmp_path / "links.csv", files.folder / "key", files.folder / "study.sqlite"):
        assert path.stat().st_mode & 0o077 == 0
    assert files.folder.stat().st_mode & 0o077 == 0
