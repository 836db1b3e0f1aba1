"""Exit codes of what cannot be read, written or done, and what is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_runs import LOSSLESS, Run, array_file, left, running, two_samples  # noqa: F401 - fixtures
from processes import until

FULL = Path("/dev/full")


# --- input: 65, 66, 69 ---


@pytest.mark.parametrize("command", ["decode", "inspect", "validate"])
def test_what_is_no_bitstream_is_rejected(run: Run, array: Path, tmp_path: Path, command: str) -> None:
    words = ("-o", "y.npy") if command == "decode" else ()
    said = run(command, array, *words)
    assert said.code == 65
    assert "BAD_SIGNATURE" in said.out + said.err
    assert left(tmp_path) == {"in.npy"}


@pytest.mark.parametrize("cut", [0, 1, 4, 12, 13, 40, -1])
def test_a_truncated_bitstream_leaves_nothing_behind(run: Run, stream: Path, tmp_path: Path, cut: int) -> None:
    stream.write_bytes(stream.read_bytes()[:cut])
    for suffix in ("npy", "npz", "safetensors"):
        said = run("decode", stream, "-o", f"y.{suffix}").failed(65)
        assert "TRUNCATED" in said.err
    assert left(tmp_path) == {"in.dfc"}


def test_a_failure_leaves_the_old_output_as_it_was(run: Run, stream: Path, tmp_path: Path) -> None:
    (tmp_path / "y.npy").write_bytes(b"old")
    stream.write_bytes(stream.read_bytes()[:-1])
    run("decode", stream, "-o", "y.npy").failed(65)
    assert (tmp_path / "y.npy").read_bytes() == b"old"
    (tmp_path / "x.dfc").write_bytes(b"old")
    np.save(tmp_path / "nan.npy", np.full((1, 2, 4, 4), np.nan, np.float32))
    run("encode", "nan.npy", "-o", "x.dfc").failed(65)
    assert (tmp_path / "x.dfc").read_bytes() == b"old"
    assert left(tmp_path) == {"in.dfc", "y.npy", "x.dfc", "nan.npy"}


def test_an_error_as_json_is_one_line_of_json(run: Run, array: Path) -> None:
    said = run("decode", array, "-o", "y.npy", "--json").failed(65)
    assert len(said.err.splitlines()) == 1
    error = json.loads(said.err)
    assert (error["phase"], error["class"], error["bit_offset"]) == ("parse", "BAD_SIGNATURE", 0)


@pytest.mark.parametrize(
    "save",
    [
        lambda path: np.save(path, np.full((1, 2, 4, 4), np.inf, np.float32)),
        lambda path: np.save(path, np.ones((1, 2, 4, 4), np.complex64)),
        lambda path: np.save(path, np.ones((2, 0, 4, 4), np.float32)),
        lambda path: np.save(path, np.array([object()], object), allow_pickle=True),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x10\x00garbage"),
        lambda path: path.write_bytes(b"\x93NUMPY\x09\x00"),
    ],
    ids=["infinity", "complex", "no elements", "objects", "empty", "garbage", "version 9"],
)
def test_features_that_cannot_be_coded_are_rejected(run: Run, tmp_path: Path, save: Callable[[Path], None]) -> None:
    save(tmp_path / "x.npy")
    run("encode", "x.npy", "-o", "x.dfc").failed(65)
    assert left(tmp_path) == {"x.npy"}


@pytest.mark.parametrize("name", ["x.npz", "x.safetensors", "x.pt"])
@pytest.mark.parametrize("data", [b"", b"garbage", b"PK\x03\x04 not a zip"])
def test_a_file_that_is_not_what_its_suffix_says_is_rejected(run: Run, tmp_path: Path, name: str, data: bytes) -> None:
    if name.endswith(".pt"):
        pytest.importorskip("torch", reason="without torch, .pt files are refused before they are opened")
    (tmp_path / name).write_bytes(data)
    run("encode", name, "-o", "x.dfc").failed(65)
    assert left(tmp_path) == {name}


def test_a_truncated_file_of_features_is_rejected(run: Run, array: Path, tmp_path: Path) -> None:
    array.write_bytes(array.read_bytes()[:-1])
    said = run("encode", array, "-o", "x.dfc").failed(65)
    assert "479 bytes of elements, its shape (2, 3, 4, 5) has 480" in said.err
    assert left(tmp_path) == {"in.npy"}


@pytest.mark.parametrize("command", ["encode", "decode", "inspect", "validate"])
@pytest.mark.parametrize("name", ["nothing.npy", "no/such/folder.npy", "folder.npy"])
def test_input_that_is_not_there_is_told(run: Run, tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / "folder.npy").mkdir()
    words = ("-o", "out.npy") if command in ("encode", "decode") else ()
    said = run(command, name, *words).failed(66)
    assert name in said.err
    assert left(tmp_path) == {"folder.npy"}


def test_a_version_of_the_future_is_unsupported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.dfc").write_bytes(bytes.fromhex("89444643 02000101 00000000"))
    run("decode", "x.dfc", "-o", "y.npy").failed(69)
    run("inspect", "x.dfc").failed(69)
    assert run("validate", "x.dfc").code == 69


def test_what_is_more_than_the_user_accepts_is_unsupported(run: Run, stream: Path, tmp_path: Path) -> None:
    size = 2 * 3 * 4 * 5 * 4
    run("decode", stream, "-o", "y.npy", "--max-output", size - 1).failed(69)
    assert left(tmp_path) == {"in.dfc"}
    run("decode", stream, "-o", "y.npy", "--max-output", size).ok()
    run("decode", stream, "-o", "z.npy", "--max-output", size - 1, "--samples", "0:1").failed(69)


# --- output: 73, 74 ---


@pytest.mark.parametrize("command", ["encode", "decode"])
@pytest.mark.parametrize("target", ["no/such/folder/out.npy", "file.npy/out.npy", "folder.npy"])
def test_output_that_cannot_be_created_is_told(
    run: Run, tmp_path: Path, array: Path, stream: Path, command: str, target: str
) -> None:
    (tmp_path / "file.npy").write_bytes(b"")
    (tmp_path / "folder.npy").mkdir()
    source = array if command == "encode" else stream
    before = left(tmp_path)
    said = run(command, source, "-o", target, *(LOSSLESS if command == "encode" else ())).failed(73)
    assert target in said.err
    assert left(tmp_path) == before


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_a_full_disk_is_an_input_output_error(run: Run, array: Path, stream: Path, tmp_path: Path) -> None:
    run("encode", array, "-o", FULL, *LOSSLESS).failed(74)
    run("decode", stream, "-o", FULL, "--format", "npy").failed(74)
    assert left(tmp_path) == {"in.npy", "in.dfc"}
    assert not [path for path in FULL.parent.iterdir() if path.name.startswith((".refsw", ".full"))]


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", [("inspect",), ("validate",), ("decode", "-o", "-")], ids=lambda w: w[0])
def test_a_full_disk_behind_standard_output_is_an_input_output_error(stream: Path, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", "from refsw.cli.main import main; main()", words[0], str(stream), *words[1:]]
    with FULL.open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 74
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("target", ["/dev/null", "/dev/stdout"])
def test_a_special_file_is_written_without_a_trace_beside_it(run: Run, stream: Path, target: str,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    import tempfile

    folders: list[object] = []
    original = tempfile.mkdtemp

    def spy(suffix: str | None = None, prefix: str | None = None, dir: object = None) -> str:  # noqa: A002
        folders.append(dir)
        return original(suffix, prefix, dir)  # type: ignore[type-var,arg-type]

    monkeypatch.setattr(tempfile, "mkdtemp", spy)
    run("decode", stream, "-o", target, "--format", "npy")
    assert Path("/dev") not in folders


def test_an_output_has_the_rights_that_the_user_gives(run: Run, array: Path, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run("encode", array, "-o", "x.dfc", *LOSSLESS).ok()
    finally:
        os.umask(before)
    assert (tmp_path / "x.dfc").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_a_command_that_is_ended_leaves_nothing_behind(tmp_path: Path, array: Path, stream: Path, command: str) -> None:
    # Half of the input comes through the pipe, and then nothing more.
    data = (array if command == "encode" else stream).read_bytes()
    words = ["-c", "from refsw.cli.main import main; main()", command, "-", "-o", "out.npy"]
    before = left(tmp_path)
    with subprocess.Popen(
        [sys.executable, *words], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        child.stdin.write(data[:-30])
        child.stdin.flush()
        until(lambda: left(tmp_path) != before, child)
        child.terminate()
        assert child.wait() not in (0, 1, 70)
    assert left(tmp_path) == before


# --- bugs: 70 ---


def test_an_unforeseen_error_is_told_in_a_line_and_with_its_trace_on_request(
    run: Run, stream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("something\nunforeseen")

    monkeypatch.setattr("refsw.cli.inspect.inspect", fail)
    said = run("inspect", stream)
    assert said.code == 70
    assert said.err.startswith("refsw: internal error, RuntimeError: something unforeseen. ")
    monkeypatch.setenv("REFSW_TRACEBACK", "1")
    with pytest.raises(RuntimeError, match="unforeseen"):
        run("inspect", stream)
