"""How datasets of images lie on disk: one module per layout, and one table of images (path, label, split) of each.

`read_dataset` finds and reads a dataset, `join` joins it to a hierarchy by class name; `find_dataset`, `apply_split`,
`draw_split` and `label_by` are the steps of these. Nothing here opens an image, and pandas is imported when the first
table is made.
"""

from taxonomy.datasets.conventions import IMAGE_SUFFIXES, SPLITS, split_named
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset
from taxonomy.datasets.find import find_dataset, listed_dataset, read_dataset
from taxonomy.datasets.joining import Joined, join, label_by, learnable
from taxonomy.datasets.named_images import FoundImages, find_images
from taxonomy.datasets.presence import NoImagesError
from taxonomy.datasets.splits import apply_split, draw_split, write_split

__all__ = [
    "IMAGE_SUFFIXES",
    "SPLITS",
    "SPLIT_NAMES",
    "Dataset",
    "FoundImages",
    "Joined",
    "NoImagesError",
    "apply_split",
    "draw_split",
    "find_dataset",
    "find_images",
    "join",
    "label_by",
    "learnable",
    "listed_dataset",
    "read_dataset",
    "split_named",
    "write_split",
]
