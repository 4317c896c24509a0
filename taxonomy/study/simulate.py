"""Made-up responses with the shares of the paper's figures, to try the whole way without people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from taxonomy.errors import HiertaxError
from taxonomy.study.plan import Plan
from taxonomy.study.published import GAUSSIAN_SIZES, LEVELS, NONE, group_shares, multi_shares
from taxonomy.study.responses import Response, planned_response

ALIKE: Final = 20.0  # Dirichlet concentration of a person's shares around those of the group: ours, not measured
START: Final = datetime(2000, 1, 1, tzinfo=UTC)  # so that nobody takes the times for real ones
TYPICAL_MS: Final = (4000.0, 2000.0)


def simulate(plan: Plan, seed: int = 0) -> list[Response]:
    """Make up one response for each item of a plan; all are marked as synthetic.

    A person's shares of stage 1 vary around those of the group (Fig. 2b); stage 2 follows Figs. 2a and 2c. Where the
    plan has no groups, people get groups of Gaussian sizes.

    Raises
    ------
    HiertaxError
        If the study is not of order, family and species, which are the only levels with known shares.
    """
    if plan.options != [*LEVELS, NONE]:
        raise HiertaxError(
            f"shares are known for the levels {', '.join(LEVELS)}, and the plan has {', '.join(plan.options[:-1])}; "
            "simulate a study of such a hierarchy"
        )
    rng = np.random.default_rng(seed)
    drawn = rng.choice(5, size=len(plan.participants), p=np.array(GAUSSIAN_SIZES) / sum(GAUSSIAN_SIZES)) + 1
    shares, multi = group_shares(), multi_shares()
    rows: list[Response] = []
    for person, some in zip(plan.participants, drawn.tolist(), strict=True):
        group = some if person.group is None else person.group
        own = rng.dirichlet(ALIKE * shares[group - 1])
        first = rng.choice(4, size=plan.per_person, p=own)
        second = rng.random(plan.per_person)
        times = np.round(np.array(TYPICAL_MS) * rng.lognormal(0, 0.5, (plan.per_person, 2)))
        moment = START + timedelta(days=len(rows) // plan.per_person)
        for at in range(plan.per_person):
            wants = None if first[at] == 3 else bool(second[at] < multi[group - 1, first[at]])
            took = float(times[at, 0]), None if wants is None else float(times[at, 1])
            moment += timedelta(milliseconds=took[0] + (took[1] or 0))
            rows.append(
                planned_response(
                    plan,
                    person,
                    at + 1,
                    group=group,
                    score=person.score,
                    stage1=plan.options[first[at]],
                    stage2=None if wants is None else "yes" if wants else "no",
                    rt1_ms=took[0],
                    rt2_ms=took[1],
                    timestamp_utc=moment,
                    synthetic=True,
                )
            )
    return rows
