"""8.6 Errors of the structures within a native payload."""

from __future__ import annotations

from refsw.errors import DfcError, ErrorClass
from refsw.payload.base import payload_error


def of_payload(error: DfcError, incomplete: str) -> DfcError:
    """An error of an element as one of the payload; `incomplete` is the requirement that all elements are there."""
    cut = error.error_class is ErrorClass.TRUNCATED
    return payload_error(incomplete if cut else error.requirement, error.element, error.expected or "",
                         error.got or "", error.error_class, error.bit_offset)  # fmt: skip
