"""Decoding: whatever comes in, RGB of exactly the asked size comes out, and what cannot is named."""

import re
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from taxonomy import HiertaxError
from trainer.data.boxes import boxed
from trainer.data.images import decode, load_images, load_small, to_pixels

GRADIENT = np.stack([*np.meshgrid(np.arange(0, 240, 8), np.arange(0, 200, 10)), np.full((20, 30), 90)], axis=-1)
PICTURE = Image.fromarray(GRADIENT.astype(np.uint8))  # 30 wide, 20 high


def saved(tmp_path, image, name="image.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def colour(path):
    """The colour in the middle of an image of one colour."""
    return tuple(decode(path, 4)[:, 2, 2].tolist())


# ---------------------------------------------------------------- what comes out


@pytest.mark.parametrize("size", [32, 33, 7])
def test_an_image_becomes_rgb_channels_first_of_exactly_the_size(tmp_path, size):
    pixels = decode(saved(tmp_path, PICTURE), size)
    assert (pixels.shape, pixels.dtype) == ((3, size, size), np.uint8)
    assert pixels.flags["C_CONTIGUOUS"]


def photograph(width, height):
    """A picture with edges and gradients, as a camera takes it."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    rings = 127 + 120 * np.sin(60 * np.hypot(x - 0.4, y - 0.6) ** 2)
    return Image.fromarray(np.stack([rings, 255 * x, 255 * (y > 0.3)], axis=-1).astype(np.uint8))


def turned():
    """What says in a file that the image lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    "options", [{}, {"exif": turned()}, {"progressive": True}], ids=["plain", "turned", "progressive"]
)
def test_a_large_jpeg_is_decoded_small_and_looks_as_when_decoded_in_full(tmp_path, options):
    path = saved(tmp_path, photograph(1200, 900), "large.jpg", quality=92, **options)
    with Image.open(path) as image:
        full = to_pixels(image, 64).astype(int)
        assert image.size == (1200, 900)
    with Image.open(path) as image:
        load_small(image, 64)
        assert image.size == (300, 225)
    assert 0 < np.abs(decode(path, 64) - full).mean() < 1.5


def test_a_jpeg_of_less_than_four_times_the_size_and_a_large_png_are_decoded_in_full(tmp_path):
    for name, large in (("a.jpg", photograph(300, 255)), ("a.png", photograph(1200, 900))):
        path = saved(tmp_path, large, name)
        with Image.open(path) as image:
            assert np.array_equal(decode(path, 64), to_pixels(image, 64))


def test_a_box_is_of_the_image_in_full(tmp_path):
    path = boxed(saved(tmp_path, photograph(1200, 900), "large.jpg"), (600, 300, 500, 500))
    with Image.open(path) as image:
        assert np.array_equal(decode(path, 64), to_pixels(image.convert("RGB").crop((600, 300, 1100, 800)), 64))


