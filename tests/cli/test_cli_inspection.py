"""Pipes at both ends, and what inspect and validate tell of a bitstream."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_runs import LOSSLESS, Run, array_file, features, left, process, running, two_samples  # noqa: F401 - fixtures

import refsw

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
