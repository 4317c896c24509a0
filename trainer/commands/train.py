"""``hiertrain``: train, or go on with a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainer.commands.options import Sectioned, option, options
from trainer.commands.parameters import FILE, RUN, given
from trainer.config import RUNTIME_FIELDS, Config, read_settings

if TYPE_CHECKING:
    from trainer.runtime.progress import Reporter


def _take_from_file(ctx: click.Context, _param: click.Parameter, file: Path | None) -> None:
    """Let a file set what the command line leaves open."""
    if file is not None:
        ctx.default_map = read_settings(file)


@click.group(cls=Sectioned, invoke_without_command=True)
@click.version_option(package_name="hiertax")
@click.option(
    "--config", type=FILE, is_eager=True, expose_value=False, callback=_take_from_file,
    help="Settings from a TOML file, such as the config.toml of a run; options given beside it win.",
)  # fmt: skip
@option("hierarchy", type=FILE)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder [runs/HIERARCHY-METHOD-SEED]."
)
@click.option("--resume", type=RUN, help="Go on with a run; what is learned, and how, is its own.")
@options(*(name for name in Config.__dataclass_fields__ if name != "hierarchy"))
@click.pass_context
def main(ctx: click.Context, /, out: Path | None, resume: Path | None, **settings: Any) -> None:
    """Train a classifier that answers at every level of a label hierarchy.

    \b
    Example:
      hiertrain --hierarchy hierarchies/cub_wiki.json --data CUB_200_2011
      hiertrain --data photos
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
        raise click.UsageError("--config is for a new run; leave it out with --resume.", ctx)
    if settings["hierarchy"] is None and settings["data"] is None and resume is None:
        raise click.UsageError(
            "name a hierarchy file by --hierarchy, nested folders by --data, a run by --resume, or a command.", ctx
        )
    from trainer.runtime.progress import Reporter

    reporter = Reporter()
    if resume is not None:
        run = _resume(ctx, resume, settings, reporter)
    else:
        places = {name: None if settings[name] is None else str(settings[name]) for name in ("hierarchy", "data")}
        run = _train(Config(**settings | places), out, reporter)
    if not reporter.console.quiet:  # of several processes one speaks
        click.echo(f"{run}: trained; next: hiertrain evaluate {run}")


def _train(config: Config, out: Path | None, reporter: Reporter) -> Path:
    from trainer.training.start import train

    return train(config, out or _new_folder(config), reporter).path


def _resume(ctx: click.Context, path: Path, settings: dict[str, Any], reporter: Reporter) -> Path:
    changed = given(ctx, settings)
    if own := sorted(changed - {"hierarchy", *RUNTIME_FIELDS}):
        raise click.UsageError(f"--{own[0].replace('_', '-')} is the run's own; leave it out with --resume.", ctx)
    from trainer.training.start import resume

    changes = {name: settings[name] for name in changed if name in RUNTIME_FIELDS}
    return resume(path, changes, reporter, hierarchy=settings["hierarchy"]).path


def _new_folder(config: Config) -> Path:
    """Return the first of ``runs/NAME``, ``runs/NAME-2``, ... that does not exist."""
    name = config.data_folder.resolve().name if config.hierarchy is None else Path(config.hierarchy).stem
    base = Path("runs") / f"{name}-{config.method}-{config.seed}"
    candidates = (base, *(base.with_name(f"{base.name}-{i}") for i in range(2, 1000)))
    return next(folder for folder in candidates if not folder.exists())
