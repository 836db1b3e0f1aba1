"""Device profiles: regressions of the latency of layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import UsageError
from refsw.planning.latencies import Layer, layers_of
from refsw.planning.profiles import KNEE_MACS, error_of, learned, random_layers, read_profile, slowdown_of


def layers(count=40, factor=1e-9, kind="Conv", seed=0):
    """Layers whose time is a power law beyond what starting takes: factor * (macs + KNEE_MACS) ** 0.9."""
    rng = np.random.default_rng(seed)
    macs = rng.integers(1000, 10**8, count)
    sizes = rng.integers(100, 10**6, (count, 3))
    return [
        Layer(f"l{i}", kind, int(m), *map(int, s), factor * (m + KNEE_MACS) ** 0.9)
        for i, (m, s) in enumerate(zip(macs, sizes, strict=True))
    ]


def test_a_power_law_is_found_again():
    profile = learned("device", layers())
    assert error_of(profile, layers(seed=1)) < 1e-3
    constant, macs, *others = profile.kinds["Conv"]
    assert macs == pytest.approx(0.9, abs=1e-3)
    assert others == pytest.approx([0, 0, 0], abs=1e-3)
    assert math.exp(constant) == pytest.approx(1e-9, rel=0.05)


def test_kinds_are_told_apart_and_those_not_learned_are_predicted_by_all():
    profile = learned("device", layers() + layers(kind="Gemm", factor=1e-8, seed=2))
    assert error_of(profile, layers(kind="Gemm", factor=1e-8, seed=3)) < 1e-3
    unknown = layers(1, kind="Resize")[0]
    assert profile.seconds(unknown) == pytest.approx(math.sqrt(10) * unknown.seconds, rel=0.3)


def test_the_error_is_the_median_of_those_of_layers():
    profile = learned("device", layers())
    twice = [Layer(*(getattr(one, name) for name in one.__slots__[:-1]), 2 * one.seconds) for one in layers()]
    assert error_of(profile, twice) == pytest.approx(0.5, abs=1e-3)


def test_a_profile_is_read_as_it_was_written(tmp_path):
    profile = learned("device", layers())
    (tmp_path / "device.json").write_text(profile.as_json())
    assert read_profile(tmp_path / "device.json") == profile


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "refsw-device-2"}',
     '{"format": "refsw-device-2", "name": "x", "layers": 1, "kinds": {}}',
     '{"format": "refsw-device-2", "name": "x", "layers": 1, "kinds": {"other": [1, 2]}}',
     '{"format": "refsw-device-2", "name": "x", "layers": 1, "kinds": {"other": [NaN, 1, 1, 1, 1]}}'],
)  # fmt: skip
def test_a_file_that_is_no_profile_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match=r"x\.json"):
        read_profile(tmp_path / "x.json")


def test_too_few_layers_make_no_profile():
    with pytest.raises(UsageError, match="at least 6"):
        learned("device", layers(5))


def test_layers_of_a_model_have_their_counts_and_times(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, value = onnx.helper, onnx.helper.make_tensor_value_info
    held = [onnx.numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "w")]
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4), helper.make_node("Relu", ["a"], ["y"])]
    graph = helper.make_graph(nodes, "net", [value("x", 1, [1, 3, 16, 16])], [value("y", 1, None)], held)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    given = {"x": np.ones((1, 3, 16, 16), np.float32)}
    convolution, rectifier = layers_of(path, given, runs=2)
    assert (convolution.name, convolution.kind, rectifier.kind) == ("a", "Conv", "Relu")
    assert (convolution.macs, rectifier.macs) == (16 * 16 * 8 * 27, 0)
    assert (convolution.taken, convolution.given, convolution.held) == (3 * 256, 8 * 256, 8 * 27)
    assert convolution.seconds > 0
    # A device on which everything takes a thousand seconds is slower than this one.
    assert slowdown_of(learned("slow", [Layer("", "Relu", 0, 1, 1, 1, 1000.0)] * 6), path, given) > 1000


def test_the_command_writes_a_profile(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    arguments = ["profile", "-o", str(tmp_path / "device.json"), "--count", "28", "--name", "mine"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert read_profile(tmp_path / "device.json").name == "mine"
    assert {layer.kind for layer in random_layers(14, runs=0)} >= {"Conv", "Conv 1x1", "Conv depthwise", "Gemm", "Relu"}
