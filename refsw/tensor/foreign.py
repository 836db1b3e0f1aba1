"""Informative: tensors of other libraries as numpy arrays, without importing any of them."""

from __future__ import annotations

import sys
from typing import Any

import ml_dtypes
import numpy as np

from refsw.errors import FeatureError
from refsw.tensor.axes import Array


def as_array(tensor: Any) -> Array:
    """A numpy array of the same shape and dtype; PyTorch tensors from any device, bfloat16 included.

    Raises:
        FeatureError: numpy cannot make an array of numbers of it.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        tensor = tensor.detach().cpu().contiguous()
        if tensor.dtype == torch.bfloat16:
            return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)  # type: ignore[no-any-return]
        return tensor.numpy()  # type: ignore[no-any-return]
    try:
        array = np.asarray(tensor)
    except (ValueError, TypeError) as error:
        raise FeatureError(f"not a tensor: {error}") from error
    if array.dtype.kind not in "fiub" and array.dtype != ml_dtypes.bfloat16:
        raise FeatureError(f"a tensor of {array.dtype} has no numbers to code")
    return array
