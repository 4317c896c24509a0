"""Whether lines are all different, told by hashes."""

from taxonomy import distinct


def differ(lines):
    return distinct.hashes_differ(distinct.line_hashes("\n".join(lines).encode()))


def test_lines_of_many_chunks_are_told_apart(monkeypatch):
    monkeypatch.setattr(distinct, "CHUNK", 64)
    lines = [f"genus{i % 7} species{i}" for i in range(1000)]
    assert differ(lines)
    for place in (0, 500, 999):
        assert not differ([*lines[:place], lines[700 - place // 2], *lines[place:]])


def test_a_line_longer_than_a_chunk_is_left_to_others(monkeypatch):
    monkeypatch.setattr(distinct, "CHUNK", 64)
    assert distinct.line_hashes(b"a" * 65 + b"\nb") is None
