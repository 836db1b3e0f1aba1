"""Informative: which payload suits a tensor, by a trial with its first samples."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from math import exp, log

import numpy as np

from refsw.errors import CodecError, UsageError
from refsw.features.coding import encode_units
from refsw.features.config import NATIVE, EncoderConfig
from refsw.features.plan import make_plan
from refsw.features.ranges import with_measured_ranges
from refsw.features.reconstruct import decode_unit
from refsw.features.transforming import with_transform
from refsw.payload.base import DecoderSettings
from refsw.profiles import PROFILE_CODECS, default_profile
from refsw.syntax.codes import PayloadCodec, Quantizer, RangeScope
from refsw.tensor.axes import FLOAT_TYPES, Array, Axes, element_type_of

TRIED = 2
"""Samples of a trial."""
FINER = 2
"""QPs between the two points of the native payload that a trial measures."""
LEAST_ERROR = 1e-30


def settled(config: EncoderConfig, axes: Axes, samples: Iterable[Array]) -> EncoderConfig:
    """The configuration with what is measured on the samples beforehand: its payload, and its ranges.

    Args:
        config: the choices.
        axes: of the tensor.
        samples: all samples, in the user's order of axes; they are read once, and not at all if nothing is measured.
    """
    if config.needs_basis and config.basis is None:
        raise UsageError("this preset needs a channel transform (--transform FILE), as refsw transform train learns it")
    if config.basis is not None and config.transform is None:
        if config.range_scope is not RangeScope.SAMPLE and config.ranges is None:
            raise UsageError("with a channel transform, the range of a sequence is one that is given (--ranges)")
        return with_transform(config, axes, samples)
    if not config.choose_payload:
        return with_measured_ranges(config, axes, samples)
    if config.range_scope is not RangeScope.SAMPLE and config.ranges is None and config.quantizer is not Quantizer.NONE:
        raise UsageError("preset auto takes the range of every sample, or ranges that are given")
    return with_payload(config, axes, list(islice(iter(samples), TRIED)))


def with_payload(config: EncoderConfig, axes: Axes, samples: list[Array]) -> EncoderConfig:
    """The configuration with the payload that takes fewer bytes for the same error."""
    own = config.replace(choose_payload=False)
    whole = own.replace(parts=None, packet_bytes=None)
    native = own.replace(**NATIVE)
    samples = [sample for sample in samples if sample.size]
    if not samples or element_type_of(samples[0].dtype) not in FLOAT_TYPES or own.quantizer is Quantizer.NONE:
        return own
    if config.profile is not None and PayloadCodec.NATIVE not in PROFILE_CODECS[config.profile]:
        return own
    try:
        size, error = _tried(whole, axes, samples)
    except (UsageError, CodecError):  # pictures that the encoder of HEVC does not take
        return native
    whole = whole.replace(**NATIVE)
    coarse = _tried(whole, axes, samples)
    fine = _tried(whole.replace(qp=whole.settings.qp - FINER), axes, samples)
    return native if _size_at(error, coarse, fine) < size else own


def _tried(config: EncoderConfig, axes: Axes, samples: list[Array]) -> tuple[int, float]:
    """Bytes of samples, and their mean squared error."""
    profile = config.profile or default_profile({config.payload}, set(), inter=False)
    plan = make_plan("", 0, axes, np.dtype(samples[0].dtype), config, profile, samples[0])
    size, error = 0, 0.0
    for index, sample in enumerate(samples):
        for unit in encode_units(plan, [sample], index):
            size += len(unit.data)
            for _, elements in decode_unit(unit.content, profile, DecoderSettings()):
                error += float(np.mean(np.square(elements.astype(np.float64) - sample.astype(np.float64))))
    return size, error / len(samples)


def _size_at(error: float, coarse: tuple[int, float], fine: tuple[int, float]) -> float:
    """The bytes at an error, on the line through two points of logarithms."""
    (x0, y0), (x1, y1) = ((log(max(e, LEAST_ERROR)), log(size)) for size, e in (coarse, fine))
    if x1 >= x0:
        return float(coarse[0])
    return exp(y0 + (log(max(error, LEAST_ERROR)) - x0) * (y1 - y0) / (x1 - x0))
