"""8.4.7 External HEVC encoders: what they write is sent if it conforms, and refused by name if not."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import refsw
from refsw.errors import CodecError, UsageError
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.payload import commands, external, nal
from refsw.tensor.axes import Array

FAKE = Path(__file__).parents[1] / "payload" / "fake_encoder.py"
ROOT = Path(__file__).parents[2]


def documented(page: str, start: str) -> str:
    """The command of a page that begins with these words, on one line."""
    text = (ROOT / page).read_text()
    begin = text.index(start)
    end = text.index("{output}", begin) + len("{output}")
    return " ".join(text[begin:end].split())


X265 = documented("docs/external-codecs.md", "x265 --input")
FFMPEG = documented("docs/external-codecs.md", "ffmpeg -v error")
needs_x265 = pytest.mark.skipif(not shutil.which("x265"), reason="x265 is not installed")
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


def fake(*faults: str, recon: bool = False) -> str:
    words = [sys.executable, str(FAKE), ",".join(faults) or "plain", "{width}", "{height}", "{frames}"]
    return " ".join([*words, "{bit_depth}", "{qp}", "{input}", "{output}", *["{recon}"] * recon])


def features(samples: int = 3, seed: int = 1) -> Array:
    """Samples (N, 9, 28, 28) of different scales, as the QP is shifted for each."""
    rng = np.random.default_rng(seed)
    scales = np.arange(1, samples + 1, dtype=np.float32)[:, None, None, None]
    return (np.abs(rng.normal(size=(samples, 9, 28, 28))) * scales).astype(np.float32)


def coded(x: Array, command: str, preset: str = "balanced", **choices: object) -> bytes:
    """A bitstream that validates, and decodes to much the same as with refsw's own encoder."""
    data = refsw.encode(x, preset, command=command, **choices)
    assert refsw.validate(data).violations == []
    decoded, own = refsw.decode(data), refsw.decode(refsw.encode(x, preset, **choices))
    assert np.abs(decoded - x).mean() < 1.5 * np.abs(own - x).mean() + 1e-6
    return data


def parameter_sets(data: bytes) -> nal.Configuration:
    import io

    parameters = next(c for c in BitstreamReader(io.BytesIO(data)) if isinstance(c, Parameters))
    return nal.parse_configuration(parameters.configuration)


@pytest.mark.parametrize(
    "faults", ["plain", "own-tools", "chatty", "wavefronts", "ends", "lossless", "own-tools,wavefronts"]
)
@pytest.mark.parametrize("choices", [{"preset": "balanced"}, {"preset": "anchor", "samples_per_unit": 2}])
def test_units_of_any_encoder_share_one_configuration(faults: str, choices: dict[str, object]) -> None:
    data = refsw.encode(features(), command=fake(*faults.split(",")), config=choices["preset"],
                        samples_per_unit=choices.get("samples_per_unit", 1))  # fmt: skip
    assert refsw.validate(data).violations == []
    assert refsw.decode(data).shape == features().shape


def test_units_whose_picture_parameter_sets_differ_refer_to_them_by_ids_of_their_own() -> None:
    x = features(12)
    alone = [refsw.decode(refsw.encode(x[i : i + 1], command=fake("own-tools,wavefronts")))[0] for i in range(3)]
    data = refsw.encode(x, command=fake("own-tools,wavefronts"))
    assert 1 < len(parameter_sets(data).pps) <= 8
    assert np.array_equal(refsw.decode(data)[:3], alone)


def test_the_bytes_do_not_depend_on_the_number_of_processes() -> None:
    assert refsw.encode(features(), command=fake("own-tools"), jobs=2) == refsw.encode(
        features(), command=fake("own-tools")
    )


@pytest.mark.parametrize("faults", ["inter", "closed", "inter,own-tools"])
def test_pictures_of_a_unit_may_predict_one_another(faults: str) -> None:
    still = np.repeat(features(1), 20, axis=0) + np.arange(20, dtype=np.float32)[:, None, None, None] / 100
    data = refsw.encode(still, command=fake(*faults.split(",")), profile="inter", samples_per_unit=10)
    assert refsw.validate(data).violations == []
    assert np.abs(refsw.decode(data) - still).mean() < 0.2


