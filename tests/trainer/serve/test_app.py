"""The JSON API: the answers of `hiertrain predict`, and a line for everything that is none of its business."""

import base64
import doctest
import io
import json
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from web import said_to, serving

import trainer
from taxonomy import HiertaxError
from taxonomy.study.profiles import Group, Profile
from trainer.inference.answering.wishes import Wishes
from trainer.runtime.progress import Reporter
from trainer.serve import app
from trainer.serve.app import application
from trainer.serve.limits import ServingLimits
from trainer.serve.photograph import decode, scans
from trainer.serve.refused import RefusedError


def post(url, content, query="", kind="image/png"):
    return httpx.post(f"{url}/api/answer{query}", content=content, headers={"Content-Type": kind}, timeout=60)


def refusal(answer):
    """The status and the one line of a refusal."""
    assert set(answer.json()) == {"error"}
    assert "\n" not in answer.json()["error"]
    return answer.status_code, answer.json()["error"]


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, **{"format": "PNG", **options})
    return file.getvalue()


# Answers


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"confidence": "0.6"},
        {"confidence": "1"},
        {"rule": "majority"},
        {"rule": "threshold", "confidence": "0.4"},
        {"audience": "amateur"},
        {"within": "cold"},
        {"within": ["Red", "Teal"], "without": "teal", "top_k": "2"},
    ],
)
def test_answers_are_those_of_predict(url, hiertrain, bird_run, patches, options):
    folder = patches.data / "test"
    pairs = [(name, one) for name, value in options.items() for one in ([value] if isinstance(value, str) else value)]
    words = [word for name, value in pairs for word in (f"--{name.replace('_', '-')}", value)]
    outcome = hiertrain("predict", bird_run, folder / "red", folder / "blue", "--json", "--device", "cpu", *words)
    for expected in json.loads(outcome.out):
        content = Path(expected.pop("image")).read_bytes()
        found = httpx.post(f"{url}/api/answer", content=content, params=pairs).json()
        assert found.pop("image") == "image 0"
        assert found.pop("depth_rule")
        assert flat(found) == pytest.approx(flat(expected), abs=1e-6)
        assert found.keys() == expected.keys()


def flat(answer):
    """The links of an answer by their places."""
    links = [answer["chain"], *answer.get("top", [])]
    return {(i, link["level"], link["label"]): link["probability"] for i, part in enumerate(links) for link in part}


@pytest.mark.parametrize("kind", ["cmyk", "turned", "sixteen bits", "transparent", "tiff"])
def test_photographs_are_decoded_as_predict_decodes_files(url, model, photo, tmp_path, kind):
    image, options = Image.open(photo), {}
    if kind == "cmyk":
        image, options = image.convert("CMYK"), {"format": "JPEG"}
    elif kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        options = {"format": "JPEG", "exif": exif}
    elif kind == "sixteen bits":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256)
    elif kind == "transparent":
        image.putalpha(60)
    else:
        options = {"format": "TIFF"}
    (tmp_path / "image").write_bytes(encoded(image, **options))
    [expected] = model.predict(tmp_path / "image").to_json()
    found = post(url, (tmp_path / "image").read_bytes(), kind="application/octet-stream").json()
    assert flat(found) == pytest.approx(flat(expected), abs=1e-6)


def test_maps_show_where_each_label_of_the_chain_was_seen(url, model, photo):
    found = post(url, photo.read_bytes(), "?maps=1").json()
    assert [(one["level"], one["label"]) for one in found["maps"]] == [
        (link["level"], link["label"]) for link in found["chain"]
    ]
    pictures = [Image.open(io.BytesIO(base64.b64decode(one["png"].partition(",")[2]))) for one in found["maps"]]
    own = model.explain(photo)
    for k, (one, picture) in enumerate(zip(found["maps"], pictures, strict=True)):
        assert picture.mode == "L"
        if own.labels[k] == one["label"]:  # which heads say one by one
            assert np.abs(np.asarray(picture) / 255 - own.maps[k]).max() <= 0.51 / 255
            assert one["area"] == pytest.approx(own.areas[k])


