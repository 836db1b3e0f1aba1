"""PyTorch modules cut at submodules, and the built-in networks."""

from __future__ import annotations

import numpy as np
import pytest

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks import check_cut
from refsw.evaluation.networks.builtin import builtin
from refsw.evaluation.networks.torch import TorchNetwork, torch_cut
from refsw.evaluation.networks.weights import load_weights

torch = pytest.importorskip("torch", reason="these networks are PyTorch's")

SMALL = np.random.default_rng(6).standard_normal((2, 3, 64, 64)).astype(np.float32)
FULL = np.zeros((1, 3, 224, 224), np.float32)
# MM'19, Table 2: billions of multiply-accumulates of each stage, and the share up to its end in percent.
VGG = {
    "conv1": (1.94, 12.5),
    "conv2": (2.77, 30.5),
    "conv3": (4.62, 60.3),
    "conv4": (4.62, 90.2),
    "conv5": (1.39, 99.2),
}
RESNET = {
    "conv1": (0.12, 3.1), "conv2": (0.67, 20.4), "conv3": (0.95, 45.0), "conv4": (1.39, 81.0), "conv5": (0.73, 99.9),
}  # fmt: skip
# Elements at 224 x 224: channels * height * width.
ELEMENTS = {
    "vgg16": (
        *(64 * 224**2, 64 * 112**2, 128 * 112**2, 128 * 56**2, 256 * 56**2, 256 * 28**2, 512 * 28**2),
        *(512 * 14**2, 512 * 14**2, 512 * 7**2),
    ),
    "resnet50": (64 * 112**2, 64 * 56**2, 256 * 56**2, 512 * 28**2, 1024 * 14**2, 2048 * 7**2, 2048),
}


class Net(torch.nn.Module):
    """Two convolutions and a classifier; `shortcut` adds the input to the second."""

    def __init__(self, shortcut=False):
        super().__init__()
        torch.manual_seed(1)
        self.first = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.second = torch.nn.Conv2d(4, 3, 3, padding=1)
        self.last = torch.nn.Linear(3, 5)
        self.shortcut = shortcut

    def forward(self, x):
        y = self.second(torch.relu(self.first(x)))
        return self.last((y + x if self.shortcut else y).mean((2, 3)))


@pytest.mark.parametrize("place", ["first", "second", ["second"]])
def test_a_module_cut_at_a_submodule_is_the_whole(place):
    assert check_cut(torch_cut(Net(), place, (3, 64, 64)), SMALL) == 0


def test_a_way_past_the_cut_is_found_out():
    with pytest.raises(NetworkError, match="differ from the whole network"):
        check_cut(torch_cut(Net(shortcut=True), "first", (3, 64, 64)), SMALL)


def test_multiplications_of_a_module_by_hand():
    found = TorchNetwork(Net(), {"cut": "first"}, (3, 64, 64)).complexity("cut", SMALL)
    assert (found.macs_front, found.macs_back) == (4 * 64**2 * 27, 3 * 64**2 * 36 + 15)
    assert found.elements == 4 * 64**2


def test_what_is_not_there_is_named():
    with pytest.raises(UsageError, match="no module third in the network: first, second"):
        torch_cut(Net(), "third", (3, 64, 64))
    network = TorchNetwork(Net(), {"cut": "first"}, (3, 64, 64))
    with pytest.raises(UsageError, match="no cut third: cut"):
        network.cut("third")
    with pytest.raises(NetworkError, match=r"features \(1, 4, 2, 2\) for module first"):
        network.cut("cut").back({"first": np.zeros((1, 4, 2, 2), np.float32)})


def test_other_weights_have_another_digest():
    one, two = Net(), Net()
    assert TorchNetwork(one, {}, (3, 8, 8)).digest == TorchNetwork(two, {}, (3, 8, 8)).digest
    with torch.no_grad():
        two.last.bias[0] += 1
    assert TorchNetwork(one, {}, (3, 8, 8)).digest != TorchNetwork(two, {}, (3, 8, 8)).digest


