"""A dataset looked at before training: what it holds, what is wrong with it, and what reading it will take.

`inspect_dataset` opens every image once; `write_fix_list` writes what is to be mended.
"""

from taxonomy.inspection.findings import KINDS, Finding, write_fix_list
from taxonomy.inspection.survey import Inspection, inspect_dataset

__all__ = ["KINDS", "Finding", "Inspection", "inspect_dataset", "write_fix_list"]
