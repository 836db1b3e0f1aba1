"""8.1 What every payload codec has in common: pictures of one size and number format, coded and decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from refsw.errors import ErrorClass, PayloadError, UsageError
from refsw.named import Known
from refsw.syntax.codes import PayloadCodec
from refsw.tensor.axes import Array

VIDEO = (PayloadCodec.HEVC, PayloadCodec.VVC)


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """Size and number format of the pictures of a tensor.

    Args:
        height, width: coded size in elements.
        bit_depth: n of the levels; for tensors without a quantizer, the bits of an element.
        dtype: of the arrays: uint8 or uint16 for levels, else that of the elements.
        intra_only: whether the profile forbids prediction between pictures.
        channels: pictures of a sample.
        time_prediction: whether samples of a unit may be predicted from the one before (8.6.9).
    """

    height: int
    width: int
    bit_depth: int
    dtype: np.dtype[Any]
    intra_only: bool = True
    channels: int = 1
    time_prediction: bool = False

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture."""
        return self.height * self.width * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Informative: what a payload encoder is asked for. Every codec takes what concerns it.

    Args:
        qp: quantization parameter of HEVC, 0 to 51; smaller is better.
        effort: name of a set of encoder parameters in `refsw.payload.x265.EFFORTS`.
        quality: of JPEG, 1 to 100; larger is better.
        rate: JPEG 2000: compression ratio aimed at; 1 is lossless.
        compression_level: of the byte codecs and PNG, 0 to 9.
        command: an external HEVC encoder (see `refsw.payload.external`).
        native: bytes of the native parameters (8.6.3) of the layer; None: the universal or the sparse start.
        sparse: which of these.
        named: whether these are named by their digest, and not sent.
    """

    qp: int = 22
    effort: str = "balanced"
    quality: int = 75
    rate: float = 1.0
    compression_level: int = 9
    command: str | None = None
    native: bytes | None = None
    sparse: bool = False
    named: bool = False

    def __post_init__(self) -> None:
        if self.command is not None and not self.command.strip():
            raise UsageError("external encoder: an empty command")
        if not 1 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality}: from 1 to 100")
        if not 1 <= self.rate < float("inf"):
            raise UsageError(f"rate {self.rate}: a compression ratio of at least 1")
        if not 0 <= self.compression_level <= 9:
            raise UsageError(f"compression level {self.compression_level}: from 0 to 9")


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """How payloads are decoded.

    Args:
        command: of an external HEVC decoder; None: by FFmpeg inside this process.
        thorough: HEVC is decoded a second time, to see that the data of no slice segment end early.
        known: what bitstreams name by digest, by SHA-256 digest (5.8).
    """

    command: str | None = None
    thorough: bool = False
    known: Known = field(default_factory=dict)


class Codec(Protocol):
    """One payload codec."""

    @property
    def bit_depths(self) -> Sequence[int]:
        """Bit depths of levels that the codec takes."""

    def encode(self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings) -> tuple[bytes, bytes]:
        """Pictures (P, height, width) -> (codec configuration, payload)."""

    def decode(
        self,
        configuration: bytes,
        payload: memoryview,
        count: int,
        picture_format: PictureFormat,
        settings: DecoderSettings,
    ) -> Array:
        """`count` pictures of the format, as (count, height, width); raises PayloadError."""

    def check(
        self, configuration: bytes, payload: memoryview, count: int, picture_format: PictureFormat
    ) -> list[PayloadError]:
        """Every requirement of the codec's clause that the payload breaks, found without decoding it."""


def payload_error(
    requirement: str,
    element: str,
    expected: str,
    got: str,
    error_class: ErrorClass = ErrorClass.PAYLOAD_ERROR,
    offset: int | None = None,
) -> PayloadError:
    """A PayloadError; `offset` counts bits from the start of the payload until the decoder adds its place."""
    return PayloadError(error_class, requirement, element, offset, expected=expected, got=got)


def no_configuration(requirement: str, configuration: bytes) -> list[PayloadError]:
    """The requirement that a codec has nothing to send once for all units."""
    if not configuration:
        return []
    got = str(len(configuration))
    return [payload_error(requirement, "codec_configuration_length", "0", got, ErrorClass.LENGTH_MISMATCH)]


def guarded(requirement: str, what: str, decode: Callable[[], Array], *errors: type[Exception]) -> Array:
    """Run a library's decoder; whatever of `errors` it raises becomes a PayloadError."""
    try:
        return decode()
    except errors as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise payload_error(requirement, "payload", f"{what} that decodes", reason) from error
