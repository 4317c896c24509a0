"""The curated tables: their shape, their vocabulary, and how they stand to the published trees."""

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / "taxonomy" / "data"
PUBLISHED = ROOT.parent / "shared/data/trees"

LEVELS = {
    "cub.csv": ("order", "family", "species"),
    "aircraft.csv": ("manufacturer", "family", "variant"),
    "cars.csv": ("type", "model"),
}
COLUMNS = {
    "cub.csv": "class,order,family,species,scientific_name,wikipedia_title,basis,note",
    "cub_paper.csv": "class,order,family,species,note",
    "aircraft.csv": "class,manufacturer,family,variant,note",
    "cars.csv": "class,type,model,basis,note",
}
KITTIWAKE = "084.Red_legged_Kittiwake"
JUNCO = "076.Dark_eyed_Junco"

Rows = list[dict[str, str]]

needs_published_trees = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published trees are not at {PUBLISHED}")
each_table = pytest.mark.parametrize("name", list(COLUMNS))
each_tree = pytest.mark.parametrize("name", list(LEVELS))


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def table(name: str) -> Rows:
    return read(DATA / name)


def published(name: str) -> Rows:
    return read(PUBLISHED / name)


def cub_paper() -> Rows:
    """The bird table with the rows of ``cub_paper.csv`` laid over it."""
    changes = {row["class"]: {k: v for k, v in row.items() if v} for row in table("cub_paper.csv")}
    return [row | changes.get(row["class"], {}) for row in table("cub.csv")]


def labels(rows: Rows, *levels: str) -> tuple[int, ...]:
    return tuple(len({row[level] for row in rows}) for level in levels)


def sizes(rows: Rows, level: str) -> list[int]:
    return sorted(Counter(row[level] for row in rows).values(), reverse=True)


def partition(rows: Rows, key: str, column: str) -> set[frozenset[str]]:
    """The classes that share a value of ``column``, whatever that value is called."""
    groups = defaultdict(set)
    for row in rows:
        groups[row[column]].add(row[key])
    return {frozenset(group) for group in groups.values()}


def parents_of(rows: Rows, child: str, parent: str) -> dict[str, set[str]]:
    parents = defaultdict(set)
    for row in rows:
        parents[row[child]].add(row[parent])
    return parents


def body_words(model: str) -> set[str]:
    types = {row["type"] for row in table("cars.csv")}
    return {kind for kind in types if any(word.endswith(kind) for word in model.split())}


