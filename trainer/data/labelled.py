"""What there is to learn from: a dataset on disk, joined to its hierarchy by class name. No image is opened here.

Nothing here needs torch, and pandas is imported when the first table is made, so that a folder without images is told
at once.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets import Dataset, Joined, NoImagesError, apply_split, draw_split, find_dataset, join, write_split
from taxonomy.datasets.find import recognised
from taxonomy.datasets.listing import entries, is_folder
from taxonomy.datasets.matching import Known, match
from taxonomy.datasets.notes import counted, few
from taxonomy.datasets.shard_files import BrokenShardError
from taxonomy.hierarchy import IntArray
from taxonomy.leveling import ImportOptions
from taxonomy.sources.folder import hierarchy_of
from trainer.config import Config
from trainer.data.datasets import ImageDataset, Split

if TYPE_CHECKING:  # they need more than is needed here
    from trainer.runtime.processes import ProcessGroup
    from trainer.runtime.progress import Reporter

SPLIT_FILE: Final = "split.csv"  # in a run folder: which images it trains on and is scored on, where it cannot be found
WHOLE_FILE: Final = "whole_hierarchy.json"  # in a run folder: the hierarchy with taxa of which no class is learned
SPLIT_SEED: Final = 0  # of the test split that is drawn where there is none: runs with different seeds share it


@dataclass(frozen=True, eq=False)
class LabelledDataset:
    """What there is to learn: a dataset joined to its hierarchy.

    Attributes
    ----------
    hierarchy
        The labels of every level, restricted to the classes that have training images.
    dataset
        The images; a label in it is a row of `paths`.
    paths
        int64 ``[L, K]``: the label index at every level. The first rows are the classes, in the order of the hierarchy.
        Rows after these are of taxa that are all that is known of some images, -1 at the finer levels.
    joined
        The table that the images come from.
    is_kept
        Whether a run keeps which images are whose, because the dataset's folder does not say so.
    is_fixed
        Whether the labels are those of a run that is there already, and stay as they are.
    crop
        Whether images are cropped to their boxes.
    """

    hierarchy: Hierarchy
    dataset: ImageDataset
    paths: IntArray
    joined: Joined
    is_kept: bool = False
    is_fixed: bool = False
    crop: bool = False

    @classmethod
    def prepare(
        cls,
        config: Config,
        hierarchy: Hierarchy | None,
        reporter: Reporter,
        group: ProcessGroup | None = None,
        *,
        run: Path | None = None,
    ) -> LabelledDataset:
        """Find the dataset and join it by class name, saying aloud what is left out or assumed, with its count.

        Parameters
        ----------
        config
            Where the dataset is, and its split if the user has one.
        hierarchy
            The labels; None to build them from the folders that the images lie in (then ``data`` must be given).
        group
            The processes that train together, of which one draws the sketchbirds where nothing is.
        run
            The run folder whose labels `hierarchy` is, and whose split is to be used again.

        Raises
        ------
        HiertaxError
            If the dataset cannot be found or read, does not fit the hierarchy, or has nothing to train on or to score;
            then nothing has been written.
        """
        if hierarchy is not None and hierarchy.dataset == "sketchbirds" and config.data is None:
            with nullcontext() if group is None else group.one_by_one():
                draw_if_missing(config.data_folder, reporter)
        found = _find(config, hierarchy)
        split = _split(found, config, run)
        labels = _own_hierarchy(split, config.data_folder) if hierarchy is None else hierarchy
        if run is not None:
            _check_classes(split, labels, run)
        joined = join(split, labels) if run is None else _joined_again(split, labels, run)
        remarks = _remarks(labels, split) if hierarchy is None else []
        if run is None and (found.splits or config.split) and config.test_fraction != Config.test_fraction:
            remarks.append(f"`test_fraction` {config.test_fraction} has no effect: the images have a split already")
        _tell((*joined.dataset.notes, *remarks, *joined.notes), joined, reporter)
        if config.crop_to_box:
            _check_boxes(joined.dataset, reporter)
        task = _labelled(
            joined, split.scored_split, is_kept=split is not found, is_fixed=run is not None, crop=config.crop_to_box
        )
        if run is None:
            _check_validation(task, config, reporter)
        return task

    def without(self, bad: Collection[Path], reporter: Reporter) -> LabelledDataset:
        """Return the dataset without some training images, such as those that cannot be decoded.

        Classes that have no training images left are left out with all that they have, and named.
        """
        files = self.joined.dataset.files()
        joined = self.joined.keep(np.array([file not in bad for file in files]))
        _tell([note for note in joined.notes if note not in self.joined.notes], joined, reporter)
        return _labelled(joined, self.dataset.scored, is_kept=True, is_fixed=False, crop=self.crop)

    def save(self, run: Path) -> None:
        """Keep in a run folder what it takes to prepare the same again: the split, where the dataset does not say it.

        Where images are of taxa of which no class is learned, the whole hierarchy is kept too, which knows them.

        Raises
        ------
        HiertaxError
            If it cannot be written.
        """
        if self.is_kept:
            write_split(self.joined.dataset, run / SPLIT_FILE)
        else:
            (run / SPLIT_FILE).unlink(missing_ok=True)  # of a run that came to nothing
        if self.joined.whole is not None:
            self.joined.whole.save(run / WHOLE_FILE)
        else:
            (run / WHOLE_FILE).unlink(missing_ok=True)


def draw_if_missing(data: Path, reporter: Reporter) -> None:
    """Draw the embedded dataset into ``data/sketchbirds`` where neither holds a dataset yet."""
    from trainer.sketchbirds import PER_CLASS_TEST, PER_CLASS_TRAIN, birds, draw_dataset

    if recognised(data, "sketchbirds") is not None:
        return
    folder = data / "sketchbirds"
    reporter.say(
        f"{folder}: drawing the sketchbirds, {PER_CLASS_TRAIN} training and {PER_CLASS_TEST} test images a class"
    )
    with reporter.images("drawing", len(birds()) * (PER_CLASS_TRAIN + PER_CLASS_TEST)) as advance:
        draw_dataset(folder, on_image=advance)


def check_place(config: Config, hierarchy: Hierarchy | None) -> None:
    """Refuse a dataset's folder that is not there or empty; to read what lies in it may take longer.

    Raises
    ------
    HiertaxError
        As `LabelledDataset.prepare`.
    """
    place = config.data_folder
    is_drawn = hierarchy is not None and hierarchy.dataset == "sketchbirds" and config.data is None
    if not is_drawn and not (is_folder(place) and entries(place)):
        _find(config, hierarchy)


def _find(config: Config, hierarchy: Hierarchy | None) -> Dataset:
    """Find the dataset, as it lies on disk."""
    if hierarchy is None and config.data is None:
        raise HiertaxError("there is neither a hierarchy nor a folder to build one from; name `hierarchy` or `data`")
    name = None if hierarchy is None else hierarchy.dataset
    try:
        return find_dataset(config.data_folder, name, skip_broken=config.skip_bad_images)
    except BrokenShardError as error:
        raise HiertaxError(f"{error}, or go on without such by `skip_bad_images`") from None
    except NoImagesError as error:
        if name == "sketchbirds":
            place = config.data_folder / "sketchbirds"
            raise HiertaxError(
                f"{config.data_folder}: no sketchbirds here; draw them by `hiertrain draw --out {place}`"
            ) from None
        raise HiertaxError(
            f"{error} by `data`; to try without, give `hierarchy` hierarchies/sketchbirds.json alone"
        ) from None


def _split(found: Dataset, config: Config, run: Path | None) -> Dataset:
    """Split the dataset as the run has kept it, as the user's own table says, as its folders say, or by drawing."""
    kept = None if run is None else run / SPLIT_FILE
    if kept is not None and kept.exists():
        return apply_split(found, kept)
    if kept is None and config.split is not None:
        return apply_split(found, config.split)
    if not found.splits and kept is not None:
        raise HiertaxError(f"{kept}: is missing, and {found.root} has no split of its own; restore the file")
    return found if found.splits else draw_split(found, config.test_fraction, SPLIT_SEED)


