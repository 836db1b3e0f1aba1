"""Commands that run as a user runs them, in this process or in one of their own, and what they need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

import refsw
from refsw.cli import main as entry

LOSSLESS = ("--payload", "zlib", "--quantizer", "none")


class Outcome:
    """What a command said and ended with."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def ok(self) -> Outcome:
        assert self.code == 0, self.err
        assert self.err == ""
        return self

    def failed(self, code: int) -> Outcome:
        """It ended with that code and one paragraph on standard error."""
        assert self.code == code, f"{self.code}: {self.err}"
        assert "Traceback" not in self.err
        assert "internal error" not in self.err
        assert self.err.strip()
        return self


Run = Callable[..., Outcome]


@pytest.fixture(name="run")
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """A command in this process, in a folder of its own, ended by `main` as a process would be."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["refsw", *map(str, words)])
        monkeypatch.setattr(os, "_exit", sys.exit)
        with pytest.raises(SystemExit) as ended:
            entry.main()
        out, err = capfd.readouterr()
        return Outcome(ended.value.code if isinstance(ended.value.code, int) else 0, out, err)

    terminated = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, terminated)


def process(
    *words: object, data: bytes = b"", cwd: Path | None = None, **more: Any
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from refsw.cli.main import main; main()", *map(str, words)]
    return subprocess.run(command, input=data, capture_output=True, check=False, cwd=cwd, **more)


def features(*shape: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32).round(2)


@pytest.fixture(name="stream")
def two_samples(tmp_path: Path) -> Path:
    """Two samples, lossless, with a digest."""
    path = tmp_path / "in.dfc"
    path.write_bytes(refsw.encode(features(2, 3, 4, 5), quantizer="none", payload="zlib", digest="stream"))
    return path


@pytest.fixture(name="array")
def array_file(tmp_path: Path) -> Path:
    path = tmp_path / "in.npy"
    np.save(path, features(2, 3, 4, 5))
    return path


def loaded(path: Path) -> dict[str, NDArray[Any]]:
    if path.suffix == ".safetensors":
        return load_file(path)
    with np.load(path) as archive:
        return dict(archive)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
