"""refsw: the reference software of Deep Feature Coding (DFC).

    data = refsw.encode(features, "balanced", qp=22)     # numpy or torch, any of 1 to 4 axes
    features = refsw.decode(data)                        # the same shape, order of axes and dtype
    report = refsw.validate(data)                        # every violation, with requirement id and offset
    update = refsw.diff_models(v0, v1, digits=4)         # the difference of two state dictionaries
    model = refsw.apply_update(v0, update)               # the new version, from the old one

Everything below is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from refsw.lazy import importing

if TYPE_CHECKING:
    from refsw.errors import CoarseStepWarning, DfcError, FeatureError, RefswError, UsageError
    from refsw.features.config import EncoderConfig
    from refsw.features.decoder import Decoder, DecoderLimits, Sample, decode
    from refsw.features.encoder import Encoder, encode
    from refsw.features.random_access import decode_samples
    from refsw.features.tensors import TensorSpec
    from refsw.inspection import inspect
    from refsw.models.apply import apply_update
    from refsw.models.config import DiffConfig
    from refsw.models.diff import diff_models
    from refsw.models.state import model_digest
    from refsw.validation import validate

__version__ = "0.1.0"

_PLACES = {
    "CoarseStepWarning": "refsw.errors",
    "DfcError": "refsw.errors",
    "FeatureError": "refsw.errors",
    "RefswError": "refsw.errors",
    "UsageError": "refsw.errors",
    "EncoderConfig": "refsw.features.config",
    "Decoder": "refsw.features.decoder",
    "DecoderLimits": "refsw.features.decoder",
    "Sample": "refsw.features.decoder",
    "decode": "refsw.features.decoder",
    "Encoder": "refsw.features.encoder",
    "TensorSpec": "refsw.features.tensors",
    "encode": "refsw.features.encoder",
    "decode_samples": "refsw.features.random_access",
    "DiffConfig": "refsw.models.config",
    "apply_update": "refsw.models.apply",
    "diff_models": "refsw.models.diff",
    "model_digest": "refsw.models.state",
    "inspect": "refsw.inspection",
    "validate": "refsw.validation",
}
__all__ = [
    "CoarseStepWarning",
    "Decoder",
    "DecoderLimits",
    "DfcError",
    "DiffConfig",
    "Encoder",
    "EncoderConfig",
    "FeatureError",
    "RefswError",
    "Sample",
    "TensorSpec",
    "UsageError",
    "apply_update",
    "decode",
    "decode_samples",
    "diff_models",
    "encode",
    "inspect",
    "model_digest",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        with importing:
            return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'refsw' has no attribute '{name}'")
