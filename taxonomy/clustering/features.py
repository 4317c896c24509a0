"""The feature file: deep features of labelled samples, as ``.npz`` without pickles.

Whatever order a file lists its classes and samples in, it is read into one canonical order: classes by
name, the samples of a class by their bytes. All that follows therefore depends on the set of samples only.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taxonomy.errors import HiertaxError
from taxonomy.files import write_atomic
from taxonomy.hierarchy import IntArray

SHIPPED = Path(__file__).parents[1] / "data" / "sketchbirds_features.npz"

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Features:
    """Labelled feature vectors in canonical order; made by `make_features`.

    Attributes
    ----------
    features
        float32 ``[N, D]``, sorted by class.
    labels
        int64 ``[N]``, ascending; indexes `classes`.
    classes
        The C class names, sorted; each has a sample.
    provenance
        What the features are: ``dataset``, ``root``, ``backbone``, ``command`` and whatever else is known.
    weights
        float32 ``[C, E]``: per class its row of a trained classifier's last layer.
    confusion
        float32 ``[C, C]``: how often the class of a row was taken for that of a column, on held-out training data.
    """

    features: Float32
    labels: IntArray
    classes: tuple[str, ...]
    provenance: Mapping[str, Any]
    weights: Float32 | None = None
    confusion: Float32 | None = None

    @cached_property
    def starts(self) -> IntArray:
        """int64 ``[C]``: where the samples of each class begin."""
        return np.searchsorted(self.labels, np.arange(len(self.classes)))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of all arrays and class names: the same for the same samples in whatever order."""
        digest = hashlib.sha256(json.dumps([self.features.shape, self.classes]).encode())
        for array in (self.features, self.labels, self.weights, self.confusion):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).data)
        return digest.hexdigest()


def make_features(
    features: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[str],
    provenance: Mapping[str, Any] | None = None,
    *,
    weights: ArrayLike | None = None,
    confusion: ArrayLike | None = None,
) -> Features:
    """Check feature arrays and put them in canonical order.

    Parameters
    ----------
    features, labels, classes
        ``[N, D]`` numbers, ``[N]`` class indices, C class names; in any order.
    provenance
        Where they come from, as JSON values.
    weights, confusion
        Optional ``[C, E]`` and ``[C, C]``, in the order of `classes`.

    Raises
    ------
    HiertaxError
        On the first fault, with its place and cure.
    """
    names = _names(classes)
    samples = _matrix("features", features)
    index = _labels(labels, len(samples), names)
    _finite("features", samples, lambda i: f" (class {names[index[i]]!r})")
    by_name = np.argsort(np.array(names), kind="stable")
    extra = {
        "weights": None if weights is None else _per_class("weights", weights, names)[by_name],
        "confusion": None if confusion is None else _confusion(confusion, names)[np.ix_(by_name, by_name)],
    }
    index = np.argsort(by_name)[index]
    order = np.argsort(_row_bytes(samples), kind="stable")
    order = order[np.argsort(index[order], kind="stable")]
    return Features(samples[order], index[order], tuple(names[i] for i in by_name), dict(provenance or {}), **extra)


def read_features(path: Path) -> Features:
    """Read a feature file, without running any code it may hold.

    Raises
    ------
    HiertaxError
        If it is not a feature file, or its content is faulty: the file, the place and the cure.
    """
    arrays = _load(path)
    try:
        for name in ("features", "labels", "classes"):
            if name not in arrays:
                raise HiertaxError(f"has no array {name!r}; write the file anew with `hiertrain extract`")
        return make_features(
            arrays["features"], arrays["labels"], _text(arrays["classes"]), _provenance(arrays.get("provenance")),
            weights=arrays.get("weights"), confusion=arrays.get("confusion"),
        )  # fmt: skip
    except HiertaxError as error:
        raise HiertaxError(f"{path}: {error}") from None


def write_features(
    path: Path,
    features: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[str],
    provenance: Mapping[str, Any],
    *,
    weights: ArrayLike | None = None,
    confusion: ArrayLike | None = None,
) -> Features:
    """Check features, write them atomically as ``.npz``, and return them; equal input gives equal bytes.

    Parameters are those of `make_features`.

    Raises
    ------
    HiertaxError
        If the arrays are faulty or the file cannot be written.
    """
    made = make_features(features, labels, classes, provenance, weights=weights, confusion=confusion)
    arrays: dict[str, NDArray[Any]] = {
        "features": made.features,
        "labels": made.labels,
        "classes": np.array(made.classes),
        "provenance": np.array(json.dumps(made.provenance, ensure_ascii=False, sort_keys=True)),
    }
    arrays |= {k: v for k, v in (("weights", made.weights), ("confusion", made.confusion)) if v is not None}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getvalue())
    return made