def test_threads_are_as_many_as_before():
    before = torch.get_num_threads()
    TorchNetwork(Net(), {}, (3, 8, 8)).run(SMALL)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_every_cut_of_a_built_in_network_separates_it_to_the_bit(name):
    torch.manual_seed(2)
    network = builtin(name, classes=7)
    for cut in network.cuts:
        assert check_cut(network.cut(cut), SMALL) == 0


@pytest.mark.parametrize(
    ("name", "table", "options"), [("vgg16", VGG, {}), ("resnet50", RESNET, {"stride_first": True})]
)
def test_multiplications_are_those_of_table_2(name, table, options):
    with torch.device("meta"):
        network = builtin(name, **options)
    costs = {cut: network.complexity(cut, FULL) for cut in network.cuts}
    assert tuple(cost.elements for cost in costs.values()) == ELEMENTS[name]
    before = 0
    for cut, (billions, percent) in table.items():
        found = costs[cut]
        assert round((found.macs_front - before) / 1e9, 2) == billions
        assert round(100 * found.macs_front / (found.macs_front + found.macs_back), 1) == percent
        before = found.macs_front


@pytest.mark.parametrize(
    ("name", "keys", "parameters"),
    [("vgg16", 32, 138357544), ("resnet18", 122, 11689512), ("resnet50", 320, 25557032), ("resnet101", 626, 44549160),
     ("resnet152", 932, 60192808)],
)  # fmt: skip
def test_keys_and_sizes_are_those_of_published_weights(name, keys, parameters):
    with torch.device("meta"):
        module = builtin(name).module
    assert len(module.state_dict()) == keys
    assert sum(p.numel() for p in module.parameters()) == parameters
    some = {"vgg16": "features.28.weight"}.get(name, "layer4.1.bn2.running_mean")
    assert some in module.state_dict()


def test_a_network_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="no network alexnet: vgg16, resnet18"):
        builtin("alexnet")
    with pytest.raises(UsageError, match="no step pool9"):
        builtin("resnet18").until("pool9")


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(3)
    return builtin("resnet18", classes=3).module.state_dict()


@pytest.mark.parametrize("form", ["plain", "wrapped", "parallel", "safetensors"])
def test_weights_are_read_however_they_were_stored(state, form, tmp_path):
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    if form == "safetensors":
        pytest.importorskip("safetensors.torch").save_file({k: v.contiguous() for k, v in state.items()}, path)
    else:
        prefix = "module." if form == "parallel" else ""
        stored = {prefix + k: v for k, v in state.items()}
        torch.save({"state_dict": stored, "epoch": 3} if form == "wrapped" else stored, path)
    module = builtin("resnet18", classes=3).module
    load_weights(module, path)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


def test_quantised_layers_and_folded_normalisations_are_expanded(state, tmp_path):
    stored = {k: v for k, v in state.items() if "running" not in k and "num_batches" not in k}
    words, codes = torch.randn(4, 9), torch.randint(0, 4, (64, 64))
    del stored["layer1.0.conv1.weight"]
    stored |= {"layer1.0.conv1.codebook": words, "layer1.0.conv1.codes_matrix": codes}
    torch.save(stored, tmp_path / "w.pth")
    module = builtin("resnet18", classes=3).module
    load_weights(module, tmp_path / "w.pth")
    assert torch.equal(module.layer1[0].conv1.weight[5, 7].flatten(), words[codes[5, 7]])
    assert module.bn1.eps == 0
    assert torch.equal(module.bn1.running_var, torch.ones(64))


def test_weights_of_another_network_are_refused(state, tmp_path):
    path = tmp_path / "w.pth"
    module = builtin("resnet18", classes=3).module
    for changed, message in (
        ({k: v for k, v in state.items() if k != "fc.bias"}, "no fc.bias"),
        (state | {"fc.scale": state["fc.bias"]}, "also fc.scale"),
        (state | {"fc.bias": torch.zeros(4)}, r"fc.bias is \(4,\), not \(3,\)"),
        ([1], "a list"),
    ):
        torch.save(changed, path)
        with pytest.raises(NetworkError, match=message):
            load_weights(module, path)
    path.write_bytes(b"text")
    with pytest.raises(NetworkError, match="no weights"):
        load_weights(module, path)
    with pytest.raises(UsageError, match="no such file"):
        load_weights(module, tmp_path / "none.pth")
