"""A trained run as one object."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainer.evaluation.scores import SCORED, Scores
from trainer.evaluation.scoring import evaluate as score
from trainer.evaluation.scoring import label_runs
from trainer.explanation.explain import THRESHOLD, Explanation, MapSettings
from trainer.explanation.explain import explain as explain_image
from trainer.explanation.gradcam import Gamma
from trainer.inference.answering.wishes import make_wishes
from trainer.inference.batches import ImageLike
from trainer.inference.decoding import Rule
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import Where
from trainer.inference.tables.formats import FormatName
from trainer.inference.tables.job import TableJob
from trainer.inference.tables.write import Written, write_table
from trainer.runs.folder import Run
from trainer.runtime.progress import Reporter, reporter_of


class Model(Predictor):
    """A trained run: what it answers, how good the answers are, and what lies behind them.

    It never changes, and may be used for any number of images.

    Examples
    --------
    >>> import trainer
    >>> model = trainer.load("runs/patches", device="cpu")
    >>> model.hierarchy.sizes
    (2, 4)
    >>> answers = model.predict("data/test/red")
    >>> len(answers), answers[0].image
    (3, 'data/test/red/0.png')
    >>> [link.level for link in answers[0].chain]
    ['tone', 'colour']
    >>> answers.to_frame().columns.to_list()
    ['image', 'tone', 'tone_probability', 'colour', 'colour_probability']

    Pictures that are in memory already, as Pillow or NumPy have them:

    >>> import numpy as np
    >>> grey = np.full((40, 30), 128, dtype=np.uint8)
    >>> [answer.image for answer in model.predict([grey, grey])]
    ['image 0', 'image 1']
    >>> [level.shape for level in model.logits(np.zeros((5, 64, 64, 3), dtype=np.uint8))]
    [(5, 2), (5, 4)]
    >>> model.features("data/test/red/0.png").shape
    (1, 1024)

    How good it is:

    >>> scores = model.evaluate()
    >>> scores.n
    11
    >>> scores.path.tree_inconsistency
    0.0
    >>> print(scores.to_frame()[["rule", "level", "labels", "known"]].to_string(index=False))
           rule  level  labels  known
    independent   tone       2     11
    independent colour       4     11
           path   tone       2     11
           path colour       4     11
    """

    def predict_table(
        self,
        images: Iterable[str | os.PathLike[str]],
        out: str | os.PathLike[str],
        *,
        format: FormatName | None = None,  # noqa: A002 - as the option is called
        overwrite: bool = False,
        reporter: Reporter | bool | None = None,
        **wishes: Any,
    ) -> Written:
        """Write what `predict` says of any number of images as a table with a row for each, in little memory.

        An image that cannot be read has a row with the reason. Answers are kept in ``OUT.part`` as they come, and a
        call of the same arguments after a sudden end goes on with them.

        Parameters
        ----------
        images
            Paths of image files, of folders, which stand for all images below them, and of shards.
        out
            The file to write: CSV, JSON Lines, Parquet or Excel, by its suffix.
        format
            Another format for it: ``darwin-core`` (.csv) or ``camera-trap`` (.json); see docs/predicting.md.
        overwrite
            Whether a table that is there, or answers of another run or other settings, make way.
        reporter
            Who tells how far it is, True for a bar on stderr; without one nothing is shown.
        **wishes
            How to answer, as of `predict`.

        Raises
        ------
        HiertaxError
            If there are no images, the table is there already or cannot be written, or it cannot be answered as is
            wished for.
        """
        job = TableJob.of(images, out, format=format, overwrite=overwrite)
        model = self.wishing(make_wishes(wishes), reporter) if wishes else self
        return write_table(job, model, reporter_of(reporter))

    def export(self, path: str | Path, *, to: str | None = None, precision: str = "fp32") -> Path:
        """Write the run as one file for elsewhere: ONNX, torch's own ``.pt2``, or safetensors (docs/export.md).

        Parameters
        ----------
        path
            The file; one that is there is replaced.
        to
            ``onnx``, ``pt2`` or ``safetensors``; by the file's suffix where not given.
        precision
            What weights are stored in: ``fp32``, or, for onnx, ``fp16``, ``bf16`` or ``int8``.

        Raises
        ------
        HiertaxError
            If the folder is not there, the file cannot be written, or the network cannot be exported.
        """
        from trainer.export.write import export

        return export(self, path, to=to, precision=precision)

    def evaluate(
        self,
        data: str | Path | None = None,
        *,
        skip_bad_images: bool | None = None,
        cache: str = "auto",
        workers: int | None = None,
        rules: Sequence[Rule] = SCORED,
        reporter: Reporter | bool | None = None,
    ) -> Scores:
        """Score the run on every test image of its dataset.

        Parameters
        ----------
        data
            The dataset's folder, if it is no longer where the run found it.
        skip_bad_images
            Whether to go on without images that cannot be decoded; as the run did where not given.
        cache, workers
            See `trainer.Config`.
        rules
            How to take labels from what the heads say: any of ``independent``, ``leaf``, ``greedy``, ``path``,
            ``chain`` and ``beam`` (docs/evaluation.md).
        reporter
            Who tells how far it is, True for a bar on stderr; without one nothing is shown.

        Raises
        ------
        HiertaxError
            If the dataset cannot be read, or has other classes than the run was trained on.
        """
        return score(
            self, reporter_of(reporter), data=data, skip_bad_images=skip_bad_images, cache=cache, workers=workers,
            rules=rules,
        )  # fmt: skip

    def explain(self, image: ImageLike, *, gamma: Gamma = "as-trained", threshold: float = THRESHOLD) -> Explanation:
        """Show where each level's head looked in an image, by Grad-CAM.

        Parameters
        ----------
        image
            A path of an image, a Pillow image, or a uint8 array ``[H, W, 3]`` or ``[H, W]``.
        gamma
            ``as-trained``: the map of a coarse level leaves out the finer features that its head reads, as their
            gradients are stopped in training; ``off``: it shows them too. Answers are the same.
        threshold
            The share of a map's maximum from which on a place counts as looked at.

        Raises
        ------
        HiertaxError
            If the image cannot be decoded, there is more than one, or the network has no map to show.
        """
        return explain_image(self, image, MapSettings(gamma, threshold))

    def report(
        self,
        path: str | Path,
        *,
        images: Iterable[str | Path] = (),
        data: str | Path | None = None,
        skip_bad_images: bool | None = None,
        cache: str = "auto",
        workers: int | None = None,
        reporter: Reporter | bool | None = None,
    ) -> Path:
        """Write one HTML page on the run, as `hiertrain report` does (docs/reporting.md).

        Parameters
        ----------
        path
            The file; one that is there is replaced.
        images
            Image files or folders to show too.
        data, skip_bad_images, cache, workers, reporter
            As of `evaluate`.

        Raises
        ------
        HiertaxError
            If the log or one of the images cannot be read, or the file cannot be written. A run whose test images are
            not at hand is shown without scores.
        """
        from taxonomy.datasets import find_images
        from trainer.reporting.report import write_report

        found = find_images([Path(image) for image in images])
        where = Where(data=data, skip_bad_images=skip_bad_images, cache=cache, workers=workers)
        runs = dict.fromkeys(label_runs([self.run]), self)
        write_report(runs, Path(path), reporter_of(reporter), images=found.paths, **where)
        return Path(path)


def load(run: Run | str | Path, *, device: str = "auto", local_rank: int = 0) -> Model:
    """Load a trained run, or an ONNX file that was made of one.

    Parameters
    ----------
    run
        The run that `trainer.train` returns, or its folder. Where it kept the weights of the best validation, those
        answer, else the last. Or a file ``.onnx`` that `Model.export` wrote.
    device
        ``cpu``, ``cuda`` or ``auto``.
    local_rank
        Which of a machine's GPUs is meant by ``cuda``.

    Raises
    ------
    HiertaxError
        If there is no run, it is truncated or changed, or this machine has no such device.

    Examples
    --------
    >>> import trainer
    >>> model = trainer.load("runs/patches", device="cpu")
    >>> model.config.method, model.epoch
    ('ours', 2)
    """
    path = Path(run.path if isinstance(run, Run) else run)
    if path.suffix == ".onnx" and not path.is_dir():
        from trainer.api.exported import ExportedModel  # which imports this module

        return ExportedModel.open(path, device)
    return Model.load(path, device=device, local_rank=local_rank)


def evaluate(
    run: Run | str | Path,
    data: str | Path | None = None,
    *,
    device: str = "auto",
    skip_bad_images: bool | None = None,
    cache: str = "auto",
    workers: int | None = None,
    rules: Sequence[Rule] = SCORED,
    reporter: Reporter | bool | None = None,
) -> Scores:
    """Score a trained run on every test image of its dataset: `load`, then `Model.evaluate`.

    Parameters
    ----------
    run, device
        As of `load`.
    data, skip_bad_images, cache, workers, rules, reporter
        As of `Model.evaluate`.

    Raises
    ------
    HiertaxError
        As both.

    Examples
    --------
    >>> import trainer
    >>> scores = trainer.evaluate("runs/patches", device="cpu")
    >>> scores.to_json()["rules"]["path"]["levels"][0]["labels"]
    2
    """
    model = load(run, device=device)
    return model.evaluate(
        data, skip_bad_images=skip_bad_images, cache=cache, workers=workers, rules=rules, reporter=reporter
    )


def explain(
    run: Run | str | Path,
    image: ImageLike,
    *,
    device: str = "auto",
    gamma: Gamma = "as-trained",
    threshold: float = THRESHOLD,
) -> Explanation:
    """Show where each level's head of a trained run looked in an image: `load`, then `Model.explain`.

    Parameters
    ----------
    run, device
        As of `load`.
    image, gamma, threshold
        As of `Model.explain`.

    Raises
    ------
    HiertaxError
        As both.

    Examples
    --------
    >>> import trainer
    >>> trainer.explain("runs/patches", "data/test/red/0.png", device="cpu").levels
    ('tone', 'colour')
    """
    return load(run, device=device).explain(image, gamma=gamma, threshold=threshold)
