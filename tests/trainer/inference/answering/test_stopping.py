"""What nodes tell and which one is answered: the worked numbers of docs/answers.md."""

import numpy as np
import pytest
from hypothesis import given
from trees import WORKED, hierarchies

from trainer.inference.answering.operating import largest_trade_off
from trainer.inference.answering.stopping import Nodes, best_served, best_trade, most_specific

NODES = Nodes(WORKED)  # root, O1, O2, F1, F2, F3, a, b, c, d, e
BOTTOM_UP = np.array([[1, 0.50, 0.50, 0.40, 0.10, 0.50, 0.35, 0.05, 0.10, 0.30, 0.20]])


def test_a_node_tells_as_many_bits_as_it_leaves_out_leaves():
    assert NODES.information == pytest.approx([0, 0.7370, *[1.3219] * 2, 2.3219, 1.3219, *[2.3219] * 5], abs=5e-5)


def test_nodes_know_their_ancestors():
    assert NODES.paths[0].tolist() == [-1, -1, -1]
    assert NODES.paths[5].tolist() == [1, 2, -1]  # F3, under O2
    assert NODES.paths[8].tolist() == [0, 1, 2]  # c, under F2 and O1
    assert NODES.depth.tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]


@pytest.mark.parametrize(("threshold", "node"), [(0.30, 6), (0.35, 5), (0.45, 5), (0.5, 0)])
def test_the_most_informative_node_above_a_threshold(threshold, node):
    """O2 and F3 tie in bits and probability; the deeper one is taken."""
    assert most_specific(NODES, BOTTOM_UP, threshold).tolist() == [node]


def test_of_equally_informative_nodes_the_likelier_is_taken():
    assert most_specific(NODES, BOTTOM_UP, 0.15).tolist() == [6]  # a (.35), not d (.30) or e (.20)


def test_what_darts_gains_by_each_node():
    gain = (NODES.information + 1) * BOTTOM_UP[0]
    assert gain[[0, 2, 5, 6, 9, 3]] == pytest.approx([1.000, 1.161, 1.161, 1.163, 0.997, 0.929], abs=5e-4)


@pytest.mark.parametrize(
    ("trade_off", "node"), [(0, 6), (1, 6), (1.0114, 6), (1.0116, 5), (1.3219, 5), (1.3220, 0), (1e12, 0)]
)
def test_darts_answers_less_deep_the_more_accuracy_is_worth(trade_off, node):
    assert best_trade(NODES, BOTTOM_UP, trade_off).tolist() == [node]


@pytest.mark.parametrize(
    ("probability", "depth"),
    [
        ([0.9, 0.5, 0.4], 1),  # .45 .375 .4
        ([0.9, 0.8, 0.5], 2),  # .45 .6 .5
        ([0.9, 0.8, 0.7], 3),  # .45 .6 .7
        ([0.5, 0.5, 0.375], 3),  # .25 .375 .375: of equals the deeper
        ([0.1, 0.0, 0.0], 1),  # never the root alone
    ],
)
def test_an_audience_is_answered_where_most_of_it_is_served(probability, depth):
    assert best_served(np.array([probability]), (0.5, 0.75, 1.0)).tolist() == [depth]


def test_the_largest_lambda_that_darts_need_try():
    assert largest_trade_off(WORKED, 0.9) == pytest.approx(20.8974, abs=5e-5)


@given(hierarchies())
def test_no_node_tells_less_than_its_parent(hierarchy):
    nodes = Nodes(hierarchy)
    for k in range(1, hierarchy.depth):
        own = nodes.information[nodes.depth == k + 1]
        above = nodes.information[nodes.depth == k][hierarchy.levels[k].parents]
        assert (own >= above).all()
