"""Mixup and cutmix follow their papers and torchvision's rounding, and the share is what the eye would measure."""

import pytest
import torch
from scipy.stats import binomtest, ks_2samp, kstest
from torchvision.transforms import v2

from trainer.data.mixing import draw_mix, mix

SIZE, MANY = 64, 4000
UNLIKELY = 0.001  # what a right distribution comes below once in a thousand seeds


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def own_share_in_pixels(count, draws):
    """How much of each white image is left after black partners, and the other way round, float32 ``[B]``."""
    white = (torch.arange(count) < count // 2).float().view(-1, 1, 1, 1)
    mixed = mix(white.expand(count, 3, SIZE, SIZE), draws)
    return (1 - (mixed - white).abs()).mean((1, 2, 3))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0])
def test_mixups_share_follows_beta(alpha):
    share = draw_mix(alpha, 0, MANY, SIZE, generator()).share
    assert kstest(share, "beta", (alpha, alpha)).pvalue > UNLIKELY


def test_mixup_is_a_weighted_mean_with_the_reversed_batch():
    images = torch.randn(5, 3, SIZE, SIZE, generator=generator())
    draws = draw_mix(0.5, 0, 5, SIZE, generator())
    share = draws.share.view(-1, 1, 1, 1)
    torch.testing.assert_close(mix(images, draws), share * images + (1 - share) * images.flip(0))


@pytest.fixture(scope="module")
def cuts():
    """Our boxes and torchvision's for cutmix with alpha 1: top, left, bottom, right and share."""
    transform, image = v2.CutMix(num_classes=2), torch.zeros(2, 3, SIZE, SIZE)
    torch.manual_seed(0)
    drawn = (transform.make_params([image]) for _ in range(MANY))
    theirs = [(*one["box"], one["lam_adjusted"]) for one in drawn]  # left, top, right, bottom
    ours = draw_mix(0, 1.0, MANY, SIZE, generator())
    ours = torch.cat((ours.box, ours.share[:, None]), dim=1).double()
    return ours, torch.tensor(theirs, dtype=torch.float64)[:, [1, 0, 3, 2, 4]]


def test_cut_boxes_are_distributed_as_torchvisions(cuts):
    for ours, theirs in zip(*(values.unbind(1) for values in cuts), strict=True):
        assert ks_2samp(ours, theirs).pvalue > UNLIKELY


def test_cut_boxes_sizes_are_distributed_as_torchvisions(cuts):
    ours, theirs = ((values[:, 2:4] - values[:, :2]).unbind(1) for values in cuts)
    for our_side, their_side in zip(ours, theirs, strict=True):
        assert ks_2samp(our_side, their_side).pvalue > UNLIKELY


def test_cutmix_pastes_the_partners_box_and_changes_nothing_else():
    images = torch.randn(6, 3, SIZE, SIZE, generator=generator())
    draws = draw_mix(0, 1.0, 6, SIZE, generator())
    expected = images.clone()
    for one, (top, left, bottom, right) in enumerate(draws.box.tolist()):
        expected[one, :, top:bottom, left:right] = images[5 - one, :, top:bottom, left:right]
    assert torch.equal(mix(images, draws), expected)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.5, 0), (0, 1.0), (0.5, 1.0)])
def test_the_share_is_what_is_left_of_an_image(mixup, cutmix):
    draws = draw_mix(mixup, cutmix, 100, SIZE, generator())
    torch.testing.assert_close(own_share_in_pixels(100, draws), draws.share, atol=1e-5, rtol=0)


def test_where_both_are_on_each_image_takes_either_at_equal_chance():
    draws = draw_mix(0.5, 1.0, MANY, SIZE, generator())
    cut = draws.opacity == 1
    assert binomtest(int(cut.sum()), MANY, 0.5).pvalue > UNLIKELY
    assert kstest(draws.share[~cut], "beta", (0.5, 0.5)).pvalue > UNLIKELY  # each with its own alpha
    assert ks_2samp(draws.share[cut], draw_mix(0, 1.0, MANY, SIZE, generator(1)).share).pvalue > UNLIKELY


@pytest.mark.parametrize(("mixup", "cutmix", "cut"), [(0.5, 0, False), (0, 1.0, True)])
def test_where_one_is_on_every_image_takes_it(mixup, cutmix, cut):
    opacity = draw_mix(mixup, cutmix, 500, SIZE, generator()).opacity
    assert ((opacity == 1) == cut).all()
