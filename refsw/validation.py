"""Every requirement of chapters 5 to 11 that a bitstream can break, checked, with all violations reported."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, BinaryIO

from refsw.errors import DfcError, ErrorClass, ModelStateError, PayloadError, SemanticError
from refsw.features.decoder import check_digest, name_twice
from refsw.features.digest import RunningDigest
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader, DigestContent
from refsw.features.reconstruct import UnitContent, decode_unit, locate
from refsw.models.apply import Applier
from refsw.models.directory import Directory
from refsw.models.reader import ModelReader
from refsw.models.state import Model
from refsw.payload.base import DecoderSettings
from refsw.payload.registry import codec
from refsw.syntax.codes import DigestKind, Level, Profile
from refsw.syntax.units import UnitReader

MAX_VIOLATIONS = 1000


@dataclass
class Report:
    """What validation found.

    `unsupported` holds what this implementation could not check; it is no violation.
    """

    violations: list[DfcError] = field(default_factory=list)
    unsupported: list[DfcError] = field(default_factory=list)
    profile: Profile | None = None
    level: Level | None = None
    samples: dict[str, int] = field(default_factory=dict)
    updates: int = 0

    @property
    def conforming(self) -> bool:
        """Whether the bitstream breaks no requirement, as far as could be checked."""
        return not self.violations

    @property
    def exit_code(self) -> int:
        """0 conforming, 65 not, 69 conforming as far as this implementation can tell."""
        return 65 if self.violations else 69 if self.unsupported else 0

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "conforming": self.conforming,
            "profile": self.profile.name.lower() if self.profile else None,
            "level": self.level.value if self.level else None,
            "samples": self.samples,
            "updates": self.updates,
            "violations": [error.as_dict() for error in self.violations],
            "unsupported": [error.as_dict() for error in self.unsupported],
        }


class _EnoughError(Exception):
    """More violations than anyone reads."""


def validate(
    data: bytes | BinaryIO,
    *,
    profile: Profile | None = None,
    level: Level | None = None,
    hevc_decoder: str | None = None,
    base: Model | None = None,
) -> Report:
    """Check a bitstream against every requirement, in memory bounded by its level.

    Args:
        data: the bitstream, or a file or pipe.
        profile, level: what the bitstream must conform to; by default what it declares.
        hevc_decoder: command of an external HEVC decoder (8.4.7).
        base: the model that model updates start from; without it their values cannot be checked.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
    report = Report()
    validator = _Validator(report, hevc_decoder, base)
    try:
        validator.run(stream, profile, level)
    except _EnoughError:
        pass
    except DfcError as error:
        validator.note(error, enough=False)
    return report


class _Validator:
    def __init__(self, report: Report, hevc_decoder: str | None, base: Model | None) -> None:
        self.report = report
        self.base = base
        self.settings = DecoderSettings(hevc_decoder)
        self.names: set[str] = set()
        self.digests: dict[tuple[int, DigestKind], RunningDigest] = {}
        self.broken: set[int] = set()

    def note(self, error: DfcError, *, enough: bool = True) -> None:
        unsupported = error.exit_code == 69
        (self.report.unsupported if unsupported else self.report.violations).append(error)
        if enough and len(self.report.violations) >= MAX_VIOLATIONS:
            raise _EnoughError

    def run(self, stream: BinaryIO, profile: Profile | None, level: Level | None) -> None:
        units = UnitReader(stream, report=self.note)
        self.report.profile, self.report.level = units.header.profile, units.header.level
        model = units.header.profile is Profile.MODEL
        reader = ModelReader(units, report=self.note) if model else BitstreamReader(units, report=self.note)
        if profile is not None and reader.header.profile is not profile:
            self.note(_declared("profile.declared", "profile_idc", 48, profile, reader.header.profile))
        if level is not None and reader.header.level > level:
            self.note(_declared("level.declared", "level_idc", 56, level, reader.header.level))
        if isinstance(reader, ModelReader):
            self.updates(reader)
            return
        for content in reader:
            if isinstance(content, Parameters):
                self.parameters(content, reader.header.profile)
            elif isinstance(content, UnitContent):
                self.unit(content, reader.header.profile)
            elif isinstance(content, DigestContent):
                self.digest(content)

    def updates(self, reader: ModelReader) -> None:
        """10.9 The updates are applied, and the results thrown away."""
        applier: Applier | None = Applier(self.base)
        for content in reader:
            self.report.updates += isinstance(content, Directory)
            if applier is None:
                continue  # an update before could not be applied
            try:
                applier.feed(content, reader.limits)
            except DfcError as error:
                self.note(error)
                applier = None
        if applier is None or not applier.seen or self.report.violations:
            return
        try:
            applier.finish()
        except ModelStateError as error:
            # Not a fault of the bitstream: the values are simply out of reach.
            self.report.unsupported.append(error)
        except DfcError as error:
            self.note(error)

    def parameters(self, p: Parameters, profile: Profile) -> None:
        """The configuration is checked even if all samples turn out to be constant."""
        for error in codec(p.payload_codec).check(p.configuration, memoryview(b""), 0, p.picture_format(profile)):
            self.broken.add(p.id)
            self.note(error)
        if p.name in self.names:
            self.note(name_twice(p))
        self.names.add(p.name)
        self.report.samples[p.name] = 0
        for kind in p.digests:
            self.digests[p.id, kind] = RunningDigest(p, kind)

    def unit(self, content: UnitContent, profile: Profile) -> None:
        p = content.parameters
        self.report.samples[p.name] += content.samples
        count = sum(content.pictures)
        if p.id in self.broken or (not count and not p.digests and not content.payload):
            return  # nothing that could be decoded, or nothing to decode
        if count:
            picture_format = p.picture_format(profile)
            implementation = codec(p.payload_codec)
            errors = implementation.check(p.configuration, memoryview(content.payload), count, picture_format)
            for error in errors:
                self.note(locate(error, content.payload_offset))
            if errors:
                self.broken.add(p.id)
                return
        try:
            decoded = decode_unit(content, profile, self.settings)
        except DfcError as error:
            self.broken.add(p.id)
            if isinstance(error, PayloadError) or error.exit_code == 69:
                self.note(error)
                return
            raise
        for levels, elements in decoded:
            for kind in p.digests:
                self.digests[p.id, kind].add(levels, elements)

    def digest(self, content: DigestContent) -> None:
        running = self.digests.get((content.parameters.id, content.kind))
        if running is None or content.parameters.id in self.broken or running.samples != content.samples:
            return  # what the digest is over could not be decoded; that is noted already
        try:
            check_digest(content, running)
        except SemanticError as error:
            self.note(error)


def _declared(requirement: str, element: str, offset: int, wanted: IntEnum, got: IntEnum) -> DfcError:
    return SemanticError(ErrorClass.OUT_OF_RANGE, requirement, element, offset, expected=wanted.name, got=got.name)
