"""``hiertax study``: the human study planned, its participants sampled, its responses analysed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taxonomy.commands.parameters import HIERARCHY, OUTPUT
from taxonomy.commands.reading_options import load
from taxonomy.commands.study_serving import export, flags_in_errors, links, prepare, serve
from taxonomy.console import visible

if TYPE_CHECKING:
    from pandas import DataFrame

    from taxonomy.study.plan import Plan

IMAGES = click.Path(exists=True, path_type=Path)
SEED = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all draws.")


@click.group()
def study() -> None:
    """Ask people how deep they want an answer: a study planned, served as pages, and analysed.

    \b
    Example:
      hiertax study plan --hierarchy cub.json --images CUB_200_2011 --out plan.json
      hiertax study simulate plan.json --out made-up.jsonl
      hiertax study analyse made-up.jsonl --hierarchy cub.json --plan plan.json --out report
    """


for command in (prepare, links, serve, export):
    study.add_command(command)


@study.command()
@click.option("--hierarchy", type=HIERARCHY, required=True, help="Whose labels people choose from.")
@click.option("--images", type=IMAGES, metavar="DIR|MANIFEST", required=True, help="A dataset of any layout.")
@click.option("--participants", type=click.IntRange(1), help="How many people [50, or those of --people].")
@click.option("--per-person", type=click.IntRange(1), default=100, show_default=True, help="Images for each person.")
@click.option("--mode", type=click.Choice(["balanced", "random"]), default="balanced", show_default=True,
              help="Equally many raters for each image, or images drawn for each person, as in the paper.")  # fmt: skip
@click.option("--stimuli", type=click.IntRange(1), help="How many images to draw [1000, or all where fewer].")
@click.option("--stratify", metavar="LEVEL", help="Level whose taxa each person sees many of [the last but one].")
@click.option("--option-order", type=click.Choice(["shuffled", "fixed"]), default="shuffled", show_default=True,
              help="Order of the options: shuffled for each image, or coarsest first.")  # fmt: skip
@click.option("--people", type=HIERARCHY, help="CSV of `hiertax study sample`: participants and their groups.")
@click.option("--name", default="study", show_default=True, help="What to call the study.")
@SEED
@click.option("--out", type=OUTPUT, required=True, help="Plan to write.")
def plan(
    hierarchy: Path, images: Path, participants: int | None, people: Path | None, out: Path, **settings: Any
) -> None:
    """Draw images, deal them to participants, and seal the plan.

    Says what the design will lose and how wide its intervals will be. The same options and images give the same plan.

    \b
    Example:
      hiertax study plan --hierarchy cub.json --images CUB_200_2011 --out plan.json
      hiertax study plan --hierarchy cub.json --images CUB_200_2011 --people people.csv --out plan.json
      hiertax study plan --hierarchy cub.json --images CUB_200_2011 --mode random --option-order fixed --out plan.json
    """
    from taxonomy.datasets import find_dataset
    from taxonomy.progress import images_bar
    from taxonomy.study.planning import Design, make_plan
    from taxonomy.study.sampling import read_people

    given = load(hierarchy)
    with flags_in_errors():
        listed = None if people is None else read_people(people)
        count = participants or (50 if listed is None else len(listed))
        dataset = find_dataset(images, levels=[level.name for level in given.levels])
        with images_bar() as progress:
            made = make_plan(dataset, given, Design(participants=count, **settings), listed, progress)
    for note in made.notes:
        click.echo(visible(f"note: {note}"), err=True)
    made.save(out)
    _say_plan(made, out)


def _say_plan(made: Plan, out: Path) -> None:
    from taxonomy.study.assignment import expected_losses
    from taxonomy.study.power import WANTED, power

    images, people, each = len(made.images), len(made.participants), made.per_person
    lost, responses = expected_losses(images, people, each, made.mode, made.least)
    raters = made.raters
    few = raters < made.least
    half = power(people, each - responses / people)
    click.echo(f"{out}: {made.study_id}: {people} people x {each} of {images} images, {made.mode}, seed {made.seed}")
    click.echo(f"raters of an image: {raters.min()} to {raters.max()}, {raters.mean():.1f} on average")
    click.echo(
        f"images with fewer than {made.least} responses are left out: expected {lost:.1f} images and "
        f"{responses:.1f} of {people * each} responses; in this plan, if everybody answers: {few.sum()} images, "
        f"{raters[few].sum()} responses"
    )
    click.echo(
        f"95 % interval of a share near {100 * half.share:.0f} %: +-{100 * half.half_width:.1f} points; "
        f"+-{100 * WANTED:.0f} points takes {half.people} people (two answers of one person taken to correlate by "
        f"{half.correlation:.2f}, as much as the paper's groups differ; people within a group differ too)"
    )
    click.echo(f"seal: {made.seal}")


@study.command()
@click.argument("scores", type=HIERARCHY)
@click.option("--participants", type=click.IntRange(1), default=50, show_default=True, help="How many to choose.")
@click.option("--groups", default="equal-width", show_default=True, metavar="RULE",
              help="How to make groups 1 to 5: equal-width of scores, equal-count of people, or A,B,C,D: the scores "
                   "at which groups 2 to 5 begin.")  # fmt: skip
@SEED
@click.option("--out", type=OUTPUT, required=True, help="CSV to write: participant_id, score, group.")
def sample(scores: Path, participants: int, groups: str, seed: int, out: Path) -> None:
    """Choose participants whose scores look Gaussian, and divide them into groups 1 to 5.

    SCORES is a CSV with the columns participant_id (a pseudonym) and score.

    \b
    Example:
      hiertax study sample scores.csv --out people.csv
      hiertax study sample scores.csv --participants 80 --groups 3,5,7,9 --out people.csv
    """
    from taxonomy.files import write_atomic
    from taxonomy.study import sampling

    with flags_in_errors():
        pool, notes = sampling.read_scores(scores)
        chosen = sampling.sample(pool, participants, grouping=_grouping(groups), seed=seed)
    for note in (*notes, *chosen.notes):
        click.echo(visible(f"note: {note}"), err=True)
    write_atomic(out, chosen.table.to_csv(index=False, lineterminator="\n").encode())
    click.echo(f"{out}: {participants} of {len(pool)} people; {_group_sizes(chosen.table)}")


@study.command()
@click.argument("plan_file", metavar="PLAN", type=HIERARCHY)
@SEED
@click.option("--out", type=OUTPUT, required=True, help="Responses to write, .jsonl or .csv; their seal comes beside.")
def simulate(plan_file: Path, seed: int, out: Path) -> None:
    """Make up responses to a plan, with the shares of the paper's figures, to try an analysis without people.

    They are marked as synthetic, and so is all that is made of them. Only for order, family and species.

    \b
    Example:
      hiertax study simulate plan.json --out made-up.jsonl
    """
    from taxonomy.study.plan import load_plan
    from taxonomy.study.responses import write_responses
    from taxonomy.study.simulate import simulate as simulated

    made = load_plan(plan_file)
    rows = simulated(made, seed)
    for note in write_responses(out, rows, made):
        click.echo(visible(f"note: {note}"), err=True)
    click.echo(f"{out}: {len(rows)} SYNTHETIC responses by {len(made.participants)} made-up people")


@study.command()
@click.argument("responses", type=HIERARCHY)
@click.option("--hierarchy", type=HIERARCHY, required=True, help="The hierarchy of the study.")
@click.option("--plan", "plan_file", type=HIERARCHY, help="The plan: checks who saw what, and its seal.")
@click.option("--images", type=IMAGES, metavar="DIR|MANIFEST", help="With --plan: check that no image was changed.")
@click.option("--resamples", type=click.IntRange(100), default=2000, show_default=True, help="Of the bootstrap.")
@SEED
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for page, figures and JSON.")
def analyse(
    responses: Path, hierarchy: Path, plan_file: Path | None, images: Path | None, resamples: int, seed: int,
    out: Path | None,
) -> None:  # fmt: skip
    """Analyse responses: shares with intervals, trends, tests, taxa and times, beside the paper's values.

    RESPONSES is JSON Lines or a CSV. Each line is checked; a broken one is named, and nothing is analysed.

    \b
    Example:
      hiertax study analyse responses.jsonl --hierarchy cub.json --plan plan.json --out report
    """
    from taxonomy.datasets import find_dataset
    from taxonomy.study import page
    from taxonomy.study.analysis import analyse as analysed
    from taxonomy.study.plan import check_hierarchy, check_images, load_plan
    from taxonomy.study.responses import read_responses

    if images and not plan_file:
        raise click.UsageError("--images are checked against --plan; give it too.")
    given = load(hierarchy)
    with flags_in_errors():
        made = None if plan_file is None else load_plan(plan_file)
        if made is not None:
            check_hierarchy(made, given)
        if made is not None and images:
            check_images(made, find_dataset(images, levels=[level.name for level in given.levels]).root)
        found = analysed(read_responses(responses, given, made), given, made, resamples=resamples, seed=seed)
    written = page.write_report(found, out) if out else []
    for line in page.text(found).splitlines():
        click.echo(visible(line))
    if out:
        click.echo(f"{out}: {', '.join(path.name for path in written)}")


@study.command()
@click.argument("responses", type=HIERARCHY)
@click.option("--hierarchy", type=HIERARCHY, required=True, help="The hierarchy of the study.")
@click.option("--plan", "plan_file", type=HIERARCHY, help="The plan: checks who saw what.")
@click.option("--out", type=OUTPUT, required=True, help="Profile to write.")
def profile(responses: Path, hierarchy: Path, plan_file: Path | None, out: Path) -> None:
    """Make a profile of how deep each group wants answers, for `hiertrain predict --audience`.

    \b
    Example:
      hiertax study profile responses.csv --hierarchy cub.json --out profile.json
      hiertrain predict RUN photo.jpg --audience profile.json:group2
    """
    from taxonomy.study import profiles
    from taxonomy.study.plan import check_hierarchy, load_plan
    from taxonomy.study.responses import read_responses

    given = load(hierarchy)
    with flags_in_errors():
        made = None if plan_file is None else load_plan(plan_file)
        if made is not None:
            check_hierarchy(made, given)
        read = read_responses(responses, given, made)
        found = profiles.make_profile(read, given, made)
    for note in read.notes:
        click.echo(visible(f"note: {note}"), err=True)
    found.save(out)
    click.echo(f"{out}: {'SYNTHETIC, ' if found.synthetic else ''}{len(found.audiences)} audiences")
    for line in profiles.text(found).splitlines():
        click.echo(visible(line))


def _grouping(rule: str) -> Any:
    if rule in ("equal-width", "equal-count"):
        return rule.replace("-", "_")
    try:
        return [float(edge) for edge in rule.split(",")]
    except ValueError:
        raise click.UsageError(f"--groups {rule}: give equal-width, equal-count or four scores, as 3,5,7,9.") from None


def _group_sizes(table: DataFrame) -> str:
    sizes = table["group"].value_counts().reindex(range(1, 6), fill_value=0)
    return "groups 1 to 5: " + ", ".join(map(str, sizes.tolist()))
