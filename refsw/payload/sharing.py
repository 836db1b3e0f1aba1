"""Informative: one codec configuration (8.4.3) for all units of a tensor, from the byte streams of an encoder.

An encoder that runs once a unit need not write the same parameter sets each time: the QP that a picture parameter
set starts from changes, and a sequence parameter set promises more of a single picture. The syntax takes several
picture parameter sets, to which slices then refer by ids that are theirs alone, and one sequence parameter set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from refsw.errors import DfcError, PayloadError
from refsw.payload.base import payload_error
from refsw.payload.nal import IDR_TYPES, PARAMETER_SETS, Nal, NalType, join, split
from refsw.payload.parameter_sets import SequenceParameters, bits_of, parse_pps, parse_sps, raw_length, rbsp
from refsw.payload.slices import header_places
from refsw.syntax.bits import BitReader

MAX_PPS = 64
ELEMENT = "codec_configuration"


@dataclass
class SharedSets:
    """The parameter sets of a tensor, gathered unit by unit."""

    _sequences: dict[bytes, tuple[bytes, SequenceParameters]] = field(default_factory=dict)  # SPS -> VPS, contents
    _pictures: dict[bytes, int] = field(default_factory=dict)  # PPS with its ids 0 -> the id that it has here

    def take(self, stream: bytes) -> bytes:
        """The slices of one unit, from a byte stream with its parameter sets, as they refer to the shared ones.

        Raises:
            PayloadError: slices without parameter sets, or parameter sets that cannot be shared.
        """
        latest: dict[tuple[int, int], bytes] = {}
        unchanged: set[int] = set()  # PPS ids that are the same here, as long as no parameter set changes
        slices, ended = [], False
        for unit in split(stream):
            if unit.type in PARAMETER_SETS:
                if not unit.layer and latest.get(key := (unit.type, _id(unit))) != unit.data:
                    latest[key] = unit.data
                    unchanged.clear()
            elif unit.type == NalType.END_OF_SEQUENCE:
                ended = True
            elif unit.is_coded:
                if ended and unit.type not in IDR_TYPES:
                    slices.append(END_OF_SEQUENCE)  # it changes how the pictures after it decode
                slices.append(self._placed(unit, latest, unchanged) if unit.is_slice and not unit.layer else unit)
                ended = False
        return join(slices)

    def _placed(self, unit: Nal, latest: dict[tuple[int, int], bytes], unchanged: set[int]) -> Nal:
        r = BitReader(rbsp(unit.data, 16))
        try:
            r.u(1 + (unit.type >= 16))
            own = r.ue()
            if own in unchanged:
                return unit
            pps = latest[NalType.PPS, own]
            sps = latest[NalType.SPS, parse_pps(pps)[1].sps_id]
            vps = latest[NalType.VPS, rbsp(sps, 4)[0] >> 4]
            number = self._number(vps, sps, pps)
            if number != own:
                return _renumbered(unit, pps, sps, number)
            unchanged.add(own)
            return unit
        except KeyError as error:
            raise payload_error(
                "hevc.configuration", ELEMENT, "the parameter sets that a slice refers to, before it", "none of that id"
            ) from error
        except PayloadError:
            raise
        except DfcError as error:
            got = f"{error.element}: {error.got}"
            raise payload_error("hevc.configuration", ELEMENT, "parameter sets that parse", got) from error

    def _number(self, vps: bytes, sps: bytes, pps: bytes) -> int:
        """The id of a picture parameter set here: its own, unless another one has it."""
        if sps not in self._sequences:
            self._add_sequence(vps, sps)
        plain = _with_ids(pps, 0, 0)
        if plain not in self._pictures:
            own, taken = parse_pps(pps)[0], set(self._pictures.values())
            free = [own, *range(MAX_PPS)]
            if len(taken) == MAX_PPS:
                raise payload_error(
                    "hevc.configuration", ELEMENT, f"at most {MAX_PPS} different PPSs in all units", "one more"
                )
            self._pictures[plain] = next(number for number in free if number not in taken)
        return self._pictures[plain]

    def _add_sequence(self, vps: bytes, sps: bytes) -> None:
        parsed = parse_sps(sps)
        for _, other in self._sequences.values():
            if parsed.promises.decoding != other.promises.decoding:
                raise payload_error(
                    "hevc.configuration",
                    ELEMENT,
                    "one SPS for all units, but for profile, level and buffers",
                    f"another {_difference(other, parsed)}",
                )
        self._sequences[sps] = vps, parsed

    @property
    def empty(self) -> bool:
        """Whether there was no slice yet."""
        return not self._sequences

    @property
    def configuration(self) -> bytes:
        """VPS, SPS and PPSs for all units.

        Raises:
            PayloadError: no SPS of those that there were holds for all units.
        """
        for sps, (vps, parsed) in self._sequences.items():
            promises = [other.promises for _, other in self._sequences.values()]
            if all(parsed.promises.cover(other) for other in promises):
                pictures = [_with_ids(pps, number, parsed.sps_id) for pps, number in self._pictures.items()]
                return join([Nal(data, 0) for data in (vps, sps, *pictures)])
        raise payload_error(
            "hevc.configuration",
            ELEMENT,
            "an SPS whose profile, level and buffers suffice for all units",
            f"{len(self._sequences)} of which none does",
        )


def separate(stream: bytes) -> tuple[bytes, bytes]:
    """An encoder's byte stream -> (parameter sets once, slices), without what decoding does not need.

    Raises:
        PayloadError: no slices, slices without parameter sets, or parameter sets that cannot be shared.
    """
    sets = SharedSets()
    slices = sets.take(stream)
    if sets.empty:
        raise payload_error("hevc.configuration", ELEMENT, "pictures and their parameter sets", "none")
    return sets.configuration, slices


END_OF_SEQUENCE = Nal(bytes([NalType.END_OF_SEQUENCE << 1, 1]), 0)


def _id(unit: Nal) -> int:
    try:
        if unit.type == NalType.VPS:
            return rbsp(unit.data, 4)[0] >> 4
        return parse_sps(unit.data).sps_id if unit.type == NalType.SPS else BitReader(rbsp(unit.data)).ue()
    except PayloadError:
        raise
    except DfcError as error:
        got = f"{error.element}: {error.got}"
        raise payload_error("hevc.configuration", ELEMENT, "parameter sets that parse", got) from error


def _difference(a: SequenceParameters, b: SequenceParameters) -> str:
    """What makes two sequence parameter sets others, in words."""
    known = {
        f"size ({a.width}x{a.height}, then {b.width}x{b.height})": (a.width, a.height) != (b.width, b.height),
        f"bit depth ({a.bit_depth}, then {b.bit_depth})": a.bit_depth != b.bit_depth,
        "use of sample adaptive offset": a.adaptive_offset != b.adaptive_offset,
        "use of PCM blocks": a.pcm != b.pcm,
        "use of temporal motion vectors": a.temporal_motion != b.temporal_motion,
        "set of reference pictures": (a.poc_bits, a.short_term, a.long_term) != (b.poc_bits, b.short_term, b.long_term),
    }
    return ", ".join(name for name, differs in known.items() if differs) or "block size or coding tool"


def _golomb(value: int) -> str:
    return "0" * ((value + 1).bit_length() - 1) + f"{value + 1:b}"


def _with_ids(pps: bytes, pps_id: int, sps_id: int) -> bytes:
    """H.265 7.3.2.3: a picture parameter set with other ids."""
    data = rbsp(pps)
    r = BitReader(data)
    r.ue()
    r.ue()
    body = bits_of(data)[r.position :].rstrip("0")  # up to the one bit of rbsp_trailing_bits
    return pps[:2] + _escaped(_golomb(pps_id) + _golomb(sps_id) + body)


def _renumbered(unit: Nal, pps: bytes, sps: bytes, number: int) -> Nal:
    """H.265 7.3.6.1: a slice segment that refers to a PPS by another id."""
    start, after, end, _ = header_places(unit, parse_sps(sps), parse_pps(pps)[1])
    bits = bits_of(rbsp(unit.data)[: -(-end // 8)])
    header = _escaped(bits[:start] + _golomb(number) + bits[after:end] + "1")
    # The last byte of a header, which ends with a one bit and zeros up to a byte, is not zero: what follows keeps
    # its emulation prevention, and with it the entry points, which count it.
    return Nal(unit.data[:2] + header + unit.data[raw_length(unit.data, end // 8 + 1) :], unit.place)


def _escaped(bits: str) -> bytes:
    """H.265 7.3.1.1: bits, filled with zeros to whole bytes, with emulation prevention bytes."""
    size = -(-len(bits) // 8)
    data = int(bits.ljust(8 * size, "0"), 2).to_bytes(size, "big")
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", data)
