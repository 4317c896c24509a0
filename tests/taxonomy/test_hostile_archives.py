"""Archives that are damaged, huge or meant to do harm: one line each, quickly, and nothing is left behind."""

import gzip
import io
import os
import stat
import tarfile
import time
import zipfile

import pytest
from checklists import coldp, dwca, in_folder, in_tar, in_zip, taxdump
from hypothesis import given
from hypothesis import strategies as st

from taxonomy.errors import HiertaxError
from taxonomy.sources.offline import archive, clements, ncbi
from taxonomy.sources.offline import dwca as darwin_core

QUICK = 5  # seconds, on a busy machine
NAMES = taxdump()["names.dmp"]


def refused(read, path):
    """Return the line with which an archive is refused, and make sure that it was refused soon."""
    start, before = time.monotonic(), sorted(path.parent.iterdir())
    with pytest.raises(HiertaxError) as error:
        read(path)
    assert time.monotonic() - start < QUICK
    assert sorted(path.parent.iterdir()) == before
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def tar_of(path, *members, mode="w:gz"):
    """Write a tar archive of members, each a TarInfo and its content."""
    with tarfile.open(path, mode) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "name", ["../names.dmp", "/etc/names.dmp", "a/../../names.dmp", "..\\names.dmp", "C:/names.dmp"]
)
def test_members_that_lead_elsewhere_are_refused(name, tmp_path):
    tar = in_tar(tmp_path / "a.tar.gz", {name: NAMES, **taxdump()})
    zipped = in_zip(tmp_path / "a.zip", {name: NAMES, **taxdump()})
    for path in (tar, zipped):
        assert "leads out of the archive" in refused(ncbi.read, path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind, tmp_path):
    path = tar_of(tmp_path / "a.tar.gz", (member("names.dmp", kind, "/etc/passwd"), b""))
    assert "is a link, a device or a sparse file" in refused(ncbi.read, path)


def test_links_in_a_zip_are_refused(tmp_path):
    info = zipfile.ZipInfo("names.dmp")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(info, "/etc/passwd")
    assert "is a link" in refused(ncbi.read, tmp_path / "a.zip")


def test_a_file_that_is_there_twice_is_refused(tmp_path):
    files = {**taxdump(), "other/nodes.dmp": taxdump()["nodes.dmp"]}
    assert "holds nodes.dmp twice" in refused(ncbi.read, in_zip(tmp_path / "a.zip", files))


@pytest.mark.parametrize("name", ["nodes.dmp", "readme.txt"])
def test_a_claim_of_ten_gigabytes_is_refused_unread(name, tmp_path):
    header = tarfile.TarInfo(name)
    header.size = 10 << 30
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(1 << 20)))
    assert "claims 10.7 GB" in refused(ncbi.read, tmp_path / "a.tar.gz")
    member = tarfile.TarInfo(name)
    member.size = 7 << 30
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(member.tobuf() + bytes(1 << 20)))
    assert "unpacks to far more" in refused(ncbi.read, tmp_path / "b.tar.gz") or name == "nodes.dmp"


def test_ten_gigabytes_of_zeros_are_refused_after_the_first_megabytes(tmp_path):
    zeros = gzip.compress(bytes(32 << 20), 1) * 320  # gzip's members follow each other
    (tmp_path / "a.tar.gz").write_bytes(zeros)
    assert "unpacks to far more than its size" in refused(ncbi.read, tmp_path / "a.tar.gz")
    header = tarfile.TarInfo("names.dmp")
    header.size = 8 << 30
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(header.tobuf()) + zeros)
    assert "names.dmp holds NUL bytes" in refused(ncbi.read, tmp_path / "b.tar.gz")


def test_a_zip_of_zeros_is_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as zipped,
        zipped.open("names.dmp", "w") as file,
    ):
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert "names.dmp holds NUL bytes" in refused(ncbi.read, tmp_path / "a.zip")


def test_a_file_of_ten_gigabytes_of_zeros_in_a_folder_is_refused(tmp_path):
    folder = in_folder(tmp_path / "dump", taxdump())
    os.truncate(folder / "names.dmp", 10 << 30)  # sparse: takes no room
    assert "names.dmp is larger than 8 GiB" in refused(ncbi.read, folder)
    os.truncate(folder / "names.dmp", 7 << 30)
    assert "names.dmp holds NUL bytes" in refused(ncbi.read, folder)
    os.truncate(folder / "names.dmp", 0)
    os.truncate(folder / "names.dmp", 10 << 30)
    assert "larger than 256 MiB" in refused(clements.read, folder / "names.dmp")


def test_a_bomb_of_lines_is_refused_by_its_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "SMALL", 1 << 20)
    line = "1\t|\tall\t|\t\t|\tsynonym\t|\n"
    path = in_zip(tmp_path / "a.zip", {"names.dmp": line * 400_000, "nodes.dmp": ""})
    assert "names.dmp unpacks to far more than the size of the archive" in refused(ncbi.read, path)


def test_a_line_without_end_is_refused(tmp_path):
    content = os.urandom(3 << 20).hex()
    assert "has a line of more than 4 MiB" in refused(ncbi.read, in_zip(tmp_path / "a.zip", {"names.dmp": content}))


def test_an_archive_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    for path in (in_zip(tmp_path / "a.zip", taxdump()), in_tar(tmp_path / "a.tar.gz", taxdump())):
        assert "holds more than 3 files" in refused(ncbi.read, path)


def test_a_header_of_absurd_size_is_refused(tmp_path):
    header = member("a", tarfile.XHDTYPE)
    header.size = 7 << 30
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(1 << 20)))
    assert "a header of absurd size" in refused(ncbi.read, tmp_path / "a.tar.gz")


def test_an_encrypted_zip_is_refused(tmp_path):
    path = in_zip(tmp_path / "a.zip", taxdump(), zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + at] |= 1
            place = content.find(signature, place + 1)
    path.write_bytes(content)
    assert "encrypted" in refused(ncbi.read, path)


@pytest.mark.parametrize(
    "content", [b"", b"no archive at all\n" * 99, b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)]
)
@pytest.mark.parametrize("read", [ncbi.read, darwin_core.read])
def test_what_is_no_archive_is_refused(content, read, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    refused(read, tmp_path / "a.zip")


def test_what_is_not_there_or_no_file_is_refused(tmp_path):
    with pytest.raises(HiertaxError, match="No such file"):
        ncbi.read(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    assert "no file and no folder" in refused(ncbi.read, tmp_path / "pipe")


PACKED = {"ncbi": (taxdump(), ncbi.read), "dwca": (dwca(), darwin_core.read), "coldp": (coldp(), darwin_core.read)}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("pack", [in_zip, in_tar])
def test_an_archive_cut_short_anywhere_is_refused(kind, pack, tmp_path):
    files, read = PACKED[kind]
    whole = pack(tmp_path / "whole", {**files, "noise.bin": os.urandom(3000)}).read_bytes()
    for size in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        (tmp_path / "cut").write_bytes(whole[:size])
        refused(read, tmp_path / "cut")


@given(st.sampled_from(sorted(PACKED)), st.sampled_from([in_zip, in_tar]), st.integers(0), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_never_a_traceback(tmp_path_factory, kind, pack, place, value):
    files, read = PACKED[kind]
    path = pack(tmp_path_factory.mktemp("fuzz") / "a", files)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content)
    try:
        read(path)
    except HiertaxError as error:
        assert str(path) in str(error)  # noqa: PT017
