"""8.4 HEVC payloads: decoded by FFmpeg, encoded by x265, or both by command."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from refsw.errors import CodecError, ErrorClass, PayloadError
from refsw.payload import nal, slices, x265
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat, payload_error
from refsw.payload.external import compare, decode_with_command, refused, run_encoder
from refsw.payload.ffmpeg import decode_packets, inter_error
from refsw.payload.sharing import separate
from refsw.tensor.axes import Array

BIT_DEPTHS = (8, 10, 12)
WRONG_HASHES = (
    "the external encoder's stream: its picture hashes are not those of its pictures ({}), so the encoder went wrong; "
    "x265 does in 4:0:0 with inter prediction: code I pictures only (--keyint 1)"
)
BEHIND = b"\xa5\x5a\xc3" * 8


class HevcCodec:
    """The main payload codec."""

    bit_depths = BIT_DEPTHS

    def encode(self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings) -> tuple[bytes, bytes]:
        """Pictures (P, height, width) -> (parameter sets, slices), both with three-byte start codes.

        Inter-coded streams are decoded and compared with the encoder's own picture hashes, since x265's
        can be corrupt; if one is, its pictures are coded again without inter prediction.

        Raises:
            UsageError: a size, bit depth or QP that the encoder does not take.
            CodecError: the encoder failed, or its stream breaks a requirement.
        """
        x265.check_encodable(picture_format, settings)
        if settings.command:
            return self._by_command(pictures, picture_format, settings)
        stream = x265.encode(pictures, picture_format, settings)
        if not picture_format.intra_only and not _hashes_agree(stream, len(pictures), picture_format):
            stream = x265.encode(pictures, picture_format, settings, intra=True)
        return separate(stream)

    def _by_command(
        self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings
    ) -> tuple[bytes, bytes]:
        """8.4.7 The stream of another encoder, held against 8.4 and decoded, as it came and as it will be sent."""
        stream, recon = run_encoder(settings, pictures, picture_format)
        count = len(pictures)
        try:
            configuration, payload = separate(stream)
            for error in self.check(configuration, memoryview(payload), count, picture_format):
                raise error
            sent = self.decode(configuration, memoryview(payload), count, picture_format, DecoderSettings())
        except PayloadError as error:
            raise refused(error) from error
        groups = nal.pictures_of(nal.split(stream))
        packets = [nal.join(group) for group in groups if any(unit.is_slice for unit in group)]
        try:
            came = decode_packets("hevc", packets, count, picture_format)
        except PayloadError as error:
            if any(unit.type == nal.NalType.SUFFIX_SEI for unit in nal.split(stream)):  # without its hashes it decodes
                raise CodecError(WRONG_HASHES.format(error.got)) from error
            raise refused(error) from error
        compare(came, sent, "its pictures change when parameter sets are sent once: it cannot be used")
        compare(recon, sent, "its own reconstruction differs from the decoded pictures")
        return configuration, payload

    def decode(
        self,
        configuration: bytes,
        payload: memoryview,
        count: int,
        picture_format: PictureFormat,
        settings: DecoderSettings,
    ) -> Array:
        """8.4.6 The pictures of a payload in output order, as (count, height, width)."""
        for error in self.check(configuration, payload, count, picture_format):
            raise error
        parsed = nal.parse_configuration(configuration)
        groups = list(nal.pictures_of(nal.split(payload)))
        if settings.command:
            stream = annex_b(parsed.stream + bytes(payload))
            pictures = decode_with_command(settings.command, stream, count, picture_format)
        else:
            pictures = _decode_groups(groups, parsed.stream, count, picture_format)
        for unit in (unit for group in groups for unit in group if unit.is_slice):
            slices.check_end(unit, parsed)
        if settings.thorough and not settings.command:
            _check_slice_ends(pictures, groups, parsed.stream, picture_format)
        return pictures

    def check(
        self, configuration: bytes, payload: memoryview, count: int, picture_format: PictureFormat
    ) -> list[PayloadError]:
        """8.4: format, NAL unit types, number of pictures, and intra slices only where the profile says so."""
        try:
            parsed = nal.parse_configuration(configuration)
        except PayloadError as error:
            return [error]
        errors = nal.check_format(parsed.sps, picture_format) + nal.check_tools(parsed)
        try:
            nals = nal.split(payload)
            errors += nal.check_nal_types(nals)
            _check_count(list(nal.pictures_of(nals)), count)
            for unit in slices.slices_of(nals, parsed):
                offset = 8 * unit.nal.place
                if picture_format.intra_only and unit.type != slices.SLICE_I:
                    errors.append(inter_error(offset, f"slice_type {unit.type}"))
                if unit.qp is not None and unit.qp > slices.MAX_QP:
                    expected = f"SliceQpY of at most {slices.MAX_QP} at {picture_format.bit_depth} bits"
                    errors.append(payload_error("hevc.qp", "payload", expected, str(unit.qp), offset=offset))
        except PayloadError as error:
            errors.append(error)
        return errors


def _decode_groups(groups: list[list[nal.Nal]], sets: bytes, count: int, picture_format: PictureFormat) -> Array:
    packets = [nal.join(group) for group in groups]
    if packets:
        packets[0] = sets + packets[0]
    return decode_packets("hevc", packets, count, picture_format)


def _check_slice_ends(pictures: Array, groups: list[list[nal.Nal]], sets: bytes, picture_format: PictureFormat) -> None:
    """8.4.5 The data of every slice segment end with it: what stands behind them changes nothing.

    FFmpeg reads zeros beyond the end of data that were cut off, and tells nobody.
    """
    behind = [
        [nal.Nal(unit.data + BEHIND, unit.place) if unit.is_slice else unit for unit in group] for group in groups
    ]
    with suppress(PayloadError):
        again = _decode_groups(behind, sets, len(pictures), picture_format)
        if np.array_equal(pictures, again):
            return
    raise payload_error(
        "hevc.slices", "payload", "data of all blocks in their slice segment", "data that end before them",
        ErrorClass.TRUNCATED,
    )  # fmt: skip


def _check_count(groups: list[list[nal.Nal]], count: int) -> None:
    if len(groups) != count:
        raise payload_error(
            "hevc.picture-count", "payload", f"{count} pictures", f"{len(groups)}", ErrorClass.LENGTH_MISMATCH
        )


def annex_b(stream: bytes) -> bytes:
    """8.4.2 For strict decoders: the same NAL units with the zero_byte that H.265 Annex B wants.

    It stands before parameter sets and before the first NAL unit of every picture.
    """
    out = []
    for group in nal.pictures_of(nal.split(stream)):
        for i, unit in enumerate(group):
            zero = i == 0 or unit.type in nal.PARAMETER_SETS
            out.append((b"\0" if zero else b"") + nal.START_CODE + unit.data)
    return b"".join(out)


def hevc_configuration(picture_format: PictureFormat, settings: EncoderSettings) -> bytes:
    """The parameter sets that `HevcCodec.encode` will use for pictures of a format with x265, without coding any."""
    # They do not depend on the QP, which may be out of bounds until it is shifted for a sample.
    settings = replace(settings, qp=22)
    x265.check_encodable(picture_format, settings)
    units = nal.split(x265.parameter_sets(picture_format, settings))
    return nal.join([unit for unit in units if unit.type in nal.PARAMETER_SETS])


def _hashes_agree(stream: bytes, count: int, picture_format: PictureFormat) -> bool:
    packets = [nal.join(group) for group in nal.pictures_of(nal.split(stream))]
    try:
        decode_packets("hevc", packets, count, picture_format)
    except PayloadError:
        return False
    return True
