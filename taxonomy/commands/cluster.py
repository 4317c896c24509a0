"""``hiertax cluster``: a hierarchy from deep features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from taxonomy.commands.parameters import HIERARCHY, OUTPUT

METHOD_OPTIONS = {
    "linkage": "hc",
    "representation": "hc",
    "rule": "dft",
    "operator": "dft",
    "nearest": "dft",
    "delta": "dft",
}


@click.command()
@click.option("--method", type=click.Choice(["hc", "dft", "random"]), required=True, help="How groups are found.")
@click.option(
    "--levels", type=click.IntRange(min=2), default=3, show_default=True, help="Levels, that of the classes included."
)
@click.option("--features", "file", type=HIERARCHY, help="Feature file [./features.npz, else shipped sketchbirds].")
@click.option(
    "--sizes",
    metavar="RULE|N,N,...",
    help="Groups per level: like, geometric, gap, silhouette, or numbers, coarsest first "
    "[like, where --like is given; else geometric].",
)
@click.option("--like", type=HIERARCHY, help="Hierarchy to take sizes and leaf labels from, and to compare with.")
@click.option(
    "--linkage",
    type=click.Choice(["ward", "average", "complete", "kmeans", "spectral"]),
    default="ward",
    show_default=True,
    help="hc: how classes are joined.",
)
@click.option(
    "--representation",
    type=click.Choice(["mean", "weights", "confusion"]),
    default="mean",
    show_default=True,
    help="hc: what stands for a class.",
)
@click.option(
    "--rule",
    type=click.Choice(["spectral", "average", "louvain"]),
    default="spectral",
    show_default=True,
    help="dft: how groups are made; louvain chooses their number itself.",
)
@click.option(
    "--operator",
    type=click.Choice(["sigma", "t"]),
    default="sigma",
    show_default=True,
    help="dft: the fuzzy upper approximation.",
)
@click.option(
    "--nearest",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="dft: nearest samples averaged over; more are robust to noise.",
)
@click.option("--delta", type=click.FloatRange(min=0, min_open=True), help="dft: kernel width [measured].")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of everything random.")
@click.option("--name-groups", is_flag=True, help="Name groups by words that their members share.")
@click.option("--out", type=OUTPUT, help="File to write [hierarchies/DATASET_METHOD.json].")
@click.option("--report", "report_file", type=OUTPUT, help="Also write the report, as JSON.")
@click.option("--plot", type=OUTPUT, help="Also draw the tree: .png, .pdf or .svg.")
@click.option("--json", "as_json", is_flag=True, help="Print the report for a machine.")
def cluster(
    file: Path | None,
    sizes: str | None,
    like: Path | None,
    name_groups: bool,
    out: Path | None,
    report_file: Path | None,
    plot: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Find a hierarchy in deep features of the classes.

    hc is hierarchical clustering of class means, dft a deep fuzzy tree, random the control. Each makes
    exactly as many groups per level as asked, nested, and the same ones for the same features.

    \b
    Example:
      hiertax cluster --method hc --levels 3
      hiertax cluster --method dft --features features.npz --like hierarchies/cub_wiki.json --out dft.json
      hiertax cluster --method hc --features features.npz --sizes 4,14 --name-groups --plot tree.png
    """
    context = click.get_current_context()
    given = {name for name in chosen if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    for name in sorted(given & METHOD_OPTIONS.keys()):
        if METHOD_OPTIONS[name] != chosen["method"]:
            raise click.UsageError(f"--{name} is for --method {METHOD_OPTIONS[name]}.", context)
    if sizes and chosen["method"] == "dft" and chosen["rule"] == "louvain":
        raise click.UsageError("--rule louvain chooses the number of groups itself; leave out --sizes.", context)
    from taxonomy.clustering.build import Settings
    from taxonomy.clustering.report import table
    from taxonomy.clustering.run import cluster_file

    settings = Settings(sizes=_sizes(sizes or ("like" if like else "geometric")), **chosen)
    result = cluster_file(settings, file, like, name_groups=name_groups)
    out = out or Path("hierarchies") / f"{result.hierarchy.name}.json"
    result.save(out, report_file, plot)
    if as_json:
        click.echo(json.dumps({"file": str(out)} | result.report, indent=2, ensure_ascii=False))
    else:
        levels = ", ".join(f"{len(level)} {level.name}" for level in result.hierarchy.levels)
        click.echo(f"{out}: {result.hierarchy.root} > {levels}\n{table(result.report)}")


def _sizes(text: str) -> str | tuple[int, ...]:
    """Read the value of ``--sizes``: a rule, or numbers."""
    if text in ("like", "geometric", "gap", "silhouette"):
        return text
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither like, geometric, gap, silhouette nor numbers such as 4,14.", param_hint="--sizes"
        ) from None
