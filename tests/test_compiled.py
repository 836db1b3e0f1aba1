"""Loops that numba compiles where it is installed: chosen by a switch, and never a condition."""

from __future__ import annotations

import subprocess
import sys

import pytest

from refsw.compiled import SWITCH, compiled
from refsw.entropy import loops
from refsw.errors import UsageError


def test_the_switch_leaves_numba_out(monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    assert compiled(loops.decode) is None


def test_the_switch_knows_two_values(monkeypatch):
    monkeypatch.setenv(SWITCH, "yes")
    with pytest.raises(UsageError, match="REFSW_COMPILED=yes: 0 leaves numba out, 1 insists on it"):
        compiled(loops.decode)


def test_numba_that_is_insisted_on_and_missing_is_told_with_its_extra():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from refsw.compiled import compiled; from refsw.entropy import loops\n"
        "assert compiled(loops.decode) is None\n"
        f"import os; os.environ['{SWITCH}'] = '1'; compiled(loops.decode)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UsageError: this needs numba, which is not installed: pip install 'refsw[speed]'" in done.stderr


def test_machine_code_needs_no_folder_to_be_kept_in(tmp_path):
    """Neither beside the module, nor in the cache of the user."""
    pytest.importorskip("numba")
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
        "from refsw.compiled import compiled; from refsw.entropy import loops\n"
        "print(compiled(loops.encode) is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
