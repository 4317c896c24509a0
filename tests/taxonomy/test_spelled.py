"""The forms of names that rules compare: made of the joined text of many names as of each name alone."""

from hypothesis import given
from hypothesis import strategies as st

from taxonomy import spelled
from taxonomy.spelled import Names, surely_unlike
from taxonomy.validation.nearby import one_letter_apart

PLAIN = st.lists(st.text("abAB -_'.", min_size=1, max_size=5), min_size=1, max_size=12)
ANY = st.lists(st.text("aB -'é\u00d7\n\t", max_size=5), min_size=1, max_size=12)


def one_by_one(names):
    """Return the names in a form that takes none of the passes over their joined text."""
    slow = Names(names)
    slow.text = None
    return slow


@given(PLAIN | ANY)
def test_plain_names_are_folded_and_bared_as_any_others(names):
    quick, slow = Names(names), one_by_one(names)
    assert quick.folded == slow.folded == [quick.fold(j) for j in range(len(names))]
    assert quick.bare == slow.bare
    assert quick.all_unlike(spelling=True) == slow.all_unlike(spelling=True)
    assert quick.all_unlike(spelling=False) == slow.all_unlike(spelling=False)


@given(PLAIN | ANY, st.integers(1, 8))
def test_names_are_folded_alike_in_blocks_of_any_size(names, block):
    whole, size, spelled.BLOCK = Names(names).text, spelled.BLOCK, block
    try:
        assert Names(names).text == whole
    finally:
        spelled.BLOCK = size


@given(PLAIN | ANY, st.sets(st.sampled_from(["a", "b", "ab", "a b", "-", "é"])))
def test_names_are_found_among_known_ones_in_one_case(names, known):
    expected = [j for j, key in enumerate(Names(names).folded) if key in known]
    assert Names(names).find(known) == one_by_one(names).find(known) == expected


@given(PLAIN | ANY, st.booleans())
def test_blank_and_repeated_names_are_told_as_a_loop_does(names, few):
    limit, spelled.FEW = spelled.FEW, 10**9 if few else -1
    try:
        repeats = list(Names(names).repeats())
        assert list(Names(names, once=True).repeats()) == repeats
    finally:
        spelled.FEW = limit
    assert Names(names, once=True).blank() == Names(names).blank()
    assert repeats == [(names.index(name), i) for i, name in enumerate(names) if names.index(name) < i]
    assert Names(names).blank() == one_by_one(names).blank() == [j for j, name in enumerate(names) if not name.strip()]


@given(st.lists(PLAIN | ANY, min_size=1, max_size=3))
def test_levels_are_called_surely_unlike_only_if_no_two_bare_names_are_equal(levels):
    names = [Names(level) for level in levels]
    bare = [name for level in names for name in level.bare]
    assert not surely_unlike(names) or len(set(bare)) == len(bare)


def test_a_very_long_name_is_compared_one_by_one():
    names = Names(["a" * (1 << 20), "b", "B"])
    assert names.hashes is None
    assert names.find({"b"}) == [1, 2]
    assert not names.all_unlike(spelling=False)


@given(st.lists(st.text("abcé", min_size=5, max_size=9), min_size=2, max_size=30, unique=True))
def test_names_one_letter_apart_are_found_as_by_comparing_all_pairs(names):
    def edits(name):
        yield from (name[:p] + name[p + 1 :] for p in range(len(name)))

    def near(one, two):
        if abs(len(one) - len(two)) > 1 or max(len(one), len(two)) < 6:
            return False
        swapped = {two[:p] + two[p + 1] + two[p] + two[p + 2 :] for p in range(len(two) - 1)}
        if len(one) == len(two):
            return one in swapped or sum(a != b for a, b in zip(one, two, strict=True)) == 1
        short, long = sorted((one, two), key=len)
        return short in set(edits(long))

    expected = {(i, j) for j in range(len(names)) for i in range(j) if near(names[i], names[j])}
    found = set(one_letter_apart(Names(names), range(len(names))))
    assert found == expected or len(found) == 100
