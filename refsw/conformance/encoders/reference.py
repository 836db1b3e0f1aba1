"""The reference encoder as an encoder under test, for features and for model updates."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.features.choice import settled
from refsw.features.config import EncoderConfig
from refsw.features.encoder import Encoder
from refsw.features.packets import with_measured_parts
from refsw.features.tensors import TensorSpec
from refsw.models.config import DiffConfig
from refsw.models.diff import diff_models
from refsw.payload.base import EncoderSettings
from refsw.syntax.codes import Quantizer
from refsw.tensor.axes import Array, Axes

OF_MODELS = {"digits", "step", *(f.name for f in fields(DiffConfig))} - {"config"}
OF_FEATURES = {"preset", *(f.name for kind in (EncoderConfig, EncoderSettings) for f in fields(kind))}


class NotTakenError(Exception):
    """An input that the encoder, configured as it is, does not take."""

    exit_code = 69


def encode(
    tensors: Mapping[str, Array], base: Mapping[str, Array] | None = None, *, axes: Mapping[str, str], jobs: int = 1,
    model: bool = False, choices: Mapping[str, Any], asks: Mapping[str, Any] | None = None,
) -> bytes:  # fmt: skip
    """A bitstream.

    Args:
        tensors: what to code, by name.
        base: the model that the receiver has.
        axes: letters of the axes of every tensor of features.
        jobs: processes.
        model: whether they are a model, whose update is wanted.
        choices: changes to the preset `preset`, or of the update, by their names; those of the other kind are left out.
        asks: changes that go before them, see `Input`.

    Raises:
        NotTakenError: the choices do not go with the tensors.
        FeatureError: the tensors cannot be coded.
    """
    unknown = set(choices) - OF_FEATURES - OF_MODELS
    own = {name: value for name, value in choices.items() if name in (OF_MODELS if model else OF_FEATURES)}
    own = as_asked(own, asks or {})
    try:
        if unknown:
            raise UsageError(f"unknown choice: {', '.join(sorted(unknown))}")
        if model:
            return diff_models(base, dict(tensors), **own)
        config = EncoderConfig.preset(own.pop("preset", "balanced"), **own)
        return _features(tensors, axes, config, jobs)
    except UsageError as error:
        raise NotTakenError(str(error)) from error


def as_asked(choices: dict[str, Any], asks: Mapping[str, Any]) -> dict[str, Any]:
    """Choices that give what is asked for: other ones of the same tool are left out."""
    if asks.get("payload") == "native":
        own = ("qp", "step", "digest")
        return {name: value for name, value in choices.items() if name in own} | {"preset": "native"}
    if asks:
        choices = {name: value for name, value in choices.items() if name not in ("parts", "packet_bytes", "command")}
        choices["samples_per_unit"] = 1
    return choices | dict(asks)


def _features(tensors: Mapping[str, Array], axes: Mapping[str, str], config: EncoderConfig, jobs: int) -> bytes:
    parsed = {name: Axes.parse(axes[name], array.shape) for name, array in tensors.items()}
    if config.quantizer is Quantizer.LOG_NONNEGATIVE and any(
        (x.astype(np.float32) < 0).any() for x in tensors.values()
    ):
        raise UsageError("the quantizer takes no negative elements")
    series = {name: array if parsed[name].has_samples else array[None] for name, array in tensors.items()}
    specs = {}
    for name, array in tensors.items():
        own = settled(config, parsed[name], series[name])
        own = with_measured_parts(own, parsed[name], array.dtype, series[name])
        specs[name] = TensorSpec(array.shape, array.dtype, axes[name], own)
    out = io.BytesIO()
    with Encoder(out, specs, config, jobs=jobs, warn=lambda _: None) as encoder:
        for index in range(max(map(len, series.values()))):
            encoder.write({name: array[index] for name, array in series.items() if index < len(array)})
    return out.getvalue()
