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
from refsw.payload import nal
from refsw.payload.base import EncoderSettings, PictureFormat, payload_error
from refsw.payload.commands import CrashError, run, words_of, work_folder
from refsw.payload.ffmpeg import decode_packets
from refsw.tensor.axes import Array


def run_encoder(
    settings: EncoderSettings, pictures: Array, picture_format: PictureFormat
) -> tuple[bytes, Array | None]:
    """Pictures (P, height, width) -> the byte stream of an external encoder, and its {recon} if it gives one.

    Raises:
        CodecError: it failed or wrote nothing.
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
        run(template, fields)
        if not output.exists() or not output.stat().st_size:
            raise CodecError(f"{words_of(template)[0]} wrote no stream")
        stream = output.read_bytes()
        return stream, _read(recon, len(pictures), picture_format) if "{recon}" in template else None


def compare(recon: Array | None, decoded: Array) -> None:
    """Compare an encoder's own reconstruction with what a decoder gives.

    Raises:
        CodecError: they differ.
    """
    if recon is not None and not np.array_equal(recon, decoded):
        raise CodecError("the external encoder's own reconstruction differs from the decoded pictures")


def encode_with_command(settings: EncoderSettings, pictures: Array, picture_format: PictureFormat) -> bytes:
    """Pictures (P, height, width) -> HEVC byte stream, checked by decoding: count, size, and {recon} if given."""
    stream, recon = run_encoder(settings, pictures, picture_format)
    try:
        groups = nal.pictures_of(nal.split(stream))
        packets = [nal.join(group) for group in groups if any(unit.is_slice for unit in group)]
        compare(recon, decode_packets("hevc", packets, len(pictures), picture_format))
    except PayloadError as error:
        raise CodecError(
            f"the external encoder's stream does not hold the pictures that it was given: {error}"
        ) from error
    return stream


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
