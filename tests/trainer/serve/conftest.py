"""A calibrated run of families and species, and a server of it, that all tests of serving share."""

import pytest
from conftest import write_hierarchy
from web import serving

import trainer


@pytest.fixture(scope="session")
def bird_run(hiertrain, patches, tmp_path_factory):
    """A calibrated run; tests must not change it."""
    folder = tmp_path_factory.mktemp("served")
    hierarchy = write_hierarchy(folder / "birds.json", levels=("family", "species"), root="bird")
    options = ("--hierarchy", hierarchy, "--freeze-backbone", "--val-fraction", 0.3, "--out", folder / "run")
    assert hiertrain(*patches.options(*options)).code == 0
    return folder / "run"


@pytest.fixture(scope="session")
def model(bird_run):
    return trainer.load(bird_run, device="cpu")


@pytest.fixture(scope="session")
def url(model):
    """Where a server of the run answers, all limits at their defaults."""
    from trainer.serve.app import application

    with serving(application(model)) as url:
        yield url


@pytest.fixture(scope="session")
def photo(patches):
    return patches.data / "test" / "red" / "0.png"
