"""Augmentation on the device gives what torchvision's transforms give: the recipe of the paper's code."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import v2
from torchvision.transforms.functional import normalize, to_tensor

from trainer.augment import IMAGENET_MEAN, IMAGENET_STD, PADDING, normalise, random_crop_and_flip

SIZE, MANY = 12, 20_000
OFFSETS = range(2 * PADDING + 1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(count, size=SIZE):
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator(7))


@pytest.fixture(scope="module")
def possible():
    """An image, and all that may become of it by Pillow: 81 crops of it in a black frame, each also mirrored."""
    image = random_images(1)[0]
    framed = ImageOps.expand(Image.fromarray(image.permute(1, 2, 0).numpy()), border=PADDING)
    found = {}
    for top in OFFSETS:
        for left in OFFSETS:
            crop = framed.crop((left, top, left + SIZE, top + SIZE))
            for mirrored, result in ((False, crop), (True, ImageOps.mirror(crop))):
                found[np.asarray(result).transpose(2, 0, 1).tobytes()] = (top, left, mirrored)
    return image, found


@pytest.fixture(scope="module")
def drawn(possible):
    """How often each of the 162 outcomes came up in many draws."""
    image, found = possible
    crops = random_crop_and_flip(image.expand(MANY, -1, -1, -1), generator())
    return Counter(found[crop.numpy().tobytes()] for crop in crops)


def test_every_offset_and_flip_comes_up_and_nothing_else(drawn):
    assert len(drawn) == 81 * 2


def test_all_offsets_and_flips_are_equally_likely(drawn):
    counts = np.array(list(drawn.values()))
    expected = MANY / 162
    assert ((counts - expected) ** 2 / expected).sum() < 205  # chi square, 161 degrees of freedom: 1 % lie above


def test_torchvisions_own_recipe_has_the_same_outcomes(possible):
    image, found = possible
    recipe = v2.Compose([v2.RandomCrop(SIZE, padding=PADDING), v2.RandomHorizontalFlip()])
    torch.manual_seed(0)
    outcomes = {found[recipe(image).numpy().tobytes()] for _ in range(300)}  # a KeyError is a difference
    assert len(outcomes) > 100


def test_images_of_a_batch_are_drawn_independently(possible):
    image, found = possible
    crops = random_crop_and_flip(image.expand(64, -1, -1, -1), generator())
    assert len({found[crop.numpy().tobytes()] for crop in crops}) > 30


def test_the_same_generator_gives_the_same_images():
    images = random_images(8)
    first, second, other = (random_crop_and_flip(images, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_shape_and_type_stay_and_the_input_is_not_changed():
    images = random_images(3)
    before = images.clone()
    crops = random_crop_and_flip(images, generator())
    assert (crops.shape, crops.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, before)


def test_normalisation_is_torchvisions():
    images = random_images(2)
    expected = [normalize(to_tensor(image.permute(1, 2, 0).numpy()), IMAGENET_MEAN, IMAGENET_STD) for image in images]
    torch.testing.assert_close(normalise(images), torch.stack(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_gives_the_same_images():
    images = random_images(8)
    assert torch.equal(
        random_crop_and_flip(images.cuda(), generator()).cpu(), random_crop_and_flip(images, generator())
    )
