"""Networks of timm are backbones."""

import itertools
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from taxonomy import HiertaxError
from trainer.models.backbones import Preprocessing, build_backbone, load_weights
from trainer.models.backbones.pooling import global_average_pool

timm = pytest.importorskip("timm", reason="timm, an extra, is not installed")

PUBLISHED = Path(__file__).parents[3].parent / "shared/data/weights/tf_efficientnet_lite0_imagenet.safetensors"
FAMILIES = {  # the smallest of each, and a size that it takes
    "resnet10t": 32,
    "efficientnet_lite0": 32,
    "tf_efficientnet_lite0": 32,
    "mobilenetv3_small_050": 32,
    "mobilenetv4_conv_small_035": 32,
    "convnext_atto": 32,
    "convnextv2_atto": 32,
    "vit_tiny_patch16_224": 32,
    "vit_tiny_r_s16_p8_224": 32,  # a convolutional stem under a transformer
    "deit_tiny_distilled_patch16_224": 32,
    "vit_small_patch14_reg4_dinov2": 42,  # with register tokens
    "eva02_tiny_patch14_224": 42,
    "cait_xxs24_224": 32,
    "xcit_nano_12_p16_224": 32,
    "swin_tiny_patch4_window7_224": 32,
    "mixer_s32_224": 32,
    "coat_lite_tiny": 32,
    "pit_ti_224": 64,
    "levit_128s": 96,
    "edgenext_xx_small": 64,
    "mobilevit_xxs": 64,
    "poolformer_s12": 32,
    "regnetx_002": 32,
    "densenet121": 32,
    "ghostnet_050": 32,
    "repvit_m0_9": 32,
    "fastvit_t8": 64,
    "hgnetv2_b0": 32,
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), FAMILIES.items())
def test_a_family_builds_runs_is_saved_and_loaded(name, size, tmp_path):
    torch.manual_seed(0)
    backbone = build_backbone(f"timm/{name}", image_size=size).eval()
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        maps, last = backbone.maps(images), backbone(images)
    assert [map_.shape[1] for map_ in maps] == list(backbone.widths)
    assert all(map_.dim() == 4 and map_.shape[2] == map_.shape[3] for map_ in maps)
    assert all(finer.shape[2] > coarser.shape[2] for finer, coarser in itertools.pairwise(maps))
    torch.testing.assert_close(maps[-1], last)
    state = {key: value.clone() for key, value in backbone.library_network.state_dict().items()}
    with torch.device("meta"):
        assert state.keys() <= timm.create_model(name).state_dict().keys()  # so that timm's files fit
    assert len(backbone.parameter_blocks()) > 1
    save_file(state, tmp_path / "w.safetensors")
    other = build_backbone(f"timm/{name}", str(tmp_path / "w.safetensors"), image_size=size).eval()
    with torch.no_grad():
        assert torch.equal(other(images), last)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["resnet10t", "convnext_atto", "vit_tiny_patch16_224", "levit_128s", "edgenext_xx_small"]
)
def test_parameters_without_a_part_in_the_map_do_not_learn(name):
    """Several processes could not add up their gradients."""
    size = FAMILIES[name]
    backbone = build_backbone(f"timm/{name}", image_size=size)
    backbone(torch.randn(2, 3, size, size)).square().sum().backward()
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in backbone.parameters())


def test_channels_last_maps_are_turned_and_stages_given():
    backbone = build_backbone("timm/swin_tiny_patch4_window7_224", image_size=64).eval()
    assert backbone.widths == (96, 192, 384, 768)
    with torch.no_grad():
        shapes = [tuple(map_.shape[1:]) for map_ in backbone.maps(torch.zeros(1, 3, 64, 64))]
    assert shapes == [(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)]


def test_class_and_register_tokens_are_set_apart_from_the_map():
    network = timm.create_model("vit_tiny_patch16_224", num_classes=5, img_size=48, reg_tokens=0).eval()
    backbone = build_backbone("timm/vit_tiny_patch16_224", image_size=48).eval()
    state = {key: value for key, value in network.state_dict().items() if not key.startswith("head")}
    backbone.library_network.load_state_dict(state)
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        tokens = network.forward_features(images)
        assert torch.equal(backbone.pooled(images, "token"), tokens[:, 0])
        assert torch.equal(backbone(images), tokens[:, 1:].reshape(2, 3, 3, -1).permute(0, 3, 1, 2))
        assert torch.equal(network.head(backbone.pooled(images, "token")), network(images))