def test_the_aspect_is_not_kept_and_nothing_is_cut_off(tmp_path):
    pixels = decode(saved(tmp_path, PICTURE), 20)
    expected = np.asarray(PICTURE.resize((20, 20), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(pixels, expected)


HALF_RED = Image.new("RGBA", (9, 5), (255, 0, 0, 128))
PATCH = Image.new("RGB", (9, 5), (51, 102, 153))


@pytest.mark.parametrize(
    ("image", "name", "options", "expected"),
    [
        (Image.new("L", (9, 5), 100), "grey.png", {}, (100, 100, 100)),
        (Image.new("1", (9, 5), 1), "bit.png", {}, (255, 255, 255)),
        (Image.new("CMYK", (9, 5), (0, 255, 255, 0)), "print.jpg", {"quality": 100}, (255, 0, 0)),
        (Image.new("CMYK", (9, 5), (0, 255, 255, 0)), "print.tif", {}, (255, 0, 0)),
        (PATCH.convert("P"), "palette.gif", {}, (51, 102, 153)),
        (PATCH, "colour.webp", {"lossless": True}, (51, 102, 153)),
        (PATCH, "colour.tif", {}, (51, 102, 153)),
        (PATCH, "colour.bmp", {}, (51, 102, 153)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_colour_mode_becomes_rgb(tmp_path, image, name, options, expected):
    assert colour(saved(tmp_path, image, name, **options)) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("image", "name", "options", "expected"),
    [
        (Image.new("RGBA", (9, 5), (10, 20, 30, 0)), "nothing.png", {}, (255, 255, 255)),
        (HALF_RED, "half.png", {}, (255, 127, 127)),
        (HALF_RED, "half.webp", {"lossless": True}, (255, 127, 127)),
        (HALF_RED, "half.tif", {}, (255, 127, 127)),
        (Image.new("RGBA", (9, 5), (10, 20, 30, 255)), "opaque.png", {}, (10, 20, 30)),
        (Image.new("LA", (9, 5), (100, 0)), "grey.png", {}, (255, 255, 255)),
        (Image.new("LA", (9, 5), (100, 255)), "opaque-grey.png", {}, (100, 100, 100)),
        (Image.new("L", (9, 5), 100), "key.png", {"transparency": 100}, (255, 255, 255)),
        (PATCH, "colour-key.png", {"transparency": (51, 102, 153)}, (255, 255, 255)),
        (PATCH.convert("P"), "hole.png", {"transparency": PATCH.convert("P").getpixel((0, 0))}, (255, 255, 255)),
        (PATCH.convert("P"), "holes.png", {"transparency": bytes(256)}, (255, 255, 255)),
        (Image.new("P", (9, 5), 0), "hole.gif", {"transparency": 0}, (255, 255, 255)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_transparent_lies_on_white(tmp_path, image, name, options, expected):
    assert colour(saved(tmp_path, image, name, **options)) == pytest.approx(expected, abs=1)


def test_an_opaque_image_with_alpha_has_the_pixels_of_one_without(tmp_path):
    opaque = PICTURE.convert("RGBA")
    assert np.array_equal(decode(saved(tmp_path, opaque), 16), decode(saved(tmp_path, PICTURE, "plain.png"), 16))


GREY16 = Image.fromarray(np.full((5, 9), 25_700, np.uint16))  # 100 of 255


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (GREY16, "16.png", 100),
        (GREY16, "16.tif", 100),
        (GREY16, "16.jp2", 100),
        (GREY16.convert("I"), "16.pgm", 100),
        (Image.fromarray(np.full((5, 9), 65_535, np.uint16)), "white.png", 255),
        (Image.fromarray(np.full((5, 9), 200 / 255, np.float32)), "float.tif", 200),
        (Image.fromarray(np.zeros((5, 9), np.float32)), "black.tif", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_more_than_eight_bits_are_scaled(tmp_path, image, name, expected):
    assert colour(saved(tmp_path, image, name)) == pytest.approx([expected] * 3, abs=1)


def test_colour_of_sixteen_bits_is_scaled(tmp_path):
    assert colour(write_tiff(tmp_path / "rgb.tif", 25_700, channels=3, photometric=2)) == (100, 100, 100)


def test_a_negative_is_shown_as_it_looks(tmp_path):
    assert colour(write_tiff(tmp_path / "negative.tif", 155 * 257, photometric=0)) == (100, 100, 100)


def test_white_is_all_bits_that_a_sample_has(tmp_path):
    packed = bytes([0x64, 0x06, 0x40])  # twice 0x640 of 12 bits: 100 of 255
    assert colour(write_tiff(tmp_path / "twelve.tif", packed, bits=12)) == (100, 100, 100)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((5, 9), 70_000, np.int32), "integers of 32 bits, or signed ones, have no agreed white"),
        (np.full((5, 9), 100, np.float32), "floats from 100 to 100, where 0 is black and 1 is white; rescale them"),
        (np.full((5, 9), -0.5, np.float32), "floats from -0.5 to -0.5"),
        (np.full((5, 9), np.nan, np.float32), "floats from nan to nan"),
    ],
)
def test_what_has_no_agreed_white_is_refused_by_name(tmp_path, values, reason):
    path = saved(tmp_path, Image.fromarray(values), "science.tif")
    with pytest.raises(HiertaxError, match=re.escape(f"{path}: cannot be decoded ({reason}")):
        decode(path, 8)


def write_tiff(path, value, *, bits=16, photometric=1, channels=1):
    """Write a TIFF that Pillow reads but cannot write: 10 x 6 samples of 16 bits, or packed ones, repeated in pairs."""
    pixels = struct.pack("<H", value) * (60 * channels) if isinstance(value, int) else value * 30
    start = 8 + 2 + 9 * 12 + 4
    sizes = struct.pack("<3H", bits, bits, bits)
    entries = [
        (256, 3, 1, 10),
        (257, 3, 1, 6),
        (258, 3, channels, start if channels == 3 else bits),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, start + len(sizes)),
        (277, 3, 1, channels),
        (278, 3, 1, 6),
        (279, 4, 1, len(pixels)),
    ]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + sizes + pixels)
    return path


# ---------------------------------------------------------------- which way up


CORNERS = Image.fromarray(
    np.repeat(np.repeat(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8), 8, 0), 12, 1)
)  # red, green / blue, white; wider than high
AS_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # how a camera that was turned so stores what it saw


@pytest.mark.parametrize("name", ["photo.png", "photo.webp", "photo.tif", "photo.jpg"])
@pytest.mark.parametrize("orientation", AS_STORED)
def test_a_photograph_is_upright_as_its_exif_says(tmp_path, orientation, name):
    how = AS_STORED[orientation]
    stored = CORNERS if how is None else CORNERS.transpose(how)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if name.endswith("jpg") else {}
    path = saved(tmp_path, stored, name, exif=exif, **({"lossless": True} if name.endswith("webp") else options))
    expected = np.asarray(CORNERS.resize((16, 16), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.abs(decode(path, 16).astype(int) - expected).max() <= (0 if not options else 12)


@pytest.mark.parametrize(
    "stored",
    [
        Image.fromarray(np.repeat(np.array([[0], [65_535]], np.uint16), 4, axis=1)),
        Image.merge("LA", [Image.fromarray(np.repeat(np.array([[0], [255]], np.uint8), 4, axis=1)),
                           Image.new("L", (4, 2), 200)]),
    ],
    ids=["16 bits", "alpha"],
)  # fmt: skip
def test_what_is_converted_is_upright_too(tmp_path, stored):
    exif = Image.Exif()
    exif[0x0112] = 6  # black over white, to be turned clockwise
    pixels = decode(saved(tmp_path, stored, "turned.png", exif=exif), 4)
    assert pixels[0, 0, 0] == 255
    assert pixels[0, 0, 3] in (0, 55)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_leaves_the_image_as_it_lies(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 1
    whole = saved(tmp_path, PICTURE, "whole.jpg", exif=exif)
    plain, content, rng = decode(whole, 8), whole.read_bytes(), np.random.default_rng(0)
    start = content.index(b"Exif") + 6
    for _ in range(200):
        spoilt = bytearray(content)
        spoilt[start + rng.integers(10)] = rng.integers(256)
        (tmp_path / "spoilt.jpg").write_bytes(spoilt)
        assert decode(tmp_path / "spoilt.jpg", 8).shape == plain.shape


def test_of_an_animation_the_first_frame_counts(tmp_path):
    frames = [Image.new("RGB", (9, 5), colour) for colour in ("red", "lime", "blue")]
    for name in ("film.gif", "film.png", "film.webp", "film.tif"):
        options = {"lossless": True} if name.endswith("webp") else {}
        path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:], **options)
        assert colour(path) == (255, 0, 0)


def test_the_ending_does_not_matter_but_the_content(tmp_path):
    PICTURE.save(tmp_path / "really.jpg", format="PNG")
    assert decode(tmp_path / "really.jpg", 8).shape == (3, 8, 8)


# ---------------------------------------------------------------- what cannot be decoded


def broken(tmp_path, kind):
    path = tmp_path / f"{kind}.jpg"
    if kind == "truncated":
        path.write_bytes(saved(tmp_path, PICTURE, "whole.jpg").read_bytes()[:-300])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("404 not found")
    elif kind == "folder":
        path.mkdir()
    elif kind == "bomb":  # claims 65,000 x 65,000 pixels
        path.write_bytes(
            b"BM" + bytes(12) + b"(\0\0\0" + 2 * (65_000).to_bytes(4, "little") + b"\1\0\x18\0" + bytes(24)
        )
    return path


BROKEN = ["truncated", "empty", "text", "folder", "missing", "bomb"]


@pytest.mark.parametrize("kind", BROKEN)
def test_an_image_that_cannot_be_decoded_is_named_with_the_way_out(tmp_path, kind):
    path = broken(tmp_path, kind)
    with pytest.raises(HiertaxError) as caught:
        decode(path, 8)
    assert str(caught.value).startswith(f"{path}: cannot be decoded (")
    assert str(caught.value).endswith("; replace the file")


@pytest.fixture
def mixed(tmp_path):
    """Four images, the second and the last of them broken; each good one has its own colour."""
    red, blue = (saved(tmp_path, Image.new("RGB", (4, 4), c), f"{c}.png") for c in ("red", "blue"))
    return [red, broken(tmp_path, "truncated"), blue, broken(tmp_path, "empty")]


def test_images_come_in_the_order_of_their_paths(tmp_path):
    paths = [saved(tmp_path, Image.new("L", (5, 5), i), f"{i}.png") for i in range(40)]
    images, kept = load_images(paths, 8)
    assert (images.shape, images.dtype) == ((40, 3, 8, 8), torch.uint8)
    assert images[:, 0, 0, 0].tolist() == kept == list(range(40))


def test_the_first_bad_image_stops_the_work(mixed):
    with pytest.raises(HiertaxError, match=r"truncated\.jpg: cannot be decoded"):
        load_images(mixed, 8)


def test_bad_images_are_left_out_where_asked_and_the_rest_keeps_its_place(mixed):
    images, kept = load_images(mixed, 8, skip_bad=True)
    assert kept == [0, 2]
    assert images[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]


def test_every_file_is_counted_good_or_bad(mixed):
    seen = []
    load_images(mixed, 8, skip_bad=True, on_image=lambda: seen.append(1))
    assert len(seen) == 4


@pytest.mark.parametrize("skip", [False, True])
def test_no_image_at_all_is_an_error(tmp_path, skip):
    with pytest.raises(HiertaxError, match=r"not one image could be decoded|cannot be decoded"):
        load_images([broken(tmp_path, "text")], 8, skip_bad=skip)


def test_more_images_than_memory_holds_are_refused_before_the_machine_swaps(tmp_path):
    with pytest.raises(HiertaxError, match=r"need .* GB of memory, .* GB are free; lower `image_size` or `limit_per"):
        load_images([tmp_path / "never-opened.jpg"] * 1000, 10**6)
