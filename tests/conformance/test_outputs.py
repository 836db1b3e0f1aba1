"""Files of tensors that decoders write: every form, and every way to be no such file."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from refsw.conformance.elements import ulp_distance
from refsw.conformance.outputs import OutputError, output_file, read_tensors, write_raw

TYPES = [
    np.float16, np.float32, np.float64, ml_dtypes.bfloat16, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32,
    np.uint64, np.int64, np.bool_,
]  # fmt: skip


def tensors(dtype: Any) -> dict[str, Any]:
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    return {"a": x, 'odd "name"/\u00e9': x[:0]}


def npz(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def small_npz(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def raw_form(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        write_raw(file, arrays)


FORMS: list[Callable[[Path, dict[str, Any]], None]] = [
    raw_form,
    npz,
    small_npz,
    lambda path, arrays: save_file(arrays, path, metadata={"by": "me"}),
]


@pytest.mark.parametrize("form", FORMS, ids=["raw", "npz", "compressed npz", "safetensors"])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_in_every_form(tmp_path: Path, form: Any, dtype: Any) -> None:
    arrays = tensors(dtype)
    if form is FORMS[3] and dtype is ml_dtypes.bfloat16:
        pytest.importorskip("ml_dtypes")
    form(tmp_path / "output", arrays)
    found = {f.name: f for f in read_tensors(tmp_path / "output")}
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (np.dtype(dtype).name, array.shape)
        assert found[name].load().tobytes() == array.tobytes()


def test_npy_of_other_byte_orders_and_memory_orders(tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for array in (x.astype(">f4"), np.asfortranarray(x)):
        np.save(tmp_path / "x.npy", array)
        (found,) = read_tensors(tmp_path / "x.npy")
        assert (found.name, found.dtype, found.shape) == (None, "float32", (2, 3, 4))
        assert found.load().tobytes() == x.tobytes()


def test_bfloat16_in_float32_has_to_be_exact(tmp_path: Path) -> None:
    npz(tmp_path / "x", {"a@bfloat16": np.array([1.5, -2], np.float32)})
    (found,) = read_tensors(tmp_path / "x")
    assert (found.name, found.dtype) == ("a", "bfloat16")
    assert found.load().tolist() == [1.5, -2]
    npz(tmp_path / "y", {"a@bfloat16": np.array([1.1], np.float32)})
    with pytest.raises(OutputError, match="bfloat16 does not have"):
        read_tensors(tmp_path / "y")[0].load()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def load_all(path: Path) -> None:
    for found in read_tensors(path):
        found.load()


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def raw(head: Any, data: bytes = b"") -> bytes:
    return json.dumps(head).encode() + b"\n" + data


GOOD = npy(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello world", "unknown form"),
        (GOOD[:-1], "has 24"),
        (GOOD + b"x", "has 24"),
        (GOOD[:40], "does not read"),
        (GOOD.replace(b"(2, 3)", b"(2,-3)"), "bytes of elements"),
        (npy(np.zeros(3, np.complex64)), "complex64"),
        (npy(np.zeros(3, [("a", "f4")])), "elements of type"),
        (GOOD.replace(b"'<f4'", b"'|O' "), "elements of type object"),
        (b"PK\x03\x04 and nothing", "does not read"),
        (raw({"name": "a", "dtype": "float32", "shape": [2]}, b"1234567"), "8 bytes"),
        (raw({"name": "a", "dtype": "float33", "shape": [2]}, b"12345678"), "elements of type"),
        (raw({"name": "a", "dtype": "float32", "shape": [-2]}), "a shape"),
        (raw({"name": "a", "dtype": "float32", "shape": [True]}, b"1234"), "a shape"),
        (raw({"name": "a", "dtype": "float32", "shape": [1 << 40, 1 << 40]}), "bytes"),
        (raw({"name": "a", "dtype": "float32", "shape": 4}), "a shape"),
        (raw({"name": 1, "dtype": "float32", "shape": [0]}), "name, dtype and shape"),
        (raw({"dtype": "float32", "shape": [0]}), "name, dtype and shape"),
        (raw({"name": "a", "dtype": "bool", "shape": [1]}, b"1[\n"), "does not read"),
        (b"{" * 100_000, "does not read"),
        ((5).to_bytes(8, "little") + b"{    ", "does not read"),
        ((1 << 60).to_bytes(8, "little") + b"{", "header of"),
        ((62).to_bytes(8, "little") + b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}', "do not hold"),
    ],
)
def test_what_is_no_file_of_tensors(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        load_all(written(tmp_path / "output", data))


def test_an_archive_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    """The size in the header is believed only as far as there are bytes; nothing is allocated for it."""
    head = GOOD.replace(b"(2, 3), }     ", b"(9999999999,)}")
    with zipfile.ZipFile(tmp_path / "output", "w") as archive:
        archive.writestr("a.npy", head)
    (found,) = read_tensors(tmp_path / "output")
    assert found.shape == (9_999_999_999,)
    with pytest.raises(OutputError, match="are missing"):
        found.load()


def test_archives_with_odd_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "output", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(OutputError, match="readme"):
        read_tensors(tmp_path / "output")


def test_there_is_one_output_and_it_is_a_file(tmp_path: Path) -> None:
    assert output_file(tmp_path) is None
    (tmp_path / "other.npy").write_bytes(b"")
    assert output_file(tmp_path) is None
    (tmp_path / "output.npy").write_bytes(b"")
    assert output_file(tmp_path) == tmp_path / "output.npy"
    (tmp_path / "output.npz").write_bytes(b"")
    with pytest.raises(OutputError, match="2 files named output"):
        output_file(tmp_path)
    (tmp_path / "output.npz").unlink()
    (tmp_path / "output.npy").unlink()
    os.mkfifo(tmp_path / "output")
    with pytest.raises(OutputError, match="no plain file"):
        output_file(tmp_path)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (np.float32(1), np.nextafter(np.float32(1), np.float32(2)), 1),
        (np.float32(0), np.float32(-0.0), 0),
        (np.float32(-1e-45), np.float32(1e-45), 2),
        (np.float32(1), np.float32("nan"), None),
        (np.float32(3.4028235e38), np.float32("inf"), None),
        (np.float16(1), np.float16(1.001), 1),
        (ml_dtypes.bfloat16(1), ml_dtypes.bfloat16(1.0078125), 1),
        (np.float64(1), np.float64(1) + 2.0**-52, 1),
        (np.uint8(3), np.uint8(250), 247),
        (np.int64(-(2**63)), np.int64(2**63 - 1), 2**64 - 1),
    ],
)
def test_ulp_distance(a: Any, b: Any, distance: int | None) -> None:
    assert ulp_distance(a, b) == distance == ulp_distance(b, a)