@pytest.mark.parametrize("samples_per_unit", [1, 3])
def test_an_existing_stream_is_handed_over(tmp_path: Path, samples_per_unit: int) -> None:
    x = features()
    kept = tmp_path / "existing.hevc"
    refsw.encode(x[:samples_per_unit], command=and_keep(kept), samples_per_unit=samples_per_unit)
    data = refsw.encode(x[:samples_per_unit], command=f"cp {kept} {{output}}", samples_per_unit=samples_per_unit)
    assert refsw.validate(data).violations == []
    assert np.abs(refsw.decode(data) - x[:samples_per_unit]).mean() < 0.1


def and_keep(path: Path) -> str:
    return f"sh -c '{fake()} && cp {{output}} {path}'"


def test_samples_without_pictures_come_before_and_between() -> None:
    x = features(4)
    x[0], x[2] = 1, 2
    data = coded(x, fake())
    assert np.array_equal(refsw.decode(data)[[0, 2]], x[[0, 2]])
    assert refsw.validate(refsw.encode(x[[0, 2]], command=fake("nothing"))).violations == []


def test_several_tensors_and_digests_with_an_external_encoder() -> None:
    tensors = {"a": features(2), "b": features(2, seed=2)[:, :4]}
    data = refsw.encode(tensors, command=fake("own-tools"), digest="sample", levels_digest=True)
    assert refsw.validate(data).violations == []
    assert refsw.decode(data)["b"].shape == (2, 4, 28, 28)


