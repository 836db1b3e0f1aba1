"""Preset `auto`: the payload that takes fewer bytes for the same error, tensor by tensor."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

import refsw
from refsw.errors import UsageError
from refsw.syntax.codes import PayloadCodec

pytestmark = pytest.mark.filterwarnings("ignore::refsw.CoarseStepWarning")
WORSE = 1.03
"""More bytes than `balanced` at the same error, that a choice by the first samples may cost."""


def smooth(shape, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape)
    for axis in (-2, -1):
        for _ in range(4):
            x = (x + np.roll(x, 1, axis)) / 2
    return 10 * x


def sparse(shape, seed=0):
    rng = np.random.default_rng(seed)
    activity = rng.gamma(0.5, 1.0, (shape[0], 1, *shape[2:]))
    scale = (0.2 + rng.gamma(0.4, 3.0, (1, shape[1], 1, 1))) * activity
    return scale * rng.gamma(0.5, 1.0, shape) * (rng.random(shape) < 0.3)


TENSORS = {
    "deep": sparse((3, 256, 7, 7)),
    "middle": np.maximum(smooth((3, 64, 16, 16)), 0),
    "picture": smooth((3, 4, 64, 64)) + 40,
    "signs": smooth((3, 32, 20, 18)),
    "noise": np.random.default_rng(1).standard_normal((3, 32, 16, 16)),
    "vectors": np.random.default_rng(2).standard_normal((3, 256, 1, 1)),
    "steps": np.kron(np.random.default_rng(3).integers(0, 5, (3, 8, 4, 4)), np.ones((8, 8))),
}


def point(x, preset, qp):
    data = refsw.encode(x, preset, qp=qp)
    error = float(np.mean(np.square(refsw.decode(data).astype(np.float64) - x)))
    return log(len(data)), log(error + 1e-12), data


def payload_of(data):
    rows = refsw.inspect(data, trace=True).rows
    return next(row.value for row in rows if row.element == "payload_codec")


@pytest.mark.parametrize("qp", [17, 32, 42])
@pytest.mark.parametrize("name", TENSORS)
def test_auto_is_hardly_ever_worse_than_balanced(name, qp):
    x = TENSORS[name].astype(np.float32)
    size, error, data = point(x, "auto", qp)
    *hevc, other = point(x, "balanced", qp)
    if payload_of(data) == PayloadCodec.HEVC:
        assert data == other
        return
    sizes, errors = zip(*(point(x, "native", qp + shift)[:2] for shift in (4, 1, -2, -5)), strict=True)
    assert exp(float(np.interp(hevc[1], errors[::-1], sizes[::-1])) - hevc[0]) < WORSE
    if error < log(x.var() / 2):  # and at its own error; where little is left, curves are too steep for that
        around = [point(x, "balanced", qp + 4)[:2], hevc, point(x, "balanced", qp - 4)[:2]]
        sizes, errors = zip(*around, strict=True)
        assert exp(size - float(np.interp(error, errors[::-1], sizes[::-1]))) < WORSE


def test_auto_takes_each_payload_where_it_is_better():
    chosen = {name: payload_of(refsw.encode(TENSORS[name].astype(np.float32), "auto", qp=32)) for name in TENSORS}
    assert chosen["deep"] == PayloadCodec.NATIVE
    assert chosen["picture"] == PayloadCodec.HEVC


def test_tensors_of_one_bitstream_have_payloads_of_their_own():
    tensors = {name: TENSORS[name].astype(np.float32) for name in ("deep", "picture")}
    data = refsw.encode(tensors, "auto", qp=32)
    rows = refsw.inspect(data, trace=True).rows
    assert [row.value for row in rows if row.element == "payload_codec"] == [PayloadCodec.NATIVE, PayloadCodec.HEVC]
    assert refsw.validate(data).conforming


def test_what_hevc_does_not_take_is_coded_by_the_native_payload():
    x = np.random.default_rng(0).random((2, 20_000, 1, 1)).astype(np.float32)
    data = refsw.encode(x, "auto", qp=32)
    assert refsw.decode(data).shape == x.shape


@pytest.mark.parametrize("x", [np.zeros((2, 3, 4, 4), np.float32), np.zeros((0, 3, 4, 4), np.float32)])
def test_nothing_to_try_is_no_error(x):
    assert np.array_equal(refsw.decode(refsw.encode(x, "auto")), x)


def test_auto_in_a_profile_without_the_native_payload_takes_hevc():
    x = TENSORS["deep"].astype(np.float32)
    assert payload_of(refsw.encode(x, "auto", qp=32, profile="intra")) == PayloadCodec.HEVC


def test_auto_takes_ranges_that_it_can_try():
    with pytest.raises(UsageError, match="preset auto takes the range of every sample"):
        refsw.encode(TENSORS["deep"].astype(np.float32), "auto", range_scope="sequence")
