"""Networks as a whole: backbones, pretrained weights, and the methods built from them."""

import pickle
from math import log
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import ResNet, get_model
from torchvision.models.resnet import BasicBlock

import trainer
from taxonomy import HiertaxError
from trainer.config import METHODS
from trainer.models.backbones import build_backbone, load_weights
from trainer.models.losses import multi_level_loss
from trainer.models.methods import build_network

CUB, SMALL = (13, 38, 200), (2, 3, 5)
WEIGHTS = Path(__file__).parents[2].parent / "shared/data/weights/mobilenet_v2_imagenet_features.safetensors"


def parameters(module):
    return sum(p.numel() for p in module.parameters())


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


@pytest.mark.parametrize("name", ["resnet5", "", "fasterrcnn_resnet50_fpn", "deeplabv3_resnet50"])
def test_a_network_that_is_no_classifier_of_torchvision_is_refused(name):
    with pytest.raises(HiertaxError, match=f"`backbone` {name}: torchvision has no such classification network; try"):
        build_backbone(name)


def test_a_network_without_a_feature_map_is_refused():
    with pytest.raises(HiertaxError, match="`backbone` vit_b_32: it yields no feature map; try resnet50, mobilenet_v2"):
        build_backbone("vit_b_32")


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
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")},
        lambda state: {key: value for key, value in state.items() if not key.startswith("fc")},
        lambda state: {key: value.double() for key, value in state.items()},
    ],
    ids=["within a checkpoint", "of DataParallel", "without counters", "without classifier", "as doubles"],
)
def test_weights_come_in_many_wrappings(tmp_path, trained, wrap):
    torch.save(wrap(trained.state_dict()), tmp_path / "w.pt")
    backbone = build_backbone("resnet10")
    load_weights(backbone, str(tmp_path / "w.pt"))
    for key, value in backbone.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, trained.state_dict()[key])


@pytest.mark.skipif(not WEIGHTS.exists(), reason=f"the ImageNet features are not at {WEIGHTS}")
def test_published_imagenet_features_fit_their_backbone():
    backbone = build_backbone("mobilenet_v2")
    load_weights(backbone, str(WEIGHTS))
    stored = load_file(WEIGHTS)
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


# ---------------------------------------------------------------- methods


