"""8.4.3 and 8.4.4: parameter sets, read by H.265, 7.3.2, to their ends, for what is constrained in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from refsw.errors import ErrorClass, ParseError, PayloadError
from refsw.payload.base import payload_error
from refsw.syntax.bits import BitReader

EXTENDED_SAR = 255
EMULATION = b"\0\0\3"
"""Two zero bytes and the emulation prevention byte after them."""
MAX_SPS_ID, MAX_PPS_ID, MAX_SUB_LAYERS_MINUS1, MAX_POC_BITS, MAX_TRANSFORM_BITS = 15, 63, 6, 16, 5
NO_LATENCY = 1 << 32  # more than any that is stated
ReferencePictures = tuple[tuple[int, bool], ...]
"""A short-term reference picture set: (DeltaPoc, used by the current picture), the nearest before it first."""


@dataclass(frozen=True, slots=True)
class Promises:
    """What a sequence parameter set says of pictures and of decoders without changing how they are decoded.

    Args:
        kept: general_profile_compatibility_flags and constraint flags: each that is 1 is kept by all pictures.
        needs: what a decoder has to have: tier, level, sub-layers, pictures buffered, pictures reordered, latency.
        decoding: the bits of everything else, which do change it.
    """

    kept: int
    needs: tuple[int, ...]
    decoding: tuple[str, ...]

    def cover(self, other: Promises) -> bool:
        """Whether pictures of which the other says the truth keep these as well."""
        enough = all(own >= needed for own, needed in zip(self.needs, other.needs, strict=True))
        return enough and not self.kept & ~other.kept


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """What this specification constrains in a sequence parameter set, and what slice headers need of it."""

    vps_id: int
    sps_id: int
    chroma_format: int
    height: int
    width: int
    cropped: int
    bit_depth: int
    slice_address_bits: int
    poc_bits: int
    adaptive_offset: bool
    short_term: tuple[ReferencePictures, ...]
    long_term: tuple[bool, ...] | None  # used_by_curr_pic_lt_sps_flag; None where there are no long-term pictures
    temporal_motion: bool
    pcm: bool
    forbidden: str  # the first tool that 8.4.1 does not allow
    bypass_tools: str  # those that do not go together with transquant bypass
    precise_offsets: bool
    persistent_rice: bool
    promises: Promises


@dataclass(frozen=True, slots=True)
class PictureParameters:
    """What this specification constrains in a picture parameter set, and what slice headers need of it."""

    sps_id: int
    dependent_slices: bool
    extra_bits: int
    output_flag: bool
    cabac_init: bool
    references: tuple[int, int]
    qp: int
    qp_delta: bool
    weighted: tuple[bool, bool]  # of P slices, of B slices
    bypass: bool
    list_modification: bool
    chroma_offsets: bool
    entry_points: bool
    wavefronts: bool
    filters_across_slices: bool
    deblocking_override: bool
    deblocking_off: bool
    header_extension: bool
    forbidden: str


def rbsp(nal: bytes, limit: int | None = None) -> bytes:
    """H.265 7.3.1.1: the payload of a NAL unit without emulation prevention bytes."""
    return nal[2:limit].replace(EMULATION, b"\0\0")


def raw_length(nal: bytes, size: int) -> int:
    """Bytes of a NAL unit up to the first `size` bytes of its RBSP, the last of which is not zero."""
    length = 2 + size
    while length < (length := 2 + size + nal[2:length].count(EMULATION)):
        pass
    return length


def bits_of(data: bytes | memoryview) -> str:
    """Bytes as a text of 0 and 1."""
    return f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}" if len(data) else ""


@lru_cache(maxsize=64)
def parse_sps(nal: bytes) -> SequenceParameters:
    """H.265 7.3.2.2."""
    r = BitReader(rbsp(nal), where="an HEVC sequence parameter set")
    vps_id, sub_layers = r.u(4), r.u(3)
    if sub_layers > MAX_SUB_LAYERS_MINUS1:
        raise _wrong_sps(f"sps_max_sub_layers_minus1 of at most {MAX_SUB_LAYERS_MINUS1}", str(sub_layers))
    r.u(1)
    r.u(2)
    tier = r.u(1)
    r.u(5)  # profile
    kept = r.u(80)  # compatibility and constraint flags
    level = r.u(8)
    present = [(r.u(1), r.u(1)) for _ in range(sub_layers)]
    if sub_layers:
        r.u(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        r.u(88 * has_profile + 8 * has_level)
    sps_id = r.ue()
    if sps_id > MAX_SPS_ID:
        raise out_of_range(r, "sps_seq_parameter_set_id", MAX_SPS_ID, sps_id)
    marks = [r.position]
    chroma = r.ue()
    if chroma == 3:
        r.u(1)
    coded_width, coded_height = r.ue(), r.ue()
    width, height = coded_width, coded_height
    if r.u(1):  # in units of samples, as there is no chroma
        width -= r.ue() + r.ue()
        height -= r.ue() + r.ue()
    depth = 8 + r.ue()
    r.ue()  # chroma bit depth
    poc_bits = 4 + r.ue()
    if poc_bits > MAX_POC_BITS:
        raise _wrong_sps(f"at most {MAX_POC_BITS} bits of slice_pic_order_cnt_lsb", str(poc_bits))
    all_sub_layers = r.u(1)
    marks.append(r.position - 1)
    buffers = [(r.ue(), r.ue(), r.ue()) for _ in range(0 if all_sub_layers else sub_layers, sub_layers + 1)]
    marks.append(r.position)
    least_bits = 3 + r.ue()
    block_bits = least_bits + r.ue()
    if not 4 <= block_bits <= 6:
        raise _wrong_sps("coding tree blocks of 16, 32 or 64", f"2^{block_bits}")
    blocks = -(-coded_width >> block_bits) * -(-coded_height >> block_bits)
    least_transform = 2 + r.ue()
    _check_sizes(coded_width, coded_height, least_bits, block_bits, (least_transform, least_transform + r.ue()))
    for _ in range(2):
        r.ue()  # depths of the hierarchies of transform blocks
    if r.u(1) and r.u(1):
        _scaling_lists(r)
    r.u(1)  # asymmetric partitions
    adaptive_offset = r.u(1)
    pcm = r.u(1)
    if pcm:
        _pcm(r)
    short_term: list[ReferencePictures] = []
    count = r.ue()
    for index in range(count):
        short_term.append(short_term_set(r, short_term, index, count))
    long_term = _long_term(r, poc_bits) if r.u(1) else None
    temporal_motion = r.u(1)
    r.u(1)  # strong intra smoothing
    marks.append(r.position)
    if r.u(1):
        _vui(r, sub_layers)
    marks.append(r.position)
    forbidden, bypass_tools, precise_offsets, rice = _sps_extensions(r) if r.u(1) else ("", "", False, False)
    marks.append(r.position)
    if not forbidden:
        _end(r)
    bits = bits_of(r.data)
    return SequenceParameters(
        vps_id, sps_id, chroma, height, width, max(coded_width - width, coded_height - height), depth,
        max(blocks - 1, 0).bit_length(), poc_bits, bool(adaptive_offset), tuple(short_term), long_term,
        bool(temporal_motion), bool(pcm), forbidden, bypass_tools, precise_offsets, rice,
        Promises(kept, (tier, level, sub_layers, *buffers[-1][:2], buffers[-1][2] or NO_LATENCY),
                 tuple(bits[start:end] for start, end in zip(marks[::2], marks[1::2], strict=True))),
    )  # fmt: skip


def _check_sizes(width: int, height: int, least: int, block: int, transforms: tuple[int, int]) -> None:
    """8.4.8, H.265 7.4.3.2.1: of pictures, and log2 of the least and the greatest coding and transform blocks."""
    if not (width and height) or (width | height) % (1 << least):
        raise _wrong_sps(f"pictures of a size that is a multiple of {1 << least}", f"{width} columns, {height} rows")
    smallest, largest = transforms
    if smallest >= least or largest > min(block, MAX_TRANSFORM_BITS):
        expected = f"transform blocks below 2^{least} to at most 2^{min(block, MAX_TRANSFORM_BITS)}"
        raise _wrong_sps(expected, f"2^{smallest} to 2^{largest}")


def _wrong_sps(expected: str, got: str) -> PayloadError:
    return payload_error("hevc.sps", "codec_configuration", expected, got)


def _scaling_lists(r: BitReader) -> None:
    """H.265 7.3.4."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not r.u(1):
                r.ue()
                continue
            for _ in range((size > 1) + min(64, 16 << 2 * size)):
                r.ue()  # se(v) has the same length


