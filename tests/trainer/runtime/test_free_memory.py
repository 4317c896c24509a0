"""Free memory is that of the machine, or of the container or job around this process, whichever has less."""

import psutil
import pytest

from trainer.runtime.memory import free_memory

MB = 10**6


@pytest.fixture
def system(tmp_path):
    """Return a function that writes what Linux shows of control groups, and returns the memory that is free by that."""

    def show(own, files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "groups" / name).write_text(text)
        return free_memory(tmp_path / "groups", tmp_path / "own")

    return show


def of_machine(found):
    """Whether this is what the machine has free, which changes from moment to moment."""
    return found > 3 * psutil.virtual_memory().available / 4


def group(limit, used, stat="", folder=""):
    """The files of a group of version 2."""
    return {f"{folder}memory.max": f"{limit}\n", f"{folder}memory.current": f"{used}\n", f"{folder}memory.stat": stat}


def test_a_container_leaves_what_it_does_not_use(system):
    assert system("0::/\n", group(50 * MB, 20 * MB)) == 30 * MB


def test_files_that_it_keeps_in_memory_and_does_not_use_are_no_use_of_it(system):
    stat = f"anon 5\nfile {9 * MB}\ninactive_file {8 * MB}\nactive_file {MB}\n"
    assert system("0::/\n", group(50 * MB, 20 * MB, stat)) == 38 * MB


def test_of_groups_within_groups_the_one_that_leaves_least_counts(system):
    files = group(50 * MB, 20 * MB, folder="user/") | group("max", 10 * MB, folder="user/job/")
    assert system("0::/user/job\n", files) == 30 * MB
    assert system("0::/user/job\n", files | group(12 * MB, 10 * MB, folder="user/job/")) == 2 * MB
    assert system("0::/user/job\n", files | group(9 * MB, 10 * MB, folder="user/job/")) == 0


@pytest.mark.parametrize("path", ["/slurm/job_7", "/docker/of/the/machine", "/../other"])
def test_version_1_is_read_too_within_a_container_or_a_job(system, path):
    place = "memory/slurm/job_7/" if "slurm" in path else "memory/"
    files = {
        f"{place}memory.limit_in_bytes": f"{50 * MB}\n",
        f"{place}memory.usage_in_bytes": f"{20 * MB}\n",
        f"{place}memory.stat": f"inactive_file 1\ntotal_inactive_file {MB}\n",
    }
    assert system(f"5:cpuset:{path}\n4:memory,hugetlb:{path}\n0::{path}\n", files) == 31 * MB


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("", {}),
        ("0::/\n", {}),
        ("0::/\n", group("max", 20 * MB)),
        ("0::/\n", group(10**18, 20 * MB)),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": str(2**63 - 4096), "memory/memory.usage_in_bytes": "5"}),
        ("5:cpuset:/\n", {"memory/memory.limit_in_bytes": str(MB), "memory/memory.usage_in_bytes": "5"}),
    ],
    ids=["no groups", "no limit shown", "none set", "more than there is", "none set in version 1", "no group's memory"],
)
def test_without_a_limit_it_is_what_the_machine_has(system, own, files):
    assert of_machine(system(own, files))


def test_where_nothing_is_shown_it_is_what_the_machine_has(tmp_path):
    assert of_machine(free_memory(tmp_path / "none", tmp_path / "none"))
