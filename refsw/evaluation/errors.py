"""Informative: why a measure cannot be taken."""

from __future__ import annotations

from refsw.errors import RefswError


class EvaluationError(RefswError):
    """A measure is not defined for what it was given (exit 1: the work was done, the figure cannot be)."""

    exit_code = 1


class CurveError(EvaluationError):
    """Two rate-distortion curves cannot be compared, or one is none."""


class NetworkError(EvaluationError):
    """A network is not what it was taken for: a cut that does not separate it, weights of another network."""

    exit_code = 2


class DatasetError(EvaluationError):
    """Files of a data set are missing, damaged, or not laid out as they should be (exit 66)."""

    exit_code = 66


class ArchiveError(EvaluationError):
    """An archive of a run or of features is none, is damaged, or is none that anyone should unpack (exit 65)."""

    exit_code = 65
