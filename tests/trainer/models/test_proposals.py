"""NTS-Net: boxes laid out over an image, scored, thinned out, cut out, and ranked by what they tell."""

import pytest
import tiny
import torch
from torch.nn.functional import cross_entropy
from torchvision.ops import box_iou

from taxonomy import HiertaxError
from trainer.models.backbones import build_backbone
from trainer.models.losses import PLAIN
from trainer.models.parts import PartNetwork
from trainer.models.proposals import Navigator, anchor_boxes, best_apart, cut_out, ranking_loss

SIZES = [(448, 14, (1176, 294, 144)), (224, 7, (294, 96, 36))]  # boxes of each grid


# Boxes


@pytest.mark.parametrize(("size", "side", "counts"), SIZES)
def test_there_are_as_many_boxes_as_published_and_as_many_scores(size, side, counts):
    boxes = anchor_boxes(size, side) * 448 / size
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    grid = (sides > 90).int() + (sides > 180).int()  # sides are 60 and 76, 121 and 152, from 192 on
    assert tuple(grid.bincount().tolist()) == counts
    assert sum(counts) == len(boxes) == {448: 1614, 224: 426}[size]
    assert Navigator(8)(torch.randn(2, 8, side, side)).shape == (2, len(boxes))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 9])
def test_of_maps_of_any_side_too(side):
    assert len(anchor_boxes(32 * side, side)) == Navigator(4)(torch.zeros(1, 4, side, side)).shape[1]


def test_boxes_stand_in_the_order_of_the_scores_kind_after_kind_row_by_row():
    """A score's place in the map is told by a navigator that sees one place only."""
    navigator = Navigator(1)
    for parameter in navigator.parameters():
        parameter.data.zero_()
    for convolution in navigator.convolutions:
        convolution.weight.data[:, :, 1, 1] = 1
    navigator.scores[0].weight.data[2] = 1  # the third kind of the finest grid
    lit = torch.zeros(1, 1, 14, 14)
    lit[0, 0, 3, 10] = 1
    (place,) = navigator(lit)[0].nonzero().flatten().tolist()
    left, top, right, bottom = anchor_boxes(448, 14)[place].tolist()
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((10.5 * 32, 3.5 * 32), abs=1e-3)
    assert (right - left) / (bottom - top) == pytest.approx(3 / 2, rel=1e-5)
    assert (right - left) * (bottom - top) == pytest.approx((48 * 2 ** (1 / 3)) ** 2, rel=1e-5)


def test_kinds_of_boxes_are_those_published():
    boxes = anchor_boxes(448, 14)
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    ratios = (boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1])
    third = 2 ** (1 / 3)
    kinds = [
        (base * scale, ratio, count)
        for base, scales, count in (
            (48, (third, third**2), 196), (96, (third, third**2), 49), (192, (1, third, third**2), 16)
        )
        for scale in scales
        for ratio in (2 / 3, 1, 3 / 2)
    ]  # fmt: skip
    expected = [kind for kind in kinds for _ in range(kind[2])]
    torch.testing.assert_close(sides, torch.tensor([side for side, *_ in expected]), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(ratios, torch.tensor([ratio for _, ratio, _ in expected]), rtol=1e-4, atol=1e-4)
    coarsest = boxes[-16:]
    centres = (coarsest[:, :2] + coarsest[:, 2:]) / 2
    assert centres.unique(dim=0).tolist() == [[x, y] for x in (64, 192, 320, 448) for y in (64, 192, 320, 448)]


def test_boxes_of_smaller_images_are_smaller_in_proportion():
    torch.testing.assert_close(anchor_boxes(224, 14), anchor_boxes(448, 14) / 2)


# Parts


def test_the_best_boxes_hardly_overlap_and_come_best_first():
    boxes, scores = anchor_boxes(448, 14), torch.randn(3, 1614, generator=tiny.generator())
    for row, best in zip(scores, best_apart(boxes, scores, 6), strict=True):
        assert row.argmax() == best[0]
        assert torch.equal(row[best], row[best].sort(descending=True).values)
        assert box_iou(boxes[best], boxes[best]).fill_diagonal_(0).max() <= 0.25
        dropped = row.topk(200).indices
        between = [i for i in dropped.tolist() if i not in best and row[i] > row[best[-1]]]
        assert all(box_iou(boxes[[i]], boxes[best[row[best] > row[i]]]).max() > 0.25 for i in between)


def test_where_too_few_are_far_apart_the_best_of_the_rest_follow():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 11], [0, 0, 10, 12], [50, 50, 60, 60]])
    assert best_apart(boxes, torch.tensor([[0.1, 0.4, 0.3, 0.2]]), 3).tolist() == [[1, 3, 2]]


def test_a_part_is_what_lies_in_its_box_and_zero_beyond_the_image():
    images = torch.arange(2 * 3 * 16 * 16, dtype=torch.float32).view(2, 3, 16, 16) + 1
    boxes = torch.tensor([[[4.0, 2, 12, 10], [0, 0, 16, 16]], [[0, 8, 8, 16], [-8, -8, 0, 0]]])
    parts = cut_out(images, boxes, 8)
    assert parts.shape == (4, 3, 8, 8)
    torch.testing.assert_close(parts[0], images[0, :, 2:10, 4:12])
    torch.testing.assert_close(parts[1], torch.nn.functional.avg_pool2d(images[0], 2))
    torch.testing.assert_close(parts[2], images[1, :, 8:, :8])
    assert parts[3, :, :7, :7].abs().max() == 0


