"""Coding in layers: what decodes, what a prefix is worth, and choices that do not go together."""

from __future__ import annotations

import io

import numpy as np
import pytest

import refsw
from refsw.errors import UsageError
from refsw.features.config import EncoderConfig, LayerChoice
from refsw.features.decoder import decode_by_name
from refsw.inspection import inspect
from refsw.syntax.codes import LayerKind, PayloadCodec, Quantizer
from refsw.validation import validate

BASE, CHANNELS, REFINEMENT = LayerKind


def features(seed: int = 0, shape: tuple[int, ...] = (2, 8, 16, 16)) -> np.ndarray:
    """Smooth maps, not negative, of other sizes in every channel."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(shape)
    for axis in (2, 3):
        noise = noise + np.roll(noise, 1, axis) + np.roll(noise, -1, axis)
    return np.maximum(0, noise * np.linspace(0.2, 2, shape[1])[:, None, None]).astype(np.float32)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))


@pytest.mark.parametrize("preset", ["balanced", "anchor", "native"])
def test_channels_in_layers_decode_as_in_one_stream(preset: str) -> None:
    x = features()
    layers = (
        LayerChoice(BASE, channels=(1, 3, 5, 7), fill=tuple(x.mean((0, 2, 3))), purpose="classification"),
        LayerChoice(CHANNELS, purpose="reconstruction"),
    )
    data = refsw.encode({"conv": x}, preset, qp=22, layers=layers, digest="stream")
    assert validate(data).conforming
    out = decode_by_name(data)
    assert list(out) == ["conv.layer0", "conv"]
    assert np.array_equal(out["conv"][:, 1::2], out["conv.layer0"][:, 1::2])
    assert np.array_equal(out["conv.layer0"][0, 0], np.full((16, 16), x[:, 0].mean(), np.float32))
    whole = refsw.decode(refsw.encode({"conv": x}, preset, qp=22))
    assert error(out["conv"], x) < 1.2 * error(whole, x)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("payload", ["balanced", "native"])
def test_a_refinement_reaches_the_error_of_its_qp(payload: str, dtype: str) -> None:
    x = features(1).astype(dtype)
    fine = error(refsw.decode(refsw.encode(x, payload, qp=17)), x)
    coarse = error(refsw.decode(refsw.encode(x, payload, qp=32)), x)
    layers = (LayerChoice(BASE), LayerChoice(REFINEMENT, choices=(("qp", 17),)))
    data = refsw.encode(x, payload, qp=32, layers=layers, digest="sample")
    assert validate(data).conforming
    out = decode_by_name(data)
    assert out["tensor1"].dtype == np.dtype(dtype)
    assert error(out["layer0"], x) == pytest.approx(coarse)
    assert 0.4 * fine < error(out["tensor1"], x) < 2.5 * fine
    assert refsw.encode(x, payload, qp=32, layers=layers, digest="sample", jobs=2) == data


def test_layers_of_other_payloads_and_kinds_in_one_chain() -> None:
    x = features(2)
    layers = (
        LayerChoice(BASE, name="coarse", channels=(0, 1, 2, 3)),
        LayerChoice(REFINEMENT, name="finer", choices=(("payload", "native"), ("bit_depth", 12), ("qp", 20))),
        LayerChoice(CHANNELS, name="rest"),
    )
    data = refsw.encode({"conv": x}, "balanced", qp=37, layers=layers)
    assert validate(data).conforming
    told = inspect(data)
    assert told.profile == "scalable"
    assert [(t.name, t.payload, t.carried_channels) for t in told.tensors] == [
        ("coarse", "hevc", 4), ("finer", "native", 4), ("rest", "hevc", 4),
    ]  # fmt: skip
    out = decode_by_name(data)
    assert error(out["rest"][:, :4], x[:, :4]) < error(out["coarse"][:, :4], x[:, :4])


def test_elements_without_a_quantizer_come_in_layers_of_channels() -> None:
    x = np.arange(2 * 4 * 3 * 3, dtype=np.int16).reshape(2, 4, 3, 3)
    layers = (LayerChoice(BASE, channels=(2, 0)), LayerChoice(CHANNELS, channels=(1,)), LayerChoice(CHANNELS))
    config = EncoderConfig(quantizer=Quantizer.NONE, payload=PayloadCodec.ZLIB, layers=layers)
    out = decode_by_name(refsw.encode({"x": x}, config))
    assert np.array_equal(out["x"], x)
    assert not out["x.layer1"][:, 3].any()
    assert np.array_equal(out["x.layer1"][:, :3], x[:, :3])


def test_tensors_in_layers_stand_beside_others_and_may_have_no_samples() -> None:
    x, y = features(3), features(4, (2, 3, 16, 16))
    config = EncoderConfig.preset("native", layers=(LayerChoice(BASE), LayerChoice(REFINEMENT)))
    out = io.BytesIO()
    specs = {
        "p3": refsw.TensorSpec((0, 8, 16, 16), "f4", "NCHW", config),
        "p4": refsw.TensorSpec((0, 3, 16, 16), "f4", "NCHW", EncoderConfig.preset("native")),
    }
    with refsw.Encoder(out, specs) as encoder:
        for a, b in zip(x, y, strict=True):
            encoder.write({"p3": a, "p4": b})
    assert validate(out.getvalue()).conforming
    assert list(decode_by_name(out.getvalue())) == ["p3.layer0", "p3", "p4"]
    empty = io.BytesIO()
    with refsw.Encoder(empty, {"p3": specs["p3"]}):
        pass
    assert [t.shape for t in decode_by_name(empty.getvalue()).values()] == [(0, 8, 16, 16)] * 2


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((LayerChoice(CHANNELS),), "the first one, and no other, is of kind base"),
        ((LayerChoice(BASE), LayerChoice(BASE)), "the first one, and no other, is of kind base"),
        ((LayerChoice(BASE), LayerChoice(CHANNELS)), "layer 1 of kind channels: no channel"),
        ((LayerChoice(BASE, channels=(1, 8)),), "layer 0 of kind base: channel 8"),
        ((LayerChoice(BASE, channels=(1,)), LayerChoice(REFINEMENT, channels=(2,))), "refinement: channel 2"),
        ((LayerChoice(BASE, channels=(1,), fill=(1.0,)),), "1 fill values for 8 channels"),
        ((LayerChoice(BASE), LayerChoice(REFINEMENT, fill=(1.0,) * 8)), "the first one says what stands"),
        ((LayerChoice(BASE, purpose="a\nb"),), "no control characters"),
        ((LayerChoice(BASE), *[LayerChoice(REFINEMENT)] * 16), "17 layers: at most 16"),
    ],
)
def test_layers_that_do_not_go_together_are_refused(layers: tuple[LayerChoice, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        refsw.encode(features(), "native", layers=layers)


def test_layers_go_without_parts_and_external_encoders() -> None:
    layers = (LayerChoice(BASE),)
    for choices, message in (
        ({"parts": (4, 4)}, "do not come in parts"), ({"command": "x265"}, "an external encoder"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=message):
            refsw.encode(features(), layers=layers, **choices)
    with pytest.raises(UsageError, match="preset auto"):
        refsw.encode(features(), "auto", layers=layers)
