"""Graphs whose nodes stand in any order and whose names are used more than once: cut right, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import FLOAT, HALF, IMAGES, PLAIN, helper, node, stored, value, weights

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks import check_cut
from refsw.evaluation.networks.onnx import OnnxNetwork


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("seed", range(6))
def test_nodes_may_stand_in_any_order(path, seed):
    in_order = OnnxNetwork(stored(path, PLAIN), {"cut": "r1", "late": "f"})
    wanted = {name: in_order.cut(name).front(IMAGES) for name in in_order.cuts}
    shuffled = [PLAIN[i] for i in np.random.default_rng(seed).permutation(len(PLAIN))]
    network = OnnxNetwork(stored(path, shuffled), {"cut": "r1", "late": "f"})
    for name in network.cuts:
        for tensor, features in network.cut(name).front(IMAGES).items():
            np.testing.assert_array_equal(features, wanted[name][tensor])
        assert check_cut(network.cut(name), IMAGES) == 0
        assert network.complexity(name, IMAGES) == in_order.complexity(name, IMAGES)


def test_casts_of_a_half_precision_conversion_stand_last(path):
    body = [
        node("Conv", ["half_x", "w1"], ["c1"], pads=[1] * 4),
        *PLAIN[1:6],
        node("Gemm", ["f", "w3"], ["half_y"], transB=1),
    ]
    casts = [node("Cast", ["x"], ["half_x"], to=HALF), node("Cast", ["half_y"], ["y"], to=FLOAT)]
    network = OnnxNetwork(stored(path, [*body, *casts], constants=weights(np.float16)), {"cut": "r1", "in": "half_x"})
    for name in network.cuts:
        assert network.cut(name).front(IMAGES).popitem()[1].dtype == np.float16
        check_cut(network.cut(name), IMAGES)


def branch(side, first, last, order=1):
    nodes = [node("Conv", [first, "w2"], ["inner"], pads=[1] * 4), node("Neg", ["inner"], [last])]
    return helper.make_graph(nodes[::order], side, [], [value(last, FLOAT, None)])


@pytest.mark.parametrize("order", [1, -1])
def test_inner_graphs_take_what_lies_outside_wherever_it_stands(path, order):
    choice = node(
        "If", ["yes"], ["c2"],
        then_branch=branch("then", "r1", "then_out", order), else_branch=branch("else", "r1", "else_out", order),
    )  # fmt: skip
    nodes = [choice, PLAIN[3], *PLAIN[:2], *PLAIN[4:]]
    network = OnnxNetwork(stored(path, nodes, constants=weights(yes=np.array(True))), {"cut": "r1", "late": "c2"})
    for name in network.cuts:
        assert check_cut(network.cut(name), IMAGES) == 0
    with pytest.raises(UsageError, match="no tensor inner"):
        OnnxNetwork(path, {"cut": "inner"})


def test_a_way_round_the_cut_by_an_inner_graph_is_seen(path):
    choice = node("If", ["yes"], ["c2"], then_branch=branch("then", "r1", "t"), else_branch=branch("else", "r1", "e"))
    past = node("Relu", ["c1"], ["other"])
    nodes = [choice, *PLAIN[3:], past, *PLAIN[:2]]
    stored(path, nodes, constants=weights(yes=np.array(True)))
    with pytest.raises(NetworkError, match="other does not separate the network: its output also hangs on x"):
        OnnxNetwork(path, {"cut": "other"}).cut("cut")


def test_functions_are_looked_into_in_any_order(path):
    body = [node("Relu", ["t"], ["b"]), node("Conv", ["a", "w"], ["t"], pads=[1] * 4)]
    inner = helper.make_function("own", "F", ["a", "w"], ["b"], body[::-1], [helper.make_opsetid("", 17)])
    call = node("F", ["x", "w1"], ["r1"], domain="own")
    nodes = [*PLAIN[2:], call]
    network = OnnxNetwork(stored(path, nodes, domains=["own"], functions=[inner]), {"cut": "r1", "late": "r2"})
    for name in network.cuts:
        assert check_cut(network.cut(name), IMAGES) == 0


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([*PLAIN, node("Relu", ["c1"], ["r2"])], "tensor r2 is made by a node, and there by another way"),
        ([*PLAIN, node("Relu", ["c1"], ["w2"])], "tensor w2 is made by a node, and there by another way"),
        ([*PLAIN, node("Relu", ["c1"], ["x"])], "tensor x is made by a node, and there by another way"),
        (
            [PLAIN[0], node("Add", ["c1", "r2"], ["r1"]), *PLAIN[2:]],
            "in a circle: .* is computed from itself",
        ),
    ],
)
def test_names_that_stand_for_two_things_and_circles_are_refused(path, nodes, message):
    with pytest.raises(NetworkError, match=message) as caught:
        OnnxNetwork(stored(path, nodes), {"cut": "r1"})
    assert str(path) in str(caught.value)


def test_a_chain_longer_than_the_stack_in_reverse(path):
    links = [node("Relu", [f"r{i}"], [f"r{i + 1}"]) for i in range(2, 3000)]
    nodes = [*PLAIN[:4], *links[::-1], node("GlobalAveragePool", ["r3000"], ["g"]), *PLAIN[5:]]
    network = OnnxNetwork(stored(path, nodes), {"cut": "r1"})
    assert check_cut(network.cut("cut"), IMAGES) == 0
