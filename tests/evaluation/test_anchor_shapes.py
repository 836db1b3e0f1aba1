"""Features of every shape and dtype that can be coded go through a run; others are refused before it begins."""

from __future__ import annotations

import numpy as np
import pytest
from anchor_runs import run
from onnx_models import FLOAT, helper, node, onnx, value
from PIL import Image

from refsw.errors import RefswError
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import open_run

INT8, HALF = onnx.TensorProto.INT8, onnx.TensorProto.FLOAT16
LOSSLESS = {"raw": {"preset": "fast", "choices": {"quantizer": "none", "payload": "zlib"}}}
LOSSY = {"fast": {"preset": "fast", "sweep": {"qp": [12, 32]}}}
BOTH = LOSSLESS | LOSSY
PATCHES = [
    node("Conv", ["x", "patch"], ["maps"], strides=[4, 4]),
    node("Reshape", ["maps", "flat"], ["rows"]),
    node("Transpose", ["rows"], ["tokens"], perm=[0, 2, 1]),
]
ATTENTION = [
    *(node("MatMul", ["tokens", f"w{letter}"], [letter]) for letter in "qkv"),
    node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
    node("MatMul", ["q", "kt"], ["logits"]),
    node("Softmax", ["logits"], ["weights"], axis=-1),
    node("MatMul", ["weights", "v"], ["mixed"]),
    node("Add", ["mixed", "tokens"], ["block"]),
    node("ReduceMean", ["block"], ["vector"], axes=[1], keepdims=0),
    node("MatMul", ["vector", "head"], ["y"]),
]
MEAN = node("ReduceMean", ["last"], ["pooled"], axes=[2, 3], keepdims=0)
HEAD = node("MatMul", ["pooled", "head"], ["y"])


def made(folder, nodes, kind=FLOAT, **more):
    rng = np.random.default_rng(8)
    sizes = {"patch": (16, 3, 4, 4), "head": (16, 4)} | {f"w{letter}": (16, 16) for letter in "qkv"}
    constants = {name: (0.3 * rng.standard_normal(size)).astype(np.float32) for name, size in sizes.items()}
    constants |= {"flat": np.array([0, 16, -1])} | more
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", FLOAT, [1, 3, 32, 32])],
        [value("y", kind, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "net.onnx"
    )
    for number in range(3):
        path = folder / "pictures" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)


def asked(folder, cuts, codecs=None, **test):
    small = {"like": "imagenet", "fit": "none", "height": 32, "width": 32, "short_side": 32}
    network = {"kind": "onnx", "path": str(folder / "net.onnx"), "cuts": cuts, "preprocessing": small}
    dataset = {"kind": "folder", "root": str(folder / "pictures")}
    entry = {"name": "t", "task": "classification", "network": network, "dataset": dataset, "layers": list(cuts)}
    head = {"format": "refsw-conditions-1", "name": "shapes", "title": "Shapes", "codecs": codecs or BOTH}
    return parse_conditions(head | {"tests": [entry | test]})


def points(folder, conditions):
    failures = run(folder / "run", conditions)[1]
    assert failures == []
    return {(r["layer"], r["codec"], r["value"]): r for r in open_run(folder / "run").records}


@pytest.mark.parametrize("group", [1, 2])
def test_tokens_and_vectors_are_coded(tmp_path, group):
    made(tmp_path, [*PATCHES, *ATTENTION])
    cuts = {"tokens": "tokens", "block": "block", "vector": "vector"}
    found = points(tmp_path, asked(tmp_path, cuts, group=group))
    assert len(found) == 9
    for layer, elements in (("tokens", 3 * 64 * 16), ("block", 3 * 64 * 16), ("vector", 3 * 16)):
        exact, fine, coarse = (found[layer, *point] for point in (("raw", None), ("fast", 12), ("fast", 32)))
        assert exact["elements"] == elements
        assert (exact["metrics"]["mse"], exact["metrics"]["fidelity"]) == (0, 1)
        assert fine["metrics"]["snr"] > coarse["metrics"]["snr"] > 0


def test_tokens_are_a_row_each_and_channels_a_column(tmp_path):
    import refsw
    from refsw.evaluation.anchors.codecs import encode

    codec = asked(tmp_path, {"tokens": "tokens"}).codecs["fast"]
    tokens = np.random.default_rng(1).standard_normal((2, 64, 16)).astype(np.float32)
    chosen = codec.config(12)
    assert encode(tokens, "tokens", codec, 12) == refsw.encode({"tokens": tokens}, chosen, axes="NHC")
    assert encode(tokens, "tokens", codec, 12, "NCW") == refsw.encode({"tokens": tokens}, chosen, axes="NCW")


def test_channels_that_come_last_are_said_to(tmp_path):
    made(tmp_path, [PATCHES[0], node("Transpose", ["maps"], ["nhwc"], perm=[0, 2, 3, 1]),
                    node("ReduceMean", ["nhwc"], ["pooled"], axes=[1, 2], keepdims=0), HEAD])  # fmt: skip
    found = points(tmp_path, asked(tmp_path, {"last": "nhwc"}, LOSSY, axes={"last": "NHWC"}))
    assert len(found) == 2
    with pytest.raises(RefswError, match=r"layer last: codec fast does not take its features, float32 \(1, 8, 8, 16\)"):
        run(tmp_path / "other", asked(tmp_path, {"last": "nhwc"}, LOSSY, axes={"last": "NHC"}))
    with pytest.raises(RefswError, match=r"tests\.t\.axes: no layer first: last"):
        asked(tmp_path, {"last": "nhwc"}, axes={"first": "NHWC"})


