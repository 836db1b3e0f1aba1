"""Optional packages."""

from __future__ import annotations

import subprocess
import sys

import pytest

import refsw.evaluation
from refsw.errors import UsageError
from refsw.evaluation.bdrate import Curve, bd_rate
from refsw.extras import optional

EXTRAS = (
    "scipy",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "torch",
    "pycocotools",
    "sklearn",
    "pandas",
    "dask",
    "openpyxl",
    "cv2",
    "tensorly",
    "numba",
)


def test_a_package_that_is_there_is_given():
    assert optional("json.decoder") is sys.modules["json.decoder"]


def test_a_package_that_is_missing_is_named_with_its_extra():
    with pytest.raises(UsageError, match=r"needs no_such_package, .* pip install 'refsw\[anchors\]'"):
        optional("no_such_package.part")


def test_a_package_with_another_name_than_its_module_is_named_as_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UsageError, match=r"needs opencv-python-headless, .* pip install 'refsw\[resilience\]'"):
        optional("cv2")


def test_a_package_that_misses_another_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_a_package.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        optional("half_a_package")


def test_bd_rate_without_scipy_is_a_usage_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.delitem(sys.modules, "scipy.interpolate", raising=False)
    curve = Curve("curve", (1, 2, 4, 8), (1, 2, 3, 4))
    with pytest.raises(UsageError, match="needs scipy"):
        bd_rate(curve, curve)


def test_the_metrics_need_no_optional_package():
    code = f"import sys, refsw.evaluation; sys.exit(bool(set(sys.modules) & {set(EXTRAS)!r}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_metric_is_found_where_the_documentation_says():
    assert all(hasattr(refsw.evaluation, name) for name in refsw.evaluation.__all__)
