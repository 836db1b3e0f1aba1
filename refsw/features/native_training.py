"""Informative: native parameters (6.17) of a layer, learned from samples of its features."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import numpy as np

from refsw.errors import UsageError
from refsw.features.config import EncoderConfig
from refsw.features.encoder import Encoder
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent
from refsw.features.tensors import TensorSpec
from refsw.payload.native.configuration import pack_parameters
from refsw.payload.native.decoder import read_sample
from refsw.payload.native.starts import universal_start
from refsw.payload.native.training import Sized, Training, layer_start
from refsw.tensor.axes import Array
from refsw.tensor.quantize import quantize


def train_native(
    samples: Iterable[Array], qps: Sequence[int] = (22, 32, 42), training: Training | None = None
) -> bytes:
    """Native parameters for a layer, the bytes of a native_parameters (6.17).

    Args:
        samples: features of the layer, (C, H, W) float32 each; maps may differ in size, not in their number.
        qps: at which every sample is looked at, in the steps that the preset `native` takes then.
        training: how; see `Training`.

    Raises:
        UsageError: no sample with anything to code, or samples with different numbers of channels.
    """
    sized = [one for sample in samples for qp in qps for one in _sized(sample, qp)]
    if not sized:
        raise UsageError("native parameters are learned from samples that are not constant: there is none")
    counts = {len(one.levels) for one in sized}
    if len(counts) > 1:
        raise UsageError(f"samples of one layer have one number of channels; there are {sorted(counts)}")
    return pack_parameters(layer_start(universal_start(), sized, training or Training()))


def _sized(sample: Array, qp: int) -> Iterable[Sized]:
    """A sample as the encoder sees it; nothing of one that is constant."""
    config, coded = EncoderConfig.preset("native", qp=qp), io.BytesIO()
    spec = TensorSpec(sample.shape, np.dtype(np.float32), "CHW", config)
    with Encoder(coded, {"": spec}, config, warn=_silent) as encoder:
        encoder.write({"": np.asarray(sample, np.float32)})
    for content in BitstreamReader(io.BytesIO(coded.getvalue())):
        if isinstance(content, UnitContent) and content.payload:
            p, values = content.parameters, read_sample(memoryview(content.payload), 0).values
            (limits,) = content.ranges
            assert limits is not None
            levels = quantize(np.asarray(sample, np.float32), p.quantizer, p.bit_depth, limits)
            zero = values["zero_level"] if values["signed_flag"] else None
            yield Sized(levels, values["quantization_step"], zero)


def _silent(text: str) -> None:
    """What a step leaves of channels is for who encodes."""
