"""Processes that end before their work is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from processes import alive, children, until


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_workers_end_with_the_process_that_started_them(tmp_path: Path, number: signal.Signals) -> None:
    x = np.random.default_rng(1).standard_normal((400, 64, 28, 28)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-m", "refsw", "encode", "x.npy", "-o", "x.dfc", "--jobs", "2"]
    # The tests may themselves have been started so as to ignore a hangup, which programs inherit.
    heeding = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, preexec_fn=heeding)
    # Until both workers are at work and what they make is being written.
    until(lambda: any(part.stat().st_size > 1000 for part in tmp_path.glob(".x.dfc.*")), process)
    workers = children(process.pid)
    assert len(workers) >= 2
    os.kill(process.pid, number)
    process.wait()
    until(lambda: not any(alive(pid) for pid in workers))
    if number is not signal.SIGKILL:
        assert {path.name for path in tmp_path.iterdir()} == {"x.npy"}
