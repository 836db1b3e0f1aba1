"""refsw conceal: losing, repairing, and training."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import RefswError, UsageError
from refsw.resilience import AltecWeights, GilbertElliott, conceal, received_mask, row_packets


def refsw(*words):
    done = CliRunner().invoke(cli, ["conceal", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def features(tmp_path):
    maps = np.maximum(np.random.default_rng(0).standard_normal((4, 5, 18, 8)).cumsum(-1), 0).astype(np.float32)
    np.save(tmp_path / "x.npy", maps)
    return tmp_path, maps


def test_lost_and_repaired_as_the_library_does_it(features):
    folder, maps = features
    told = refsw("lose", folder / "x.npy", "-o", folder / "d.npz", "--loss", "0.3", "--burst", "2", "--seed", "5")
    with np.load(folder / "d.npz", allow_pickle=False) as stored:
        damaged, mask = stored["features"], stored["features@mask"]
    packets = row_packets(maps.shape[1:], 8)
    lost = GilbertElliott(0.3, 2).losses(4 * len(packets), np.random.default_rng(5)).reshape(4, -1)
    wanted = np.stack([received_mask(maps.shape[1:], packets, one) for one in lost])
    assert np.array_equal(mask, wanted)
    assert np.array_equal(damaged, np.where(mask, maps, maps.min(axis=(1, 2, 3), keepdims=True)))
    assert f"{(~mask).sum()} of {mask.size} elements lost" in told
    refsw("repair", folder / "d.npz", "-o", folder / "r.npy", "--method", "caltec")
    repaired = np.load(folder / "r.npy", allow_pickle=False)
    for got, sample, received in zip(repaired, damaged, mask, strict=True):
        assert np.array_equal(got, conceal("caltec", sample, received))


def test_weights_are_learnt_and_used(features):
    folder, _ = features
    told = refsw("train", folder / "x.npy", folder / "x.npy", "-o", folder / "w.safetensors", "--rows", "3")
    assert "weights of 5 channels for packets of 3 rows, from 8 samples" in told
    assert AltecWeights.load(folder / "w.safetensors").rows == 3
    refsw("lose", folder / "x.npy", "-o", folder / "d.npz", "--rows", "3")
    refsw("repair", folder / "d.npz", "-o", folder / "r.npz", "--method", f"altec={folder / 'w.safetensors'}")
    with (
        np.load(folder / "r.npz", allow_pickle=False) as stored,
        np.load(folder / "d.npz", allow_pickle=False) as damaged,
    ):
        assert np.array_equal(
            stored["features"][damaged["features@mask"]], damaged["features"][damaged["features@mask"]]
        )


def test_several_tensors_and_axes(tmp_path):
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "x.npz", tokens=rng.random((2, 6, 5)), maps=rng.random((3, 9, 4)))
    refsw("lose", tmp_path / "x.npz", "-o", tmp_path / "d.npz", "--rows", "2", "--channels", "2", "--interleave", "3")
    refsw("repair", tmp_path / "d.npz", "-o", tmp_path / "r.npz", "--method", "mean")
    with np.load(tmp_path / "r.npz", allow_pickle=False) as stored:
        assert set(stored) == {"tokens", "maps"}
    told = refsw("train", tmp_path / "x.npz", "-o", tmp_path / "w.safetensors", "--tensor", "tokens", "--axes", "NHC")
    assert "5 channels" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("repair", "{x}", "-o", "{o}.npy"), "no tensor with a mask"),
        (("repair", "{d}", "-o", "{o}.npz", "--method", "magic"), "no concealment method magic"),
        (("repair", "{d}", "-o", "{o}.npz", "--method", "altec"), "altec needs weights"),
        (("repair", "{d}", "-o", "{o}.npz", "--method", "altec={x}"), "no weights of ALTeC"),
        (("repair", "{d}", "-o", "{o}.npz", "--method", "linear=x"), "linear has no option weights"),
        (("repair", "{d}", "-o", "{o}.txt"), ".npz"),
        (("repair", "{d}", "-o", "{d}"), "is the input itself"),
        (("lose", "{x}", "-o", "{o}.npz", "--trace", "{x}", "--burst", "2"), "either --burst or --trace"),
        (("lose", "{x}", "-o", "{o}.npz", "--trace", "{x}"), "a trace is made of"),
        (("lose", "{x}", "-o", "{o}.npy"), "2 tensors"),
        (("train", "{x}", "-o", "{o}.npz"), "weights are written to .safetensors"),
        (("train", "{d}", "-o", "{o}.safetensors"), "say which with --tensor"),
        (("train", "{d}", "-o", "{o}.safetensors", "--tensor", "y"), "holds no y"),
    ],
)
def test_what_does_not_go_is_refused_and_leaves_no_output(features, words, told):
    folder, _ = features
    refsw("lose", folder / "x.npy", "-o", folder / "d.npz")
    names = {"x": folder / "x.npy", "d": folder / "d.npz", "o": folder / "out"}
    before = sorted(folder.iterdir())
    with pytest.raises(RefswError, match=told):
        refsw(*(word.format(**names) for word in words))
    assert sorted(folder.iterdir()) == before


def test_a_format_that_npy_lacks_is_refused(tmp_path):
    import ml_dtypes
    from safetensors.numpy import save_file

    save_file({"x": np.ones((2, 8, 4), ml_dtypes.bfloat16)}, tmp_path / "x.safetensors")
    with pytest.raises(UsageError, match="bfloat16"):
        refsw("lose", tmp_path / "x.safetensors", "-o", tmp_path / "d.npz")
