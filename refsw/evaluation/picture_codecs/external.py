"""Informative: any codec of pictures by an encode and a decode command: VTM, vvenc, JPEG AI, ...

    encode: "encoder -i {input} -o {output} --size {width}x{height} -q {qp}"
    decode: "decoder -i {input} -o {output}"

`picture` says what {input} of the encoder and {output} of the decoder are: png, ppm (grey: PGM), or raw planes of 8
bits in the order of frames, yuv420 or yuv444 (full range, `refsw.evaluation.picture_codecs.colours`; grey pictures: one
plane). {width}, {height} and {frames} are known to both; sides of yuv420 are even.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from refsw.errors import CodecError
from refsw.evaluation.errors import DatasetError
from refsw.evaluation.picture_codecs.base import COLOUR_RANK
from refsw.evaluation.picture_codecs.colours import from_planes, to_planes
from refsw.evaluation.pictures import read_picture
from refsw.payload import commands
from refsw.tensor.axes import Array

FILES = ("png", "ppm", "yuv420", "yuv444")
PLACES = ("width", "height", "frames")


class ExternalPictures:
    """A codec by command.

    Args:
        files: what its programs read and write.
        encode, decode: the commands.
        fields: what the commands' other placeholders stand for.
    """

    def __init__(self, files: str, encode: str, decode: str, fields: Mapping[str, str]) -> None:
        self._files, self._encode, self._decode, self._fields = files, encode, decode, fields
        self.takes_frames = files.startswith("yuv")
        self._last = f".{files}"

    def encode(self, frames: Array) -> bytes:
        """Frames through the encode command."""
        with commands.work_folder() as folder:
            source, output = folder / f"picture{self._last}", folder / "bitstream.bin"
            self._write(source, frames)
            commands.run(self._encode, self._places(frames.shape, source, output))
            if not output.is_file() or not output.stat().st_size:
                raise CodecError("the encoder of pictures ended well and wrote nothing")
            return output.read_bytes()

    def decode(self, data: bytes, shape: tuple[int, ...]) -> Array:
        """The stream through the decode command."""
        with commands.work_folder() as folder:
            source, output = folder / "bitstream.bin", folder / f"picture{self._last}"
            source.write_bytes(data)
            commands.run(self._decode, self._places(shape, source, output))
            if not output.is_file():
                raise CodecError("the decoder of pictures ended well and wrote nothing")
            return self._read(output, shape)

    def _places(self, shape: tuple[int, ...], source: Path, output: Path) -> dict[str, str | int]:
        frames, height, width = shape[:3]
        if self._files == "yuv420" and len(shape) == COLOUR_RANK:
            height, width = height + height % 2, width + width % 2
        own: dict[str, str | int] = {commands.INPUT: str(source), commands.OUTPUT: str(output)}
        return own | dict(zip(PLACES, (width, height, frames), strict=True)) | dict(self._fields)

    def _write(self, path: Path, frames: Array) -> None:
        if self.takes_frames:
            planes = (plane for picture in frames for plane in to_planes(picture, self._files[3:]))
            path.write_bytes(b"".join(plane.tobytes() for plane in planes))
            return
        from PIL import Image

        Image.fromarray(frames[0]).save(path, "PNG" if self._files == "png" else "PPM")

    def _read(self, path: Path, shape: tuple[int, ...]) -> Array:
        if not self.takes_frames:
            try:
                picture = read_picture(path)
            except DatasetError as error:
                raise CodecError(f"the decoder of pictures wrote no {self._files}: {error}") from error
            return (picture if len(shape) == COLOUR_RANK else picture[:, :, 0])[None]
        like = to_planes(np.zeros(shape[1:], np.uint8), self._files[3:])
        size = sum(plane.size for plane in like)
        if path.stat().st_size != shape[0] * size:
            raise CodecError(f"the decoder of pictures wrote {path.stat().st_size} bytes, not {shape[0]} x {size}")
        samples = np.fromfile(path, np.uint8).reshape(shape[0], size)
        ends = np.cumsum([plane.size for plane in like])[:-1]
        return np.stack([
            from_planes([p.reshape(q.shape) for p, q in zip(np.split(row, ends), like, strict=True)], shape[1:])
            for row in samples
        ])  # fmt: skip
