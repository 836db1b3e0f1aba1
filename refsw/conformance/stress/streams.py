"""13.13.2 Streams of the stress class, from recipes: the bitstream, and the digests of what it decodes to."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.bitstream.concat import concat
from refsw.carriage.captures import RECEIVER, CaptureWriter
from refsw.carriage.output import receive_capture
from refsw.carriage.packetizer import Packetizer, SenderConfig
from refsw.carriage.sdp import SessionParameters, make_sdp, parse_sdp
from refsw.conformance.outputs import little_endian
from refsw.conformance.suite import ExpectedTensor
from refsw.features.decoder import decode_by_name
from refsw.features.encoder import encode
from refsw.profiles import LEVELS
from refsw.syntax.codes import Level, Profile
from refsw.tensor.axes import Array

PIECE = 16
"""Samples of which a long stream repeats the units."""
SAMPLE = (8, 16, 16)
SENDER = SenderConfig(ssrc=0x5EED0017, bitstream_number=17, timestamp_base=1, first_sequence=1)
GAP = 0.001
CHOICES: Mapping[Profile, dict[str, Any]] = {
    Profile.LOSSLESS: {"payload": "zlib", "bit_depth": 10},
    Profile.INTRA: {"qp": 30},
}
"""How features of a profile are coded, beyond preset fast."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What a decoder gets, and what it has to make of it.

    Args:
        data: a bitstream, or a capture.
        expected: its tensors.
        sdp: the session description of a capture.
    """

    data: bytes
    expected: tuple[ExpectedTensor, ...]
    sdp: str | None = None

    @property
    def expected_bytes(self) -> int:
        """What the tensors take."""
        return sum(int(np.prod(t.shape)) * np.dtype(_numpy(t.dtype)).itemsize for t in self.expected)


def _numpy(name: str) -> str:
    return {"bfloat16": "uint16"}.get(name, name)


def _samples() -> Array:
    """The samples of a piece, each of other elements."""
    count = PIECE * int(np.prod(SAMPLE))
    waves = np.sin(np.arange(count, dtype=np.float64) * 0.37) * (1 + np.arange(count) % 13)
    return waves.astype(np.float32).reshape(PIECE, *SAMPLE)


def _coded(profile: Profile, samples: Array) -> bytes:
    """A bitstream with a unit for every sample."""
    return encode({"x": samples}, "fast", **CHOICES[profile])


def _digest(dtype: str, shape: tuple[int, ...], parts: list[Array]) -> ExpectedTensor:
    total = hashlib.sha256()
    for part in parts:
        total.update(little_endian(part))
    return ExpectedTensor("x", dtype, shape, total.hexdigest())


def long_stream(profile: Profile, samples: int) -> Stream:
    """So many samples, a multiple of `PIECE`."""
    piece, out, times = _coded(profile, _samples()), io.BytesIO(), samples // PIECE
    concat([piece] * times, out)
    decoded = decode_by_name(piece)["x"]
    return Stream(out.getvalue(), (_digest("float32", (samples, *SAMPLE), [decoded] * times),))


def one_sample(profile: Profile, index: int) -> Stream:
    """What random access to a sample of a long stream gives, and a bitstream that has that sample alone."""
    data = _coded(profile, _samples()[index % PIECE][None])
    return Stream(data, (_expected("x", decode_by_name(data)["x"]),))


def joined(profile: Profile, samples: int, first: int) -> Stream:
    """A capture of a long stream, of the packets after those of an access unit, as one gets it who comes later.

    What it decodes to is what the receiver of refsw puts out.
    """
    data = long_stream(profile, samples).data
    packetizer = Packetizer(io.BytesIO(data), SENDER)
    out = io.BytesIO()
    writer, number = CaptureWriter(out, ".rtp"), 0
    for place, sent in enumerate(packetizer):  # access unit by access unit
        for packet in sent.packets:
            if place > first:
                writer.write(number * GAP, packet)
                number += 1
    session = SessionParameters(SENDER.payload_type, RECEIVER[1], SENDER.ssrc)
    sdp = make_sdp(session, packetizer.source.header, str(RECEIVER[0]))
    tensors = receive_capture(io.BytesIO(out.getvalue()), parse_sdp(sdp.encode()))
    return Stream(out.getvalue(), tuple(_expected(name, x) for name, x in tensors.items()), sdp)


def _expected(name: str, x: Array) -> ExpectedTensor:
    return ExpectedTensor(name, x.dtype.name, x.shape, hashlib.sha256(little_endian(x)).hexdigest())


# --- the largest of each level (11.3) ---


def _pattern(count: int) -> Array:
    """Bytes that compress well, and no two rows of a picture the same: (count,) uint8."""
    block = np.arange(1 << 12, dtype=np.uint32)
    block = ((block * block) >> 7).astype(np.uint8)
    return np.resize(np.concatenate([block, block[::-1], block // 2]), count)


def _sides(elements: int) -> tuple[int, int]:
    """Rows and columns of a square, or of two, of a power of two of elements."""
    columns = 1 << (elements.bit_length() // 2)
    return elements // columns, columns


def _encoded(x: Array | dict[str, Array], level: Level, **choices: Any) -> Stream:
    tensors = x if isinstance(x, dict) else {"x": x}
    data = encode(tensors, "fast", **choices)
    assert data[7] == level
    return Stream(data, tuple(_expected(name, y) for name, y in decode_by_name(data).items()))


def largest_sample(level: Level) -> Stream:
    """A sample of as many elements as there may be: bytes coded as they are."""
    elements = LEVELS[level].sample_elements
    channels = 16
    rows, columns = _sides(elements // channels)
    return _encoded(_pattern(elements).reshape(channels, rows, columns), level,
                    payload="zlib", quantizer="none", layout="sequence")  # fmt: skip


def largest_floats(level: Level) -> Stream:
    """The same as floats, quantized uniformly to 8 bits."""
    elements = LEVELS[level].sample_elements
    x = _pattern(elements).astype(np.float32).reshape(16, *_sides(elements // 16))
    return _encoded(x, level, payload="zlib", quantizer="uniform", bit_depth=8, layout="sequence")


def largest_unit(level: Level) -> Stream:
    """A unit of as many elements as there may be, in several samples."""
    limits = LEVELS[level]
    samples = limits.unit_elements // limits.sample_elements
    rows, columns = _sides(limits.sample_elements)
    return _encoded(_pattern(limits.unit_elements).reshape(samples, 1, rows, columns), level,
                    payload="zlib", quantizer="none", samples_per_unit=samples)  # fmt: skip


def largest_picture(level: Level) -> Stream:
    """A picture of HEVC with as many elements as a sample may have."""
    x = _pattern(LEVELS[level].sample_elements).astype(np.float32)
    return _encoded(x.reshape(1, *_sides(x.size)), level, payload="hevc", quantizer="uniform", bit_depth=8, qp=40)


def most_tensors(level: Level) -> Stream:
    """As many tensors as there may be, each of a size of its own."""
    sets = LEVELS[level].parameter_sets
    # One of them is as large as only this level allows, but constant.
    large = np.zeros((1, *_sides(LEVELS[level].sample_elements)), np.uint8)
    small = {f"x{i}": _pattern(60 * (i + 1)).reshape(2, 5, 6 * (i + 1)) for i in range(sets - 1)}
    return _encoded({**small, "large": large}, level, payload="zlib", quantizer="none")


LARGEST: Mapping[str, Callable[[Level], Stream]] = {
    "sample": largest_sample, "floats": largest_floats, "unit": largest_unit, "picture": largest_picture,
    "tensors": most_tensors,
}  # fmt: skip
