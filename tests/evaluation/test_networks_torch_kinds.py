"""PyTorch modules of many kinds: what can be cut and counted is right, what cannot is refused in one line."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks import Complexity, check_cut
from refsw.evaluation.networks.builtin import builtin
from refsw.evaluation.networks.specification import open_network
from refsw.evaluation.networks.torch import TorchNetwork, torch_cut
from refsw.evaluation.networks.weights import load_weights

torch = pytest.importorskip("torch", reason="these networks are PyTorch's")
nn = torch.nn
SHAPE = 3, 16, 16
IMAGES = np.random.default_rng(1).standard_normal((1, *SHAPE)).astype(np.float32)


class Net(nn.Module):
    """a -> r, in place -> b -> normalisation -> classifier."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.a, self.b = (nn.Conv2d(inputs, 4, 3, padding=1) for inputs in (3, 4))
        self.r, self.n, self.last = nn.ReLU(inplace=True), nn.BatchNorm2d(4), nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.n(self.b(self.r(self.a(x)))))

    def head(self, x):
        return self.last(x.mean((2, 3)))


class Merged(Net):
    def forward(self, x):
        first = self.a(x)
        return self.head(self.b(self.r(first.clone())) + first.relu_() * 2)


class Twice(Net):
    def forward(self, x):
        return self.head(self.r(self.b(self.r(self.a(x)))))


class Several(Net):
    def forward(self, x):
        y = super().forward(x)
        return {"logits": y, "input": x}


class Pair(Net):
    def forward(self, x):
        return super().forward(x), x


class Random(Net):
    def forward(self, x):
        return self.head(nn.functional.dropout(self.a(x)))


class Failing(Net):
    def forward(self, x):
        raise KeyError("no such thing")


def on_top(*layers):
    """Patches of 4 x 4 as 16 tokens of 8, then some layers, and a classifier of their mean."""

    class Top(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.layers, self.last = nn.Conv2d(3, 8, 4, 4), nn.ModuleList(layers), nn.Linear(8, 5)

        def forward(self, x):
            tokens = self.patches(x).flatten(2).transpose(1, 2)
            for layer in self.layers:
                tokens = layer(tokens)
                tokens = tokens[0] if isinstance(tokens, tuple) else tokens
            return self.last(tokens.mean(1))

    return Top()


def test_what_changes_features_in_place_changes_neither_those_kept_nor_those_given():
    cut = torch_cut(Net(), "a", SHAPE)
    features = cut.front(IMAGES)
    assert features["a"].min() < 0
    before = features["a"].copy()
    cut.back(features)
    assert np.array_equal(features["a"], before)
    several = torch_cut(Merged(), ["b", "a"], SHAPE)
    assert list(several.front(IMAGES)) == ["b", "a"]
    assert several.front(IMAGES)["a"].min() < 0


def test_a_module_in_training_is_evaluated():
    assert check_cut(torch_cut(Net().train(), "b", SHAPE), IMAGES) == 0


def test_a_submodule_that_runs_twice_is_no_cut():
    with pytest.raises(NetworkError, match="module r runs more than once: cut at one that runs once"):
        check_cut(torch_cut(Twice(), "r", SHAPE), IMAGES)
    with pytest.raises(NetworkError, match="module r runs more than once"):
        torch_cut(Twice(), ["r", "n"], SHAPE).front(IMAGES)


@pytest.mark.parametrize(("module", "output"), [(Several, "logits"), (Pair, 0), (Pair, lambda pair: pair[0])])
def test_one_of_several_outputs_is_picked(module, output):
    assert np.array_equal(
        TorchNetwork(module(), {}, SHAPE, output).run(IMAGES), TorchNetwork(Net(), {}, SHAPE).run(IMAGES)
    )


@pytest.mark.parametrize(
    ("module", "output", "message"),
    [
        (Several, None, "gives no tensor but logits, input: say which with output"),
        (Several, "boxes", "a dict without boxes"),
        (Pair, None, "gives no tensor but tuple"),
        (Pair, 2, "a tuple without 2"),
        (Net, "logits", "a Tensor without logits"),
        (Failing, None, "the network does not run: KeyError: 'no such thing'"),
    ],
)
def test_outputs_that_are_none_are_named(module, output, message):
    with pytest.raises(NetworkError, match=message):
        TorchNetwork(module(), {}, SHAPE, output).run(IMAGES)


def test_a_network_that_gives_something_else_each_time_is_found_out():
    with pytest.raises(NetworkError, match="differ from the whole network"):
        check_cut(torch_cut(Random(), "a", SHAPE), IMAGES)


def test_a_submodule_that_does_not_run_is_named():
    class Idle(Net):
        def forward(self, x):
            return self.head(self.a(x))

    cut = torch_cut(Idle(), "b", SHAPE)
    for call in (lambda: cut.front(IMAGES), lambda: cut.back({"b": np.zeros((1, 4, 16, 16), np.float32)})):
        with pytest.raises(NetworkError, match="modules that did not run: b"):
            call()


TOKENS = 3 * 16 * 8 * 8 + 2 * 16 * 16 * 8 + 16 * 8 * 8  # projections, two products of attention, projection


class Attention(nn.MultiheadAttention):
    def forward(self, x):
        return super().forward(x, x, x)


@pytest.mark.parametrize(
    ("layers", "macs"),
    [
        ([Attention(8, 2, batch_first=True)], TOKENS),
        ([nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)], TOKENS + 2 * 16 * 8 * 16),
        ([nn.LSTM(8, 8, batch_first=True)], None),
    ],
)
def test_products_outside_of_layers_are_counted_or_not_known(layers, macs):
    found = TorchNetwork(on_top(*layers), {"cut": "patches"}, SHAPE).complexity("cut", IMAGES)
    assert found == (None if macs is None else Complexity(16 * 8 * 48, macs + 40, 128))


