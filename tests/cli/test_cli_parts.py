"""Parts, incomplete bitstreams, dumps, and bitstreams made of others, from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], features: Any) -> Run:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.abs(features(4, 8, 16, 16)))

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["refsw", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def test_parts_and_packets(run: Run) -> None:
    assert run("encode", "x.npy", "-o", "a.dfc", "--parts", "8x4", "--payload", "zlib")[0] == 0
    assert run("encode", "x.npy", "-o", "b.dfc", "--packet-bytes", 400, "--qp", 30)[0] == 0
    tensor = refsw.inspect("a.dfc").tensors[0]
    assert (tensor.parts_per_sample, tensor.part_rows, tensor.part_channels) == (4, 8, 4)
    _, out, _ = run("inspect", "a.dfc")
    assert "4 parts a sample of 8 rows of 4 channels" in out
    assert run("validate", "b.dfc")[0] == 0
    for words in (
        ("--parts", "8"),
        ("--parts", "0x2"),
        ("--packet-bytes", 5),
        ("--parts", "8x4", "--packet-bytes", 900),
    ):
        code, _, err = run("encode", "x.npy", "-o", "c.dfc", *words)
        assert (code, err.count("\n")) == (2, 1)
    assert not Path("c.dfc").exists()


def test_an_incomplete_bitstream_and_its_mask(run: Run) -> None:
    run("encode", "x.npy", "-o", "a.dfc", "--parts", "8x4", "--payload", "stored")
    data = bytearray(Path("a.dfc").read_bytes())
    data[len(data) // 2] ^= 1
    Path("b.dfc").write_bytes(data)
    assert run("decode", "b.dfc", "-o", "b.npy")[0] == 65
    code, out, _ = run("decode", "b.dfc", "-o", "b.npy", "--incomplete", "--save-mask", "m.npy")
    assert code == 0
    assert "1 incomplete sample, 1 missing part, 1 damaged unit" in out
    got, mask, whole = np.load("b.npy"), np.load("m.npy"), refsw.decode("a.dfc")
    assert (mask.dtype, mask.shape, int((~mask).sum())) == (np.bool_, got.shape, 8 * 4 * 16)
    assert np.array_equal(got[mask], whole[mask])
    assert not got[~mask].any()
    Path("c.dfc").write_bytes(data[:12])
    assert run("decode", "c.dfc", "-o", "c.npy", "--incomplete")[0] == 65
    assert not Path("c.npy").exists()
    for words in (("--save-mask", "m.npy"), ("--incomplete", "--samples", "0"), ("--incomplete", "--dump", "levels")):
        assert run("decode", "a.dfc", "-o", "d.npy", *words)[0] == 2


@pytest.mark.parametrize("parts", [(), ("--parts", "8x4")])
def test_levels_and_pictures_are_dumped_as_checkpoints(run: Run, parts: tuple[str, ...]) -> None:
    run("encode", "x.npy", "-o", "a.dfc", "--payload", "zlib", "--quantizer", "uniform", "--bit-depth", 9, *parts)
    assert run("decode", "a.dfc", "-o", "a.npz", "--dump", "levels,pictures")[0] == 0
    with np.load("a.npz") as found:
        arrays = dict(found)
    assert sorted(arrays) == ["tensor0", "tensor0@levels", "tensor0@pictures"]
    assert np.array_equal(arrays["tensor0"], refsw.decode("a.dfc"))
    levels, pictures = arrays["tensor0@levels"], arrays["tensor0@pictures"]
    assert (levels.shape, levels.dtype.itemsize, int(levels.max())) == ((4, 8, 16, 16), 2, 511)
    assert pictures.ndim == 3
    assert pictures.astype(np.int64).sum() == levels.astype(np.int64).sum()
    for sample, values in zip(levels, arrays["tensor0"], strict=True):
        order = np.argsort(sample.reshape(-1), kind="stable")
        assert (np.diff(values.reshape(-1)[order]) >= 0).all()
    assert run("decode", "a.dfc", "-o", "b.npy", "--dump", "levels")[0] == 2
    assert run("decode", "a.dfc", "-o", "b.npz", "--dump", "nothing")[0] == 2
    assert run("decode", "-", "-o", "b.npz", "--dump", "levels")[0] == 2


def test_bitstreams_of_others(run: Run) -> None:
    run(
        "encode",
        "x.npy",
        "-o",
        "a.dfc",
        "--parts",
        "8x4",
        "--payload",
        "zlib",
        "--digest",
        "stream",
        "--metadata",
        "k=v",
    )
    whole = refsw.decode("a.dfc")
    for number, samples in enumerate(("0:1", "2", "3")):
        assert run("extract", "a.dfc", "-o", f"{number}.dfc", "--samples", samples)[0] == 0
    assert run("concat", "0.dfc", "1.dfc", "2.dfc", "-o", "all.dfc")[0] == 0
    assert run("strip", "a.dfc", "-o", "bare.dfc", "--digests", "--metadata")[0] == 0
    assert run("extract", "a.dfc", "-o", "band.dfc", "--parts", "0,1")[0] == 0
    for name, want in (("all", whole), ("bare", whole), ("band", whole[:, :, :8])):
        assert run("validate", f"{name}.dfc")[0] == 0
        assert np.array_equal(refsw.decode(f"{name}.dfc"), want)
    for words in (
        ("extract", "a.dfc", "-o", "z.dfc"), ("strip", "a.dfc", "-o", "z.dfc"), ("concat", "-o", "z.dfc"),
        ("extract", "a.dfc", "-o", "z.dfc", "--samples", "0:1:2"),
        ("extract", "a.dfc", "-o", "z.dfc", "--samples", "7"),
        ("extract", "a.dfc", "-o", "a.dfc", "--samples", "0"), ("extract", "a.dfc", "-o", "z.dfc", "--parts", "x"),
    ):  # fmt: skip
        assert run(*words)[0] == 2
    Path("cut.dfc").write_bytes(Path("a.dfc").read_bytes()[:-1])
    for words in (
        ("strip", "cut.dfc", "--digests"),
        ("extract", "cut.dfc", "--samples", "0"),
        ("concat", "a.dfc", "cut.dfc"),
    ):
        assert run(*words, "-o", "z.dfc")[0] == 65
    assert run("strip", "none.dfc", "-o", "z.dfc", "--digests")[0] == 66
    assert not Path("z.dfc").exists()
