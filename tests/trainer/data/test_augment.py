"""Augmentation on the device gives what torchvision's transforms give, and never waits for the host."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from scipy.stats import chisquare, kstest
from torchvision.transforms import v2
from torchvision.transforms.functional import normalize, to_tensor

from trainer.data.augment import (
    Jitter,
    Recipe,
    augment,
    draw_jitter,
    draw_params,
    jitter,
    normalise,
)
from trainer.data.crops import PADDING
from trainer.models.backbones.interface import IMAGENET

SIZE, MANY = 12, 20_000
UNLIKELY = 0.001  # what a right distribution comes below once in a thousand seeds
OFFSETS = range(2 * PADDING + 1)
ORDERS = list(permutations(range(3)))  # of brightness, contrast, saturation
RECIPES = {
    "pad": Recipe(),
    "resized": Recipe(crop="resized"),
    "jitter": Recipe(color_jitter=0.4),
    "mixup": Recipe(mixup=0.2),
    "cutmix": Recipe(cutmix=1.0),
    "all": Recipe(crop="resized", color_jitter=0.4, mixup=0.2, cutmix=1.0),
}
every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(count, size=SIZE):
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator(7))


def pixels(normalised):
    """Normalisation undone."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    return ((normalised * std + mean) * 255).round().byte()


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
def outcomes(possible):
    """Which of the 162 outcomes the default recipe gave in each of many draws."""
    image, found = possible
    crops = augment(image.expand(MANY, -1, -1, -1), draw_params(Recipe(), MANY, SIZE, generator()))
    return [found[crop.numpy().tobytes()] for crop in pixels(crops)]  # a KeyError is a difference


def test_every_offset_and_flip_comes_up_equally_often(outcomes):
    counts = Counter(outcomes)
    assert len(counts) == 81 * 2
    assert chisquare(list(counts.values())).pvalue > UNLIKELY


def test_the_images_of_a_batch_are_drawn_independently(outcomes):
    following = Counter(zip((mirrored for *_, mirrored in outcomes[:-1]), outcomes[1:], strict=True))
    assert chisquare(list(following.values())).pvalue > UNLIKELY


def test_torchvisions_own_recipe_has_the_same_outcomes(possible):
    image, found = possible
    recipe = v2.Compose([v2.RandomCrop(SIZE, padding=PADDING), v2.RandomHorizontalFlip()])
    torch.manual_seed(0)
    outcomes = {found[recipe(image).numpy().tobytes()] for _ in range(300)}
    assert len(outcomes) > 100


def test_normalisation_is_torchvisions():
    images = random_images(2)
    expected = [normalize(to_tensor(image.permute(1, 2, 0).numpy()), IMAGENET.mean, IMAGENET.std) for image in images]
    torch.testing.assert_close(normalise(images), torch.stack(expected), atol=1e-5, rtol=1e-5)


def adjusted_by_torchvision(image, factors, order):
    changes = (v2.functional.adjust_brightness, v2.functional.adjust_contrast, v2.functional.adjust_saturation)
    for operation in order.tolist():
        image = changes[operation](image, factors[operation].item())
    return image


@pytest.fixture(scope="module")
def coloured():
    """Images, their colour changes in all orders, and what comes of them."""
    draws = Jitter(draw_jitter(0.6, 24, generator()).factors, torch.tensor(ORDERS * 4))
    images = random_images(24)
    return images, draws, jitter(images.float(), draws)


def test_colour_jitter_is_torchvisions(coloured):
    images, draws, changed = coloured
    expected = [adjusted_by_torchvision(*one) for one in zip(images / 255, *draws, strict=True)]
    torch.testing.assert_close(changed, 255 * torch.stack(expected), atol=1e-3, rtol=0)


def test_colour_jitter_of_bytes_differs_by_what_torchvision_cuts_off_in_each_of_three_steps(coloured):
    images, draws, changed = coloured
    expected = torch.stack([adjusted_by_torchvision(*one) for one in zip(images, *draws, strict=True)])
    difference = (changed - expected).abs()  # up to 1 in each step, which the next may enlarge
    assert difference.max() < 5
    assert difference.mean() < 2


@pytest.mark.parametrize(("strength", "low", "high"), [(0.4, 0.6, 1.4), (1.5, 0.0, 2.5)])
def test_each_colour_factor_is_uniform(strength, low, high):
    for factor in draw_jitter(strength, 5000, generator()).factors.unbind(1):
        assert kstest(factor.numpy(), "uniform", (low, high - low)).pvalue > UNLIKELY


def test_all_orders_of_colour_changes_are_equally_likely():
    counts = Counter(map(tuple, draw_jitter(0.4, 6000, generator()).order.tolist()))
    assert set(counts) == set(ORDERS)
    assert chisquare(list(counts.values())).pvalue > UNLIKELY


@every_recipe
def test_the_result_is_float_and_channels_last_and_the_images_stay(recipe):
    images = random_images(4)
    before = images.clone()
    result = augment(images, draw_params(recipe, 4, SIZE, generator()))
    assert (result.shape, result.dtype) == (images.shape, torch.float32)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


@every_recipe
def test_channels_last_images_give_the_same(recipe):
    images, draws = random_images(4), draw_params(recipe, 4, SIZE, generator())
    torch.testing.assert_close(
        augment(images.contiguous(memory_format=torch.channels_last), draws), augment(images, draws)
    )


@every_recipe
def test_the_same_seed_gives_the_same_images(recipe):
    images = random_images(8)
    first, second, other = (augment(images, draw_params(recipe, 8, SIZE, generator(seed))) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ["pad", "resized", "jitter"])
def test_a_part_of_the_samples_with_its_rows_gives_that_part_of_the_whole(name):
    images, draws = random_images(10), draw_params(RECIPES[name], 10, SIZE, generator())
    torch.testing.assert_close(augment(images[3:7], draws.rows(3, 7)), augment(images, draws)[3:7])


def test_a_part_of_a_mixed_batch_keeps_its_shares():
    draws = draw_params(RECIPES["all"], 10, SIZE, generator())
    assert torch.equal(draws.rows(3, 7).share, draws.share[3:7])


def test_without_mixing_there_is_no_share():
    assert draw_params(RECIPES["jitter"], 2, SIZE, generator()).share is None


@every_recipe
def test_it_compiles_as_one_graph(recipe):
    images, draws = random_images(6), draw_params(recipe, 6, SIZE, generator())
    compiled = torch.compile(augment, backend="eager", fullgraph=True)
    assert torch.equal(compiled(images, draws), augment(images, draws))


@every_recipe
def test_no_value_is_read_back_from_the_device(recipe):
    draws = draw_params(recipe, 4, SIZE, generator())
    assert augment(random_images(4).to("meta"), draws.to("meta")).is_meta  # a device without values to read


@needs_a_gpu
@every_recipe
def test_a_gpu_gives_the_same_images_and_never_waits(recipe):
    images, draws = random_images(8), draw_params(recipe, 8, SIZE, generator())
    on_gpu, draws_on_gpu = images.cuda(), draws.to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = augment(on_gpu, draws_on_gpu)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(result.cpu(), augment(images, draws), atol=1e-3, rtol=0)
