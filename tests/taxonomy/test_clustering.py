from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import few_classes, planted_tree
from scipy.cluster.hierarchy import fcluster, is_valid_linkage, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import adjusted_rand_score

from taxonomy.clustering import control, hc, sizes
from taxonomy.clustering.build import Settings, cluster, describe, to_hierarchy
from taxonomy.clustering.cut import cut, in_order
from taxonomy.clustering.features import Features, make_features
from taxonomy.clustering.naming import by_position, by_words
from taxonomy.clustering.partition import louvain, spectral
from taxonomy.clustering.report import cophenetic_correlation, level_report
from taxonomy.clustering.representation import Representation, represent
from taxonomy.clustering.ward import FEW, merged_in_rounds, ward
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy

ALL_WAYS = [
    *(Settings(method="hc", linkage=each) for each in hc.LINKAGES),
    *(Settings(method="dft", rule=each) for each in ("spectral", "average", "louvain")),
    Settings(method="dft", nearest=3, operator="t"),
    Settings(method="random"),
]
WAYS = pytest.mark.parametrize("way", ALL_WAYS, ids=lambda way: f"{way.method}-{way.linkage}-{way.rule}-{way.operator}")


def grouped(features: Features, way: Settings, *counts: int) -> np.ndarray:
    """The groups found, with as many levels as there are counts above the classes."""
    changed = {"levels": len(counts) + 1, "sizes": counts} if counts else {}
    return cluster(features, Settings(**{**way.__dict__, **changed})).groups


def nested(groups: np.ndarray) -> bool:
    return all(
        len(np.unique(groups[:, k : k + 2], axis=0)) == groups[:, k + 1].max() + 1 for k in range(groups.shape[1] - 1)
    )


# ------------------------------------------------------------------------------------------- Ward


Ward = Callable[[np.ndarray], np.ndarray]
BOTH_WARDS = pytest.mark.parametrize("way", [ward, merged_in_rounds])


@BOTH_WARDS
@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_ward_is_scipys(way: Ward, n: int, d: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, d))
    ours, theirs = way(points), linkage(points, "ward")
    assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@BOTH_WARDS
def test_ward_stays_exact_where_float32_cannot_tell_distances_apart(way: Ward) -> None:
    generator = np.random.default_rng(0)
    points = 1000 + 1e-3 * generator.normal(size=(150, 40))  # differences far below the numbers themselves
    theirs = linkage(points - points.mean(axis=0), "ward")
    assert np.allclose(way(points), theirs, rtol=1e-6)
    close = generator.normal(size=(5, 40)).repeat(30, axis=0) + 1e-6 * generator.normal(size=(150, 40))
    assert np.allclose(way(close)[:, 2], linkage(close, "ward")[:, 2], rtol=1e-6)


def test_ward_cuts_of_a_thousand_classes_agree_with_scipy_at_every_size() -> None:
    way = ward
    points = np.random.default_rng(3).normal(size=(1000, 64)).astype(np.float32)
    ours, theirs = way(points), linkage(points, "ward")
    for count in (3, 10, 100, 500):
        assert adjusted_rand_score(cut(ours, count), cut(theirs, count)) == 1


@BOTH_WARDS
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_ward_copes_with_ties_and_duplicates(way: Ward, points: list[tuple[int, int]]) -> None:
    tree = way(np.array(points, dtype=np.float64))
    assert tree.shape == (len(points) - 1, 4)
    assert (np.diff(tree[:, 2]) >= 0).all()
    if len(points) > 1:
        assert is_valid_linkage(tree)
    zero = np.flatnonzero(tree[:, 2] > 0)
    assert (zero[0] if zero.size else len(tree)) == len(points) - len(set(points)), (
        "duplicates merge first, at height 0"
    )


def test_ward_of_few_points_is_scipys_to_the_bit() -> None:
    points = np.random.default_rng(4).normal(size=(FEW - 1, 8))
    assert np.array_equal(ward(points), linkage(points, "ward"))
    assert ward(points[:1]).shape == (0, 4)