def test_maps_are_of_the_whole_path_however_unsure_it_is(url, photo):
    found = post(url, photo.read_bytes(), "?maps=1&confidence=1").json()
    assert found["chain"] == []
    assert len(found["maps"]) == 2


def test_the_model_is_described(url, model, bird_run):
    about = httpx.get(f"{url}/api/model").json()
    assert about["levels"] == [{"name": one.name, "labels": list(one.labels)} for one in model.hierarchy.levels]
    assert about["classes"] == list(model.hierarchy.classes)
    assert (about["method"], about["backbone"], about["root"]) == ("ours", "shufflenet_v2_x0_5", "bird")
    assert (about["calibrated"], about["maps"], about["name"]) == (True, True, "run")
    assert about["limits"]["bytes"] == 20 * 2**20
    assert str(bird_run.parent) not in json.dumps(about)


def test_programs_find_the_settings_described_and_no_page_that_loads_from_elsewhere(url):
    about = httpx.get(f"{url}/openapi.json").json()
    names = {one["name"] for one in about["paths"]["/api/answer"]["post"]["parameters"]}
    assert names == {"confidence", "audience", "rule", "within", "without", "top_k", "maps"}
    for page in ("docs", "redoc"):
        assert httpx.get(f"{url}/{page}").status_code == 404


def test_another_application_may_mount_it(model, photo):
    outer = FastAPI()
    outer.mount("/birds", application(model))
    with serving(outer) as url:
        assert post(f"{url}/birds", photo.read_bytes()).json()["root"] == "bird"
        assert 'href="static/page.css"' in httpx.get(f"{url}/birds/").text


def test_the_example_of_the_docstring_runs(run, patches, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "patches").symlink_to(run)
    (tmp_path / "data").symlink_to(patches.data)
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(app)
    assert found.attempted > 4
    assert found.failed == 0


# What is not known, or cannot be had, is said


def test_of_a_run_that_is_not_calibrated_this_is_said(run):
    said = []
    of_run = application(
        trainer.load(run, device="cpu"), reporter=Reporter(phrase=lambda line: said.append(line) or line)
    )
    with serving(of_run) as url:
        assert httpx.get(f"{url}/api/model").json()["calibrated"] is False
        assert "Not calibrated" in httpx.get(url).text
    assert len(said) == 1
    assert "is not calibrated and may be surer than it should be" in said[0]


# For whom


def chosen(tmp_path, name, counts, levels=("family", "species")):
    """A profile of an audience of which so many chose each level."""
    group = Group(people=12, chosen=list(counts), none=0)
    profile = Profile(
        format="hiertax-audiences", version=1, study_id="birds-1", hierarchy="birds", synthetic=True,
        levels=list(levels), audiences={"everyone": group, "group2": group},
    )  # fmt: skip
    profile.save(tmp_path / name)
    return tmp_path / name


def test_an_audience_of_a_profile_is_asked_for_by_its_name_and_the_answer_says_whose_wishes_it_follows(
    model, photo, tmp_path
):  # fmt: skip
    profile = chosen(tmp_path, "broad.json", (99, 1))
    with serving(application(model, audiences=[profile, f"{profile}:group2"])) as url:
        audiences = httpx.get(f"{url}/api/model").json()["audiences"]
        assert [one["name"] for one in audiences] == ["amateur", "expert", "broad", "broad:group2"]
        assert str(tmp_path) not in json.dumps(audiences)
        found = post(url, photo.read_bytes(), "?audience=broad:group2").json()
        deep = post(url, photo.read_bytes(), "?audience=expert").json()
    assert [link["level"] for link in found["chain"]] == ["family"]
    assert found["depth_rule"] == "answers for group2 (SYNTHETIC study birds-1, 12 people, 100 choices)"
    assert [link["level"] for link in deep["chain"]] == ["family", "species"]
    assert deep["depth_rule"].startswith("answers for expert (group 5 of Chang et al. 2021, Fig. 2b, digitised): ")
    assert deep["depth_rule"].endswith("is taken for family, species, by depth, interpolated")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "down to the species"),
        ("?confidence=0.5", "confidence 0.5"),
        ("?rule=majority", "rule majority"),
        ("?rule=threshold&confidence=0.4", "rule threshold, confidence 0.4"),
    ],
)
def test_an_answer_says_what_its_depth_follows(url, photo, query, said):
    assert post(url, photo.read_bytes(), query).json()["depth_rule"] == said


