"""What the presets promise on features of any scale."""

from __future__ import annotations

import numpy as np
import pytest

import refsw


def snr(x: np.ndarray[tuple[int, ...], np.dtype[np.float32]], preset: str, qp: int) -> float:
    y = refsw.decode(refsw.encode(x, preset, qp=qp))
    assert isinstance(y, np.ndarray)
    wide = x.astype(np.float64)
    return 10 * float(np.log10((wide**2).mean() / ((wide - y) ** 2).mean()))


@pytest.mark.parametrize("preset", ["balanced", "best", "fast"])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_signed_features_of_any_scale_keep_their_quality(preset: str, scale: float) -> None:
    x = np.random.default_rng(5).standard_normal((1, 32, 16, 16)).cumsum(-1) * scale
    assert snr(x.astype(np.float32), preset, 12) > 25


@pytest.mark.parametrize("preset", ["anchor", "balanced", "best", "fast"])
def test_a_higher_qp_gives_a_smaller_and_worse_stream(preset: str) -> None:
    x = np.maximum(np.random.default_rng(6).standard_normal((1, 32, 16, 16)).cumsum(-1), 0).astype(np.float32)
    sizes = [len(refsw.encode(x, preset, qp=qp)) for qp in (2, 12, 22, 32, 42)]
    assert sizes == sorted(sizes, reverse=True)
    qualities = [snr(x, preset, qp) for qp in (2, 12, 22, 32, 42)]
    assert qualities == sorted(qualities, reverse=True)


@pytest.mark.parametrize("preset", ["balanced", "fast"])
def test_equal_qps_mean_about_equal_errors(preset: str) -> None:
    # Most elements small, few large, as a ReLU leaves them: there the log quantizer is the finer one.
    x = np.maximum(np.random.default_rng(7).standard_normal((1, 64, 14, 14)), 0).astype(np.float32)
    for qp in (22, 32):
        assert abs(snr(x, preset, qp) - snr(x, "anchor", qp)) < 4
