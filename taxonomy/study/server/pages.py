"""The pages of a study: templates filled in, all text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import ascii_uppercase
from typing import Any, Final

import jinja2

from taxonomy.study.plan import Participant
from taxonomy.study.published import NONE
from taxonomy.study.server.folder import Opened
from taxonomy.study.server.steps import AGREED, YES_NO, Step

STATIC: Final = {"study.css": "text/css", "study.js": "text/javascript"}
Option = tuple[str, str]  # what is stored, and what is read


@cache
def static(name: str) -> bytes:
    """Return a file of the package that pages load."""
    return (files("taxonomy.study.server") / "static" / name).read_bytes()


class Pages:
    """Makes the pages of one study."""

    def __init__(self, study: Opened) -> None:
        self.study, self.texts = study, study.texts
        loader = jinja2.PackageLoader("taxonomy.study.server", "pages")
        self._env = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )

    def consent(self, person: Participant, form: str, notice: str) -> str:
        """Return what people read before they begin."""
        plan, questions = self.study.plan, self.study.questions_for(person)
        values = {"images": plan.per_person, "contact": self.study.content.contact}
        paragraphs = self.texts.paragraphs("consent", **values)
        if questions:
            paragraphs.insert(1, self.texts("consent_test", questions=len(questions)))
        return self._page("consent", notice, paragraphs=paragraphs, form=form, agreed=AGREED, may_withdraw=False)

    def question(self, person: Participant, step: Step, picture: str, form: str, notice: str) -> str:
        """Return a question of the test, or a stage of an image.

        Parameters
        ----------
        picture
            The address of the image; empty for a question of the test.
        """
        root, place = self.study.hierarchy.root, {"number": step.position, "of": step.of}
        a_root = f"{'an' if root[:1].lower() in 'aeiou' else 'a'} {root}"
        if step.kind == "test":
            heading = where = self.texts("test_heading", **place)
            question = self.study.questions[step.position - 1].text
        else:
            heading, where = self.texts(f"{step.kind}_heading"), self.texts("progress", **place)
            values = {"root": root, "a_root": a_root} if step.kind == "stage1" else {}
            question = self.texts(f"{step.kind}_question", **values)
        offered = self.options(person, step)
        letters = ascii_uppercase if len(offered) <= len(ascii_uppercase) else map(str, range(1, len(offered) + 1))
        options = [(letter, *option) for letter, option in zip(letters, offered, strict=False)]
        return self._page(
            "question", notice, step=step, heading=heading, where=where, question=question, picture=picture,
            options=options, form=form, may_withdraw=True,
            keys=self.texts("keys", letters=", ".join(letter for letter, _, _ in options)),
        )  # fmt: skip

    def options(self, person: Participant, step: Step) -> Sequence[Option]:
        """Return what may be answered at a step, in the order in which it stands there."""
        if step.kind == "consent":
            return [(AGREED, AGREED)]
        if step.kind == "test":
            return [(option, option) for option in self.study.questions[step.position - 1].options]
        if step.kind == "stage2":
            return [(value, self.texts(value)) for value in YES_NO]
        plan = self.study.plan
        at = step.position - 1
        labels = self.study.hierarchy.lineage(plan.images[person.images[at]].class_id)
        names = [self._label(plan.options[i], labels, i) for i in range(len(plan.options))]
        return [(plan.options[i], names[i]) for i in person.option_orders[at]]

    def _label(self, option: str, labels: Sequence[str], at: int) -> str:
        """Return what an option reads; of equal names of two levels each tells its level."""
        if option == NONE:
            return self.texts("none")
        return f"{labels[at]} ({option})" if labels.count(labels[at]) > 1 else labels[at]

    def thanks(self, notice: str) -> str:
        """Return the last page."""
        values = {"images": self.study.plan.per_person, "contact": self.study.content.contact}
        return self._text("thanks", self.texts.paragraphs("thanks", **values), notice, may_withdraw=True)

    def withdraw(self, form: str) -> str:
        """Return the page that asks whether to withdraw."""
        return self._page("withdraw", "", form=form, may_withdraw=False)

    def withdrawn(self) -> str:
        """Return what people find who have withdrawn."""
        return self._text("withdrawn", self.texts.paragraphs("withdrawn", contact=self.study.content.contact), "")

    def problem(self, key: str) -> str:
        """Return a page that says what did not work."""
        contact = self.study.content.contact
        back = "" if key == "401" else "problem_back"  # which, without a link of their own, leads here again
        return self._text("problem", [self.texts(f"problem_{key}", contact=contact)], "", back=back)

    def _text(
        self, name: str, paragraphs: Sequence[str], notice: str, *, back: str = "", may_withdraw: bool = False
    ) -> str:
        return self._page(
            "text", notice, heading=self.texts(f"{name}_heading"), paragraphs=paragraphs, may_withdraw=may_withdraw,
            back=self.texts(back) if back else "",
        )  # fmt: skip

    def _page(self, template: str, notice: str, **values: Any) -> str:
        page = self._env.get_template(f"{template}.html.jinja")
        return page.render(t=self.texts, is_trial=self.study.content.is_trial, notice=notice, **values) + "\n"
