"""Informative: tensors of other libraries as numpy arrays, without importing any of them."""

from __future__ import annotations

import sys
from typing import Any

import ml_dtypes
import numpy as np

from refsw.errors import FeatureError
from refsw.tensor.axes import Array

FLOAT8 = {name: np.dtype(getattr(ml_dtypes, name)) for name in (
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float8_e4m3",
    "float8_e4m3b11fnuz", "float8_e3m4",
) if hasattr(ml_dtypes, name)}  # fmt: skip
"""Formats of one byte, by the names that PyTorch and ml_dtypes give them; the syntax has none of them."""


def as_array(tensor: Any) -> Array:
    """A numpy array of the same shape and dtype; PyTorch tensors from any device, bfloat16 and float8 included.

    Raises:
        FeatureError: numpy cannot make an array of numbers of it.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        return _from_torch(torch, tensor)
    try:
        array = np.asarray(tensor)
    except Exception as error:  # of whatever library it is
        raise FeatureError(f"not a tensor: {error}") from error
    if array.dtype.kind not in "fiub" and array.dtype != ml_dtypes.bfloat16 and not is_float8(array.dtype):
        raise FeatureError(f"a tensor of {array.dtype} has no numbers to code")
    return array


def is_float8(dtype: np.dtype[Any]) -> bool:
    """Whether elements are floats of 8 bits."""
    return dtype in FLOAT8.values()


def widened(array: Array) -> Array:
    """Floats of 8 bits as the narrowest type of the syntax that holds every one of them exactly; others as they are."""
    return array.astype(wider(array.dtype)) if is_float8(array.dtype) else array


def wider(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that `widened` gives."""
    if not is_float8(dtype):
        return dtype
    # Powers of two from 2^-127 to 2^127 in one, at most 5 bits of exponent and 4 of mantissa in the others.
    return np.dtype(np.float32) if dtype == FLOAT8.get("float8_e8m0fnu") else np.dtype(np.float16)


def _from_torch(torch: Any, tensor: Any) -> Array:
    kinds = {
        ("nested", "to_padded_tensor(0)"): tensor.is_nested,
        ("sparse", "to_dense()"): tensor.layout is not torch.strided,
        ("quantized", "dequantize()"): tensor.is_quantized,
        ("complex", "torch.view_as_real()"): tensor.is_complex(),
        ("meta", "one that has elements"): tensor.is_meta,
    }
    for (what, remedy), so in kinds.items():
        if so:
            raise FeatureError(f"a {what} tensor cannot be coded as it is: use {remedy}")
    try:
        tensor = tensor.detach().resolve_neg().cpu().contiguous()
        name = str(tensor.dtype).removeprefix("torch.")
        if name == "bfloat16":
            return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)  # type: ignore[no-any-return]
        if name in FLOAT8:
            return tensor.view(torch.uint8).numpy().view(FLOAT8[name])  # type: ignore[no-any-return]
        return tensor.numpy()  # type: ignore[no-any-return]
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise FeatureError(f"a tensor of {tensor.dtype} on {tensor.device} is no array of numbers: {error}") from error
