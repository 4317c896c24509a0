"""Downloads from a real local server: resumed, proven, and unpacked without trust."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import published
import pytest
from click.testing import CliRunner

from taxonomy import download
from taxonomy.cli import main
from taxonomy.commands.download import DATASETS
from taxonomy.datasets import find_dataset
from taxonomy.download import RemoteFile, Source, fetching
from taxonomy.errors import HiertaxError, Interrupted

Member = tuple[tarfile.TarInfo, bytes]
Get = Callable[..., Path]
NOISE = random.Random(0)  # noqa: S311 - does not shrink when packed, and is the same in every run
IMAGES = {f"birds/images/{i:03}.jpg": NOISE.randbytes(4000) for i in range(20)}


class Server(ThreadingHTTPServer):
    """Serves files, as badly as a test asks: each answer takes the next of `faults`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""  # of every file that is not among these
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.ranges: list[str | None] = []
        self.place = f"http://127.0.0.1:{self.server_port}/"
        self.url = f"{self.place}archive.tgz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        fault = server.faults.pop(0) if server.faults else ""
        content = server.files.get(self.path.lstrip("/"), server.content)
        if fault.isdigit():
            self.send_response(int(fault))
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and fault != "no-range" else 0
        self.send_response(206 if start else 200)
        if start:
            shown = start + 5 if fault == "wrong-range" else start
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        if fault == "endless":
            body += b"x" * 10_000_000
        elif fault != "no-length":
            self.send_header("Content-Length", str(len(body) + (7 if fault == "wrong-length" else 0)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault in ("drop", "no-length") else body)
        self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), link
    return info, content


def packed(*members: Member) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)  # without the time of day: the same bytes in every run


