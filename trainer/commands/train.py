"""``hiertrain``: train, or go on with a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from trainer.commands.flags import command_reporter
from trainer.commands.options import Sectioned, option, options
from trainer.commands.parameters import FILE, FOLDER, given
from trainer.config import RESUMABLE, Config, read_settings
from trainer.recipes import RECIPES, read_recipe


def take_from_file(ctx: click.Context, param: click.Parameter, file: Path | None) -> None:
    """Let a file set what the command line leaves open."""
    if file is not None:
        ctx.meta[param.name or ""] = file  # for `invocation`
        ctx.default_map = {**(ctx.default_map or {}), **read_settings(file)}
        _refuse_idle_recipe(ctx)


def take_from_recipe(ctx: click.Context, param: click.Parameter, name: str | None) -> None:
    """Let a recipe set what neither the command line nor a file does."""
    if name is not None:
        ctx.meta[param.name or ""] = name  # for `invocation`
        ctx.default_map = {**read_recipe(name), **(ctx.default_map or {})}
        _refuse_idle_recipe(ctx)


def _refuse_idle_recipe(ctx: click.Context) -> None:
    """Refuse a recipe beside a file, such as that of a run, that sets all that it does, and not alike."""
    name, file = ctx.meta.get("recipe"), ctx.meta.get("config")
    if name is None or file is None:
        return
    recipe, settings = read_recipe(name), read_settings(file)
    if recipe.keys() <= settings.keys() and any(settings[key] != value for key, value in recipe.items()):
        raise click.UsageError(f"--recipe {name} changes nothing: {file} sets all that it does; leave out one.", ctx)


@click.group(cls=Sectioned, invoke_without_command=True)
@click.version_option(package_name="hiertax")
@click.option(
    "--config", type=FILE, is_eager=True, expose_value=False, callback=take_from_file,
    help="Settings from a TOML file, such as the config.toml of a run; options given beside it win.",
)  # fmt: skip
@click.option(
    "--recipe", type=click.Choice(RECIPES), is_eager=True, expose_value=False, callback=take_from_recipe,
    help="Settings that go together, a file of the package; a file or options given beside it win. [paper]",
)  # fmt: skip
@option("hierarchy", type=FILE)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder [runs/HIERARCHY-METHOD-SEED]."
)
@click.option(
    "--resume", type=FOLDER,
    help="Go on with a run; what is learned, and how, is its own, but for --epochs, the number of all.",
)  # fmt: skip
@options(*(name for name in Config.__dataclass_fields__ if name != "hierarchy"))
@click.pass_context
def main(ctx: click.Context, /, out: Path | None, resume: Path | None, **settings: Any) -> None:
    """Train a classifier that answers at every level of a label hierarchy.

    \b
    Example:
      hiertrain --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
      hiertrain --data photos
      hiertrain --resume runs/cub_wiki-ours-0 --epochs 150
      hiertrain evaluate runs/cub_wiki-ours-0
      hiertrain predict runs/cub_wiki-ours-0 photo.jpg
      hiertrain --config runs/cub_wiki-ours-0/config.toml --seed 1
      torchrun --standalone --nproc-per-node 4 -m trainer --hierarchy hierarchies/cub_wiki.json
    """
    # Read when torch is imported, which is later: threads that wait for each other sleep instead of spinning. On a
    # quiet machine that costs a tenth of the speed; on one with other work, where they spin for nothing, it saves most.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if ctx.invoked_subcommand is not None:
        return
    if resume is not None and ctx.default_map:
        raise click.UsageError("--config and --recipe are for a new run; leave them out with --resume.", ctx)
    if ctx.get_parameter_source("data") is ParameterSource.ENVIRONMENT:  # a file that was named says more
        settings["data"] = (ctx.default_map or {}).get("data", settings["data"])
    if settings["hierarchy"] is None and settings["data"] is None and resume is None:
        raise click.UsageError(
            "name a hierarchy file by --hierarchy, nested folders by --data, a run by --resume, or a command.", ctx
        )
    from trainer.runtime.processes import is_main_process

    how = {"reporter": command_reporter(), "stop_on_signals": True}
    run = _train(settings, out, how) if resume is None else _resume(ctx, resume, settings, how)
    if is_main_process():  # of several one speaks
        click.echo(f"{run}: trained; next: hiertrain evaluate {run}")


def _train(settings: dict[str, Any], out: Path | None, how: dict[str, Any]) -> Path:
    from trainer.training.start import train

    return train(**settings, out=out, **how).path


def _resume(ctx: click.Context, path: Path, settings: dict[str, Any], how: dict[str, Any]) -> Path:
    changed = given(ctx, settings)
    if own := sorted(changed - {"hierarchy", *RESUMABLE}):
        raise click.UsageError(f"--{own[0].replace('_', '-')} is the run's own; leave it out with --resume.", ctx)
    from trainer.training.start import resume

    changes = {name: settings[name] for name in changed if name in RESUMABLE}
    return resume(path, hierarchy=settings["hierarchy"], **changes, **how).path