@pytest.mark.parametrize(("size", "side"), [(448, 224), (224, 224), (64, 64)])
def test_parts_are_of_224_px_or_of_the_size_of_smaller_images(size, side):
    parts = network("nts")._cut(torch.zeros(1, 3, size, size), torch.tensor([[[0.0, 0, 9, 9]]]))
    assert parts.shape == (1, 3, side, side)


# The loss of ranking


def test_the_worked_ranking_loss():
    scores, losses = torch.tensor([[0.2, 1.0, 0.5]]), torch.tensor([[0.1, 0.9, 0.4]])
    assert ranking_loss(scores, losses).item() == pytest.approx(4.6)
    assert ranking_loss(scores.repeat(5, 1), losses.repeat(5, 1)).item() == pytest.approx(4.6)


def test_scores_that_rank_well_cost_nothing_and_equal_losses_rank_nothing():
    scores = torch.tensor([[3.0, 1.0, 2.0]])
    assert ranking_loss(scores, torch.tensor([[0.1, 0.9, 0.4]])) == 0
    assert ranking_loss(scores, torch.zeros(1, 3)) == 0


# The network


def network(method="ours_nts", **how):
    torch.manual_seed(0)
    return tiny.build(method, (2, 3, 5), **how)


def test_the_navigator_learns_from_the_order_of_the_parts_alone_and_tells_the_backbone_nothing():
    made = network().train()
    images = torch.randn(2, 3, 64, 64)
    scores = made.navigator(made.backbone(images).detach())
    assert scores.requires_grad
    scores, _ = made._parts(images, made.backbone(images), 6)
    scores.sum().backward()
    assert all(p.grad is None for p in made.backbone.parameters())
    assert all(p.grad is not None for p in made.navigator.parameters())


def test_the_features_are_those_of_the_four_best_parts_and_then_of_the_whole():
    made, images = network().eval(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        embedded = made.embed(images)
        assert embedded.shape == (2, 5 * 512)
        torch.testing.assert_close(embedded[:, -512:], made.backbone.pooled(images))
        _, six = made._parts(images, made.backbone(images), 6)
        torch.testing.assert_close(embedded[:, :-512], six[:, :4].flatten(1))


def test_the_loss_is_of_the_whole_of_all_together_of_the_parts_and_of_their_order():
    made, targets = network("nts").eval(), torch.tensor([[0, 0, 1], [1, 2, 4]])
    images, (step,) = torch.randn(2, 3, 64, 64), made.training_steps()
    with torch.no_grad():
        loss, hits = step(images, targets, None, PLAIN)
        scores, parts = made._parts(images, made.backbone(images), 6)
        whole, finest = made.backbone.pooled(images), targets[:, -1]
        logits = made.part(parts.flatten(0, 1))[-1]
        of_parts = cross_entropy(logits, finest.repeat_interleave(6), reduction="none").view(2, 6)
        expected = cross_entropy(made.whole(whole)[-1], finest) + cross_entropy(made(images)[-1], finest)
        expected += of_parts.mean() + ranking_loss(scores, of_parts)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert hits.shape == (3,)


def test_mixed_images_rank_and_teach_by_both_labels():
    made, images = network().eval(), torch.randn(4, 3, 64, 64)
    targets = torch.tensor([[0, 0, 0], [1, 2, 4], [0, 1, 2], [0, 1, 3]])
    (step,) = made.training_steps()
    with torch.no_grad():
        plain, _ = step(images, targets, None, PLAIN)
        torch.testing.assert_close(step(images, targets, torch.ones(4), PLAIN)[0], plain)
        partners, _ = step(images, targets.flip(0), None, PLAIN)
        torch.testing.assert_close(step(images, targets, torch.zeros(4), PLAIN)[0], partners)


def test_parts_of_unknown_label_are_not_ranked():
    made = network().eval()
    logits = [torch.randn(6, size) for size in (2, 3, 5)]
    targets = torch.tensor([[0, 1, -1]] * 6)
    assert made._losses(logits, targets, None).tolist() == [0.0] * 6


def test_parts_may_be_ranked_by_all_levels():
    made = network(options="ranking=all")
    logits, targets = [torch.randn(6, size) for size in (2, 3, 5)], torch.zeros(6, 3, dtype=torch.int64)
    expected = sum(cross_entropy(z, targets[:, 0], reduction="none") for z in logits)
    torch.testing.assert_close(made._losses(logits, targets, None), expected)


def test_parameters_are_those_of_three_classifiers_and_the_navigator():
    with torch.device("meta"):
        made, backbone = tiny.build("nts", (13, 38, 200), "resnet50"), build_backbone("resnet50")
    heads = sum(width * 200 + 200 for width in (2048, 2048, 10_240))
    navigator = 2048 * 128 * 9 + 128 + 2 * (128 * 128 * 9 + 128) + 129 * (6 + 6 + 9)
    count = sum(p.numel() for p in made.parameters()) - sum(p.numel() for p in backbone.parameters())
    assert count == heads + navigator


def test_a_network_made_for_another_size_than_parts_have_is_one_line():
    class Fixed(tiny.OneConvolution):
        name, image_size = "fixed", 448

        def maps(self, images):
            assert images.shape[-1] == 448
            return super().maps(images)

    with pytest.raises(HiertaxError) as caught:
        PartNetwork(Fixed(), lambda _: None)
    assert str(caught.value) == (
        "`backbone` fixed: made for 448 px, it takes no parts of images of 224 px; try resnet50, or `image_size` 224"
    )
