"""Informative: the rate of a bitstream beside that of refsw's presets, at the same error of the same input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from refsw.conformance.encoders.reference import encode
from refsw.conformance.encoders.suite import Input, made
from refsw.features.config import PRESETS_ALONE
from refsw.features.decoder import decode_by_name
from refsw.tensor.axes import Array

QPS = (4, 12, 20, 28, 36, 44)
EXACT = {"quantizer": "none", "payload": "lzma"}
LOSSLESS = "lossless"


def rate_beside_presets(case: Input, given: Mapping[str, Array], size: int, mse: float) -> dict[str, Any]:
    """What every preset takes, without files besides, for a bitstream's error; without one, what lossless coding takes.

    Returns:
        For every preset the bytes at that mean square error, by a line through the logarithms of rate and error of its
        QPs, and the share of them that the bitstream takes; None where no QP comes near.
    """
    if mse == 0:
        took = len(encode(given, axes=case.axes, choices=EXACT))
        return {LOSSLESS: {"bytes": took, "share": size / took}}
    out = {}
    for preset, curve in _curves(case).items():
        took_there = at_error(curve, mse)
        out[preset] = {"bytes": took_there, "share": size / took_there if took_there else None}
    return out


@cache
def _curves(case: Input) -> dict[str, list[tuple[int, float]]]:
    """Bytes and mean square errors of every preset, by QP."""
    (given,) = made(case).steps
    curves: dict[str, list[tuple[int, float]]] = {preset: [] for preset in PRESETS_ALONE}
    for preset, curve in curves.items():
        for qp in QPS:
            data = encode(given, axes=case.axes, choices={"preset": preset, "qp": qp})
            errors = [np.square(x.astype(np.float64) - given[name].astype(np.float64)).reshape(-1)
                      for name, x in decode_by_name(data).items()]  # fmt: skip
            curve.append((len(data), float(np.concatenate(errors).mean())))
    return curves


def at_error(curve: Sequence[tuple[int, float]], mse: float) -> int | None:
    """The bytes at an error, between the two points of a curve around it; None outside of it.

    Args:
        curve: pairs of bytes and errors.
        mse: above 0.
    """
    points = sorted((error, size) for size, error in curve if error > 0)
    for (below, first), (above, last) in pairwise(points):
        if below <= mse <= above and below < above:
            share = math.log(mse / below) / math.log(above / below)
            return round(math.exp(math.log(first) + share * math.log(last / first)))
    return None
