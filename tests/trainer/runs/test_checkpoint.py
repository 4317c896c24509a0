"""A checkpoint gives back what was saved; one that was cut, changed or made up is refused in one line."""

import json
import shutil
from itertools import combinations

import pytest
import torch
from runs import contents, log, stored
from safetensors.torch import save_file

from trainer.models.stored import WEIGHTS, strip_prefix
from trainer.runs.checkpoint import Checkpoint

LAST, BEST = "checkpoint.safetensors", "best.safetensors"


@pytest.fixture(scope="session")
def two_kept(hiertrain, patches, tmp_path_factory):
    """A run that keeps its best checkpoint beside the last; tests must not change it."""
    run = tmp_path_factory.mktemp("best") / "run"
    options = ("--freeze-backbone", "--val-fraction", 0.3, "--patience", 5, "--out", run)
    assert hiertrain(*patches.options(*options)).code == 0
    return run


# Cut, changed or made up


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def halve(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def replace(file):
    file.write_bytes(b"this is no checkpoint" * 50)


def flip_a_bit_of_the_weights(file):
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1
    file.write_bytes(content)


def rewrite(**changes):
    def spoil(file):
        header, tensors = stored(file.parent, file.name)
        save_file(tensors, file, metadata={**header, **changes})

    return spoil


def drop_a_tensor(file):
    header, tensors = stored(file.parent, file.name)
    del tensors[min(tensors)]
    save_file(tensors, file, metadata=header)


def swap_two_tensors(file):
    header, tensors = stored(file.parent, file.name)
    pairs = combinations(sorted(tensors), 2)
    a, b = next((a, b) for a, b in pairs if tensors[a].shape == tensors[b].shape and (tensors[a] != tensors[b]).any())
    save_file({**tensors, a: tensors[b], b: tensors[a]}, file, metadata=header)


def another_format(file):
    save_file({"weight": torch.zeros(3)}, file)


def become_a_pickle(file):
    torch.save({"weights": torch.zeros(3)}, file)


DAMAGES = {
    "one byte short": cut,
    "half": halve,
    "empty": empty,
    "other content": replace,
    "a bit flipped": flip_a_bit_of_the_weights,
    "config changed": rewrite(config="{}"),
    "hierarchy changed": rewrite(hierarchy="[]"),
    "progress changed": rewrite(progress="{}"),
    "no hash": rewrite(sha256=""),
    "a tensor less": drop_a_tensor,
    "two tensors swapped": swap_two_tensors,
    "another safetensors file": another_format,
    "a pickle": become_a_pickle,
}


@pytest.fixture
def damaged(two_kept, tmp_path):
    """A copy of a run, to be spoilt."""
    return shutil.copytree(two_kept, tmp_path / "damaged")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_refused_by_every_command(hiertrain, patches, damaged, damage):
    (damaged / BEST).unlink()
    damage(damaged / LAST)
    before = contents(damaged)
    image = patches.data / "test" / "red" / "0.png"
    for command in (("evaluate", damaged), ("predict", damaged, image), ("--resume", damaged), ("report", damaged)):
        line = hiertrain(*command).error()
        assert str(damaged / LAST) in line
        assert any(cure in line for cure in ("restore it, or train anew", "name a run folder"))
    assert contents(damaged) == before


@pytest.mark.parametrize("damage", [halve, flip_a_bit_of_the_weights, another_format])
def test_a_damaged_best_checkpoint_answers_nothing_and_stops_no_resume(hiertrain, patches, damaged, damage):
    damage(damaged / BEST)
    for command in (("evaluate", damaged), ("predict", damaged, patches.data / "test" / "red" / "0.png")):
        assert str(damaged / BEST) in hiertrain(*command).error()
    assert hiertrain("--resume", damaged).code == 0
    (damaged / BEST).unlink()
    assert hiertrain("evaluate", damaged).code == 0  # by the last


# Whole


def test_a_checkpoint_alone_is_enough_to_predict(hiertrain, patches, run, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(run / LAST, tmp_path / "run")
    assert hiertrain("predict", tmp_path / "run", patches.data / "test" / "red" / "0.png").code == 0


def test_a_checkpoint_gives_back_what_was_saved(run, patches):
    checkpoint = Checkpoint.load(run)
    assert checkpoint.epoch == 2
    assert checkpoint.config.data == str(patches.data)
    assert checkpoint.hierarchy.classes == ("red", "orange", "blue", "teal")
    state = checkpoint.network().state_dict()
    saved = strip_prefix(WEIGHTS, checkpoint.tensors)
    assert state.keys() == saved.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in saved.items())


def test_averaged_weights_are_those_that_answer(hiertrain, patches, tmp_path):
    """The log, the scores of `evaluate` and the network that predicts are all of the average."""
    run = tmp_path / "run"
    assert hiertrain(*patches.options("--freeze-backbone", "--ema", 0.9, "--out", run)).code == 0
    checkpoint = Checkpoint.load(run)
    learning, answering = checkpoint.network().state_dict(), checkpoint.answering().state_dict()
    assert any(not torch.equal(learning[name], answering[name]) for name in learning)
    scores = json.loads(hiertrain("evaluate", run, "--json").out)
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        log(run)[-1]["test_tone"], log(run)[-1]["test_colour"],
    ]  # fmt: skip
