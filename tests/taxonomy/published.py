"""Small copies of published datasets, in exactly their publishers' form; images are empty files unless painted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat


def touch(root: Path, *files: str) -> Path:
    """Make empty files."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def lines(file: Path, *text: str) -> None:
    """Write a text file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(text) + "\n")


def paint(root: Path) -> Path:
    """Draw the images that are empty files: noise, each other than all others."""
    files = sorted(path for path in root.rglob("*.jpg") if not path.stat().st_size)
    for file, pixels in zip(files, np.random.default_rng(0).integers(0, 256, (len(files), 32, 40, 3)), strict=True):
        Image.fromarray(pixels.astype(np.uint8)).save(file)
    return root


# ---------------------------------------------------------------- CUB

CUB = [("1", "1", 1), ("2", "1", 1), ("3", "2", 1), ("7", "2", 1), ("5", "1", 0), ("6", "2", 0)]
CUB_CLASSES = {"1": "001.Black_footed_Albatross", "2": "002.Laysan_Albatross"}


def cub(root: Path) -> Path:
    """Write CUB-200-2011's lists for two classes."""
    lines(root / "classes.txt", *(f"{number} {name}" for number, name in CUB_CLASSES.items()))
    files = {image: f"{CUB_CLASSES[kind]}/{CUB_CLASSES[kind][4:]}_{image:0>4}_{kind}.jpg" for image, kind, _ in CUB}
    lines(root / "images.txt", *(f"{image} {file}" for image, file in files.items()))
    lines(root / "image_class_labels.txt", *(f"{image} {kind}" for image, kind, _ in CUB))
    lines(root / "train_test_split.txt", *(f"{image} {is_train}" for image, _, is_train in CUB))
    lines(root / "bounding_boxes.txt", *(f"{image} 1.0 2.0 30.0 20.0" for image, _, _ in CUB))
    return touch(root, *(f"images/{file}" for file in files.values()))


# ---------------------------------------------------------------- aircraft

PLANES = {
    "0034309": ("Boeing", "Boeing 707", "707-320", "train"),
    "0034958": ("Boeing", "Boeing 737", "737-200", "val"),
    "1025794": ("McDonnell Douglas", "F/A-18", "F/A-18", "train"),
    "1340192": ("McDonnell Douglas", "F/A-18", "F/A-18", "test"),
    "0056978": ("Boeing", "Boeing 737", "737-200", "test"),
}


def aircraft(root: Path) -> Path:
    """Write FGVC-Aircraft's ``data/``: a list per level and part, names with spaces and slashes."""
    data = root / "data"
    parts = {"train": ["train"], "val": ["val"], "trainval": ["train", "val"], "test": ["test"]}
    for k, level in enumerate(("manufacturer", "family", "variant")):
        for part, splits in parts.items():
            rows = [f"{image} {row[k]}" for image, row in PLANES.items() if row[3] in splits]
            lines(data / f"images_{level}_{part}.txt", *rows)
    lines(data / "variants.txt", "707-320", "737-200", "F/A-18")
    lines(data / "families.txt", "Boeing 707", "Boeing 737", "F/A-18")
    lines(data / "manufacturers.txt", "Boeing", "McDonnell Douglas")
    lines(data / "images_box.txt", *(f"{image} 3 90 994 560" for image in PLANES))
    touch(data, *(f"images/{image}.jpg" for image in PLANES))
    return root


# ---------------------------------------------------------------- cars

MODELS = ("AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012")