def test_two_audiences_of_one_name_and_one_that_is_not_there_are_refused_at_the_start(model, tmp_path):
    profile = chosen(tmp_path, "amateur.json", (1, 1))
    with pytest.raises(HiertaxError, match="another one is called 'amateur' already; rename the file"):
        application(model, audiences=[profile])
    with pytest.raises(HiertaxError, match="no audience 'group5'; there are everyone, group2"):
        application(model, audiences=[f"{profile}:group5"])


# What a model was given before


def test_what_a_model_was_given_holds_for_every_photograph_and_its_depth_until_another_is_wished_for(model, photo):
    given = model.wishing(Wishes(within="cold", confidence=0.99))
    with serving(application(given)) as url:
        [cold] = post(url, photo.read_bytes()).json()["chain"]
        deep = post(url, photo.read_bytes(), "?confidence=0").json()["chain"]
        assert deep == model.predict(photo, within="cold").to_json()[0]["chain"]
        [teal] = post(url, photo.read_bytes(), "?confidence=0&without=Blue&top_k=1").json()["top"][1]
        assert teal == {"level": "species", "label": "Teal", "probability": 1.0}
        status, line = refusal(post(url, photo.read_bytes(), "?within=warm"))
        about = httpx.get(f"{url}/api/model").json()
    assert cold == {"level": "family", "label": "cold", "probability": 1.0}
    assert (status, line) == (400, "`within`, `without`: leave none of the 2 classes that the model may answer")
    assert (about["depth_rule"], about["fixed"]) == ("confidence 0.99", "2 of 4 classes")


# Refusals


