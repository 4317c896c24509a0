"""What an experiment consists of: datasets, and cells, each a training with its settings and its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from taxonomy import Hierarchy, HiertaxError
from trainer.config import RUNTIME_FIELDS, Config
from trainer.training.start import resolved

PAPER_DATASETS = {"cub": "CUB-200-2011", "aircraft": "FGVC-Aircraft", "cars": "Stanford Cars"}


@dataclass(frozen=True)
class Source:
    """A dataset of an experiment.

    Attributes
    ----------
    key
        What it is called in names of runs: the name of its hierarchy file without its ending.
    hierarchy
        Its hierarchy file.
    data
        Its folder; None for where sketchbirds are drawn.
    dataset
        Which dataset it is, ``cub``, ``aircraft`` or ``cars`` where it is one of the paper.
    """

    key: str
    hierarchy: Path
    data: str | None
    dataset: str | None

    @classmethod
    def of(cls, hierarchy: Path, data: str | None) -> Source:
        """Take a hierarchy file and a folder of images."""
        return cls(_plain(hierarchy.stem), hierarchy, data, Hierarchy.load(hierarchy).dataset)

    @property
    def title(self) -> str:
        """What a table calls it."""
        return PAPER_DATASETS.get(self.dataset or "", self.key)


@dataclass(frozen=True)
class Cell:
    """One training of an experiment.

    Attributes
    ----------
    source
        The key of its dataset.
    row
        What its row of the table is called: the method, or a variant of it. Cells of one row differ in their seed.
    config
        Its settings.
    """

    source: str
    row: str
    config: Config

    @property
    def name(self) -> str:
        """The name of its run folder: ``DATASET-ROW-SEED``."""
        return f"{self.source}-{_plain(self.row)}-{self.config.seed}"


def _plain(text: str) -> str:
    return re.sub(r"[^\w.]+", "_", text)


def sources_of(hierarchies: Sequence[Path], data: Sequence[str]) -> tuple[Source, ...]:
    """Pair hierarchy files with folders of images.

    Raises
    ------
    HiertaxError
        If there are not as many of both, where there is more than one; or two files have one name.
    """
    if len(data) > 1 and len(data) != len(hierarchies):
        raise HiertaxError(
            f"`data`: {len(data)} folders for {len(hierarchies)} hierarchies; give one folder for each `hierarchy`, in "
            "their order, or one that holds them all"
        )
    folders = [data[0] if data else None] * len(hierarchies) if len(data) < 2 else list(data)
    found = tuple(Source.of(file, folder) for file, folder in zip(hierarchies, folders, strict=True))
    keys = [source.key for source in found]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise HiertaxError(f"`hierarchy`: two are called {twice}, and runs are named after them; rename one")
    return found


def differing_setting(asked: Config, own: Config) -> str | None:
    """Return the first setting of what is learned that differs between what is asked for and what a run has."""
    one, two = resolved(asked).to_json(), own.to_json()
    return next((name for name, value in one.items() if value != two[name] and name not in RUNTIME_FIELDS), None)


def refuse_others(cells: Iterable[Cell], own: Iterable[Config | None], runs: Path) -> None:
    """Refuse to begin where a run that is there already has other settings than are asked for.

    Parameters
    ----------
    own
        The settings of the run of each cell, None where there is none.

    Raises
    ------
    HiertaxError
        The run, the setting, and both of its values.
    """
    for cell, config in zip(cells, own, strict=True):
        if config is not None and (name := differing_setting(cell.config, config)):
            raise HiertaxError(
                f"{runs / cell.name}: was trained with `{name}` {getattr(config, name)}, and "
                f"{getattr(resolved(cell.config), name)} is asked for; give the same, or another `out`"
            )
