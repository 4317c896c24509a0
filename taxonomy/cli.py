"""The command line ``hiertax``: build, look at and check label hierarchies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from taxonomy.console import Console, invocation
from taxonomy.sources.wikipedia.options import or_from_wikipedia

if TYPE_CHECKING:
    from taxonomy.hierarchy import Hierarchy
    from taxonomy.leveling import Ragged

DATASETS = ("cub", "cub-paper", "aircraft", "cars", "sketchbirds", "folder")
READABLE = ("lineage-csv", "parent-child-csv", "newick", "node-link", "hiclass")  # here, so that --help imports nothing
WRITABLE = (*READABLE, "dot", "html")
POLICIES = ("error", "fill", "collapse")
HIERARCHY = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=Console)
@click.version_option(package_name="hiertax")
def main() -> None:
    """Turn flat fine-grained image datasets into sound, levelled label hierarchies.

    \b
    Example:
      hiertax build --dataset cub
      hiertax show hierarchies/cub_wiki.json
    """


@main.command()
@click.option("--dataset", type=click.Choice(DATASETS), help="Whose classes to arrange.")
@click.option("--root", type=FOLDER, help="Where the dataset lies: aircraft, cars or folder.")
@click.option("--csv", "table", type=HIERARCHY, help="Table with a column per level, rows in any order.")
@click.option(
    "--from",
    "imported",
    type=(click.Choice(READABLE), HIERARCHY),
    metavar="FORMAT FILE",
    help=f"File of another tool: {', '.join(READABLE)}.",
)
@click.option(
    "--levels", metavar="A,B,...", help="Names of the levels, coarsest first; columns for --csv, ranks for --names."
)
@click.option(
    "--ragged",
    type=click.Choice(POLICIES),
    default="error",
    show_default=True,
    help="What to do with uneven depth: refuse, fill gaps with taxa named after their neighbour, drop levels.",
)
@click.option("--name", help="What to call the hierarchy [the file's or folder's name].")
@click.option("--root-label", help="What every label is, such as bird [object].")
@click.option("--out", type=OUTPUT, help="File to write [hierarchies/NAME.json].")
@or_from_wikipedia
@click.pass_context
def build(ctx: click.Context, /, dataset: str | None, out: Path | None, **how: Any) -> None:
    """Build a hierarchy file: without a network, or from Wikipedia.

    From the package's reviewed tables (--dataset), from a dataset's own files (--dataset with --root), from a
    table (--csv), or from the file of another tool (--from). `cub` is the corrected bird tree (13/37/200);
    `cub-paper` the published one (13/38/200), slip included. `folder` takes nested folders of images.

    From Wikipedia, each class's page is asked, at most 200 requests a minute; every fact that two pages state is
    cross-checked, none is guessed, and NAME.evidence.csv tells who says what. Answers are cached: an interrupted
    build goes on where it stopped. docs/wikipedia.md tells the rules.

    \b
    Example:
      hiertax build --dataset cub --out cub.json
      hiertax build --dataset cub --source wikipedia --contact you@example.org --review diff.csv
      hiertax build --names birds.txt --levels order,family,species --contact you@example.org
      hiertax build --dataset aircraft --root fgvc-aircraft-2013b
      hiertax build --dataset folder --root pets --levels group,breed --root-label pet
      hiertax build --csv birds.csv --levels order,family,species --ragged fill
      hiertax build --from newick tree.nwk --levels family,genus,species
    """
    if sum(given is not None for given in (dataset, how["table"], how["imported"])) != 1:
        raise click.UsageError("give one of --dataset, --csv, --from and --names.", ctx)
    hierarchy = _build(ctx, dataset, **how)
    if out is None and Path(hierarchy.name).name != hierarchy.name:
        raise click.UsageError(f"{hierarchy.name!r} cannot name a file; give --out or --name.", ctx)
    out = out or Path("hierarchies") / f"{hierarchy.name}.json"
    hierarchy.save(out)
    if ragged := hierarchy.source.get("ragged"):
        done = (
            f"taxa added: {ragged['taxa']}" if "taxa" in ragged else f"levels dropped: {', '.join(ragged['dropped'])}"
        )
        click.echo(f"--ragged {ragged['policy']}: lineages with a gap: {ragged['lineages']}; {done}", err=True)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in hierarchy.levels)
    click.echo(f"{out}: {hierarchy.root} > {sizes}")


def _build(
    ctx: click.Context,
    dataset: str | None,
    *,
    root: Path | None,
    table: Path | None,
    imported: tuple[str, Path] | None,
    levels: str | None,
    ragged: Ragged,
    name: str | None,
    root_label: str | None,
) -> Hierarchy:
    from taxonomy import formats
    from taxonomy.leveling import Reading
    from taxonomy.sources import aircraft, cars, curated, folder

    if (root is not None) != (dataset == "folder") and dataset not in ("aircraft", "cars"):
        raise click.UsageError("--root DIR goes with --dataset aircraft, cars or folder, and folder needs it.", ctx)
    if dataset is not None and dataset != "folder":
        for param in ("levels", "ragged", "name", "root_label"):
            if ctx.get_parameter_source(param) is click.core.ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{param.replace('_', '-')} is for --csv, --from and --dataset folder.", ctx)
        if root is None:
            return curated.build(dataset)
        build_from = aircraft.build if dataset == "aircraft" else cars.build
        return build_from(root, {"kind": "dataset", "command": invocation("hiertax", ctx)})
    source: dict[str, Any] = {"kind": "folder", "command": invocation("hiertax", ctx)}
    names = tuple(part.strip() for part in levels.split(",")) if levels else None
    reading = Reading(name, root_label, names, ragged, source)
    if root is not None:
        return folder.build(root, reading)
    kind, path = imported or ("lineage-csv", table or Path())
    source.update(kind="imported", format=kind)
    return formats.load(path, reading, kind)


@main.command()
@click.argument("file", type=HIERARCHY)
@click.option("--json", "as_json", is_flag=True, help="Print levels and sizes for a machine.")
def show(file: Path, as_json: bool) -> None:
    """Print a hierarchy: its levels, their sizes, a readable outline, and what is known wrong with its dataset.

    \b
    Example:
      hiertax show hierarchies/cub_wiki.json
    """
    from taxonomy.errata import in_words, known_of
    from taxonomy.hierarchy import Hierarchy
    from taxonomy.outline import describe, outline

    hierarchy = Hierarchy.load(file)
    errata = known_of(hierarchy)
    if as_json:
        about = describe(hierarchy) | {"errata": [erratum._asdict() for erratum in errata]}
        click.echo(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join([outline(hierarchy), *in_words(errata)]))


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the dataset; its classes must match.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a machine.")
@click.pass_context
def validate(context: click.Context, files: tuple[Path, ...], root: Path | None, strict: bool, as_json: bool) -> None:
    """Say everything that is wrong with hierarchies; exit with 1 if one has an error.

    Reads hierarchy files, lineage tables (CSV: a header of level names, one row per class) and parent-child
    tables (CSV: child,parent[,level]), however broken, and what `hiertax build --from` reads.
    docs/validation.md lists the rules.

    \b
    Example:
      hiertax validate hierarchies/cub_wiki.json
      hiertax validate birds.csv --root CUB_200_2011 --strict
    """
    from taxonomy.validation import validate as check_file

    reports = [check_file(file, root) for file in files]
    sound = all(report.sound(strict=strict) for report in reports)
    if as_json:
        content = {"sound": sound, "files": [report.to_json() for report in reports]}
        click.echo(json.dumps(content, indent=2))
    else:
        click.echo("\n\n".join(report.to_text() for report in reports))
    context.exit(0 if sound else 1)


@main.command()
@click.argument("a", type=HIERARCHY)
@click.argument("b", type=HIERARCHY)
@click.option("--json", "as_json", is_flag=True, help="Print the differences for a machine.")
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Say how hierarchy B differs from hierarchy A: classes moved, taxa renamed, split, merged, gone, come.

    ARI and AMI tell how well two levels group the shared classes alike: 1 the same, about 0 by chance.

    \b
    Example:
      hiertax compare hierarchies/cub_paper.json hierarchies/cub_wiki.json
    """
    from taxonomy import formats
    from taxonomy.compare import compare as compared
    from taxonomy.compare import summary

    comparison = compared(formats.load(a), formats.load(b))
    click.echo(json.dumps(comparison.to_json(), indent=2, ensure_ascii=False) if as_json else summary(comparison))


