"""8.5 VVC payloads: decoded by FFmpeg where that is known to be right, else by command; encoded by command."""

from __future__ import annotations

from refsw.errors import ErrorClass, PayloadError, UnsupportedError, UsageError
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat
from refsw.payload.external import compare, decode_with_command, refused, run_encoder
from refsw.payload.ffmpeg import decode_packets, has_decoder, packets_of
from refsw.tensor.axes import Array

# FFmpeg's decoder is wrong at 8 bits with the adaptive loop filter.
FFMPEG_BIT_DEPTHS = (10,)


class VvcCodec:
    """VVC; the whole byte stream is in the payload, parameter sets included."""

    bit_depths = (8, 10)

    def encode(self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings) -> tuple[bytes, bytes]:
        """Encode by the command of the settings (8.4.7).

        Raises:
            UsageError: there is none; refsw has no VVC encoder of its own.
        """
        if not settings.command:
            raise UsageError("refsw has no VVC encoder: give one by command")
        stream, recon = run_encoder(settings, pictures, picture_format)
        self._compare(stream, recon, len(pictures), picture_format)
        return b"", stream

    def _compare(self, stream: bytes, recon: Array | None, count: int, picture_format: PictureFormat) -> None:
        """The stream is decoded, where something here decodes it."""
        try:
            decoded = self.decode(b"", memoryview(stream), count, picture_format, DecoderSettings())
        except UnsupportedError:
            return  # nothing here decodes it; the one who gave the command answers for it
        except PayloadError as error:
            raise refused(error) from error
        compare(recon, decoded, "its own reconstruction differs from the decoded pictures")

    def decode(
        self,
        configuration: bytes,
        payload: memoryview,
        count: int,
        picture_format: PictureFormat,
        settings: DecoderSettings,
    ) -> Array:
        """Decode with the command of the settings, or with FFmpeg.

        Raises:
            UnsupportedError: neither can.
            PayloadError: the payload is damaged, or has other pictures than the bitstream promises.
        """
        stream = configuration + bytes(payload)
        try:
            if settings.command:
                return decode_with_command(settings.command, stream, count, picture_format)
            if has_decoder("vvc") and picture_format.bit_depth in FFMPEG_BIT_DEPTHS:
                return decode_packets("vvc", packets_of("vvc", stream), count, picture_format)
        except PayloadError as error:
            raise PayloadError(
                error.error_class,
                "vvc.pictures",
                error.element,
                error.bit_offset,
                expected=error.expected,
                got=error.got,
            ) from error
        raise UnsupportedError(
            ErrorClass.PAYLOAD_ERROR,
            "vvc.optional",
            "payload_codec",
            None,
            expected="a VVC decoder (FFmpeg's, for 10 bits; or an external one by command)",
            got="none on this machine that is known to decode this bit depth",
        )

    def check(
        self, configuration: bytes, payload: memoryview, count: int, picture_format: PictureFormat
    ) -> list[PayloadError]:
        """Nothing is checked inside a VVC payload but what decoding shows."""
        return []
