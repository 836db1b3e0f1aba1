"""ONNX models of many kinds: what can be cut and counted is right, what cannot is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import (
    AFTER_R1,
    CONV1,
    CONV2,
    FLOAT,
    HALF,
    IMAGES,
    LAST,
    PLAIN,
    helper,
    node,
    onnx,
    stored,
    value,
    weights,
)

from refsw.errors import RefswError, UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks import Complexity, check_cut
from refsw.evaluation.networks.onnx import OnnxNetwork


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def test_extents_that_the_model_leaves_open_are_measured(path):
    network = OnnxNetwork(stored(path), {"cut": "r1"})
    assert check_cut(network.cut("cut"), IMAGES) == 0
    assert network.complexity("cut", IMAGES) == AFTER_R1
    larger = np.zeros((1, 3, 16, 8), np.float32)
    assert network.complexity("cut", larger) == Complexity(2 * CONV1, 2 * CONV2 + LAST, 2 * 4 * 64)


def test_shapes_that_the_file_states_wrongly_are_not_believed(path):
    stale = [value("c1", FLOAT, [1, 4, 100, 100]), value("c2", FLOAT, [1, 6, 100, 100])]
    assert OnnxNetwork(stored(path, values=stale), {"cut": "r1"}).complexity("cut", IMAGES) == AFTER_R1


def test_shapes_that_hang_on_data_are_measured(path):
    nodes = [
        *PLAIN[:4],
        node("Shape", ["r2"], ["shape"]),
        node("Gather", ["shape", "zero"], ["samples"]),
        node("Concat", ["samples", "rest"], ["wanted"], axis=0),
        node("Reshape", ["r2", "wanted"], ["f"]),
        node("MatMul", ["f", "w4"], ["y"]),
    ]
    more = {"w4": np.ones((384, 5), np.float32), "zero": np.array([0]), "rest": np.array([-1])}
    network = OnnxNetwork(stored(path, nodes, constants=weights(**more)), {"cut": "r1"})
    assert check_cut(network.cut("cut"), IMAGES) == 0
    assert network.complexity("cut", IMAGES) == Complexity(CONV1, CONV2 + 384 * 5, 4 * 64)


def branching():
    branches = {
        f"{side}_branch": helper.make_graph(
            [node("Conv", ["r1", "w2"], [side], pads=[1] * 4)], side, [], [value(side, FLOAT, None)]
        )
        for side in ("then", "else")
    }
    choice = [node("ReduceMean", ["r1"], ["m"], keepdims=0), node("Greater", ["m", "zero"], ["positive"])]
    return [*PLAIN[:2], *choice, node("If", ["positive"], ["c2"], **branches), *PLAIN[3:]]


def test_products_that_a_branch_may_or_may_not_take_are_not_known(path):
    constants = weights(zero=np.float32(0))
    network = OnnxNetwork(stored(path, branching(), constants=constants), {"before": "r1", "after": "r2"})
    for name in network.cuts:
        assert check_cut(network.cut(name), IMAGES) == 0
        assert network.complexity(name, IMAGES) is None
    flag = OnnxNetwork(path, {"flag": ["r1", "positive"]}).cut("flag")
    assert flag.front(IMAGES)["positive"].dtype == bool
    assert check_cut(flag, IMAGES) == 0


def test_nodes_that_are_not_onnxs_own_are_run_but_not_counted(path):
    nodes = [PLAIN[0], node("Gelu", ["c1"], ["r1"], domain="com.microsoft"), *PLAIN[2:]]
    network = OnnxNetwork(stored(path, nodes, domains=["com.microsoft"]), {"cut": "r1"})
    assert check_cut(network.cut("cut"), IMAGES) == 0
    assert network.complexity("cut", IMAGES) is None


def test_functions_of_the_model_are_looked_into(path):
    inner = helper.make_function(
        "own", "F", ["a", "w"], ["b"], [node("Conv", ["a", "w"], ["b"], pads=[1] * 4)], [helper.make_opsetid("", 17)]
    )
    nodes = [*PLAIN[:2], node("F", ["r1", "w2"], ["c2"], domain="own"), *PLAIN[3:]]
    network = OnnxNetwork(stored(path, nodes, domains=["own"], functions=[inner]), {"cut": "r1"})
    assert check_cut(network.cut("cut"), IMAGES) == 0
    assert network.complexity("cut", IMAGES) == AFTER_R1


def test_weights_may_lie_in_a_file_of_their_own(path):
    stored(path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    network = OnnxNetwork(path, {"cut": "r1"})
    assert check_cut(network.cut("cut"), IMAGES) == 0
    beside = path.parent / "weights.bin"
    data = bytearray(beside.read_bytes())
    data[2] ^= 1
    beside.write_bytes(data)
    assert OnnxNetwork(path, {"cut": "r1"}).digest != network.digest
    for damage in (lambda: beside.write_bytes(data[:50]), beside.unlink):
        damage()
        with pytest.raises(NetworkError, match="weights in other files cannot be read"):
            OnnxNetwork(path, {"cut": "r1"})


def test_binary16_features_stay_what_they_are(path):
    network = OnnxNetwork(stored(path, kind=HALF, constants=weights(np.float16)), {"cut": "r1"})
    assert network.cut("cut").front(IMAGES)["r1"].dtype == np.float16
    assert check_cut(network.cut("cut"), IMAGES) < 1e-2
    assert network.complexity("cut", IMAGES) == AFTER_R1


def test_channels_may_come_last(path):
    nodes = [node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), node("Conv", ["t", "w1"], ["c1"], pads=[1] * 4)]
    stored(path, [*nodes, *PLAIN[1:]], image=["N", 8, 8, 3])
    network = OnnxNetwork(path, {"cut": "r1"}, layout="nhwc")
    assert check_cut(network.cut("cut"), IMAGES) == 0
    assert network.complexity("cut", IMAGES) == AFTER_R1
    with pytest.raises(NetworkError, match=r"does not run on x \(1, 3, 8, 8\): "):
        OnnxNetwork(path, {}).run(IMAGES)
    with pytest.raises(UsageError, match="no layout chw: nchw, nhwc"):
        OnnxNetwork(path, {}, layout="chw")


def test_weights_that_are_inputs_too_are_no_inputs(path):
    network = OnnxNetwork(stored(path, ir=3), {"cut": "r1"})
    assert check_cut(network.cut("cut"), IMAGES) == 0
    assert network.complexity("cut", IMAGES) == AFTER_R1


def test_an_input_of_bytes_takes_whole_numbers_only(path):
    nodes = [node("Cast", ["x"], ["as_float"], to=FLOAT), node("Conv", ["as_float", "w1"], ["c1"], pads=[1] * 4)]
    stored(path, [*nodes, *PLAIN[1:]], kind=onnx.TensorProto.UINT8, output=[value("y", FLOAT, ["N", 5])])
    network = OnnxNetwork(path, {"cut": "r1"})
    assert check_cut(network.cut("cut"), np.round(100 + 20 * IMAGES)) == 0
    with pytest.raises(NetworkError, match=r"takes tensor\(uint8\) for x, which has fractions"):
        network.run(IMAGES)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ("x", "x is not computed"),
        ("w1", "w1 is not computed"),
        ("c9", "no tensor c9"),
        ("y", "y is the output: nothing of the network comes after it"),
        (["r1", "r1"], "a tensor is there twice: r1, r1"),
        (["r2", "r1"], "y does not hang on r1"),
        (["r1", "k"], "tensor k does not hang on the input x"),
        (683, "683: names of tensors, as text"),
        ([], "names of tensors, as text"),
        ({"a": None}, "names of tensors, as text"),
    ],
)
def test_what_is_no_cut_is_refused(path, cut, message):
    constant = node("Constant", [], ["k"], value=onnx.numpy_helper.from_array(np.ones(1, np.float32)))
    stored(path, [PLAIN[0], constant, node("Mul", ["c1", "k"], ["r1"]), *PLAIN[2:]])
    with pytest.raises((UsageError, NetworkError), match=message):
        OnnxNetwork(path, {"cut": cut}).cut("cut")


def test_a_batch_of_fixed_size_is_named(path):
    stored(path, image=[4, 3, 8, 8])
    with pytest.raises(NetworkError, match=r"does not run on x \(1, 3, 8, 8\): "):
        OnnxNetwork(path, {}).run(IMAGES)


def test_what_the_runtime_prints_is_said_once(path, capfd):
    with pytest.raises(NetworkError, match=r"does not run on x \(1, 5, 8, 8\)") as caught:
        OnnxNetwork(stored(path, image=None), {}).run(np.zeros((1, 5, 8, 8), np.float32))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_several_inputs_are_refused(path):
    graph = helper.make_graph(
        [node("Add", ["x", "z"], ["y"])],
        "g",
        [value("x", FLOAT, [1]), value("z", FLOAT, [1])],
        [value("y", FLOAT, [1])],
    )
    onnx.save_model(helper.make_model(graph), path)
    with pytest.raises(UsageError, match="takes one input, not x, z"):
        OnnxNetwork(path, {})


def test_what_the_runtime_does_not_know_is_named(path, capfd):
    nodes = [PLAIN[0], node("Foo", ["c1"], ["r1"], domain="me"), *PLAIN[2:]]
    with pytest.raises(NetworkError, match="ONNX Runtime does not take it: "):
        OnnxNetwork(stored(path, nodes, domains=["me"]), {}).run(IMAGES)
    with pytest.raises(NetworkError, match="ONNX Runtime does not take it: "):
        OnnxNetwork(stored(path, ir=99), {}).run(IMAGES)
    path.write_bytes(b"")
    with pytest.raises(NetworkError, match="it has no nodes"):
        OnnxNetwork(path, {})
    assert capfd.readouterr() == ("", "")


def test_a_damaged_model_never_ends_otherwise_than_in_words(path):
    data, rng = stored(path).read_bytes(), np.random.default_rng(9)
    damaged = [data[:size] for size in range(0, len(data), 97)]
    for _ in range(60):
        flipped = bytearray(data)
        flipped[rng.integers(len(data))] ^= 1 << rng.integers(8)
        damaged.append(bytes(flipped))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            network = OnnxNetwork(path, {"cut": "r1"})
            check_cut(network.cut("cut"), IMAGES)
            network.complexity("cut", IMAGES)
        except RefswError:
            refused += 1
    assert refused > len(data) // 97