def test_the_digest_is_of_all_that_outputs_hang_on(tmp_path, monkeypatch):
    one = TorchNetwork(Net(), {"cut": "a"}, SHAPE)
    assert TorchNetwork(Net(), {"cut": "a"}, SHAPE).digest == one.digest
    assert TorchNetwork(Net(), {"cut": "b"}, SHAPE).digest != one.digest
    assert TorchNetwork(Net(), {"cut": "a"}, SHAPE, 0).digest != one.digest
    hidden = Net()
    hidden.register_buffer("scale", torch.ones(1), persistent=False)
    other = Net()
    other.register_buffer("scale", torch.zeros(1), persistent=False)
    assert len({TorchNetwork(m, {"cut": "a"}, SHAPE).digest for m in (Net(), hidden, other)}) == 3
    # The same weights in a module whose code has changed are another network.
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for factor in (1, 2):
        text = f"import torch\nclass Own(torch.nn.Module):\n    def forward(self, x):\n        return x * {factor}\n"
        (tmp_path / "own_network.py").write_text(text)
        sys.modules.pop("own_network", None)
        digests.append(TorchNetwork(__import__("own_network").Own(), {}, SHAPE).digest)
    assert digests[0] != digests[1]


def test_a_state_that_is_no_tensor_has_no_digest():
    class Extra(Net):
        def get_extra_state(self):
            return {"a": 1}

    with pytest.raises(NetworkError, match="state _extra_state of the network is a dict"):
        _ = TorchNetwork(Extra(), {}, SHAPE).digest


def test_a_network_that_ends_before_its_classifier_needs_no_weights_of_one(tmp_path):
    torch.manual_seed(3)
    state = builtin("resnet18", classes=3).module.state_dict()
    bare = {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}
    images = np.random.default_rng(2).standard_normal((1, 3, 64, 64)).astype(np.float32)
    vectors = []
    for number, extra in enumerate(({}, {"fc.weight": state["fc.weight"]}, {"classifier.weight": torch.zeros(7, 512)})):
        path = tmp_path / f"{number}.pth"
        torch.save(bare | extra, path)
        network = open_network({"kind": "resnet18", "weights": str(path), "until": "pool5"})
        assert network.cuts == ("conv1", "pool1", "conv2", "conv3", "conv4", "conv5")
        vectors.append((network.run(images).tobytes(), network.digest))
    assert len(set(vectors)) == 1
    assert open_network({"kind": "resnet18", "weights": str(path), "until": "conv5"}).digest != network.digest
    with pytest.raises(NetworkError, match=r"no fc\.bias, fc\.weight"):
        open_network({"kind": "resnet18", "weights": str(tmp_path / "0.pth")})


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    module = builtin("resnet18", classes=3).module
    state = module.state_dict()
    state["bn1.bias"] = torch.full((64,), float("nan"))
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(NetworkError, match=r"bn1.bias has NaN or infinity"):
        load_weights(module, tmp_path / "w.pth")


