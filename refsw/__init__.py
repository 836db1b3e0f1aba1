"""refsw: the reference software of Deep Feature Coding (DFC).

    data = refsw.encode(features, "balanced", qp=22)     # numpy or torch, any of 1 to 4 axes
    features = refsw.decode(data)                        # the same shape, order of axes and dtype
    report = refsw.validate(data)                        # every violation, with requirement id and offset

Everything below is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refsw.errors import DfcError, FeatureError, RefswError, UsageError
    from refsw.features.config import EncoderConfig
    from refsw.features.decoder import Decoder, DecoderLimits, Sample, decode
    from refsw.features.encoder import Encoder, TensorSpec, encode
    from refsw.features.random_access import decode_samples
    from refsw.inspection import inspect
    from refsw.validation import validate

__version__ = "0.1.0"

_PLACES = {
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
    "TensorSpec": "refsw.features.encoder",
    "encode": "refsw.features.encoder",
    "decode_samples": "refsw.features.random_access",
    "inspect": "refsw.inspection",
    "validate": "refsw.validation",
}
__all__ = [
    "Decoder",
    "DecoderLimits",
    "DfcError",
    "Encoder",
    "EncoderConfig",
    "FeatureError",
    "RefswError",
    "Sample",
    "TensorSpec",
    "UsageError",
    "decode",
    "decode_samples",
    "encode",
    "inspect",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'refsw' has no attribute '{name}'")
