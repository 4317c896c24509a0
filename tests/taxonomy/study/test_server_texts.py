"""What participants read and are asked before the images: texts that can be translated, and the familiarity test."""

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from conftest import call
from participants import LINEAGES, Visitor, prepared
from web import serving

from taxonomy import Hierarchy, HiertaxError
from taxonomy.cli import main
from taxonomy.study.server.app import make_app
from taxonomy.study.server.familiarity import edges_of, group_of, make_questions, read_questions, score_of
from taxonomy.study.server.steps import Step, next_step
from taxonomy.study.server.texts import SHIPPED, read_texts

ENGLISH = (files("taxonomy.study.server") / "texts" / "en.toml").read_text(encoding="utf-8")
FEW = Hierarchy.from_lineages(LINEAGES, ("order", "family", "species"), name="few", root="bird")


@pytest.mark.parametrize("language", SHIPPED)
def test_shipped_texts_are_whole(language):
    texts, content = read_texts(language)
    assert texts.sentences.keys() == tomllib.loads(content.decode()).keys()
    assert texts("lang").startswith(language)
    assert "{" not in texts("stage1_question", root="bird", a_root="a bird")


def test_a_study_in_chinese(tmp_path):
    files_of = prepared(tmp_path, texts="zh")
    study = files_of.open()
    with serving(make_app(study, "http://localhost", print)) as url, Visitor(url, files_of.token("p01")) as visitor:
        assert visitor.heading == "关于本研究"
        assert '<html lang="zh-Hans" dir="ltr">' in visitor.text
        visitor.answer_all()
        assert visitor.heading == "谢谢"
    study.store.close()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda t: t.replace('yes = "Yes"\n', "").replace('no = "No"\n', ""),
            "2 texts are missing: yes, no; translate",
        ),
        (lambda t: t + 'maybe = "Maybe"\n', "no such text: maybe"),
        (lambda t: t.replace('yes = "Yes"', 'yes = ["Yes"]'), "yes must be one text, as in English"),
        (lambda t: t.replace('yes = "Yes"', "yes = 1"), "yes must be one text"),
        (lambda t: t.replace('yes = "Yes"', 'yes = "{yes}"'), "yes: nothing is known to fill {yes} with"),
        (lambda t: t.replace("{contact}", "{contact.__class__}"), "nothing is known to fill {contact.__class__} with"),
        (lambda t: t.replace('yes = "Yes"', 'yes = "{"'), "yes: "),
        (lambda t: t + "=", "no TOML of UTF-8"),
    ],
)
def test_texts_that_would_leave_a_hole_are_refused_by_name(tmp_path, edit, said):
    (tmp_path / "my.toml").write_text(edit(ENGLISH), encoding="utf-8")
    with pytest.raises(HiertaxError, match=r"my\.toml: ") as refused:
        read_texts(tmp_path / "my.toml")
    assert said in str(refused.value)


def test_questions_ask_what_classes_belong_to():
    texts, _ = read_texts("en")
    questions = make_questions(FEW, texts, seed=0)
    assert len(questions) == 4
    assert questions == make_questions(FEW, texts, seed=0)
    families = {leaf: family for _, family, leaf in LINEAGES}
    for question in questions:
        leaf = question.text.partition("“")[2].partition("”")[0]
        assert question.text == f"Which family does “{leaf}” belong to?"
        assert question.answer == families[leaf]
        assert question.options[-1] == "I do not know"
        assert question.answer in question.options
    first_three = {families[q.text.partition("“")[2].partition("”")[0]] for q in questions[:3]}
    assert first_three == {"Anatidae", "Picidae", "Capitonidae"}  # spread over the families


def test_a_hierarchy_of_one_level_needs_a_test_of_its_own():
    flat = Hierarchy.from_lineages([("a",), ("b",)], ("kind",), name="flat", root="thing")
    with pytest.raises(HiertaxError, match="bring a `test` of your own"):
        make_questions(flat, read_texts("en")[0], 0)


@pytest.mark.parametrize(("score", "group"), [(0, 1), (1, 1), (2, 2), (5, 3), (6, 4), (7, 4), (8, 5), (10, 5)])
def test_scores_make_five_groups(score, group):
    assert group_of(score, edges_of(10)) == group


def test_a_test_of_the_labs_own(tmp_path):
    mine = tmp_path / "test.toml"
    mine.write_text('[[question]]\ntext = "How many birds?"\noptions = ["one", "two"]\nanswer = "two"\n')
    [question] = read_questions(mine)
    assert score_of([question], ["two"]) == 1
    assert score_of([question], ["one"]) == 0
    study = prepared(tmp_path, test=mine, edges=[0.2, 0.4, 0.6, 1]).open()
    who = study.plan.participants[0]
    assert study.about(who, {("test", 1): "two"}) == (5, 1.0)
    assert study.about(who, {("test", 1): "one"}) == (1, 0.0)
    assert study.about(who, {}) == (None, None)
    study.store.close()
    for broken in ('[[question]]\ntext = "x"\noptions = ["a", "b"]\nanswer = "c"\n', "question = 1", "["):
        mine.write_text(broken)
        with pytest.raises(HiertaxError, match=r"test\.toml: "):
            read_questions(mine)


def test_those_whose_group_is_known_take_no_test(study, tmp_path):
    people, plan, out = tmp_path / "people.csv", tmp_path / "p.json", tmp_path / "web"
    people.write_text("participant_id,score,group\n" + "".join(f"x{i},{i},{1 + i % 5}\n" for i in range(10)))
    few = ("--hierarchy", study.hierarchy_file, "--images", study.images)
    planned = call(main, ["study", "plan", *few, "--people", people, "--per-person", 20, "--out", plan])
    assert planned.code == 0, planned
    done = call(main, ["study", "prepare", plan, *few, "--contact", "x", "--out", out])
    assert "web: no test: the plan has a group for everybody" in done.out
    refused = call(main, ["study", "prepare", plan, *few, "--contact", "x", "--groups", "1,2,3,4", "--out", Path("no")])
    assert "leave out --test and --groups" in refused.error()


def test_the_order_of_the_study():
    answers = {}
    seen = []
    while (step := next_step(answers, 1, 2)).kind != "thanks":
        seen.append((step.kind, step.position))
        answers[step.kind, step.position] = "none" if step == Step("stage1", 2, 2) else "order"
    assert seen == [("consent", 0), ("test", 1), ("stage1", 1), ("stage2", 1), ("stage1", 2)]
