"""The command line as a user meets it: files, pipes, exit codes, and what is left behind."""

from __future__ import annotations

import io
import json
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
from processes import until
from safetensors.numpy import load_file, save_file

import refsw
from refsw.cli import main as entry

COMMANDS = list(entry.COMMANDS)
FULL = Path("/dev/full")
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


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
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


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """Two samples, lossless, with a digest."""
    path = tmp_path / "in.dfc"
    path.write_bytes(refsw.encode(features(2, 3, 4, 5), quantizer="none", payload="zlib", digest="stream"))
    return path


@pytest.fixture
def array(tmp_path: Path) -> Path:
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


# --- help ---


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(run: Run, command: str, option: str) -> None:
    said = run(command, option)
    assert said.code == 0
    assert f" refsw {command} " in said.out.splitlines()[0]
    assert "--help" in said.out


def test_the_help_lists_commands_and_exit_codes(run: Run) -> None:
    said = run("--help")
    assert said.code == 0
    assert all(f"\n  {command} " in said.out for command in COMMANDS)
    assert "65 input rejected" in said.out


def test_the_version_is_the_one_of_the_package(run: Run) -> None:
    assert refsw.__version__ in run("--version").out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['refsw', '--help']\n"
        "from refsw.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'av', 'numpy', 'PIL', 'rich', 'safetensors')\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


# --- usage: 2 ---


