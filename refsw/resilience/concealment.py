"""Informative: a tensor and what was received of it -> a whole tensor; the rules that hold for every method."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from refsw.errors import CodecError, FeatureError
from refsw.resilience.base import Method
from refsw.resilience.methods import find_method
from refsw.resilience.simple import Nothing
from refsw.tensor.axes import Array, Axes

FLOAT32 = np.finfo(np.float32)


def conceal(method: Method | str, tensor: Array, received: Array, **options: Any) -> Array:
    """Put estimates in the place of what was not received.

    Elements that were received are never changed, to the bit. If all were, the tensor comes back as it is; if none
    were, there is nothing to estimate from, and every method but `none` gives zeros. What stands in the tensor where
    nothing was received counts for `none` alone; it may be NaN for the others.

    Args:
        method: or the name of one of `METHODS`.
        tensor: float32 (C, H, W).
        received: bool (C, H, W), True where received.
        options: of the method that is named.

    Returns:
        A new float32 (C, H, W), finite.

    Raises:
        FeatureError: not such a tensor or mask; NaN or infinity among the received elements.
        UsageError: no such method or option; the method does not take tensors of this shape, or needs a package.
        CodecError: the method gave no finite estimate.
    """
    chosen = find_method(method, **options) if isinstance(method, str) else method
    _check(tensor, received)
    chosen.check(tensor.shape)
    counted = np.ones_like(received) if isinstance(chosen, Nothing) else received
    if not np.isfinite(tensor[counted]).all():
        raise FeatureError("NaN or infinity among the elements of a tensor that is to be concealed")
    if isinstance(chosen, Nothing) or received.all():
        return tensor.copy()
    if not received.any():
        return np.zeros_like(tensor)
    estimate = chosen.fill(np.where(received, tensor, 0).astype(np.float64), received)
    if not np.isfinite(estimate[~received]).all():
        raise CodecError(f"concealment by {chosen.name} gave NaN or infinity")
    return np.where(received, tensor, np.clip(estimate, FLOAT32.min, FLOAT32.max).astype(np.float32))


def conceal_features(
    method: Method | str, features: Array, received: Array, axes: str | None = None, **options: Any
) -> Array:
    """`conceal` for any feature tensor: of each sample, with whatever axes and number format it has.

    Args:
        method: or the name of one of `METHODS`.
        features: of 1 to 4 axes; integers and booleans are rounded, and kept in the range of their format.
        received: bool of the same shape, True where received.
        axes: letters of the axes, as `refsw encode --axes` takes them; None for the usual ones (C, NC, CHW, NCHW).
        options: of the method that is named.

    Returns:
        A new array of the same shape and dtype.

    Raises:
        As `conceal`.
    """
    chosen = find_method(method, **options) if isinstance(method, str) else method
    if received.shape != features.shape:
        raise FeatureError(f"a mask of shape {received.shape} for features of shape {features.shape}")
    found, whole = Axes.parse(axes, features.shape), features.copy()
    samples = range(len(features)) if found.has_samples else [...]
    for sample in samples:
        given, mask = found.to_canonical(features[sample]), found.to_canonical(received[sample])
        estimate = conceal(chosen, _as_float32(given), mask)
        whole[sample] = np.where(received[sample], features[sample], found.from_canonical(_like(estimate, features)))
    return whole


def _check(tensor: Array, received: Array) -> None:
    if tensor.dtype != np.float32 or tensor.ndim != 3 or not tensor.size:
        raise FeatureError(f"concealment takes float32 (C, H, W), not {tensor.dtype} {tensor.shape}")
    if received.dtype != np.bool_ or received.shape != tensor.shape:
        raise FeatureError(f"a mask is bool {tensor.shape}, not {received.dtype} {received.shape}")


def _as_float32(sample: Array) -> Array:
    """Elements beyond the range of binary32, which binary64 has, become its largest."""
    if sample.dtype.kind == "f" and sample.itemsize > 4:
        return np.where(np.isfinite(sample), np.clip(sample, FLOAT32.min, FLOAT32.max), sample).astype(np.float32)
    return sample.astype(np.float32)


def _like(estimate: Array, features: Array) -> Array:
    """Estimates in another number format."""
    dtype = features.dtype
    if dtype.kind == "b":
        return estimate >= 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        # As binary64, in which the largest of 64 bits is rounded up; the step below the limit is the one that fits.
        wanted = np.rint(estimate.astype(np.float64))
        top = float(limits.max) if limits.bits < 64 else np.nextafter(float(limits.max), 0)
        return np.clip(wanted, float(limits.min), top).astype(dtype)
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
    return np.clip(estimate.astype(np.float64), -largest, largest).astype(dtype)