def _pcm(r: BitReader) -> None:
    r.u(4)
    r.u(4)
    r.ue()
    r.ue()
    r.u(1)


def short_term_set(r: BitReader, known: Sequence[ReferencePictures], index: int, count: int) -> ReferencePictures:
    """H.265 7.3.7, 7.4.8: a short-term reference picture set; index = count in a slice header."""
    if index and r.u(1):
        distance = 1 + r.ue() if index == count else 1
        if distance > index:
            raise out_of_range(r, "delta_idx_minus1", index - 1, distance - 1)
        source = known[index - distance]
        sign = r.u(1)
        step = (1 - 2 * sign) * (1 + r.ue())
        found = []
        for delta, _ in (*source, (0, True)):
            used = r.u(1)
            if (used or r.u(1)) and delta + step:
                found.append((delta + step, bool(used)))
    else:
        found = []
        counts = r.ue(), r.ue()
        for sign, pictures in zip((-1, 1), counts, strict=True):
            delta = 0
            for _ in range(pictures):
                delta += sign * (1 + r.ue())
                found.append((delta, bool(r.u(1))))
    return tuple(sorted(found, key=lambda picture: (picture[0] > 0, abs(picture[0]))))


def _long_term(r: BitReader, poc_bits: int) -> tuple[bool, ...]:
    used = []
    for _ in range(r.ue()):
        r.u(poc_bits)
        used.append(bool(r.u(1)))
    return tuple(used)