@pytest.mark.parametrize(
    "words",
    [
        (), ("nothing",), ("encode",), ("encode", "in.npy"), ("decode", "in.dfc"), ("encode", "--no-such-option"),
        ("encode", "in.npy", "-o", "x.dfc", "--qp", "99"), ("encode", "in.npy", "-o", "x.dfc", "--qp", "many"),
        ("encode", "in.npy", "-o", "x.dfc", "--axes", "NCH"), ("encode", "in.npy", "-o", "x.dfc", "--axes", "CNHW"),
        ("encode", "in.npy", "-o", "x.dfc", "--axes", "ABCD"),
        ("encode", "in.npy", "-o", "x.dfc", "--bit-depth", "9"),
        ("encode", "in.npy", "-o", "x.dfc", "--bit-depth", "0"),
        ("encode", "in.npy", "-o", "x.dfc", "--grid", "2"), ("encode", "in.npy", "-o", "x.dfc", "--grid", "0x2"),
        ("encode", "in.npy", "-o", "x.dfc", "--grid", "9999x9999"),
        ("encode", "in.npy", "-o", "x.dfc", "--ranges", "0"), ("encode", "in.npy", "-o", "x.dfc", "--ranges", "a:b"),
        ("encode", "in.npy", "-o", "x.dfc", "--range", "channel", "--ranges", "0:1"),
        ("encode", "in.npy", "-o", "x.dfc", "--ranges", "0:1,0:2"),
        ("encode", "in.npy", "-o", "x.dfc", "--clip", "50"), ("encode", "in.npy", "-o", "x.dfc", "--clip", "nan"),
        ("encode", "in.npy", "-o", "x.dfc", "--channel-order", "0,1"),
        ("encode", "in.npy", "-o", "x.dfc", "--channel-order", "best"),
        ("encode", "in.npy", "-o", "x.dfc", "--samples-per-unit", "0"),
        ("encode", "in.npy", "-o", "x.dfc", "--align", "0"), ("encode", "in.npy", "-o", "x.dfc", "--jobs", "0"),
        ("encode", "in.npy", "-o", "x.dfc", "--model-digest", "12"),
        ("encode", "in.npy", "-o", "x.dfc", "--metadata", "a"),
        ("encode", "in.npy", "-o", "x.dfc", "--metadata", "=a"),
        ("encode", "in.npy", "-o", "x.dfc", "--network", "n" * 256),
        ("encode", "in.npy", "-o", "x.dfc", "--name", "n" * 256),
        ("encode", "in.npy", "-o", "x.dfc", "--name", "\udcff"),
        ("encode", "in.npy", "-o", "x.dfc", "--metadata", "a=\udcff"),
        ("encode", "in.npy", "-o", "x.dfc", "--axes", "TCHW", "--time", "4294967296:1"),
        ("encode", "in.npy", "-o", "x.dfc", "--axes", "TCHW", "--time", "1"),
        ("encode", "in.npy", "-o", "x.dfc", "--payload", "png", "--quantizer", "none"),
        ("encode", "in.npy", "-o", "x.dfc", "--payload", "jpeg", "--bit-depth", "8", "--quality", "1000"),
        ("encode", "in.npy", "-o", "x.dfc", "--payload", "jpeg2000", "--bit-depth", "8", "--rate", "nan"),
        ("encode", "in.npy", "-o", "x.dfc", "--hevc-encoder", "no-such-program {input}"),
        ("encode", "in.npy", "-o", "x.dfc", "--hevc-encoder", "true {width.x}"),
        ("encode", "in.npy", "-o", "in.npy"), ("encode", "in.dfc", "-o", "x.dfc"),
        ("decode", "in.dfc", "-o", "x.txt"), ("decode", "in.dfc", "-o", "in.dfc", "--format", "npy"),
        ("decode", "in.dfc", "-o", "x.npy", "--samples", "a"), ("decode", "in.dfc", "-o", "x.npy", "--samples", "1:0"),
        ("decode", "in.dfc", "-o", "x.npy", "--samples", "-1"), ("decode", "in.dfc", "-o", "x.npy", "--jobs", "0"),
        ("decode", "in.dfc", "-o", "x.npy", "--model-digest", "zz"),
        ("decode", "in.dfc", "-o", "x.npy", "--model-digest", "abcd"),
        ("decode", "in.dfc", "-o", "x.npy", "--max-level", "4"), ("validate", "in.dfc", "--level", "l9"),
    ],
    ids=lambda words: " ".join(words)[:70].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_command_that_makes_no_sense_is_a_usage_error(
    run: Run, tmp_path: Path, array: Path, stream: Path, words: tuple[str, ...]
) -> None:
    said = run(*words)
    if words:
        said.failed(2)
    else:
        assert said.code in (0, 2)
    assert left(tmp_path) == {"in.npy", "in.dfc"}


# --- encode and decode ---


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors"])
def test_files_of_every_format_come_back(run: Run, tmp_path: Path, suffix: str) -> None:
    x = features(2, 3, 4, 5)
    source, target = tmp_path / f"x.{suffix}", tmp_path / f"y.{suffix}"
    if suffix == "npy":
        np.save(source, x)
    elif suffix == "npz":
        np.savez(source, conv1=x)
    else:
        save_file({"conv1": x}, source)
    said = run("encode", source, "-o", "x.dfc", *LOSSLESS).ok()
    assert said.out.startswith("x.dfc: ")
    assert "2 samples" in said.out
    run("validate", "x.dfc").ok()
    run("decode", "x.dfc", "-o", target).ok()
    got = np.load(target) if suffix == "npy" else loaded(target)["conv1"]
    assert got.dtype == x.dtype
    assert np.array_equal(got, x)
    assert left(tmp_path) == {source.name, target.name, "x.dfc"}


def test_several_tensors_of_different_lengths_come_back(run: Run, tmp_path: Path) -> None:
    tensors = {"p3": features(3, 2, 4, 4), "p4": features(1, 4, 2, 2), "head": features(2, 7)}
    np.savez(tmp_path / "x.npz", **tensors)
    run("encode", "x.npz", "-o", "x.dfc", *LOSSLESS).ok()
    for suffix in ("npz", "safetensors"):
        run("decode", "x.dfc", "-o", f"y.{suffix}").ok()
        got = loaded(tmp_path / f"y.{suffix}")
        assert {name: got[name].shape for name in got} == {name: x.shape for name, x in tensors.items()}
        assert all(np.array_equal(got[name], x) for name, x in tensors.items())
    run("decode", "x.dfc", "-o", "y.npy").failed(2)
    assert not (tmp_path / "y.npy").exists()


def test_hevc_comes_back_close(run: Run, tmp_path: Path) -> None:
    x = np.sin(np.arange(2 * 3 * 16 * 16) / 9).astype(np.float32).reshape(2, 3, 16, 16)
    np.save(tmp_path / "x.npy", x)
    run("encode", "x.npy", "-o", "x.dfc", "--preset", "fast", "--qp", 4, "--digest", "stream").ok()
    run("decode", "x.dfc", "-o", "y.npy").ok()
    assert np.abs(np.load(tmp_path / "y.npy") - x).max() < 0.1


def test_the_letters_of_the_axes_are_kept(run: Run, tmp_path: Path) -> None:
    x = features(2, 4, 5, 3)
    np.save(tmp_path / "x.npy", x)
    run("encode", "x.npy", "-o", "x.dfc", "--axes", "NHWC", *LOSSLESS).ok()
    found = json.loads(run("inspect", "x.dfc", "--json").ok().out)["tensors"][0]
    assert (found["axes"], found["shape"]) == ("NHWC", [2, 4, 5, 3])
    run("decode", "x.dfc", "-o", "y.npy").ok()
    assert np.array_equal(np.load(tmp_path / "y.npy"), x)


def test_fortran_order_comes_back(run: Run, tmp_path: Path) -> None:
    x = np.asfortranarray(features(2, 3, 4, 5))
    np.save(tmp_path / "x.npy", x)
    run("encode", "x.npy", "-o", "x.dfc", *LOSSLESS).ok()
    run("decode", "x.dfc", "-o", "y.npy").ok()
    assert np.array_equal(np.load(tmp_path / "y.npy"), x)


@pytest.mark.parametrize(("words", "indices"), [("0", [0]), ("3", [3]), ("1:2", [1, 2]), ("0:4", [0, 1, 2, 3, 4])])
def test_some_samples_are_those_of_all(run: Run, tmp_path: Path, words: str, indices: list[int]) -> None:
    x = features(5, 3, 4, 5)
    (tmp_path / "x.dfc").write_bytes(refsw.encode(x, quantizer="none", payload="zlib"))
    run("decode", "x.dfc", "-o", "y.npy", "--samples", words).ok()
    assert np.array_equal(np.load(tmp_path / "y.npy"), x[indices])


@pytest.mark.parametrize("words", ["2", "7:9", "0:2", "1:99"])
def test_a_sample_that_is_not_there_is_reported(run: Run, stream: Path, tmp_path: Path, words: str) -> None:
    said = run("decode", stream, "-o", "y.npy", "--samples", words)
    assert said.code in (2, 65, 69)
    assert "access.sample" in said.err
    assert left(tmp_path) == {"in.dfc"}


def test_samples_of_another_model_are_refused_in_random_access_too(run: Run, tmp_path: Path) -> None:
    data = refsw.encode(features(2, 3, 4, 5), quantizer="none", payload="zlib", model_digest=bytes(32))
    (tmp_path / "x.dfc").write_bytes(data)
    run("decode", "x.dfc", "-o", "y.npy", "--model-digest", "00" * 32).ok()
    run("decode", "x.dfc", "-o", "y.npy", "--model-digest", "00" * 32, "--samples", "0").ok()
    for more in ((), ("--samples", "0")):
        said = run("decode", "x.dfc", "-o", "z.npy", "--model-digest", "01" * 32, *more).failed(65)
        assert "fps.model-digest" in said.err
    assert left(tmp_path) == {"x.dfc", "y.npy"}


def test_the_model_here_is_told_by_its_file_or_its_digest(run: Run, tmp_path: Path) -> None:
    models = {name: {"w": np.full(3, value, np.float32)} for name, value in (("own", 1.0), ("other", 2.0))}
    for name, model in models.items():
        np.savez(tmp_path / f"{name}.npz", **model)
    digest = refsw.model_digest(models["own"])
    (tmp_path / "x.dfc").write_bytes(refsw.encode(features(1, 2, 3), payload="zlib", model_digest=digest))
    np.save(tmp_path / "in.npy", features(1, 2, 3))
    for here in ("own.npz", digest.hex(), digest.hex().upper()):
        run("decode", "x.dfc", "-o", "y.npy", "--model", here).ok()
        run("encode", "in.npy", "-o", "coded.dfc", "--payload", "zlib", "--model-digest", here).ok()
        assert refsw.inspect(tmp_path / "coded.dfc").as_dict()["tensors"][0]["model_digest"] == digest.hex()
    index = tmp_path / "m.safetensors.index.json"
    index.write_text("{}")
    assert "encode each .safetensors file" in run("encode", index.name, "-o", "z.dfc").failed(2).err
    for here in ("other.npz", "00" * 32):
        assert "fps.model-digest" in run("decode", "x.dfc", "-o", "z.npy", "--model", here).failed(65).err
    assert run("decode", "x.dfc", "-o", "z.npy", "--model", "none.npz").code == 66
    assert "64 hexadecimal digits" in run("decode", "x.dfc", "-o", "z.npy", "--model", "abc").failed(2).err
    assert not (tmp_path / "z.npy").exists()


def test_two_processes_write_the_same_bytes_as_one(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", features(3, 4, 16, 16))
    for jobs in (1, 2):
        done = process("encode", "x.npy", "-o", f"{jobs}.dfc", "--preset", "fast", "--jobs", jobs, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        done = process("decode", f"{jobs}.dfc", "-o", f"{jobs}.npy", "--jobs", jobs, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "1.dfc").read_bytes() == (tmp_path / "2.dfc").read_bytes()
    assert (tmp_path / "1.npy").read_bytes() == (tmp_path / "2.npy").read_bytes()


# --- pipes ---


def test_pipes_work_at_both_ends(tmp_path: Path, array: Path) -> None:
    coded = process("encode", "-", "-o", "-", *LOSSLESS, data=array.read_bytes(), cwd=tmp_path)
    assert (coded.returncode, coded.stderr) == (0, b"")
    run_again = process("encode", array, "-o", "-", *LOSSLESS, cwd=tmp_path)
    assert run_again.stdout == coded.stdout
    decoded = process("decode", "-", "-o", "-", data=coded.stdout, cwd=tmp_path)
    assert (decoded.returncode, decoded.stderr) == (0, b"")
    assert np.array_equal(np.load(io.BytesIO(decoded.stdout)), np.load(array))
    assert left(tmp_path) == {"in.npy"}


def test_a_pipe_whose_range_is_measured_is_read_twice(tmp_path: Path, array: Path) -> None:
    words = ("-o", "-", "--payload", "zlib", "--range", "sequence")
    piped = process("encode", "-", *words, data=array.read_bytes())
    assert piped.returncode == 0
    assert piped.stdout == process("encode", array, *words).stdout


def test_inspect_and_validate_read_pipes(stream: Path) -> None:
    for command in ("inspect", "validate"):
        done = process(command, "-", data=stream.read_bytes())
        assert (done.returncode, done.stderr) == (0, b"")


def test_random_access_needs_a_file(tmp_path: Path, stream: Path) -> None:
    done = process("decode", "-", "-o", "y.npy", "--samples", "0", data=stream.read_bytes(), cwd=tmp_path)
    assert done.returncode == 2
    assert left(tmp_path) == {"in.dfc"}


def test_a_reader_that_goes_away_makes_no_noise_but_one_line(stream: Path) -> None:
    command = [sys.executable, "-c", "from refsw.cli.main import main; main()", "decode", str(stream), "-o", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        said = child.stderr.read().decode()
        assert child.wait() not in (0, 1, 2, 70)  # not done, nor done with failures, nor a bug
    assert "Traceback" not in said
    assert "Exception ignored" not in said


# --- inspect and validate ---


def test_inspect_tells_what_is_in_a_bitstream(run: Run, stream: Path) -> None:
    said = run("inspect", stream).ok().out
    for words in ("profile lossless", "level 1", "float32 NCHW (2, 3, 4, 5)", "zlib", "digest"):
        assert words in said


def test_inspect_as_json_is_json(run: Run, stream: Path) -> None:
    found = json.loads(run("inspect", stream, "--json").ok().out)
    assert found["tensors"][0]["shape"] == [2, 3, 4, 5]
    assert found["bytes"] == stream.stat().st_size
    assert found["error"] is None
    assert "trace" not in found


def test_a_trace_has_every_element_at_its_bit(run: Run, stream: Path) -> None:
    rows = json.loads(run("inspect", stream, "--trace", "--json").ok().out)["trace"]
    assert rows[0] == {"bit_offset": 0, "bits": 32, "clause": "6.3", "structure": "bitstream_header",
                       "element": "signature", "descriptor": "u(32)", "value": 0x89444643}  # fmt: skip
    place = 0
    for row in rows:
        assert row["bit_offset"] == place
        place += row["bits"]
    assert place == 8 * stream.stat().st_size
    text = run("inspect", stream, "--trace").ok().out
    assert all(row["element"] in text for row in rows)


def test_a_trace_of_a_wrong_range_is_still_json(run: Run, tmp_path: Path) -> None:
    from refsw.syntax.units import HEADER_BYTES, UnitReader, pack_unit

    data = refsw.encode(features(1, 1, 2, 2), quantizer="log", bit_depth=8, payload="stored")
    row = next(row for row in refsw.inspect(data, trace=True).rows if row.element == "sample_maximum[0]")
    shift = 8 * len(data) - row.bit_offset - 32
    number = int.from_bytes(data, "big") | 0x7FC00000 << shift
    data = number.to_bytes(len(data), "big")
    parts = [data[:HEADER_BYTES]]
    units = list(UnitReader(io.BytesIO(data), report=lambda error: None))
    parts += [pack_unit(unit.type, bytes(unit.body)) for unit in units]
    (tmp_path / "nan.dfc").write_bytes(b"".join(parts))

    def refuse(text: str) -> None:
        raise AssertionError(text)

    said = run("inspect", "nan.dfc", "--trace", "--json").failed(65)
    assert json.loads(said.out, parse_constant=refuse)["error"]["class"] == "NONFINITE"


def test_validate_tells_what_conforms(run: Run, stream: Path) -> None:
    said = run("validate", stream).ok().out
    assert "conforms to profile lossless, level 1" in said
    assert json.loads(run("validate", stream, "--json").ok().out)["conforming"] is True


def test_validate_tells_every_violation(run: Run, stream: Path) -> None:
    data = bytearray(stream.read_bytes())
    data[-1] ^= 1
    stream.write_bytes(data + b"more")
    said = run("validate", stream)
    assert said.code == 65
    assert "requirement unit.crc" in said.out
    found = json.loads(run("validate", stream, "--json").out)
    assert found["conforming"] is False
    assert {"phase", "class", "requirement", "element", "bit_offset", "expected", "got"} == set(found["violations"][0])


@pytest.mark.parametrize(("option", "value"), [("--profile", "intra"), ("--profile", "inter")])
def test_validate_holds_a_bitstream_to_what_is_asked(run: Run, stream: Path, option: str, value: str) -> None:
    said = run("validate", stream, option, value)
    assert said.code == 65
    assert "profile.declared" in said.out


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
