"""Clades, lists and counts, looked up by name; what is not there is refused with the nearest that is."""

import pytest
from trees import WORKED

from taxonomy import Hierarchy, HiertaxError
from taxonomy.files import listed_names, read_text
from trainer.inference.answering.restriction import prior_of, read_counts, restriction_of

HOMONYMS = Hierarchy.from_lineages(
    [("Gulls", "Larus", "x"), ("Owls", "Owl", "Larus")], ("group", "genus", "species"),
    name="homonyms", root="bird", classes=("1", "2"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("how", "allowed"),
    [
        ({"within": ["O1"]}, "abc"),
        ({"within": ["F2", "F3"]}, "cde"),
        ({"within": ["order=O2"]}, "de"),
        ({"without": ["F1"]}, "cde"),
        ({"within": ["O1"], "without": ["b"]}, "ac"),
        ({"classes": ["1.a", "e", "F2"]}, "ace"),
        ({"classes": ["a", "d"], "within": ["O2"]}, "d"),
    ],
)
def test_what_may_be_answered(how, allowed):
    found = restriction_of(WORKED, **how)
    assert "".join(label for label, may in zip("abcde", found, strict=True) if may) == allowed


def test_without_a_restriction_there_is_none():
    assert restriction_of(WORKED) is None


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"within": ["o1"]}, "`within`: no taxon of the run is called 'o1' (nearest: 'O1'); correct it"),
        ({"without": ["F11"]}, "`without`: no taxon of the run is called 'F11' (nearest: 'F1')"),
        ({"classes": ["2.b", "6.f"]}, "`classes`: no taxon of the run is called '6.f'"),
        ({"within": ["O1"], "classes": ["d"]}, "`within`, `classes`: leaves none of the 5 classes"),
        ({"without": ["O1", "O2"]}, "`without`: leaves none of the 5 classes"),
        ({"classes": []}, "`classes`: leaves none of the 5 classes"),
    ],
)
def test_what_there_is_not_is_refused(how, message):
    with pytest.raises(HiertaxError) as error:
        restriction_of(WORKED, **how)
    assert message in str(error.value)


def test_a_name_of_taxa_of_two_levels_wants_its_level():
    with pytest.raises(HiertaxError, match="'Larus' is a genus and a species; name the level too, as in genus=Larus"):
        restriction_of(HOMONYMS, within=["Larus"])
    assert restriction_of(HOMONYMS, within=["genus=Larus"]).tolist() == [True, False]


def test_counts_are_by_label_or_by_class():
    assert prior_of(WORKED, {"a": 10, "2.b": 5, "d": 20}).tolist() == [0.5, 0.25, 0, 1, 0]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"a": 1, "aa": 2}, "`prior`: no class of the run is called 'aa' (nearest: 'a'); correct it"),
        ({"O1": 1}, "`prior`: no class of the run is called 'O1'"),
        ({"a": -1}, "`prior`: the count of 'a' is -1; give a number of 0 or more"),
        ({"a": float("nan")}, "the count of 'a' is nan"),
        ({"a": float("inf")}, "the count of 'a' is inf"),
        ({"a": 1, "1.a": 1}, "`prior`: 'a' and '1.a' are one class; give one count of it"),
        ({"a": 0, "b": 0}, "`prior`: all counts are zero"),
        ({}, "`prior`: all counts are zero"),
    ],
)
def test_counts_that_make_no_sense_are_refused(counts, message):
    with pytest.raises(HiertaxError) as error:
        prior_of(WORKED, counts)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["name,count\na,3\n\nb,0.5\n", "a, 3\nb,.5", '\ufeffspecies,n\r\n"a",3\r\nb,0.5\r\n'])
def test_counts_are_read_with_titles_or_without(tmp_path, text):
    file = tmp_path / "counts.csv"
    file.write_text(text, encoding="utf-8")
    counts, _ = read_counts(file)
    assert counts == {"a": 3, "b": 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,3\nb,many\n", "line 2: the count of 'b' is 'many'; give a number of 0 or more"),
        ('a,"1,000"\nb,3\n', "line 1: the count of 'a' is '1,000'"),
        ("a,\nb,3\n", "line 1: the count of 'a' is ''"),
        ("a\n", "line 1: 1 columns; give two, name and count"),
        ("a,1,2\n", "line 1: 3 columns; give two"),
        ("a,1\na,2\n", "line 2: 'a' is there twice"),
        ("name,count\n", "no counts in it"),
        ("", "no counts in it"),
        ("a,0\nb,0\n", "all counts are zero"),
    ],
)
def test_a_file_of_something_else_is_refused_by_its_line(tmp_path, text, message):
    file = tmp_path / "counts.csv"
    file.write_text(text)
    with pytest.raises(HiertaxError) as error:
        read_counts(file)
    assert str(file) in str(error.value)
    assert message in str(error.value)


def test_names_are_read_one_a_line(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(" a\n\nF2 \n")
    assert listed_names(read_text(file), file) == {"a": f"{file}, line 1", "F2": f"{file}, line 3"}
    file.write_text("\n")
    with pytest.raises(HiertaxError, match="names no class; write one a line"):
        listed_names(read_text(file), file)


def test_a_class_that_a_list_names_and_there_is_not_is_refused_by_its_line(tmp_path):
    places = listed_names("a\n\nf\n", tmp_path / "list.txt")
    with pytest.raises(HiertaxError) as error:
        restriction_of(WORKED, classes=places, places=places)
    assert f"{tmp_path / 'list.txt'}, line 3: no taxon of the run is called 'f'" in str(error.value)
    with pytest.raises(HiertaxError, match="`within`: no taxon of the run is called 'f'"):
        restriction_of(WORKED, within=["f"], classes=places, places=places)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1\n\naa,2\n", "line 3: no class of the run is called 'aa' (nearest: 'a'); correct it"),
        ("a,1\n1.a,2\n", "line 2: 'a' and '1.a' are one class"),
        ("name,count\na,-1\nb,1\n", "line 2: the count of 'a' is -1"),
        ("a,1\nb,nan\n", "line 2: the count of 'b' is nan"),
    ],
)
def test_a_count_of_a_file_that_makes_no_sense_is_refused_by_its_line(tmp_path, text, message):
    file = tmp_path / "counts.csv"
    file.write_text(text)
    with pytest.raises(HiertaxError) as error:
        prior_of(WORKED, *read_counts(file))
    assert f"{file}, {message}" in str(error.value)
