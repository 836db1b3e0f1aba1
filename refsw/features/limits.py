"""11.2, 11.3 A parameter set against the profile and the limits of the level."""

from __future__ import annotations

from collections.abc import Iterator

from refsw.errors import DfcError, ErrorClass, LimitError, SemanticError
from refsw.features.parameters import Parameters
from refsw.features.transform_values import layout_error
from refsw.profiles import LEVELS, PROFILE_CODECS, PROFILE_EXTENSIONS, Extension, LevelLimits
from refsw.syntax.codes import Level, Profile
from refsw.tensor.repack import Packing


def check_limits(p: Parameters, profile: Profile, level: Level, offset: int | None) -> Iterator[DfcError]:
    """11.2, 11.3 The parameter set against the profile and the level."""
    if p.payload_codec not in PROFILE_CODECS[profile]:
        yield SemanticError(
            ErrorClass.LAYOUT_MISMATCH,
            "profile.codec",
            "payload_codec",
            offset,
            expected=f"a codec of profile {profile.name}",
            got=p.payload_codec.name,
        )
    # The flags of other extensions say which profiles have them (6.12).
    for extension, flag, present in (
        (Extension.PARTS, "parts_flag", p.parts is not None),
        (Extension.CHANNEL_TRANSFORM, "channel_transform_flag", p.transform is not None),
    ):
        if present and extension not in PROFILE_EXTENSIONS[profile]:
            yield layout_error("profile.extension", flag, f"an extension of profile {profile.name}", extension, offset)
    yield from size_limits(p.elements, p.packing, LEVELS[level], offset)
    if p.transform is not None:
        entries = p.transform.components * p.transform.channels(p.axes.channels)
        yield from over(LEVELS[level], "transform_entries", entries, "component_count", offset)
    if p.parts is not None:
        yield from over(LEVELS[level], "sample_parts", p.parts.count, "channel_groups_minus1", offset)


def size_limits(elements: int, packing: Packing, limits: LevelLimits, offset: int | None) -> Iterator[DfcError]:
    """11.3 The size of a sample and of its pictures against a level."""
    side = max(packing.coded_height, packing.coded_width)
    picture = packing.coded_height * packing.coded_width
    yield from over(limits, "sample_elements", elements, "axis_extent_minus1", offset)
    yield from over(limits, "picture_side", side, "coded_width_minus1", offset)
    yield from over(limits, "picture_elements", picture, "coded_width_minus1", offset)


def over(limits: LevelLimits, name: str, value: int, element: str, offset: int | None) -> Iterator[DfcError]:
    """A LimitError if `value` exceeds the limit of that name (11.3)."""
    limit = getattr(limits, name)
    if value > limit:
        requirement = "level." + name.replace("_", "-")
        expected, got = f"at most {limit} at this level", str(value)
        yield LimitError(ErrorClass.RESOURCE_LIMIT, requirement, element, offset, expected=expected, got=got)
