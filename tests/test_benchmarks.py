"""The benchmark of the trainer: figures that agree with each other and outlive a kill, bytes counted by hand."""

import json
import runpy
import signal
import sys
import time
from pathlib import Path
from statistics import median

import click
import pytest
import torch
from conftest import call
from processes import Hiertrain
from torch import nn

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
FLOAT = 4  # bytes


def find_modules():
    """The folder goes behind the packages, some of whose names are in it too."""
    sys.path.append(str(BENCHMARKS))


@pytest.fixture(scope="module", autouse=True)
def modules_of_benchmarks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        find_modules()
        yield


def benchmark(name, *args):
    """Call a benchmark in this process."""
    return call(runpy.run_path(str(BENCHMARKS / name))["main"], args)


@pytest.fixture
def roof():
    """The module that counts bytes."""
    import roof

    return roof


def options(patches, out, *more):
    """Those of a tiny run: rounds of two batches of the larger size."""
    named = {
        "--data": patches.data, "--hierarchy": patches.hierarchy, "--image-size": 32, "--device": "cpu",
        "--repeats": 2, "--images": 31, "--workers": 1, "--out": out,
    }  # fmt: skip
    return [*(word for pair in named.items() for word in pair), *more]


def written(out):
    """The figures of a file."""
    return [json.loads(line) for line in out.read_text().splitlines()]


def rows_with(records, kind):
    """Which contestants have a figure of a kind, at which batch size."""
    return {(record["row"]["key"], record["row"]["batch"]) for record in records if record["kind"] == kind}


@pytest.fixture(scope="module")
def killed(patches, tmp_path_factory):
    """The file of a tiny run that was killed after its first round; there is no such network as the first."""
    out = tmp_path_factory.mktemp("benchmark") / "trainer-benchmark.jsonl"
    words = options(patches, out, "--backbone", "resnet11", "--backbone", "squeezenet1_1", "--minutes")
    file = BENCHMARKS / "trainer.py"
    process = Hiertrain(out.parent / "process", *words, 9, prepare=find_modules, program=file)
    process.wait_for(lambda: out.exists() and '"kind": "round"' in out.read_text(), 200)
    process.send(signal.SIGKILL)
    assert process.end() == -signal.SIGKILL
    with out.open("a") as file:
        file.write('{"kind": "rou')  # as a kill within a write leaves it
    return out, out.read_text(), [*words, 1.2]


@pytest.fixture(scope="module")
def measured(killed):
    """What the same call printed when it went on with less time, and what the file then held."""
    out, _, words = killed
    done = benchmark("trainer.py", *words)
    assert done.code == 0, done
    return done.out, written(out), out


EAGER = {("a", 8), ("b", 8), ("b", 16), ("c", 8), ("c", 16), ("d", 8), ("d", 16)}


@pytest.mark.slow
def test_every_way_to_train_is_measured_in_every_round(measured):
    _, records, _ = measured
    taken, late = rows_with(records, "round"), rows_with(records, "left_out")
    assert {("a", 8), ("b", 8), ("c", 8)} <= taken == rows_with(records, "warm_up")
    assert taken | late >= EAGER  # a busy machine has no time for all
    for row in taken:
        rounds = [r for r in records if r["kind"] == "round" and (r["row"]["key"], r["row"]["batch"]) == row]
        assert len(rounds) == 2 or row == ("a", 8)  # which was killed after one, and begun anew
        assert all(torch.isfinite(torch.tensor(r["loss"])) and len(r["accuracy"]) == 2 for r in rounds)
        assert all(r["peak_memory_bytes"] > 0 and 0 <= r["waiting"] < 1 for r in rounds)


@pytest.mark.slow
def test_a_row_that_fails_says_why_and_the_others_are_measured(measured):
    printed, records, _ = measured
    failed = [r for r in records if r["kind"] == "left_out" and r["row"]["backbone"] == "resnet11"]
    assert (
        len({tuple(r["row"].values()) for r in failed}) == 1 + 7 + 4
    )  # its bytes, every contestant, and these compiled
    assert "torchvision has no such classification network" in failed[0]["why"]
    assert "(a) official way, resnet11, batch 8: no figure: `backbone` resnet11" in printed


