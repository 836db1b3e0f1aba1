"""Informative: pictures and video by HEVC, with x265 and FFmpeg by way of PyAV, at a constant QP."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from refsw.errors import CodecError
from refsw.evaluation.picture_codecs.base import COLOUR_RANK, Option
from refsw.evaluation.picture_codecs.colours import from_planes, to_planes
from refsw.lazy import importing
from refsw.tensor.axes import Array

MIN_SIDE = 40
"""What x265 takes beside a side of any length; less is continued."""
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
OPTIONS = {
    "qp": Option(32, 0, 51),
    "chroma": Option("420", words=("420", "444")),
    "effort": Option("medium", words=PRESETS),
}
# QP in every picture, and bytes that depend on neither threads nor pools; no signature of the encoder.
COMMON = "ipratio=1:pbratio=1:aq-mode=0:wpp=0:pools=none:frame-threads=1:info=0:log-level=none:range=full"


class HevcPictures:
    """HEVC in 4:2:0 or 4:4:4 (grey pictures: 4:0:0) of 8 bits; several frames are predicted from one another."""

    takes_frames = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    def encode(self, frames: Array) -> bytes:
        """Frames as a byte stream."""
        with importing:
            import av

        form = self._format(frames.ndim)
        made = [_frame(av, to_planes(picture, self._options["chroma"], MIN_SIDE), form) for picture in frames]
        context: Any = av.CodecContext.create("libx265", "w")
        context.width, context.height, context.pix_fmt = made[0].width, made[0].height, form
        context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
        # Inter prediction in 4:0:0 makes x265's streams corrupt at times: each grey frame stands alone.
        structure = "keyint=1" if len(frames) == 1 or frames.ndim != COLOUR_RANK else "keyint=9999:scenecut=0"
        context.options = {
            "preset": self._options["effort"],
            "x265-params": f"qp={self._options['qp']}:{structure}:{COMMON}",
        }
        stream = []
        try:
            for time, frame in enumerate(made):
                frame.pts = time
                stream += [bytes(packet) for packet in context.encode(frame)]
            stream += [bytes(packet) for packet in context.encode(None)]
        except av.error.FFmpegError as error:
            raise CodecError(f"x265 failed: {error}") from error
        return b"".join(stream)

    def decode(self, data: bytes, shape: tuple[int, ...]) -> Array:
        """The frames of a byte stream."""
        with importing:
            import av

        context: Any = av.CodecContext.create("hevc", "r")
        context.thread_count = 1
        try:
            packets = [*context.parse(data), *context.parse(b"")]
            frames = [frame for packet in packets for frame in context.decode(packet)]
            frames += context.decode(None)
        except av.error.FFmpegError as error:
            raise CodecError(f"HEVC: the stream does not decode: {error}") from error
        if len(frames) != shape[0]:
            raise CodecError(f"HEVC: {len(frames)} pictures decoded, {shape[0]} were coded")
        return np.stack([from_planes(_planes(frame), shape[1:]) for frame in frames])

    def _format(self, rank: int) -> str:
        return {"420": "yuv420p", "444": "yuv444p"}[self._options["chroma"]] if rank == COLOUR_RANK else "gray"


def _frame(av: Any, planes: list[Array], form: str) -> Any:
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, form)
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : samples.shape[1]] = samples
        plane.update(rows)
    return frame


def _planes(frame: Any) -> list[Array]:
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]
