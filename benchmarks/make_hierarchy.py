"""Write a hierarchy file of a given number of nodes, with names like those of an invented fauna.

    python benchmarks/make_hierarchy.py --nodes 1000000 --out million.json

Seven levels; the names are distinct syllables, so that no rule of `hiertax validate` is broken. The same
arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.append(sys.path.pop(0))  # benchmarks/taxonomy.py beside this file must not hide the package

import numpy as np

from taxonomy.document import FORMAT, VERSION
from taxonomy.files import write_json

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
SUFFIXES = ("a", "ozoa", "ida", "iformes", "idae", "us", "us minor")
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
SYLLABLES = tuple(c + v for c in CONSONANTS for v in VOWELS)


def sizes(nodes: int) -> list[int]:
    """Return a size for every level, each about eight times the one above, that sum to `nodes`."""
    shares = [round(nodes * 7 / 8 ** (len(RANKS) - k)) or 1 for k in range(len(RANKS))]
    return [*shares[:-1], nodes - sum(shares[:-1])]


def name(number: int, suffix: str) -> str:
    """Return the number in syllables, every one of them twice, so that no two names are one letter apart."""
    word = ""
    for _ in range(4):
        number, rest = divmod(number, len(SYLLABLES))
        word = SYLLABLES[rest] + SYLLABLES[-1 - rest] + word
    return word.capitalize() + suffix


def hierarchy(nodes: int) -> dict[str, Any]:
    """Return the content of the file; every taxon has a child, and the others fall where the seed has them."""
    rng = np.random.default_rng(20210621)
    levels: list[dict[str, Any]] = []
    above = 1
    for rank, suffix, size in zip(RANKS, SUFFIXES, sizes(nodes), strict=True):
        level: dict[str, Any] = {"name": rank, "labels": [name(i, suffix) for i in range(size)]}
        if levels:
            parents = np.concatenate([np.arange(above), rng.integers(0, above, size - above)])
            level["parents"] = np.sort(parents).tolist()
        levels.append(level)
        above = size
    levels[-1]["classes"] = [f"{i:07d}.{label.replace(' ', '_')}" for i, label in enumerate(levels[-1]["labels"], 1)]
    source = {"kind": "made", "command": f"python benchmarks/make_hierarchy.py --nodes {nodes}"}
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": f"made_{nodes}",
        "root": "animal",
        "source": source,
        "levels": levels,
    }


def main() -> None:
    """Parse the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path("million.json"))
    arguments = parser.parse_args()
    write_json(arguments.out, hierarchy(arguments.nodes))


if __name__ == "__main__":
    main()