@pytest.mark.slow
def test_what_there_is_no_time_for_is_left_out_and_told(measured):
    printed, _, _ = measured
    row = "(d) hiertrain, made-up images, compiled, squeezenet1_1, batch 8"
    assert f"{row}: no figure: about 100 s, of which" in printed


@pytest.mark.slow
def test_where_and_how_it_was_measured_is_told(measured):
    printed, records, _ = measured
    [settings] = [record for record in records if record["kind"] == "settings"]
    assert settings["machine"]["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert settings["machine"]["device"] in printed
    assert "A small run on a CPU" in printed
    assert settings["settings"]["images"] == 32  # rounded up to whole batches
    assert sum(record["kind"] == "bandwidth" for record in records) == 2


@pytest.mark.slow
def test_ratios_and_estimates_follow_from_the_speeds(measured):
    from table import summarise

    _, records, _ = measured
    lines = {(line["row"].key, line["row"].batch): line for line in summarise(records)}
    for (key, batch), line in lines.items():
        rates = [
            r["images_per_second"] for r in records
            if r["kind"] == "round" and (r["row"]["key"], r["row"]["batch"]) == (key, batch)
        ]  # fmt: skip
        own = median(rates)
        figures = {"median": own, "min": min(rates), "max": max(rates), "n": len(rates)}
        assert line["images_per_second"] == pytest.approx(figures)
        assert line["ratio_to_a"] == pytest.approx(own / lines["a", 8]["images_per_second"]["median"])
        assert line["ratio_to_b"] == pytest.approx(own / lines["b", batch]["images_per_second"]["median"])
        assert 0 < line["roof"]["fraction"] == pytest.approx(own / line["roof"]["images_per_second"])
        training = 100 * (5994 / own + 5794 / line["evaluation_images_per_second"]["median"])
        assert line["estimated_minutes"] * 60 > training  # what is done once comes on top


@pytest.mark.slow
def test_a_killed_call_keeps_its_figures_and_the_next_goes_on_with_the_rest(killed, measured, tmp_path):
    _, before, _ = killed
    (tmp_path / "cut short").write_text(before)
    assert "(a) official way" in benchmark("trainer.py", "--show", tmp_path / "cut short").out
    lines, whole = measured[2].read_text().splitlines(), before.rpartition("\n")[0].splitlines()
    assert lines[: len(whole)] == whole
    assert sum('"kind": "bandwidth"' in line for line in lines) == 2  # not measured again


@pytest.mark.slow
def test_figures_of_other_settings_are_not_gone_on_with(measured, patches):
    _, _, out = measured
    done = benchmark("trainer.py", *options(patches, out, "--repeats", 3))
    assert done.code == 1
    assert done.err.splitlines()[-1].endswith("or other settings; name another file by --out")


def test_another_file_is_not_written_to(patches, tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("not to be lost\n")
    done = benchmark("trainer.py", *options(patches, other))
    assert done.code == 1
    assert "line 1 is no figure of this benchmark" in done.err
    assert other.read_text() == "not to be lost\n"


def test_a_row_that_takes_much_longer_than_one_like_it_is_given_up():
    from plan import Row, limit

    row, alike = Row("c", "resnet50", 64), Row("a", "resnet50", 64)
    assert limit(row, {alike: 50.0}, left=400) == 200
    assert limit(row, {alike: 1.0}, left=400) == 60
    assert limit(row, {alike: 50.0}, left=90) == 90


@pytest.mark.parametrize(("graphs", "ready"), [(False, 1), (True, 2)])
def test_every_network_is_measured_as_it_is_and_made_ready_where_the_device_can(graphs, ready):
    from plan import rows_of

    rows = rows_of(["resnet50", "vit_b_16"], (64, 256), graphs=graphs)
    assert len(set(rows)) == len(rows) == 1 + 2 * (1 + 7 + 4 * ready)
    assert ("(d) hiertrain, made-up images, as CUDA graphs, vit_b_16, batch 64" in map(str, rows)) == graphs


def test_methods_are_measured_beside_ours():
    from plan import rows_of_methods

    rows = rows_of_methods(["ours_pmg", "ours", "ours_nts"], ["resnet50"], 64)
    assert [str(row) for row in rows] == [
        "(d) hiertrain, made-up images, resnet50, batch 64",
        "(d) hiertrain, made-up images, ours_pmg, resnet50, batch 64",
        "(d) hiertrain, made-up images, ours_nts, resnet50, batch 64",
    ]


def test_a_method_is_compared_with_ours_at_its_batch_size_in_a_table_without_empty_columns(capsys):
    from plan import rows_of_methods
    from table import show, summarise

    rate = {"evaluation_images_per_second": 9.0, "waiting": 0.0, "peak_memory_bytes": 2**29, "dtype": "float32"}
    records = []
    for row, speed in zip(rows_of_methods(["ours_nts"], ["resnet50"], 8), (6.0, 1.5), strict=True):
        records.append({"kind": "warm_up", "loading": 1.0, "first_steps": 1.0, "images": 16, **row.record()})
        records.append({"kind": "round", "images_per_second": speed, **rate, **row.record()})
    assert [line["ratio_to_ours"] for line in summarise(records)] == [None, 0.25]
    show(records)
    printed = capsys.readouterr().out
    assert "0.25 x" in printed
    assert all(title not in printed.partition("waiting")[0] for title in ("to (a)", "to (b)", "of roof"))


@pytest.mark.slow
def test_a_process_that_hangs_or_dies_leaves_the_reason(patches):
    import rows
    from plan import Row

    settings = rows.Settings(str(patches.data), str(patches.hierarchy), 32, "cpu", True, 10_000, 16, 0, (8, 16), 1)
    row = Row("d", "resnet10", 8)
    assert list(rows.figures(settings, row, 0.01)) == [{"kind": "left_out", "why": "ended after 0 s"}]
    found = rows.figures(settings, row, 60)
    assert next(found)["kind"] == "warm_up"
    for process in rows.multiprocessing.active_children():
        process.kill()
    assert list(found)[-1] == {"kind": "left_out", "why": "its process ended with exit code -9"}


def test_bytes_of_a_step_are_parted_into_those_of_images_and_of_weights(roof):
    network = nn.Linear(3, 5, bias=False)
    counted = roof.bytes_of_step(lambda batch: lambda: network(torch.randn(batch, 3)))
    assert counted == {"per_image": FLOAT * (3 + 3 + 5), "per_step": FLOAT * 3 * 5}


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


def test_datasets_are_listed_in_every_form(tmp_path):
    from datasets import JOBS, WRITERS, measure

    for write in WRITERS:
        write(tmp_path, 300, 10)
    assert {measure(job, tmp_path)["found"] for job in JOBS} == {300, 10}


@pytest.mark.slow
def test_how_long_datasets_take_to_list_is_told_in_a_table(tmp_path):
    out = tmp_path / "datasets.json"
    sizes = ("--images", 300, "--classes", 10, "--repeats", 1, "--only", "manifest", "--out", out)
    done = benchmark("datasets.py", *sizes)
    assert done.code == 0, done
    found = json.loads(out.read_text())
    assert {run["found"] for runs in found["jobs"].values() for run in runs} == {300, 10}
    rows = [line for line in done.out.splitlines() if line.startswith("| hiertax")]
    assert len(rows) == len(found["jobs"]) == 2


def test_a_start_is_timed_until_the_first_step(patches, tmp_path):
    from start import seconds_to_first_step

    words = ["--data", patches.data, "--hierarchy", patches.hierarchy, "--backbone", "resnet10", "--weights", "none"]
    began = time.perf_counter()
    seconds = seconds_to_first_step([str(word) for word in (*words, "--image-size", 32)], tmp_path)
    assert 0 < seconds < time.perf_counter() - began


def test_a_start_that_fails_tells_what_hiertrain_said(tmp_path):
    from start import seconds_to_first_step

    with pytest.raises(click.ClickException, match="no-such-folder"):
        seconds_to_first_step(["--data", str(tmp_path / "no-such-folder")], tmp_path)
