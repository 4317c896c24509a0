"""An experiment from what was asked for to what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets.find import LAYOUTS, recognised
from taxonomy.sources import curated
from trainer.config import Config
from trainer.data.labelled import check_place
from trainer.models.pretrained import check_library
from trainer.reproduce.cells import PAPER_DATASETS, Source, sources_of
from trainer.reproduce.experiment import Experiment, Report, Results, Setup
from trainer.runtime.progress import Once, Reporter
from trainer.training.checks import check_weights

SIZES: Final = {"table3": 448}  # pixels per side, where the paper's are not 224
QUICK: Final[Mapping[str, Any]] = {  # settings of a scaled-down version: small networks from nothing, small pictures
    "backbone": "shufflenet_v2_x0_5", "weights": "none", "image_size": 64, "batch_size": 36, "epochs": 3,
    "learning_rate": 0.02, "backbone_learning_rate": 0.02,
}  # fmt: skip
QUICK_SEEDS: Final = {"table3": 1, "fig5": 1}  # others: 2
DRAWN: Final = {"per_class_train": 6, "per_class_test": 5, "size": 64}  # birds of a scaled-down version


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes
    ----------
    hierarchies, data
        Hierarchy files and folders; without hierarchies the paper's datasets are looked for in the one folder.
    given
        Settings, those that are not left at what the experiment takes.
    seeds, methods, out, jobs, quick
        As of `Setup`, and how many runs at a time.
    """

    hierarchies: tuple[Path, ...]
    data: tuple[str, ...]
    given: Mapping[str, Any]
    seeds: int
    methods: tuple[str, ...]
    out: Path
    jobs: int
    quick: bool


def experiment_of(name: str) -> Experiment:
    """Return the file of an experiment."""
    return cast(Experiment, import_module(f"trainer.reproduce.{name.replace('-', '_')}"))


def reproduce(name: str, asked: Asked, command: str, reporter: Reporter) -> tuple[Results, Report, list[Path]]:
    """Carry out an experiment, or what is left of it, and write what it came to.

    Returns
    -------
    The finished runs, what is made of them, and the files that were written.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit, or runs in the folder have other settings.
    Interrupted
        After Ctrl-C or SIGTERM; what was learned is saved.
    """
    reporter = Once(silent=reporter.silent, phrase=reporter.phrase)  # a dataset is read for several reasons
    setup = set_up(name, asked, reporter)
    from trainer.reproduce.running import carry_out
    from trainer.reproduce.writing import write_results

    experiment = experiment_of(name)
    records, missing = carry_out(experiment.cells(setup, reporter), setup.sources, setup.out, asked.jobs, reporter)
    results = Results(setup, records, missing)
    report = experiment.report(results)
    return results, report, write_results(name, experiment.TITLE, results, report, command)


def set_up(name: str, asked: Asked, reporter: Reporter) -> Setup:
    """Settle what an experiment is asked for, and refuse what is not there before torch is imported.

    Raises
    ------
    HiertaxError
        If a hierarchy, images or weights are missing, or settings exclude each other.
    """
    size = SIZES.get(name, 224)
    settings = {"image_size": size, **(QUICK if asked.quick else {}), **asked.given}
    config = Config(**settings)
    check_library(config.backbone)
    check_weights(config)
    sources = _quick_sources(asked.out, reporter) if asked.quick else _sources(asked, reporter)
    for source in sources:
        check_place(replace(config, data=source.data), Hierarchy.load(source.hierarchy))
    return Setup(sources, config, asked.seeds, asked.methods, asked.out, asked.quick, size)


def _sources(asked: Asked, reporter: Reporter) -> tuple[Source, ...]:
    if asked.hierarchies:
        return sources_of(asked.hierarchies, asked.data)
    if len(asked.data) != 1:
        raise HiertaxError(
            "no `hierarchy` is named; name one, or by `data` the folder that the paper's datasets lie in"
        )
    root = Path(asked.data[0])
    found = [name for name in PAPER_DATASETS if _lies_in(root, name)]
    if not found:
        raise HiertaxError(f"{root}: none of {', '.join(PAPER_DATASETS)} lies here; name the `hierarchy` of what does")
    if others := [name for name in PAPER_DATASETS if name not in found]:
        reporter.say(f"{root}: {', '.join(found)} found; without {', '.join(others)}")
    return sources_of([_hierarchy(name, asked.out) for name in found], [str(root)])


def _lies_in(root: Path, name: str) -> bool:
    found = recognised(root, name)
    return found is not None and (found[1] is LAYOUTS[name] or found[0] != root)


def _hierarchy(name: str, out: Path) -> Path:
    """Return the file of a shipped hierarchy in an experiment's folder, written if need be."""
    hierarchy = curated.build(name)
    file = out / "hierarchies" / f"{hierarchy.name}.json"
    if not file.exists():
        hierarchy.save(file)
    return file


def _quick_sources(out: Path, reporter: Reporter) -> tuple[Source, ...]:
    """Draw a few birds."""
    from trainer.sketchbirds import birds, draw_dataset

    folder = out / "data" / "sketchbirds"
    if not folder.exists():
        with reporter.images("drawing", len(birds()) * (DRAWN["per_class_train"] + DRAWN["per_class_test"])) as advance:
            draw_dataset(folder, on_image=advance, **DRAWN)
    return sources_of([_hierarchy("sketchbirds", out)], [str(folder)])


def failures(missing: Mapping[str, str]) -> Sequence[str]:
    """Return why runs are missing, each in a line."""
    return [f"{name}: {why}" for name, why in missing.items()]