def _vui(r: BitReader, sub_layers: int) -> None:
    """H.265 E.2.1."""
    if r.u(1) and r.u(8) == EXTENDED_SAR:
        r.u(32)
    if r.u(1):
        r.u(1)  # overscan
    if r.u(1):
        r.u(4)  # video signal
        if r.u(1):
            r.u(24)  # colour
    if r.u(1):
        r.ue()  # places of chroma samples
        r.ue()
    r.u(3)
    if r.u(1):
        for _ in range(4):
            r.ue()  # default display window
    if r.u(1):
        r.u(64)  # timing
        if r.u(1):
            r.ue()
        if r.u(1):
            _hrd(r, sub_layers)
    if r.u(1):
        r.u(3)  # restrictions
        for _ in range(5):
            r.ue()


def _hrd(r: BitReader, sub_layers: int) -> None:
    """H.265 E.2.2."""
    nal, vcl = r.u(1), r.u(1)
    sub_pictures = 0
    if nal or vcl:
        sub_pictures = r.u(1)
        r.u(19 * sub_pictures + 8 + 4 * sub_pictures + 15)
    for _ in range(sub_layers + 1):
        fixed = r.u(1) or r.u(1)
        low_delay = 0
        if fixed:
            r.ue()
        else:
            low_delay = r.u(1)
        buffers = 1 if low_delay else 1 + r.ue()
        for _ in range((nal + vcl) * buffers):
            for _ in range(4 if sub_pictures else 2):
                r.ue()
            r.u(1)


