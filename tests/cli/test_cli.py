"""The command line as a user meets it: help, usage, files of every format that come back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_runs import LOSSLESS, Run, array_file, features, left, loaded, process, running, two_samples  # noqa: F401 - fixtures
from safetensors.numpy import save_file

import refsw
from refsw.cli import main as entry

COMMANDS = list(entry.COMMANDS)


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
