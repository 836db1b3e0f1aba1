"""Processes that end before their work is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from processes import alive, children


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_workers_end_with_the_process_that_started_them(tmp_path: Path, number: signal.Signals) -> None:
    x = np.random.default_rng(1).standard_normal((400, 64, 28, 28)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    command = [str(Path(sys.executable).parent / "refsw"), "encode", "x.npy", "-o", "x.dfc", "--jobs", "2"]
    # The tests may themselves have been started so as to ignore a hangup, which programs inherit.
    heeding = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, preexec_fn=heeding)
    deadline = time.monotonic() + 30
    while not any(part.stat().st_size > 1000 for part in tmp_path.glob(".x.dfc.*")) and time.monotonic() < deadline:
        time.sleep(0.05)  # until both workers are at work and what they make is being written
    workers = children(process.pid)
    assert len(workers) >= 2
    os.kill(process.pid, number)
    process.wait(timeout=60)
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in workers if alive(pid)] == []
    if number is not signal.SIGKILL:
        assert {path.name for path in tmp_path.iterdir()} == {"x.npy"}
