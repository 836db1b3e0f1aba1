"""Damaged bitstreams on the command line: exit code 65 or 69 and no file left, or the undamaged output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_robustness import cases

from refsw.cli.main import main


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["refsw", *words])
    with pytest.raises(SystemExit) as leave:
        main()
    assert isinstance(leave.value.code, int)
    return leave.value.code


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_damage_leaves_no_output_behind(
    streams: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    count: int,
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the handlers are for a process of its own
    monkeypatch.chdir(tmp_path)
    rejected = 0
    for what, data, expected in cases(count, streams, seed=21):
        Path("in.dfc").write_bytes(data)
        code = run(monkeypatch, "decode", "in.dfc", "-o", "out.npz")
        said = capsys.readouterr()
        if code == 0:
            arrays = expected if isinstance(expected, dict) else {"tensor0": expected}
            with np.load("out.npz") as decoded:
                for name, array in arrays.items():
                    assert decoded[name].tobytes() == np.ascontiguousarray(array).tobytes(), what
            Path("out.npz").unlink()
        else:
            rejected += 1
            assert code in (65, 69), what
            assert said.err.startswith("refsw: "), what
            assert len(said.err.splitlines()) == 1, what
        assert [path.name for path in tmp_path.iterdir()] == ["in.dfc"], what
    assert rejected > 0.95 * count
