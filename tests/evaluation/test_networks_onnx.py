"""ONNX models cut at named tensors."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks import check_cut
from refsw.evaluation.networks.onnx import OnnxNetwork, onnx_cut
from refsw.evaluation.networks.staged import StagedNetwork

onnx = pytest.importorskip("onnx", reason="models are made with onnx")
pytest.importorskip("onnxruntime", reason="networks are run by onnxruntime")

IMAGES = np.random.default_rng(4).standard_normal((1, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """image -> a -> (b, c of half size) -> output; `side` hangs on the image by a way of its own."""
    rng, helper = np.random.default_rng(5), onnx.helper
    weights = {"wa": (4, 3, 3, 3), "wb": (2, 4, 1, 1), "wc": (5, 4, 3, 3), "wd": (6, 2 * 64 + 5 * 16 + 3)}
    constants = [onnx.numpy_helper.from_array(rng.standard_normal(s).astype(np.float32), n) for n, s in weights.items()]
    nodes = [
        helper.make_node("Conv", ["image", "wa"], ["sum"], pads=[1] * 4),
        helper.make_node("Relu", ["sum"], ["a"]),
        helper.make_node("Conv", ["a", "wb"], ["b"]),
        helper.make_node("Conv", ["a", "wc"], ["c"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["image"], ["side"]),
        *(helper.make_node("Flatten", [name], [f"flat_{name}"]) for name in ("b", "c", "side")),
        helper.make_node("Concat", ["flat_b", "flat_c", "flat_side"], ["joined"], axis=1),
        helper.make_node("Gemm", ["joined", "wd"], ["output"], transB=1),
        helper.make_node("Relu", ["output"], ["positive"]),
    ]
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("image", [1, 3, 8, 8]), ("output", [1, 6]), ("positive", [1, 6]))
    ]
    graph = helper.make_graph(nodes, "test", values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    file.write_bytes(model.SerializeToString())
    return file


CUTS = {"joined": "joined", "levels": ["b", "c", "side"], "named": {"fine": "flat_b", "coarse": "c", "mean": "side"}}


@pytest.mark.parametrize("name", CUTS)
def test_front_and_back_together_are_the_whole(path, name):
    network = OnnxNetwork(path, CUTS)
    assert check_cut(network.cut(name), IMAGES) == 0


def test_a_cut_of_several_tensors_bears_ones_own_names(path):
    features = OnnxNetwork(path, CUTS).cut("named").front(IMAGES)
    assert {name: tensor.shape for name, tensor in features.items()} == {
        "fine": (1, 128),
        "coarse": (1, 5, 4, 4),
        "mean": (1, 3, 1, 1),
    }


def test_another_output_can_be_used(path):
    network = OnnxNetwork(path, CUTS, "positive")
    assert network.run(IMAGES).min() == 0
    assert check_cut(network.cut("levels"), IMAGES) == 0


@pytest.mark.parametrize("tensors", ["a", ["b", "c"]])
def test_tensors_that_do_not_separate_the_network_are_refused(path, tensors):
    with pytest.raises(NetworkError, match="does not separate the network: its output also hangs on image"):
        onnx_cut(path, tensors)


def test_a_tensor_that_the_output_does_not_hang_on_is_found_out(path):
    with pytest.raises(NetworkError, match=r"separate|depend"):
        check_cut(onnx_cut(path, "positive"), IMAGES)


def test_multiplications_by_hand(path):
    network = OnnxNetwork(path, CUTS)
    convolutions = 64 * 4 * 27 + 64 * 2 * 4 + 16 * 5 * 36
    found = network.complexity("levels", IMAGES)
    assert (found.macs_front, found.macs_back) == (convolutions, 6 * 211)
    assert found.elements == 2 * 64 + 5 * 16 + 3


def test_the_digest_is_that_of_the_file_and_of_where_it_is_cut(path, tmp_path):
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    assert OnnxNetwork(copy, CUTS).digest == OnnxNetwork(path, CUTS).digest
    # The same name for another tensor, or another output: kept features and earlier records are not those.
    digests = {
        OnnxNetwork(path, {"cut": tensor}, output).digest for tensor in "abc" for output in ("output", "positive")
    }
    assert len(digests) == 6


def test_what_does_not_exist_is_named(path, tmp_path):
    with pytest.raises(UsageError, match="no tensor z"):
        OnnxNetwork(path, {"x": "z"})
    with pytest.raises(UsageError, match="no output z: output, positive"):
        OnnxNetwork(path, {}, "z")
    with pytest.raises(UsageError, match="no cut z: joined"):
        OnnxNetwork(path, CUTS).cut("z")
    with pytest.raises(UsageError, match=rf"none\.onnx: {os.strerror(errno.ENOENT)}"):
        OnnxNetwork(tmp_path / "none.onnx", {})
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(NetworkError, match=r"text\.onnx: no ONNX model"):
        OnnxNetwork(tmp_path / "text.onnx", {})


class Faulty:
    """A cut whose back forgets part of its features."""

    tensors = ("a",)

    def __init__(self, back):
        self.back = back

    def front(self, images):
        return {"a": images}

    def whole(self, images):
        return images


@pytest.mark.parametrize(
    ("back", "message"),
    [
        (lambda features: features["a"] * 1.01, r"differ from the whole network by 0\.01"),
        (lambda features: features["a"][:, :1], "the whole network"),
        (lambda features: np.full_like(IMAGES, np.nan), "differ"),
        (lambda features: IMAGES, "does not depend on a"),
    ],
)
def test_a_cut_that_is_none_is_found_out(back, message):
    with pytest.raises(NetworkError, match=message):
        check_cut(Faulty(back), IMAGES)


def test_a_chain_with_a_gap_is_refused(path):
    with pytest.raises(UsageError, match="takes image, but the stage before it gives output, positive"):
        StagedNetwork([path, path])
    with pytest.raises(UsageError, match="at least one stage"):
        StagedNetwork([])
