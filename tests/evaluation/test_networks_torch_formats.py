"""Networks and weights in other number formats, wrapped, or split over files: what they are is what is used."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest

from refsw.errors import UsageError
from refsw.evaluation.anchors import codecs
from refsw.evaluation.anchors.cache import FeatureCache
from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks import check_cut
from refsw.evaluation.networks.builtin import builtin
from refsw.evaluation.networks.torch import TorchNetwork
from refsw.evaluation.networks.weights import load_weights

torch = pytest.importorskip("torch", reason="these networks are PyTorch's")
safetensors = pytest.importorskip("safetensors.torch", reason="weights are written with it")
nn = torch.nn
SHAPE = 3, 16, 16
IMAGES = np.random.default_rng(1).standard_normal((1, *SHAPE)).astype(np.float32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.a, self.r, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Linear(4, 5)

    def forward(self, x):
        return self.last(self.r(self.a(x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(torch.float16, np.float16), (torch.bfloat16, ml_dtypes.bfloat16), (torch.float64, np.float64)],
)
def test_a_network_in_another_number_format_has_features_in_it(kind, dtype, tmp_path):
    network = TorchNetwork(Net().to(kind), {"cut": "r"}, SHAPE)
    cut = network.cut("cut")
    features = cut.front(IMAGES)
    assert features["r"].dtype == dtype
    assert check_cut(cut, IMAGES) == 0
    assert network.run(IMAGES).dtype == np.float32
    assert network.digest != TorchNetwork(Net(), {"cut": "r"}, SHAPE).digest
    codec = CodecChoice("raw", preset="fast", choices={"quantizer": "none", "payload": "zlib"})
    decoded = codecs.decode(codecs.encode(features["r"], "r", codec, None), features["r"], codec, None)
    assert (decoded.dtype, decoded.tobytes()) == (features["r"].dtype, features["r"].tobytes())
    cache = FeatureCache(tmp_path)
    cache.put("k" * 64, features["r"])
    kept = cache.get("k" * 64)
    assert (kept.dtype, kept.tobytes()) == (features["r"].dtype, features["r"].tobytes())


def test_bfloat16_goes_through_programs_as_binary32(tmp_path):
    from anchor_runs import COPY

    codec = CodecChoice("copy", encode=f"{COPY} encode {{input}} {{output}} {{qp}}",
                        decode=f"{COPY} decode {{input}} {{output}}", parameter="qp", values=(12,))  # fmt: skip
    exact = np.random.default_rng(2).standard_normal((2, 3, 4, 4)).astype(ml_dtypes.bfloat16)
    for features in (exact, {"a": exact, "b": exact.astype(np.float32)}):
        decoded = codecs.decode(codecs.encode(features, "x", codec, 12), features, codec, 12)
        first = decoded["a"] if isinstance(decoded, dict) else decoded
        assert first.dtype == exact.dtype


def test_features_of_a_type_that_no_tensor_has_are_refused_by_name():
    class Complex(Net):
        def forward(self, x):
            return torch.view_as_real(self.r2(self.a(x))).mean()

    module = Complex()
    module.r2 = nn.Identity()
    module.a.register_forward_hook(lambda _, __, result: result.to(torch.complex64))
    with pytest.raises(NetworkError, match=r"module r2 gives torch\.complex64, which no feature tensor has"):
        TorchNetwork(module, {"cut": "r2"}, SHAPE).cut("cut").front(IMAGES)


def test_wrappers_are_taken_off_a_module():
    class Compiled(nn.Module):
        """As `torch.compile` wraps a module, without the compiler."""

        def __init__(self, module):
            super().__init__()
            self._orig_mod = module

        def forward(self, x):
            raise AssertionError("the module itself is run")

    plain = TorchNetwork(Net(), {"cut": "r"}, SHAPE)
    for wrapped in (Compiled(Net()), nn.DataParallel(Net()), Compiled(nn.DataParallel(Net()))):
        network = TorchNetwork(wrapped, {"cut": "r"}, SHAPE)
        np.testing.assert_array_equal(network.run(IMAGES), plain.run(IMAGES))
        assert network.digest == plain.digest


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(5)
    return builtin("resnet18", classes=10).module.state_dict()


def loaded(path):
    network = builtin("resnet18", classes=10)
    load_weights(network.module, path)
    return network.module.state_dict()


def same(found, state):
    return all(torch.equal(found[key], value) for key, value in state.items())


@pytest.mark.parametrize(
    "renamed",
    [
        lambda key: f"_orig_mod.{key}",
        lambda key: f"module._orig_mod.{key}",
        lambda key: f"_orig_mod.module.{key}",
        lambda key: key.replace("layer1.", "layer1._orig_mod."),
    ],
)
def test_prefixes_of_compilation_are_taken_off_wherever_they_stand(tmp_path, state, renamed):
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {renamed(key): value for key, value in state.items()}}, path)
    assert same(loaded(path), state)


def test_two_tensors_of_one_name_are_not_one(tmp_path, state):
    path = tmp_path / "weights.pth"
    torch.save(dict(state) | {"_orig_mod.conv1.weight": state["conv1.weight"] + 1}, path)
    with pytest.raises(NetworkError, match=r"weights\.pth: conv1\.weight is there twice, with and without a prefix"):
        loaded(path)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_half_precision_become_binary32(tmp_path, state, kind):
    path = tmp_path / "weights.pth"
    small = {key: value.to(kind) if value.is_floating_point() else value for key, value in state.items()}
    torch.save(small, path)
    assert same(loaded(path), {key: value.float() for key, value in small.items() if value.is_floating_point()})
    small["bn1.bias"] = torch.full_like(state["bn1.bias"], torch.nan).to(kind)
    torch.save(small, path)
    with pytest.raises(NetworkError, match=r"weights\.pth: bn1\.bias has NaN or infinity"):
        loaded(path)


def split(folder, state, suffix="safetensors"):
    keys = sorted(state)
    names = {key: f"model-0000{1 + i % 2}-of-00002.{suffix}" for i, key in enumerate(keys)}
    for name in set(names.values()):
        own = {key: state[key].contiguous() for key in keys if names[key] == name}
        if suffix == "safetensors":
            safetensors.save_file(own, folder / name)
        else:
            torch.save(own, folder / name)
    index = folder / f"model.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": names}))
    return index, names


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_weights_that_are_split_are_named_by_their_index(tmp_path, state, suffix):
    index, names = split(tmp_path, state, suffix)
    assert same(loaded(index), state)
    with pytest.raises(NetworkError, match=r"no .* and \d+ more \(one part of several: name their index\)"):
        loaded(tmp_path / f"model-00001-of-00002.{suffix}")
    for changed, error, message in (
        ({**names, "conv1.weight": "none.safetensors"}, UsageError, r"none\.safetensors: no such file of weights"),
        ({**names, "conv1.weight": "../a.safetensors"}, NetworkError, "files of weights lie beside their index"),
        ({**names, "other": names["conv1.weight"]}, NetworkError, r"has no other"),
        ([1, 2], NetworkError, "no index of weights"),
    ):
        index.write_text(json.dumps({"weight_map": changed}))
        with pytest.raises(error, match=message):
            loaded(index)
    index.write_text("[")
    with pytest.raises(NetworkError, match=r"index\.json: no index of weights"):
        loaded(index)
