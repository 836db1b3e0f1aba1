"""Feature tensors and bitstreams that many tests use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

import refsw

# On a machine with much else to do an example may take any time.
settings.register_profile("refsw", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("refsw")

ROOT = Path(__file__).resolve().parent.parent
Features = Callable[..., NDArray[np.float32]]


def make_features(*shape: int, seed: int = 7) -> NDArray[np.float32]:
    """Smooth, sparse, non-negative maps, as a ReLU leaves them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).cumsum(-1)
    if len(shape) > 1:
        x = x.cumsum(-2) / 3
    return np.maximum(x, 0).astype(np.float32)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C ends what the tests start, though a shell lets what runs in the background, these tests too, ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def features() -> Features:
    return make_features


@pytest.fixture(scope="session")
def streams() -> dict[str, bytes]:
    """Small bitstreams that together exercise every unit type, layout, quantizer and payload codec."""
    x = make_features(2, 5, 9, 11)
    constant = x.copy()
    constant[0] = 2.5
    half = x.astype(np.float16)
    return {
        "hevc mosaic": refsw.encode(x, qp=30),
        "hevc sequence": refsw.encode(x, "anchor", qp=30),
        "hevc quilt, 12 bits": refsw.encode(x, qp=30, layout="quilt", bit_depth=12, effort="fast"),
        "hevc inter": refsw.encode(make_features(4, 4, 16, 16), qp=30, profile="inter", samples_per_unit=2),
        "digests": refsw.encode(x, qp=30, digest="sample", levels_digest=True),
        "constant sample": refsw.encode(constant, qp=30, digest="stream"),
        "range by channel": refsw.encode(x, quantizer="log", bit_depth=8, range_scope="channel", qp=30),
        "range by sequence": refsw.encode(x, quantizer="log-nonnegative", range_scope="sequence", payload="zlib"),
        "several tensors": refsw.encode({"p3": x, "p4": x[:, :, ::2, ::2]}, qp=30, metadata=(("tool", "test"),)),
        "raw": refsw.encode(half, quantizer="none", payload="lzma"),
        "stored, 3 bits": refsw.encode(x, bit_depth=3, payload="stored", channel_order="mean"),
        "gzip": refsw.encode(x, bit_depth=16, payload="gzip", layout="sequence"),
        "png": refsw.encode(x, bit_depth=10, payload="png"),
        "jpeg": refsw.encode(x, bit_depth=8, payload="jpeg"),
        "jpeg2000": refsw.encode(x, bit_depth=8, payload="jpeg2000", rate=4),
    }


def shared_data() -> Path:
    """The folder of real data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("REFSW_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data (../shared/data, or REFSW_DATA) is not here")
    return folder
