"""The colour patches of `conftest` in shards, as their usual writers write them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COLOURS = {"red": (200, 40, 40), "orange": (220, 140, 40), "blue": (40, 60, 200), "teal": (30, 160, 150)}
CLASSES = tuple(COLOURS)
SIZES = {"train": 48, "test": 16}
SHARDS = {"train": 6, "test": 2}  # eight in all


def picture(name, number):
    """The bytes of a noisy patch; each number another one."""
    rng = np.random.default_rng(number)
    pixels = np.clip(rng.normal(COLOURS[name], 40, (40, 36, 3)), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def samples(split):
    """The samples of a split: number, class, bytes; the classes in turn."""
    first = 0 if split == "train" else SIZES["train"]
    for i in range(SIZES[split]):
        label = i % len(CLASSES)
        yield first + i, label, picture(CLASSES[label], first + i)


def write_webdataset(root):
    """Write eight tar files by WebDataset's own writer, and the names of its numbers."""
    import webdataset

    root.mkdir(parents=True)
    for split, count in SIZES.items():
        pattern = str(root / f"patches-{split}-%06d.tar")
        with webdataset.ShardWriter(pattern, maxcount=count // SHARDS[split], verbose=0) as writer:
            for number, label, content in samples(split):
                writer.write({"__key__": f"{number:06d}", "png": content, "cls": label})
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def huggingface(names):
    """The metadata that Hugging Face writes for images with labels."""
    features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def parquet_table(rows, names=CLASSES):
    """A table of images as structs of bytes and path, with labels by number."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", image), ("label", pa.int64())], metadata=huggingface(names))
    images = [{"bytes": content, "path": f"{number}.png"} for number, _, content in rows]
    return pa.table({"image": images, "label": [label for _, label, _ in rows]}, schema=schema)


def write_parquet(root):
    """Write eight Parquet files as Hugging Face does, of several row groups each."""
    (root / "data").mkdir(parents=True)
    for split in SIZES:
        rows, count = list(samples(split)), SHARDS[split]
        each = len(rows) // count
        for i in range(count):
            file = root / "data" / f"{split}-{i:05d}-of-{count:05d}.parquet"
            pq.write_table(parquet_table(rows[i * each : (i + 1) * each]), file, row_group_size=3)
    return root


WRITERS = {"webdataset": write_webdataset, "parquet": write_parquet}


def truncate(shard: Path, size: int) -> Path:
    """Cut a file off."""
    shard.write_bytes(shard.read_bytes()[:size])
    return shard
