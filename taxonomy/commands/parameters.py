"""Kinds of parameters that several commands take."""

from __future__ import annotations

from pathlib import Path

import click

READABLE = (
    *("lineage-csv", "parent-child-csv", "edges", "newick", "nexus", "outline", "nested-json", "node-link", "hiclass"),
    *("parquet", "xlsx", "inat"),
)  # here, so that --help imports nothing
HIERARCHY = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
