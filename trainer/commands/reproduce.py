"""``hiertrain reproduce``: tables and figures of the paper, and experiments around them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from taxonomy import HiertaxError
from trainer.commands.flags import command_reporter
from trainer.commands.options import Decorator, Sectioned, option, options
from trainer.commands.parameters import FILE, IMAGE_OPTIONS, JSON, check_places, given
from trainer.commands.published import curves, fig2, table1
from trainer.commands.train import take_from_file, take_from_recipe
from trainer.commands.typed import typed
from trainer.config import HEAD_METHODS, METHODS, Config
from trainer.models.variants import NAMES
from trainer.recipes import RECIPES

OWN = ("hierarchy", "data", "method", "method_options", "seed", "level_weights", "tensorboard")  # of runs, or of no use
SETTINGS = tuple(name for name in Config.__dataclass_fields__ if name not in OWN)


@click.group(cls=Sectioned)
def reproduce() -> None:
    """Repeat a table or figure of the paper on images that you have."""


def _take_shared(ctx: click.Context, param: click.Parameter, file: Path | None) -> None:
    """Let a file, such as the config.toml of a run, set what all runs share; say what else it sets."""
    take_from_file(ctx, param, file)
    settings = ctx.default_map or {}
    if own := [name for name in OWN if name in settings]:
        ctx.default_map = {name: value for name, value in settings.items() if name not in OWN}
        command_reporter().say(f"{file}: passed over {', '.join(own)}, which an experiment has of its own")


def _trained(seeds: int, methods: Sequence[str] = (), *, frozen: bool = False) -> Decorator:
    """Give a command the options of an experiment that trains."""
    rows = click.option("--method", multiple=True, type=click.Choice(methods), help="A row; several for several. [all]")
    decorators: list[Decorator] = [
        click.option(
            "--hierarchy", multiple=True, type=FILE,
            help="Hierarchy file of a dataset; several for several. [those of the paper's datasets in --data]",
        ),
        click.option(
            "--data", multiple=True, envvar="HIERTAX_DATA", show_envvar=True,
            help="Folder of the dataset of each --hierarchy, in their order, or one with all of them.",
        ),
        *([rows] if methods else []),
        click.option(
            "--seeds", type=click.IntRange(1), default=seeds, show_default=True, help="How many seeds, from 0."
        ),
        click.option(
            "--jobs", type=click.IntRange(1), default=1, show_default=True,
            help="Runs at a time, each in a process of its own, over all GPUs.",
        ),
        click.option("--quick", is_flag=True, help="A scaled-down version on drawn birds, in minutes on a CPU."),
        click.option(
            "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of runs and results. [runs/NAME]"
        ),
        JSON,
        click.option(
            "--config", type=FILE, is_eager=True, expose_value=False, callback=_take_shared,
            help="Settings from a TOML file, but for what each run has of its own; options given beside it win.",
        ),
        click.option(
            "--recipe", type=click.Choice(RECIPES), is_eager=True, expose_value=False, callback=take_from_recipe,
            help="Settings that go together. [paper]",
        ),
        *(option(name, **({"default": True} if frozen and name == "freeze_backbone" else {})) for name in SETTINGS),
        click.pass_context,
    ]  # fmt: skip

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def _carry_out(ctx: click.Context, name: str, asked: dict[str, Any]) -> None:
    """Carry out an experiment with the options of its command, and tell what it came to."""
    hierarchies, data, quick, out = asked["hierarchy"], asked["data"], asked["quick"], asked["out"]
    if quick and (hierarchies or ctx.get_parameter_source("data") is ParameterSource.COMMANDLINE):
        raise click.UsageError("--quick draws its own images; leave out --hierarchy and --data.", ctx)
    settings = {setting: asked[setting] for setting in SETTINGS if setting in _settled(ctx)}
    if not quick or given(ctx, ["freeze_backbone"]):  # the small network of a scaled-down version has learned nothing
        settings |= {"freeze_backbone": asked["freeze_backbone"]}
    from trainer.reproduce.start import QUICK_SEEDS, Asked, failures, reproduce

    reporter = command_reporter()
    out = out or Path("runs") / (f"{name}-quick" if quick else name)
    seeds = QUICK_SEEDS.get(name, 2) if quick and not given(ctx, ["seeds"]) else asked["seeds"]
    wanted = Asked(
        hierarchies, () if quick else data, settings, seeds, asked.get("method", ()), out, asked["jobs"], quick
    )
    results, report, files = reproduce(name, wanted, typed(ctx), reporter)
    if asked["as_json"]:
        click.echo((out / "results.json").read_text(encoding="utf-8"), nl=False)
    else:
        _show(report, results)
    reporter.say(f"written: {', '.join(str(file) for file in files)}")
    if results.missing:
        told = failures(results.missing)
        more = f"; {len(told) - 1} more are missing, see {out / name}.md" if len(told) > 1 else ""
        raise HiertaxError(f"{told[0]}{more}")


def _settled(ctx: click.Context) -> set[str]:
    """Return the settings that the command line, a file or a recipe gives."""
    return given(ctx, SETTINGS) | ((ctx.default_map or {}).keys() & set(SETTINGS))


def _show(report: Any, results: Any) -> None:
    from trainer.reproduce.tables import to_rich
    from trainer.reproduce.writing import marked, verdict_table
    from trainer.runtime.progress import print_table

    tables = [*report.tables.values(), *([verdict_table(report)] if report.verdicts else [])]
    for table in tables:
        print_table(to_rich(marked(table, quick=results.setup.quick)))
    for note in report.notes:
        click.echo(f"* {note}")


@reproduce.command("table2")
@_trained(3, ("vanilla_single", "vanilla_multi", "ours_single", "ours", "ours_mc", "ours_nts", "ours_pmg"))
def table2(ctx: click.Context, /, **asked: Any) -> None:
    """Compare the methods at every level (Table 2).

    Whole networks at 224 px, 3 seeds, the recipe of the paper, unless told otherwise. Runs are folders in OUT/runs:
    what is there is taken or gone on with. Tables, figures and results.json are written to OUT.

    \b
    Example:
      hiertrain reproduce table2 --quick
      hiertrain reproduce table2 --data datasets --jobs 4
      hiertrain reproduce table2 --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011 --method ours
    """
    _carry_out(ctx, "table2", asked)


@reproduce.command("table3")
@_trained(3, (*METHODS, "ours_hc", "ours_dft"))
def table3(ctx: click.Context, /, **asked: Any) -> None:
    """Compare methods at the finest level alone (Table 3).

    As table2, at 448 px, and beside methods of one label. ours_hc and ours_dft are Ours on trees that are found in
    features of the training images. Rows: ft, nts, mc, pmg, ours, ours_pmg, ours_hc, ours_dft, or those that --method
    names; what the paper quotes of others is shown beside.

    \b
    Example:
      hiertrain reproduce table3 --quick
      hiertrain reproduce table3 --data datasets --accumulate 4
    """
    _carry_out(ctx, "table3", asked)


@reproduce.command("fig4")
@_trained(3)
def fig4(ctx: click.Context, /, **asked: Any) -> None:
    """Sweep the weights of two levels that are learned together (Fig. 4).

    Vanilla_single learns the two coarsest levels, the loss of the coarse weighted by alpha, of the fine by beta. One is
    1, the other goes from 0 to 1: 11 runs for each seed. With --freeze-backbone heads alone are trained on features
    that all runs share, in minutes.

    \b
    Example:
      hiertrain reproduce fig4 --quick
      hiertrain reproduce fig4 --data datasets --freeze-backbone --seeds 5
    """
    _carry_out(ctx, "fig4", asked)


def _on_frozen_features(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an experiment on a frozen backbone."""
    decorators = (
        option("hierarchy", type=FILE, required=True),
        options("data", "backbone", "weights", "image_size", "batch_size", "epochs", "crop_to_box"),
        click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many seeds, from 0."),
        options(*IMAGE_OPTIONS),
        click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the scores to a JSON file."),
        JSON,
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


@reproduce.command("fig5")
@_trained(1, ("vanilla_single", "vanilla_multi", "ours_single", "ours", "ours_mc"))
def fig5(ctx: click.Context, /, **asked: Any) -> None:
    """Show where the heads of methods look, level by level (Fig. 5).

    Trains Vanilla_single and Ours, or the methods that --method names, draws maps of some test images, and measures how
    large the maps of each level are and how far those of two levels overlap.

    \b
    Example:
      hiertrain reproduce fig5 --quick
      hiertrain reproduce fig5 --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
    """
    _carry_out(ctx, "fig5", asked)


@reproduce.command("tsne")
@_trained(1)
def tsne(ctx: click.Context, /, **asked: Any) -> None:
    """Lay out features that were learned under weights of two levels (the panels around Fig. 4).

    Three trainings, in two ways: t-SNE of f, and a feature of two units drawn as it is. Beside the pictures it says in
    numbers how well the features tell labels apart.

    \b
    Example:
      hiertrain reproduce tsne --quick
      hiertrain reproduce tsne --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011 --seeds 3
    """
    _carry_out(ctx, "tsne", asked)


@reproduce.command("methods")
@_trained(3, HEAD_METHODS, frozen=True)
def methods(ctx: click.Context, /, **asked: Any) -> None:
    """Compare the four methods that differ by their heads alone.

    All else is the same. The backbone is frozen unless --no-freeze-backbone is given, and on frozen features the
    methods hardly differ. Every method is scored twice, each head answering for itself (as in the paper) and along one
    consistent path (as `hiertrain predict` answers).

    \b
    Example:
      hiertrain reproduce methods --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
      hiertrain reproduce methods --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011 --no-freeze-backbone
    """
    _carry_out(ctx, "methods", asked)


@reproduce.command("hierarchy-ablation")
@_trained(3, frozen=True)
def hierarchy_ablation(ctx: click.Context, /, **asked: Any) -> None:
    """Compare what hierarchies of different origin are worth.

    Trains Ours on the manual tree, on trees found in deep features of the training images (hc, dft), on random trees
    of the same shape and on the finest labels alone (flat). All else is the same; the backbone is frozen unless
    --no-freeze-backbone is given.

    \b
    Example:
      hiertrain reproduce hierarchy-ablation --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
    """
    _carry_out(ctx, "hierarchy-ablation", asked)


@reproduce.command("beyond")
@_trained(5, NAMES, frozen=True)
def beyond(ctx: click.Context, /, **asked: Any) -> None:
    """Try what might be better than Ours: eight variants of it, each with one thing changed.

    Reinforcement without the gradient stop, or reversed; a learned gate, or unequal parts, instead of the even split;
    four losses that know the tree. Settings are chosen on a fifth of the training images (--val-fraction), or on the
    dataset's own images for that; the chosen are then compared with Ours on the test images. The backbone is frozen
    unless --no-freeze-backbone is given. --method names variants; Ours is always there.

    \b
    Example:
      hiertrain reproduce beyond --quick
      hiertrain reproduce beyond --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
    """
    _carry_out(ctx, "beyond", asked)


@reproduce.command("partial-labels")
@_on_frozen_features
@options("method")
def partial_labels(hierarchy: Path, seeds: int, out: Path | None, as_json: bool, **settings: Any) -> None:
    """Compare what can be done with images whose finest label is not known.

    The finest labels of 30, 60 and 90 % of the training images of each class are hidden, all others stay. Then these
    images are left out; or kept for the levels that they know (mask); or kept, and answer at the finest level for
    their taxon too (marginal). Backbone frozen, all else the same, and as many steps of the optimiser. Every way is
    scored on all levels of all test images, each head answering for itself and along one path. Mean ± standard
    deviation over seeds, in percent, as Markdown.

    \b
    Example:
      hiertrain reproduce partial-labels --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
    """
    check_places()
    from taxonomy.files import write_json
    from trainer.reproduce.partial_labels import result_table, run
    from trainer.runtime.progress import print_table

    result = run(Config(hierarchy=str(hierarchy), freeze_backbone=True, **settings), seeds, command_reporter())
    if as_json:
        click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print_table(result_table(result))
    if out is not None:
        write_json(out, result)


for command in (table1, fig2, curves):
    reproduce.add_command(command)
