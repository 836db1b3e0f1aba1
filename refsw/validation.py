"""Every requirement of chapters 5 to 11 that a bitstream can break, checked, with all violations reported.

Nothing is judged here: the decoders of features and of model updates report every violation, and go on where they can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from refsw.errors import DfcError, ErrorClass, ModelStateError, SemanticError, UnsupportedError
from refsw.features.decoder import Decoder, DecoderLimits
from refsw.files import Bitstream, opened
from refsw.models.apply import Applier, applied
from refsw.models.directory import Directory
from refsw.models.reader import ModelReader
from refsw.models.state import Model
from refsw.models.update import ApplyLimits
from refsw.named import Known
from refsw.profiles import MODEL_PROFILES, Allowance
from refsw.syntax.codes import Level, Profile
from refsw.syntax.units import UnitReader

MAX_VIOLATIONS = 1000


@dataclass
class Report:
    """What validation found.

    `found` holds every error in the order in which it was met; the first one is that with which a decoder ends.
    """

    found: list[DfcError] = field(default_factory=list)
    profile: Profile | None = None
    level: Level | None = None
    samples: dict[str, int] = field(default_factory=dict)
    updates: int = 0

    @property
    def violations(self) -> list[DfcError]:
        """The requirements that the bitstream breaks."""
        return [error for error in self.found if not _is_ours(error)]

    @property
    def unsupported(self) -> list[DfcError]:
        """What could not be checked here; it is no violation."""
        return [error for error in self.found if _is_ours(error)]

    @property
    def conforming(self) -> bool:
        """Whether the bitstream breaks no requirement, as far as could be checked."""
        return not self.violations

    @property
    def exit_code(self) -> int:
        """0 conforming; else that of the first error: 65 not conforming, 69 not supported here, as a decoder has it."""
        return self.found[0].exit_code if self.found else 0

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


def _is_ours(error: DfcError) -> bool:
    """Whether it is this decoder, or the model given to it, that falls short, and not the bitstream."""
    return error.exit_code == UnsupportedError.exit_code or isinstance(error, ModelStateError)


class _EnoughError(Exception):
    """More violations than anyone reads."""


def validate(
    data: Bitstream,
    *,
    profile: Profile | None = None,
    level: Level | None = None,
    hevc_decoder: str | None = None,
    base: Model | None = None,
    allowance: Allowance | None = None,
    known: Known | None = None,
) -> Report:
    """Check a bitstream against every requirement, in memory bounded by its level.

    Args:
        data: the bitstream, an open file or pipe, or the path of one.
        profile, level: what the bitstream must conform to; by default what it declares.
        hevc_decoder: command of an external HEVC decoder (8.4.7).
        base: the model that model updates start from; without it their values cannot be checked.
        allowance: work and memory for a bitstream of its length; what asks for more is not decoded, but unsupported.
        known: what bitstreams name by digest, by SHA-256 digest (5.8).
    """
    allowance = allowance or Allowance()
    report = Report()

    def note(error: DfcError) -> None:
        if isinstance(error, ModelStateError) and base is None:
            error = _no_base(error)
        report.found.append(error)
        if len(report.found) >= MAX_VIOLATIONS:
            raise _EnoughError

    try:
        with opened(data) as stream:
            units = UnitReader(stream, report=note)
            report.profile, report.level = units.header.profile, units.header.level
            if profile is not None and units.header.profile is not profile:
                note(_declared("profile.declared", "profile_idc", 48, profile, units.header.profile))
            if level is not None and units.header.level > level:
                note(_declared("level.declared", "level_idc", 56, level, units.header.level))
            if units.header.profile in MODEL_PROFILES:
                applier = Applier(base, ApplyLimits(allowance=allowance))
                for content in applied(ModelReader(units, report=note), applier):  # the results are thrown away
                    report.updates += isinstance(content, Directory)
            else:
                limits = DecoderLimits(allowance=allowance)
                _features(Decoder(units, limits, hevc_decoder, report=note, known=known or {}), report)
    except _EnoughError:
        pass
    except DfcError as error:
        report.found.append(error)
    return report


def _features(decoder: Decoder, report: Report) -> None:
    try:
        for _ in decoder:
            pass
    finally:
        report.samples = decoder.sample_counts


def _no_base(error: DfcError) -> DfcError:
    """The values of an update are out of reach, which is no fault of the bitstream."""
    return UnsupportedError(
        error.error_class, error.requirement, error.element, error.bit_offset, expected=error.expected, got=error.got
    )


def _declared(requirement: str, element: str, offset: int, wanted: IntEnum, got: IntEnum) -> DfcError:
    return SemanticError(ErrorClass.OUT_OF_RANGE, requirement, element, offset, expected=wanted.name, got=got.name)