def _joined_again(dataset: Dataset, labels: Hierarchy, run: Path) -> Joined:
    """Join a dataset by the labels of a run, images of taxa that it had to leave out being known as they were then."""
    if (run / WHOLE_FILE).exists():
        with suppress(HiertaxError):  # another dataset may have too few classes to train
            joined = join(dataset, Hierarchy.load(run / WHOLE_FILE))
            if joined.hierarchy == labels:
                return joined
    return join(dataset, labels, restrict=False)


def _own_hierarchy(dataset: Dataset, place: Path) -> Hierarchy:
    """Build the hierarchy that the dataset itself has, in folders, lists or columns; uneven depth is filled up."""
    command = f"hiertax build --dataset folder --root {shlex.quote(str(place))} --ragged fill"
    return hierarchy_of(dataset, ImportOptions(ragged="fill", source={"kind": "folder", "command": command}))


def _remarks(built: Hierarchy, dataset: Dataset) -> list[str]:
    """Say what hierarchy was built, and from what."""
    sizes = " > ".join(f"{len(level)} {level.name}" for level in built.levels)
    what = _ORIGINS.get(dataset.layout, "lists" if dataset.levels else "folders")
    remarks = [f"hierarchy built from the {what}: {sizes}"]
    if ragged := built.source.get("ragged"):
        classes = counted(ragged["lineages"], "class", "classes")
        less_deep = f"folders of {classes} lie" if what == "folders" else f"lineages of {classes} are"
        remarks.append(
            f"{less_deep} less deep than others; {counted(ragged['taxa'], 'taxon', 'taxa')} added above these"
        )
    return remarks


