"""Kinds of parameters that several commands take."""

from __future__ import annotations

from pathlib import Path

import click

READABLE = (
    "lineage-csv",
    "parent-child-csv",
    "newick",
    "node-link",
    "hiclass",
    "inat",
)  # here, so that --help imports nothing
HIERARCHY = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
