"""8.4 HEVC payloads: decoding through FFmpeg, encoding through x265, both by way of PyAV."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from refsw.errors import CodecError, ErrorClass, PayloadError, UsageError
from refsw.payload import nal, slices
from refsw.payload.base import DecoderSettings, EncoderSettings, PictureFormat, payload_error
from refsw.payload.nal import NalType
from refsw.tensor.axes import Array

if TYPE_CHECKING:
    import av

BIT_DEPTHS = (8, 10, 12)
PIXEL_FORMATS = {8: "gray", 10: "gray10le", 12: "gray12le"}
MIN_SIDE = 16  # x265 refuses smaller pictures
MAX_QP = 51
MAX_QP_12_BIT = 49  # FFmpeg decodes 12 bits at QP 50 and 51 to grey

# Whatever the effort: constant QP in every picture, and bytes that depend on neither threads nor pools.
COMMON = "ipratio=1:pbratio=1:aq-mode=0:tskip=1:wpp=0:pools=none:frame-threads=1:info=0:log-level=none"
EFFORTS: dict[str, tuple[dict[str, str], str]] = {
    "anchor": ({"preset": "slower", "tune": "psnr"}, ""),
    "best": ({"preset": "slower", "tune": "psnr"}, ":no-deblock=1"),
    "balanced": ({"preset": "medium"}, ":rdoq-level=2:psy-rd=0:no-deblock=1:rd=5"),
    "fast": ({"preset": "ultrafast"}, ":min-cu-size=8:rd=3:sao=1:no-deblock=1"),
}


def _av() -> Any:
    import av

    logging.getLogger("libav").setLevel(logging.CRITICAL)
    return av


@cache
def has_decoder(name: str) -> bool:
    """Whether this build of FFmpeg has a decoder of that name."""
    av = _av()
    try:
        av.codec.Codec(name, "r")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


class HevcCodec:
    """The main payload codec."""

    bit_depths = BIT_DEPTHS

    def encode(self, pictures: Array, picture_format: PictureFormat, settings: EncoderSettings) -> tuple[bytes, bytes]:
        """Pictures (P, height, width) -> (parameter sets, slices), both with three-byte start codes.

        Inter-coded streams are decoded and compared with the encoder's own picture hashes, since x265's
        can be corrupt; if one is, its pictures are coded again without inter prediction.

        Raises:
            UsageError: a size, bit depth or QP that the encoder does not take.
            CodecError: the encoder failed.
        """
        check_encodable(picture_format, settings)
        if settings.command:
            from refsw.payload.external import encode_with_command

            stream = encode_with_command(settings, pictures, picture_format)
            return separate(stream)
        stream = _x265(pictures, picture_format, settings)
        if not picture_format.intra_only and not _hashes_agree(stream, len(pictures), picture_format):
            stream = _x265(pictures, picture_format, settings, intra=True)
        return separate(stream)

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
            from refsw.payload.external import decode_with_command

            stream = annex_b(parsed.stream + bytes(payload))
            return decode_with_command(settings.command, stream, count, picture_format)
        packets = [nal.join(group) for group in groups]
        if packets:
            packets[0] = parsed.stream + packets[0]
        return decode_packets("hevc", packets, count, picture_format)

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
                place = 8 * unit.nal.place
                if picture_format.intra_only and unit.type != slices.SLICE_I:
                    errors.append(_inter_error(place, f"slice_type {unit.type}"))
                if unit.qp is not None and unit.qp > slices.MAX_QP:
                    expected = f"SliceQpY of at most {slices.MAX_QP} at {picture_format.bit_depth} bits"
                    errors.append(payload_error("hevc.qp", "payload", expected, str(unit.qp), offset=place))
        except PayloadError as error:
            errors.append(error)
        return errors


def qp_bounds(bit_depth: int) -> tuple[int, int]:
    """The lowest and the highest QP at a bit depth: what x265 takes, and what FFmpeg decodes."""
    return 0, MAX_QP_12_BIT if bit_depth == 12 else MAX_QP


def check_encodable(picture_format: PictureFormat, settings: EncoderSettings) -> None:
    """Refuse what x265 or a decoder is known not to take.

    Raises:
        UsageError: says which limit.
    """
    if settings.effort not in EFFORTS:
        raise UsageError(f"effort {settings.effort}: one of {', '.join(EFFORTS)}")
    lowest, highest = qp_bounds(picture_format.bit_depth)
    if not lowest <= settings.qp <= highest:
        raise UsageError(f"qp {settings.qp}: from {lowest} to {highest} at {picture_format.bit_depth} bits")
    if min(picture_format.height, picture_format.width) < MIN_SIDE:
        raise UsageError(f"HEVC pictures are at least {MIN_SIDE}x{MIN_SIDE}")


def _check_count(groups: list[list[nal.Nal]], count: int) -> None:
    if len(groups) != count:
        raise payload_error(
            "hevc.picture-count", "payload", f"{count} pictures", f"{len(groups)}", ErrorClass.LENGTH_MISMATCH
        )


def _inter_error(offset: int | None, kind: str) -> PayloadError:
    return payload_error(
        "hevc.intra-only", "payload", "I slices only in this profile", f"a {kind} slice", offset=offset
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


def separate(stream: bytes) -> tuple[bytes, bytes]:
    """An encoder's byte stream -> (parameter sets once, slices), without what decoding does not need.

    Raises:
        CodecError: parameter sets that change within the stream.
    """
    sets: dict[int, list[nal.Nal]] = {kind: [] for kind in nal.PARAMETER_SETS}
    slices = []
    for unit in nal.split(stream):
        if unit.is_slice:
            slices.append(unit)
        elif unit.type in sets and unit.data not in [known.data for known in sets[unit.type]]:
            sets[unit.type].append(unit)
    if len(sets[NalType.VPS]) != 1 or len(sets[NalType.SPS]) != 1 or not sets[NalType.PPS]:
        raise CodecError("the HEVC encoder wrote no parameter sets, or changed them within a stream")
    return nal.join([unit for kind in nal.PARAMETER_SETS for unit in sets[kind]]), nal.join(slices)


def _structure(picture_format: PictureFormat) -> str:
    """x265 parameters for the prediction between pictures; they settle the parameter sets as well."""
    if picture_format.intra_only:
        return "keyint=1"
    # B pictures and blocks wider than the picture make x265's 4:0:0 streams corrupt at times.
    side = min(picture_format.width, picture_format.height)
    block = 16 if side <= 32 else 32 if side <= 64 else 64
    return f"keyint=9999:min-keyint=9999:scenecut=0:bframes=0:weightp=0:hash=1:ctu={block}"


def _context(picture_format: PictureFormat, settings: EncoderSettings) -> Any:
    options, extra = EFFORTS[settings.effort]
    context: av.VideoCodecContext = _av().CodecContext.create("libx265", "w")
    context.width, context.height = picture_format.width, picture_format.height
    context.pix_fmt = PIXEL_FORMATS[picture_format.bit_depth]
    context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
    parameters = f"qp={settings.qp}:{_structure(picture_format)}:{COMMON}{extra}"
    context.options = options | {"x265-params": parameters}
    return context


def _x265(pictures: Array, picture_format: PictureFormat, settings: EncoderSettings, intra: bool = False) -> bytes:
    av = _av()
    context = _context(picture_format, settings)
    stream = []
    try:
        for time, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format=context.pix_fmt)
            frame.pts = time
            if intra:
                frame.pict_type = av.video.frame.PictureType.I
            stream += [bytes(packet) for packet in context.encode(frame)]
        stream += [bytes(packet) for packet in context.encode(None)]
    except av.error.FFmpegError as error:
        raise CodecError(f"x265 failed: {error}") from error
    return b"".join(stream)


def hevc_configuration(picture_format: PictureFormat, settings: EncoderSettings) -> bytes:
    """The parameter sets that `HevcCodec.encode` will use for pictures of a format, without coding any.

    An external encoder codes one empty picture for them.
    """
    # They do not depend on the QP, which may be out of bounds until it is shifted for a sample.
    settings = replace(settings, qp=22)
    check_encodable(picture_format, settings)
    if settings.command:
        empty = np.zeros((1, picture_format.height, picture_format.width), picture_format.dtype)
        return HevcCodec().encode(empty, picture_format, settings)[0]
    av = _av()
    context = _context(picture_format, settings)
    context.flags |= av.codec.context.Flags.global_header.value
    try:
        context.open()
    except av.error.FFmpegError as error:
        raise CodecError(f"x265 failed: {error}") from error
    return separate(context.extradata or b"")[0]


def _hashes_agree(stream: bytes, count: int, picture_format: PictureFormat) -> bool:
    packets = [nal.join(group) for group in nal.pictures_of(nal.split(stream))]
    try:
        decode_packets("hevc", packets, count, picture_format)
    except PayloadError:
        return False
    return True


def decode_packets(decoder: str, packets: list[bytes], count: int, picture_format: PictureFormat) -> Array:
    """Decode one picture a packet with one of FFmpeg's decoders, on one thread, refusing whatever is odd.

    FFmpeg turns damaged data into wrong pixels without a word. So errors are made fatal, and number, size,
    format and picture type of what comes out are compared with what the bitstream promises.
    """
    av = _av()
    context = av.CodecContext.create(decoder, "r")
    context.thread_count = 1  # frame threads make small pictures three times slower
    context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    pixel_format = PIXEL_FORMATS[picture_format.bit_depth]
    pictures = np.empty((count, picture_format.height, picture_format.width), picture_format.dtype)
    found = 0
    try:
        for packet in [*packets, None]:
            for frame in context.decode(None if packet is None else av.Packet(packet)):
                if found < count:
                    _check_frame(frame, pixel_format, picture_format, found)
                    pictures[found] = _plane(frame, picture_format)
                found += 1
    except (av.error.FFmpegError, ValueError, OSError, MemoryError) as error:
        reason = f"{type(error).__name__} at picture {found}"
        raise payload_error("hevc.decodes", "payload", "an HEVC stream that decodes", reason) from error
    if found != count:
        raise payload_error(
            "hevc.picture-count", "payload", f"{count} pictures", str(found), ErrorClass.LENGTH_MISMATCH
        )
    return pictures


def packets_of(decoder: str, stream: bytes) -> list[bytes]:
    """A byte stream cut into one packet a picture by FFmpeg's parser for that codec."""
    av = _av()
    context = av.CodecContext.create(decoder, "r")
    try:
        return [bytes(packet) for packet in [*context.parse(stream), *context.parse(b"")] if packet.size]
    except av.error.FFmpegError as error:
        reason = type(error).__name__
        raise payload_error("hevc.decodes", "payload", "a video stream", reason) from error


def _check_frame(frame: Any, pixel_format: str, picture_format: PictureFormat, index: int) -> None:
    got = (frame.format.name, frame.height, frame.width)
    expected = (pixel_format, picture_format.height, picture_format.width)
    if got != expected:
        raise payload_error(
            "hevc.picture-size", "payload", f"{expected}", f"{got} in picture {index}", ErrorClass.LAYOUT_MISMATCH
        )
    if frame.is_corrupt:
        raise payload_error("hevc.decodes", "payload", "a whole picture", f"picture {index} is damaged")
    if picture_format.intra_only and int(frame.pict_type) != 1:
        raise _inter_error(None, str(frame.pict_type))


def _plane(frame: Any, picture_format: PictureFormat) -> Array:
    plane = frame.planes[0]
    item = picture_format.dtype.itemsize
    lines = np.frombuffer(plane, picture_format.dtype).reshape(plane.height, plane.line_size // item)
    return lines[:, : picture_format.width]
