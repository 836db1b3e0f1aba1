"""Broken and hostile suites, files and outputs: a typed error or an outcome, never a hang or a traceback."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refsw.conformance.model_comparison import compare_models
from refsw.conformance.outputs import OutputError, read_tensors
from refsw.conformance.programs import Limits
from refsw.conformance.suite import load_suite
from refsw.errors import UsageError
from tests.conformance import making
from tests.conformance.making import judge, outcomes

# --- files of vectors ---


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(target: str) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return replace


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def sparse(path: Path) -> None:
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (fifo, "no plain file"),
        (folder, "no plain file"),
        (link("/dev/zero"), "leads out of the folder"),
        (link("/etc/passwd"), "leads out of the folder"),
        (link("../small.json"), "leads out of the folder"),
        (link("raw-n0.dfc"), "symbolic links"),
        (sparse, "bytes"),
        (Path.unlink, "No such file"),
    ],
)
@pytest.mark.parametrize("role", ["vector", "base"])
def test_what_is_no_plain_file_of_the_folder_is_not_read(
    tmp_path: Path, streams: dict[str, bytes], spoil: Callable[[Path], None], reason: str, role: str
) -> None:
    entries = [making.vector(tmp_path, f"raw-n{i}", streams["raw"]) for i in range(2)]
    base = entries[0] if role == "base" else None
    if base is not None:
        entries = [making.vector(tmp_path, "raw-n2", streams["raw"]), entries[1]]
        entries[0]["base"] = {"file": "raw-n0.dfc", "sha256": base["sha256"]}
    path = making.suite(tmp_path, entries)
    spoil(tmp_path / "test_vectors" / "raw-n0.dfc")
    report = judge(path, "refsw", limits=Limits(60))
    assert list(outcomes(report).values()) == ["HARNESS_ERROR", "PASS"]
    assert reason in report.results[0].reason


def test_a_link_within_the_folder_is_followed(tmp_path: Path, streams: dict[str, bytes]) -> None:
    path = making.suite(tmp_path, [making.vector(tmp_path, "raw-n0", streams["raw"])])
    vectors = tmp_path / "test_vectors"
    (vectors / "raw-n0.dfc").rename(vectors / "elsewhere.dfc")
    (vectors / "raw-n0.dfc").symlink_to("elsewhere.dfc")
    assert judge(path, "refsw").passed


# --- manifests ---


def changed(tmp_path: Path, streams: dict[str, bytes], change: Callable[[dict[str, Any]], object]) -> str:
    path = making.suite(tmp_path, [making.vector(tmp_path, "raw-n0", streams["raw"])])
    manifest = json.loads(path.read_text())
    change(manifest["vectors"][0])
    return json.dumps(manifest)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v["expected"]["tensors"][0].update(shape=[10**30]),
        lambda v: v["expected"]["tensors"][0].update(shape=[2**40, 2**40, 2**40]),
        lambda v: v["expected"]["tensors"][0].update(shape=[2.0]),
        lambda v: v["expected"]["tensors"][0].update(shape=[float("nan")]),
        lambda v: v["expected"]["tensors"].append(v["expected"]["tensors"][0]),
        lambda v: v.update(level=True),
        lambda v: v.update(bytes=10**30),
        lambda v: v.update(bytes=3.0),
        lambda v: v.update(id="raw-n0_r1\n"),
        lambda v: v.update(file="/etc/passwd"),
        lambda v: v.update(file="a/../../b"),
        lambda v: v.update(file="a\0b"),
        lambda v: v.update(file="a\n"),
        lambda v: v.update(optional=["HEVC"]),
        lambda v: v.update(optional=[]),
        lambda v: v.update(either=True),  # a valid vector is neither
        lambda v: v.update(about=["nonsense"]),
        lambda v: v.update(base={"file": "../x", "sha256": "0" * 64}),
    ],
)
def test_broken_manifests_are_refused_with_a_reason(
    tmp_path: Path, streams: dict[str, bytes], change: Callable[[dict[str, Any]], object]
) -> None:
    path = tmp_path / "small.json"
    text = changed(tmp_path, streams, change)
    path.write_text(text)
    with pytest.raises(UsageError, match=r"small.json: "):
        load_suite(path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"suite": ' + b"9" * 5000 + b"}",
        b'{"suite": "a", "suite": "b"}',
        b'{"suite": NaN}',
        b'{"suite": 1e999}',
    ],
)
def test_what_is_no_manifest_is_told(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(UsageError, match=r"x.json"):
        load_suite(tmp_path / "x.json")


def test_a_manifest_is_a_plain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    (tmp_path / "y.json").mkdir()
    for path in (tmp_path / "x.json", tmp_path / "y.json", Path("/dev/zero")):
        with pytest.raises(UsageError, match="no plain file"):
            load_suite(path)


def test_half_of_a_surrogate_is_no_name_of_a_file(tmp_path: Path, streams: dict[str, bytes]) -> None:
    (tmp_path / "small.json").write_text(changed(tmp_path, streams, lambda v: v.update(file="\ud800")))
    report = judge(tmp_path / "small.json", "refsw")
    assert list(outcomes(report).values()) == ["HARNESS_ERROR"]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 0.0, -1.0])
def test_limits_are_numbers(seconds: float) -> None:
    with pytest.raises(UsageError, match="limits of"):
        Limits(seconds)


# --- outputs ---


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def header(descr: str = "'<f4'", shape: str = "(1,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


def safetensors(value: Any, data: bytes = b"") -> bytes:
    text = json.dumps(value).encode()
    return len(text).to_bytes(8, "little") + text + data


def raw(value: Any, data: bytes = b"") -> bytes:
    return json.dumps(value).encode() + b"\n" + data


ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
LINE = {"name": "a", "dtype": "float32", "shape": [1]}
OUTPUTS = {
    "empty": b"",
    "object": npy(header("'|O'")),
    "object shape": npy(header(shape="(10**30,)")),
    "negative": npy(header(shape="(-1,)")),
    "huge": npy(header(shape=f"({10**30},)")),
    "nothing of much": npy(header(shape=f"(0, {10**30})")),
    "many axes": npy(header(shape=f"({'1, ' * 100})"), bytes(4)),
    "floats": npy(header(shape="(1.0,)"), bytes(4)),
    "structure": npy(header("[('a', '<f4')]"), bytes(4)),
    "unhashable": npy(header("{}"), bytes(4)),
    "no header": npy("[" * 2000),
    "version": b"\x93NUMPY\x09\x09" + bytes(20),
    "datetime": npy(header("'<M8[s]'"), bytes(8)),
    "cut zip": b"PK\x03\x04" + bytes(10),
    "list": safetensors([ENTRY], bytes(4)),
    "text": safetensors({"a": "b"}),
    "offsets": safetensors({"a": ENTRY | {"data_offsets": [4, 0]}}, bytes(4)),
    "offsets of text": safetensors({"a": ENTRY | {"data_offsets": ["0", "4"]}}, bytes(4)),
    "offsets in halves": safetensors({"a": ENTRY | {"data_offsets": [0.0, 4.0]}}, bytes(4)),
    "three offsets": safetensors({"a": ENTRY | {"data_offsets": [0, 4, 8]}}, bytes(4)),
    "no dtype": safetensors({"a": {}}),
    "dtype": safetensors({"a": ENTRY | {"dtype": ["F32"]}}, bytes(4)),
    "shape": safetensors({"a": ENTRY | {"shape": {"a": 1}}}, bytes(4)),
    "huge shape": safetensors({"a": ENTRY | {"shape": [10**30]}}, bytes(4)),
    "raw number": raw(1),
    "raw dtype": raw(LINE | {"dtype": {}}),
    "raw name": raw(LINE | {"name": 1}, bytes(4)),
    "raw shape": raw(LINE | {"shape": [10**30]}, bytes(4)),
    "raw true": raw(LINE | {"shape": [True]}, bytes(4)),
    "raw axes": raw(LINE | {"shape": [1] * 100}, bytes(4)),
    "raw nothing of much": raw(LINE | {"shape": [0, 1 << 47, 1 << 47]}),
    "raw nested": b'{"name": ' + b"[" * 100_000 + b"\n",
    "raw twice": raw(LINE, bytes(4)) * 2,
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_of_every_sort_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "output"
    path.write_bytes(OUTPUTS[name])
    with pytest.raises(OutputError):
        compare_models("0" * 64, b"", None, read_tensors(path))


def test_a_zip_that_grows_without_end_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "output.npz"
    np.savez_compressed(path, a=np.zeros(1 << 20))
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", head.getvalue() + bytes(1 << 20))
    with pytest.raises(OutputError, match="a model of more than 1024 MiB"):
        compare_models("0" * 64, b"", None, read_tensors(path))


PROGRAM = """
import os, shutil, sys
mode, output = sys.argv[1], sys.argv[3]
out = os.path.dirname(output)
if mode == "sparse":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with open(output, "wb") as file: file.truncate(1 << 40)
if mode == "passwd": os.symlink("/etc/passwd", output)
if mode == "device": os.symlink("/dev/zero", output)
if mode == "folder": os.mkdir(output)
if mode == "gone": shutil.rmtree(out)
if mode == "file": shutil.rmtree(out); open(out, "w").close()
if mode == "loop": os.symlink(output, output)
if mode == "deep":
    os.chdir(out)
    for _ in range(1100): os.mkdir("d" * 200); os.chdir("d" * 200)  # beyond recursion, and beyond a path
