"""The site of the documentation builds without a warning, and says what is public."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("api/taxonomy.html", "Hierarchy.from_lineages"),
        ("api/taxonomy.html", "read_dataset"),
        ("api/trainer.html", "Config.from_json"),
        ("api/trainer.html", "Model.predict"),
    ],
)
def test_the_site_documents_what_is_public(site, page, name):
    assert f'.{name}"' in (site / page).read_text()


def test_every_page_of_docs_is_in_the_site(site):
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert all((site / page).is_file() for page in pages)