def find_features(folder: Path, shipped: Path = SHIPPED) -> Path:
    """Return ``features.npz`` of a folder, or else the small file that the package ships.

    Raises
    ------
    HiertaxError
        If there is neither.
    """
    for path in (folder / "features.npz", shipped):
        if path.is_file():
            return path
    raise HiertaxError(
        f"features.npz: there is none in {folder.resolve()}; name a feature file with --features, or run "
        "`hiertrain extract`"
    )


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):  # of headers as Python 2 wrote them
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise HiertaxError(f"{path}: a single array, not a feature file; write one with `hiertrain extract`")
            return {name: archive[name] for name in archive.files}
    except HiertaxError:
        raise
    except OSError as error:
        raise HiertaxError(f"{path}: {os.strerror(error.errno) if error.errno else error}; check the path") from None
    except Exception as error:  # a header is a Python literal, and NumPy lets pass whatever reading that raises
        reason = "it holds Python objects" if "Object arrays" in str(error) else "it is damaged or of another kind"
        raise HiertaxError(f"{path}: not a feature file: {reason}; write it anew with `hiertrain extract`") from None


def _names(classes: Sequence[str]) -> list[str]:
    names = [str(name) for name in classes]
    if not names:
        raise HiertaxError("classes: there is none; give at least one class name")
    for i, name in enumerate(names):
        if not name.strip():
            raise HiertaxError(f"classes[{i}]: a class has no name; name it")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise HiertaxError(f"classes[{names.index(twice)}]: {twice!r} is listed twice; give every class its own name")
    return names


def _matrix(name: str, values: ArrayLike) -> Float32:
    array = np.asarray(values)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiu":
        raise HiertaxError(
            f"{name}: {array.dtype} of shape {list(array.shape)}, not a table of numbers; give one row per "
            f"{'sample' if name == 'features' else 'class'}"
        )
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is reported as such
        table: Float32 = array.astype(np.float32)
    table += 0  # makes -0 and 0 the same bytes
    return table


def _finite(name: str, table: Float32, whose: Any) -> None:
    bad = np.flatnonzero(~np.isfinite(np.einsum("ij->i", table, dtype=np.float64)))
    if bad.size:
        raise HiertaxError(
            f"{name}[{bad[0]}]{whose(bad[0])}: holds NaN or infinity, {bad.size} such rows in all; "
            "leave them out or compute them anew"
        )


def _labels(labels: ArrayLike, count: int, names: list[str]) -> IntArray:
    array = np.asarray(labels)
    if array.dtype.kind not in "iu" or array.shape != (count,):
        raise HiertaxError(
            f"labels: {array.dtype} of shape {list(array.shape)}; give {count} integers, one per row of features"
        )
    outside = np.flatnonzero((array < 0) | (array >= len(names)))
    if outside.size:
        raise HiertaxError(
            f"labels[{outside[0]}]: {array[outside[0]]} is not the index of a class; they go from 0 to {len(names) - 1}"
        )
    index = array.astype(np.int64)
    empty = np.flatnonzero(np.bincount(index, minlength=len(names)) == 0)
    if empty.size:
        raise HiertaxError(
            f"classes[{empty[0]}]: {names[empty[0]]!r} has no sample, {empty.size} such classes in all; "
            "add samples or leave the class out"
        )
    return index


def _per_class(name: str, values: ArrayLike, names: list[str]) -> Float32:
    table = _matrix(name, values)
    if len(table) != len(names):
        raise HiertaxError(f"{name}: {len(table)} rows for {len(names)} classes; give every class its row")
    _finite(name, table, lambda i: f" (class {names[i]!r})")
    return table


def _confusion(values: ArrayLike, names: list[str]) -> Float32:
    table = _per_class("confusion", values, names)
    if table.shape[1] != len(names) or table.min() < 0 or not table.any(axis=1).all():
        raise HiertaxError(
            "confusion: not a square table of counts or shares with something in every row; "
            "count the predictions on held-out samples of every class"
        )
    return table


def _row_bytes(table: Float32) -> NDArray[Any]:
    """View each row as one opaque value, so that rows can be sorted."""
    return np.ascontiguousarray(table).view(np.dtype((np.void, table.shape[1] * 4))).ravel()


def _text(classes: NDArray[Any]) -> list[str]:
    if classes.dtype.kind != "U" or classes.ndim != 1:
        raise HiertaxError(f"classes: {classes.dtype} of shape {list(classes.shape)}; give a list of names")
    return [str(name) for name in classes]


def _provenance(value: NDArray[Any] | None) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        read = json.loads(str(value[()]))
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise HiertaxError("provenance: not a JSON object; give facts as keys and values")
    return read
