"""``hiertax build``: a hierarchy file from one of the sources of `taxonomy.commands.sources`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from taxonomy.commands.parameters import HIERARCHY, OUTPUT, READABLE
from taxonomy.commands.reading_options import OPTIONS, flags_in_errors, reading_options, refuse_meaningless
from taxonomy.commands.sources import SOURCES, Options, choose, formats_of, refuse_what_has_no_meaning
from taxonomy.console import invocation
from taxonomy.sources.offline import options as offline

DATASETS = ("cub", "cub-paper", "aircraft", "cars", "sketchbirds", "nabirds", "inat", "pets", "folder")
POLICIES = ("error", "fill", "collapse")
FOLDER = click.Path(exists=True, path_type=Path)
ASKED = tuple(dict.fromkeys(source.source for source in SOURCES if source.source))
CACHE = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--dataset", type=click.Choice(DATASETS), help="Whose classes to arrange.")
@click.option("--source", type=click.Choice(ASKED), help="Who says it.")
@click.option("--root", type=FOLDER, help="Where the dataset lies: aircraft, cars, nabirds, inat, pets or folder.")
@click.option(
    "--csv", "table", type=HIERARCHY, help="Table with a column per level: text, .xlsx or .parquet; rows in any order."
)
@click.option(
    "--from",
    "imported",
    type=(click.Choice(READABLE), HIERARCHY),
    metavar="FORMAT FILE",
    help=f"File of another tool: {', '.join(READABLE)}.",
)
@click.option("--names", type=HIERARCHY, help="Classes to look up, one per line, or a CSV with a column class.")
@offline.offline_options
@click.option(
    "--levels",
    metavar="A,B,...",
    help="Names of the levels, coarsest first; columns for --csv, ranks for --names and inat.",
)
@click.option(
    "--ragged",
    type=click.Choice(POLICIES),
    default="error",
    show_default=True,
    help="What to do with uneven depth: refuse, fill gaps with taxa named after their neighbour, drop levels.",
)
@reading_options
@click.option("--name", help="What to call the hierarchy [the file's or folder's name].")
@click.option("--root-label", help="What every label is, such as bird [object].")
@click.option("--contact", envvar="HIERTAX_CONTACT", help="Your e-mail or URL, sent to Wikipedia [$HIERTAX_CONTACT].")
@click.option("--api-url", help="Another MediaWiki's api.php [https://en.wikipedia.org/w/api.php].")
@click.option("--cache", type=CACHE, help="Folder of Wikipedia's answers.")
@click.option("--offline", is_flag=True, help="Rebuild from the cached answers, without any request.")
@click.option("--review", type=OUTPUT, help="CSV to write: where Wikipedia differs from the reviewed table.")
@click.option("--out", type=OUTPUT, help="File to write [hierarchies/NAME.json].")
@click.pass_context
def build(ctx: click.Context, /, **given: Any) -> None:
    """Build a hierarchy file: without a network, or from Wikipedia.

    From the package's reviewed tables (--dataset), from a dataset's own files (--dataset with --root), from a
    table (--csv), or from the file of another tool (--from). `cub` is the corrected bird tree (13/37/200);
    `cub-paper` the published one (13/38/200), slip included. `nabirds`, `inat` and `pets` take the tree that is in
    their lists; `folder` takes nested folders of images, or a table of images with a column per level.

    From Wikipedia, each class's page is asked, at most 200 requests a minute; every fact that two pages state is
    cross-checked, none is guessed, and NAME.evidence.csv tells who says what. Answers are cached: an interrupted
    build goes on where it stopped. docs/wikipedia.md tells the rules.

    From a taxonomy on the disk, names are found in --archive: NCBI's taxdump, a Darwin Core Archive (GBIF, Catalogue
    of Life) or CoLDP, the checklist of Clements or eBird. docs/sources.md tells the rules.

    \b
    Example:
      hiertax build --dataset cub --out cub.json
      hiertax build --dataset cub --source wikipedia --contact you@example.org --review diff.csv
      hiertax build --names birds.txt --levels order,family,species --contact you@example.org
      hiertax build --names birds.txt --levels order,family,species --source ncbi --archive taxdump.tar.gz --within Aves
      hiertax build --dataset aircraft --root fgvc-aircraft-2013b
      hiertax build --dataset nabirds --root nabirds --ragged fill
      hiertax build --dataset inat --root inat2021 --levels class,order,family,species
      hiertax build --dataset folder --root pets --levels group,breed --root-label pet
      hiertax build --csv birds.csv --levels order,family,species --ragged fill
      hiertax build --csv plants.xlsx --qualify
      hiertax build --from edges hierarchy.txt --labels classes.txt --ragged fill
      hiertax build --from newick tree.nwk --levels family,genus,species
    """
    options = Options(**given, command=invocation("hiertax", ctx))
    source = choose(options)
    typed = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    refuse_what_has_no_meaning(source, [name for name in typed if name not in OPTIONS])  # those have their own check
    refuse_meaningless(ctx, formats_of(options))
    with flags_in_errors(options.reading["notes"]):
        source.build(options)
