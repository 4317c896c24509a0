"""Every classification network of torchvision is a backbone."""

from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision import models
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models.regnet import BlockParams

from taxonomy import HiertaxError
from trainer.models.backbones import Preprocessing, build_backbone, load_weights

NAMES = list_models(module=models)
SMALLEST = {"maxvit_t": 224, "vit_h_14": 42, "inception_v3": 75, "alexnet": 63}  # pixels; others take 32
LARGE, HUGE = 30e6, 150e6  # parameters, above which a network is not saved, or built without values for its shapes
CLASS_TOKENS = [name for name in NAMES if name.startswith("vit_")]


def size_of(name):
    return next(iter(get_model_weights(name))).meta["num_params"]


def device_of(name):
    return torch.device("meta") if size_of(name) > HUGE else nullcontext()


@pytest.fixture
def regnets_without_values(monkeypatch):
    """Let torchvision reckon the widths of a RegNet, for which it takes tensors, where tensors have values."""
    original = BlockParams.from_init_params

    def reckoned(**settings):
        with torch.device("cpu"):
            return original(**settings)

    monkeypatch.setattr(BlockParams, "from_init_params", reckoned)


@pytest.fixture(scope="module")
def nothing_drawn():
    """Let weights begin as zeros: to draw a hundred million of them takes longer than to compute with them once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_", "xavier_uniform_"):
            patch.setattr(torch.nn.init, name, lambda tensor, *_, **__: torch.nn.init.zeros_(tensor))
        yield


@pytest.mark.usefixtures("regnets_without_values", "nothing_drawn")
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_network_builds_runs_and_is_saved_under_torchvisions_names(name, tmp_path):
    size = SMALLEST.get(name, 32)
    with device_of(name), torch.no_grad():
        backbone, images = build_backbone(name, image_size=size).eval(), torch.zeros(1, 3, size, size)
        maps = backbone.maps(images)
        assert [map_.shape[1] for map_ in maps] == list(backbone.widths)
        assert all(map_.dim() == 4 and map_.shape[2] == map_.shape[3] for map_ in maps)
        assert backbone.pooled(images).shape == (1, backbone.width)
    assert len(backbone.parameter_blocks()) > 1
    if size_of(name) > LARGE:
        return
    with torch.device("meta"):
        state, whole = backbone.state_dict(), get_model(name, weights=None, **settings(name)).state_dict()
    assert shapes(state).items() <= shapes(whole).items()
    save_file(state, tmp_path / "w.safetensors")
    load_weights(backbone, str(tmp_path / "w.safetensors"))
    assert load_file(tmp_path / "w.safetensors").keys() == state.keys()


def settings(name):
    if name.startswith("vit_"):
        return {"image_size": SMALLEST.get(name, 32)}
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


def shapes(state):
    return {name: tensor.shape for name, tensor in state.items()}


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t"])
def test_maps_of_networks_that_compute_channels_last_are_turned(name):
    backbone = build_backbone(name, image_size=64).eval()
    assert backbone.widths == (96, 192, 384, 768)
    with torch.no_grad():
        maps, last = backbone.maps(torch.randn(1, 3, 64, 64)), backbone(torch.randn(1, 3, 64, 64))
    assert [tuple(map_.shape[1:]) for map_ in maps] == [(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)]
    assert last.shape == maps[-1].shape


def test_a_vision_transformer_gives_its_patches_as_a_map_and_its_class_token():
    network = get_model("vit_b_32", image_size=64).eval()
    backbone = build_backbone("vit_b_32", image_size=64).eval()
    backbone.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("heads")})
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        token = backbone.pooled(images, "token")
        assert torch.equal(network.heads(token), network(images))
        patches = network._process_input(images)
        tokens = network.encoder(torch.cat([network.class_token.expand(2, -1, -1), patches], 1))
        expected = tokens[:, 1:].reshape(2, 2, 2, 768).permute(0, 3, 1, 2)
        assert torch.equal(backbone(images), expected)


@pytest.mark.parametrize("name", ["inception_v3", "googlenet"])
def test_networks_that_rescale_images_themselves_are_given_them_as_they_want_them(name):
    """Published weights of these are of a network that turns ImageNet's normalisation into one by 0.5 first."""
    torch.manual_seed(0)
    network = get_model(name, weights=None, init_weights=False, transform_input=True, aux_logits=False).eval()
    backbone = build_backbone(name, image_size=96).eval()
    backbone.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("fc")})
    assert backbone.preprocessing.mean == backbone.preprocessing.std == (0.5, 0.5, 0.5)
    pixels = torch.rand(2, 3, 96, 96)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        ours = network.fc(backbone.pooled((pixels - 0.5) / 0.5, "avg"))
        torch.testing.assert_close(ours, network((pixels - mean) / std), rtol=1e-4, atol=1e-4)


def test_size_interpolation_and_crop_are_those_of_the_published_weights():
    with torch.device("meta"):
        about = build_backbone("vit_l_16", image_size=32).preprocessing
        assert (about.size, about.interpolation, round(about.crop, 3)) == (224, "bilinear", 0.926)
        assert build_backbone("vit_h_14", image_size=42).preprocessing.interpolation == "bicubic"  # at 224 px
        assert isinstance(build_backbone("resnet10").preprocessing, Preprocessing)


@pytest.mark.parametrize(
    ("name", "size", "sizes"),
    [
        ("vit_b_16", 100, "96 or 112"),
        ("vit_h_14", 100, "98 or 112"),
        ("maxvit_t", 100, "224"),
        ("vit_b_32", 40, "32 or 64"),
    ],
)
def test_a_size_that_a_network_does_not_take_is_refused_with_the_nearest_that_it_takes(name, size, sizes):
    with torch.device("meta"), pytest.raises(HiertaxError) as caught:
        build_backbone(name, image_size=size)
    assert str(caught.value) == (f"`image_size` {size}: does not suit {name}; try {sizes}, or another `backbone`")


def test_position_embeddings_of_another_image_size_are_resized(tmp_path):
    torch.manual_seed(0)
    large = build_backbone("vit_b_32", image_size=96)
    save_file(large.state_dict() | {"heads.head.weight": torch.zeros(7, 768)}, tmp_path / "w.safetensors")
    small = build_backbone("vit_b_32", str(tmp_path / "w.safetensors"), image_size=64)
    wanted, got = large.state_dict(), small.state_dict()
    assert got["encoder.pos_embedding"].shape == (1, 5, 768)
    assert torch.equal(got["encoder.pos_embedding"][:, 0], wanted["encoder.pos_embedding"][:, 0])  # of the class token
    assert all(torch.equal(got[key], wanted[key]) for key in got if key != "encoder.pos_embedding")