# -------------------------------------------------------------------------------------------- cuts


def test_cut_gives_the_asked_number_where_heights_tie() -> None:
    on_a_line = linkage(np.arange(4.0)[:, None], "single")
    assert fcluster(on_a_line, 2, "maxclust").max() == 1, "the trap"
    assert [cut(on_a_line, count).max() + 1 for count in (1, 2, 3, 4)] == [1, 2, 3, 4]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_cuts_are_exact_nested_and_numbered_by_smallest_member(n: int, seed: int, values: int) -> None:
    points = np.random.default_rng(seed).integers(0, values, size=(n, 2)).astype(float)
    tree = ward(points)
    cuts = np.stack([cut(tree, count) for count in range(1, n + 1)], axis=1)
    assert cuts.max(axis=0).tolist() == list(range(n))
    assert nested(cuts)
    assert all(np.array_equal(column, in_order(column)) for column in cuts.T)
    assert np.array_equal(cuts[:, -1], np.arange(n))


# --------------------------------------------------------------------------------- planted trees


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", [Settings(method="hc"), Settings(method="dft")], ids=["ward", "dft-spectral"])
def test_a_planted_tree_is_found(way: Settings, seed: int) -> None:
    features, truth = planted_tree(seed)
    groups = grouped(features, way, 4, 12)
    assert [adjusted_rand_score(truth[:, k], groups[:, k]) for k in (0, 1)] == [1, 1]


def test_the_random_control_finds_nothing() -> None:
    features, truth = planted_tree()
    groups = grouped(features, Settings(method="random"), 4, 12)
    assert abs(adjusted_rand_score(truth[:, 1], groups[:, 1])) < 0.15
    assert np.bincount(groups[:, 1]).tolist() == [4] * 12


# ---------------------------------------------------------------------------- what every way keeps


@WAYS
def test_groups_are_exact_in_number_and_nested(way: Settings) -> None:
    features, _ = planted_tree(samples=4)
    groups = grouped(features, way) if way.rule == "louvain" else grouped(features, way, 3, 7, 7, 20)
    if way.rule != "louvain":
        assert (groups.max(axis=0) + 1).tolist() == [3, 7, 7, 20]
    assert nested(groups)
    assert all(np.array_equal(column, in_order(column)) for column in groups.T)


@WAYS
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_the_order_of_the_input_does_not_matter(way: Settings, data: st.DataObject) -> None:
    base = few_classes(9, 3)
    samples = np.array(data.draw(st.permutations(range(27))))
    classes = np.array(data.draw(st.permutations(range(9))))
    shuffled = make_features(
        base.features[samples], np.argsort(classes)[base.labels[samples]], [base.classes[i] for i in classes]
    )
    one, two = (
        to_hierarchy(f, way, cluster(f, way), command="x", name_groups=True).to_json() for f in (base, shuffled)
    )
    assert one == two


