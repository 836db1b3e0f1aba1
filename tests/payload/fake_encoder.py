"""An HEVC encoder as a program of its own, for tests: x265 by way of PyAV, with faults on request.

fake_encoder.py FAULTS WIDTH HEIGHT FRAMES BIT_DEPTH QP INPUT OUTPUT [RECON]
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

GREY = {8: "gray", 10: "gray10le", 12: "gray12le"}
PARAMETERS = {
    "plain": "keyint=1",
    "inter": "keyint=100:bframes=0",
    "chatty": "keyint=1:aud=1:repeat-headers=1:info=1:hash=1:hrd=1:vbv-maxrate=9000:vbv-bufsize=9000",
    "wavefronts": "keyint=1:wpp=1:ctu=16",
    "rate": "keyint=1:crf=20:aq-mode=1:aq-strength=1",
    "open": "keyint=8:min-keyint=8:open-gop=1:bframes=2:b-adapt=0:scenecut=0:rc-lookahead=20",
    "closed": "keyint=8:min-keyint=8:open-gop=0:bframes=2:b-adapt=0:scenecut=0:ref=4:rc-lookahead=20",
    "lossless": "keyint=1:lossless=1",
}


def main() -> None:
    names, (width, height, frames, depth, qp), (source, output, *recon) = (
        sys.argv[1].split(","), [int(word) for word in sys.argv[2:7]], sys.argv[7:],
    )  # fmt: skip
    if "nothing" in names:
        return
    if "hang" in names:
        time.sleep(3600)
    dtype = np.uint8 if depth == 8 else np.dtype("<u2")
    raw = np.fromfile(source, dtype)
    pictures = raw.reshape(frames, height, width)
    content = zlib.crc32(raw.tobytes())
    extra = ""
    if "own-qp" in names:
        qp = 10 + content % 30
    if "own-tools" in names:  # of which picture parameter sets tell
        extra = f":signhide={content & 1}:tskip={content >> 1 & 1}:no-deblock={content >> 2 & 1}"
    if "own-blocks" in names:
        extra = f":ctu={(16, 32)[content % 2]}"
    if "own-offsets" in names:
        extra = f":sao={content & 1}"
    if "few" in names:
        pictures = pictures[:-1]
    if "many" in names:
        pictures = np.concatenate([pictures, pictures[:1]])
    if "narrow" in names:
        pictures = np.ascontiguousarray(pictures[:, :, :-8])
    if "deep" in names:
        pictures, depth = pictures.astype(np.uint16), 10
    kind = next((PARAMETERS[name] for name in names if name in PARAMETERS), PARAMETERS["plain"])
    stream = coded(pictures, depth, f"qp={qp}:{kind}{extra}", colour="colour" in names)
    if "ends" in names:
        stream += b"\0\0\1\x48\x01\x80\0\0\1\x4a\x01\x80"
    if "cut" in names:
        stream = stream[: len(stream) // 2]
    if "file" in names:
        stream = b"\0\0\0\x20ftypiso5" + stream
    Path(output).write_bytes(b"" if "empty" in names else stream)
    if "huge" in names:
        os.truncate(output, 2**31 + 1)
    for path in recon:
        Path(path).write_bytes(raw.tobytes() if "lossless" in names else bytes(raw.nbytes))


def coded(pictures: np.ndarray, depth: int, parameters: str, *, colour: bool) -> bytes:
    context = av.CodecContext.create("libx265", "w")
    context.height, context.width = pictures.shape[1:]
    context.pix_fmt = "yuv420p" if colour else GREY[depth]
    context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
    context.options = {
        "preset": "ultrafast",
        "x265-params": f"{parameters}:ipratio=1:pools=none:frame-threads=1:log-level=none",
    }
    out = b""
    for time_, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format=GREY[depth])
        frame = frame.reformat(format="yuv420p") if colour else frame
        frame.pts = time_
        out += b"".join(bytes(packet) for packet in context.encode(frame))
    return out + b"".join(bytes(packet) for packet in context.encode(None))


if __name__ == "__main__":
    main()
