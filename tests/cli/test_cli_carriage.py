"""packetize, depacketize, send and receive as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import Run, running  # noqa: F401 - a fixture

import refsw
from refsw.carriage.captures import CaptureWriter, read_capture
from tests.carriage.carrying import load


@pytest.fixture
def features(tmp_path: Path) -> np.ndarray:
    x = np.random.default_rng(3).random((10, 4, 8, 8), dtype=np.float32)
    (tmp_path / "x.dfc").write_bytes(refsw.encode(x, payload="zlib", quantizer="uniform"))
    return np.asarray(refsw.decode(tmp_path / "x.dfc"))


def without(path: Path, out: Path, gone: set[int]) -> None:
    """A capture without some of its packets."""
    with path.open("rb") as source, out.open("wb") as target:
        writer = CaptureWriter(target, out.suffix)
        for i, one in enumerate(read_capture(source)):
            if i not in gone:
                writer.write(one.seconds, one.payload)


@pytest.mark.parametrize("suffix", ["pcap", "rtp"])
def test_a_bitstream_goes_into_a_capture_and_comes_out_again(
    run: Run, features: np.ndarray, tmp_path: Path, suffix: str
) -> None:  # fmt: skip
    said = run("packetize", "x.dfc", "-o", f"x.{suffix}", "--packet-bytes", "200", "--rate", "25").ok()
    assert said.out.startswith(f"x.{suffix}: ")
    said = run("depacketize", f"x.{suffix}", "-o", "y.dfc").ok()
    assert "the whole bitstream" in said.out
    assert (tmp_path / "y.dfc").read_bytes() == (tmp_path / "x.dfc").read_bytes()
    for output in ("y.npz", "y.safetensors", "y.npy"):
        run("depacketize", f"x.{suffix}", "-o", output).ok()
    assert np.load(tmp_path / "y.npy").tobytes() == features.tobytes()
    assert load(tmp_path / "y.npz")["tensor0"].tobytes() == features.tobytes()


def test_what_is_lost_is_in_the_mask_and_in_the_counts(run: Run, features: np.ndarray, tmp_path: Path) -> None:
    run("packetize", "x.dfc", "-o", "x.pcap", "--packet-bytes", "1000", "--repeat", "0").ok()
    without(tmp_path / "x.pcap", tmp_path / "less.pcap", {5, 7})
    assert "carriage.complete" in run("depacketize", "less.pcap", "-o", "y.dfc").failed(65).err
    assert not (tmp_path / "y.dfc").exists()
    said = run("depacketize", "less.pcap", "-o", "y.npz", "--save-mask", "--json").ok()
    counts = json.loads(said.out)
    assert (counts["lost"], counts["samples"], counts["complete"]) == (2, 8, False)
    found = load(tmp_path / "y.npz")
    mask = found["tensor0@mask"]
    assert sorted(found) == ["tensor0", "tensor0@first", "tensor0@mask"]
    assert found["tensor0"].tobytes() == np.where(mask, features, np.float32(0)).tobytes()
    assert mask.reshape(10, -1).all(1).sum() == 8
    said = run("depacketize", "less.pcap", "-o", "z.npz", "--conceal", "zero").ok()
    assert "2 lost" in said.out
    assert sorted(load(tmp_path / "z.npz")) == ["tensor0"]


@pytest.mark.parametrize("axes", ["TCHW", "NCHW"])
def test_a_sample_of_which_nothing_came_is_the_one_before_it_in_time(run: Run, axes: str, tmp_path: Path) -> None:
    x = np.random.default_rng(3).random((6, 4, 8, 8), dtype=np.float32) + 1
    time = {"time_scale": 25, "time_step": 1} if axes == "TCHW" else {}
    data = refsw.encode(x, payload="zlib", quantizer="uniform", axes=axes, **time)
    whole = refsw.decode(data)
    (tmp_path / "p.dfc").write_bytes(data)
    run("packetize", "p.dfc", "-o", "p.pcap", "--repeat", "0").ok()
    without(tmp_path / "p.pcap", tmp_path / "less.pcap", {3, 6, 7})  # samples 0, 3 and 4
    said = run("depacketize", "less.pcap", "-o", "z.npz", "--save-mask", "--conceal", "mean").ok()
    assert "3 missing" in said.out
    found = load(tmp_path / "z.npz")
    assert found["tensor0@mask"].reshape(6, -1).all(1).tolist() == [False, True, True, False, False, True]
    assert not found["tensor0@mask"][[0, 3, 4]].any()
    stands = whole[[2, 2]] if axes == "TCHW" else np.zeros_like(whole[:2])
    assert found["tensor0"][3:5].tobytes() == stands.tobytes()
    assert not found["tensor0"][0].any()  # nothing is known before the first


def test_what_is_missing_of_a_sample_in_parts_is_estimated(run: Run, tmp_path: Path) -> None:
    x = np.random.default_rng(3).random((3, 4, 8, 8), dtype=np.float32) + 1
    data = refsw.encode(x, payload="zlib", quantizer="uniform", parts=(2, 1))
    (tmp_path / "p.dfc").write_bytes(data)
    run("packetize", "p.dfc", "-o", "p.pcap", "--packet-bytes", "100", "--repeat", "0").ok()
    without(tmp_path / "p.pcap", tmp_path / "less.pcap", {7, 11})
    run("depacketize", "less.pcap", "-o", "y.npz", "--save-mask").ok()
    run("depacketize", "less.pcap", "-o", "z.npz", "--save-mask", "--conceal", "linear").ok()
    plain, filled = load(tmp_path / "y.npz"), load(tmp_path / "z.npz")
    mask = plain["tensor0@mask"]
    assert mask.any(axis=(1, 2, 3)).all()
    assert not mask.all()
    assert filled["tensor0@mask"].tobytes() == mask.tobytes()
    assert plain["tensor0"][mask].tobytes() == filled["tensor0"][mask].tobytes()
    assert (plain["tensor0"][~mask] == 0).all()
    assert (filled["tensor0"][~mask] > 0.5).all()


def test_a_time_axis_says_when_samples_are(run: Run, tmp_path: Path) -> None:
    x = np.random.default_rng(3).random((3, 4, 8, 8), dtype=np.float32)
    (tmp_path / "t.dfc").write_bytes(refsw.encode(x, payload="zlib", axes="TCHW", time_scale=50))
    for words in (("packetize", "t.dfc", "-o", "t.rtp"), ("send", "t.dfc", "rtp://127.0.0.1:9")):
        assert "time axis" in run(*words, "--rate", "25").failed(2).err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.dfc"]
    run("packetize", "t.dfc", "-o", "t.rtp").ok()
    with (tmp_path / "t.rtp").open("rb") as file:
        stamps = [int.from_bytes(one.payload[4:8], "big") for one in read_capture(file)]
    assert sorted({(stamp - stamps[0]) % 2**32 for stamp in stamps}) == [0, 1800, 3600, 5400]


def test_parameter_sets_travel_in_a_session_description(run: Run, features: np.ndarray, tmp_path: Path) -> None:
    run("packetize", "x.dfc", "-o", "x.pcap", "--sdp-out", "x.sdp", "--out-of-band", "--payload-type", "111").ok()
    assert "sprop-parameter-sets=" in (tmp_path / "x.sdp").read_text()
    run("depacketize", "x.pcap", "-o", "y.dfc", "--sdp", "x.sdp").ok()
    assert (tmp_path / "y.dfc").read_bytes() == (tmp_path / "x.dfc").read_bytes()
    run("depacketize", "x.pcap", "-o", "y.npz").failed(65)  # of another payload type
    run("packetize", "x.dfc", "-o", "x.pcap", "--out-of-band").failed(2)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("packetize", "x.dfc", "-o", "x.txt"), 2),
        (("packetize", "x.dfc", "-o", "x.pcap", "--rate", "0"), 2),
        (("packetize", "x.dfc", "-o", "x.pcap", "--rate", "a"), 2),
        (("packetize", "no.dfc", "-o", "x.pcap"), 66),
        (("packetize", "x.npy", "-o", "x.pcap"), 65),
        (("depacketize", "x.dfc", "-o", "y.dfc"), 65),
        (("depacketize", "no.pcap", "-o", "y.npz"), 66),
        (("depacketize", "x.dfc", "-o", "y.npy", "--save-mask"), 2),
        (("depacketize", "x.dfc", "-o", "y.dfc", "--save-mask"), 2),
        (("depacketize", "x.dfc", "-o", "y.npz", "--conceal", "magic"), 2),
        (("depacketize", "x.dfc", "-o", "y.npz", "--sdp", "x.npy"), 65),
        (("depacketize", "x.dfc", "-o", "y.npz", "--hevc-decoder", " "), 2),
        (("send", "x.dfc", "rtp://"), 2),
        (("send", "x.dfc", "http://h:5"), 2),
        (("send", "x.npy", "rtp://127.0.0.1:9"), 65),
        (("receive", "udp://:5", "-o", "y.npz"), 2),
        (("receive", "rtp://192.0.2.77:5", "-o", "y.npz"), 74),
        (("receive", "rtp://:0", "-o", "y.txt"), 2),
    ],
)
def test_mistakes_are_told_in_one_paragraph_and_leave_nothing(
    run: Run, features: np.ndarray, tmp_path: Path, words: tuple[str, ...], code: int
) -> None:  # fmt: skip
    np.save(tmp_path / "x.npy", features)
    run(*words).failed(code)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.dfc", "x.npy"]