@WAYS
@pytest.mark.parametrize(
    ("samples", "labels"),
    [
        (np.ones((12, 3)), np.arange(12) // 2),
        (np.zeros((12, 3)), np.arange(12) // 2),
        (np.eye(6), np.arange(6)),
        (np.eye(6).repeat(2, axis=0), np.arange(12) // 2),
        (np.array([[1, 0], [0, 1]] * 6), np.arange(12) // 2),
        (np.arange(6.0)[:, None] + 1, np.arange(6)),
        (np.eye(6) * 1e30, np.arange(6)),
        (np.eye(6) * 1e-30, np.arange(6)),
    ],
    ids=["constant", "zero", "one sample each, all equally far", "duplicates", "classes alike", "one dimension",
         "huge", "tiny"],
)  # fmt: skip
def test_degenerate_features_still_give_the_groups_asked_for(
    way: Settings, samples: np.ndarray, labels: np.ndarray
) -> None:
    features = make_features(samples, labels, list("abcdef"))
    if way.rule == "louvain":
        assert nested(grouped(features, way))
    else:
        assert (grouped(features, way, 2, 3).max(axis=0) + 1).tolist() == [2, 3]
        assert (grouped(features, way, 1, 6).max(axis=0) + 1).tolist() == [1, 6]


@WAYS
def test_a_single_class_is_a_tree_too(way: Settings) -> None:
    features = make_features([[1, 2], [3, 4]], [0, 0], ["only"])
    tree = to_hierarchy(features, way, cluster(features, way), command="x")
    assert tree.sizes == (1, 1, 1)


def test_duplicate_classes_share_a_group() -> None:
    base = few_classes(8, 3)
    twins = make_features(
        np.concatenate([base.features, base.features]),
        np.concatenate([base.labels, base.labels + 8]),
        [*base.classes, *(f"{name} twin" for name in base.classes)],
    )
    for way in ALL_WAYS:
        if way.method != "random" and way.rule != "louvain":
            groups = grouped(twins, way, 3, 8)[:, 1]
            assert np.array_equal(groups[::2], groups[1::2]), way  # by name, a class precedes its twin


# ------------------------------------------------------------------------------- representations


def confusing() -> Features:
    """Six classes, of which those of a pair are confused with each other."""
    pairs = np.kron(np.eye(3), np.array([[8, 2], [2, 8]])) + 0.1
    base = few_classes()
    return make_features(
        base.features, base.labels, base.classes, confusion=pairs, weights=np.kron(np.eye(3), [[1], [1]])
    )


@pytest.mark.parametrize("linkage", ["average", "complete", "spectral"])
def test_confused_classes_are_joined(linkage: hc.Linkage) -> None:
    groups = grouped(confusing(), Settings(method="hc", representation="confusion", linkage=linkage), 3)
    assert groups[:, 0].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("linkage", hc.LINKAGES)
def test_classes_of_equal_weights_are_joined(linkage: hc.Linkage) -> None:
    groups = grouped(confusing(), Settings(method="hc", representation="weights", linkage=linkage), 3)
    assert groups[:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_ward_of_confusions_is_refused() -> None:
    with pytest.raises(HiertaxError, match="needs a vector per class"):
        cluster(confusing(), Settings(method="hc", representation="confusion"))


def test_a_representation_the_file_lacks_is_refused() -> None:
    with pytest.raises(HiertaxError, match="holds no weights"):
        cluster(few_classes(), Settings(method="hc", representation="weights"))


def test_cosine_distances_are_half_the_squared_euclidean_ones() -> None:
    rows = represent(few_classes(), "mean")
    assert np.allclose(rows.distance(squared=True), squareform(pdist(rows.rows, "cosine")), atol=1e-12)


# ------------------------------------------------------------------------------------------- sizes


def test_geometric_sizes() -> None:
    assert sizes.geometric(200, 3) == (6, 34)
    assert sizes.geometric(2, 3) == (2, 2)
    assert sizes.geometric(1, 4) == (1, 1, 1)


def test_sizes_like_another_hierarchy_fill_in_missing_levels() -> None:
    assert sizes.like((13, 37, 200), 3) == (13, 37)
    assert sizes.like((9, 196), 3) == (9, 42), "Stanford Cars have no middle level"
    assert sizes.like((100,), 3) == (10, 32)
    with pytest.raises(HiertaxError, match="--levels 3"):
        sizes.like((13, 37, 200), 2)


def test_gap_and_silhouette_find_the_planted_sizes() -> None:
    features, _ = planted_tree(noise=0.2)
    for rule in ("gap", "silhouette"):
        groups = cluster(features, Settings(method="hc", sizes=rule)).groups
        assert groups[:, 1].max() + 1 == 12, rule
    assert sizes.gap(hc.dendrogram(represent(features, "mean"), "ward"), 3)[0] == 4


def test_gap_and_silhouette_survive_ties() -> None:
    features = make_features(np.ones((5, 2)), np.arange(5), list("abcde"))
    for rule in ("gap", "silhouette"):
        assert cluster(features, Settings(method="hc", sizes=rule)).groups.shape == (5, 2)


@pytest.mark.parametrize(
    ("asked", "message"),
    [((3, 7), "7 groups of 6 classes"), ((3, 2), "coarsest first"), ((0, 2), "needs a group"), ((3,), "1 sizes for 3")],
)
def test_impossible_sizes_are_refused(asked: tuple[int, ...], message: str) -> None:
    with pytest.raises(HiertaxError, match=message):
        cluster(few_classes(), Settings(method="hc", sizes=asked))


def test_size_rules_that_need_a_dendrogram_say_so() -> None:
    for way in (Settings(method="dft", sizes="gap"), Settings(method="hc", linkage="kmeans", sizes="silhouette")):
        with pytest.raises(HiertaxError, match="needs a dendrogram"):
            cluster(few_classes(), way)
    with pytest.raises(HiertaxError, match="--like"):
        cluster(few_classes(), Settings(method="hc", sizes="like"))


# ----------------------------------------------------------------------------- like another tree


def reference() -> Hierarchy:
    rows = [("big", "one", "A"), ("big", "one", "B"), ("big", "two", "C"), ("big", "two", "D"), ("small", "three", "E")]
    return Hierarchy.from_lineages(
        [*rows, ("small", "three", "F"), ("small", "four", "G")], ("kind", "sort", "letter"),
        classes=[f"c{i}" for i in (5, 4, 3, 2, 1, 0, 9)], name="letters", root="sign", dataset="abc",
    )  # fmt: skip


def test_leaf_labels_come_from_the_other_hierarchy_by_class_name() -> None:
    way = Settings(method="hc", sizes="like")
    tree = to_hierarchy(few_classes(), way, cluster(few_classes(), way, reference()), like=reference(), command="x")
    assert tree.sizes == (2, 3, 6)
    assert tree.levels[-1].labels == ("F", "E", "D", "C", "B", "A")
    assert tree.classes == ("c0", "c1", "c2", "c3", "c4", "c5")
    assert (tree.root, tree.dataset, tree.levels[-1].name) == ("sign", "abc", "letter")
    assert tree.source["like"]["name"] == "letters"


def test_the_control_keeps_the_shape_of_the_other_hierarchy() -> None:
    way = Settings(method="random", sizes="like")
    found = cluster(few_classes(), way, reference())
    assert sorted(np.bincount(found.groups[:, 0])) == [2, 4]
    assert sorted(np.bincount(found.groups[:, 1])) == [2, 2, 2]
    seeds = {
        cluster(few_classes(), Settings(method="random", sizes="like", seed=s), reference()).groups.tobytes()
        for s in range(5)
    }
    assert len(seeds) > 1


def test_a_class_the_other_hierarchy_lacks_is_named() -> None:
    with pytest.raises(HiertaxError, match="no class 'c6', 2 such in all"):
        cluster(few_classes(8), Settings(method="hc"), reference())


def test_dealt_groups_differ_in_size_by_one_at_most() -> None:
    groups = control.dealt(17, (3, 5), seed=1)
    assert np.ptp(np.bincount(groups[:, 1])) == 1
    assert nested(groups)


# -------------------------------------------------------------------------------- partitions


def test_spectral_partition_finds_blocks() -> None:
    blocks = np.kron(np.eye(3), np.full((4, 4), 0.8)) + 0.1
    assert spectral(blocks, 3, seed=0).tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert louvain(blocks, 0, seed=0).tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_spectral_partition_of_unconnected_nodes_has_the_parts_asked_for() -> None:
    assert spectral(np.eye(5), 3, seed=0).max() == 2
    assert spectral(np.zeros((5, 5)), 4, seed=0).max() == 3


# ------------------------------------------------------------------------------------ hierarchy


def test_the_source_tells_how_to_build_it_again() -> None:
    features, _ = planted_tree()
    way = Settings(method="dft", sizes=(4, 12), seed=7)
    source = to_hierarchy(features, way, cluster(features, way), command="hiertax cluster ...").source
    assert source["kind"] == "clustered"
    assert source["features"]["sha256"] == features.sha256
    assert source["features"]["provenance"]["dataset"] == "planted"
    assert source["parameters"]["seed"] == 7
    assert source["parameters"]["delta"] > 0, "a measured width is stored"
    assert "linkage" not in source["parameters"]


def test_groups_are_named_by_position_and_size() -> None:
    groups = np.array([[0, 0], [1, 1], [0, 2], [0, 0], [1, 3]])
    assert by_position(groups) == [
        ["group 1 (3)", "group 2 (2)"],
        ["group 1.1 (2)", "group 2.1 (1)", "group 1.2 (1)", "group 2.2 (1)"],
    ]


def test_groups_are_named_by_common_words() -> None:
    leaves = ["001.Sooty_Albatross", "002.Laysan_Albatross", "003.Northern_Fulmar", "004.Pine_Warbler", "Palm Warbler",
              "Myrtle Warbler", "Canada Warbler"]  # fmt: skip
    groups = np.array([[0, 0], [0, 0], [0, 0], [1, 1], [1, 1], [1, 2], [1, 2]])
    assert by_words(groups, leaves) == [
        ["albatross, fulmar", "warbler"], ["albatross, fulmar [2]", "warbler [2]", "warbler [3]"],
    ]  # fmt: skip
    many = [f"{word} bird{i}" for i, word in enumerate(["red", "blue", "pink", "grey", "teal"])]
    assert by_words(np.zeros((5, 1), dtype=int), many) == [["bird"]]
    assert by_words(np.zeros((5, 1), dtype=int), ["red", "blue", "pink", "grey", "12"]) == [["blue, grey, pink +2"]]
    assert by_words(np.zeros((1, 1), dtype=int), ["747"]) == [["unnamed +1"]]
    assert by_words(np.zeros((1, 1), dtype=int), ["Robin"]) == [["robin [2]"]], "not the name of its own leaf"


# --------------------------------------------------------------------------------------- report


def test_the_report_counts_and_compares() -> None:
    assert level_report(np.array([0, 0, 0, 1])) == {
        "groups": 2, "smallest": 1, "median": 2.0, "largest": 3,
        "entropy": pytest.approx(0.811278), "largest_possible_entropy": 1.0,
    }  # fmt: skip
    way = Settings(method="hc", sizes="like")
    report = describe(few_classes(), way, cluster(few_classes(), way, reference()), reference())
    assert [level["reference_level"] for level in report["levels"]] == ["kind", "sort"]
    assert all(-1 <= level["ari"] <= 1 and level["ami"] <= 1 for level in report["levels"])


def test_a_reference_of_other_depth_is_compared_at_the_nearest_size() -> None:
    way = Settings(method="hc", levels=4, sizes=(2, 3, 6))
    report = describe(few_classes(), way, cluster(few_classes(), way), reference())
    assert [level["reference_level"] for level in report["levels"]] == ["kind", "sort", "letter"]
    assert report["levels"][2]["ari"] == 1


@pytest.mark.parametrize("method", ["ward", "average"])
def test_cophenetic_correlation_is_scipys(method: hc.Linkage) -> None:
    from scipy.cluster.hierarchy import cophenet

    features, truth = planted_tree()
    rows = represent(features, "mean")
    tree = hc.dendrogram(rows, method)
    found = cophenetic_correlation(rows, truth, tree)
    assert found["dendrogram"] == pytest.approx(cophenet(tree, pdist(rows.rows))[0])
    apart = pdist(truth, lambda a, b: (a != b).sum())
    assert found["tree"] == pytest.approx(np.corrcoef(apart, pdist(rows.rows))[0, 1])


def test_cophenetic_correlation_of_nothing_is_none() -> None:
    constant = Representation("mean", np.ones((4, 2)))
    assert cophenetic_correlation(constant, np.zeros((4, 1), dtype=int), None) == {"tree": None, "dendrogram": None}
    assert (
        cophenetic_correlation(Representation("mean", np.ones((1, 2))), np.zeros((1, 1), dtype=int), None)["tree"]
        is None
    )
