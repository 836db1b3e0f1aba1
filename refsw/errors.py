"""Chapter 12: what a decoder reports about input that it cannot decode.

Every error that bad input can cause is a `DfcError` of one of the phases below. It carries the id of
the requirement that the input breaks, the syntax element, the bit offset in the bitstream, what was
expected and what was there, and explains itself in one paragraph.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, ClassVar

from refsw.text import sentence, shown

LONGEST_OPERAND = 300
"""Characters of an error's element and values that its message shows."""


class ErrorClass(StrEnum):
    """12.3 The class of an error: what is wrong with the input."""

    TRUNCATED = "TRUNCATED"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNSUPPORTED_VERSION = "UNSUPPORTED_VERSION"
    RESERVED_VALUE = "RESERVED_VALUE"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    RANGE_ORDER = "RANGE_ORDER"
    NONFINITE = "NONFINITE"
    LENGTH_MISMATCH = "LENGTH_MISMATCH"
    LAYOUT_MISMATCH = "LAYOUT_MISMATCH"
    CRC_MISMATCH = "CRC_MISMATCH"
    PAYLOAD_ERROR = "PAYLOAD_ERROR"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    BASE_MODEL_MISMATCH = "BASE_MODEL_MISMATCH"
    TRAILING_DATA = "TRAILING_DATA"
    RESOURCE_LIMIT = "RESOURCE_LIMIT"


class RefswError(Exception):
    """Base of every error that refsw raises on purpose.

    Its message is one paragraph and fit to be shown, whatever names it repeats; `args` has them as they are.
    `exit_code` is what the command line ends with.
    """

    exit_code: ClassVar[int] = 70

    def __str__(self) -> str:
        return sentence(super().__str__())


class UsageError(RefswError):
    """The caller asked for something that does not exist or does not go together (exit 2)."""

    exit_code = 2


class FeatureError(RefswError):
    """A feature tensor cannot be coded as asked: NaN, infinity, wrong shape or dtype (exit 65)."""

    exit_code = 65


class CodecError(RefswError):
    """An encoder, or a program run by command, failed or did not do what was asked of it (exit 69)."""

    exit_code = 69


class CoarseStepWarning(UserWarning):
    """Features whose range is set by a few channels are coded so coarsely that nothing of the others is left."""

    def __str__(self) -> str:
        return sentence(super().__str__())


class DfcError(RefswError):
    """A bitstream that cannot be decoded.

    Args:
        error_class: what is wrong (12.3).
        requirement: id of the requirement in spec/ that is broken, for example ``unit.crc``.
        element: the syntax element or the part of the bitstream that is concerned.
        bit_offset: position of that element, in bits from the start of the bitstream; None if unknown.
        expected, got: what the requirement asks for and what was there.
    """

    exit_code = 65
    phase: ClassVar[str] = "parse"

    def __init__(
        self,
        error_class: ErrorClass,
        requirement: str,
        element: str,
        bit_offset: int | None,
        *,
        expected: str,
        got: str,
    ) -> None:
        super().__init__(error_class, requirement, element, bit_offset, expected, got)
        self.error_class = error_class
        self.requirement = requirement
        self.element = element
        self.bit_offset = bit_offset
        self.expected = expected
        self.got = got

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive the default pickling between worker processes.
        return (_rebuild, (type(self), self.as_dict()))

    def __str__(self) -> str:
        where = ""
        if self.bit_offset is not None:
            where = f" at byte {self.bit_offset // 8} (bit {self.bit_offset})"
        element, expected, got = (shown(text, LONGEST_OPERAND) for text in (self.element, self.expected, self.got))
        return (
            f"{self.error_class} in {element}{where}: expected {expected}, got {got} "
            f"[requirement {self.requirement}, phase {self.phase}]"
        )

    def as_dict(self) -> dict[str, Any]:
        """The fields of the error as JSON types."""
        return {
            "phase": self.phase,
            "class": str(self.error_class),
            "requirement": self.requirement,
            "element": self.element,
            "bit_offset": self.bit_offset,
            "expected": self.expected,
            "got": self.got,
        }

    def to_json(self) -> str:
        """The error on one line, for machines."""
        return json.dumps(self.as_dict())


def _rebuild(kind: type[DfcError], fields: dict[str, Any]) -> DfcError:
    return kind(
        ErrorClass(fields["class"]),
        fields["requirement"],
        fields["element"],
        fields["bit_offset"],
        expected=fields["expected"],
        got=fields["got"],
    )


class ParseError(DfcError):
    """The bits do not follow the syntax (malformed)."""

    phase = "parse"


class SemanticError(DfcError):
    """The syntax is right, a value or a combination of values is not allowed (invalid)."""

    phase = "semantic"


class PayloadError(DfcError):
    """The payload codec's data does not decode to the pictures that the unit promises."""

    phase = "payload"


class ModelStateError(DfcError):
    """The receiver's model is not the one that the bitstream needs."""

    phase = "model_state"


class UnsupportedError(DfcError):
    """Valid as far as known, but this decoder does not implement it (exit 69)."""

    phase = "unsupported"
    exit_code = 69


class LimitError(DfcError):
    """The bitstream exceeds the limits of the level that it declares."""

    phase = "limit"


class CapacityError(LimitError):
    """The bitstream stays within its level, but exceeds what this decoder was told to accept (exit 69)."""

    exit_code = 69
