"""Random resized crops are torchvision's: which boxes are drawn, and what their pixels become."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import hflip, resized_crop

from trainer.data.crops import LEAST, RATIO, draw_boxes, resized_crops

MANY = 4000
UNLIKELY = 0.001  # what a right distribution comes below once in a thousand seeds


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def describe(boxes, size):
    """Area share, log ratio, and the position within the room that is left, float64 ``[N]`` each."""
    top, left, height, width = boxes.double().unbind(1)
    shape = {"area": height * width / size**2, "ratio": (width / height).log()}
    return shape | {"top": top / (size - height + 1), "left": left / (size - width + 1), "first row": top}


@pytest.fixture(scope="module", params=[16, 224])
def both(request):
    """Our boxes and torchvision's in images of a size, described."""
    size = request.param
    transform, image = RandomResizedCrop(size), torch.zeros(3, size, size)
    torch.manual_seed(0)
    theirs = [transform.get_params(image, transform.scale, transform.ratio) for _ in range(MANY)]
    return describe(draw_boxes(MANY, size, generator()), size), describe(torch.tensor(theirs), size)


def test_the_limits_are_torchvisions():
    transform = RandomResizedCrop(8)
    assert (transform.scale, transform.ratio) == ((LEAST, 1.0), RATIO)


@pytest.mark.parametrize("what", ["area", "ratio", "top", "left", "first row"])
def test_boxes_are_distributed_as_torchvisions(both, what):
    ours, theirs = both
    assert ks_2samp(ours[what], theirs[what]).pvalue > UNLIKELY


@given(size=st.integers(1, 300), seed=st.integers(0, 1000))
def test_boxes_lie_inside_the_image(size, seed):
    start, sides = draw_boxes(50, size, generator(seed)).split(2, dim=1)
    assert (start >= 0).all()
    assert (sides >= 1).all()
    assert (start + sides <= size).all()


def test_where_no_attempt_fits_the_whole_image_is_taken():
    assert draw_boxes(3, 224, generator(), least=1.5).tolist() == [[0, 0, 224, 224]] * 3


@pytest.fixture(scope="module")
def enlarged():
    """Images, boxes of any shape inside of them, and the boxes enlarged."""
    size, count = 40, 200
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator())
    corners = torch.randint(0, size, (2, count, 2), generator=generator(1))  # both are part of the box
    boxes = torch.cat((corners.amin(0), corners.amax(0) - corners.amin(0) + 1), dim=1)
    return images, boxes, resized_crops(images, boxes, torch.zeros(count, dtype=torch.bool))


@pytest.mark.parametrize("antialias", [False, True])
def test_enlarged_boxes_are_torchvisions_up_to_a_hundredth_of_a_step(enlarged, antialias):
    images, boxes, ours = enlarged
    size = list(images.shape[-2:])
    theirs = [
        resized_crop(one.float(), *box, size, antialias=antialias)
        for one, box in zip(images, boxes.tolist(), strict=True)
    ]
    torch.testing.assert_close(ours, torch.stack(theirs), atol=0.01, rtol=0)


def test_enlarged_boxes_are_those_of_bytes_but_for_one_step(enlarged):
    images, boxes, ours = enlarged
    theirs = [resized_crop(one, *box, list(images.shape[-2:])) for one, box in zip(images, boxes.tolist(), strict=True)]
    assert (ours - torch.stack(theirs)).abs().max() < 1


def test_a_mirrored_box_is_the_box_mirrored(enlarged):
    images, boxes, ours = enlarged
    mirrored = resized_crops(images, boxes, torch.arange(len(images)) % 2 == 1)
    torch.testing.assert_close(mirrored[0::2], ours[0::2])
    torch.testing.assert_close(mirrored[1::2], hflip(ours[1::2]), atol=0.01, rtol=0)


def test_nothing_outside_of_a_box_shines_in():
    image = torch.full((1, 3, 16, 16), 255, dtype=torch.uint8)
    image[..., 4:9, 5:12] = 0
    result = resized_crops(image, torch.tensor([[4, 5, 5, 7]]), torch.tensor([False]))
    torch.testing.assert_close(result, torch.zeros(1, 3, 16, 16), atol=0.01, rtol=0)