def test_binary16_features_and_outputs(tmp_path):
    half = [node("Cast", ["maps"], ["half"], to=HALF), node("Relu", ["half"], ["last"])]
    made(tmp_path, [PATCHES[0], *half, MEAN, HEAD], HALF, head=np.ones((16, 4), np.float16))
    found = points(tmp_path, asked(tmp_path, {"half": "half"}))
    assert found["half", "raw", None]["raw_bytes"] == 2 * found["half", "raw", None]["elements"]
    assert found["half", "raw", None]["metrics"]["fidelity"] == 1


def integers(*, scale="scale"):
    levels = [node("QuantizeLinear", ["maps", scale, "zero"], ["levels"])]
    return [PATCHES[0], *levels, node("DequantizeLinear", ["levels", scale, "zero"], ["last"]), MEAN, HEAD]


def test_integers_are_coded_without_a_quantizer_and_refused_with_one(tmp_path):
    made(tmp_path, integers(), scale=np.float32(0.05), zero=np.int8(3))
    found = points(tmp_path, asked(tmp_path, {"levels": "levels"}, LOSSLESS))
    record = found["levels", "raw", None]
    assert (record["raw_bytes"], record["metrics"]["mse"]) == (record["elements"], 0)
    with pytest.raises(RefswError, match=r"layer levels: codec fast does not take its features, int8 \(1, 16, 8, 8\)"):
        run(tmp_path / "lossy", asked(tmp_path, {"levels": "levels"}))
    assert not (tmp_path / "lossy").exists()


def video():
    return [
        node("Unsqueeze", ["x", "second"], ["clip"]),
        node("Concat", ["clip", "clip"], ["frames"], axis=2),
        node("Conv", ["frames", "volume"], ["seen"], strides=[1, 4, 4]),
        node("ReduceMean", ["seen"], ["pooled"], axes=[2, 3, 4], keepdims=0),
        HEAD,
    ]


def test_what_cannot_be_coded_is_refused_before_the_run_with_layer_and_shape(tmp_path):
    volume = np.ones((16, 3, 1, 4, 4), np.float32)
    made(tmp_path, video(), volume=volume, second=np.array([2]))
    with pytest.raises(RefswError, match=r"layer clip: tensor seen is of shape \(1, 16, 2, 8, 8\) for one picture"):
        run(tmp_path / "run", asked(tmp_path, {"clip": "seen"}))
    # Tokens before pictures: the first axis is not that of the pictures.
    swapped = [node("Transpose", ["tokens"], ["lnc"], perm=[1, 0, 2]), node("ReduceMean", ["lnc"], ["pooled"],
                                                                             axes=[0], keepdims=0)]  # fmt: skip
    made(tmp_path, [*PATCHES, *swapped, HEAD])
    with pytest.raises(RefswError, match=r"layer front: tensor lnc is of shape \(64, 1, 16\) for one picture"):
        run(tmp_path / "run", asked(tmp_path, {"front": "lnc"}))
    assert not (tmp_path / "run").exists()


def test_groups_of_pictures_of_several_sizes_are_refused_before_the_run(tmp_path):
    made(tmp_path, [PATCHES[0], node("Relu", ["maps"], ["last"]), MEAN, HEAD])
    model = onnx.load(tmp_path / "net.onnx")
    for extent in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[extent].dim_param = "S"
    onnx.save_model(model, tmp_path / "net.onnx")
    Image.new("RGB", (48, 48)).save(tmp_path / "pictures" / "1.png")
    with pytest.raises(RefswError, match=r"1\.png: a picture of another size than 0\.png, in the same group"):
        run(tmp_path / "run", asked(tmp_path, {"cut": "last"}, group=2))
    assert len(points(tmp_path, asked(tmp_path, {"cut": "last"}))) == 3


def test_tensors_of_a_pyramid_may_have_numbers(tmp_path):
    from refsw.evaluation.anchors.cache import FeatureCache
    from refsw.evaluation.anchors.grouped import together
    from refsw.evaluation.anchors.orders import Job
    from refsw.evaluation.anchors.work import _apart, _here

    pyramid = {3: np.ones((2, 4, 4), np.float32), 4: np.zeros((2, 2, 2), np.float32)}
    together = together([pyramid, pyramid], "p")
    assert {name: array.shape for name, array in together.items()} == {"3": (2, 2, 4, 4), "4": (2, 2, 2, 2)}
    _here.shapes = {key: array.shape for key, array in pyramid.items()}
    apart = _apart(together, Job("t", {}, 0, ("a", "b")))
    assert [list(one) for one in apart] == [[3, 4], [3, 4]]
    cache = FeatureCache(tmp_path)
    cache.put("k" * 64, pyramid)
    assert list(cache.get("k" * 64)) == [3, 4]
    with pytest.raises(RefswError, match="layer p: two of its tensors have the same name: 3, 3"):
        together([{3: pyramid[3], "3": pyramid[3]}], "p")
