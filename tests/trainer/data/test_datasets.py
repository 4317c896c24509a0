"""The images of a dataset: limited per class, and a share of them held out."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.datasets import ImageDataset, Split


def split_of(labels):
    return Split(tuple(Path(f"{i}.jpg") for i in range(len(labels))), np.array(labels, dtype=np.int64))


def test_a_limit_keeps_the_first_images_of_each_class_in_their_order():
    kept = split_of([1, 0, 1, 1, 0, 2]).limit_per_class(2)
    assert [path.name for path in kept.paths] == ["0.jpg", "1.jpg", "2.jpg", "4.jpg", "5.jpg"]
    assert kept.labels.tolist() == [1, 0, 1, 0, 2]


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 5))
def test_a_limit_leaves_each_class_that_many_or_all_it_has(labels, limit):
    kept = split_of(labels).limit_per_class(limit)
    for label in range(5):
        assert (kept.labels == label).sum() == min(limit, labels.count(label))


SPLITS = st.lists(st.integers(0, 5), min_size=1, max_size=60)


def numbered(labels):
    return Split(tuple(Path(f"{i}.jpg") for i in range(len(labels))), np.array(labels))


@given(SPLITS, st.floats(0.01, 0.9))
def test_what_is_held_out_is_a_share_of_each_class_and_leaves_some_of_it(labels, fraction):
    kept, held = numbered(labels).hold_out(fraction)
    assert sorted(kept.paths + held.paths) == sorted(numbered(labels).paths)
    for part in (kept, held):
        assert [labels[int(path.stem)] for path in part.paths] == part.labels.tolist()
    for label in set(labels):
        size, out = labels.count(label), held.labels.tolist().count(label)
        assert abs(out - fraction * size) <= 0.5 or out in (1, size - 1)
        assert size == 1 or 0 < out < size
        assert size > 1 or out == 0  # what is alone is learned from


@given(SPLITS)
def test_nothing_is_held_out_unless_asked_for(labels):
    kept, held = numbered(labels).hold_out(0.0)
    assert (len(kept), len(held)) == (len(labels), 0)


def test_what_is_held_out_is_drawn_anew_for_each_class():
    _, held = numbered([0] * 50 + [1] * 50).hold_out(0.2)
    one, other = ({int(path.stem) % 50 for path in held.paths[part]} for part in (slice(10), slice(10, 20)))
    assert len(one) == len(other) == 10
    assert one != other
    assert max(one) - min(one) > 10  # no run of neighbours


def test_a_subset_keeps_paths_and_labels_together():
    kept = split_of([5, 6, 7]).subset([2, 0])
    assert (kept.paths, kept.labels.tolist(), len(kept)) == ((Path("2.jpg"), Path("0.jpg")), [7, 5], 2)


def test_what_is_held_out_takes_the_place_of_the_datasets_own_images_to_validate_on():
    own = numbered([0, 1])
    dataset = ImageDataset(Path("pets"), ("a", "b"), numbered([0] * 4 + [1] * 4), numbered([0]), val=own)
    train, val = dataset.to_learn(None, 0.0)
    assert (len(train), val) == (8, own)
    train, val = dataset.to_learn(2, 0.5)
    assert (train.labels.tolist(), val.labels.tolist()) == ([0, 1], [0, 1])


def test_images_to_validate_on_and_scored_ones_have_names_of_their_own():
    one = numbered([0])
    assert ImageDataset(Path("pets"), ("a",), one, one).validation == "val"
    assert ImageDataset(Path("pets"), ("a",), one, one, scored="val").validation == "held_out"
