"""The lowest versions that pyproject.toml promises, as constraints for pip; see `make test-lowest`."""

import re
import tomllib
from pathlib import Path

EXTRAS = ("plot", "tables", "train")  # what users install; what tests need besides is taken as new as there is


def constraints(pyproject: str) -> list[str]:
    """Return ``name==version`` for every requirement with a lower bound, sorted."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for name in EXTRAS for line in extras[name])]
    found = {re.sub(r"\[.*?\]", "", line).replace(">=", "==").partition(",")[0] for line in wanted if ">=" in line}
    return sorted(found)


if __name__ == "__main__":
    print(*constraints((Path(__file__).parent.parent / "pyproject.toml").read_text()), sep="\n")
