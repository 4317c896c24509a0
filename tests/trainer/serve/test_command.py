"""``hiertrain serve``: from the first line to the end."""

import signal
import sys

import httpx
import pytest
from PIL import Image
from web import command_serving

from taxonomy.web.server import listen


@pytest.fixture
def served(bird_run, tmp_path, monkeypatch):
    """Return what starts the command, its temporary files in a folder of their own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return lambda *args: command_serving(tmp_path, "trainer", "serve", bird_run, "--port", 0, "--device", "cpu", *args)


def state(folder):
    """All files below a folder, their sizes and times."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("ctrl_c")
def test_it_answers_keeps_nothing_on_the_disk_and_ends_well_by_ctrl_c(served, bird_run, tmp_path):
    Image.effect_noise((2000, 1500), 60).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 2**20  # what a form would put into a temporary file
    run = state(bird_run)
    with served() as (process, url):
        answer = httpx.post(f"{url}/api/answer?maps=1", content=(tmp_path / "large.png").read_bytes(), timeout=60)
        assert answer.json()["root"] == "bird"
        assert state(tmp_path / "temporary") == {}
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert state(tmp_path / "temporary") == {}
    assert state(bird_run) == run
    assert (tmp_path / "err").read_text() == ""
    assert (tmp_path / "out").read_text() == f"{url}/\n"


def test_limit_and_names_are_those_of_the_options_and_sigterm_ends_it_well(served, photo, tmp_path):
    with served("--max-mib", 0.001, "--allow-host", "birds.lab.example") as (process, url):
        assert httpx.get(f"{url}/api/model").json()["limits"]["bytes"] == 1049
        assert httpx.get(url, headers={"Host": "birds.lab.example"}).status_code == 200
        assert httpx.get(url, headers={"Host": "other.example"}).status_code == 421
        assert httpx.post(f"{url}/api/answer", content=photo.read_bytes()).status_code == 413
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert (tmp_path / "err").read_text() == ""


def test_a_port_that_is_taken_is_said_in_a_line(hiertrain, bird_run):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        line = hiertrain("serve", bird_run, "--port", port).error()
    assert f"127.0.0.1, port {port}: " in line
    assert "take another --port (0: any that is free)" in line


def test_an_address_of_another_machine_is_said_in_a_line(hiertrain, bird_run):
    assert "192.0.2.1, port 0: " in hiertrain("serve", bird_run, "--host", "192.0.2.1", "--port", 0).error()


def test_a_run_without_a_checkpoint_is_said_in_a_line(hiertrain, tmp_path):
    assert str(tmp_path) in hiertrain("serve", tmp_path, "--port", 0).error()
    assert "does not exist" in hiertrain("serve", tmp_path / "none").error(2)


def test_a_calibration_of_another_checkpoint_is_said_in_a_line(hiertrain, run, bird_run, tmp_path):
    for file in run.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "calibration.safetensors").write_bytes((bird_run / "calibration.safetensors").read_bytes())
    line = hiertrain("serve", tmp_path, "--port", 0, "--device", "cpu").error()
    assert "is of another checkpoint than the one that answers" in line


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_a_missing_extra_is_said_in_a_line(hiertrain, bird_run, monkeypatch, package):
    for name in [name for name in sys.modules if name.partition(".")[0] == package or name == "trainer.serve.app"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    outcome = hiertrain("serve", bird_run, "--port", 0, "--device", "cpu")
    assert outcome.out == ""
    assert outcome.error() == f"error: this needs {package}, which is not installed: pip install 'hiertax[serve]'"


def test_whoever_opens_it_to_other_machines_is_warned():
    from trainer.commands.serve import warning

    for host in ("127.0.0.1", "127.0.0.9", "::1"):
        assert warning(host) is None
    for host in ("0.0.0.0", "::", "192.0.2.7"):  # noqa: S104 - not listened at
        assert "other machines can reach it" in warning(host)
