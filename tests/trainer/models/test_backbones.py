"""Backbones: feature maps by stage, and the pretrained weights they start from."""

import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from runs import stored
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import ResNet, get_model, get_model_weights
from torchvision.models.resnet import BasicBlock

from taxonomy import HiertaxError
from trainer.models.backbones import IMAGENET, Preprocessing, build_backbone, load_weights
from trainer.models.stored import WEIGHTS, strip_prefix
from trainer.runs.checkpoint import Checkpoint

SMALL = (2, 3, 5)
PUBLISHED = Path(__file__).parents[3].parent / "shared/data/weights/mobilenet_v2_imagenet_features.safetensors"


def images(count=2, size=32):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


# ---------------------------------------------------------------- backbones


@pytest.mark.parametrize(
    ("name", "width", "sizes"),
    [
        ("resnet10", 512, (32, 64)),
        ("resnet18", 512, (32, 64)),
        ("resnet34", 512, (32, 64)),
        ("resnet50", 2048, (32, 64)),
        ("mobilenet_v2", 1280, (32, 96)),
        ("convnext_tiny", 768, (32, 96)),
    ],
)
def test_a_backbone_yields_a_feature_map_of_its_width_at_any_size(name, width, sizes):
    backbone = build_backbone(name).eval()
    assert backbone.width == width
    with torch.no_grad():
        for size in sizes:
            assert backbone(images(1, size)).shape == (1, width, size // 32, size // 32)


def test_a_backbone_is_torchvisions_network_up_to_the_pooling():
    network = get_model("mobilenet_v2", weights=None).eval()
    backbone = build_backbone("mobilenet_v2").eval()
    load = {key: value for key, value in network.state_dict().items() if key.startswith("features")}
    assert backbone.state_dict().keys() == load.keys()
    backbone.load_state_dict(load)
    with torch.no_grad():
        assert torch.equal(backbone(images()), network.features(images()))


def test_asking_for_the_width_leaves_a_new_backbone_untouched():
    backbone = build_backbone("resnet10")
    assert backbone.training
    assert backbone.bn1.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("resnet10", (64, 128, 256, 512)),
        ("resnet50", (256, 512, 1024, 2048)),
        ("mobilenet_v2", (24, 32, 96, 1280)),
        ("efficientnet_b0", (24, 40, 112, 1280)),
        ("shufflenet_v2_x0_5", (24, 48, 96, 1024)),
        ("convnext_tiny", (96, 192, 384, 768)),
        ("swin_t", (96, 192, 384, 768)),
        ("vit_b_32", (768,)),  # its layers give maps of one size
    ],
)
def test_stages_are_the_maps_before_the_resolution_falls(name, widths):
    backbone = build_backbone(name, image_size=64).eval()
    assert (backbone.widths, backbone.width) == (widths, widths[-1])
    with torch.no_grad():
        maps, last = backbone.maps(images(1, 64)), backbone(images(1, 64))
    assert [tuple(each.shape) for each in maps] == [
        (1, width, side, side) for width, side in zip(widths, (16, 8, 4, 2)[-len(widths) :], strict=True)
    ]
    assert torch.equal(maps[-1], last)


def test_the_stages_of_a_resnet_are_its_layers():
    network = get_model("resnet18", weights=None).eval()
    backbone = build_backbone("resnet18").eval()
    backbone.load_state_dict({key: value for key, value in network.state_dict().items() if not key.startswith("fc")})
    with torch.no_grad():
        x, expected = network.maxpool(network.relu(network.bn1(network.conv1(images())))), []
        for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
            x = layer(x)
            expected.append(x)
        assert all(torch.equal(a, b) for a, b in zip(backbone.maps(images()), expected, strict=True))


def test_a_backbone_with_too_few_maps_says_so_in_one_line():
    assert build_backbone("resnet10").last_widths(3) == (128, 256, 512)
    with pytest.raises(
        HiertaxError, match=r"^`backbone` vit_b_32: gives one feature map where 3 are needed; try resnet50$"
    ):
        build_backbone("vit_b_32").last_widths(3)


@pytest.mark.parametrize("name", ["resnet10", "resnet50", "mobilenet_v2", "convnext_tiny"])
def test_images_are_prepared_as_for_the_published_weights(name):
    about = build_backbone(name).preprocessing
    assert (about.mean, about.std, about.size) == (IMAGENET.mean, IMAGENET.std, 224)