REFUSED = {
    "colour": ("hevc.chroma-format", "4:0:0"),
    "narrow": ("hevc.picture-size", "{width}"),
    "deep": ("hevc.bit-depth", "{bit_depth}"),
    "few": ("hevc.picture-count", "{frames}"),
    "many": ("hevc.picture-count", "{frames}"),
    "file": ("hevc.start-code", "raw byte stream"),
    "inter": ("hevc.intra-only", "--profile inter"),
    "own-blocks": ("hevc.configuration", "another block size or coding tool"),
    "own-offsets": ("hevc.configuration", "another use of sample adaptive offset [requirement"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_an_encoder_breaks_is_named_with_its_remedy(fault: str) -> None:
    requirement, remedy = REFUSED[fault]
    x = features(8)
    with pytest.raises(CodecError) as caught:
        refsw.encode(x, "anchor", samples_per_unit=2, command=fake(fault))
    assert f"requirement {requirement}" in str(caught.value)
    assert remedy in str(caught.value)


def test_hashes_that_are_not_those_of_the_pictures_are_named(tmp_path: Path) -> None:
    stream = tmp_path / "x.hevc"
    refsw.encode(features(1), command=f"sh -c '{fake('chatty')} && cp {{output}} {stream}'")
    data = bytearray(stream.read_bytes())
    place = data.rindex(b"\x50\x01\x84") + 10  # in the MD5 of a suffix SEI of type 132
    data[place] ^= 1
    stream.write_bytes(data)
    with pytest.raises(CodecError, match=r"picture hashes are not those of its pictures.*--keyint 1"):
        refsw.encode(features(1), command=f"cp {stream} {{output}}")


@pytest.mark.parametrize(
    "command", ["cat x.hevc > {output}", "cat x.hevc >{output}", "a {input} | b {output}", "a && b"]
)
def test_words_for_a_shell_are_refused_with_the_remedy(command: str) -> None:
    with pytest.raises(UsageError, match=r"no shell runs it, .*: sh -c '\.\.\.'"):
        refsw.encode(features(1), command=command)


def test_rate_control_at_12_bits_is_refused_by_name() -> None:
    with pytest.raises(CodecError, match=r"requirement hevc\.qp.*--crf"):
        refsw.encode(features(1), bit_depth=12, command=fake("rate"))
    assert refsw.validate(refsw.encode(features(1), bit_depth=10, command=fake("rate"))).violations == []


def test_pictures_that_lead_a_cra_picture_are_named() -> None:
    with pytest.raises(CodecError, match=r"RASL picture.*hevc\.payload-nal-types.*--no-open-gop"):
        refsw.encode(features(20), samples_per_unit=20, profile="inter", command=fake("open"))


def test_a_stream_that_begins_with_a_cra_picture_is_refused_by_name(tmp_path: Path) -> None:
    stream = tmp_path / "x.hevc"
    refsw.encode(features(1), command=and_keep(stream))
    units = [
        unit.data if not unit.is_slice else bytes([21 << 1]) + unit.data[1:] for unit in nal.split(stream.read_bytes())
    ]
    stream.write_bytes(b"".join(nal.START_CODE + unit for unit in units))
    with pytest.raises(CodecError, match=r"CRA picture.*hevc\.first-picture"):
        refsw.encode(features(1), command=f"cp {stream} {{output}}")


@pytest.mark.parametrize(("fault", "words"), [
    ("nothing", "no stream"), ("empty", "no stream"), ("huge", "no level"), ("cut", "requirement hevc.picture-count"),
])  # fmt: skip
def test_what_is_no_stream_is_refused(fault: str, words: str) -> None:
    with pytest.raises(CodecError, match=words):
        refsw.encode(features(2), samples_per_unit=2, command=fake(fault))


def test_an_encoder_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TIMEOUT_SECONDS", 0.5)
    with pytest.raises(CodecError, match="did not end"):
        refsw.encode(features(1), command=fake("hang"))


def test_the_reconstruction_of_an_encoder_is_compared() -> None:
    x = features(1)
    assert refsw.validate(refsw.encode(x, command=fake("lossless", recon=True))).conforming
    with pytest.raises(CodecError, match="reconstruction differs"):
        refsw.encode(x, command=fake("plain", recon=True))


def test_every_remedy_belongs_to_a_requirement_of_the_text() -> None:
    text = (ROOT / "spec" / "08-payloads.md").read_text()
    assert [name for name in external.REMEDIES if f"[{name}]" not in text] == []


# --- programs of others, by the commands of the documents ---


def test_the_documents_agree_on_the_command_of_x265() -> None:
    assert sorted(documented("README.md", "x265 --input").split()) == sorted(X265.split())


@needs_x265
@pytest.mark.parametrize("preset", ["anchor", "balanced"])
@pytest.mark.parametrize("qp", [0, 13, 22, 37, 49])
def test_x265_as_documented_codes_units_at_any_qp(preset: str, qp: int) -> None:
    coded(features(), X265, preset, qp=qp)


@needs_x265
@pytest.mark.parametrize("bit_depth", [8, 10, 12])
def test_x265_codes_units_of_different_numbers_of_pictures(bit_depth: int) -> None:
    data = coded(features(), X265, samples_per_unit=2, bit_depth=bit_depth)
    assert parameter_sets(data).sps.promises.kept  # and not those of a single picture
    inter = X265.replace("--keyint 1 ", "--bframes 0 ")
    data = refsw.encode(features(), command=inter, samples_per_unit=2, bit_depth=bit_depth, profile="inter")
    assert refsw.validate(data).violations == []


@needs_x265
def test_slices_of_x265_are_renumbered_with_all_that_follows_in_their_headers() -> None:
    x = features(6)
    own_tools = "$(test $(($(cksum < {input} | cut -c1-3) % 2)) = 0 && echo --no-signhide)"
    command = f"sh -c '{X265} --slices 2 --wpp {own_tools}'"
    data = refsw.encode(x, command=command)
    assert refsw.validate(data).violations == []
    assert len(parameter_sets(data).pps) == 2
    for i, sample in enumerate(refsw.decode(data)):
        assert np.array_equal(sample, refsw.decode(refsw.encode(x[i : i + 1], command=command))[0])


@needs_x265
def test_x265_with_rate_control_is_refused_at_12_bits() -> None:
    with pytest.raises(CodecError, match=r"hevc\.qp"):
        refsw.encode(features(1), command=X265.replace("--qp {qp}", "--crf 20"), bit_depth=12)


@needs_ffmpeg
@pytest.mark.parametrize("qp", [10, 30])
def test_ffmpeg_as_documented_codes_units(qp: int) -> None:
    coded(features(), FFMPEG, qp=qp)
    coded(features(), FFMPEG.replace("gray10le", "gray"), "anchor", qp=qp)
