"""The label array that hiclass trains on: ``.npy`` of text ``[N, K]``, a lineage per class, coarsest first.

Index it by the class numbers of the samples to get their labels: ``y = np.load("y.npy")[class_index]``.
hiclass pads short lineages with empty text at the end; such cells are read as gaps, and so are ``None`` and ``nan``,
which is what an array of objects has there once it is text.
"""

from __future__ import annotations

import io
import warnings

import numpy as np

from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_table


def write(hierarchy: Hierarchy) -> bytes:
    """Return the bytes of a ``.npy`` file with the labels as fixed-width text ``[N, K]``, N classes in order."""
    columns = [np.array(level.labels)[hierarchy.paths[:, k]] for k, level in enumerate(hierarchy.levels)]
    out = io.BytesIO()
    np.save(out, np.stack(columns, axis=1), allow_pickle=False)
    return out.getvalue()


def read(content: bytes, reading: ImportOptions) -> Hierarchy:
    """Read such an array; equal rows are one class.

    Raises
    ------
    HierarchyError
        If it is not a two-dimensional array of text, or breaks a rule.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of headers as Python 2 wrote them, which are read all the same
            labels = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # its header is a Python literal, and NumPy lets pass whatever reading that raises
        if "allow_pickle" in str(error):
            raise HierarchyError(
                "an array of Python objects, which may run code when it is read; "
                "save labels.astype(str) instead, with '' for a gap"
            ) from None
        reason = " ".join(str(error).split())[:200]
        raise HierarchyError(f"not a .npy array of text: {reason}; save it by numpy.save") from None
    if (
        not isinstance(labels, np.ndarray)
        or labels.ndim != 2
        or labels.dtype.kind != "U"
        or 0 in (*labels.shape, labels.itemsize)
    ):
        raise HierarchyError("not a .npy array of text [N, K]; save labels.astype(str), one column per level")
    codes = np.ascontiguousarray(labels).view(np.dtype("u4").newbyteorder(labels.dtype.byteorder))
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise HierarchyError("the array holds what is no text; save labels.astype(str) anew")
    levels = reading.levels or tuple(f"level {k + 1}" for k in range(labels.shape[1]))
    if len(levels) != labels.shape[1]:
        raise HierarchyError(f"{len(levels)} level names ({', '.join(levels)}) for {labels.shape[1]} columns")
    return from_table([tuple(row) for row in labels.tolist()], levels, reading)