def test_preprocessing_is_that_of_torchvisions_transforms():
    transforms = get_model_weights("efficientnet_b3")["IMAGENET1K_V1"].transforms()
    mean, std = tuple(transforms.mean), tuple(transforms.std)
    assert build_backbone("efficientnet_b3").preprocessing == Preprocessing(mean, std, 300, "bicubic", 300 / 320)


@pytest.mark.parametrize("name", ["resnet5", "", "fasterrcnn_resnet50_fpn", "deeplabv3_resnet50"])
def test_a_network_that_is_no_classifier_of_torchvision_is_refused(name):
    with pytest.raises(HiertaxError, match=f"`backbone` {name}: torchvision has no such classification network; try"):
        build_backbone(name)


# ---------------------------------------------------------------- weights


@pytest.fixture(scope="module")
def trained():
    """A whole ResNet of torchvision's, classifier and all, as if it had been trained on something."""
    torch.manual_seed(3)
    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=7)


def assert_holds(backbone, network):
    state = network.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth"])
def test_weights_are_read_from_a_file_and_its_classifier_is_passed_over(tmp_path, trained, name):
    save = save_file if name.endswith("safetensors") else torch.save
    save(trained.state_dict(), tmp_path / name)
    backbone = build_backbone("resnet10")
    load_weights(backbone, str(tmp_path / name))
    assert_holds(backbone, trained)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"epoch": 3, "model": state, "optimizer": {}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {f"module._orig_mod.{key}": value for key, value in state.items()},
        lambda state: {"model_state_dict": {f"model.{key}": value for key, value in state.items()}},
        lambda state: {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")},
        lambda state: {key: value for key, value in state.items() if not key.startswith("fc")},
        lambda state: {key: value.double() for key, value in state.items()},
    ],
    ids=[
        "within a checkpoint",
        "beside an optimiser",
        "of DataParallel",
        "compiled",
        "of Lightning",
        "without counters",
        "without classifier",
        "as doubles",
    ],
)
def test_weights_come_in_many_wrappings(tmp_path, trained, wrap):
    torch.save(wrap(trained.state_dict()), tmp_path / "w.pt")
    backbone = build_backbone("resnet10")
    load_weights(backbone, str(tmp_path / "w.pt"))
    for key, value in backbone.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, trained.state_dict()[key])


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"the ImageNet features are not at {PUBLISHED}")
def test_published_imagenet_features_fit_their_backbone():
    backbone = build_backbone("mobilenet_v2")
    load_weights(backbone, str(PUBLISHED))
    stored = load_file(PUBLISHED)
    assert torch.equal(backbone.features[0][0].weight, stored["features.0.0.weight"])


