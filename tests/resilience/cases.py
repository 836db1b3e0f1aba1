"""What the tests of concealment share."""

from __future__ import annotations

import pytest

from refsw.resilience import METHODS

NEEDS = {"altec": "weights"}
"""Methods that need more than a tensor and its mask, and what."""
GENERAL = [name for name in METHODS if name not in NEEDS]
PACKAGES = {"navier-stokes": "cv2", "telea": "cv2", "fcp": "tensorly"}


def runnable(name: str) -> None:
    """Skip a test of a method whose package is not installed."""
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason=f"{name} needs {PACKAGES[name]}")
