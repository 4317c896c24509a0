"""The sketchbirds: drawn the same every time, and fine-grained by measurement, not by claim."""

import csv
import json
from collections import Counter
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taxonomy import HiertaxError
from trainer.sketchbirds import draw_bird, draw_dataset, draw_outline
from trainer.sketchbirds.fauna import COATS, INKS, PLUMAGES, POSTURES, SHAPES, birds, field_marks

NAMES = list(birds())
TABLE = Path(__file__).parents[3] / "taxonomy" / "data" / "sketchbirds.csv"
TRAIN, TEST = 8, 4


def rng(*seed):
    return np.random.default_rng(seed)


def siblings():
    families = {}
    for bird in birds().values():
        families.setdefault(bird.family, []).append(bird)
    return families


# The fauna


def test_the_table_holds_5_orders_12_families_and_36_species():
    rows = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 36
    assert [len({row[level] for row in rows}) for level in ("class", "order", "family", "species")] == [
        36, 5, 12, 36,
    ]  # fmt: skip
    assert set(Counter(row["family"] for row in rows).values()) == {3}
    per_order = Counter(order for order, _ in {(row["order"], row["family"]) for row in rows})
    assert sorted(per_order.values()) == [2, 2, 2, 3, 3]


def test_every_family_lies_in_one_order():
    assert len({(bird.order, bird.family) for bird in birds().values()}) == 12


def test_traits_and_table_name_the_same_taxa():
    fauna = birds().values()
    assert {bird.order for bird in fauna} == set(POSTURES)
    assert {bird.family for bird in fauna} == set(SHAPES)
    assert {bird.species for bird in fauna} == set(PLUMAGES)


@pytest.mark.parametrize("name", NAMES)
def test_the_note_names_the_field_marks(name):
    assert birds()[name].note == field_marks(birds()[name].plumage)


@pytest.mark.parametrize("name", NAMES)
def test_class_names_follow_from_species_and_make_safe_folders(name):
    number, label = name.split(".")
    assert number == f"{NAMES.index(name) + 1:02d}"
    assert label.replace("_", " ").lower() == birds()[name].species.lower()


def test_names_end_as_ranks_do():
    assert all(b.order.endswith("iformes") and b.family.endswith("idae") for b in birds().values())


def test_siblings_share_their_outline_and_differ_in_two_marks_or_more():
    for family in siblings().values():
        assert len({bird.shape for bird in family}) == 1
        marks = [astuple(bird.plumage) for bird in family]
        for a, b in [(0, 1), (0, 2), (1, 2)]:
            assert sum(x != y for x, y in zip(marks[a], marks[b], strict=True)) >= 2


def test_every_coat_is_worn_in_several_orders_and_by_siblings():
    for coat in COATS:
        wearers = [bird for bird in birds().values() if bird.plumage.coat == coat]
        assert len(wearers) == 6
        assert len({bird.order for bird in wearers}) >= 3
    assert all(len({bird.plumage.coat for bird in family}) == 2 for family in siblings().values())


def test_every_colour_named_is_known():
    inks = {ink for p in PLUMAGES.values() for ink in astuple(p)[2:] if isinstance(ink, str)}
    inks |= {ink for shape in SHAPES.values() for ink in (shape.bill_colour, shape.leg_colour)}
    assert inks <= set(INKS)


# One picture


@pytest.mark.parametrize("name", NAMES)
def test_every_class_draws(name):
    picture = draw_bird(name, rng(1))
    assert picture.mode == "RGB"
    assert picture.size == (128, 128)
    assert np.asarray(picture).std() > 10


@pytest.mark.parametrize("size", [32, 64, 97, 200])
def test_any_size_draws(size):
    assert draw_bird(NAMES[0], rng(1), size).size == (size, size)


def test_the_same_generator_state_gives_the_same_pixels():
    first, second = (np.asarray(draw_bird(NAMES[3], rng(5))) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, np.asarray(draw_bird(NAMES[3], rng(6))))


@pytest.mark.parametrize("family", list(siblings().values()), ids=list(siblings()))
def test_siblings_in_the_same_pose_have_one_outline_and_different_pixels(family):
    outlines = [draw_outline(bird.class_name, rng(2), 64) for bird in family]
    pictures = [np.asarray(draw_bird(bird.class_name, rng(2), 64), dtype=float) for bird in family]
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        assert np.array_equal(outlines[a], outlines[b])
        changed = np.abs(pictures[a] - pictures[b]).max(axis=2) > 16
        assert changed[outlines[a] > 0.5].mean() > 0.03
        assert changed[outlines[a] == 0].mean() < 0.1  # reflections in water, nothing else


def test_an_unknown_class_is_named():
    with pytest.raises(ValueError, match="Dodo"):
        draw_bird("99.Dodo", rng(0))


def test_a_tiny_picture_is_refused():
    with pytest.raises(ValueError, match="too small"):
        draw_bird(NAMES[0], rng(0), 8)


# Fine-grained, by measurement


def colours(pixels, weight):
    """Mean and standard deviation of each colour under a weight: six numbers."""
    mean = (pixels * weight).sum((0, 1)) / weight.sum()
    return np.concatenate([mean, np.sqrt(((pixels - mean) ** 2 * weight).sum((0, 1)) / weight.sum())])