def test_without_weights_a_backbone_stays_as_it_was_drawn():
    torch.manual_seed(0)
    backbone = build_backbone("resnet10")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    load_weights(backbone, "none")
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def refused(backbone, file):
    """Load a file that must be refused with one line that names it, and leave the backbone as it was."""
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(HiertaxError) as caught:
        load_weights(backbone, str(file))
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert str(caught.value).startswith(f"`weights` {file}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"`weights` {file}: ")


@pytest.mark.parametrize(
    ("of", "to", "text"),
    [
        ("mobilenet_v2", "resnet10", "60 of its 72 tensors are missing, 0 are foreign; the file lacks 'conv1.weight'"),
        ("resnet10", "resnet18", "tensors are missing, 0 are foreign; the file lacks 'layer1.1.conv1.weight'"),
        ("resnet18", "resnet10", "48 are foreign; the file has 'layer1.1.conv1.weight', which resnet10 lacks"),
        ("resnet34", "resnet18", "are foreign; the file has 'layer1.2.conv1.weight', which resnet18 lacks"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, of, to, text):
    torch.save(build_backbone(of).state_dict(), tmp_path / "w.pt")
    message = refused(build_backbone(to), tmp_path / "w.pt")
    assert message.startswith(f"not weights of {to}: ")
    assert text in message
    assert message.endswith("name the `backbone` they belong to")


def test_weights_of_another_shape_are_refused(tmp_path):
    state = build_backbone("resnet10").state_dict() | {"conv1.weight": torch.zeros(64, 1, 7, 7)}
    torch.save(state, tmp_path / "w.pt")
    assert refused(build_backbone("resnet10"), tmp_path / "w.pt") == (
        "conv1.weight has shape [64, 1, 7, 7], resnet10 needs [64, 3, 7, 7]; name the `backbone` they belong to"
    )


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("conv1.weight", lambda values: (values * 100).to(torch.int8), "is int8, as of quantised weights; save them"),
        ("conv1.weight", lambda values: values.to(torch.complex64), "is complex64, as of"),
        ("conv1.weight", lambda values: values * torch.nan, "has values that are no finite numbers; take another"),
        ("bn1.running_var", lambda values: -values, "has negative variances; take another file"),
    ],
    ids=["quantised", "complex", "no numbers", "negative variances"],
)
def test_weights_of_which_nothing_right_can_come_are_refused(tmp_path, name, change, text):
    state = build_backbone("resnet10").state_dict()
    torch.save({**state, name: change(state[name])}, tmp_path / "w.pt")
    assert refused(build_backbone("resnet10"), tmp_path / "w.pt").startswith(f"{name} {text}")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_missing_file_of_weights_is_named(tmp_path, name):
    assert refused(build_backbone("resnet10"), tmp_path / name) == "no such file; name a file, `imagenet` or `none`"


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: b"no weights at all", lambda content: content[:3000]])
def test_a_damaged_file_of_weights_is_refused(tmp_path, trained, name, damage):
    file = tmp_path / name
    (torch.save if name == "w.pt" else save_file)(trained.state_dict(), file)
    file.write_bytes(damage(file.read_bytes()))
    assert "; " in refused(build_backbone("resnet10"), file)


def test_a_folder_without_a_run_is_no_file_of_weights(tmp_path):
    assert refused(build_backbone("resnet10"), tmp_path) == (
        "a folder without a checkpoint; name a run, a file, `imagenet` or `none`"
    )


