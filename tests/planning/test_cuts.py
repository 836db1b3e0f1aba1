"""Where an ONNX network can be cut at one tensor."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="cuts of ONNX models need onnx")
pytest.importorskip("onnxruntime")

from click.testing import CliRunner  # noqa: E402
from PIL import Image  # noqa: E402

from refsw.cli.main import cli  # noqa: E402
from refsw.evaluation.errors import NetworkError  # noqa: E402
from refsw.planning.cuts import separators, thinned  # noqa: E402

helper = onnx.helper


@pytest.fixture
def model(tmp_path):
    """conv a -> relu b -> (conv c, + b) d -> relu e -> mean f -> gemm y: c is within a skip connection."""
    rng = np.random.default_rng(0)
    weights = {"w1": (4, 3, 3, 3), "w2": (4, 4, 3, 3), "w3": (4, 5)}
    held = [
        onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1] * 4),
        helper.make_node("Add", ["c", "b"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("MatMul", ["g", "w3"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "net", [value("x", 1, [1, 3, 224, 224])], [value("y", 1, [1, 5])], held
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_a_tensor_separates_where_no_other_way_leads_around_it(model):
    assert separators(model) == {name: name for name in "abdef"}


def test_many_cuts_are_thinned_with_the_ends_kept():
    cuts = {str(i): str(i) for i in range(30)}
    kept = list(thinned(cuts, 4))
    assert kept == ["0", "10", "19", "29"]
    assert thinned(cuts, 40) == cuts


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(NetworkError, match="no ONNX model"):
        separators(tmp_path / "x.onnx")


def test_a_model_is_measured_and_planned_by_one_command(model, tmp_path):
    rng = np.random.default_rng(1)
    (tmp_path / "pictures").mkdir()
    for number in range(1):
        noise = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((80, 60)).save(tmp_path / "pictures" / f"{number}.png")
    arguments = ["plan", str(model), "--pictures", str(tmp_path / "pictures"), "-o", str(tmp_path / "out")]
    arguments += ["--cut", "first=b", "--cut", "last=f", "--preset", "fast", "--share", "0.5"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert {"plan.md", "plan.json", "plan.png", "run"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert "| first " in result.output
