"""Temperatures and weights find back how sure a network should have been."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oversure import overconfident
from trees import WORKED

from taxonomy.metrics import calibration_error
from trainer.inference.answering.calibrate import calibrated, calibration_of, errors, reliability, told
from trainer.inference.answering.fitting import HEAVIEST, fit, fit_path_weights, fit_temperature


def test_a_temperature_is_found_back():
    logits, truth = overconfident(3.0)
    for z, column in zip(logits, truth.T, strict=True):
        assert fit_temperature(z, column) == pytest.approx(3, rel=0.1)


def test_paths_are_no_surer_for_heads_that_repeat_each_other():
    logits, truth = overconfident(1.0)
    weights = fit_path_weights(WORKED, logits, truth)
    assert sum(weights) == pytest.approx(1, abs=0.15)  # three heads of one opinion count as one
    assert all(0 <= weight <= HEAVIEST for weight in weights)


def test_images_that_are_known_in_part_count_for_what_is_known():
    logits, truth = overconfident()
    partial = truth.copy()
    partial[::2, 2] = -1
    partial[::4, 1] = -1
    partial[::8] = -1
    whole, part = fit(WORKED, logits, truth), fit(WORKED, logits, partial)
    assert part.temperatures == pytest.approx(whole.temperatures, rel=0.15)
    assert part.path_weights == pytest.approx(whole.path_weights, abs=0.1)


def test_where_nothing_is_known_nothing_changes():
    logits, truth = overconfident(count=10)
    assert fit(WORKED, logits, np.full_like(truth, -1)) == ((1, 1, 1), (1, 1, 1))


@pytest.mark.filterwarnings("error")
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_any_images_give_finite_positive_temperatures(seed, count):
    generator = torch.Generator().manual_seed(seed)
    logits = [10 * torch.randn(count, size, generator=generator) for size in WORKED.sizes]
    truth = WORKED.paths[torch.randint(5, (count,), generator=generator).numpy()]
    temperatures, weights = fit(WORKED, logits, truth)
    assert np.isfinite(temperatures).all()
    assert (np.array(temperatures) > 0).all()
    assert np.isfinite(weights).all()
    assert (np.array(weights) >= 0).all()


def test_calibration_makes_probabilities_say_how_often_they_are_right():
    fitted_on, seen_later = overconfident(seed=0), overconfident(seed=1)
    calibration = calibration_of(WORKED, *fitted_on, checkpoint="", images="val")
    for row in errors(WORKED, calibration, *seen_later):
        assert row["after"] < 0.5 * row["before"]
        assert row["images"] == 4000


def test_reliability_is_what_the_calibration_error_is_made_of():
    logits, truth = overconfident()
    calibration = calibration_of(WORKED, logits, truth, checkpoint="", images="val")
    answering = calibrated(WORKED, calibration)
    answers = answering.answer(logits)
    for k, level in enumerate(reliability(answering, logits, truth)):
        gaps = level.count * np.abs(level.probability - level.right)
        assert level.count.sum() == len(truth)
        assert level.error == pytest.approx(np.nansum(gaps) / len(truth))
        assert level.error == calibration_error(answers.probability[:, k], answers.labels[:, k] == truth[:, k])


def test_what_is_told_in_a_line_are_the_numbers_of_the_finest_level_along_a_path():
    calibration = calibration_of(WORKED, *overconfident(), checkpoint="", images="val")
    rows = errors(WORKED, calibration, calibration.logits, calibration.truth)
    *_, row = (row for row in rows if row["answers"] == "path")
    assert told(WORKED, calibration).endswith(
        f"calibration error of the {row['level']} {100 * row['before']:.1f} -> {100 * row['after']:.1f} %, "
        f"{100 * row['after_chance']:.1f} by chance alone"
    )


def test_of_many_images_some_are_kept(monkeypatch):
    monkeypatch.setattr("trainer.inference.answering.calibrate.KEPT", 1000)
    calibration = calibration_of(WORKED, *overconfident(), checkpoint="", images="val")
    assert calibration.n == len(calibration.logits[0]) == 100  # of ten labels each