def test_files_that_hold_code_or_nothing_are_named_without_advice_to_run_them(tmp_path):
    module = builtin("resnet18", classes=3).module
    torch.save(Net(), tmp_path / "module.pth")
    with pytest.raises(NetworkError, match=r"module\.pth: no weights: it holds \S*Net, which is code and not run$"):
        load_weights(module, tmp_path / "module.pth")
    (tmp_path / "text.pth").write_text("text")
    with pytest.raises(NetworkError, match=r"text\.pth: no weights: damaged, or no file of PyTorch$"):
        load_weights(module, tmp_path / "text.pth")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conv1.weight": torch.zeros(64, 3, 7, 7).to_sparse()}, "conv1.weight is sparse, complex, quantized"),
        ({"bn1.bias": torch.zeros(64, dtype=torch.complex64)}, "bn1.bias is sparse, complex, quantized"),
        ({"fc.codebook": torch.zeros(4), "fc.codes_matrix": torch.zeros(384)}, "do not fill"),
        ({"fc.codebook": torch.zeros(4, 4), "fc.codes_matrix": torch.full((384,), 4)}, "not among the 4"),
        ({"fc.codebook": torch.zeros(4, 4), "fc.codes_matrix": torch.zeros(384)}, "not among the 4"),
    ],
)
def test_weights_of_no_usable_form_are_refused(tmp_path, changes, message):
    module = builtin("resnet18", classes=3).module
    torch.save(module.state_dict() | changes, tmp_path / "w.pth")
    with pytest.raises(NetworkError, match=message):
        load_weights(module, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": ["onnx"]}, "no kind of network"),
        ({"kind": "onnx", "path": "a.onnx"}, "network onnx: cuts is missing"),
        ({"kind": "onnx", "path": 5, "cuts": {}}, "network onnx: path is 5: text"),
        ({"kind": "onnx", "path": "a.onnx", "cuts": ["a"]}, "cuts is .*: a mapping: name of a cut to its place"),
        ({"kind": "resnet18", "weights": None}, "weights is None: text"),
        ({"kind": "resnet18", "weights": "w", "classes": "10"}, "classes is '10': a number from 1"),
        ({"kind": "resnet18", "weights": "w", "classes": True}, "classes is True"),
        ({"kind": "resnet18", "weights": "w", "stride_first": 1}, "stride_first is 1: true or false"),
        ({"kind": "vgg16", "weights": "w", "stride_first": True}, "vgg16 has no bottlenecks"),
        ({"kind": "resnet18", "weights": "w", "until": "conv1"}, "no step conv1 after the first"),
        ({"kind": "torch", "module": "m:f", "cuts": {}, "shape": [3, 224]}, "shape is .*: three numbers from 1"),
        ({"kind": "torch", "module": "math:pi", "cuts": {}, "shape": [3, 8, 8]}, "network math:pi"),
        ({"kind": "torch", "module": "math:nothing", "cuts": {}, "shape": [3, 8, 8]}, "network math:nothing"),
        ({"kind": "torch", "module": "time:time", "cuts": {}, "shape": [3, 8, 8]}, "a float is no module of PyTorch"),
    ],
)
def test_entries_that_are_none_are_refused_in_words(entry, message):
    with pytest.raises((UsageError, NetworkError), match=message):
        open_network(entry)


@pytest.mark.parametrize("places", [[], ["a", "a"], 5, [5]])
def test_places_that_are_no_names_of_modules_are_refused(places):
    with pytest.raises(UsageError, match=r"cut cut: .*: names of modules, as text"):
        TorchNetwork(Net(), {"cut": places}, SHAPE)
