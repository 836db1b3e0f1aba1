"""8.4.7 External HEVC encoders and decoders (HM, x265, dec265, ...), run by command.

A command is a line with placeholders, split as a shell would but never passed to one:

    x265 --input {input} --input-res {width}x{height} --input-depth {bit_depth} --fps 25 --input-csp i400
         --keyint 1 --ipratio 1 --ctu 16 --qp {qp} -o {output}
    TAppEncoder -c main.cfg -i {input} -wdt {width} -hgt {height} -f {frames} -q {qp} -b {output} -o {recon}
    libde265-dec265 -q {input} -o {output}

{input} and {output} are files: raw 4:0:0 pictures (one byte a sample at 8 bits, else two, little-endian)
on one side, an HEVC byte stream on the other. With {recon} the encoder's own reconstruction is compared
with what FFmpeg decodes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from refsw.errors import CodecError, ErrorClass, PayloadError, UnsupportedError
from refsw.payload.base import EncoderSettings, PictureFormat, payload_error
from refsw.payload.commands import CrashError, run, words_of, work_folder
from refsw.profiles import LEVELS
from refsw.tensor.axes import Array

MAX_STREAM = max(limits.unit_bytes for limits in LEVELS.values())


def run_encoder(
    settings: EncoderSettings, pictures: Array, picture_format: PictureFormat
) -> tuple[bytes, Array | None]:
    """Pictures (P, height, width) -> the byte stream of an external encoder, and its {recon} if it gives one.

    Raises:
        CodecError: it failed, or wrote nothing or too much.
    """
    template = settings.command or ""
    with work_folder() as folder:
        source, output, recon = (folder / name for name in ("pictures.yuv", "stream.bin", "recon.yuv"))
        source.write_bytes(np.ascontiguousarray(pictures, picture_format.dtype).tobytes())
        fields: dict[str, str | int] = {
            "input": str(source),
            "output": str(output),
            "recon": str(recon),
            "width": picture_format.width,
            "height": picture_format.height,
            "frames": len(pictures),
            "bit_depth": picture_format.bit_depth,
            "qp": settings.qp,
        }
        said = run(template, fields)
        size = output.stat().st_size if output.is_file() else 0
        if not 0 < size <= MAX_STREAM:
            told = f"a stream of {size:,} bytes, which no level takes (11.3)" if size else "no stream"
            raise CodecError(f"{words_of(template)[0]} ended well and wrote {told}{f': {said}' if said else ''}")
        stream = output.read_bytes()
        if "{recon}" not in template:
            return stream, None
        try:
            return stream, _read(recon, len(pictures), picture_format)
        except PayloadError as error:
            raise CodecError(f"the external encoder's {{recon}}: expected {error.expected}, got {error.got}") from error


def compare(recon: Array | None, decoded: Array, otherwise: str) -> None:
    """Compare the pictures that should be with what a decoder gives.

    Raises:
        CodecError: they differ.
    """
    if recon is not None and not np.array_equal(recon, decoded):
        raise CodecError(f"the external encoder's stream: {otherwise}")


REMEDIES = {
    "hevc.start-code": "let it write a raw byte stream, not a file format around one (ffmpeg: -f hevc)",
    "hevc.configuration": "let its options be the same for every unit, and parameter sets come before pictures",
    "hevc.sps": "give it coding tree blocks of at least 16x16 (x265: --ctu 16)",
    "hevc.profile": "switch these tools off",
    "hevc.bypass": "switch lossless coding or these tools off",
    "hevc.weights": "switch weighted prediction off (x265: --no-weightp)",
    "hevc.qp": "code at constant QP, at 12 bits up to 49, without rate control or adaptive quantization (x265: "
    "--qp {qp} in place of --crf, --bitrate and --aq-mode)",
    "hevc.chroma-format": "let it code 4:0:0 (x265: --input-csp i400; ffmpeg: -pix_fmt gray)",
    "hevc.bit-depth": "give it {bit_depth} (x265: --input-depth {bit_depth} --output-depth {bit_depth})",
    "hevc.picture-size": "give it {width} and {height}",
    "hevc.cropping": "give it {width} and {height}",
    "hevc.payload-nal-types": "code closed groups of pictures (x265: --no-open-gop; HM: DecodingRefreshType 2)",
    "hevc.first-picture": "let every unit begin with an IDR picture (x265: --no-open-gop; HM: DecodingRefreshType 2)",
    "hevc.picture-count": "let it code every picture once ({frames} of them), and put every one out",
    "hevc.intra-only": "code I pictures only (x265: --keyint 1), or take --profile inter",
    "vvc.pictures": "give it {width}, {height}, {bit_depth} and {frames}, and 4:0:0",
}


def refused(error: PayloadError) -> CodecError:
    """What an encoder's stream breaks, and what helps."""
    told = f"expected {error.expected}, got {error.got} [requirement {error.requirement}]"
    remedy = REMEDIES.get(error.requirement)
    return CodecError(f"the external encoder's stream: {told}{f'; {remedy}' if remedy else ''}")


def decode_with_command(template: str, stream: bytes, count: int, picture_format: PictureFormat) -> Array:
    """Byte stream -> pictures (count, height, width) of an external decoder.

    Raises:
        PayloadError: the decoder fails, or writes another number of bytes than the pictures have.
    """
    with work_folder() as folder:
        source, output = folder / "stream.hevc", folder / "pictures.yuv"
        source.write_bytes(stream)
        try:
            run(template, {"input": str(source), "output": str(output)})
        except CrashError as error:
            raise _unsupported(str(error)) from error
        except CodecError as error:
            raise payload_error("hevc.decodes", "payload", "a stream that decodes", str(error)) from error
        if not output.exists():
            raise _unsupported(f"{words_of(template)[0]} ended well and wrote nothing")
        return _read(output, count, picture_format)


def _unsupported(got: str) -> UnsupportedError:
    """The program says nothing about the bitstream: no verdict on it."""
    return UnsupportedError(
        ErrorClass.PAYLOAD_ERROR, "hevc.decodes", "payload", None, expected="an external decoder that works", got=got
    )


def _read(path: Path, count: int, picture_format: PictureFormat) -> Array:
    """Raw pictures of a file: luma only, or 4:2:0 with chroma planes that are passed over."""
    data = np.fromfile(path, picture_format.dtype) if path.exists() else np.empty(0, picture_format.dtype)
    luma = picture_format.height * picture_format.width
    chroma = 2 * ((picture_format.height + 1) // 2) * ((picture_format.width + 1) // 2)
    for size in (luma, luma + chroma):
        if data.size == count * size:
            pictures = data.reshape(count, size)[:, :luma]
            return pictures.reshape(count, picture_format.height, picture_format.width)
    raise payload_error(
        "hevc.picture-count",
        "payload",
        f"{count} pictures of {picture_format.height} rows of {picture_format.width}",
        f"{data.size} samples",
        ErrorClass.LENGTH_MISMATCH,
    )
