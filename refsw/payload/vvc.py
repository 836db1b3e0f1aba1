"""8.5 VVC: a code point that decodes where an external decoder is given."""

from __future__ import annotations

from refsw.errors import ErrorClass, PayloadError, UnsupportedError, UsageError
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat
from refsw.tensor.axes import Array


class VvcCodec:
    """VVC through FFmpeg where it has a decoder, else through an external command; it is never encoded here."""

    bit_depths = (8, 10)

    def encode(self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings) -> tuple[bytes, bytes]:
        """Only an external encoder can."""
        raise UsageError("refsw does not encode VVC: code the pictures elsewhere (chapter 8.5)")

    def decode(
        self,
        configuration: bytes,
        payload: memoryview,
        count: int,
        picture_format: PictureFormat,
        settings: DecoderSettings,
    ) -> Array:
        """Decode with the command of the settings, or FFmpeg's vvc decoder, if this build has one."""
        stream = configuration + bytes(payload)
        if settings.command:
            from refsw.payload.external import decode_with_command

            return decode_with_command(settings.command, stream, count, picture_format)
        from refsw.payload.hevc import decode_packets, has_decoder

        if not has_decoder("vvc") or picture_format.bit_depth == 8:
            raise UnsupportedError(
                ErrorClass.PAYLOAD_ERROR,
                "vvc.optional",
                "payload_codec",
                None,
                expected="a VVC decoder (FFmpeg's, for 10 bits; or an external one by command)",
                got="none on this machine that is known to decode this bit depth",
            )
        return decode_packets("vvc", [stream], count, picture_format)

    def check(
        self, configuration: bytes, payload: memoryview, count: int, picture_format: PictureFormat
    ) -> list[PayloadError]:
        """Nothing is checked inside a VVC payload."""
        return []