if mode == "nested": sys.stderr.write('{"a": ' + "[" * 4000)
if mode == "flood":
    for _ in range(2000): os.write(1, b"x" * 65536)
sys.exit(int(sys.argv[4]))
"""


@pytest.mark.parametrize("mode", ["passwd", "device", "folder", "gone", "file", "loop", "nested", "flood"])
def test_what_a_decoder_makes_of_its_folder_is_its_own_fault(
    tmp_path: Path, streams: dict[str, bytes], mode: str
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    entries = [making.vector(tmp_path, f"raw-n{i}", streams["raw"]) for i in range(2)]
    entries.append(making.vector(tmp_path, "text-n2", b"x", "malformed"))
    path = making.suite(tmp_path, entries)
    command = f"{sys.executable} {tmp_path}/program.py {mode} {{input}} {{output}}"
    assert list(outcomes(judge(path, f"{command} 0", jobs=1)).values()) == ["MISMATCH", "MISMATCH", "ACCEPTED_INVALID"]
    found = list(outcomes(judge(path, f"{command} 65", jobs=1)).values())
    assert found == ["REJECTED_VALID", "REJECTED_VALID", "UNPROVEN"]
    assert not (tmp_path / "report" / ".scratch").exists()


def test_folders_in_one_another_beyond_any_path_are_removed(tmp_path: Path, streams: dict[str, bytes]) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    path = making.suite(tmp_path, [making.vector(tmp_path, "raw-n0", streams["raw"])])
    report = judge(path, f"{sys.executable} {tmp_path}/program.py deep {{input}} {{output}} 0", jobs=1)
    assert list(outcomes(report).values()) == ["MISMATCH"]
    assert not (tmp_path / "report" / ".scratch").exists()


def test_a_sparse_file_counts_by_its_length(tmp_path: Path, streams: dict[str, bytes]) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    path = making.suite(tmp_path, [making.vector(tmp_path, "raw-n0", streams["raw"])])
    report = judge(path, f"{sys.executable} {tmp_path}/program.py sparse {{input}} {{output}} 0")
    assert list(outcomes(report).values()) == ["CRASH"]
    assert "may write" in report.results[0].reason
