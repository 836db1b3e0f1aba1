"""JPEG images (T.81) written from the standard, segment by segment, so that each can be changed, left out or repeated.

The codes are the plainest: every DC symbol has 4 bits and every AC symbol 8, in order of their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

DC = list(range(12))
AC = [0x00, 0xF0, *(run << 4 | size for run in range(16) for size in range(1, 11))]
SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def segment(marker: int, body: bytes) -> bytes:
    """A marker segment with its length."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def dqt(step: int = 1, number: int = 0) -> bytes:
    """A quantization table with one step for all coefficients."""
    return segment(0xDB, bytes([number]) + bytes([step]) * 64)


def huffman(kind: int, number: int = 0) -> bytes:
    """The body of DHT: kind 0 for DC, 1 for AC."""
    symbols, length = (AC, 8) if kind else (DC, 4)
    counts = [len(symbols) if i == length else 0 for i in range(1, 17)]
    return bytes([kind << 4 | number, *counts, *symbols])


def sof(height: int, width: int, *, marker: int = 0xC0, depth: int = 8, sampling: int = 0x11, name: int = 1,
        table: int = 0) -> bytes:  # fmt: skip
    """A frame header of one component."""
    return segment(marker, bytes([depth, *height.to_bytes(2, "big"), *width.to_bytes(2, "big"), 1, name, sampling,
                                  table]))  # fmt: skip


def sos(*, name: int = 1, tables: int = 0, first: int = 0, last: int = 63, approximation: int = 0) -> bytes:
    """A scan header of one component."""
    return segment(0xDA, bytes([1, name, tables, first, last, approximation]))


def scan(blocks: Iterable[Sequence[int]]) -> bytes:
    """Entropy-coded data of blocks: coefficients in zigzag order, DC first; the rest are 0."""
    bits, before = "", 0
    for block in blocks:
        dc, before = block[0] - before, block[0]
        bits += f"{DC.index(abs(dc).bit_length()):04b}" + _magnitude(dc)
        run = 0
        for value in block[1:]:
            if not value:
                run += 1
                continue
            bits += f"{AC.index(0xF0):08b}" * (run // 16)
            bits += f"{AC.index(run % 16 << 4 | abs(value).bit_length()):08b}" + _magnitude(value)
            run = 0
        if len(block) < 64:
            bits += f"{AC.index(0):08b}"
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return data.replace(b"\xff", b"\xff\0")


def _magnitude(value: int) -> str:
    size = abs(value).bit_length()
    return f"{value if value > 0 else value + (1 << size) - 1:0{size}b}" if size else ""


def parts(height: int, width: int, blocks: Iterable[Sequence[int]], step: int = 1) -> dict[str, bytes]:
    """An image by its parts, in order."""
    return {
        "soi": SOI, "dqt": dqt(step), "sof": sof(height, width), "dc": segment(0xC4, huffman(0)),
        "ac": segment(0xC4, huffman(1)), "sos": sos(), "scan": scan(blocks), "eoi": EOI,
    }  # fmt: skip
