"""Edits of byte streams: NAL units dropped, repeated, patched; bytes put before, after, or changed."""

from __future__ import annotations

from typing import Any

START = b"\0\0\1"


def edit(data: bytes, operations: list[list[Any]]) -> bytes:
    """Apply edits in order. NAL units are counted from 0."""
    for name, *arguments in operations:
        data = OPERATIONS[name](data, *arguments)
    return data


def _split(data: bytes) -> list[bytes]:
    return data.split(START)[1:]


def _join(nals: list[bytes]) -> bytes:
    return b"".join(START + nal for nal in nals)


def _drop(data: bytes, index: int) -> bytes:
    nals = _split(data)
    del nals[index]
    return _join(nals)


def _repeat(data: bytes, index: int) -> bytes:
    nals = _split(data)
    return _join([*nals, nals[index]])


def _swap(data: bytes, a: int, b: int) -> bytes:
    nals = _split(data)
    nals[a], nals[b] = nals[b], nals[a]
    return _join(nals)


def _insert(data: bytes, index: int, nal: str) -> bytes:
    nals = _split(data)
    nals.insert(index, bytes.fromhex(nal))
    return _join(nals)


def _patch(data: bytes, index: int, byte: int, mask: int) -> bytes:
    nals = _split(data)
    nal = bytearray(nals[index])
    nal[byte] ^= mask
    nals[index] = bytes(nal)
    return _join(nals)


def _only(data: bytes, index: int, size: int) -> bytes:
    """NAL unit `index` cut to its first bytes."""
    nals = _split(data)
    nals[index] = nals[index][:size]
    return _join(nals)


def _xor(data: bytes, byte: int, mask: int) -> bytes:
    out = bytearray(data)
    out[byte] ^= mask
    return bytes(out)


def _zero_bytes(data: bytes) -> bytes:
    return b"\0".join([b"", *(START + nal for nal in _split(data))]) + b"\0\0"


def _sps(data: bytes, field: str, value: int) -> bytes:
    """Rewrite one element of the sequence parameter set, NAL unit 1."""
    nals = _split(data)
    nals[1] = patch_sps(nals[1], {field: value})
    return _join(nals)


OPERATIONS = {
    "drop": _drop,
    "repeat": _repeat,
    "swap": _swap,
    "insert": _insert,
    "patch": _patch,
    "shorten": _only,
    "xor": _xor,
    "zero_bytes": _zero_bytes,
    "sps": _sps,
    "prefix": lambda data, text: bytes.fromhex(text) + data,
    "suffix": lambda data, text: data + bytes.fromhex(text),
    "cut": lambda data, count: data[:count],
    "replace": lambda data, old, new: data.replace(bytes.fromhex(old), bytes.fromhex(new), 1),
}


class _Bits:
    def __init__(self, data: bytes) -> None:
        self.bits = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def u(self, count: int) -> str:
        self.at += count
        return self.bits[self.at - count : self.at]

    def ue(self) -> int:
        zeros = 0
        while self.u(1) == "0":
            zeros += 1
        return int("1" + self.u(zeros), 2) - 1


def _ue(value: int) -> str:
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


SPS_FIELDS = [
    "sps_id", "chroma_format_idc", "width", "height", "window", "bit_depth_luma_minus8", "bit_depth_chroma_minus8",
    "poc_bits_minus4", "sub_layers", "dpb", "reorder", "latency", "log2_min_block_minus3", "log2_diff_block",
]  # fmt: skip


def patch_sps(nal: bytes, changes: dict[str, Any]) -> bytes:
    """H.265 7.3.2.2: an SPS with changed elements, of one sub-layer. `window` is a list of four, or empty."""
    r = _Bits(nal[2:].replace(b"\0\0\3", b"\0\0"))
    head = r.u(8 + 88 + 8)
    values: dict[str, Any] = {}
    for name in SPS_FIELDS:
        if name == "window":
            values[name] = [r.ue() for _ in range(4)] if r.u(1) == "1" else []
        elif name == "sub_layers":
            values[name] = int(r.u(1))
        else:
            values[name] = r.ue()
    values |= changes
    out = head
    for name in SPS_FIELDS:
        value = values[name]
        if name == "window":
            out += "1" + "".join(map(_ue, value)) if value else "0"
        elif name == "sub_layers":
            out += str(value)
        else:
            out += _ue(value)
            if name == "chroma_format_idc" and value == 3:
                out += "0"
    out += r.bits[r.at :].rstrip("0")
    out += "0" * (-len(out) % 8)
    raw = int(out, 2).to_bytes(len(out) // 8, "big")
    escaped = bytearray()
    zeros = 0
    for byte in raw:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return nal[:2] + bytes(escaped)
