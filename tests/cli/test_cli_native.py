"""refsw native: parameters that are learned, looked at, sent and named."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

import refsw
from refsw.cli.main import cli
from refsw.errors import DfcError, UnsupportedError, UsageError
from refsw.features.native_training import train_native
from refsw.payload.native.configuration import parameters_start


def run(*words):
    done = CliRunner().invoke(cli, list(map(str, words)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def features(count, seed, channels=24):
    means = np.random.default_rng(0).gamma(1.0, 2.0, (1, channels, 1, 1))
    walks = np.random.default_rng(seed).standard_normal((count, channels, 9, 8)).cumsum(-1)
    return (means * np.maximum(walks, 0)).astype(np.float32)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    np.save(folder / "learn.npy", features(6, 1))
    np.save(folder / "x.npy", features(3, 2))
    told = run("native", "train", folder / "learn.npy", "-o", folder / "layer.dfcn", "--qp", 32, "--references", 2,
               "--classes", 2)  # fmt: skip
    return folder, told


def test_parameters_are_told_and_have_the_digest_that_names_them(learned):
    folder, told = learned
    data = (folder / "layer.dfcn").read_bytes()
    assert "24 channels, priors, 2 references a channel, 2 classes, from 6 samples" in told
    assert hashlib.sha256(data).hexdigest() in run("native", "inspect", folder / "layer.dfcn")
    start = parameters_start(data)
    assert (start.channels, start.references.shape, start.class_count) == (24, (24, 2), 2)


def test_learned_parameters_take_fewer_bytes_where_they_are_named(learned):
    folder, _ = learned
    sizes, decoded = {}, {}
    for name, words in {"universal": [], "sent": ["--native", folder / "layer.dfcn"],
                        "named": ["--native", folder / "layer.dfcn", "--named"]}.items():  # fmt: skip
        run("encode", folder / "x.npy", "-o", folder / "x.dfc", "--preset", "native", "--qp", 32, *words)
        sizes[name] = (folder / "x.dfc").stat().st_size
        run("decode", folder / "x.dfc", "-o", folder / "y.npy", "--with", folder / "layer.dfcn")
        decoded[name] = np.load(folder / "y.npy")
    assert sizes["named"] < 0.97 * sizes["universal"]
    assert np.array_equal(decoded["sent"], decoded["named"])
    with pytest.raises(UnsupportedError, match=hashlib.sha256((folder / "layer.dfcn").read_bytes()).hexdigest()):
        refsw.decode(folder / "x.dfc")


def test_the_same_samples_give_the_same_parameters():
    assert train_native(features(2, 5, 4), (32,)) == train_native(features(2, 5, 4), (32,))


def test_learning_warns_of_nothing():
    samples = features(2, 3)
    samples[:, 0] *= 1000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_native(samples, (42,))


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([np.ones((3, 4, 4), np.float32)], "not constant"),
        ([], "there is none"),
        ([features(1, 0, 3)[0], features(1, 0, 4)[0]], r"\[3, 4\]"),
    ],
    ids=["constant", "none", "channels"],
)
def test_samples_that_nothing_can_be_learned_from(samples, said):
    with pytest.raises(UsageError, match=said):
        train_native(samples, (32,))


def test_a_file_that_is_none_is_told(learned, tmp_path):
    folder, _ = learned
    cut = tmp_path / "cut.dfcn"
    cut.write_bytes((folder / "layer.dfcn").read_bytes()[:-1])
    for path, requirement in ((folder / "x.npy", "reference_count"), (cut, "native.parameters")):
        with pytest.raises(DfcError, match=requirement) as caught:
            run("native", "inspect", path)
        assert caught.value.exit_code == 65
        with pytest.raises(UsageError, match="no native parameters"):
            run("encode", folder / "x.npy", "-o", tmp_path / "x.dfc", "--preset", "native", "--native", path)
    with pytest.raises(UsageError, match="no bitstream names so large a file"):
        run("native", "inspect", "/dev/zero")
    with pytest.raises(FileNotFoundError):
        run("native", "inspect", tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["cut.dfcn"]
