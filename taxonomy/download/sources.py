"""Where the official files of datasets are, and what they must be; sizes and checksums are facts of their publishers.

The checksums of Flowers-102 and Oxford-IIIT Pets are those that torchvision checks them by.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final


@dataclass(frozen=True)
class RemoteFile:
    """An official file: where it is, what it must be, and what becomes of it.

    Attributes
    ----------
    url, md5, size
        Where it is, its checksum and its size in bytes.
    most_bytes
        The most that it may unpack to; None for a file that is no archive and is kept as it is.
    into
        The folder to put it or what it unpacks to in, from where the dataset's folder lies.
    most_members
        The most files and folders that it may unpack to.
    """

    url: str
    md5: str
    size: int
    most_bytes: int | None = None
    into: str = ""
    most_members: int = 100_000

    @property
    def name(self) -> str:
        """The name of the file."""
        return PurePosixPath(self.url).name


@dataclass(frozen=True)
class Source:
    """A dataset that is fetched: its folder, its official files, and what must be in the folder once it is there."""

    folder: str
    files: tuple[RemoteFile, ...]
    holds: tuple[str, ...] = ()


_OXFORD: Final = "https://www.robots.ox.ac.uk/~vgg/data"
_FLOWERS, _PETS = "flowers-102", "oxford-iiit-pet"
SOURCES: Final = {
    "cub": Source("CUB_200_2011", (
        RemoteFile("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
                   "97eceeb196236b17998738112f37df78", 1_150_585_339, 3 * 10**9),
    )),
    "aircraft": Source("fgvc-aircraft-2013b", (
        RemoteFile(f"{_OXFORD}/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
                   "d4acdd33327262359767eeaa97a4f732", 2_753_340_328, 6 * 10**9),
    )),
    "flowers": Source(_FLOWERS, (
        RemoteFile(f"{_OXFORD}/flowers/102/imagelabels.mat", "e0620be6f572b9609742df49c70aed4d", 502, into=_FLOWERS),
        RemoteFile(f"{_OXFORD}/flowers/102/setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c", 14_989, into=_FLOWERS),
        RemoteFile(f"{_OXFORD}/flowers/102/102flowers.tgz", "52808999861908f626f3c1f4e79d11fa", 344_862_509, 10**9,
                   into=_FLOWERS),
    ), ("imagelabels.mat", "setid.mat", "jpg")),
    "pets": Source(_PETS, (
        RemoteFile(f"{_OXFORD}/pets/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f", 19_173_078, 5 * 10**8,
                   into=_PETS),
        RemoteFile(f"{_OXFORD}/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c", 791_918_971, 2 * 10**9,
                   into=_PETS),
    ), ("annotations", "images")),
}  # fmt: skip
ELSEWHERE: Final = {
    "cars": "the publisher of Stanford Cars no longer serves it (since 2023); people get copies from Kaggle, such as "
    "https://www.kaggle.com/datasets/jessicali9530/stanford-cars-dataset with the devkit's cars_meta.mat; then: "
    "hiertax build --dataset cars --root DIR",
    "nabirds": "NABirds is given to those who agree to its terms: https://dl.allaboutbirds.org/nabirds; unpack it, "
    "then: hiertax inspect DIR, and hiertax build --dataset nabirds --root DIR --ragged fill",
    "inat": "iNaturalist's competitions list their archives, of up to hundreds of GB, by year: "
    "https://github.com/visipedia/inat_comp; unpack the images and the train and val JSON of one year into one folder, "
    "then: hiertax inspect DIR, and hiertax build --dataset inat --root DIR",
    "birdsnap": "Birdsnap is lists of photographs of others, and a script that fetches those that are still there: "
    "http://thomasberg.org/datasets/birdsnap/1.1/birdsnap.tgz; unpack it and run its get_birdsnap.py, then: hiertax "
    "inspect DIR",
}
