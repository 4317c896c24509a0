"""Training of the last blocks of a backbone alone."""

import pytest
import tiny
import torch

from taxonomy import HiertaxError
from trainer.config import METHODS, Config
from trainer.models.backbones import build_backbone

SIZES = (2, 4)


def learning(backbone):
    return {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("name", ["resnet10", "mobilenet_v2", "densenet121", "swin_t", "vit_b_32", "googlenet"])
def test_every_parameter_is_in_one_block(name):
    backbone = build_backbone(name, image_size=64)
    blocks = backbone.parameter_blocks()
    names = [each for block in blocks for each in block]
    assert sorted(names) == sorted(each for each, _ in backbone.named_parameters())
    assert learning(build_backbone(name, image_size=64, train_blocks=len(blocks))) == set(names)


def test_blocks_are_the_residual_blocks_of_a_resnet_and_the_layers_of_a_transformer():
    first, *_, last = build_backbone("resnet50").parameter_blocks()
    assert first == ["conv1.weight", "bn1.weight", "bn1.bias"]
    assert {name.rpartition(".conv")[0] for name in last if ".conv" in name} == {"layer4.2"}
    first, *layers = build_backbone("vit_b_32", image_size=32).parameter_blocks()
    assert set(first) == {"class_token", "encoder.pos_embedding", "conv_proj.weight", "conv_proj.bias"}
    assert len(layers) == 12
    assert {"encoder.ln.weight", "encoder.layers.encoder_layer_11.mlp.3.weight"} < set(layers[-1])


def test_only_the_last_blocks_learn():
    assert learning(build_backbone("resnet10", train_blocks=1)) == {
        name for name, _ in build_backbone("resnet10").named_parameters() if name.startswith("layer4")
    }
    assert "gem.p" in learning(build_backbone("resnet10", train_blocks=1, pool="gem"))


def test_blocks_at_rest_keep_their_running_statistics():
    backbone = build_backbone("resnet10", train_blocks=2).train()
    before = tiny.state(backbone)
    backbone(torch.randn(4, 3, 32, 32))
    changed = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(("layer3", "layer4")) for name in changed)


@pytest.mark.parametrize("method", METHODS)
def test_the_optimiser_holds_nothing_of_blocks_at_rest(method):
    network = tiny.build(method, SIZES, train_blocks=1, image_size=32)
    learner = tiny.learner(network, train_blocks=1)
    held = {name for group in learner.optimizer.param_groups for name in group["param_names"]}
    assert held == {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert not any("layer3" in name for name in held)
    assert any("layer4" in name for name in held)


def test_more_blocks_than_there_are_is_one_line():
    with pytest.raises(HiertaxError) as caught:
        build_backbone("resnet10", train_blocks=6)
    assert str(caught.value) == "`train_blocks` 6: resnet10 has 5 blocks; give fewer, or leave it out"


def test_blocks_of_a_frozen_backbone_are_refused():
    with pytest.raises(HiertaxError, match="`train_blocks` 2: no block of a frozen backbone learns; leave out one of"):
        Config(train_blocks=2, freeze_backbone=True)