def repeated(values: Iterable[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


# ---------------------------------------------------------------- every table


@each_table
def test_columns_are_those_the_reader_expects(name: str) -> None:
    assert (DATA / name).read_text(encoding="utf-8").splitlines()[0] == COLUMNS[name]


@each_table
def test_file_is_plain_csv_quoted_only_where_needed(name: str) -> None:
    rows = table(name)
    plain = io.StringIO(newline="")
    writer = csv.DictWriter(plain, COLUMNS[name].split(","), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    assert (DATA / name).read_bytes() == plain.getvalue().encode("utf-8")


@each_table
def test_cells_are_single_lines_without_stray_whitespace(name: str) -> None:
    for row in table(name):
        for cell in row.values():
            assert cell == " ".join(cell.split())
            assert cell == unicodedata.normalize("NFC", cell)
            assert cell.isascii()  # no name of the three datasets needs more


@each_table
def test_notes_are_whole_sentences(name: str) -> None:
    for row in table(name):
        assert re.fullmatch(r"|[A-Z].*\.", row["note"]), row


@each_tree
def test_no_class_and_no_finest_label_appears_twice(name: str) -> None:
    rows = table(name)
    for column in ("class", LEVELS[name][-1]):
        assert repeated(row[column].casefold() for row in rows) == []


@each_tree
def test_no_label_of_a_level_differs_from_another_only_by_case(name: str) -> None:
    for level in LEVELS[name]:
        assert repeated(label.casefold() for label in {row[level] for row in table(name)}) == []


@each_tree
def test_every_label_has_one_parent(name: str) -> None:
    rows = table(name)
    for parent, child in zip(LEVELS[name], LEVELS[name][1:], strict=False):
        assert {k: v for k, v in parents_of(rows, child, parent).items() if len(v) > 1} == {}


@each_tree
def test_every_class_is_labelled_at_every_level(name: str) -> None:
    assert all(row[level] for row in table(name) for level in LEVELS[name])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cub.csv", {"published-sheet", "reviewed", "corrected", "group"}),
        ("cars.csv", {"class-name", "several-in-name", "judged"}),
    ],
)
def test_basis_keeps_to_the_words_the_readme_explains(name: str, words: set[str]) -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert {row["basis"] for row in table(name)} == words
    assert all(f"| `{word}` |" in readme for word in words)


# ---------------------------------------------------------------- CUB


def test_birds_are_13_orders_37_families_200_species() -> None:
    assert labels(table("cub.csv"), "order", "family", "species") == (13, 37, 200)


def test_birds_stand_in_the_order_of_the_dataset() -> None:
    assert [int(row["class"].split(".")[0]) for row in table("cub.csv")] == list(range(1, 201))


def test_bird_orders_have_their_corrected_sizes() -> None:
    rows = table("cub.csv")
    assert sizes(rows, "order") == [133, 24, 7, 5, 5, 4, 4, 4, 4, 4, 3, 2, 1]
    by_order = Counter(row["order"] for row in rows)
    assert (by_order["Charadriiformes"], by_order["Coraciiformes"]) == (24, 5)


def test_nine_bird_orders_have_one_family_and_eleven_families_one_species() -> None:
    rows = table("cub.csv")
    families = parents_of(rows, "order", "family")
    assert sum(len(names) == 1 for names in families.values()) == 9
    assert sizes(rows, "family").count(1) == 11


def test_the_two_corrected_birds_sit_with_their_kin() -> None:
    rows = {row["class"]: row for row in table("cub.csv")}
    assert {name for name, row in rows.items() if row["basis"] == "corrected"} == {KITTIWAKE, JUNCO}
    for bird, kin in ((KITTIWAKE, "064.Ring_billed_Gull"), (JUNCO, "129.Song_Sparrow")):
        assert (rows[bird]["order"], rows[bird]["family"]) == (rows[kin]["order"], rows[kin]["family"])


def test_the_ten_largest_bird_families_have_their_sizes() -> None:
    assert dict(Counter(row["family"] for row in table("cub.csv")).most_common(10)) == {
        "Parulidae": 30,
        "Passerellidae": 23,
        "Laridae": 16,
        "Icteridae": 13,
        "Tyrannidae": 11,
        "Corvidae": 8,
        "Cardinalidae": 8,
        "Picidae": 7,
        "Vireonidae": 7,
        "Troglodytidae": 7,
    }


def test_a_bird_label_differs_from_every_family_and_order() -> None:
    rows = table("cub.csv")
    taxa = {row["order"] for row in rows} | {row["family"] for row in rows}
    assert taxa.isdisjoint(row["species"] for row in rows)


def test_bird_orders_and_families_have_the_endings_of_their_rank() -> None:
    for row in table("cub.csv"):
        assert row["order"].endswith("iformes")
        assert row["family"].endswith("idae")


def test_bird_names_are_in_sentence_case() -> None:
    proper = {"May", "Conte's"}
    for row in table("cub.csv"):
        first, *rest = row["species"].split()
        assert first[0].isupper()
        assert all(word in proper or word.islower() for word in rest), row["species"]


def test_scientific_names_are_unique_and_a_genus_stands_only_for_a_group() -> None:
    rows = table("cub.csv")
    assert repeated(row["scientific_name"] for row in rows) == []
    assert all(re.fullmatch(r"[A-Z][a-z]+( [a-z]+)?", row["scientific_name"]) for row in rows)
    genera = {row["class"][:3] for row in rows if " " not in row["scientific_name"]}
    assert genera == {"044", "091", "092", "103", "110"}


def test_classes_that_are_no_single_species_are_marked() -> None:
    groups = {row["class"][:3] for row in table("cub.csv") if row["basis"] == "group"}
    assert groups == {"044", "091", "092", "103", "110", "130"}


def test_wikipedia_titles_are_unique_and_written_as_titles() -> None:
    titles = [row["wikipedia_title"] for row in table("cub.csv")]
    assert repeated(titles) == []
    assert all(title[0].isupper() and not set(title) & set("_#[]{}|<>") for title in titles)


def test_a_bird_row_has_a_note_exactly_where_it_is_not_ordinary() -> None:
    for row in table("cub.csv"):
        assert bool(row["note"]) == (row["basis"] != "published-sheet"), row


def test_a_title_that_is_not_the_label_is_explained() -> None:
    for row in table("cub.csv"):
        assert row["wikipedia_title"] == row["species"] or row["note"], row


# ---------------------------------------------------------------- CUB as the paper was trained


def test_paper_table_changes_known_classes_and_nothing_it_need_not() -> None:
    current = {row["class"]: row for row in table("cub.csv")}
    for change in table("cub_paper.csv"):
        before = current[change["class"]]
        changed = {level: change[level] for level in LEVELS["cub.csv"] if change[level]}
        assert changed
        assert all(before[level] != label for level, label in changed.items())


def test_paper_birds_are_13_orders_38_families_200_species() -> None:
    rows = cub_paper()
    assert labels(rows, "order", "family", "species") == (13, 38, 200)
    assert sizes(rows, "order") == [133, 23, 7, 6, 5, 4, 4, 4, 4, 4, 3, 2, 1]


def test_paper_birds_are_still_a_tree() -> None:
    rows = cub_paper()
    assert all(len(orders) == 1 for orders in parents_of(rows, "family", "order").values())


def test_paper_birds_differ_in_the_kittiwake_alone() -> None:
    assert [row["class"] for row in table("cub_paper.csv")] == [KITTIWAKE]


# ---------------------------------------------------------------- Aircraft


def test_aircraft_are_30_manufacturers_70_families_100_variants() -> None:
    assert labels(table("aircraft.csv"), "manufacturer", "family", "variant") == (30, 70, 100)


def test_aircraft_stand_in_the_order_of_the_dataset() -> None:
    # The dataset lists its variants by the bytes of their names: capitals before small letters.
    classes = [row["class"] for row in table("aircraft.csv")]
    assert classes == sorted(classes)


def test_aircraft_class_is_the_variant() -> None:
    assert all(row["class"] == row["variant"] for row in table("aircraft.csv"))


# ---------------------------------------------------------------- Cars


def test_cars_are_9_types_196_models() -> None:
    assert labels(table("cars.csv"), "type", "model") == (9, 196)


def test_car_types_have_their_published_sizes() -> None:
    assert Counter(row["type"] for row in table("cars.csv")) == {
        "Cab": 18,
        "Convertible": 26,
        "Coupe": 34,
        "Hatchback": 13,
        "Minivan": 7,
        "SUV": 35,
        "Sedan": 50,
        "Van": 6,
        "Wagon": 7,
    }


def test_car_class_is_the_model_and_ends_in_its_year() -> None:
    for row in table("cars.csv"):
        assert row["class"] == row["model"]
        assert re.search(r" (19|20)\d\d$", row["model"])


def test_car_basis_tells_how_many_body_types_the_name_has() -> None:
    for row in table("cars.csv"):
        words = body_words(row["model"])
        expected = {0: "judged", 1: "class-name"}.get(len(words), "several-in-name")
        assert row["basis"] == expected, row
        assert not words or row["type"] in words, row


def test_car_types_not_plain_from_the_name_are_fourteen_and_three_and_explained() -> None:
    rows = table("cars.csv")
    assert Counter(row["basis"] for row in rows) == {"class-name": 179, "judged": 14, "several-in-name": 3}
    assert all(row["note"] for row in rows if row["basis"] != "class-name")


def test_odd_published_car_types_are_kept_and_named() -> None:
    odd = {row["class"]: row["type"] for row in table("cars.csv") if row["note"].startswith("Odd:")}
    assert odd == {
        "Chevrolet HHR SS 2010": "Minivan",
        "FIAT 500 Abarth 2012": "Coupe",
        "Ford E-Series Wagon Van 2012": "Wagon",
    }


# ---------------------------------------------------------------- against the published trees


@needs_published_trees
def test_bird_classes_are_spelled_as_published() -> None:
    assert [row["class"] for row in table("cub.csv")] == [row["class"] for row in published("cub_published.csv")]


@needs_published_trees
def test_bird_orders_and_families_equal_the_sheet_save_where_corrected() -> None:
    sheet = {row["class"]: (row["order_in_sheet"], row["family_in_sheet"]) for row in published("cub_published.csv")}
    for row in table("cub.csv"):
        same = (row["order"], row["family"]) == sheet[row["class"]]
        assert same == (row["basis"] != "corrected"), row


@needs_published_trees
def test_kittiwake_leaves_the_kingfishers() -> None:
    sheet = {row["class"]: row for row in published("cub_published.csv")}
    assert (sheet[KITTIWAKE]["order_in_sheet"], sheet[KITTIWAKE]["family_in_sheet"]) == (
        "Coraciiformes",
        "Laridae",
    )
    ours = {row["class"]: row for row in table("cub.csv")}
    assert (ours[KITTIWAKE]["order"], ours[KITTIWAKE]["family"]) == ("Charadriiformes", "Laridae")


@needs_published_trees
def test_junco_leaves_the_buntings_of_the_sheet() -> None:
    sheet = published("cub_published.csv")
    assert [row["class"] for row in sheet if row["family_in_sheet"] == "Emberizidae"] == [JUNCO]
    ours = {row["class"]: row["family"] for row in table("cub.csv")}
    assert ours[JUNCO] == "Passerellidae"
    # The training table agrees with us and not with its own sheet.
    family_id = {row["class"]: row["family_id_in_code"] for row in sheet}
    assert family_id[JUNCO] == family_id["129.Song_Sparrow"]


@needs_published_trees
def test_violetear_has_the_spelling_of_the_dataset() -> None:
    spelled = [row["class"] for row in published("cub_published.csv") if row["class"].startswith("070.")]
    assert spelled == ["070.Green_Violetear"]
    assert [row["class"] for row in table("cub.csv") if row["species"] == "Green violetear"] == spelled


@needs_published_trees
@pytest.mark.parametrize("level", ["order", "family"])
def test_paper_birds_are_grouped_as_in_the_training_table(level: str) -> None:
    trained = partition(published("cub_published.csv"), "class", f"{level}_id_in_code")
    assert partition(cub_paper(), "class", level) == trained


@needs_published_trees
@pytest.mark.parametrize("level", ["order", "family"])
def test_corrected_birds_are_grouped_as_trained_once_the_kittiwake_is_left_out(level: str) -> None:
    ours = [row for row in table("cub.csv") if row["class"] != KITTIWAKE]
    trained = [row for row in published("cub_published.csv") if row["class"] != KITTIWAKE]
    assert partition(ours, "class", level) == partition(trained, "class", f"{level}_id_in_code")


@needs_published_trees
@pytest.mark.parametrize("level", ["manufacturer", "family"])
def test_aircraft_are_grouped_as_published(level: str) -> None:
    trained = partition(published("aircraft_published.csv"), "variant", f"{level}_id")
    assert partition(table("aircraft.csv"), "class", level) == trained


@needs_published_trees
def test_cars_have_the_published_names_order_and_types() -> None:
    ours = [(row["class"], row["type"]) for row in table("cars.csv")]
    assert ours == [(row["model"], row["type"]) for row in published("cars_published.csv")]
