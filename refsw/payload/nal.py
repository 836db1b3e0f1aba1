"""8.4.2 to 8.4.5: the NAL units of an HEVC payload and what this specification constrains in them.

The parameter sets themselves are read in `parameter_sets`, slice headers in `slices`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from refsw.errors import DfcError, ErrorClass, PayloadError
from refsw.payload.base import PictureFormat, payload_error
from refsw.payload.parameter_sets import PictureParameters, SequenceParameters, parse_pps, parse_sps

START_CODE = b"\x00\x00\x01"


class NalType(IntEnum):
    """NAL unit types of H.265, Table 7-1, as far as they are used here."""

    VPS = 32
    SPS = 33
    PPS = 34
    END_OF_SEQUENCE = 36
    PREFIX_SEI = 39
    SUFFIX_SEI = 40


NAMES = {
    8: "RASL picture", 9: "RASL picture", 19: "IDR picture", 20: "IDR picture", 21: "CRA picture",
    32: "VPS", 33: "SPS", 34: "PPS", 35: "access unit delimiter", 36: "end of sequence", 37: "end of bitstream",
    38: "filler data", 39: "SEI", 40: "SEI",
}  # fmt: skip
"""Of H.265, Table 7-1, for people."""

PARAMETER_SETS = (NalType.VPS, NalType.SPS, NalType.PPS)
SLICE_TYPES = frozenset({*range(8), *range(16, 22)})
IDR_TYPES = (19, 20)
MAX_CROPPED = 64
QP_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Nal:
    """One NAL unit: its bytes after the start code, and where they stand."""

    data: bytes
    place: int

    @property
    def type(self) -> int:
        """nal_unit_type."""
        return self.data[0] >> 1 & 0x3F

    @property
    def told(self) -> str:
        """Its type, for people."""
        name = NAMES.get(self.type)
        return f"NAL unit type {self.type}{f' ({name})' if name else ''}"

    @property
    def is_slice(self) -> bool:
        """Whether it is a slice segment of a type that 8.4.5 allows."""
        return self.type in SLICE_TYPES

    @property
    def is_coded(self) -> bool:
        """Whether it is of a type that holds, or may come to hold, coded pictures."""
        return self.type < NalType.VPS

    @property
    def layer(self) -> int:
        """nuh_layer_id."""
        return (self.data[0] & 1) << 5 | self.data[1] >> 3

    @property
    def first_in_picture(self) -> bool:
        """first_slice_segment_in_pic_flag of a slice segment."""
        return self.data[2] >= 0x80


def split(stream: bytes | memoryview, element: str = "payload") -> list[Nal]:
    """8.4.2 The NAL units of a byte stream: each after 0x000001, without trailing zero bytes.

    Raises:
        PayloadError: bytes before the first start code, or a NAL unit whose header is too short or not one of H.265.
    """
    data = bytes(stream)
    parts = data.split(START_CODE)
    if parts[0].strip(b"\0"):
        raise payload_error("hevc.start-code", element, "the start code 0x000001", data[:3].hex(" "), offset=0)
    nals, place = [], len(parts[0])
    for part in parts[1:]:
        place += 3
        body = part.rstrip(b"\0")
        if len(body) < 3:
            raise payload_error(
                "hevc.nal-length", element, "a NAL unit of at least 3 bytes", f"{len(body)}", offset=8 * place
            )
        if body[0] & 0x80 or not body[1] & 7:
            expected = "forbidden_zero_bit 0 and a nuh_temporal_id_plus1 above 0"
            raise payload_error("hevc.nal-header", element, expected, body[:2].hex(" "), offset=8 * place)
        nals.append(Nal(body, place))
        place += len(part)
    return nals


def join(nals: list[Nal]) -> bytes:
    """NAL units as a byte stream with three-byte start codes."""
    return b"".join(START_CODE + nal.data for nal in nals)


def pictures_of(nals: list[Nal]) -> Iterator[list[Nal]]:
    """NAL units by picture (access unit of HEVC): what precedes a first slice segment belongs to it."""
    current: list[Nal] = []
    has_slice = False
    for nal in nals:
        starts = nal.first_in_picture if nal.is_slice else nal.type != NalType.SUFFIX_SEI
        if has_slice and starts:
            yield current
            current, has_slice = [], False
        current.append(nal)
        has_slice = has_slice or nal.is_slice
    if current:
        yield current


@dataclass(frozen=True, slots=True)
class Configuration:
    """A parsed codec configuration; of several PPSs with one id, `pps` has the last."""

    nals: tuple[Nal, ...]
    sps: SequenceParameters
    pps: dict[int, PictureParameters]
    every_pps: tuple[PictureParameters, ...]

    @property
    def stream(self) -> bytes:
        """The parameter sets as a byte stream."""
        return join(list(self.nals))


@lru_cache(maxsize=64)
def parse_configuration(data: bytes) -> Configuration:
    """8.4.3 The codec configuration: one VPS, one SPS, one or more PPS, in that order.

    Raises:
        PayloadError: it is anything else.
    """
    element = "codec_configuration"
    nals = split(data, element)
    types = [nal.type for nal in nals]
    if types[:3] != list(PARAMETER_SETS) or set(types[3:]) - {NalType.PPS} or any(nal.layer for nal in nals):
        raise payload_error(
            "hevc.configuration", element, "a VPS, an SPS, then PPSs, of layer 0", f"NAL unit types {types}"
        )
    try:
        sps = parse_sps(nals[1].data)
        every_pps = [parse_pps(nal.data) for nal in nals[2:]]
    except PayloadError:
        raise
    except DfcError as error:
        raise payload_error("hevc.configuration", element, "parameter sets that parse", error.got) from error
    if nals[0].data[2] >> 4 != sps.vps_id or any(pps.sps_id != sps.sps_id for _, pps in every_pps):
        expected = f"an SPS that refers to the VPS {nals[0].data[2] >> 4}, and PPSs that refer to the SPS {sps.sps_id}"
        got = f"VPS {sps.vps_id}, SPS {', '.join(str(pps.sps_id) for _, pps in every_pps)}"
        raise payload_error("hevc.configuration", element, expected, got)
    return Configuration(tuple(nals), sps, dict(every_pps), tuple(pps for _, pps in every_pps))


def check_format(sps: SequenceParameters, picture_format: PictureFormat) -> list[PayloadError]:
    """8.4.4 The SPS against the parameter set: 4:0:0, bit depth, size."""
    errors = []
    element = "codec_configuration"
    if sps.chroma_format != 0:
        errors.append(
            payload_error(
                "hevc.chroma-format", element, "chroma_format_idc 0 (4:0:0)", str(sps.chroma_format),
                ErrorClass.LAYOUT_MISMATCH,
            )
        )  # fmt: skip
    if sps.bit_depth != picture_format.bit_depth:
        errors.append(
            payload_error(
                "hevc.bit-depth", element, f"{picture_format.bit_depth} bits", f"{sps.bit_depth}",
                ErrorClass.LAYOUT_MISMATCH,
            )
        )  # fmt: skip
    if sps.cropped >= MAX_CROPPED:
        errors.append(
            payload_error(
                "hevc.cropping", element, f"fewer than {MAX_CROPPED} rows or columns cropped", str(sps.cropped)
            )
        )
    if (sps.height, sps.width) != (picture_format.height, picture_format.width):
        errors.append(
            payload_error(
                "hevc.picture-size",
                element,
                f"{picture_format.height} rows of {picture_format.width}",
                f"{sps.height} rows of {sps.width}",
                ErrorClass.LAYOUT_MISMATCH,
            )
        )
    return errors


def check_tools(configuration: Configuration) -> list[PayloadError]:
    """8.4.1, 8.4.4 Tools that decoders in wide use do not have, or take for others without a word."""
    sps, element = configuration.sps, "codec_configuration"
    found = []
    for tool in (sps.forbidden, *(pps.forbidden for pps in configuration.every_pps)):
        if tool:
            found.append(payload_error("hevc.profile", element, "tools that 8.4.1 allows", tool))
    if sps.bypass_tools and any(pps.bypass for pps in configuration.every_pps):
        together = f"{sps.bypass_tools} in the SPS"
        found.append(payload_error("hevc.bypass", element, "no such tool where a PPS enables bypass", together))
    if sps.precise_offsets and any(any(pps.weighted) for pps in configuration.every_pps):
        precise = "high_precision_offsets_enabled_flag 1"
        found.append(payload_error("hevc.weights", element, "no such tool where a PPS enables weights", precise))
    if sps.bit_depth == QP_DEPTH and any(pps.qp_delta for pps in configuration.every_pps):
        found.append(payload_error("hevc.qp", element, "cu_qp_delta_enabled_flag 0 at 12 bits", "1"))
    return found


def check_nal_types(nals: list[Nal]) -> list[PayloadError]:
    """8.4.5 A payload holds slice segments and SEI only; parameter sets stay where they were checked."""
    return [
        payload_error(
            "hevc.payload-nal-types",
            "payload",
            "slice segments (types 0 to 7, 16 to 21) and SEI (39, 40) of layer 0",
            f"{nal.told} of layer {nal.layer}",
            offset=8 * nal.place,
        )
        for nal in nals
        if nal.layer or (not nal.is_slice and nal.type not in (NalType.PREFIX_SEI, NalType.SUFFIX_SEI))
    ] + [
        payload_error("hevc.first-picture", "payload", "an IDR picture first", nal.told, offset=8 * nal.place)
        for nal in [nal for nal in nals if nal.is_slice][:1]
        if nal.type not in IDR_TYPES
    ]