def png_head(width, height):
    """The beginning of a PNG of any size: were it decoded, it would be found truncated."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100)))


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as the package does
@pytest.mark.parametrize(
    ("content", "kind", "status", "line"),
    [
        (png_head(10_000, 10_000), "image/png", 413, "the image has 10000 x 10000 pixels, more than 64 million"),
        (png_head(60_000, 60_000), "image/png", 413, "the image has more than 64 million pixels"),
        (b"only words\n", "image/jpeg", 415, "no image of a known format; send one of JPEG, PNG"),
        (b"only words\n", "text/plain", 415, "Content-Type 'text/plain' is no photograph"),
        (SVG, "image/svg+xml", 415, "Content-Type 'image/svg+xml' is no photograph"),
        (SVG, "image/png", 415, "no image of a known format"),
        (EPS, "image/png", 415, "no image of a known format"),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x", 415, "send the file itself as the body"),
        (b"", "image/png", 400, "the body is empty"),
        (png_head(40, 40), "image/png", 422, "the image cannot be decoded ("),
        (b"x" * (20 * 2**20 + 1), "image/png", 413, "the request is larger than 20 MiB"),
    ],
    ids=[
        "100 megapixels", "3600 megapixels", "text as JPEG", "text", "SVG", "SVG as PNG", "EPS as PNG", "form", "empty",
        "truncated", "20 MiB and a byte",
    ],
)  # fmt: skip
def test_what_is_no_photograph_is_refused_in_a_line_and_the_next_is_answered(url, photo, content, kind, status, line):
    found, said = refusal(post(url, content, kind=kind))
    assert found == status
    assert line in said
    assert post(url, photo.read_bytes()).status_code == 200


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_hundred_megapixels_of_zeros_are_refused_before_they_are_decoded(url):
    content = encoded(Image.new("1", (10_000, 10_000)))
    assert len(content) < 20_000
    start = time.monotonic()
    assert refusal(post(url, content))[0] == 413
    assert time.monotonic() - start < 5


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM"])
def test_damaged_photographs_are_decoded_or_refused_in_a_line(photo, kind):
    whole, draw, refusals = encoded(Image.open(photo), format=kind), np.random.default_rng(0), []
    for _ in range(60):
        damaged = bytearray(whole[: int(draw.integers(4, len(whole) + 1))])
        for at in draw.integers(2, min(len(damaged), 300), 3):
            damaged[at] = int(draw.integers(256))
        try:
            assert decode(bytes(damaged), 32, 64_000_000).shape == (3, 32, 32)
        except RefusedError as refused:
            refusals.append(refused)
    assert {refused.status for refused in refusals} <= {413, 415, 422}
    assert not any("\n" in str(refused) for refused in refusals)


def tiff_of_one_tile(side, tile):
    """A TIFF of few pixels whose only tile has many."""
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(bytes(tile)) for _ in range(tile)), packer.flush()])
    tags = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile, 324: None, 325: len(packed)}
    start = 8 + 2 + 12 * len(tags) + 4
    entries = [struct.pack("<HHII", tag, 4, 1, start if value is None else value) for tag, value in tags.items()]
    return b"".join([b"II*\0", struct.pack("<IH", 8, len(tags)), *entries, bytes(4), packed])


def test_a_tiff_that_is_larger_inside_is_refused(url):
    assert post(url, tiff_of_one_tile(100, 200)).status_code == 200
    status, line = refusal(post(url, tiff_of_one_tile(100, 9000)))
    assert (status, line) == (413, "a tile of the image has more than 64 million pixels; save it anew")


def test_a_jpeg_of_a_thousand_scans_is_refused(url, photo):
    jpeg = encoded(Image.open(photo), format="JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    assert scans(jpeg) == 10
    assert scans(jpeg + jpeg) == 10  # what follows the end, such as a film, has no say
    status, line = refusal(post(url, jpeg[:-2] + 1000 * last + jpeg[-2:]))
    assert (status, line) == (413, "the JPEG is stored in more than 100 scans; save it anew")
    with_thumbnail = encoded(Image.open(photo), format="JPEG", exif=b"Exif\0\0" + 200 * b"\xff\xda")
    assert post(url, with_thumbnail).status_code == 200


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("confidence=1.5", "`confidence` 1.5: give a number from 0 to 1"),
        ("confidence=nan", "`confidence` nan: give a number from 0 to 1"),
        ("confidence=very", "`confidence`: input should be a valid number"),
        ("confidnce=0.5", "`confidnce`: no such setting of answers; there are confidence, audience, rule"),
        ("rule=darts", "`rule`: input should be 'path', 'threshold' or 'majority'"),
        ("rule=threshold", "`rule` threshold: give `confidence` too"),
        ("audience=birder", "`audience` birder: not offered; there are amateur, expert"),
        ("audience=/etc/passwd", "`audience` /etc/passwd: not offered; there are amateur, expert"),
        ("audience=expert&confidence=0.5", "`audience`: chooses how deep to answer, as `confidence` does; leave one"),
        ("audience=expert&rule=majority", "`audience`: chooses how deep to answer, as `rule` majority does; leave one"),
        ("within=Ravens", "`within`: no taxon of the run is called 'Ravens'"),
        ("without=warm&without=cold", "`without`: leaves none of the 4 classes to answer"),
        ("within=" + "x" * 300, "`within`: string should have at most 200 characters"),
        ("top_k=0", "`top_k`: input should be greater than or equal to 1"),
        ("classes=/etc/passwd", "`classes`: no such setting"),
        ("prior=/etc/passwd", "`prior`: no such setting"),
    ],
)
def test_a_wrong_wish_is_refused_in_a_line(url, photo, query, line):
    status, said = refusal(post(url, photo.read_bytes(), f"?{query}"))
    assert status == 400
    assert said.startswith(line)


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd", "/etc/passwd", "static/../../../etc/passwd", "static//etc/passwd",
        "static/..%2f..%2fetc%2fpasswd",
        "static/%2e%2e/%2e%2e/etc/passwd", "static/%252e%252e%252fetc%252fpasswd", "static/..\\..\\etc\\passwd",
        "static/",
        "static/page.html.jinja", "static/__init__.py", "static/page.js%00.css", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_no_file_of_the_server_can_be_read(url, path):
    request = f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = said_to(url, request.encode())
    assert answer.startswith("HTTP/1.1 404")
    assert answer.endswith('{"error":"there is nothing here; see GET api/model"}')


def test_another_method_is_refused_in_a_line(url):
    assert refusal(httpx.get(f"{url}/api/answer")) == (405, "another method is needed here")


def test_another_site_is_refused_in_a_line(url, photo):
    answer = httpx.post(f"{url}/api/answer", content=photo.read_bytes(), headers={"Origin": "http://evil.example"})
    assert refusal(answer) == (403, "a page of another site sent this: refused")
    assert refusal(httpx.get(url, headers={"Host": "evil.example"}))[0] == 421


def test_a_gigabyte_is_refused_by_its_head(url):
    head = b"POST /api/answer HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\nx"
    answer = said_to(url, head)
    assert answer.startswith("HTTP/1.1 413")
    assert answer.endswith('{"error":"the request is larger than 20 MiB"}')


def test_what_is_sent_in_pieces_without_a_length_is_refused_once_it_is_too_large(url):
    pieces = (b"x" * 2**20 for _ in range(21))
    answer = httpx.post(f"{url}/api/answer", content=pieces, timeout=60)
    assert refusal(answer) == (413, "the request is larger than 20 MiB")


def test_a_slow_sender_is_given_up_and_the_next_is_answered(model, photo):
    with serving(application(model, ServingLimits(seconds=1))) as url:
        head = b"POST /api/answer HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 500\r\n\r\nx"
        answer = said_to(url, head)
        assert answer.startswith("HTTP/1.1 408")
        assert answer.endswith('{"error":"the request took longer than 1 s to arrive"}')
        assert post(url, photo.read_bytes()).status_code == 200


def test_a_sender_who_goes_away_leaves_no_place_taken(model, photo):
    with serving(application(model, ServingLimits(at_once=1))) as url:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
                connection.sendall(b"POST /api/answer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nx")
        deadline = time.monotonic() + 20
        while post(url, photo.read_bytes()).status_code != 200:
            assert time.monotonic() < deadline


# Many at once


def at_once(url, photo, count):
    content = photo.read_bytes()
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: post(url, content), range(count)))


def test_fifty_at_once_are_all_answered_and_several_in_one_pass(model, photo):
    passes = []
    watching = model.network.register_forward_hook(lambda _, inputs, __: passes.append(len(inputs[0])))
    try:
        with serving(application(model)) as url:
            passes.clear()
            answers = at_once(url, photo, 50)
    finally:
        watching.remove()
    assert {answer.status_code for answer in answers} == {200}
    [expected] = model.predict(photo).to_json()
    assert all(flat(answer.json()) == pytest.approx(flat(expected), abs=1e-6) for answer in answers)
    assert sum(passes) == 50
    assert 1 < max(passes) <= model.config.batch_size


def test_more_than_there_is_room_for_are_sent_away_in_a_line(model, photo):
    with serving(application(model, ServingLimits(at_once=2))) as url:
        answers = at_once(url, photo, 30)
        away = [answer for answer in answers if answer.status_code != 200]
        assert {refusal(answer) for answer in away} == {
            (503, "2 photographs are answered at a time; try again in a moment")
        }
        assert {answer.headers["Retry-After"] for answer in away} == {"1"}
        assert len(away) < 30
        assert post(url, photo.read_bytes()).status_code == 200
