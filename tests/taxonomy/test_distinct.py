"""Whether names are all different, told by hashes, against a set."""

from hypothesis import given
from hypothesis import strategies as st

from taxonomy import distinct


@given(st.lists(st.text(max_size=4), max_size=30), st.booleans())
def test_names_are_told_apart_as_a_set_does(names, few):
    limit, distinct.FEW = distinct.FEW, -1 if few else 10**9
    try:
        assert distinct.all_different(names) == (len(set(names)) == len(names))
    finally:
        distinct.FEW = limit


def test_lines_of_many_chunks_are_told_apart(monkeypatch):
    monkeypatch.setattr(distinct, "CHUNK", 64)
    lines = [f"genus{i % 7} species{i}" for i in range(1000)]
    assert distinct.surely_different("\n".join(lines).encode())
    for place in (0, 500, 999):
        twice = [*lines[:place], lines[700 - place // 2], *lines[place:]]
        assert not distinct.surely_different("\n".join(twice).encode())


def test_a_line_longer_than_a_chunk_is_left_to_others(monkeypatch):
    monkeypatch.setattr(distinct, "CHUNK", 64)
    assert not distinct.surely_different(b"a" * 65 + b"\nb")
    assert distinct.all_different(["a" * 65, "b"] * 1 + [str(i) for i in range(30_000)])
