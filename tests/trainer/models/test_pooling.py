"""From the last map to one vector: maximum, mean, generalised mean, class token."""

import pytest
import tiny
import torch
from safetensors.torch import save_file

from taxonomy import HiertaxError
from trainer.config import METHODS
from trainer.models.backbones import build_backbone
from trainer.models.backbones.pooling import GeneralisedMean, global_average_pool, global_max_pool
from trainer.models.methods import build_network

MAPS = torch.rand(2, 5, 3, 3, generator=torch.Generator().manual_seed(0))


def images(size=32):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def gem(p):
    pooling = GeneralisedMean()
    torch.nn.init.constant_(pooling.p, p)
    return pooling(MAPS).detach()


def test_the_generalised_mean_lies_between_mean_and_maximum():
    torch.testing.assert_close(gem(1), global_average_pool(MAPS))
    torch.testing.assert_close(gem(200), global_max_pool(MAPS), rtol=0.02, atol=0)
    assert (gem(1) < gem(3)).all()
    assert (gem(3) < gem(9)).all()


def test_the_generalised_mean_learns_its_power_and_takes_negative_features():
    pooling = GeneralisedMean()
    (pooling(MAPS - 0.5).square().sum()).backward()
    assert pooling.p.grad.isfinite().all()
    assert pooling.p.grad.abs() > 0


def test_the_maximum_is_the_default_and_has_no_parameters():
    backbone = build_backbone("resnet10", image_size=32).eval()
    assert torch.equal(backbone.pooled(images()), backbone(images()).amax((2, 3)))
    assert backbone.state_dict().keys() == build_backbone("resnet10", pool="avg").state_dict().keys()


OF_STAGES = ("pmg", "ours_pmg")  # which need several maps
TOKENS = [(method, "timm/vit_tiny_patch16_224", "token") for method in METHODS if method not in OF_STAGES]


@pytest.mark.parametrize(
    ("method", "backbone", "pool"),
    [
        *((method, "resnet10", pool) for method in METHODS for pool in ("avg", "gem")),
        *(pytest.param(*way, marks=pytest.mark.slow) for way in TOKENS),
    ],
)
def test_every_method_pools_as_it_is_told(method, backbone, pool):
    if backbone.startswith("timm/"):
        pytest.importorskip("timm")
    network = tiny.build(method, (2, 3), backbone, image_size=32, pool=pool)
    logits = network(images())
    assert [level.shape for level in logits] == [(2, 2), (2, 3)]
    sum(level.square().sum() for level in logits).backward()
    powers = [parameter.grad for name, parameter in network.named_parameters() if name.endswith("gem.p")]
    assert len(powers) == (len(network.trunks()) if pool == "gem" else 0)
    assert all(gradient is not None for gradient in powers)


def test_a_class_token_is_asked_for_where_there_is_none():
    with pytest.raises(HiertaxError) as caught:
        build_backbone("resnet10", pool="token")
    assert str(caught.value) == (
        "`pool` token: resnet10 has no class token; leave it out, or name a `backbone` such as vit_b_16"
    )


def test_of_a_frozen_backbone_the_power_stays():
    network = build_network("ours", "resnet10", (2, 3), frozen=True, pool="gem", image_size=32)
    assert not network.backbone.gem.p.requires_grad


def test_weights_fit_whatever_the_pooling(tmp_path):
    state = build_backbone("resnet10").state_dict()
    save_file(state, tmp_path / "w.safetensors")
    backbone = build_backbone("resnet10", str(tmp_path / "w.safetensors"), pool="gem")
    assert all(torch.equal(backbone.state_dict()[key], value) for key, value in state.items())
