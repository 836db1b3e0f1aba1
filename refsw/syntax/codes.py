"""6.2 Code points: the enumerated values of syntax elements.

Their tables in spec/06-syntax.md are rendered from these enumerations and from `MEANINGS`.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache


class UnitType(IntEnum):
    """Type of a unit."""

    FEATURE_PARAMETER_SET = 1
    FEATURE_DATA = 2
    DIGEST = 3
    METADATA = 4
    END_OF_BITSTREAM = 5
    FEATURE_PART = 6
    MODEL_HEADER = 8
    MODEL_DATA = 9


class Profile(IntEnum):
    """Profile that the bitstream conforms to (chapter 11)."""

    INTRA = 1
    INTER = 2
    LOSSLESS = 3
    IMAGE = 4
    EXTENDED = 5
    MODEL = 6
    RESILIENT = 8
    NATIVE = 9
    COMPLETE = 10
    MODEL_EXTENDED = 11
    SCALABLE = 12


class Level(IntEnum):
    """Level that the bitstream conforms to (chapter 11)."""

    L1 = 1
    L2 = 2
    L3 = 3


class AxisRole(IntEnum):
    """What an axis of the feature tensor counts."""

    C = 0
    H = 1
    W = 2
    N = 3
    T = 4


class ElementType(IntEnum):
    """Number format of the elements of the feature tensor."""

    FLOAT32 = 0
    FLOAT16 = 1
    BFLOAT16 = 2
    FLOAT64 = 3
    UINT8 = 4
    INT8 = 5
    UINT16 = 6
    INT16 = 7
    UINT32 = 8
    INT32 = 9
    UINT64 = 10
    INT64 = 11
    BOOL = 12


class Quantizer(IntEnum):
    """Pre-quantizer whose inverse the decoder applies."""

    NONE = 0
    UNIFORM = 1
    LOG = 2
    LOG_NONNEGATIVE = 3


class RangeScope(IntEnum):
    """What one pair of minimum and maximum holds for."""

    SAMPLE = 0
    SEQUENCE = 1
    CHANNEL = 2


class RepackLayout(IntEnum):
    """How channels are laid into pictures."""

    SEQUENCE = 0
    MOSAIC = 1
    QUILT = 2


class PayloadCodec(IntEnum):
    """Codec of the payload."""

    STORED = 0
    ZLIB = 1
    GZIP = 2
    LZMA = 3
    PNG = 4
    JPEG = 5
    JPEG2000 = 6
    HEVC = 7
    VVC = 8
    NATIVE = 9


class DigestKind(IntEnum):
    """What a digest is taken over."""

    TENSOR = 0
    LEVELS = 1


class LayerKind(IntEnum):
    """How a layer and its base layer go together."""

    BASE = 0
    CHANNELS = 1
    REFINEMENT = 2


class TensorMode(IntEnum):
    """How a model update gives a tensor of the result."""

    UNCHANGED = 0
    REMOVED = 1
    COPY = 2
    QUANTIZED_DIFFERENCE = 3
    QUANTIZED = 4
    EXACT_DIFFERENCE = 5
    EXACT = 6


class StepMultiplier(IntEnum):
    """The m of a quantization step m x 10^-k."""

    ONE = 0
    TWO = 1
    FIVE = 2


class ModelCoder(IntEnum):
    """How the values of a model data unit are coded."""

    RANS = 0
    XZ = 1


class ValueQuantizer(IntEnum):
    """How the levels of a model data unit become values."""

    PLAIN = 0
    EVEN = 1
    DEPENDENT = 2


class NativeStart(IntEnum):
    """What the samples of a native payload are decoded with."""

    UNIVERSAL = 0
    SENT = 1
    NAMED = 2
    SPARSE = 3


MEANINGS: dict[type[IntEnum], dict[str, str]] = {
    UnitType: {
        "FEATURE_PARAMETER_SET": "feature parameter set (6.5)",
        "FEATURE_DATA": "feature data: one or more whole samples (6.6)",
        "DIGEST": "digest of decoded samples (6.7)",
        "METADATA": "metadata for people (6.8)",
        "END_OF_BITSTREAM": "end of bitstream (6.9)",
        "FEATURE_PART": "part of a sample (6.13)",
        "MODEL_HEADER": "header of a model update (6.10)",
        "MODEL_DATA": "values of tensors of a model update (6.11)",
    },
    Profile: {
        "INTRA": "HEVC, intra pictures only",
        "INTER": "HEVC, inter pictures allowed",
        "LOSSLESS": "byte codecs: stored, zlib, gzip, LZMA",
        "IMAGE": "still-image codecs: PNG, JPEG, JPEG 2000",
        "EXTENDED": "every payload codec of this version, VVC included",
        "MODEL": "model updates, no features (chapter 10)",
        "RESILIENT": "HEVC, intra pictures only, and byte codecs; parts of samples",
        "NATIVE": "the native payload and byte codecs; parts of samples, prediction in time",
        "COMPLETE": "every payload codec, and every extension of feature parameter sets",
        "MODEL_EXTENDED": "model updates with levels, and with sources of another shape (chapter 10)",
        "SCALABLE": "HEVC, intra pictures only, the native payload, and byte codecs; layers, prediction in time",
    },
    Level: {
        "L1": "level 1",
        "L2": "level 2",
        "L3": "level 3",
    },
    AxisRole: {
        "C": "channels",
        "H": "rows (tokens, where the tensor has no columns)",
        "W": "columns",
        "N": "samples",
        "T": "samples in order of time",
    },
    ElementType: {
        "FLOAT32": "IEEE 754 binary32",
        "FLOAT16": "IEEE 754 binary16",
        "BFLOAT16": "the 16 most significant bits of a binary32",
        "FLOAT64": "IEEE 754 binary64",
        "UINT8": "unsigned integer, 8 bits",
        "INT8": "two's complement integer, 8 bits",
        "UINT16": "unsigned integer, 16 bits",
        "INT16": "two's complement integer, 16 bits",
        "UINT32": "unsigned integer, 32 bits",
        "INT32": "two's complement integer, 32 bits",
        "UINT64": "unsigned integer, 64 bits",
        "INT64": "two's complement integer, 64 bits",
        "BOOL": "one byte, 0 or 1",
    },
    Quantizer: {
        "NONE": "none: pictures hold the elements themselves",
        "UNIFORM": "uniform (7.4.2)",
        "LOG": "logarithmic with offset (7.4.3)",
        "LOG_NONNEGATIVE": "logarithmic, minimum inferred to be 0 (7.4.3)",
    },
    RangeScope: {
        "SAMPLE": "one range a sample, in its feature data unit",
        "SEQUENCE": "one range for all samples, in the parameter set",
        "CHANNEL": "one range a channel for all samples, in the parameter set",
    },
    RepackLayout: {
        "SEQUENCE": "sequence: one channel a picture",
        "MOSAIC": "mosaic: channels tiled in a grid",
        "QUILT": "quilt: elements of a grid of channels interleaved",
    },
    PayloadCodec: {
        "STORED": "picture bytes as they are (8.2)",
        "ZLIB": "picture bytes, zlib format (8.2)",
        "GZIP": "picture bytes, gzip format (8.2)",
        "LZMA": "picture bytes, xz format (8.2)",
        "PNG": "one PNG image a picture (8.3)",
        "JPEG": "one JPEG image a picture (8.3)",
        "JPEG2000": "one JPEG 2000 codestream a picture (8.3)",
        "HEVC": "HEVC byte stream (8.4)",
        "VVC": "VVC byte stream (8.5)",
        "NATIVE": "integers coded with contexts (8.6)",
    },
    DigestKind: {
        "TENSOR": "the decoded elements of the feature tensor",
        "LEVELS": "the integers before dequantization",
    },
    LayerKind: {
        "BASE": "there is no base layer",
        "CHANNELS": "more channels",
        "REFINEMENT": "differences from the base layer as it is decoded",
    },
    TensorMode: {
        "UNCHANGED": "the source as it is",
        "REMOVED": "no tensor of the result",
        "COPY": "a copy of another tensor of the result",
        "QUANTIZED_DIFFERENCE": "the source plus quantized differences (10.4.2)",
        "QUANTIZED": "quantized elements, no source (10.4.2)",
        "EXACT_DIFFERENCE": "the words of the source plus differences (10.4.3)",
        "EXACT": "the words of the elements, no source (10.4.3)",
    },
    StepMultiplier: {
        "ONE": "m = 1",
        "TWO": "m = 2",
        "FIVE": "m = 5",
    },
    NativeStart: {
        "UNIVERSAL": "universal start (8.6.3)",
        "SENT": "parameters in the configuration",
        "NAMED": "parameters that the decoder has, named by their digest",
        "SPARSE": "sparse start (8.6.8)",
    },
    ModelCoder: {
        "RANS": "interleaved range variants of asymmetric numeral systems (10.6)",
        "XZ": "bytes of the values, xz format (10.7)",
    },
    ValueQuantizer: {
        "PLAIN": "levels are the values",
        "EVEN": "twice the levels (10.6.7)",
        "DEPENDENT": "two quantizers in turn (10.6.7)",
    },
}
"""The meaning of every code point, by enumeration and name: members of equal value are equal as keys."""

SINCE: dict[type[IntEnum], dict[str, int]] = {
    UnitType: {"FEATURE_PART": 1},
    Profile: {"RESILIENT": 1, "NATIVE": 1, "COMPLETE": 1, "MODEL_EXTENDED": 1, "SCALABLE": 1},
    PayloadCodec: {"NATIVE": 1},
}
"""5.5 The minor version that brought a code point, where it is not 0.

In bitstreams of profiles of earlier versions it stays reserved. Profile 7 stays so everywhere: published vectors have
it as an example.
"""


def since(member: IntEnum) -> int:
    """5.5 The minor version that brought a code point; that of a profile is the version of the profile."""
    return SINCE.get(type(member), {}).get(member.name, 0)


@cache
def code_points(kind: type[IntEnum], version: int) -> dict[int, IntEnum]:
    """6.2 The code points that bitstreams of profiles of a minor version have, by value."""
    return {member.value: member for member in kind if since(member) <= version}
