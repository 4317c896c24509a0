"""The benchmark of the trainer: every row measured, figures that agree with each other, bytes counted by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
IMAGES = 32  # a round: two batches of the larger size
FLOAT = 4  # bytes


@pytest.fixture
def roof(monkeypatch):
    """The module that counts bytes; its folder goes behind the packages, some of whose names are in it too."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(BENCHMARKS)])
    import roof

    return roof


@pytest.fixture(scope="module")
def measured(patches, tmp_path_factory):
    """What one tiny run printed and what it wrote."""
    out = tmp_path_factory.mktemp("benchmark") / "trainer-benchmark.json"
    options = {
        "--data": patches.data, "--hierarchy": patches.hierarchy, "--backbone": "resnet10", "--image-size": 32,
        "--device": "cpu", "--repeats": 2, "--images": IMAGES - 1, "--workers": 1, "--out": out,
    }  # fmt: skip
    words = [str(word) for pair in options.items() for word in pair]
    command = [sys.executable, str(BENCHMARKS / "trainer.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(out.read_text())


@pytest.mark.slow
def test_every_way_to_train_is_measured_in_every_round(measured):
    printed, result = measured
    rows = {(row["key"], row["batch"]): row for row in result["rows"]}
    assert list(rows) == [("a", 8), ("b", 8), ("b", 16), ("c", 8), ("c", 16), ("d", 8), ("d", 16)]
    for row in rows.values():
        assert f"({row['key']}) {row['name']}" in printed
        assert len(row["runs"]) == row["images_per_second"]["n"] == 2
        assert all(torch.isfinite(torch.tensor(run["loss"])) and len(run["accuracy"]) == 2 for run in row["runs"])
        assert row["peak_memory_bytes"] > 0
        assert row["estimated_minutes"] > 0


@pytest.mark.slow
def test_where_and_how_it_was_measured_is_told(measured):
    printed, result = measured
    assert result["small"]
    assert result["note"] in printed
    assert result["machine"]["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert result["machine"]["device"] in printed
    assert result["settings"]["images"] == IMAGES  # rounded up to whole batches
    assert result["settings"]["image_size"] == 32
    assert result["bandwidth"]["n"] == 2
    assert "estimated" in printed


@pytest.mark.slow
def test_ratios_and_estimates_follow_from_the_speeds(measured):
    _, result = measured
    speed = {(row["key"], row["batch"]): row["images_per_second"]["median"] for row in result["rows"]}
    for row in result["rows"]:
        own, rates = speed[row["key"], row["batch"]], [run["images_per_second"] for run in row["runs"]]
        assert own == pytest.approx(sum(rates) / 2)
        assert (row["images_per_second"]["min"], row["images_per_second"]["max"]) == (min(rates), max(rates))
        assert row["ratio_to_a"] == pytest.approx(own / speed["a", 8])
        assert row["ratio_to_b"] == pytest.approx(own / speed["b", row["batch"]])
        assert row["ratio_to_d"] == pytest.approx(own / speed["d", row["batch"]])
        roof = result["bandwidth"]["median"] / row["bytes_per_image"]
        assert row["roof"] == pytest.approx({"images_per_second": roof, "fraction": own / roof})
        training = 100 * (5994 / own + 5794 / row["evaluation_images_per_second"]["median"])
        assert row["estimated_minutes"] * 60 > training  # what is done once comes on top


def test_bytes_of_a_step_of_a_tiny_network_are_those_counted_by_hand(roof):
    network = nn.Linear(3, 5, bias=False)
    x, gradient = torch.randn(2, 3), torch.randn(2, 5)
    product = 2 * 3 + 3 * 5 + 2 * 5  # x, weight, output; backward: x, gradient, the weight's gradient
    assert roof.bytes_moved(lambda: network(x)) == FLOAT * product
    assert roof.bytes_moved(lambda: network(x).backward(gradient)) == FLOAT * 2 * product


def test_bytes_are_counted_once_for_each_operation_and_in_its_own_number_format(roof):
    x = torch.randn(10)
    assert roof.bytes_moved(lambda: x.relu()) == FLOAT * (10 + 10)
    assert roof.bytes_moved(lambda: x.relu().neg()) == FLOAT * (10 + 10 + 10 + 10)
    assert roof.bytes_moved(lambda: x.relu_()) == FLOAT * (10 + 10)
    assert roof.bytes_moved(lambda: x.bfloat16()) == (4 + 2) * 10


def test_views_move_nothing_and_what_is_repeated_is_read_once(roof):
    x, row = torch.randn(4, 6), torch.randn(6)
    assert roof.bytes_moved(lambda: (x.view(24), x.t(), x[1:], x.split(2), x.detach(), torch.empty_like(x))) == 0
    assert roof.bytes_moved(lambda: x + row.expand(4, 6)) == FLOAT * (24 + 6 + 24)


def test_the_bandwidth_of_a_copy_is_positive_and_finite(roof):
    assert 0 < roof.copy_bandwidth(torch.device("cpu"), size=1 << 20, repeats=3) < float("inf")
