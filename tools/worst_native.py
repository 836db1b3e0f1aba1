"""What a byte of the native payload (8.6) can ask for: samples that are nearly all zero, in few lanes."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from refsw.features.config import EncoderConfig
from refsw.features.encoder import Encoder
from refsw.features.tensors import TensorSpec

MOST = 10_000


def native(most: int = MOST) -> Iterator[tuple[str, bytes]]:
    """Bitstreams of at most so many bytes, by name; as many samples as fit."""
    rng = np.random.default_rng(0)
    kinds = {
        "few elements": np.zeros((1, 3, 2, 2), np.float32),
        "a channel in three": np.zeros((1, 1024, 2, 2), np.float32),
        "isolated elements": np.zeros((1, 64, 32, 32), np.float32),
        "large and sparse": (rng.random((1, 512, 64, 64)) < 0.0017).astype(np.float32),
    }
    kinds["few elements"][:, 0, 0, 0] = 1
    kinds["a channel in three"][:, 0], kinds["a channel in three"][:, 1::3, 0, 0] = 1, 0.2
    kinds["isolated elements"][:, :, ::8, ::8] = 1
    for name, sample in kinds.items():
        one, two = (coded(np.repeat(sample, count, axis=0)) for count in (1, 2))
        count = max(1, (most - len(one)) // (len(two) - len(one)))
        yield f"native, {name}", coded(np.repeat(sample, count, axis=0))


def coded(samples: np.ndarray) -> bytes:
    """All samples in one unit, at a low rate; what is lost of them is not told."""
    out, config = io.BytesIO(), EncoderConfig.preset("native", qp=45, samples_per_unit=len(samples))
    spec = TensorSpec(samples.shape, samples.dtype, "NCHW", config)
    with Encoder(out, {"": spec}, config, warn=lambda text: None) as encoder:
        for sample in samples:
            encoder.write({"": sample})
    return out.getvalue()
