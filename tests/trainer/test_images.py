"""Decoding: whatever comes in, RGB of exactly the asked size comes out, and what cannot is named."""

import numpy as np
import pytest
import torch
from PIL import Image

from taxonomy import HiertaxError
from trainer.data.images import decode, load_images

GRADIENT = np.stack([*np.meshgrid(np.arange(0, 240, 8), np.arange(0, 200, 10)), np.full((20, 30), 90)], axis=-1)
PICTURE = Image.fromarray(GRADIENT.astype(np.uint8))  # 30 wide, 20 high


def saved(tmp_path, image, name="image.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


# ---------------------------------------------------------------- what comes out


@pytest.mark.parametrize("size", [32, 33, 7])
def test_an_image_becomes_rgb_channels_first_of_exactly_the_size(tmp_path, size):
    pixels = decode(saved(tmp_path, PICTURE), size)
    assert (pixels.shape, pixels.dtype) == ((3, size, size), np.uint8)
    assert pixels.flags["C_CONTIGUOUS"]


def test_the_aspect_is_not_kept_and_nothing_is_cut_off(tmp_path):
    pixels = decode(saved(tmp_path, PICTURE), 20)
    expected = np.asarray(PICTURE.resize((20, 20), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("image", "name", "options", "expected"),
    [
        (Image.new("L", (9, 5), 100), "grey.png", {}, (100, 100, 100)),
        (Image.new("LA", (9, 5), (100, 0)), "grey-alpha.png", {}, (100, 100, 100)),
        (Image.new("1", (9, 5), 1), "bit.png", {}, (255, 255, 255)),
        (Image.new("RGBA", (9, 5), (10, 20, 30, 0)), "alpha.png", {}, (10, 20, 30)),
        (Image.new("CMYK", (9, 5), (0, 255, 255, 0)), "print.jpg", {"quality": 100}, (255, 0, 0)),
        (Image.new("RGB", (9, 5), (51, 102, 153)).convert("P"), "palette.gif", {}, (51, 102, 153)),
        (Image.new("RGB", (9, 5), (51, 102, 153)).convert("P"), "hole.png", {"transparency": 0}, (51, 102, 153)),
        (
            Image.new("RGB", (9, 5), (51, 102, 153)).convert("P"),
            "holes.png", {"transparency": bytes(256)}, (51, 102, 153),
        ),
        (Image.new("RGB", (9, 5), (51, 102, 153)), "colour.webp", {"lossless": True}, (51, 102, 153)),
        (Image.new("RGB", (9, 5), (51, 102, 153)), "colour.tif", {}, (51, 102, 153)),
        (Image.new("RGB", (9, 5), (51, 102, 153)), "colour.bmp", {}, (51, 102, 153)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_every_colour_mode_becomes_rgb_with_alpha_passed_over(tmp_path, image, name, options, expected):
    pixels = decode(saved(tmp_path, image, name, **options), 4)
    assert np.abs(pixels.astype(int) - np.reshape(expected, (3, 1, 1))).max() <= 1


def test_a_photograph_lies_as_its_pixels_lie_whatever_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn me by 90 degrees
    turned = decode(saved(tmp_path, PICTURE, "turned.png", exif=exif), 20)
    assert np.array_equal(turned, decode(saved(tmp_path, PICTURE, "plain.png"), 20))


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
    with pytest.raises(HiertaxError, match=r"need .* GB of memory, .* GB are free; lower --image-size or --limit-per"):
        load_images([tmp_path / "never-opened.jpg"] * 1000, 10**6)
