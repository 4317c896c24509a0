"""Answers as text."""

from trainer.inference.answers import Answer, AnsweredLevel


def test_an_answer_prints_no_control_characters_of_a_file_name():
    answer = Answer("a\x1b[31m\nb.jpg", "bird", (AnsweredLevel("order", "Owls", 0.5),))
    assert str(answer).splitlines() == [r"a\x1b[31m\nb.jpg", "  bird > Owls 50 %"]
