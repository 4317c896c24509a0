"""`hiertax study`: plan, sample, simulate, analyse, as a new user types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import call

from taxonomy.cli import main


def hiertax(*args):
    return call(main, args)


def test_from_a_plan_to_a_page(study, tmp_path) -> None:
    plan, rows, out = tmp_path / "p.json", tmp_path / "r.jsonl", tmp_path / "report"
    few = ("--hierarchy", study.hierarchy_file)
    planned = hiertax(
        "study", "plan", *few, "--images", study.images, "--participants", 20, "--per-person", 20, "--out", plan
    )
    assert planned.code == 0, planned
    assert "raters of an image: 10 to 10" in planned.out
    assert "points takes" in planned.out
    assert re.search(r"seal: [0-9a-f]{64}$", planned.out)
    made = hiertax("study", "simulate", plan, "--out", rows)
    assert "400 SYNTHETIC responses by 20 made-up people" in made.out
    found = hiertax(
        "study", "analyse", rows, *few, "--plan", plan, "--images", study.images, "--resamples", 200, "--out", out
    )
    assert found.code == 0, found
    assert found.out.startswith("SYNTHETIC")
    assert "paper 36.4 (published)" in found.out
    shown = (out / "study.html").read_text()
    assert "<title>Synthetic: study" in shown
    assert 'role="note">SYNTHETIC' in shown
    assert shown.count('src="data:image/png;base64,') == 4
    assert json.loads((out / "analysis.json").read_text())["is_synthetic"] is True
    assert {path.name for path in out.iterdir()} == {
        *("study.html", "analysis.json", "fig2a.png", "fig2b.png", "fig2c.png", "raters.png")
    }


def test_images_may_be_listed_in_a_manifest(study, tmp_path) -> None:
    listed = [f"{file},{file.parent.name}" for file in sorted(study.images.rglob("*.jpg"))[::2]]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,class", *listed]))
    given = ("--hierarchy", study.hierarchy_file, "--images", tmp_path / "manifest.csv")
    planned = hiertax("study", "plan", *given, "--participants", 4, "--per-person", 20, "--out", tmp_path / "p.json")
    assert "4 people x 20 of 20 images" in planned.out
    found = hiertax("study", "prepare", tmp_path / "p.json", *given, "--contact", "a lab", "--out", tmp_path / "birds")
    assert found.code == 0, found


def test_people_are_sampled_and_planned_for(study, tmp_path) -> None:
    scores, people, plan = tmp_path / "scores.csv", tmp_path / "people.csv", tmp_path / "p.json"
    scores.write_text("participant_id,score,age\n" + "".join(f"x{i},{i % 17},30\n" for i in range(60)))
    chosen = hiertax("study", "sample", scores, "--participants", 15, "--groups", "3,6,9,12", "--out", people)
    assert chosen.code == 0, chosen
    assert "15 of 60 people; groups 1 to 5: " in chosen.out
    assert "1 other columns" in chosen.err
    planned = hiertax(
        *("study", "plan", "--hierarchy", study.hierarchy_file, "--images", study.images, "--people", people),
        *("--per-person", 10, "--mode", "random", "--option-order", "fixed", "--out", plan),
    )
    assert "15 people x 10 of 40 images, random" in planned.out
    again = hiertax("study", "sample", scores, "--groups", "some", "--out", people)
    assert "--groups some: give equal-width, equal-count or four scores" in again.error(2)


@pytest.mark.parametrize("command", ["plan", "sample", "simulate"])
def test_a_full_disk_is_one_line(study, tmp_path, command) -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("this system has no /dev/full")
    scores = tmp_path / "scores.csv"
    scores.write_text("participant_id,score\na,1\nb,2\n")
    args = {
        "plan": ("--hierarchy", study.hierarchy_file, "--images", study.images, "--per-person", 10),
        "sample": (scores, "--participants", 2),
        "simulate": (study.plan_file,),
    }
    assert (
        "/dev/full: cannot be written: No space left"
        in hiertax("study", command, *args[command], "--out", "/dev/full").error()
    )


def test_a_report_that_cannot_be_written_leaves_the_old_one(study, tmp_path) -> None:
    (tmp_path / "report").write_text("a file")
    failed = hiertax(
        *("study", "analyse", study.responses, "--hierarchy", study.hierarchy_file, "--resamples", 100),
        *("--out", tmp_path / "report"),
    )
    assert "is a file" in failed.error(2)
    assert (tmp_path / "report").read_text() == "a file"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: (s.images / s.plan.images[0].path).write_bytes(b""), "not the image that was planned (img01"),
        (lambda s: s.plan_file.write_text(s.plan_file.read_text().replace('"seed": 0', '"seed": 1')), "seal is broken"),
        (lambda s: s.responses.write_text(s.responses.read_text() + "x\n"), "seal is broken"),
    ],
)
def test_what_was_changed_is_refused(study, spoil, said) -> None:
    spoil(study)
    few = ("--hierarchy", study.hierarchy_file, "--plan", study.plan_file, "--images", study.images)
    assert said in hiertax("study", "analyse", study.responses, *few).error()


def test_settings_are_named_as_options(study, tmp_path) -> None:
    few = ("--hierarchy", study.hierarchy_file, "--images", study.images, "--out", tmp_path / "p.json")
    assert "--per-person 100: the study has 40 images" in hiertax("study", "plan", *few).error()
    assert not (tmp_path / "p.json").exists()


@pytest.mark.parametrize("missing", ["statsmodels", "matplotlib"])
def test_a_missing_extra_is_one_line(study, tmp_path, missing) -> None:
    code = f"import sys; sys.modules['{missing}'] = None; from taxonomy.cli import main; main()"
    command = [sys.executable, "-c", code, "study", "analyse", study.responses, "--resamples", "100"]
    command += ["--hierarchy", study.hierarchy_file, "--out", tmp_path / "report"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("pip install 'hiertax[study]'\n")
    assert not (tmp_path / "report").exists()
