"""Bitstreams made of others conform, and decode to what was chosen of the tensors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.bitstream.concat import concat
from refsw.bitstream.extract import Selection, extract
from refsw.bitstream.strip import strip
from refsw.conformance.suite import Kind, Vector, load_suites
from refsw.errors import UsageError
from refsw.syntax.codes import UnitType
from refsw.syntax.units import UnitReader

ROOT = Path(__file__).resolve().parents[2]
VECTORS = [v for suite in load_suites([ROOT / "conformance" / "suites"]) for v in suite if v.kind is Kind.VALID]
FEATURES = [v for v in VECTORS if not v.profile.startswith("MODEL") and v.suite != "vvc" and v.file.endswith(".dfc")]
STEP = 9


def read(vector: Vector) -> bytes:
    return (ROOT / "test_vectors" / vector.file).read_bytes()


def stripped(data: bytes, *, digests: bool = True, metadata: bool = True) -> bytes:
    out = io.BytesIO()
    strip(data, out, digests=digests, metadata=metadata)
    return out.getvalue()


def extracted(data: bytes, **chosen: Any) -> bytes:
    out = io.BytesIO()
    extract(data, out, Selection(**chosen))
    return out.getvalue()


def joined(*inputs: bytes) -> bytes:
    out = io.BytesIO()
    concat(inputs, out)
    return out.getvalue()


def decoded(data: bytes) -> dict[str, Any]:
    report = refsw.validate(data)
    assert report.conforming, report.found
    arrays = refsw.decode(data)
    return arrays if isinstance(arrays, dict) else {"": arrays}


def same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert list(a) == list(b)
    for name in a:
        assert (a[name].dtype, a[name].shape) == (b[name].dtype, b[name].shape)
        assert a[name].tobytes() == b[name].tobytes()


def kinds(data: bytes) -> set[int]:
    return {unit.type for unit in UnitReader(io.BytesIO(data))}


@pytest.mark.parametrize("vector", FEATURES[::STEP], ids=lambda v: v.id)
def test_a_stripped_vector_decodes_to_the_same(vector: Vector) -> None:
    data = read(vector)
    less = stripped(data)
    same(decoded(data), decoded(less))
    assert not kinds(less) & {UnitType.DIGEST, UnitType.METADATA}
    assert refsw.inspect(less).version in ("1.0", "1.1")


@pytest.mark.parametrize("vector", FEATURES[4::STEP], ids=lambda v: v.id)
def test_every_sample_of_a_vector_can_be_extracted(vector: Vector) -> None:
    data = read(vector)
    whole, counts = decoded(data), refsw.inspect(data).tensors
    lengths = {tensor.samples for tensor in counts}
    if len(lengths) > 1 or 0 in lengths:
        with pytest.raises(UsageError):
            extracted(data, samples=(0, max(lengths) - 1 if max(lengths) else 0))
        return
    count = lengths.pop()
    try:
        last = decoded(extracted(data, samples=(count - 1, count - 1)))
    except UsageError as error:
        assert "share a unit" in str(error)
        same(whole, decoded(extracted(data, samples=(0, count - 1))))
        return
    for (name, array), tensor in zip(whole.items(), counts, strict=True):
        want = array[-1:] if tensor.axes[0] in "NT" else array
        assert last[name].tobytes() == np.ascontiguousarray(want).tobytes()


@pytest.mark.parametrize("vector", [v for v in FEATURES if ".later" in v.id or "-later" in v.id], ids=lambda v: v.id)
def test_what_a_later_version_appended_is_left_out(vector: Vector) -> None:
    data = read(vector)
    for digests, metadata in ((True, False), (False, True)):
        same(decoded(data), decoded(stripped(data, digests=digests, metadata=metadata)))


@pytest.fixture
def tensors(features: Any) -> dict[str, Any]:
    return {"p3": features(5, 6, 8, 8), "p4": features(5, 4, 4, 4), "p5": features(5, 9, 2, 2)}


CODINGS = {
    "whole": {"payload": "zlib"},
    "parts": {"payload": "zlib", "parts": (4, 2)},
    "hevc": {"qp": 30, "parts": (8, 3)},
    "channel": {"payload": "stored", "range_scope": "channel", "parts": (3, 2), "channel_order": "mean"},
    "none": {"payload": "lzma", "quantizer": "none", "parts": (2, 3)},
}


@pytest.mark.parametrize("coding", CODINGS)
def test_samples_and_tensors(tensors: dict[str, Any], coding: str) -> None:
    data = refsw.encode(tensors, digest="stream", metadata=(("k", "v"),), **CODINGS[coding])
    whole = decoded(data)
    part = decoded(extracted(data, samples=(1, 3), tensors=("p3", "p5")))
    same(part, {"p3": whole["p3"][1:4], "p5": whole["p5"][1:4]})
    only = extracted(data, tensors=("p4",))
    assert UnitType.DIGEST in kinds(only)
    same(decoded(only), {"": whole["p4"]})
    halves = extracted(data, samples=(0, 1)), extracted(data, samples=(2, 4))
    same(decoded(joined(*halves)), whole)


@pytest.mark.parametrize("coding", ["parts", "hevc", "channel", "none"])
def test_parts_become_a_tensor_of_their_channels_and_rows(tensors: dict[str, Any], coding: str) -> None:
    x = tensors["p3"]
    data = refsw.encode(x, digest="stream", **CODINGS[coding])
    (whole,) = decoded(data).values()
    (tensor,) = refsw.inspect(data).tensors
    groups, bands = -(-6 // tensor.part_channels), -(-8 // tensor.part_rows)
    assert tensor.parts_per_sample == groups * bands
    chosen = tuple(band * groups + group for band in range(bands) for group in range(1, groups))
    (found,) = decoded(extracted(data, parts=chosen)).values()
    assert found.shape[2:] == whole.shape[2:]
    kept = [c for c in range(6) if any(np.array_equal(whole[:, c], found[:, i]) for i in range(found.shape[1]))]
    assert np.array_equal(found, whole[:, kept])
    first = tuple(range(groups))
    (rows,) = decoded(extracted(data, parts=first)).values()
    assert np.array_equal(rows, whole[:, :, : tensor.part_rows])


def test_joining_keeps_digests_metadata_and_time(features: Any) -> None:
    x = features(4, 3, 8, 8)
    a, b = (
        refsw.encode(x[i : i + 2], axes="TCHW", payload="zlib", digest="sample", metadata=((f"k{i}", "v"),))
        for i in (0, 2)
    )
    both = joined(a, b)
    whole = refsw.encode(x, axes="TCHW", payload="zlib")
    same(decoded(both), decoded(whole))
    assert refsw.inspect(both).metadata == {"k0": "v", "k2": "v"}
    assert UnitType.DIGEST in kinds(both)


def test_what_cannot_be_extracted_is_told(tensors: dict[str, Any]) -> None:
    data = refsw.encode(tensors, payload="zlib", parts=(4, 2))
    several = refsw.encode(tensors, payload="zlib", samples_per_unit=2)
    single = refsw.encode(tensors["p3"][0], payload="zlib")
    for source, chosen, message in (
        (data, {"tensors": ("p6",)}, "no tensor p6: p3, p4, p5"),
        (data, {"samples": (3, 5)}, "no sample 5"),
        (data, {"samples": (2, 1)}, "in order"),
        (data, {"parts": (0, 99)}, "part 99"),
        (data, {"tensors": ("p3",), "parts": (0, 4)}, "bands from one to another"),
        (several, {"samples": (1, 2)}, "share a unit"),
        (single, {"parts": (0,)}, "do not come in parts"),
    ):
        with pytest.raises(UsageError, match=message):
            extracted(source, **chosen)
    for size in (5, 40, len(data) - 3):
        with pytest.raises(refsw.DfcError):
            extracted(data[:size], samples=(0, 0))


def test_what_cannot_be_joined_is_told(tensors: dict[str, Any]) -> None:
    def coded(x: Any, **choices: Any) -> bytes:
        return refsw.encode(x, **({"payload": "zlib"} | choices))

    p3, p4 = tensors["p3"], tensors["p4"]
    for inputs, message in (
        ((coded(p3), refsw.encode(p3)), "different profiles .*: INTRA, LOSSLESS"),
        ((coded({"a": p3}), coded({"b": p3})), "do not have"),
        ((coded({"a": p3, "b": p4}), coded({"a": p3})), "has the tensors a, not a, b"),
        ((coded(p3), coded(p4)), "another axis_extent_minus1"),
        ((coded(p3, range_scope="sequence"), coded(2 * p3, range_scope="sequence")), "another range_m"),
        ((coded(p3[0]), coded(p3[0])), "there is one"),
        ((coded({"a": p3, "b": p4[:2]}),) * 2, "different numbers of samples"),
        ((), "nothing to join"),
    ):
        with pytest.raises(UsageError, match=message):
            joined(*inputs)


def test_model_updates_follow_one_another_and_lose_their_metadata() -> None:
    rng = np.random.default_rng(1)
    models = [{"w": rng.normal(size=(4, 5)).astype(np.float32)} for _ in range(3)]
    first = refsw.diff_models(models[0], models[1])
    between = refsw.apply_update(models[0], first)
    second = refsw.diff_models(between, models[2])
    want = refsw.apply_update(between, second)
    assert refsw.apply_update(models[0], joined(first, second))["w"].tobytes() == want["w"].tobytes()
    with pytest.raises(UsageError, match="another model"):
        joined(second, first)
    with pytest.raises(UsageError, match="model updates has no samples"):
        extracted(first, samples=(0, 0))
    noted = next(read(v) for v in VECTORS if v.suite == "model" and UnitType.METADATA in kinds(read(v)))
    assert UnitType.METADATA not in kinds(stripped(noted))
