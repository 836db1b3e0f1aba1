"""Informative: the HEVC encoder x265, by way of PyAV."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from refsw.errors import CodecError, UsageError
from refsw.lazy import importing
from refsw.payload.base import EncoderSettings, PictureFormat
from refsw.payload.ffmpeg import PIXEL_FORMATS
from refsw.tensor.axes import Array

if TYPE_CHECKING:
    import av

MIN_SIDE = 16  # x265 refuses smaller pictures
LONG_SIDE, MIN_SIDE_LONG = 4096, 40  # and beside a longer side, a shorter one: from level 5 on, blocks are above 16
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


def encode(pictures: Array, picture_format: PictureFormat, settings: EncoderSettings, intra: bool = False) -> bytes:
    """Pictures (P, height, width) -> byte stream; with `intra`, without prediction between pictures.

    Raises:
        CodecError: the encoder failed.
    """
    with importing:
        import av

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


def parameter_sets(picture_format: PictureFormat, settings: EncoderSettings) -> bytes:
    """The parameter sets that `encode` will use for pictures of a format, as a byte stream, without coding any.

    Raises:
        CodecError: the encoder failed.
    """
    with importing:
        import av

    context = _context(picture_format, settings)
    context.flags |= av.codec.context.Flags.global_header.value
    try:
        context.open()
    except av.error.FFmpegError as error:
        raise CodecError(f"x265 failed: {error}") from error
    return context.extradata or b""


def _context(picture_format: PictureFormat, settings: EncoderSettings) -> Any:
    with importing:
        import av

    options, extra = EFFORTS[settings.effort]
    context: av.VideoCodecContext = av.CodecContext.create("libx265", "w")
    context.width, context.height = picture_format.width, picture_format.height
    context.pix_fmt = PIXEL_FORMATS[picture_format.bit_depth]
    context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
    parameters = f"qp={settings.qp}:{_structure(picture_format)}:{COMMON}{extra}"
    context.options = options | {"x265-params": parameters}
    return context


def _structure(picture_format: PictureFormat) -> str:
    """x265 parameters for the prediction between pictures; they settle the parameter sets as well."""
    if picture_format.intra_only:
        return "keyint=1"
    # B pictures and blocks wider than the picture make x265's 4:0:0 streams corrupt at times.
    side = min(picture_format.width, picture_format.height)
    block = 16 if side <= 32 else 32 if side <= 64 else 64
    return f"keyint=9999:min-keyint=9999:scenecut=0:bframes=0:weightp=0:hash=1:ctu={block}"
