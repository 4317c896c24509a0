import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import few_classes

from taxonomy.clustering import dft

EXAMPLE = np.array([[0.0], [0.1], [0.51], [1.0], [1.2], [1.3]], dtype=np.float32)
LABELS = np.array([0, 0, 1, 1, 2, 2])


def similarity(samples: np.ndarray, labels: np.ndarray, *, nearest: int = 1, **how: object) -> np.ndarray:
    table = dft.nearest_distances(np.asarray(samples, dtype=np.float32), labels, nearest)
    return dft.fuzzy_similarity(table, labels, np.arange(labels.max() + 1), **how)


def direct(samples: np.ndarray, labels: np.ndarray, groups: np.ndarray, nearest: int, delta: float, operator: str):
    """The definition, sample by sample."""
    node = groups[labels]
    result = np.eye(node.max() + 1)
    for a in range(len(result)):
        for b in set(range(len(result))) - {a}:
            each = []
            for x in samples[node == a].astype(float):
                kernel = np.sort(np.exp(-((samples[node == b] - x) ** 2).sum(axis=1) / delta))[::-1][:nearest]
                each.append(np.mean(kernel if operator == "t" else 1 - np.sqrt(1 - np.minimum(kernel, 1) ** 2)))
            result[a, b] = np.mean(each)
    return result


def test_the_published_worked_numbers() -> None:
    # Hu, Yu, Pedrycz & Chen 2011: delta 0.2, nearest miss at distance 0.51. By duality the S-lower and
    # theta-lower approximations of the own class are 1 minus the upper ones of the other.
    squared = np.array([0.51**2])
    t, sigma = dft.upper(squared, 0.2, "t")[0], dft.upper(squared, 0.2, "sigma")[0]
    assert [round(value, 4) for value in (1 - t, 1 - sigma, t, sigma)] == [0.7276, 0.9622, 0.2724, 0.0378]


def test_the_small_example() -> None:
    sigma = similarity(EXAMPLE, LABELS, delta=0.2)
    assert np.allclose(sigma, [[1, 0.0678, 0.0000], [0.0490, 1, 0.2151], [0.0000, 0.3277, 1]], atol=5e-5)
    t = similarity(EXAMPLE, LABELS, delta=0.2, operator="t")
    assert np.allclose(t, [[1, 0.3519, 0.0016], [0.2245, 1, 0.4556], [0.0016, 0.7282, 1]], atol=5e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from(dft.OPERATORS), st.floats(0.05, 5))
def test_it_is_the_definition_also_for_pooled_groups(seed: int, nearest: int, operator: str, delta: float) -> None:
    generator = np.random.default_rng(seed)
    labels = np.sort(np.concatenate([np.arange(5), generator.integers(0, 5, size=15)]))
    samples = generator.normal(size=(20, 3)).astype(np.float32)
    table = dft.nearest_distances(samples, labels, nearest)
    for groups in (np.arange(5), np.array([0, 1, 0, 2, 1])):
        found = dft.fuzzy_similarity(table, labels, groups, delta=delta, operator=operator)
        expected = direct(samples, labels, groups, nearest, delta, operator)
        assert np.allclose(found, expected, atol=2e-4)
        assert (found >= 0).all()
        assert (found <= 1).all()


def test_approximations_keep_their_order() -> None:
    squared = np.linspace(0, 10, 200)
    t, sigma = dft.upper(squared, 0.7, "t"), dft.upper(squared, 0.7, "sigma")
    assert (sigma <= t).all()
    assert (np.diff(sigma) <= 0).all()
    assert (t[0], sigma[0]) == (1, 1)


def test_classes_with_the_same_samples_are_wholly_similar() -> None:
    samples = np.random.default_rng(0).normal(size=(10, 64)).repeat(2, axis=0)
    order = np.concatenate([np.arange(0, 20, 2), np.arange(1, 20, 2)])
    found = similarity(samples[order] + 5, np.arange(20) // 10, delta=0.5)
    assert np.allclose(found, 1)


def test_fewer_samples_than_nearest_asked_for_are_averaged_as_they_are() -> None:
    one_each = similarity(EXAMPLE[[0, 2, 4]], np.arange(3), nearest=5, delta=0.2)
    assert np.allclose(one_each, similarity(EXAMPLE[[0, 2, 4]], np.arange(3), nearest=1, delta=0.2))


def test_the_kernel_width_is_the_median_nearest_miss() -> None:
    table = dft.nearest_distances(EXAMPLE, LABELS)
    misses = np.array([0.51, 0.41, 0.41, 0.2, 0.2, 0.3]) ** 2
    assert dft.median_miss(table, LABELS) == pytest.approx(np.median(misses), rel=1e-5)


def test_the_kernel_width_is_positive_where_classes_overlap() -> None:
    overlapping = np.array([[0.0], [1], [0], [1], [0], [3]], dtype=np.float32)
    table = dft.nearest_distances(overlapping, LABELS)
    assert dft.median_miss(table, LABELS) == pytest.approx(4.0)
    same = dft.nearest_distances(np.ones((6, 1), dtype=np.float32), LABELS)
    assert dft.median_miss(same, LABELS) == 1


def test_blocks_and_a_table_on_disk_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    features = few_classes(10, 12)
    whole = dft.deep_fuzzy_tree(features, (2, 4), nearest=2)
    monkeypatch.setattr(dft, "BLOCK_BYTES", 4 * 120 * 7)
    monkeypatch.setattr(dft, "TABLE_BYTES", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pieces = dft.deep_fuzzy_tree(features, (2, 4), nearest=2)
    assert np.array_equal(whole.groups, pieces.groups)
    assert whole.delta == pytest.approx(pieces.delta, rel=1e-5)
    assert not list(tmp_path.iterdir()), "the temporary file goes by itself"


def test_memory_stays_that_of_a_block_and_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    features = few_classes(10, 300)  # all distances at once would be 36 MB
    monkeypatch.setattr(dft, "BLOCK_BYTES", 1 << 20)
    tracemalloc.start()
    dft.nearest_distances(features.features, features.labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_kernel_so_narrow_that_nothing_is_similar_still_gives_a_tree() -> None:
    found = dft.deep_fuzzy_tree(few_classes(8, 3), (2, 4), delta=1e-12)
    assert (found.groups.max(axis=0) + 1).tolist() == [2, 4]


def test_louvain_levels_are_nested_and_of_its_own_number() -> None:
    found = dft.deep_fuzzy_tree(few_classes(12, 6), (2, 3), rule="louvain")
    assert found.groups.shape == (12, 2)
    assert found.groups[:, 0].max() <= found.groups[:, 1].max()
