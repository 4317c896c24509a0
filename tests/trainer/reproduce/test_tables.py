"""Tables as Markdown and LaTeX show them: whatever is in a cell stands there as it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.reproduce.tables import Table, in_latex, in_markdown, to_latex, to_markdown

TABLE = Table("A & B", ("", "a_b", "50 %"), (("x|y", "1 ± 2", "#3"), ("<i>", "", "$4$")), ("A note_.",), ends=(0,))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b", r"a\_b"),
        ("50 % & $5 #1", r"50 \% \& \$5 \#1"),
        ("{x}^~\\", r"\{x\}\textasciicircum{}\textasciitilde{}\textbackslash{}"),
        ("1 ± 2", r"1 $\pm$ 2"),
        ("a\nb", "a b"),
    ],
)
def test_latex_shows_a_text_as_it_stands(text, shown):
    assert in_latex(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("a_b|c", r"a\_b\|c"), ("*x* `y`", r"\*x\* \`y\`"), ("[a](b)", r"\[a\](b)"), ("<i>", r"\<i\>")]
)
def test_markdown_shows_a_text_as_it_stands(text, shown):
    assert in_markdown(text) == shown


@given(st.text())
def test_a_cell_of_markdown_is_one_cell_in_one_line(text):
    written = in_markdown(text)
    assert "\n" not in written
    assert not re.search(r"(?<!\\)(\\\\)*\|", written)


def test_a_table_of_markdown_has_as_many_cells_in_every_row():
    lines = to_markdown(TABLE).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    assert lines[0] == "**A & B**"
    assert lines[-1] == r"* A note\_."


def test_a_table_of_latex_has_rules_and_a_caption():
    text = to_latex(TABLE, "two")
    assert text.count(r"\midrule") == 2
    assert r"\caption{A \& B. A note\_.}" in text
    assert r"\begin{tabular}{lrr}" in text
    assert all(line.count("&") - line.count(r"\&") == 2 for line in text.splitlines() if line.endswith(r"\\"))