@main.command()
@click.argument("file", type=HIERARCHY)
@click.option("--to", "kind", type=click.Choice(WRITABLE), required=True, help="The format to write.")
@click.option("--out", type=OUTPUT, help="File to write [standard output].")
def convert(file: Path, kind: str, out: Path | None) -> None:
    """Write a hierarchy in the format of another tool.

    FILE is a hierarchy file or, told by its suffix, any format that `hiertax build --from` reads. What a
    format cannot carry is said on standard error. `html` is a page to look at, with a search field.

    \b
    Example:
      hiertax convert hierarchies/cub_wiki.json --to newick --out cub.nwk
      hiertax convert hierarchies/cub_wiki.json --to html --out cub.html
    """
    from taxonomy import formats
    from taxonomy.files import write_atomic

    content = formats.encode(formats.load(file), kind)
    if lost := formats.FORMATS[kind].loses:
        click.echo(f"{kind} does not carry {lost}; give them again when you read it back", err=True)
    if out is not None:
        write_atomic(out, content)
        click.echo(out)
    elif kind == "hiclass" and sys.stdout.isatty():
        raise click.UsageError("hiclass arrays are no text; give --out FILE.npy or redirect.")
    else:
        click.echo(content, nl=False)


@main.command()
@click.argument("file", type=HIERARCHY)
@click.option("--out", type=OUTPUT, required=True, help="Picture to write: .svg or .png.")
def plot(file: Path, out: Path) -> None:
    """Draw a hierarchy as a radial tree, coloured by its top level.

    Readable up to a few hundred classes; the picture grows with the tree. Needs matplotlib:
    pip install "hiertax[plot]".

    \b
    Example:
      hiertax plot hierarchies/cub_wiki.json --out cub.svg
    """
    from taxonomy import formats, plots

    hierarchy = formats.load(file)
    plots.save(hierarchy, out)
    if missing := plots.unprintable(hierarchy):
        click.echo(f"the picture's font has no sign for {' '.join(missing)}; boxes stand in their place", err=True)
    click.echo(out)


@main.command()
@click.option("--dataset", type=click.Choice(("cub", "aircraft", "cars")), required=True, help="What to fetch.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to put it in.")
def download(dataset: str, to: Path) -> None:
    """Fetch the official archive of a dataset, check and unpack it.

    A run that was cut short goes on where it stopped. Stanford Cars is no longer served by its publisher; the
    command says where people get it. The datasets are for non-commercial research; see their own terms.

    \b
    Example:
      hiertax download --dataset cub --to data
    """
    from taxonomy import download as downloading

    with downloading.progress_bar() as progress:
        click.echo(downloading.download(dataset, to, progress))


METHOD_OPTIONS = {
    "linkage": "hc",
    "representation": "hc",
    "rule": "dft",
    "operator": "dft",
    "nearest": "dft",
    "delta": "dft",
}


@main.command()
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