def annotations(rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Return rows as a struct array of MATLAB."""
    rows = list(rows)
    kind = [(name, object) for name in rows[0]]
    return np.array([[tuple(row.values()) for row in rows]], dtype=kind)


def car(fname: str, kind: int | None) -> dict[str, Any]:
    box = {"bbox_x1": 39, "bbox_y1": 116, "bbox_x2": 569, "bbox_y2": 375}
    return {**box, **({} if kind is None else {"class": kind}), "fname": fname}


def cells(names: Sequence[str]) -> np.ndarray:
    made = np.empty((1, len(names)), dtype=object)
    made[0, :] = names
    return made


def cars(root: Path, *, labelled: bool = True) -> Path:
    """Write Stanford Cars: the devkit, and the labels of the test images beside it."""
    devkit = root / "devkit"
    devkit.mkdir(parents=True)
    savemat(devkit / "cars_meta.mat", {"class_names": cells(MODELS)})
    trained = [car("00001.jpg", 2), car("00002.jpg", 1), car("00003.jpg", 1)]
    savemat(devkit / "cars_train_annos.mat", {"annotations": annotations(trained)})
    savemat(devkit / "cars_test_annos.mat", {"annotations": annotations([car("00001.jpg", None)])})
    if labelled:
        savemat(root / "cars_test_annos_withlabels.mat", {"annotations": annotations([car("00001.jpg", 2)])})
    return touch(root, *(f"cars_train/0000{i}.jpg" for i in (1, 2, 3)), "cars_test/00001.jpg")


def cars_in_folders(root: Path) -> Path:
    """Write Stanford Cars as the copies that are left on the web: folders, and a list of names beside them."""
    names = [name.replace("/", "-") for name in MODELS]
    lines(root / "names.csv", *names)
    inner = [f"{split}/{name}/0000{i}.jpg" for split in ("train", "test") for name in names for i in (1, 2)]
    return touch(root, *(f"car_data/car_data/{file}" for file in inner))


CARS_IN_ONE = (("car_ims/000001.jpg", 112, 7, 853, 717, 1, 0), ("car_ims/000002.jpg", 48, 24, 441, 202, 2, 1))
MORE_CARS = (*CARS_IN_ONE, ("car_ims/000003.jpg", 1, 2, 30, 20, 2, 0), ("car_ims/000004.jpg", 1, 2, 30, 20, 1, 1))


def cars_in_one(root: Path, rows: Sequence[tuple[str | int, ...]] = CARS_IN_ONE) -> Path:
    """Write Stanford Cars as ``cars_annos.mat`` and ``car_ims/``."""
    root.mkdir(parents=True, exist_ok=True)
    names = ("relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test")
    listed = annotations(dict(zip(names, row, strict=True)) for row in rows)
    savemat(root / "cars_annos.mat", {"annotations": listed, "class_names": cells(MODELS)})
    return touch(root, *(str(row[0]) for row in rows))


# ---------------------------------------------------------------- NABirds

BIRDS = {
    "0": "Birds", "1": "Ducks", "2": "Ducks and Geese", "3": "Mallard", "100": "Mallard (Male)",
    "101": "Mallard (Female)", "4": "Cuckoos",
    "5": "Cuckoos", "102": "Black-billed Cuckoo", "6": "Sparrows", "103": "Cuckoos", "104": "Unseen",
}  # fmt: skip
ABOVE = {
    "1": "0", "2": "1", "3": "2", "100": "3", "101": "3", "4": "0", "5": "4", "102": "5", "6": "0", "103": "6",
    "104": "6",
}  # fmt: skip
BIRD_IMAGES = [
    ("0000139e-21dc-4d0c-bfe1-4cae3c85c829", "100", 1), ("0000d9fc-4e02-4c06-a0af-a55cfb16b12b", "101", 1),
    ("00019306-9d83-4334-b255-a447742edce3", "102", 1), ("0001afd4-99a1-4a67-b940-d419413e23b3", "103", 1),
    ("000332b8-997c-4540-9647-2f0a8495aecf", "100", 0), ("000343bd-5215-49ba-ab9c-7c97a70ac1a5", "102", 0),
    ("0004ff8d-0cc8-47ee-94ba-43352a8b9eb4", "103", 0), ("0007181f-a727-4481-ad89-591200c61b9d", "101", 0),
]  # fmt: skip


def bird_path(image: str, node: str) -> str:
    return f"{int(node):04d}/{image.replace('-', '')}.jpg"


def nabirds(root: Path, extra: Sequence[tuple[str, str, int]] = ()) -> Path:
    """Write NABirds: names that repeat, leaves at uneven depth, inner nodes in ``classes.txt``."""
    images = [*BIRD_IMAGES, *extra]
    lines(root / "classes.txt", *(f"{node} {name}" for node, name in BIRDS.items()))
    lines(root / "hierarchy.txt", *(f"{child} {parent}" for child, parent in ABOVE.items()))
    lines(root / "images.txt", *(f"{image} {bird_path(image, node)}" for image, node, _ in images))
    lines(root / "image_class_labels.txt", *(f"{image} {node}" for image, node, _ in images))
    lines(root / "train_test_split.txt", *(f"{image} {is_train}" for image, _, is_train in images))
    lines(root / "bounding_boxes.txt", *(f"{image} 83 59 128 228" for image, _, _ in images))
    lines(root / "sizes.txt", *(f"{image} 296 341" for image, _, _ in images))
    return touch(root, *(f"images/{bird_path(image, node)}" for image, node, _ in images))


# ---------------------------------------------------------------- flowers and pets


def flowers(root: Path) -> Path:
    """Write Flowers-102 with three classes of three images."""
    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "imagelabels.mat", {"labels": np.array([[3, 1, 2, 1, 2, 3, 1, 2, 3]], dtype=np.uint8)})
    sets = {"trnid": [[4, 5, 1]], "valid": [[2, 3, 6]], "tstid": [[9, 8, 7]]}
    savemat(root / "setid.mat", {name: np.array(ids, dtype=np.uint16) for name, ids in sets.items()})
    return touch(root, *(f"jpg/image_{i:05d}.jpg" for i in range(1, 10)))


PETS = {
    "trainval": ["Abyssinian_100 1 1 1", "american_bulldog_10 2 2 1", "Egyptian_Mau_1 9 1 4", "beagle_7 5 2 4"],
    "test": ["Abyssinian_201 1 1 1", "american_bulldog_2 2 2 1", "Egyptian_Mau_167 9 1 4", "beagle_1 5 2 4"],
}


def pets(root: Path) -> Path:
    """Write Oxford-IIIT Pets."""
    for part, rows in PETS.items():
        lines(root / "annotations" / f"{part}.txt", *rows)
    lines(root / "annotations/list.txt", "#Image CLASS-ID SPECIES BREED ID", *PETS["trainval"], *PETS["test"])
    return touch(root, *(f"images/{row.split()[0]}.jpg" for rows in PETS.values() for row in rows))


# ---------------------------------------------------------------- iNaturalist

RANKED = [
    ("Animalia", "Chordata", "Aves", "Suliformes", "Sulidae", "Morus", "Morus bassanus"),
    ("Plantae", "Tracheophyta", "Magnoliopsida", "Rosales", "Moraceae", "Morus", "Morus alba"),
    ("Animalia", "Chordata", "Aves", "Charadriiformes", "Laridae", "Larus", "Larus canus"),
]
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")


def inat_category(year: str, i: int) -> dict[str, Any]:
    *above, name = RANKED[i]
    ranks = dict(zip(RANKS, above, strict=True))
    if year == "2017":
        return {"id": i, "name": name, "supercategory": ranks["class"]}
    if year == "2018":
        return {"id": i, "name": name, "supercategory": ranks["class"], **ranks}
    folder = f"{i:05d}_{'_'.join([*above, name.split()[1]])}"
    more = {"image_dir_name": folder, "common_name": name, "specific_epithet": name.split()[1]}
    return {"id": i, "name": name, "supercategory": "Birds", **more, **ranks}


def inat(root: Path, year: str = "2021") -> Path:
    """Write iNaturalist's competition of a year (2017, 2018, 2021): two JSON files and folders of images."""
    stem = "" if year == "2021" else year
    categories = [inat_category(year, i) for i in range(len(RANKED))]
    number = 0
    for split, count in (("train", 3), ("val", 1)):
        images, marks = [], []
        for i, category in reversed(list(enumerate(categories))):
            folder = {
                "2017": f"train_val_images/{category['supercategory']}/{category['name']}",
                "2018": f"train_val2018/{category['supercategory']}/{i}",
                "2021": f"{split}/{category.get('image_dir_name')}",
            }[year]
            for _ in range(count):
                images.append({
                    "id": number, "width": 800, "height": 600, "file_name": f"{folder}/{number:08x}.jpg", "license": 1,
                    "rights_holder": "somebody", "date": "2014-07-14 19:48:55+00:00", "latitude": None,
                })  # fmt: skip
                marks.append({"id": number, "image_id": number, "category_id": i})
                number += 1
        touch(root, *(image["file_name"] for image in images))
        content = {"info": {"year": int(year)}, "images": images, "categories": categories, "annotations": marks[::-1]}
        (root / f"{split}{stem}.json").write_text(json.dumps({**content, "licenses": []}))
    return root


# ---------------------------------------------------------------- Birdsnap

SNAPS = [
    ("Acadian_Flycatcher/105.jpg", 1), ("Acadian_Flycatcher/289.jpg", 1), ("Acorn_Woodpecker/1001.jpg", 2),
    ("Acorn_Woodpecker/12.jpg", 2),
]  # fmt: skip


def birdsnap(root: Path, below: str = "download/images/") -> Path:
    """Write Birdsnap's lists, and images where its own script puts them."""
    head = "url md5 path species_id bb_x1 bb_y1 bb_x2 bb_y2 back_x back_y".replace(" ", "\t")
    rows = ["\t".join(["http://x.y/z.jpg", "0" * 32, path, str(i), "12", "20", "112", "70", "null", "null"])
            for path, i in SNAPS]  # fmt: skip
    lines(root / "images.txt", head, *rows)
    lines(
        root / "species.txt",
        "id\tcommon\tscientific\tdir",
        "1\tAcadian Flycatcher\tEmpidonax virescens\tAcadian_Flycatcher",
        "2\tAcorn Woodpecker\tMelanerpes formicivorus\tAcorn_Woodpecker",
    )
    lines(root / "test_images.txt", "path", SNAPS[1][0], SNAPS[3][0])
    return touch(root, *(f"{below}{path}" for path, _ in SNAPS))
