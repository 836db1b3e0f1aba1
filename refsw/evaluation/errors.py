"""Informative: why a measure cannot be taken."""

from __future__ import annotations

from refsw.errors import RefswError


class EvaluationError(RefswError):
    """A measure is not defined for what it was given (exit 1: the work was done, the figure cannot be)."""

    exit_code = 1


class CurveError(EvaluationError):
    """Two rate-distortion curves cannot be compared, or one is none."""
