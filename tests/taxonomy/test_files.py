"""Files are written whole or not at all, and nothing but files is replaced."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from taxonomy.cli import main
from taxonomy.errors import HiertaxError
from taxonomy.files import write_atomic


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", bytearray()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.extend(pipe.read_bytes()))
    reader.start()
    CliRunner().invoke(main, ["build", "--dataset", "cars", "--out", str(pipe)])
    reader.join(timeout=10)
    assert got.startswith(b'{\n  "format": "hiertax-hierarchy"')
    assert pipe.is_fifo()
    assert left(tmp_path) == ["pipe"]


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing yet"])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "file", tmp_path / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to("far/file")
    write_atomic(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert left(tmp_path / "far") == ["file"]


def test_an_open_file_that_has_lost_its_name_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "gone").open("w+b") as file:
        (tmp_path / "gone").unlink()
        write_atomic(Path(f"/proc/self/fd/{file.fileno()}"), b"new")
        assert file.read() == b"new"
    assert left(tmp_path) == []


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match="cannot be written: Is a directory"):
        write_atomic(tmp_path, b"new")


def test_what_cannot_be_written_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(HiertaxError, match="file is no folder"):
        write_atomic(tmp_path / "file" / "inner", b"new")
    with pytest.raises(HiertaxError, match="cannot be written: Not a directory"):
        write_atomic(tmp_path / "file" / "far" / "inner", b"new")
    with pytest.raises(HiertaxError, match="cannot be written: File name too long"):
        write_atomic(tmp_path / ("x" * 300), b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert left(tmp_path) == ["file"]