def stamp(outline):
    """The silhouette cut to its bounding box, at 16 by 16."""
    rows, columns = np.nonzero(outline > 0.5)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    image = Image.fromarray((outline * 255).astype(np.uint8)).crop(tuple(map(int, box)))
    return np.asarray(image.resize((16, 16)), dtype=float) / 255


@pytest.fixture(scope="module")
def samples():
    """For train and test: colours of the picture, colours of the bird alone, silhouettes, class numbers."""
    sets = []
    for split, count in enumerate((TRAIN, TEST)):
        rows = []
        for index, name in enumerate(NAMES):
            for number in range(count):
                pixels = np.asarray(draw_bird(name, rng(split, index, number), 64), dtype=float) / 255
                outline = draw_outline(name, rng(split, index, number), 64)
                alone = colours(pixels, outline[..., None])
                rows.append((colours(pixels, np.ones((64, 64, 1))), alone, stamp(outline), index))
        sets.append([np.array(column) for column in zip(*rows, strict=True)])
    return sets


def nearest(train, test):
    """For each row of `test` the number of the closest row of `train`."""
    flat = [np.reshape(x, (len(x), -1)) for x in (train, test)]
    return ((flat[1][:, None] - flat[0][None]) ** 2).sum(-1)


def agreement(samples, guess):
    """Share of the test pictures whose order, family and species are right."""
    truth = samples[1][3]
    fauna = list(birds().values())
    lineages = np.array([(bird.order, bird.family, bird.species) for bird in fauna])
    return (lineages[guess] == lineages[truth]).mean(axis=0)


@pytest.mark.parametrize(("column", "limit"), [(0, 0.12), (1, 0.35)], ids=["picture", "bird alone"])
def test_average_colour_does_not_tell_the_species(samples, column, limit):
    train, test = (split[column] / samples[0][column].std(axis=0) for split in samples)
    guess = samples[0][3][nearest(train, test).argmin(axis=1)]
    assert agreement(samples, guess)[2] < limit


def test_the_silhouette_tells_order_and_family_but_not_the_species(samples):
    train, test = (split[2] for split in samples)
    distance = np.minimum(nearest(train, test), nearest(train[:, :, ::-1], test))
    order, family, species = agreement(samples, samples[0][3][distance.argmin(axis=1)])
    assert order > 0.95
    assert family > 0.9
    assert species < 0.45  # chance among three siblings is one in three


# The folder


def small(root, **changes):
    settings = {"per_class_train": 2, "per_class_test": 1, "size": 32, "seed": 3} | changes
    draw_dataset(root, **settings)


def test_the_folder_holds_both_splits_and_its_settings(tmp_path):
    small(tmp_path / "birds")
    assert sorted(p.name for p in (tmp_path / "birds" / "train").iterdir()) == sorted(NAMES)
    assert len(list(tmp_path.glob("birds/train/*/*.jpg"))) == 72
    assert len(list(tmp_path.glob("birds/test/*/0000.jpg"))) == 36
    with Image.open(tmp_path / "birds" / "test" / NAMES[0] / "0000.jpg") as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (32, 32))
    assert json.loads((tmp_path / "birds" / "dataset.json").read_text()) == {
        "format": "hiertax-sketchbirds",
        "version": 1,
        "classes": 36,
        "per_class_train": 2,
        "per_class_test": 1,
        "size": 32,
        "seed": 3,
    }
    assert [p.name for p in tmp_path.iterdir()] == ["birds"]


def test_a_larger_dataset_contains_the_smaller_and_splits_differ(tmp_path):
    small(tmp_path / "a")
    small(tmp_path / "b", per_class_train=3)
    for path in (tmp_path / "a").glob("*/*/*.jpg"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    train, test = (tmp_path / "a" / split / NAMES[0] / "0000.jpg" for split in ("train", "test"))
    assert train.read_bytes() != test.read_bytes()


def test_another_seed_draws_other_birds(tmp_path):
    small(tmp_path / "a")
    small(tmp_path / "b", seed=4)
    a, b = (tmp_path / root / "train" / NAMES[0] / "0000.jpg" for root in "ab")
    assert a.read_bytes() != b.read_bytes()


def test_progress_is_reported_once_per_picture(tmp_path):
    calls = []
    small(tmp_path / "birds", on_image=lambda: calls.append(1))
    assert len(calls) == 36 * 3


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    calls = []

    def interrupt():
        calls.append(1)
        if len(calls) == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "birds", on_image=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_missing_parents_are_made(tmp_path):
    (tmp_path / "birds").mkdir()
    small(tmp_path / "birds")
    small(tmp_path / "new" / "place")
    assert (tmp_path / "birds" / "dataset.json").is_file()
    assert (tmp_path / "new" / "place" / "dataset.json").is_file()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_existing_target_is_refused_untouched(tmp_path, kind):
    target = tmp_path / "birds"
    kept = target if kind == "file" else target / "mine.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(HiertaxError, match="remove it or name another folder") as refusal:
        small(target)
    assert "\n" not in str(refusal.value)
    assert kept.read_text() == "mine"


@pytest.mark.parametrize("change", [{"size": 8}, {"seed": -1}, {"per_class_train": 0}, {"per_class_test": -2}])
def test_numbers_out_of_range_are_refused_before_anything_is_written(tmp_path, change):
    with pytest.raises(ValueError, match=r"at least one|or more"):
        small(tmp_path / "birds", **change)
    assert list(tmp_path.iterdir()) == []
