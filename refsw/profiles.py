"""Chapter 11: profiles, levels and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from refsw.errors import CapacityError, ErrorClass
from refsw.syntax.codes import Level, PayloadCodec, Profile

_BYTES = frozenset({PayloadCodec.STORED, PayloadCodec.ZLIB, PayloadCodec.GZIP, PayloadCodec.LZMA})
_IMAGES = frozenset({PayloadCodec.PNG, PayloadCodec.JPEG, PayloadCodec.JPEG2000})
_HEVC = frozenset({PayloadCodec.HEVC})

PROFILE_CODECS: dict[Profile, frozenset[PayloadCodec]] = {
    Profile.INTRA: _HEVC,
    Profile.INTER: _HEVC,
    Profile.LOSSLESS: _BYTES,
    Profile.IMAGE: _IMAGES,
    Profile.EXTENDED: _HEVC | _BYTES | _IMAGES | {PayloadCodec.VVC},
    Profile.MODEL: frozenset(),
    Profile.RESILIENT: _HEVC | _BYTES,
    Profile.NATIVE: frozenset({PayloadCodec.NATIVE}) | _BYTES,
    Profile.COMPLETE: frozenset(PayloadCodec),
    Profile.MODEL_EXTENDED: frozenset(),
    Profile.SCALABLE: _HEVC | _BYTES | {PayloadCodec.NATIVE},
}
"""11.2 The payload codecs that a profile allows."""

INTER_PROFILES = frozenset({Profile.INTER, Profile.EXTENDED, Profile.COMPLETE})
"""11.2 The profiles in which a picture may be predicted from another one."""

MODEL_PROFILES = frozenset({Profile.MODEL, Profile.MODEL_EXTENDED})
"""11.2 The profiles of model updates."""


class Extension(StrEnum):
    """6.12 What a feature parameter set may have beyond version 1.0."""

    PARTS = "parts"
    LAYERS = "layers"
    TIME_PREDICTION = "time prediction"
    CHANNEL_TRANSFORM = "channel transform"


PROFILE_EXTENSIONS: dict[Profile, frozenset[Extension]] = dict.fromkeys(Profile, frozenset[Extension]()) | {
    Profile.RESILIENT: frozenset({Extension.PARTS}),
    Profile.NATIVE: frozenset({Extension.PARTS, Extension.TIME_PREDICTION}),
    Profile.SCALABLE: frozenset({Extension.LAYERS, Extension.TIME_PREDICTION}),
    Profile.COMPLETE: frozenset(Extension),
}
"""11.2 The extensions that a profile allows."""


@dataclass(frozen=True, slots=True)
class LevelLimits:
    """11.3 The limits of a level, all inclusive.

    Args:
        sample_elements: elements C x H x W of one sample.
        unit_elements: elements of all samples of one feature data unit.
        picture_side: width and height of a coded picture.
        picture_elements: width x height of a coded picture.
        unit_pictures: pictures of one feature data unit.
        unit_bytes: bytes of one unit body.
        parameter_sets: feature parameter sets, that is tensors, of a bitstream.
        sample_parts: parts of one sample.
        layers: layers that a sample is made of.
        transform_entries: entries of the basis of a channel transform.
        model_tensors: tensors of the base, and of the result, of a model update.
        model_elements: elements of all tensors of the result.
        model_unit_elements: elements of the coded tensors of one model data unit.
    """

    sample_elements: int
    unit_elements: int
    picture_side: int
    picture_elements: int
    unit_pictures: int
    unit_bytes: int
    parameter_sets: int
    sample_parts: int
    layers: int
    transform_entries: int
    model_tensors: int
    model_elements: int
    model_unit_elements: int


LEVELS: dict[Level, LevelLimits] = {
    Level.L1: LevelLimits(
        sample_elements=2**20,
        unit_elements=2**22,
        picture_side=4096,
        picture_elements=2**22,
        unit_pictures=2**12,
        unit_bytes=2**25,
        parameter_sets=8,
        sample_parts=2**12,
        layers=4,
        transform_entries=2**20,
        model_tensors=2**12,
        model_elements=2**26,
        model_unit_elements=2**24,
    ),
    Level.L2: LevelLimits(
        sample_elements=2**24,
        unit_elements=2**26,
        picture_side=8192,
        picture_elements=2**25,
        unit_pictures=2**14,
        unit_bytes=2**29,
        parameter_sets=16,
        sample_parts=2**14,
        layers=8,
        transform_entries=2**22,
        model_tensors=2**16,
        model_elements=2**30,
        model_unit_elements=2**27,
    ),
    Level.L3: LevelLimits(
        sample_elements=2**28,
        unit_elements=2**28,
        picture_side=16384,
        picture_elements=2**28,
        unit_pictures=2**16,
        unit_bytes=2**31,
        parameter_sets=64,
        sample_parts=2**16,
        layers=16,
        transform_entries=2**24,
        model_tensors=2**20,
        model_elements=2**34,
        model_unit_elements=2**30,
    ),
}
"""11.3 The limits by level."""


def default_profile(codecs: set[PayloadCodec], extensions: set[Extension], inter: bool) -> Profile:
    """Informative: the narrowest profile, of the earliest version, that allows all of the codecs and extensions."""
    for profile, allowed in PROFILE_CODECS.items():
        fits = codecs <= allowed and extensions <= PROFILE_EXTENSIONS[profile]
        if profile is not Profile.COMPLETE and fits and (not inter or profile in INTER_PROFILES):
            return profile
    return Profile.COMPLETE


# --- 11.4 Limits of a decoder ---


@dataclass(frozen=True, slots=True)
class Allowance:
    """11.4 What a decoder spends on a bitstream: some work and memory at once, and more for every byte of it.

    A few bytes can ask for as much as the level allows; these bounds keep what they get in proportion. A unit of work
    is about what it takes to write a byte.

    Args:
        factor: all the others times this; 0: no bounds.
        work, work_per_byte: units of work for the whole bitstream.
        memory, memory_per_byte: bytes of memory for a unit, and for each of its bytes.
    """

    factor: float = 1.0
    work: int = 5 << 27
    work_per_byte: int = 1 << 16
    memory: int = 1 << 28
    memory_per_byte: int = 1 << 13


class Meter:
    """11.4 What has been spent of an allowance.

    Args:
        allowance: what may be spent.
        read: gives the bytes that have been read so far.
    """

    def __init__(self, allowance: Allowance, read: Callable[[], int]) -> None:
        self.allowance, self.read = allowance, read
        self.spent = 0

    def work(self, units: int, element: str, offset: int | None) -> None:
        """Spend work, before it is done.

        Raises:
            CapacityError: there is not so much left.
        """
        self.spent += units
        most = self.allowance.work + self.allowance.work_per_byte * self.read()
        self._check(self.spent, most, f"units of work for {self.read()} bytes", element, offset)

    def memory(self, wanted: int, unit_bytes: int, element: str, offset: int | None) -> None:
        """Ask for bytes of memory for a unit, before they are taken.

        Raises:
            CapacityError: it is too much for a unit of so many bytes.
        """
        most = self.allowance.memory + self.allowance.memory_per_byte * unit_bytes
        self._check(wanted, most, f"bytes of memory for {unit_bytes} bytes", element, offset)

    def _check(self, wanted: int, most: int, what: str, element: str, offset: int | None) -> None:
        factor = self.allowance.factor
        if factor and wanted > factor * most:
            raise CapacityError(
                ErrorClass.RESOURCE_LIMIT, "level.capacity", element, offset,
                expected=f"at most {int(factor * most)} {what}, as this decoder was told (--max-work allows more)",
                got=str(wanted),
            )  # fmt: skip