def _sps_extensions(r: BitReader) -> tuple[str, str, bool, bool]:
    """H.265 7.3.2.2.2: a tool not allowed, those not allowed with transquant bypass, offsets, Rice parameters."""
    in_range = r.u(1)
    forbidden = "an extension of the SPS beyond the range extensions" if r.u(7) else ""
    if forbidden or not in_range:
        return forbidden, "", False, False
    rotation, _, implicit, _, precision, _, offsets, rice, alignment = [r.u(1) for _ in range(9)]
    forbidden = "extended_precision_processing_flag 1" if precision else ""
    forbidden = "cabac_bypass_alignment_enabled_flag 1" if alignment else forbidden
    tools = ["transform_skip_rotation_enabled_flag 1"] * rotation + ["implicit_rdpcm_enabled_flag 1"] * implicit
    return forbidden, " and ".join(tools), bool(offsets), bool(rice)


@lru_cache(maxsize=64)
def parse_pps(nal: bytes) -> tuple[int, PictureParameters]:
    """H.265 7.3.2.3: (pps id, parameters)."""
    r = BitReader(rbsp(nal), where="an HEVC picture parameter set")
    pps_id, sps_id = r.ue(), r.ue()
    if pps_id > MAX_PPS_ID:
        raise out_of_range(r, "pps_pic_parameter_set_id", MAX_PPS_ID, pps_id)
    dependent, output_flag, extra_bits = r.u(1), r.u(1), r.u(3)
    r.u(1)  # sign data hiding
    cabac_init = r.u(1)
    references = 1 + r.ue(), 1 + r.ue()
    qp = 26 + r.se()
    r.u(1)  # constrained intra prediction
    transform_skip = r.u(1)
    qp_delta = r.u(1)
    if qp_delta:
        r.ue()
    for _ in range(2):
        r.ue()  # se(v): chroma QP offsets
    chroma_offsets = r.u(1)
    weighted = bool(r.u(1)), bool(r.u(1))
    bypass, tiles, wavefronts = r.u(1), r.u(1), r.u(1)
    if tiles:
        columns, rows = r.ue(), r.ue()
        if not r.u(1):
            for _ in range(columns + rows):
                r.ue()
        r.u(1)
    across_slices = r.u(1)
    override, deblocking_off = 0, 0
    if r.u(1):
        override, deblocking_off = r.u(1), r.u(1)
        if not deblocking_off:
            r.ue()  # se(v): deblocking
            r.ue()
    if r.u(1):
        _scaling_lists(r)
    list_modification = r.u(1)
    r.ue()  # parallel merge level
    header_extension = r.u(1)
    forbidden = _pps_extensions(r, transform_skip) if r.u(1) else ""
    if not forbidden:
        _end(r)
    return pps_id, PictureParameters(
        sps_id, bool(dependent), extra_bits, bool(output_flag), bool(cabac_init), references, qp, bool(qp_delta),
        weighted, bool(bypass), bool(list_modification), bool(chroma_offsets), bool(tiles or wavefronts),
        bool(wavefronts), bool(across_slices), bool(override), bool(deblocking_off), bool(header_extension), forbidden,
    )  # fmt: skip


def _pps_extensions(r: BitReader, transform_skip: int) -> str:
    """H.265 7.3.2.3.2: the first tool that is not allowed."""
    in_range = r.u(1)
    if r.u(7):
        return "an extension of the PPS beyond the range extensions"
    if not in_range:
        return ""
    if transform_skip:
        r.ue()
    if r.u(1):
        return "cross_component_prediction_enabled_flag 1"
    if r.u(1):
        return "chroma_qp_offset_list_enabled_flag 1"
    r.ue()  # scales of adaptive offsets
    r.ue()
    return ""


def _end(r: BitReader) -> None:
    """H.265 7.3.2.11: a one bit and zero bits up to the end; else the parameter set has been read otherwise."""
    left = r.remaining
    if not left or r.u(left) != 1 << left - 1:  # a NAL unit has no zero bytes at its end
        raise out_of_range(r, "rbsp_trailing_bits", 1, left)


def out_of_range(r: BitReader, element: str, expected: int, got: int) -> ParseError:
    """The error of an element of H.265 that is greater than it may be."""
    return ParseError(
        ErrorClass.OUT_OF_RANGE, "hevc.configuration", element, r.offset, expected=f"{expected}", got=f"{got}"
    )
