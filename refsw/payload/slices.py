"""8.4.5: slice headers, read by H.265, 7.3.6.1, as far as this specification constrains them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from refsw.errors import DfcError, PayloadError
from refsw.payload.base import payload_error
from refsw.payload.nal import IDR_TYPES, QP_DEPTH, Configuration, Nal
from refsw.payload.parameter_sets import (
    EMULATION,
    PictureParameters,
    SequenceParameters,
    out_of_range,
    raw_length,
    rbsp,
    short_term_set,
)
from refsw.syntax.bits import BitReader

SLICE_B, SLICE_P, SLICE_I = range(3)
MAX_QP = 49
LEAST_SUBSTREAM = 2
HEADER_BYTES = 4096  # more than a slice header up to slice_qp_delta has


@dataclass(frozen=True, slots=True)
class Slice:
    """An independent slice segment; `qp` is known where it is constrained."""

    nal: Nal
    type: int
    qp: int | None


def slices_of(nals: list[Nal], configuration: Configuration, *, every_qp: bool = False) -> Iterator[Slice]:
    """Every independent slice segment; with `every_qp` its QP is read where it is not constrained, too.

    Raises:
        PayloadError: a slice header that does not parse.
    """
    for nal in nals:
        if not nal.is_slice:
            continue
        r = BitReader(rbsp(nal.data, HEADER_BYTES), where="an HEVC slice header")
        try:
            first = r.u(1)
            withheld = nal.type >= 16 and r.u(1)
            pps = configuration.pps[r.ue()]
            if not first:
                dependent = r.u(1) if pps.dependent_slices else 0
                r.u(configuration.sps.slice_address_bits)
                if dependent:
                    continue
            r.u(pps.extra_bits)
            kind = slice_type(r)
            qp = None
            if every_qp or configuration.sps.bit_depth == QP_DEPTH:
                qp, _ = slice_qp(r, nal.type, kind, configuration.sps, pps)
        except (DfcError, LookupError) as error:
            raise payload_error(
                "hevc.slice-header", "payload", "a slice header of a known PPS", str(error)[:120], offset=8 * nal.place
            ) from error
        if withheld:
            raise payload_error(
                "hevc.picture-count", "payload", "no_output_of_prior_pics_flag 0", "1", offset=8 * nal.place
            )
        yield Slice(nal, kind, qp)


def check_end(nal: Nal, configuration: Configuration) -> None:
    """8.4.5 Behind the header of a slice segment stand its alignment and its data, of which every substream has a size.

    Whether the data hold all blocks of the segment, only decoding them tells.

    Raises:
        PayloadError: a header without its end, or a substream that cannot hold anything.
    """
    try:
        r = BitReader(rbsp(nal.data), where="an HEVC slice segment")
        r.u(2 if nal.type >= 16 else 1)
        header = header_places(nal, configuration.sps, configuration.pps[r.ue()])
        r.position = header.end
        aligned = r.u(8 - header.end % 8)
    except PayloadError:
        raise
    except (DfcError, LookupError) as error:
        raise payload_error(
            "hevc.slice-header", "payload", "a whole slice header", str(error)[:120], offset=8 * nal.place
        ) from error
    if aligned != 1 << 7 - header.end % 8:
        got = f"{aligned:0{8 - header.end % 8}b}"
        raise payload_error(
            "hevc.slice-header", "payload", "a slice header that ends in a one bit and zeros", got, offset=8 * nal.place
        )
    sizes = header.substreams
    sizes = [*sizes, data_size(nal.data, r.position // 8) - sum(sizes)]
    if min(sizes) < LEAST_SUBSTREAM:
        raise _no_substreams(nal, f"{min(sizes)}" if sizes[-1] >= 0 else "entry points beyond the data")


def _no_substreams(nal: Nal, got: str) -> PayloadError:
    expected = f"substreams of at least {LEAST_SUBSTREAM} bytes"
    return payload_error("hevc.slice-data", "payload", expected, got, offset=8 * nal.place)


def data_size(segment: bytes, header: int) -> int:
    """Bytes of the data of a slice segment behind a header of so many bytes, emulation prevention bytes among them."""
    while segment.endswith(EMULATION):  # cabac_zero_words
        segment = segment[: -len(EMULATION)]
    return len(segment) - raw_length(segment, header)


class HeaderPlaces(NamedTuple):
    """Places in a slice segment, in bits of its RBSP; and the sizes of its substreams but the last, in bytes."""

    parameter_set_id: int
    after: int
    end: int
    substreams: list[int]


def header_places(nal: Nal, sps: SequenceParameters, pps: PictureParameters) -> HeaderPlaces:
    """Where slice_pic_parameter_set_id of a slice segment stands, what follows it, and where the header ends.

    Raises:
        DfcError: the header does not parse, or has more entry points than there can be data for.
    """
    r = BitReader(rbsp(nal.data), where="an HEVC slice header")
    first = r.u(1)
    if nal.type >= 16:
        r.u(1)
    start = r.position
    r.ue()
    after = r.position
    dependent = 0
    if not first:
        dependent = r.u(1) if pps.dependent_slices else 0
        r.u(sps.slice_address_bits)
    if not dependent:
        r.u(pps.extra_bits)
        kind = slice_type(r)
        _, adaptive_offset = slice_qp(r, nal.type, kind, sps, pps)
        _filters(r, adaptive_offset, pps)
    substreams = []
    if pps.entry_points:
        count = r.ue()
        bits = 1 + r.ue() if count else 0
        if count * LEAST_SUBSTREAM > len(nal.data):
            raise _no_substreams(nal, f"{count} in {len(nal.data)} bytes")
        substreams = [1 + r.u(bits) for _ in range(count)]
    if pps.header_extension:
        r.u(8 * r.ue())
    return HeaderPlaces(start, after, r.position, substreams)


def _filters(r: BitReader, adaptive_offset: int, pps: PictureParameters) -> None:
    """What follows slice_qp_delta up to the entry points."""
    if pps.chroma_offsets:
        r.se()
        r.se()
    deblocking_off = pps.deblocking_off
    if pps.deblocking_override and r.u(1):
        deblocking_off = bool(r.u(1))
        if not deblocking_off:
            r.se()
            r.se()
    if pps.filters_across_slices and (adaptive_offset or not deblocking_off):
        r.u(1)


def slice_type(r: BitReader) -> int:
    """slice_type, of H.265, Table 7-7."""
    kind = r.ue()
    if kind > SLICE_I:
        raise out_of_range(r, "slice_type", SLICE_I, kind)
    return kind


def slice_qp(
    r: BitReader, nal_type: int, kind: int, sps: SequenceParameters, pps: PictureParameters
) -> tuple[int, int]:
    """H.265 7.3.6.1, (7-54): SliceQpY, in a slice header read up to slice_type; and slice_sao_luma_flag."""
    if pps.output_flag:
        r.u(1)
    current, temporal_motion = 0, 0
    if nal_type not in IDR_TYPES:
        r.u(sps.poc_bits)
        current = _short_term(r, sps)
        if sps.long_term is not None:
            current += _long_term(r, sps.long_term, sps.poc_bits)
        temporal_motion = r.u(1) if sps.temporal_motion else 0
    adaptive_offset = r.u(1) if sps.adaptive_offset else 0
    if kind != SLICE_I:
        _prediction(r, kind, current, temporal_motion, pps)
    return pps.qp + r.se(), adaptive_offset


def _short_term(r: BitReader, sps: SequenceParameters) -> int:
    """The number of short-term pictures that the current one uses."""
    count = len(sps.short_term)
    if r.u(1):
        pictures = sps.short_term[_index(r, "short_term_ref_pic_set_idx", count)]
    else:
        pictures = short_term_set(r, sps.short_term, count, count)
    return sum(used for _, used in pictures)


def _index(r: BitReader, element: str, count: int) -> int:
    """An index into what the SPS has, of as few bits as can be."""
    index = r.u(max(count - 1, 0).bit_length())
    if index >= count:
        raise out_of_range(r, element, count - 1, index)
    return index


def _long_term(r: BitReader, known: tuple[bool, ...], poc_bits: int) -> int:
    """The number of long-term pictures that the current one uses."""
    named = r.ue() if known else 0
    own = r.ue()
    current = 0
    for index in range(named + own):
        if index < named:
            current += known[_index(r, "lt_idx_sps", len(known))]
        else:
            r.u(poc_bits)
            current += r.u(1)
        if r.u(1):
            r.ue()
    return current


def _prediction(r: BitReader, kind: int, current: int, temporal_motion: int, pps: PictureParameters) -> None:
    """What only P and B slices have before slice_qp_delta."""
    lists = 2 if kind == SLICE_B else 1
    references = list(pps.references[:lists])
    if r.u(1):
        references = [1 + r.ue() for _ in range(lists)]
    if pps.list_modification and current > 1:
        for count in references:
            if r.u(1):
                for _ in range(count):
                    r.u((current - 1).bit_length())
    if kind == SLICE_B:
        r.u(1)  # mvd_l1_zero_flag
    if pps.cabac_init:
        r.u(1)
    if temporal_motion:
        collocated = 0 if kind == SLICE_P or r.u(1) else 1
        if references[collocated] > 1:
            r.ue()
    if pps.weighted[kind == SLICE_B]:
        r.ue()
        for count in references:
            for weight in [r.u(1) for _ in range(count)]:
                if weight:
                    r.ue()  # se(v): weight and offset
                    r.ue()
    r.ue()  # five_minus_max_num_merge_cand
