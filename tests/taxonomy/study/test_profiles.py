"""A study becomes profiles of audiences, which say how deep to answer."""

import json

import pytest
from conftest import call

from taxonomy import HiertaxError
from taxonomy.cli import main
from taxonomy.study.analysis import analyse
from taxonomy.study.profiles import Audience, find_audience, make_profile, served_at
from taxonomy.study.responses import read_responses


@pytest.fixture
def profile(study, tmp_path):
    rows = read_responses(study.responses, study.hierarchy, study.plan)
    make_profile(rows, study.hierarchy, study.plan).save(tmp_path / "profile.json")
    return tmp_path / "profile.json"


def test_the_shipped_audiences_are_the_papers_first_and_last_group():
    amateur, expert = find_audience("amateur"), find_audience("expert")
    assert amateur.source == "group 1 of Chang et al. 2021, Fig. 2b, digitised"
    assert amateur.served == pytest.approx((50.1 / 96, 82.4 / 96, 1))
    assert expert.served == pytest.approx((3.6 / 95.5, 8.9 / 95.5, 1))
    assert amateur.steps == pytest.approx((0, 50.1 / 82.4, 82.4 / 96))
    assert expert.steps == pytest.approx((0, 3.6 / 8.9, 8.9 / 95.5))


def test_its_shares_are_those_of_the_analysis(study, profile):
    rows = read_responses(study.responses, study.hierarchy, study.plan)
    shares = {s.option: s for s in analyse(rows, study.hierarchy, study.plan, resamples=100).table("table1")}
    everyone = json.loads(profile.read_text())["audiences"]["everyone"]
    assert everyone["chosen"] == [shares[level].count for level in ("order", "family", "species")]
    assert everyone["none"] == shares["none"].count
    assert everyone["people"] == 12
    named = sum(everyone["chosen"])
    assert find_audience(profile).shares == pytest.approx([n / named for n in everyone["chosen"]])


def test_a_group_is_named_after_a_colon(profile):
    names = json.loads(profile.read_text())["audiences"]
    assert set(names) <= {"everyone", *(f"group{g}" for g in range(1, 6))}
    assert len(names) > 1
    found = find_audience(f"{profile}:{list(names)[-1]}")
    assert found.name == list(names)[-1]
    assert found.source.startswith("SYNTHETIC study study-")


def test_other_levels_are_taken_in_their_order_or_by_depth():
    some = Audience("some", "somewhere", ("order", "family", "species"), (0.5, 0.25, 0.25))
    assert served_at(some, some.levels) == ((0.5, 0.75, 1.0), "answers for some (somewhere)")
    same, said = served_at(some, ("maker", "family", "variant"))
    assert same == (0.5, 0.75, 1.0)
    assert said.endswith("order, family, species is taken for maker, family, variant, in their order")
    two, said = served_at(some, ("type", "model"))
    assert two == pytest.approx((0.625, 1.0))
    assert said.endswith("is taken for type, model, by depth, interpolated")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("{}", "", "no profile of audiences: Object missing required field `format`"),
        ("[", "", "not JSON"),
        (None, ":group9", "no audience 'group9'; there are everyone, group"),
        ('"nobody"', "", "nobody of everyone chose a level"),
        ('"version"', "", "no profile of audiences of version 1"),
    ],
)
def test_what_is_no_audience_is_one_line(profile, content, name, said):
    raw = json.loads(profile.read_text())
    if content == '"nobody"':
        raw["audiences"]["everyone"]["chosen"] = [0, 0, 0]
    if content == '"version"':
        raw["version"] = 2
    profile.write_text(content if content in ("{}", "[") else json.dumps(raw))
    with pytest.raises(HiertaxError, match=r"profile\.json: ") as refused:
        find_audience(f"{profile}{name}")
    assert said in str(refused.value)


def test_a_name_that_is_none_is_one_line():
    with pytest.raises(HiertaxError, match="`audience` novice: neither amateur nor expert nor a file; make one by"):
        find_audience("novice")


def test_the_command_says_what_it_found(study, tmp_path):
    out = tmp_path / "p.json"
    few = ("--hierarchy", study.hierarchy_file, "--plan", study.plan_file)
    done = call(main, ["study", "profile", study.responses, *few, "--out", out])
    assert done.code == 0, done
    assert "p.json: SYNTHETIC, " in done.out
    assert "steps down at" in done.out
    assert "everyone       12      " in done.out
    assert "(fewer than 5 people)" in done.out
    assert json.loads(out.read_text())["synthetic"] is True