class Bomb:
    """Unpickling this makes a folder."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return Path.mkdir, (self.place,)


def test_code_in_a_file_of_weights_is_refused_and_not_executed(tmp_path):
    bomb = {"conv1.weight": Bomb(tmp_path / "exploded")}
    torch.save(bomb, tmp_path / "torch.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(bomb))
    for name in ("torch.pt", "plain.pt"):
        assert "nothing in it was executed; save the network's state_dict()" in refused(
            build_backbone("resnet10"), tmp_path / name
        )
    assert not (tmp_path / "exploded").exists()


def test_a_pickled_network_is_refused_and_told_to_be_a_state_dict(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    assert "save the network's state_dict()" in refused(build_backbone("resnet10"), tmp_path / "whole.pt")


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"state_dict": 3}, "text"])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    assert (
        refused(build_backbone("resnet10"), tmp_path / "w.pt") == "holds no state dict; save the network's state_dict()"
    )


def test_keys_that_are_no_text_are_no_weights(tmp_path):
    torch.save({1: torch.zeros(2)}, tmp_path / "w.pt")
    assert refused(build_backbone("resnet10"), tmp_path / "w.pt").startswith("not weights of resnet10: 60 of its 72")


def test_a_network_without_imagenet_weights_says_so():
    with pytest.raises(HiertaxError, match="torchvision has none for resnet10; give `weights` a file"):
        load_weights(build_backbone("resnet10"), "imagenet")


def test_a_failed_download_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nobody listens there: a machine without a network
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(HiertaxError, match=r"weights of resnet18 could not be downloaded .*; give `weights` a file"):
        load_weights(build_backbone("resnet18"), "imagenet")


# ---------------------------------------------------------------- weights of a run


@pytest.fixture(scope="module")
def runs(hiertrain, patches, tmp_path_factory):
    """Runs by what is special about them; tests must not change them."""
    ways = {
        "averaged": ("--ema", 0.5),
        "best kept": ("--val-fraction", 0.3, "--patience", 5),
        "frozen": ("--freeze-backbone",),
        "several": ("--method", "vanilla_multi"),
        "pooled by a learned mean": ("--pool", "gem"),
    }
    root = tmp_path_factory.mktemp("ways")
    for way, options in ways.items():
        assert hiertrain(*patches.options(*options, "--out", root / way, epochs=1)).code == 0
    return root


@pytest.mark.parametrize("way", ["averaged", "best kept", "frozen", "several"])
@pytest.mark.parametrize("name", ["", "checkpoint.safetensors"])
def test_a_run_gives_the_backbone_that_it_answers_with(runs, way, name):
    backbone = build_backbone("shufflenet_v2_x0_5", str(runs / way / name))
    checkpoint = Checkpoint.load(runs / way) if name else Checkpoint.load_to_answer(runs / way)
    assert_holds(backbone, checkpoint.answering().finest_backbone())


def test_a_run_trains_from_the_backbone_of_another_with_other_classes(
    hiertrain, patches, part_of_patches, run, tmp_path
):
    """With rates of zero nothing moves."""
    still = ("--learning-rate", 0, "--backbone-learning-rate", 0, "--weights", run, "--data", part_of_patches)
    assert hiertrain(*patches.options(*still, "--out", tmp_path / "run", epochs=1)).code == 0
    before, after = (strip_prefix(WEIGHTS + "backbone.", stored(each)[1]) for each in (run, tmp_path / "run"))
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert all("running" in name or "tracked" in name for name in moved)


def test_a_pooling_that_a_run_has_learned_is_no_part_of_its_backbone(runs):
    way = runs / "pooled by a learned mean"
    backbone = build_backbone("shufflenet_v2_x0_5", str(way), pool="gem")
    trained = Checkpoint.load(way).answering().finest_backbone()
    assert torch.equal(backbone.state_dict()["conv1.0.weight"], trained.state_dict()["conv1.0.weight"])
    assert backbone.state_dict()["gem.p"] == 3


def test_a_run_of_another_backbone_is_refused_and_named(run):
    assert refused(build_backbone("resnet10"), run / "checkpoint.safetensors") == (
        "of a run with the `backbone` shufflenet_v2_x0_5, not resnet10; name that"
    )


def test_a_changed_checkpoint_gives_no_weights(run, tmp_path):
    header, tensors = stored(run)
    tensors["weights/backbone.conv1.0.weight"] += 1
    save_file(tensors, tmp_path / "checkpoint.safetensors", metadata=header)
    with pytest.raises(HiertaxError, match=r"checkpoint\.safetensors: was changed after it was written; restore it"):
        build_backbone("shufflenet_v2_x0_5", str(tmp_path))


# ---------------------------------------------------------------- what is imported


def test_help_waits_for_no_large_library():
    code = (
        "import sys\nfrom trainer.commands import main\ntry:\n    main(['--help'])\nfinally:\n"
        "    assert not {'numpy', 'torch', 'torchvision'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


WITHOUT_COMPILER = """
import sys

import torch

import trainer.training.loop, trainer.inference.predictor, trainer.models.methods.ours

assert "torchvision" not in sys.modules
from trainer.config import Config
from trainer.models.backbones import build_backbone
from trainer.runtime.device import choose

choose(Config("h.json"))
backbone = build_backbone("resnet10").eval()
backbone.maps(torch.zeros(1, 3, 32, 32))
assert "torchvision" in sys.modules

from trainer.training.optimizer import make_optimizer, make_schedule, optimizer_tensors, restore_optimizer


class Layer(torch.nn.Linear):
    def parameter_groups(self, config):
        return [{"params": list(self.named_parameters()), "lr": 0.1}]


for name in ("sgd", "adamw"):
    layer = Layer(2, 2)
    optimizer = make_optimizer(layer, Config("h.json", optimizer=name))
    schedule = make_schedule(optimizer, Config("h.json"))
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    schedule.step()
    restore_optimizer(optimizer, optimizer_tensors(optimizer), {})
if "TIMM":
    build_backbone("timm/resnet10t")
assert not {"torch._dynamo", "torch._dynamo.utils"} & set(sys.modules)

from torchvision.ops.roi_align import is_compile_supported

assert is_compile_supported("cpu") in (True, False)
assert sys.modules["torch._dynamo.utils"].counters is not None
"""


def test_torchvision_is_imported_when_a_network_of_it_is_built_and_torchs_compiler_when_it_is_asked():
    """Which take as long to import as all the rest of torch."""
    script = WITHOUT_COMPILER.replace("TIMM", "timm" if find_spec("timm") else "")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
