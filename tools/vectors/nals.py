"""Edits of byte streams: NAL units dropped, repeated, patched; bytes put before, after, or changed."""

from __future__ import annotations

from typing import Any

from vectors.sets import escaped, patch_pps, patch_sps, with_entry_points, with_output_flag

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


def _sps(data: bytes, field: str, value: Any) -> bytes:
    """Rewrite one element of the sequence parameter set, NAL unit 1."""
    nals = _split(data)
    nals[1] = patch_sps(nals[1], {field: value})
    return _join(nals)


def _fill(data: bytes, count: int) -> bytes:
    """Fill bytes before the second marker of the first of several JPEG images, each after its length."""
    size = int.from_bytes(data[:4], "big")
    return (size + count).to_bytes(4, "big") + data[4:6] + b"\xff" * count + data[6:]


def _output_flags(data: bytes, *values: int) -> bytes:
    """pic_output_flag of the first pictures."""
    nals = _split(data)
    nals[: len(values)] = [with_output_flag(nal, value) for nal, value in zip(nals, values, strict=False)]
    return _join(nals)


def _entry_points(data: bytes, offsets: list[int], extension: str = "") -> bytes:
    """Entry points of the first picture, and bits that extend its slice header."""
    nals = _split(data)
    return _join([with_entry_points(nals[0], offsets, extension), *nals[1:]])


def _image_append(data: bytes, more: str) -> bytes:
    """Bytes after the first of several images, each after its length."""
    size, added = int.from_bytes(data[:4], "big"), bytes.fromhex(more)
    return (size + len(added)).to_bytes(4, "big") + data[4 : 4 + size] + added + data[4 + size :]


def _image_insert(data: bytes, text: str) -> bytes:
    """A comment after the SIZ marker segment of the first JPEG 2000 codestream."""
    size, body = int.from_bytes(data[:4], "big"), b"\0\1" + bytes.fromhex(text)
    place = 4 + 4 + int.from_bytes(data[8:10], "big")
    added = b"\xff\x64" + (len(body) + 2).to_bytes(2, "big") + body
    return (size + len(added)).to_bytes(4, "big") + data[4:place] + added + data[place:]


def _last_part(data: bytes) -> bytes:
    """Psot 0 in the last tile-part of a single JPEG 2000 codestream."""
    place = data.rindex(b"\xff\x90\0\x0a")
    return data[: place + 6] + bytes(4) + data[place + 10 :]


def _put(data: bytes, place: int, text: str) -> bytes:
    new = bytes.fromhex(text)
    return data[:place] + new + data[place + len(new) :]


def _sub_layers(data: bytes) -> bytes:
    """Make it two temporal sub-layers in VPS and SPS, with profile and level of the lower one."""
    nals = _split(data)
    return _join([_with_sub_layer(nals[0], 0), _with_sub_layer(nals[1], 1), *nals[2:]])


def _pps(data: bytes, field: str, value: Any) -> bytes:
    """Rewrite one element of the first picture parameter set, NAL unit 2."""
    nals = _split(data)
    nals[2] = patch_pps(nals[2], {field: value})
    return _join(nals)


def _with_sub_layer(nal: bytes, is_sps: int) -> bytes:
    """H.265 7.3.2.1, 7.3.2.2, 7.3.3: max_sub_layers_minus1 1, the general profile and level again for sub-layer 0."""
    bits = "".join(f"{byte:08b}" for byte in nal[2:].replace(b"\0\0\3", b"\0\0"))
    start = 4 if is_sps else 12
    nesting = "1" if is_sps else bits[15]
    head = bits[:start] + "001" + nesting + ("" if is_sps else bits[16:32])
    general = bits[start + 4 : start + 100] if is_sps else bits[32:128]
    # One entry of sub-layer ordering information, for the higher one (in the SPS: `sps sub_layers 0` before this).
    rest = bits[start + 100 :] if is_sps else "0" + bits[129:]
    return nal[:2] + escaped(head + general + "11" + "0" * 14 + general + rest)


OPERATIONS = {
    "fill": _fill,
    "image_append": _image_append,
    "output_flags": _output_flags,
    "entry_points": _entry_points,
    "image_insert": _image_insert,
    "last_part": _last_part,
    "put": _put,
    "sub_layers": _sub_layers,
    "drop": _drop,
    "repeat": _repeat,
    "swap": _swap,
    "insert": _insert,
    "patch": _patch,
    "shorten": _only,
    "xor": _xor,
    "zero_bytes": _zero_bytes,
    "sps": _sps,
    "pps": _pps,
    "prefix": lambda data, text: bytes.fromhex(text) + data,
    "suffix": lambda data, text: data + bytes.fromhex(text),
    "cut": lambda data, count: data[:count],
    "replace": lambda data, old, new: data.replace(bytes.fromhex(old), bytes.fromhex(new), 1),
}