def test_images_are_prepared_as_timm_says():
    half = (0.5, 0.5, 0.5)
    about = build_backbone("timm/tf_efficientnet_lite0", image_size=32).preprocessing
    assert about == Preprocessing(half, half, 224, "bicubic", 0.875)
    with torch.device("meta"):
        other = build_backbone("timm/convnext_atto.d2_in1k", image_size=32).preprocessing
    assert other == Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224, "bicubic", 0.875)


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"the ImageNet weights are not at {PUBLISHED}")
def test_a_file_of_timms_weights_answers_as_timms_own_network():
    state = load_file(PUBLISHED)
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(state | {key: value for key, value in network.state_dict().items() if key not in state})
    backbone = build_backbone("timm/tf_efficientnet_lite0", str(PUBLISHED), image_size=64).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.classifier(global_average_pool(backbone(images))), network(images))


def test_a_classifier_in_a_file_is_passed_over_whatever_its_classes(tmp_path):
    state = timm.create_model("resnet10t", num_classes=7).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    backbone = build_backbone("timm/resnet10t", str(tmp_path / "w.safetensors"), image_size=32)
    assert all(torch.equal(value, state[key]) for key, value in backbone.library_network.state_dict().items())


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_positions_of_another_image_size_are_resized(name, tmp_path):
    save_file(timm.create_model(name, img_size=96).state_dict(), tmp_path / "w.safetensors")
    backbone = build_backbone(f"timm/{name}", str(tmp_path / "w.safetensors"), image_size=64).eval()
    with torch.no_grad():
        assert backbone(torch.zeros(1, 3, 64, 64)).isfinite().all()


def test_weights_of_another_network_are_refused_in_one_line(tmp_path):
    save_file(timm.create_model("resnet10t").state_dict(), tmp_path / "w.safetensors")
    backbone = build_backbone("timm/resnet18", image_size=32)
    with pytest.raises(
        HiertaxError, match=r"not weights of timm/resnet18: \d+ of its 120 tensors are missing"
    ) as caught:
        load_weights(backbone, str(tmp_path / "w.safetensors"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/resnet10x", "`backbone` timm/resnet10x: timm has no such network; try timm/resnet10t"),
        ("timm/", "`backbone` timm/: timm has no such network; try timm/resnet50"),
        ("timm/resnet10t.a", "`backbone` timm/resnet10t.a: timm publishes no such weights; try timm/resnet10t.c3_in1k"),
    ],
)  # fmt: skip
def test_a_name_that_timm_does_not_know_is_refused_with_the_nearest(name, said):
    with pytest.raises(HiertaxError) as caught:
        build_backbone(name)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("name", "size", "sizes"), [("vit_tiny_patch16_224", 100, "96 or 112"), ("vit_small_patch14_dinov2", 224, None)]
)
def test_a_size_that_makes_no_whole_patches_is_refused(name, size, sizes):
    if sizes is None:
        with torch.device("meta"):
            assert build_backbone(f"timm/{name}", image_size=size).image_size == size
        return
    with pytest.raises(HiertaxError, match=f"`image_size` {size}: does not suit timm/{name}; try {sizes}, or another"):
        build_backbone(f"timm/{name}", image_size=size)


def test_without_timm_one_line_says_how_to_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(HiertaxError, match=r"^`backbone` timm/resnet10t: timm is not installed; .* 'hiertax\[timm\]'$"):
        build_backbone("timm/resnet10t")


def test_a_network_without_published_weights_says_so():
    backbone = build_backbone("timm/resnet10t", image_size=32)
    backbone.library_network.pretrained_cfg |= {"url": "", "hf_hub_id": None, "file": None}
    with pytest.raises(HiertaxError, match="timm has none for timm/resnet10t; give `weights` a file"):
        load_weights(backbone, "imagenet")


def test_a_failed_download_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HiertaxError) as caught:
        build_backbone("timm/resnet10t", "imagenet", image_size=32)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("`weights` imagenet: the weights of timm/resnet10t could not be downloaded (")
    assert str(caught.value).endswith("; give `weights` a file that you have, or `weights` none")