_ORIGINS: Final = {"manifest": "table", "imagefolder": "table", "webdataset": "shards", "parquet": "shards"}


def _check_classes(dataset: Dataset, labels: Hierarchy, run: Path) -> None:
    """Refuse a dataset in which classes of a run have no place."""
    known = Known(labels.classes, [level.labels for level in labels.levels], labels.paths)
    present = set(match(dataset.classes, known).codes.tolist())
    if lost := [name for i, name in enumerate(labels.classes) if i not in present]:
        raise HiertaxError(
            f"{dataset.root}: lacks {len(lost)} of the {len(labels.classes)} classes that {run} was trained on: "
            f"{few(lost)}; name the dataset it was trained on by `data`"
        )


def _tell(notes: Iterable[str], joined: Joined, reporter: Reporter) -> None:
    for note in notes:
        reporter.say(f"{joined.dataset.root}: {note}")


def _labelled(joined: Joined, scored: str | None, *, is_kept: bool, is_fixed: bool, crop: bool) -> LabelledDataset:
    """Take the images to train on, to validate on and to score out of the table."""
    dataset = joined.dataset
    scored = scored or "test"
    names = {"train": "train", "test": scored} | ({"val": "val"} if scored == "test" else {})
    splits = {part: _images(dataset, name, crop=crop) for part, name in names.items()}
    if not splits["test"]:
        raise HiertaxError(f"{dataset.root}: no {scored} image is of a class that is trained; add some")
    images = ImageDataset(dataset.root, joined.hierarchy.classes, scored=scored, **splits)
    return LabelledDataset(joined.hierarchy, images, joined.label_paths, joined, is_kept, is_fixed, crop)


def _images(dataset: Dataset, split: str, *, crop: bool) -> Split:
    rows = dataset.rows(split)
    files, boxes = dataset.files(rows), dataset.boxes
    if crop and boxes is not None:
        from trainer.data.boxes import with_boxes  # it needs Pillow

        files = with_boxes(files, boxes[rows])
    return Split(tuple(files), dataset.labels[rows])


def _check_boxes(dataset: Dataset, reporter: Reporter) -> None:
    """Refuse to crop images where no box is known, and say how many have none."""
    boxes = dataset.boxes
    without = len(dataset) if boxes is None else int(np.isnan(boxes).any(axis=1).sum())
    if without == len(dataset):
        raise HiertaxError(f"{dataset.root}: of no image a box is known; leave out `crop_to_box`")
    if without:
        whole = "has no box and is" if without == 1 else "have no box and are"
        reporter.say(f"{dataset.root}: {without:,} of {counted(len(dataset), 'image')} {whole} taken whole")


def _check_validation(task: LabelledDataset, config: Config, reporter: Reporter) -> None:
    """Refuse to wait for a better validation where there are no images for it, and say which of two are taken."""
    root, own = task.dataset.root, len(task.dataset.val)
    if config.patience is not None and not config.val_fraction and not own:
        raise HiertaxError(
            f"`patience` {config.patience}: there are no images to validate on in {root}; give `val_fraction`, such as "
            "0.1"
        )
    if config.val_fraction and own:
        reporter.say(f"{root}: {counted(own, 'val image')} not used; validated is on a share of the training images")
