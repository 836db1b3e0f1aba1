"""refsw transform: transforms that are learned, looked at, sent and named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import UsageError


def run(*words: object) -> str:
    done = CliRunner().invoke(cli, list(map(str, words)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return str(done.output)


def features(count: int, seed: int) -> np.ndarray:
    mix = np.random.default_rng(0).standard_normal((10, 3))
    base = np.random.default_rng(seed).standard_normal((count, 3, 16, 16)).cumsum(-1)
    return np.maximum(np.einsum("ck,nkyx->ncyx", mix, base), 0).astype(np.float32)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("transform")
    np.save(folder / "learn.npy", features(4, 1))
    np.save(folder / "x.npy", features(2, 2))
    return folder, run("transform", "train", folder / "learn.npy", "-o", folder / "basis.dfct", "--bits", 7)


def test_a_transform_is_told_and_has_the_digest_that_names_it(learned: tuple[Path, str]) -> None:
    folder, told = learned
    assert "10 channels or phases" in told
    assert "from 4 samples" in told
    digest = hashlib.sha256((folder / "basis.dfct").read_bytes()).hexdigest()
    assert digest in run("transform", "inspect", folder / "basis.dfct")


def test_a_transform_is_sent_or_named(learned: tuple[Path, str]) -> None:
    folder, _ = learned
    x, basis = folder / "x.npy", folder / "basis.dfct"
    run("encode", x, "-o", folder / "sent.dfc", "--preset", "transform", "--transform", basis)
    run("encode", x, "-o", folder / "named.dfc", "--preset", "transform", "--transform", basis, "--named")
    run("decode", folder / "sent.dfc", "-o", folder / "sent.npy")
    run("decode", folder / "named.dfc", "-o", folder / "named.npy", "--with", basis)
    assert (np.load(folder / "sent.npy") == np.load(folder / "named.npy")).all()
    sizes = [(folder / f"{name}.dfc").stat().st_size for name in ("sent", "named")]
    assert sizes[0] - sizes[1] > basis.stat().st_size - 40
    run("validate", folder / "named.dfc", "--with", basis)
    done = CliRunner().invoke(cli, ["decode", str(folder / "named.dfc"), "-o", str(folder / "none.npy")])
    assert (done.exit_code, (folder / "none.npy").exists()) == (69, False) or "named.unknown" in str(done.exception)


def test_other_files_are_refused(learned: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = learned
    (tmp_path / "no.dfct").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no channel transform"):
        run("encode", folder / "x.npy", "-o", tmp_path / "y.dfc", "--transform", tmp_path / "no.dfct")
    with pytest.raises(UsageError, match="--native FILE or --transform FILE"):
        run("encode", folder / "x.npy", "-o", tmp_path / "y.dfc", "--named")
    with pytest.raises(UsageError, match="needs a channel transform"):
        run("encode", folder / "x.npy", "-o", tmp_path / "y.dfc", "--preset", "transform")
