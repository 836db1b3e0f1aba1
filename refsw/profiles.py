"""Chapter 11: profiles, levels and limits."""

from __future__ import annotations

from dataclasses import dataclass

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
}
"""11.2 The payload codecs that a profile allows."""

INTER_PROFILES = frozenset({Profile.INTER, Profile.EXTENDED})
"""11.2 The profiles in which a picture may be predicted from another one."""


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
    model_tensors: int
    model_elements: int
    model_unit_elements: int


LEVELS: dict[Level, LevelLimits] = {
    Level.L1: LevelLimits(2**20, 2**22, 4096, 2**22, 2**12, 2**25, 8, 2**12, 2**26, 2**24),
    Level.L2: LevelLimits(2**24, 2**26, 8192, 2**25, 2**14, 2**29, 16, 2**16, 2**30, 2**27),
    Level.L3: LevelLimits(2**28, 2**28, 16384, 2**28, 2**16, 2**31, 64, 2**20, 2**34, 2**30),
}
"""11.3 The limits by level."""


def default_profile(codecs: set[PayloadCodec], inter: bool) -> Profile:
    """Informative: the narrowest profile that allows all of the codecs."""
    for profile, allowed in PROFILE_CODECS.items():
        if codecs <= allowed and (not inter or profile in INTER_PROFILES):
            return profile
    return Profile.EXTENDED
