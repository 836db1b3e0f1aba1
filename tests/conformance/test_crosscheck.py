"""One bitstream through every decoder present; disagreements are located."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.conformance.crosscheck import crosscheck, crosscheck_pictures
from refsw.conformance.suite import Kind, load_suites
from refsw.errors import UsageError
from tests.conformance.making import ROOT, SABOTEUR


def invoke(*words: object) -> Any:
    return CliRunner().invoke(cli, ["crosscheck", *map(str, words)])


def test_all_agree(streams: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "x.dfc").write_bytes(streams["hevc mosaic"])
    done = invoke(tmp_path / "x.dfc", "--json")
    found = json.loads(done.output)
    assert (done.exit_code, found["agree"], found["disagreements"]) == (0, True, [])
    tensors = {row["decoder"]: row["sha256"] for row in found["rows"] if row["what"] == "tensor tensor0"}
    assert {"refsw", "independent"} <= set(tensors)
    assert len(set(tensors.values())) == 1
    pictures = [row for row in found["rows"] if row["what"] == "pictures of tensor0"]
    assert len(pictures) == 1 + any(map(shutil.which, ("libde265-dec265", "dec265")))
    assert "all decoders agree" in invoke(tmp_path / "x.dfc").output


def test_a_wrong_element_is_located(streams: dict[str, bytes]) -> None:
    found = crosscheck(streams["gzip"], decoders=[f"{SABOTEUR}:off_by_one_ulp"])
    assert found.exit_code == 1
    (told,) = found.disagreements
    assert told.startswith("tensor tensor0: 1 of 990 differ, first at element [1, 4, 8, 10]: refsw ")
    assert told.endswith("1 ULP apart")


def test_another_shape_and_a_rejection_are_told(streams: dict[str, bytes]) -> None:
    found = crosscheck(streams["gzip"], decoders=[f"{SABOTEUR}:add_sample", f"{SABOTEUR}:reject_everything"])
    assert found.exit_code == 1
    assert any("(3, 5, 9, 11)" in text for text in found.disagreements)
    assert any("reject_everything rejects it (65)" in text for text in found.disagreements)


def test_a_wrong_picture_is_located(streams: dict[str, bytes], tmp_path: Path) -> None:
    """An HEVC decoder by command that gets one value wrong."""
    import refsw
    from refsw.conformance.reference import decode_in_steps

    data = refsw.encode(refsw.decode(streams["hevc mosaic"]), qp=30, bit_depth=8, samples_per_unit=2)
    pictures = decode_in_steps(data)["tensor0"].all_pictures().copy()
    pictures[0, 2, 3] ^= 1
    (tmp_path / "wrong.yuv").write_bytes(pictures.tobytes())
    found = crosscheck(data, hevc=[f"sh -c 'cp {tmp_path}/wrong.yuv {{output}}; : {{input}}'"])
    assert found.exit_code == 1
    assert any(
        "first at picture 0, row 2, column 3" in text and text.endswith(", 1 apart") for text in found.disagreements
    )


def test_what_all_reject(streams: dict[str, bytes], tmp_path: Path) -> None:
    found = crosscheck(streams["gzip"][:-3])
    assert (found.exit_code, found.agree) == (65, False)
    assert "every decoder rejects it" in found.lines("x")[-1]


@pytest.mark.parametrize(
    ("decoder", "told"),
    [
        ("nothing-of-that-name", "neither a registered decoder"),
        ("./nothing {input} {output}", "there is no program ./nothing"),
        ("cat {input}", "both {input} and {output}"),
        ("cat {input} {output} {bsae}", r"unknown placeholder {bsae}; there are {input}, {output}, {base}"),
        (f"{sys.executable} nothing.py {{input}} {{output}}", "does not start: .*can't open file"),
        ("env nothing-of-that-name {input} {output}", "does not start: .*nothing-of-that-name"),
        ("no.such.module:decode", "there is no module"),
        ("json:nothing", "does not start: .*no attribute 'nothing'"),
        ("true", "does not start: it did not tell that it is ready"),
    ],
)
def test_a_decoder_that_cannot_be_started_is_a_wrong_word_of_the_user_and_no_disagreement(
    streams: dict[str, bytes], decoder: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as error:
        crosscheck(streams["raw"], decoders=[decoder])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("TAppDecoder", "{input} is missing"),
        ("nothing-of-that-name {input} {output}", "there is no program nothing-of-that-name"),
        ("cat {input} {output} {qp}", "unknown placeholder {qp}"),
        ("'cat {input} {output}", "No closing quotation"),
        ("", "an empty command"),
    ],
)
def test_an_hevc_decoder_that_cannot_be_started_is_refused_before_anything_is_decoded(
    streams: dict[str, bytes], command: str, told: str
) -> None:
    with pytest.raises(UsageError, match=f"HEVC decoder.*{told}"):
        crosscheck(streams["raw"], hevc=[command])


def test_two_hevc_decoders_of_one_program_are_two(streams: dict[str, bytes]) -> None:
    found = crosscheck(streams["hevc sequence"], hevc=["false {input} {output}", "false {output} {input}"])
    assert [row.decoder for row in found.rows if row.decoder.startswith("false")] == ["false", "false #2"]
    assert found.exit_code == 1


def test_a_decoder_with_an_npy_file_takes_part(streams: dict[str, bytes]) -> None:
    found = crosscheck(streams["gzip"], decoders=[f"{sys.executable} -m refsw decode {{input}} -o {{output}}.npy"])
    assert found.exit_code == 0
    assert {row.what for row in found.rows} == {"tensor tensor0"}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("libde265-dec265"), reason="libde265-dec265 is not installed")
def test_every_valid_hevc_vector_is_the_same_to_all_hevc_decoders() -> None:
    """REFSW_HM_DECODER names HM, where it is there."""
    hm = os.environ.get("REFSW_HM_DECODER")
    commands = [f"{hm} -b {{input}} -o {{output}} -d 0"] if hm else []
    told, count = {}, 0
    for suite in load_suites([ROOT / "conformance" / "suites"]):
        for vector in suite:
            if vector.kind is Kind.VALID and vector.suite in ("intra", "inter", "extended"):
                found = crosscheck_pictures((ROOT / "test_vectors" / vector.file).read_bytes(), hevc=commands)
                count += bool(found.rows)
                if found.disagreements:
                    told[vector.id] = [line for line in found.disagreements if "libde265" not in line]
    assert count > 90
    assert told == {"hevc-hm.wavefront_r1": []}  # libde265 alone goes wrong in wavefronts


@pytest.mark.parametrize(
    ("vector", "program", "told"),
    [
        ("wavefront", "libde265-dec265", "libde265 before 1.0.19 decodes persistent Rice adaptation"),
        ("pcm", "ffmpeg", "FFmpeg 5.1 decodes PCM coding blocks in 4:0:0 wrongly"),
        ("pcm", "libde265-dec265", ""),
        ("slices", "libde265-dec265", ""),
    ],
)
def test_what_is_known_of_a_decoder_that_disagrees_is_told(
    tmp_path: Path, vector: str, program: str, told: str
) -> None:
    wrong = tmp_path / program
    wrong.write_text(f"#!{sys.executable}\nimport sys\nopen(sys.argv[1], 'wb').write(bytes(72 * 64))\n")
    wrong.chmod(0o755)
    data = (ROOT / "test_vectors" / "intra" / f"hevc-hm.{vector}_r1.dfc").read_bytes()
    found = crosscheck_pictures(data, hevc=[f"{wrong} {{output}} {{input}}"])
    (row,) = [row for row in found.rows if row.decoder == str(wrong)]
    assert row.digest is not None
    assert any(str(wrong) in text for text in found.disagreements)
    assert row.remark.startswith(told) if told else not row.remark