GOOD = packed(*[member(name, content) for name, content in IMAGES.items()], member("attributes.txt", b"1 colour\n"))


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def get(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Get:
    """Return a function that downloads some bytes into ``tmp_path/data``, as the dataset 'cub'."""

    def run(content: bytes = GOOD, *faults: str, md5: str = "", most_bytes: int = 10**6) -> Path:
        server.content, server.faults = content, list(faults)
        archive = RemoteFile(server.url, md5 or md5_of(content), len(content), most_bytes, most_members=50)
        monkeypatch.setitem(download.SOURCES, "cub", Source("birds", (archive,)))
        return download.download("cub", tmp_path / "data", lambda *_: None, pause=0.0)

    return run


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def assert_whole(folder: Path) -> None:
    assert {f"birds/images/{path.name}": path.read_bytes() for path in (folder / "images").iterdir()} == IMAGES
    assert left(folder.parent) == ["attributes.txt", "birds"]


def test_an_archive_is_fetched_proven_and_unpacked_and_nothing_else_is_left(get: Get, server: Server) -> None:
    assert_whole(get())
    assert server.ranges == [None]


def test_what_is_there_is_not_fetched_again(get: Get, server: Server) -> None:
    get()
    get()
    assert server.ranges == [None]


@pytest.mark.parametrize("fault", ["drop", "no-length"])
def test_a_dropped_connection_is_resumed_where_it_broke(get: Get, server: Server, fault: str) -> None:
    assert_whole(get(GOOD, fault, fault, fault))
    starts = [int(asked.split("=")[1].rstrip("-")) for asked in server.ranges if asked]
    assert len(starts) == 3
    assert len(GOOD) // 2 - fetching.GULP < starts[0] <= len(GOOD) // 2
    assert starts == sorted(starts)


def test_a_later_run_resumes_an_earlier_one(get: Get, server: Server, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".birds.archive.tgz.part").write_bytes(GOOD[:12345])
    assert_whole(get())
    assert server.ranges == ["bytes=12345-"]


def test_a_run_stopped_by_hand_says_how_to_go_on(get: Get, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(download, "check", stop)
        with pytest.raises(Interrupted, match="what was fetched is kept"):
            get()
    assert_whole(get())
    assert server.ranges == [None]


def test_a_server_without_ranges_starts_over(get: Get, server: Server) -> None:
    assert_whole(get(GOOD, "drop", "no-range"))
    assert [bool(asked) for asked in server.ranges] == [False, True]


def test_a_busy_server_is_asked_again(get: Get, server: Server) -> None:
    assert_whole(get(GOOD, "503", "429", "drop", "500"))
    assert len(server.ranges) == 5


def test_a_server_that_stays_busy_is_given_up_with_a_way_on(get: Get, tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match=r"the server is busy after 0 of .* run again to go on"):
        get(GOOD, *["503"] * 5)
    with pytest.raises(HiertaxError, match=r"after 32768 of .* bytes; run again"):
        get(GOOD, "drop", *["503"] * 5)
    assert left(tmp_path / "data") == [".birds.archive.tgz.part"]
    assert_whole(get())


def test_no_server_at_all_is_one_line(get: Get, server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(HiertaxError, match="Connection refused after 0 of"):
        get()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404", "answers 404"),
        ("403", "answers 403"),
        ("wrong-length", "announces"),
        ("endless", "more than .* bytes came"),
    ],
)
def test_a_server_that_has_another_file_is_told(get: Get, fault: str, reason: str) -> None:
    with pytest.raises(HiertaxError, match=reason):
        get(GOOD, fault)


def test_a_range_that_was_not_asked_for_is_refused(get: Get) -> None:
    with pytest.raises(HiertaxError, match="another range"):
        get(GOOD, "drop", "wrong-range")


def test_a_wrong_checksum_unpacks_nothing_and_starts_afresh(get: Get, tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match=r"the checksum is .*, not 0000"):
        get(md5="0" * 32)
    assert left(tmp_path / "data") == []
    (tmp_path / "data" / ".birds.archive.tgz.part").write_bytes(b"x" * len(GOOD))
    with pytest.raises(HiertaxError, match="the file was removed: run again"):
        get()
    assert_whole(get())


def pax_bomb() -> bytes:
    """Return an archive whose extended header claims a gigabyte."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 10**9
    return gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 10**6, mtime=0)


def sparse(holes: str = "0,0") -> bytes:
    """Return an archive with a file that is a terabyte of holes."""
    info, _ = member("birds/holes")
    info.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "birds/holes",
        "GNU.sparse.size": str(10**12), "GNU.sparse.numblocks": "0", "GNU.sparse.map": holes,
    }  # fmt: skip
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    return out.getvalue()


INSIDE = member("birds/a.jpg", b"a")
HOSTILE = {
    "a path out of the folder": (packed(INSIDE, member("../escaped", b"x")), "leaves the folder"),
    "a path out and in again": (packed(INSIDE, member("birds/../../data/escaped", b"x")), "leaves the folder"),
    "an absolute path": (packed(INSIDE, member("/tmp/hiertax-escaped", b"x")), "leaves the folder"),  # noqa: S108
    "a path of Windows": (packed(INSIDE, member("birds\\..\\..\\x", b"x")), "leaves the folder"),
    "a symbolic link": (packed(INSIDE, member("birds/l", kind=tarfile.SYMTYPE, link="/etc")), "is a link"),
    "a link and a file through it": (
        packed(member("birds", kind=tarfile.SYMTYPE, link=".."), member("birds/escaped", b"x")), "is a link",
    ),
    "a hard link": (packed(INSIDE, member("birds/h", kind=tarfile.LNKTYPE, link="birds/a.jpg")), "is a link"),
    "a device": (packed(INSIDE, member("birds/d", kind=tarfile.CHRTYPE)), "a device"),
    "a pipe": (packed(INSIDE, member("birds/p", kind=tarfile.FIFOTYPE)), "a device"),
    "a file of zeros too large": (packed(member("birds/zeros", b"\0" * 2_000_000)), "unpacks to more than"),
    "too many members": (packed(*[member(f"birds/{i}", b"") for i in range(60)]), "more than 50 members"),
    "a header of a gigabyte": (pax_bomb(), "absurd size"),
    "a terabyte of holes": (sparse(), "sparse"),
    "no folder of the dataset": (packed(member("other/a.jpg", b"a")), "no folder 'birds'"),
    "a file for the folder": (packed(member("birds", b"a")), "no folder 'birds'"),
    "half of its bytes": (GOOD[: len(GOOD) // 2], "damaged"),
    "a broken stream": (GOOD[:500] + b"\xff" * 500 + GOOD[1000:], "damaged"),
    "a wrong checksum of gzip": (GOOD[:-8] + b"\0" * 4 + GOOD[-4:], "damaged"),
    "holes that are no numbers": (sparse("x"), "damaged"),
    "no archive": (b"<html>not found</html>", "damaged"),
    "nothing": (gzip.compress(b"", mtime=0), "damaged|no folder"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_of_it_is_left(get: Get, tmp_path: Path, what: str) -> None:
    content, reason = HOSTILE[what]
    with pytest.raises(HiertaxError, match=reason):
        get(content)
    assert left(tmp_path) == ["data"]
    assert left(tmp_path / "data") == [".birds.archive.tgz.part"]
    assert not Path("/tmp/hiertax-escaped").exists()  # noqa: S108


def test_a_file_in_the_way_is_not_overwritten(get: Get, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    mine = tmp_path / "data" / "attributes.txt"
    mine.write_text("mine")
    with pytest.raises(HiertaxError, match="already there, and other than in the archive"):
        get()
    assert mine.read_text() == "mine"
    mine.unlink()
    assert_whole(get())


def test_too_little_space_is_told_first(get: Get, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2 * len(GOOD) - 1))
    with pytest.raises(HiertaxError, match="GB free, but archive and files need"):
        get()
    assert server.ranges == []


@pytest.mark.parametrize("limit", [len(GOOD) // 2, len(GOOD) + 1000])
def test_a_full_disk_is_one_line_and_a_later_run_goes_on(get: Get, server: Server, tmp_path: Path, limit: int) -> None:
    """A limit on the size of files stands for a full disk: half way through the fetch, or while unpacking."""
    big = packed(member("birds/images/big.jpg", b"".join(IMAGES.values()) + NOISE.randbytes(20_000)))
    server.content = big
    code = (
        "import resource, signal; from taxonomy import download; from pathlib import Path;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        f"file = download.RemoteFile({server.url!r}, {md5_of(big)!r}, {len(big)}, 10**6);"
        "download.SOURCES['cub'] = download.Source('birds', (file,));"
        "from taxonomy.cli import main;"
        f"main(['download', '--dataset', 'cub', '--to', {str(tmp_path / 'data')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*File too large; free some space .*\n", done.stderr)
    assert left(tmp_path / "data") == [".birds.archive.tgz.part"]
    assert (get(big) / "images" / "big.jpg").stat().st_size == len(IMAGES) * 4000 + 20_000
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_the_command_prints_the_folder_and_names_the_next_command(get: Get, tmp_path: Path) -> None:
    get()
    done = CliRunner().invoke(main, ["download", "--dataset", "cub", "--to", str(tmp_path / "data")])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path}/data/birds\n")
    assert done.stderr == f"next: hiertax inspect {tmp_path}/data/birds\n"


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ("cars", "no longer serves it .* https://www.kaggle.com/"),
        ("nabirds", "https://dl.allaboutbirds.org/nabirds; .* hiertax build --dataset nabirds --root DIR"),
        ("inat", "https://github.com/visipedia/inat_comp; .* hiertax build --dataset inat --root DIR"),
        ("birdsnap", "birdsnap.tgz; .* hiertax inspect DIR"),
    ],
)
def test_what_cannot_be_fetched_is_told_where_people_get_it(dataset: str, told: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["download", "--dataset", dataset, "--to", str(tmp_path / "data")])
    assert done.exit_code == 1
    assert re.search(told, done.stderr)
    assert len(done.stderr.splitlines()) == 1
    assert left(tmp_path) == []


# ---------------------------------------------------------------- datasets of several files


def published_files(name: str, folder: Path) -> dict[str, bytes]:
    """Return the official files of a dataset, by name, drawn small."""
    root = getattr(published, name)(folder)

    def archive(*folders: str) -> bytes:
        files = sorted(path for inner in folders for path in (root / inner).rglob("*") if path.is_file())
        return packed(*[member(str(path.relative_to(root)), path.read_bytes()) for path in files])

    if name == "flowers":
        lists = {file: (root / file).read_bytes() for file in ("imagelabels.mat", "setid.mat")}
        return {**lists, "102flowers.tgz": archive("jpg")}
    return {"annotations.tar.gz": archive("annotations"), "images.tar.gz": archive("images")}


@pytest.fixture(params=["flowers", "pets"])
def several(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Get]:
    """Return a dataset of several files that the server has, and the function that downloads it."""
    name = request.param
    server.files = published_files(name, tmp_path / "small")
    shutil.rmtree(tmp_path / "small")
    official = download.SOURCES[name]
    assert {file.name for file in official.files} == set(server.files)
    files = tuple(
        replace(file, url=server.place + file.name, md5=md5_of(content), size=len(content))
        for file in official.files
        if (content := server.files[file.name])
    )
    monkeypatch.setitem(download.SOURCES, name, replace(official, files=files))
    return name, lambda: download.download(name, tmp_path / "data", lambda *_: None, pause=0.0)


def test_several_files_become_one_folder_that_is_read_as_the_dataset(
    several: tuple[str, Get], server: Server, tmp_path: Path
) -> None:
    name, run = several
    server.faults = ["drop", "503", "", "drop"]
    dataset = find_dataset(run())
    assert dataset.layout == name
    assert dataset.splits[0] == "train"
    assert not [note for note in dataset.notes if "not on disk" in note]
    assert left(tmp_path / "data") == [dataset.root.name]
    asked = len(server.ranges)
    run()
    assert len(server.ranges) == asked


def test_of_several_files_those_that_came_are_kept_until_the_last_has(
    several: tuple[str, Get], server: Server, tmp_path: Path
) -> None:
    name, run = several
    *first, last = download.SOURCES[name].files
    content = server.files.pop(last.name)
    server.content = b"another file"
    with pytest.raises(HiertaxError, match=r"the server announces 12 bytes, the file has"):
        run()
    folder = download.SOURCES[name].folder
    assert left(tmp_path / "data") == sorted(f".{folder}.{file.name}.part" for file in first)
    asked = len(server.ranges)
    server.files[last.name] = content
    assert find_dataset(run()).layout == name
    assert len(server.ranges) == asked + 1


def test_an_archive_without_what_the_dataset_needs_is_refused(
    several: tuple[str, Get], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, run = several
    source = download.SOURCES[name]
    content = packed(member("other/a.jpg", b"a"))
    server.files[source.files[-1].name] = content
    last = replace(source.files[-1], md5=md5_of(content), size=len(content))
    monkeypatch.setitem(download.SOURCES, name, replace(source, files=(*source.files[:-1], last)))
    with pytest.raises(HiertaxError, match=rf"there is no folder '{source.folder}/(jpg|images)' in the archive"):
        run()
    assert not (tmp_path / "data" / source.folder).exists()


def test_the_command_offers_every_dataset_that_there_is_something_to_say_of() -> None:
    assert set(DATASETS) == {*download.SOURCES, *download.ELSEWHERE}
