"""Parameter sets of H.265 with changed elements (7.3.2.2, 7.3.2.3)."""

from __future__ import annotations

from typing import Any

from bitstring import Bits, Reader


def ue(value: int) -> str:
    """ue(v)."""
    return Bits.from_dtype("ue", value).bin


def escaped(bits: str) -> bytes:
    """Bits up to the stop bit as bytes, with emulation prevention."""
    out = bytearray()
    zeros = 0
    for byte in Bits(bin=bits.rstrip("0")).tobytes():
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


# Elements in their order, each with its form: ue; a number of bits; "window", or "?" and what follows a flag that is 1:
# ue (e), bits (digits), or the rest (*). The value of such an element is the bits after the flag, None for a flag of 0.
SPS_FIELDS = {
    "sps_id": "ue", "chroma_format_idc": "ue", "width": "ue", "height": "ue", "window": "window",
    "bit_depth_luma_minus8": "ue", "bit_depth_chroma_minus8": "ue", "poc_bits_minus4": "ue", "sub_layers": 1,
    "dpb": "ue", "reorder": "ue", "latency": "ue", "log2_min_block_minus3": "ue", "log2_diff_block": "ue",
    "transforms": "eeee", "scaling": "?1", "amp": 1, "sao": 1, "pcm": "?8ee1", "short_term": "sets", "long_term": "?",
    "temporal_motion": 1, "strong": 1, "vui": "?", "extension": "?*",
}  # fmt: skip
PPS_FIELDS = {
    "pps_id": "ue", "sps_id": "ue", "dependent": 1, "output_flag": 1, "extra": 3, "sign_hiding": 1, "cabac_init": 1,
    "references_l0": "ue", "references_l1": "ue", "init_qp": "ue", "constrained": 1, "transform_skip": 1,
    "qp_delta": "?e", "cb": "ue", "cr": "ue", "slice_chroma": 1, "weighted": 2, "bypass": 1, "tiles": "?",
    "synchro": 1, "filter_slices": 1, "deblocking": "?2ee", "scaling": "?", "lists": 1, "merge": "ue", "header": 1,
    "extension": "?*",
}  # fmt: skip


def patch_sps(nal: bytes, changes: dict[str, Any]) -> bytes:
    """An SPS of one sub-layer with changed elements; what follows the last that can be read stays as it is."""
    return _patch(nal, 8 + 88 + 8, SPS_FIELDS, changes)


def patch_pps(nal: bytes, changes: dict[str, Any]) -> bytes:
    """A PPS with changed elements."""
    return _patch(nal, 0, PPS_FIELDS, changes)


def with_output_flag(nal: bytes, value: int) -> bytes:
    """pic_output_flag in the slice header of an IDR picture of one I slice, as HM writes it (7.3.6.1)."""
    bits, flag, end = _slice_header(nal)
    return _with_data(nal, bits[:flag] + str(value) + bits[flag:end], bits, end)


def with_entry_points(nal: bytes, offsets: list[int], extension: str = "") -> bytes:
    """Such a slice header with other entry points, as offsets in bytes, and what an extension adds to it."""
    bits, _, start = _slice_header(nal)
    r = Reader(Bits(bin=bits), start)
    count = r.read_value("ue")
    size = r.read_value("ue") + 1
    r.read_bits(count * size)
    width = max(offsets).bit_length()
    points = ue(len(offsets)) + ue(width - 1) + "".join(f"{offset - 1:0{width}b}" for offset in offsets)
    return _with_data(nal, bits[:start] + points + extension, bits, r.pos)


def _slice_header(nal: bytes) -> tuple[str, int, int]:
    """Bits of a slice segment; where pic_output_flag stands or would stand; where the elements of every header end."""
    bits = Bits.from_bytes(nal[2:].replace(b"\0\0\3", b"\0\0")).bin
    r = Reader(Bits(bin=bits))
    r.read_bits(2)
    r.read_value("ue")  # PPS
    if r.read_value("ue") != 2:
        raise ValueError("not an I slice")
    flag = r.pos
    r.read_bits(1)  # sample adaptive offset
    r.read_value("ue")  # se(v): slice_qp_delta
    r.read_bits(1)  # filters across slices
    return bits, flag, r.pos


def _with_data(nal: bytes, head: str, bits: str, end: int) -> bytes:
    """A slice segment with another header, and the data that follow a header that ended at `end`."""
    data = end + 1 + -(end + 1) % 8
    if bits[end:data].rstrip("0") != "1":
        raise ValueError("the header has other elements")
    head += "1"
    return nal[:2] + escaped(head + "0" * (-len(head) % 8) + bits[data:])


def _patch(nal: bytes, skipped: int, fields: dict[str, Any], changes: dict[str, Any]) -> bytes:
    bits = Bits.from_bytes(nal[2:].replace(b"\0\0\3", b"\0\0")).bin.rstrip("0")[:-1]  # without the stop bit
    r = Reader(Bits(bin=bits))
    out = r.read_bits(skipped).bin
    left = set(changes)
    for name, form in fields.items():
        if not left:
            break
        start = r.pos
        _skip(r, form, name)
        old = bits[start : r.pos]
        if name not in changes:
            out += old
            continue
        left.discard(name)
        value = changes[name]
        if form == "ue":
            out += ue(value)
            if name == "chroma_format_idc" and value == 3:
                out += "0"
        elif form == "window":
            out += "1" + "".join(map(ue, value)) if value else "0"
        elif isinstance(form, int):
            out += f"{value:0{form}b}"
        elif form.startswith("?"):
            out += "0" if value is None else "1" + value
        else:
            out += value
    return nal[:2] + escaped(out + bits[r.pos :] + "1")


def _skip(r: Reader, form: Any, name: str) -> None:
    if isinstance(form, int):
        r.read_bits(form)
        return
    if form == "ue":
        r.read_value("ue")
        return
    if form == "sets":
        for index in range(r.read_value("ue")):
            if index and r.read_value("bool"):
                raise ValueError("short-term reference picture sets from others are not read here")
            for _ in range(r.read_value("ue") + r.read_value("ue")):
                r.read_value("ue")
                r.read_bits(1)
        return
    if form == "window":
        form = "?eeee"
    if form.startswith("?"):
        if not r.read_value("bool"):
            return
        form = form[1:]
        if not form:
            raise ValueError(f"{name} is not read here")
    if form == "*":
        r.pos = len(r.bits)
        return
    for part in form:
        if part == "e":
            r.read_value("ue")
        elif part == "1" and name == "scaling":
            if r.read_value("bool"):
                raise ValueError("scaling lists are not read here")
        else:
            r.read_bits(int(part))