def test_every_method_that_can_be_asked_for_is_a_file_and_only_the_one_list_names_it():
    package = Path(trainer.__file__).parent
    sources = {path.relative_to(package): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert {path.stem for path in sources if path.parent.name == "methods"} - {"__init__"} == set(METHODS)
    for method in METHODS:
        assert [str(path) for path, text in sources.items() if f'"{method}"' in text] == ["config.py"]


@pytest.mark.parametrize(
    ("method", "sizes", "expected"),
    [
        ("vanilla_single", CUB, 24_893_579),
        ("ours_single", CUB, 24_793_179),
        ("ours", CUB, 24_805_979),
        ("vanilla_multi", CUB, 73_815_483),
        ("ours", (200,), 24_664_840),  # the ordinary single-label network
    ],
)
def test_parameters_of_whole_networks_on_resnet50(method, sizes, expected):
    with torch.device("meta"):  # shapes without memory
        network = build_network(method, "resnet50", sizes)
    assert parameters(network) == expected


def test_the_price_of_reinforcement_is_the_finer_columns_of_the_coarse_heads():
    """Gamma, split and concatenation have no parameters; against the ordinary network there are more."""
    with torch.device("meta"):
        assert parameters(build_backbone("resnet50")) == 23_508_032
    assert 24_805_979 - 24_793_179 == 13 * 400 + 38 * 200
    assert 24_805_979 - 24_664_840 == 141_139


def test_hidden_widths_are_the_papers_512_for_one_label_and_600_for_several():
    with torch.device("meta"):
        assert build_network("ours", "resnet10", SMALL).classifier.neck[1].out_features == 600
        assert build_network("ours", "resnet10", (5,)).classifier.neck[1].out_features == 512
        multi = build_network("vanilla_multi", "resnet10", SMALL)
    assert [classifier.neck[1].out_features for classifier in multi.classifiers] == [512, 512, 512]


@pytest.fixture(scope="module", params=METHODS)
def network(request):
    torch.manual_seed(0)
    return build_network(request.param, "resnet10", SMALL)


def test_a_network_answers_at_every_level_coarsest_first(network):
    assert [tuple(z.shape) for z in network.eval()(images(4))] == [(4, 2), (4, 3), (4, 5)]


def test_a_network_takes_images_of_any_size(network):
    with torch.no_grad():
        for size in (33, 48, 80):
            assert [z.shape[1] for z in network.eval()(images(2, size))] == [2, 3, 5]


def test_a_network_is_its_two_halves(network):
    network.eval()
    with torch.no_grad():
        for a, b in zip(network(images(3)), network.classify(network.embed(images(3))), strict=True):
            assert torch.equal(a, b)


def test_features_are_the_maxima_over_the_map(network):
    network.eval()
    with torch.no_grad():
        expected = [backbone(images(2, 64)).amax(dim=(2, 3)) for backbone in network.trunks()]
        torch.testing.assert_close(network.embed(images(2, 64)), torch.cat(expected, dim=1))


def test_in_evaluation_an_answer_depends_on_its_own_image_alone(network):
    network.eval()
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        for a, b in zip(network(images(4)), network(images(4)[order]), strict=True):
            torch.testing.assert_close(a[order], b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_loss_at_the_start_with_zero_heads_is_the_sum_of_log_sizes(method):
    network = build_network(method, "resnet10", SMALL)
    for name, parameter in network.named_parameters():
        if ".heads.heads." in name:
            nn.init.zeros_(parameter)
    loss = multi_level_loss(network(images(4)), torch.tensor([[0, 0, 0], [1, 2, 4], [0, 1, 2], [1, 1, 1]]))
    assert loss.item() == pytest.approx(log(2) + log(3) + log(5), abs=1e-6)


@pytest.mark.parametrize("method", ["vanilla_single", "ours_single", "ours"])
@pytest.mark.parametrize("k", range(3))
def test_the_whole_backbone_learns_from_every_head(method, k):
    torch.manual_seed(0)
    network = build_network(method, "resnet10", SMALL)
    network(images(4, 64))[k].square().sum().backward()
    assert all(torch.count_nonzero(p.grad) > 0 for p in network.backbone.parameters())


@pytest.mark.parametrize("k", range(3))
def test_independent_networks_share_nothing(k):
    network = build_network("vanilla_multi", "resnet10", SMALL)
    network(images(4, 64))[k].square().sum().backward()
    for j in range(3):
        for part in (network.backbones[j], network.classifiers[j]):
            learns = [p.grad is not None and torch.count_nonzero(p.grad) > 0 for p in part.parameters()]
            assert all(learns) if j == k else not any(learns)


@pytest.mark.parametrize("method", METHODS)
def test_a_frozen_backbone_is_one_and_asks_for_no_gradient(method):
    network = build_network(method, "resnet10", SMALL, frozen=True)
    backbones = network.trunks()
    assert len(backbones) == 1
    assert not any(p.requires_grad for p in backbones[0].parameters())
    assert network.embed(images(2)).shape == (2, 512)
    assert [z.shape[1] for z in network.eval()(images(2))] == [2, 3, 5]


def test_the_independent_networks_start_from_the_same_weights_file(tmp_path, trained):
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    network = build_network("vanilla_multi", "resnet10", (2, 3), weights=str(tmp_path / "w.pt"))
    assert len(network.trunks()) == 2
    for backbone in network.trunks():
        assert_holds(backbone, trained)


@pytest.mark.parametrize(("method", "count"), [(method, 3 if method == "vanilla_multi" else 1) for method in METHODS])
def test_only_independent_networks_have_more_than_one_backbone(method, count):
    assert len(build_network(method, "resnet10", SMALL).trunks()) == count


def test_the_same_seed_builds_the_same_network():
    def build():
        torch.manual_seed(5)
        return build_network("ours", "resnet10", SMALL).state_dict()

    first, second = build(), build()
    assert all(torch.equal(first[key], second[key]) for key in first)
