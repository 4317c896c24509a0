"""Ctrl-C and SIGTERM: the first asks to stop, a second stops at once, and what is ignored stays ignored."""

import signal

import pytest
from processes import Hiertrain, ignore_ctrl_c

from trainer.runtime.signals import listening

pytestmark = pytest.mark.usefixtures("ctrl_c")


def test_a_signal_that_is_passed_on_is_not_a_second_one(capfd):
    with listening(apart=60) as signalled:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        assert signalled() == signal.SIGTERM
    assert capfd.readouterr().err.count("saving after this step") == 1


def test_a_second_wish_to_stop_stops_at_once(capfd):
    with listening(quiet=True):
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert capfd.readouterr().err == ""


def test_a_signal_that_is_ignored_stays_ignored(capfd):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with listening() as signalled:
        signal.raise_signal(signal.SIGINT)
        assert signalled() == 0
        assert capfd.readouterr().err == ""
        signal.raise_signal(signal.SIGTERM)
        assert signalled() == signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_background_job_trains_on_whatever_ctrl_c_says_and_heeds_sigterm(patches, tmp_path):
    options = patches.options("--freeze-backbone", "--out", tmp_path / "run", epochs=100_000)
    process = Hiertrain(tmp_path / "process", *options, prepare=ignore_ctrl_c)
    process.wait_for(lambda: "epoch 1/" in process.err)
    for number in (signal.SIGINT, signal.SIGINT):
        process.send(number)
    epochs = process.err.count("epoch ")
    process.wait_for(lambda: process.err.count("epoch ") > epochs + 1)
    process.send(signal.SIGTERM)
    assert process.end() == 128 + signal.SIGTERM, process.err
    assert process.err.count("saving after this step") == 1
