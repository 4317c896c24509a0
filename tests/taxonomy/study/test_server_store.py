"""What is clicked is on the disk when it is acknowledged, stands for ever, and cannot be edited unseen."""

import os
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from taxonomy import HiertaxError
from taxonomy.study.server.records import BrokenSealError, Click, NotStoredError
from taxonomy.study.server.seals import Seals, token_digest
from taxonomy.study.server.store import Store

SEALS = Seals(b"k" * 32)
PEOPLE = ["p01", "p02"]
FIRST = Click("stage1", 1, "family", 812.5, "page")


@pytest.fixture
def path(tmp_path):
    Store.create(tmp_path / "study.sqlite", SEALS, "what it is", PEOPLE).close()
    return tmp_path / "study.sqlite"


@pytest.fixture
def store(path):
    store = Store(path, SEALS)
    yield store
    store.close()


def test_the_first_answer_stands(store):
    assert store.record("p01", FIRST) == "family"
    assert store.record("p01", Click("stage1", 1, "order")) == "family"
    assert store.record("p02", Click("stage1", 1, "order")) == "order"
    assert [kept.click for kept in store.clicks_of("p01")] == [FIRST]


def test_of_answers_at_the_same_time_one_stands(path):
    stores, got = [Store(path, SEALS) for _ in range(4)], []

    def click(i):
        got.append(stores[i % 4].record("p01", Click("stage1", 1, f"value {i}")))

    threads = [threading.Thread(target=click, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 16
    assert len(set(got)) == 1
    stores[0].check(PEOPLE)
    for store in stores:
        store.close()


def test_the_disk_is_written_through(store):
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_answers_stand_in_the_order_given_when_the_clock_is_set_back(path):
    times = [datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)]
    store = Store(path, SEALS, iter(times).__next__)
    store.record("p01", FIRST)
    store.record("p01", Click("stage2", 1, "yes", 3.0, "page"))
    kept = store.clicks_of("p01")
    assert [one.click.kind for one in kept] == ["stage1", "stage2"]
    assert datetime.fromisoformat(kept[1].at) < datetime.fromisoformat(kept[0].at) - timedelta(hours=1)
    assert kept[1].click.ms == 3.0
    store.check(PEOPLE)
    store.close()


def test_a_click_while_seals_are_looked_at_is_no_edit(store, path):
    class Slow(Seals):
        def of(self, purpose, *parts):
            if purpose == "person":
                store.record("p02", FIRST)  # another process, the server, takes an answer between two reads
            return super().of(purpose, *parts)

    looking = Store(path, Slow(SEALS.key))
    looking.check(PEOPLE)
    assert [kept.click for kept in looking.clicks_of("p02")] == [FIRST]
    looking.close()


def test_who_reads_does_not_wait_for_who_writes(store):
    store.record("p01", FIRST)
    with store._lock, store._writing() as db:
        db.execute("UPDATE person SET state = 'open'")
        done = threading.Thread(target=store.answers_of, args=("p01",))
        done.start()
        done.join(5)
        assert not done.is_alive()


def test_a_broken_row_stops_its_owner_alone(store, path):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE person SET clicks = 7 WHERE participant_id = 'p01'")
    db.close()
    got = {}

    def click(name):
        try:
            got[name] = store.record(name, FIRST)
        except BrokenSealError:
            got[name] = "broken"

    threads = [threading.Thread(target=click, args=(name,)) for name in PEOPLE]
    with store._lock:  # so that both are written together
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert got == {"p01": "broken", "p02": "family"}


def test_a_full_disk_takes_nothing_and_loses_nothing(store):
    store.record("p01", FIRST)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    clicks = (Click("stage1", position, "x" * 200) for position in range(2, 2000))
    with pytest.raises(NotStoredError, match=r"study\.sqlite: cannot be written: database or disk is full; free some"):
        any(store.record("p01", click) == "" for click in clicks)
    stored = len(store.clicks_of("p01"))
    store._db.execute("PRAGMA max_page_count = 100000")
    store.check(PEOPLE)
    assert store.record("p01", Click("stage1", stored + 1, "now")) == "now"
    assert len(store.clicks_of("p01")) == stored + 1


def test_who_withdraws_is_gone_from_the_bytes_of_the_file(path):
    store, marker = Store(path, SEALS), "a value found nowhere else"
    store.set_tokens({"p01": token_digest("t")})
    for position in range(1, 80):
        store.record("p01", Click("stage1", position, f"{marker} {position}"))
        store.record("p02", Click("stage1", position, "another"))
    raw = lambda: b"".join(file.read_bytes() for file in path.parent.iterdir())  # noqa: E731
    assert marker.encode() in raw()
    store.withdraw("p01")
    assert marker.encode() not in raw()
    assert store.clicks_of("p01") == []
    assert store.person_of(token_digest("t")).state == "withdrawn"
    assert store.record("p01", FIRST) == ""  # nor does anything come after
    assert store.clicks_of("p01") == []
    assert len(store.clicks_of("p02")) == 79
    store.check(PEOPLE)
    store.close()


@pytest.mark.parametrize(
    ("edit", "where"),
    [
        ("UPDATE click SET value = 'order' WHERE participant_id = 'p01' AND number = 2", r"p01, click 2 \(stage2 1\)"),
        ("UPDATE click SET ms = 1 WHERE participant_id = 'p01' AND number = 1", r"p01, click 1 \(stage1 1\)"),
        ("DELETE FROM click WHERE participant_id = 'p01' AND number = 1", "p01, click 2"),
        ("DELETE FROM click WHERE participant_id = 'p01' AND number = 2", "p01: 1 clicks are there, 2 were stored"),
        ("INSERT INTO click SELECT 'p02', number, kind, position, value, ms, measured, at, seal FROM click", "p02, cl"),
        ("UPDATE click SET participant_id = 'p02'", "p01: 0 clicks are there, 2 were stored"),
        ("UPDATE click SET participant_id = 'p03'", "participant p03, who is not in the plan"),
        ("DELETE FROM person WHERE participant_id = 'p02'", "participant p02, whose row was put in or taken out"),
        ("UPDATE person SET state = 'withdrawn' WHERE participant_id = 'p02'", "participant p02"),
        ("UPDATE person SET token = 'x' WHERE participant_id = 'p02'", "participant p02"),
        ("UPDATE study SET content = 'another'", "what the study is"),
    ],
)
def test_an_edit_breaks_the_seal_where_it_was_made(path, edit, where):
    store = Store(path, SEALS)
    store.record("p01", FIRST)
    store.record("p01", Click("stage2", 1, "yes"))
    store.check(PEOPLE)
    with sqlite3.connect(path) as db:
        db.execute(edit)
    db.close()
    with pytest.raises(BrokenSealError, match=f"the seal is broken at .*{where}.*put back a copy"):
        store.check(PEOPLE)
    store.close()


def test_nothing_is_added_to_a_row_that_was_edited(store, path):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE person SET clicks = 7 WHERE participant_id = 'p01'")
    db.close()
    with pytest.raises(BrokenSealError, match="participant p01"):
        store.record("p01", FIRST)


def test_another_key_opens_nothing(path):
    store = Store(path, Seals(b"x" * 32))
    with pytest.raises(BrokenSealError, match="what the study is"):
        store.check(PEOPLE)
    store.close()


@pytest.mark.parametrize(
    "content", [b"no database at all, whatever its name says" * 30, b"SQLite format 3\0" + b"x" * 99]
)
def test_what_is_no_database_is_said(tmp_path, content):
    (tmp_path / "study.sqlite").write_bytes(content)
    with pytest.raises(HiertaxError, match="no database of a study"):
        Store(tmp_path / "study.sqlite", SEALS)


# A process that is killed while a child clicks, again and again; it says which clicks were acknowledged.
KILLING = """
import os, random, signal, sys, time
from pathlib import Path
from taxonomy.study.server.seals import Seals
from taxonomy.study.server.records import Click
from taxonomy.study.server.store import Store

path, kills, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
acknowledged = 0
for _ in range(kills):
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        store = Store(path, Seals(b"k" * 32))
        for position in range(acknowledged + 1, 10**9):
            store.record("p01", Click("stage1", position, f"v{position}"))
            os.write(ends[1], position.to_bytes(4))
    os.close(ends[1])
    said = os.read(ends[0], 4)
    time.sleep(rng.random() * 0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(ends[0], 1 << 16):
        said += more
    os.close(ends[0])
    acknowledged = int.from_bytes(said[-4:])
print(acknowledged)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_200_random_moments_no_acknowledged_click_is_lost(path):
    command = [sys.executable, "-c", KILLING, str(path), "200", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    store = Store(path, SEALS)
    store.check(PEOPLE)
    kept = {kept.click.position: kept.click.value for kept in store.clicks_of("p01")}
    store.close()
    acknowledged = int(done.stdout)
    assert acknowledged >= 200
    assert all(kept.get(position) == f"v{position}" for position in range(1, acknowledged + 1))
