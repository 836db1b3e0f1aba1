"""Damaged and strange files of tensors: one line that names the file, exit code 65, and no file left."""

from __future__ import annotations

import io
import json
import random
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hostile import harmful
from safetensors.numpy import save as safetensors_bytes
from safetensors.numpy import save_file

import refsw
from refsw.cli.main import main

Run = Callable[..., tuple[int, str]]
X = np.arange(2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """A command in this process; its exit code and what it said on standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handlers are for a process of its own

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["refsw", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, capfd.readouterr().err

    return call


def refused(run: Run, name: str) -> None:
    """Every command that reads a file refuses it in a line that names it."""
    words = [("encode", name, "-o", "out.dfc", "--payload", "zlib", "--quantizer", "none")]
    if not name.endswith(".npy"):
        words += [("model", "digest", name), ("model", "diff", name, name, "-o", "out.dfc")]
    for command in words:
        code, said = run(*command)
        assert code == 65, (command, code, said)
        assert said.startswith(f"refsw: {name}"), said
        assert len(said.splitlines()) == 1
        assert harmful(said) == []
        assert not Path("out.dfc").exists()


def npy(header: str, data: bytes = X.tobytes(), version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin-1") + b"\n"
    length = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + text + data


def head(descr: str = "'<f4'", fortran: str = "False", shape: str = "(2, 3, 8, 8)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


HEADERS = {
    "negative": npy(head(shape="(-1, 3, 8, 8)")),
    "huge": npy(head(shape=f"({10**30}, 3)")),
    "more digits than a number may have": npy(head(shape=f"({'9' * 5000}, 3)")),
    "many of them": npy(head(shape="(99999999999, 99999999999)")),
    "zero times huge": npy(head(shape="(0, 999999999999999999, 8, 8)")),
    "unhashable descr": npy(head(descr="[{}]")),
    "structured": npy(head(descr="[('a', '<f4'), ('b', '<i8')]")),
    "subarray": npy(head(descr="('<f4', (2,))")),
    "objects": npy(head(descr="'|O'")),
    "raw": npy(head(descr="'|V2'")),
    "text": npy(head(descr="'<U3'")),
    "times": npy(head(descr="'<M8[s]'")),
    "complex": npy(head(descr="'<c8'")),
    "no width": npy(head(descr="'<f3'")),
    "long double": npy(head(descr="'<f16'")),
    "no descr": npy("{'fortran_order': False, 'shape': (2,)}"),
    "twice": npy(head()[:-1] + "'shape': (1,)}"),
    "other keys": npy("{'a': 1}"),
    "code": npy("__import__('os').abort()"),
    "deep": npy("(" * 60000),
    "deep dictionary": npy("{'a':" * 9000),
    "zeros": npy("\0" * 100),
    "control characters": npy(head(descr="'\x1b[2J'")),
    "empty header": npy(""),
    "version 3": npy(head(), version=b"\x03\x00"),
    "version 9": npy(head(), version=b"\x09\x09"),
    "long header": npy(head() + " " * (1 << 20), version=b"\x02\x00"),
    "shape of a truth value": npy(head(shape="(True, 3)")),
    "float shape": npy(head(shape="(2.0, 3)")),
    "truncated header": npy(head())[:40],
    "truncated magic": b"\x93NUM",
    "truncated length": b"\x93NUMPY\x01\x00\x10",
    "truncated elements": npy(head())[:-1],
    "no axes": npy(head(shape="()")),
    "six axes": npy(head(shape="(1, 1, 2, 3, 8, 8)")),
    "empty": b"",
    "an archive": b"PK\x03\x04",
}  # fmt: skip


MEMBERS = {name: data for name, data in HEADERS.items() if "axes" not in name and "zero" not in name}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_is_none_is_refused(run: Run, data: bytes) -> None:
    Path("x.npy").write_bytes(data)
    refused(run, "x.npy")


@pytest.mark.parametrize("data", MEMBERS.values(), ids=MEMBERS.keys())
def test_the_member_of_an_archive_is_named(run: Run, data: bytes) -> None:
    with zipfile.ZipFile("x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.npy", npy(head()))
        archive.writestr("bad.npy", data)
    refused(run, "x.npz")
    assert "x.npz: member bad.npy" in run("model", "digest", "x.npz")[1]


@pytest.mark.parametrize(
    "header",
    [head(), head().replace("'", '"'), "{'shape':(2,3,8,8),'fortran_order':False,'descr':'<f4'}",
     head(shape="(2L, 3L, 8, 8)"), head(descr="'>f4'"), head(descr="'<i4'"), head(fortran="True")],
)  # fmt: skip
@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00"])
def test_headers_of_all_writers_are_read(run: Run, header: str, version: bytes) -> None:
    Path("x.npy").write_bytes(npy(header, version=version))
    assert run("encode", "x.npy", "-o", "x.dfc", "--payload", "zlib", "--quantizer", "none")[0] == 0
    dtype = ">f4" if ">f4" in header else "<i4" if "i4" in header else "<f4"
    expected = np.frombuffer(X.tobytes(), dtype).reshape(2, 3, 8, 8, order="F" if "True" in header else "C")
    assert np.array_equal(refsw.decode("x.dfc"), expected)


def archives() -> dict[str, bytes]:
    """Archives that are damaged in ways that archives have."""
    member, made = npy(head()), {}
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            archive.writestr("x.npy", member)
        data = out.getvalue()
        middle = bytearray(data)
        middle[len(data) // 3] ^= 0x5A
        crc = bytearray(data)
        crc[data.index(b"PK\x01\x02") + 16] ^= 1
        encrypted = bytearray(data)
        encrypted[6] |= 1
        encrypted[data.index(b"PK\x01\x02") + 8] |= 1
        unknown = bytearray(data)
        unknown[8] = unknown[data.index(b"PK\x01\x02") + 10] = 99
        made |= {f"{name}: {what}": bytes(d) for what, d in (
            ("elements", middle), ("checksum", crc), ("encrypted", encrypted), ("method", unknown),
            ("cut", data[: len(data) // 2]), ("no directory", data[: data.index(b"PK\x01\x02")]),
        )}  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", member)
    made["twice"] = out.getvalue().replace(b"y.npy", b"x.npy")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../\x1b[2Jx.txt", b"")
    made["no tensor, with a hostile name"] = out.getvalue()
    return made


ARCHIVES = archives()


@pytest.mark.parametrize("data", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_a_damaged_archive_is_refused(run: Run, data: bytes) -> None:
    Path("x.npz").write_bytes(data)
    refused(run, "x.npz")


def test_an_archive_that_unpacks_to_far_more_takes_the_memory_of_a_sample(run: Run) -> None:
    shape = (1 << 12, 1, 64, 64)
    with zipfile.ZipFile("x.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(npy(head(shape=str(shape)), b""))
        for _ in range(shape[0]):
            member.write(bytes(4 * 64 * 64))
    (source,) = refsw_sources(Path("x.npz"))
    from refsw.tensor.axes import Axes

    samples = source.samples(Axes.parse(None, shape))
    assert next(samples).nbytes == 4 * 64 * 64
    assert source.array is None


def refsw_sources(path: Path) -> list[Any]:
    from refsw.features.sources import open_features

    return open_features(path)


def safetensors(header: Any, data: bytes = X.tobytes(), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


GOOD = {"dtype": "F32", "shape": [2, 3, 8, 8], "data_offsets": [0, X.nbytes]}
SAFETENSORS = {
    "huge length": safetensors({"x": GOOD}, length=2**63),
    "length beyond the file": safetensors({"x": GOOD}, length=10**6),
    "no JSON": safetensors(b"{" * 100),
    "deep": safetensors(b'{"a":' * 50_000),
    "a list": safetensors([1, 2]),
    "a number": safetensors(b"1"),
    "unknown dtype": safetensors({"x": GOOD | {"dtype": "F3"}}),
    "dtype of 4 bits": safetensors({"x": GOOD | {"dtype": "F4", "shape": [2, 3, 8, 64]}}),
    "dtype is null": safetensors({"x": GOOD | {"dtype": None}}),
    "negative shape": safetensors({"x": GOOD | {"shape": [-2, -3, 8, 8]}}),
    "huge shape": safetensors({"x": GOOD | {"shape": [2**63, 2**63]}}),
    "offsets beyond": safetensors({"x": GOOD | {"data_offsets": [0, 10**9]}}),
    "offsets in reverse": safetensors({"x": GOOD | {"data_offsets": [10, 5]}}),
    "overlap": safetensors({"x": GOOD, "y": GOOD}),
    "hole": safetensors({"x": GOOD | {"data_offsets": [8, X.nbytes + 8]}}, X.tobytes() + bytes(8)),
    "metadata that are a number": safetensors({"x": GOOD, "__metadata__": 5}),
    "metadata of numbers": safetensors({"x": GOOD, "__metadata__": {"a": 5}}),
    "truncated": safetensors({"x": GOOD})[:-1],
    "empty": b"",
    "eight bytes": bytes(8),
}  # fmt: skip


@pytest.mark.parametrize("data", SAFETENSORS.values(), ids=SAFETENSORS.keys())
def test_a_damaged_safetensors_file_is_refused(run: Run, data: bytes) -> None:
    Path("x.safetensors").write_bytes(data)
    refused(run, "x.safetensors")


def test_metadata_that_are_null_are_none(run: Run) -> None:
    Path("x.safetensors").write_bytes(safetensors({"x": GOOD, "__metadata__": None}))
    assert run("model", "digest", "x.safetensors")[0] == 0
    assert run("encode", "x.safetensors", "-o", "x.dfc", "--payload", "zlib", "--quantizer", "none")[0] == 0
    Path("u.dfc").write_bytes(refsw.diff_models({"x": X}, {"x": X + 1}))
    assert run("model", "apply", "x.safetensors", "u.dfc", "-o", "y.safetensors") == (0, "")


CODES = np.arange(256, dtype=np.uint8)
FLOAT8 = {"F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2}


@pytest.mark.parametrize(("name", "dtype"), FLOAT8.items())
def test_features_of_8_bits_come_back_with_every_value(run: Run, name: str, dtype: Any) -> None:
    x = CODES.view(dtype)
    x = x[np.isfinite(x.astype(np.float32))]
    entry = {"dtype": name, "shape": [1, x.size], "data_offsets": [0, x.size]}
    Path("x.safetensors").write_bytes(safetensors({"x": entry}, x.tobytes()))
    assert run("encode", "x.safetensors", "-o", "x.dfc", "--payload", "zlib", "--quantizer", "none") == (0, "")
    back = refsw.decode("x.dfc")
    assert isinstance(back, np.ndarray)
    assert back.dtype == np.float16
    assert back.astype(dtype).tobytes() == x.tobytes()
    assert np.array_equal(refsw.decode(refsw.encode(x[None], payload="zlib", quantizer="none")), back)


@pytest.mark.parametrize(("name", "dtype"), FLOAT8.items())
def test_models_of_8_bits_come_back_bit_by_bit(run: Run, name: str, dtype: Any) -> None:
    def saved(path: str, x: Any) -> None:
        entry = {"dtype": name, "shape": [16, 16], "data_offsets": [0, 256]}
        Path(path).write_bytes(safetensors({"w": entry}, x.tobytes()))

    saved("base.safetensors", CODES)
    saved("target.safetensors", CODES[::-1].copy())
    assert run("model", "diff", "base.safetensors", "target.safetensors", "-o", "u.dfc") == (0, "")
    assert run("model", "apply", "base.safetensors", "u.dfc", "-o", "made.safetensors") == (0, "")
    assert json.loads(Path("made.safetensors").read_bytes()[8:].split(b"}}")[0] + b"}}")["w"]["dtype"] == name
    assert Path("made.safetensors").read_bytes()[-256:] == CODES[::-1].tobytes()
    assert run("model", "apply", "base.safetensors", "u.dfc", "-o", "made.npz")[0] == 2
    made = refsw.apply_update({"w": CODES.reshape(16, 16).view(dtype)}, Path("u.dfc"))
    assert made["w"].dtype == dtype
    assert made["w"].tobytes() == CODES[::-1].tobytes()


@pytest.mark.filterwarnings("ignore::UserWarning")  # of quantized tensors, which are to go
def test_files_of_torch_that_hold_no_dense_numbers_are_refused(run: Run) -> None:
    torch = pytest.importorskip("torch", reason=".pt files need torch")
    x = torch.from_numpy(X)
    kinds = {
        "sparse": x.to_sparse(), "complex": torch.complex(x, x), "meta": x.to("meta"), "nested": {"inner": {"x": x}},
        "text": {"x": "word"}, "expanded": x[:1, :1, :1, :1].expand(2**10, 2**10, 2**10, 2**10),
        "quantized": torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
    }  # fmt: skip
    for name, value in kinds.items():
        torch.save(value if isinstance(value, dict) else {"x": value}, f"{name}.pt")
        refused(run, f"{name}.pt")
    Path("x.pt").write_bytes(Path("complex.pt").read_bytes()[:300])
    refused(run, "x.pt")


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "bfloat16", "float16"])
def test_narrow_floats_of_torch_come_back(run: Run, name: str) -> None:
    torch = pytest.importorskip("torch", reason=".pt files need torch")
    x = torch.from_numpy(X / 8).to(getattr(torch, name))
    torch.save({"x": x}, "x.pt")
    assert run("encode", "x.pt", "-o", "x.dfc", "--payload", "zlib", "--quantizer", "none") == (0, "")
    back = refsw.decode("x.dfc")
    assert np.array_equal(np.asarray(back).astype(np.float32), x.to(torch.float32).numpy())
    assert np.array_equal(refsw.decode(refsw.encode(x, payload="zlib", quantizer="none")), back)
    torch.save({"x": x.flip(0)}, "y.pt")
    assert run("model", "diff", "x.pt", "y.pt", "-o", "u.dfc", "--exact", "x") == (0, "")
    assert run("model", "apply", "x.pt", "u.dfc", "-o", "z.pt") == (0, "")
    z = torch.load("z.pt", weights_only=True)["x"]
    assert z.dtype == x.dtype
    assert torch.equal(z.to(torch.float32), x.flip(0).to(torch.float32))


def mutants(data: bytes, count: int, rng: random.Random) -> Iterator[bytes]:
    """A file with bytes changed, cut out or put in, where its structure is more often than where its elements are."""
    for _ in range(count):
        out = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            place = rng.randrange(min(len(out), 300)) if rng.random() < 0.7 else rng.randrange(len(out))
            place = len(out) - 1 - place if rng.random() < 0.3 else place
            what = rng.random()
            if what < 0.5:
                out[place] = rng.randrange(256)
            elif what < 0.7:
                out[place] ^= 1 << rng.randrange(8)
            elif what < 0.8:
                del out[place : place + rng.randrange(1, 40)]
            elif what < 0.9:
                out[place:place] = rng.randbytes(rng.randrange(1, 40))
            else:
                out = out[: max(1, place)]
            if not out:
                break
        yield bytes(out)


def originals() -> dict[str, bytes]:
    """Good files of each format."""
    plain, packed = io.BytesIO(), io.BytesIO()
    np.savez(plain, a=X, b=X.astype(np.float16))
    np.savez_compressed(packed, a=X, b=np.asfortranarray(X))
    single = io.BytesIO()
    np.save(single, X)
    tensors = {"a": X, "b": X.astype(np.float16)}
    found = {"x.npy": single.getvalue(), "plain.npz": plain.getvalue(), "packed.npz": packed.getvalue(),
             "x.safetensors": safetensors_bytes(tensors, {"k": "v"})}  # fmt: skip
    try:
        import torch
    except ImportError:
        return found
    out = io.BytesIO()
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, out)
    return found | {"x.pt": out.getvalue()}


@pytest.mark.parametrize("name", ["x.npy", "plain.npz", "packed.npz", "x.safetensors", "x.pt"])
def test_no_damage_is_more_than_an_error(run: Run, name: str) -> None:
    files = originals()
    if name not in files:
        pytest.skip(".pt files need torch")
    save_file({"a": X, "b": X.astype(np.float16)}, "base.safetensors")
    refusals = 0
    for number, data in enumerate(mutants(files[name], 200, random.Random(5))):
        Path(name).write_bytes(data)
        words = [("encode", name, "-o", "out.dfc", "--payload", "zlib", "--quantizer", "none")]
        if name != "x.npy":
            diff = ("model", "diff", "base.safetensors", name, "-o", "out.dfc")
            words.append(("model", "digest", name) if number % 2 else diff)
        for command in words:
            code, said = run(*command)
            assert code in (0, 65), (number, command, code, said)
            assert (code == 65) == said.startswith("refsw: "), (number, command, said)
            assert harmful(said) == []
            assert len(said.splitlines()) == (code == 65), (number, said)
            assert not list(Path().glob(".*.part"))
            refusals += code == 65
            Path("out.dfc").unlink(missing_ok=True)
    assert refusals > 40
