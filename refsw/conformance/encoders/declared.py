"""13.12.5 What a bitstream declares, and whether less would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from refsw.conformance.digests import with_header
from refsw.errors import DfcError
from refsw.models.state import Model
from refsw.profiles import INTER_PROFILES, PROFILE_CODECS, PROFILE_EXTENSIONS
from refsw.syntax.codes import Level, Profile, since
from refsw.syntax.structures import HEADER_BYTES
from refsw.validation import validate

ELEMENTS = {"version_major", "version_minor", "profile_idc", "level_idc"}
REQUIREMENTS = ("profile.", "level.")
MAJOR, MINOR, PROFILE, LEVEL = 4, 5, 6, 7


@dataclass(frozen=True, slots=True)
class Declared:
    """The header of a bitstream, and the narrowest one that it would conform to as well."""

    version: str
    profile: str
    level: int
    narrowest_profile: str
    narrowest_level: int

    def as_dict(self) -> dict[str, Any]:
        """As results.json has it."""
        return {
            "version": self.version, "profile": self.profile, "level": self.level,
            "narrowest_profile": self.narrowest_profile, "narrowest_level": self.narrowest_level,
        }  # fmt: skip

    def notes(self) -> list[str]:
        """What is wider than it has to be."""
        out = []
        if self.narrowest_profile != self.profile:
            out.append(f"it declares profile {self.profile}; {self.narrowest_profile} would do")
        if self.narrowest_level != self.level:
            out.append(f"it declares level {self.level}; {self.narrowest_level} would do")
        return out


def is_about_the_header(error: DfcError) -> bool:
    """Whether an error is one of what the header declares."""
    return error.element in ELEMENTS or error.requirement.startswith(REQUIREMENTS)


def declared(data: bytes, base: Model | None) -> Declared:
    """The header of a bitstream that conforms, and what would do."""
    profile, level = Profile(data[PROFILE]), Level(data[LEVEL])
    narrow = next((p for p in _narrower(profile) if _conforms(data, p, level, base)), profile)
    low = next((lower for lower in Level if lower >= level or _conforms(data, narrow, lower, base)), level)
    return Declared(f"{data[MAJOR]}.{data[MINOR]}", profile.name, level.value, narrow.name, low.value)


def _narrower(profile: Profile) -> list[Profile]:
    """The profiles that have less, those of the oldest version and with the least first."""
    less = [other for other in Profile if other is not Profile.MODEL and _tools(other) < _tools(profile)]
    return sorted(less, key=lambda other: (since(other), len(_tools(other))))


def _tools(profile: Profile) -> set[object]:
    inter = {"inter"} if profile in INTER_PROFILES else set()
    return {*PROFILE_CODECS[profile], *PROFILE_EXTENSIONS[profile], *inter}


def _conforms(data: bytes, profile: Profile, level: Level, base: Model | None) -> bool:
    header = bytearray(data[: HEADER_BYTES - 4])
    header[MINOR], header[PROFILE], header[LEVEL] = since(profile), profile, level
    return not validate(with_header(data, bytes(header)), base=base).found
