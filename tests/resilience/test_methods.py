"""What each method gives, by hand, against the equations written out, and on tensors whose answer is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from refsw.errors import FeatureError, UsageError
from refsw.resilience import AltecWeights, conceal, find_method, received_mask, row_packets, train_altec
from refsw.resilience.bands import band_height
from refsw.resilience.lowrank import Halrtc, Silrtc, largest, shrink
from tests.resilience import oracles
from tests.resilience.cases import runnable


def error(estimate, truth, received):
    """Root of the mean square of the error over that of the elements, of what was lost."""
    lost = ~received
    return float(np.sqrt(np.square(estimate[lost] - truth[lost]).mean() / np.square(truth[lost]).mean()))


def damaged(channels=8, height=14, width=9, rows=2, loss=0.3, seed=0):
    """Maps that look like one another, and losses of packets."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((3, height, width)).cumsum(1).cumsum(2)
    mixed = np.einsum("ck,khw->chw", rng.standard_normal((channels, 3)), base)
    tensor = np.maximum(mixed + 0.1 * rng.standard_normal(mixed.shape), 0).astype(np.float32)
    packets = row_packets(tensor.shape, rows)
    return tensor, received_mask(tensor.shape, packets, rng.random(len(packets)) < loss)


@pytest.mark.parametrize("kind", ["entries", "rows", "packets"])
def test_halrtc_finds_a_tensor_of_low_rank(kind):
    tensor, received = oracles.planted(kind)
    assert error(conceal("halrtc", tensor, received), tensor, received) < 1e-5


@pytest.mark.parametrize("weights", [(1 / 3, 1 / 3, 1 / 3), (0.6, 0.1, 0.3)])
def test_halrtc_takes_the_steps_of_the_paper(weights):
    tensor, received = damaged()
    method = Halrtc(weights=weights, iterations=7, tolerance=0)
    known = np.where(received, tensor, 0).astype(np.float64)
    inverse = min(method.threshold * largest(known, mode) / weights[mode] for mode in range(3))
    wanted = oracles.halrtc(tensor, received, weights, inverse, method.growth, 7)
    # The method works on elements of order 1, which changes nothing but the rounding.
    assert np.allclose(conceal(method, tensor, received), wanted, atol=2e-5 * tensor.max())


def test_silrtc_takes_the_steps_of_the_paper():
    tensor, received = damaged()
    known = np.where(received, tensor, 0).astype(np.float64)
    thresholds = [0.1 * largest(known, mode) for mode in range(3)]
    wanted = oracles.silrtc(tensor, received, thresholds, 5)
    method = Silrtc(threshold=0.1, iterations=5, tolerance=0)
    assert np.allclose(conceal(method, tensor, received), wanted, atol=2e-5 * tensor.max())


@pytest.mark.parametrize("name", ["silrtc", "halrtc", "halrtc-channel", "fcp", "caltec", "navier-stokes", "telea"])
@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1e6, 1e30])
def test_features_of_another_scale_are_repaired_alike(name, scale):
    runnable(name)
    tensor, received = damaged()
    scaled = (tensor * np.float32(scale)).astype(np.float32)
    first, second = conceal(name, tensor, received), conceal(name, scaled, received)
    # On 8 bits a level at the edge between two may fall on the other side.
    share = 2e-2 if name == "telea" else 1e-3
    assert np.abs(second / np.float32(scale) - first).max() < share * tensor.max()


@pytest.mark.parametrize("name", ["halrtc", "fcp", "caltec", "navier-stokes"])
def test_channels_that_look_alike_are_repaired_better_than_by_their_mean(name):
    runnable(name)
    errors = []
    for seed in range(3):
        tensor, received = damaged(channels=16, height=28, width=20, rows=4, seed=seed)
        errors.append([error(conceal(method, tensor, received), tensor, received) for method in (name, "mean")])
    own, mean = np.mean(errors, axis=0)
    assert own < 0.7 * mean


def test_singular_values_below_the_threshold_become_zero():
    """Not negative, as those of public code do."""
    matrix = np.diag([5.0, 3.0, 1.0])
    assert np.allclose(shrink(matrix[:, None, :], 0, 2.0)[:, 0], np.diag([3.0, 1.0, 0.0]))


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(6))
def test_caltec_is_the_loop_over_packets(rows, seed):
    tensor, received = damaged(rows=rows, loss=0.4, seed=seed)
    wanted = oracles.caltec(tensor, received, rows)
    known = np.isfinite(wanted)
    repaired = conceal("caltec", tensor, received, rows=rows)
    assert np.allclose(repaired[known], wanted[known], rtol=1e-5, atol=1e-5)
    assert np.array_equal(repaired[~known], conceal("linear", tensor, received)[~known])


def test_caltec_by_hand():
    ramp = np.arange(4, dtype=np.float32)
    first = np.stack([ramp, [4, 2, 1, 0], 2 * ramp])
    second = np.stack([3 * ramp + 1, [0, 5, 1, 5], [0, 9, 0, 9]]).astype(np.float32)
    third = np.stack([5 - ramp, 3 - ramp, ramp])
    # Row 1 of channel 1 is lost. Row 0 is nearest; there channel 2, of the opposite slope, is less alike than 0.
    tensor = np.stack([first, second, third]).astype(np.float32)
    received = np.ones(tensor.shape, np.bool_)
    received[1, 1] = False
    # x = 3 y + 1 from row 0; row 1 of channel 0 is 4 2 1 0, and the most that was received of channel 1 is 10.
    assert conceal("caltec", tensor, received)[1, 1].tolist() == [10, 7, 4, 1]


def test_caltec_takes_a_constant_neighbour_for_a_constant_packet():
    tensor = np.random.default_rng(0).random((4, 6, 5)).astype(np.float32)
    tensor[2, :3] = 0.25
    received = np.ones(tensor.shape, np.bool_)
    received[2, 1] = False
    assert np.all(conceal("caltec", tensor, received, rows=1)[2, 1] == np.float32(0.25))


def test_heights_of_packets_are_found_from_what_was_received():
    tensor = np.zeros((3, 24, 4))
    packets = row_packets(tensor.shape, 8)
    lost = np.zeros(len(packets), np.bool_)
    lost[[0, 4]] = True
    assert band_height(received_mask(tensor.shape, packets, lost)) == 8
    assert band_height(np.ones((2, 5, 3), np.bool_)) == 5
    assert band_height(received_mask((1, 5, 3), row_packets((1, 5, 3), 1), [False, True, False, False, True])) == 1


@pytest.mark.parametrize("rows", [1, 3])
def test_altec_is_the_least_squares_fit(rows):
    rng = np.random.default_rng(rows)
    tensors = [rng.random((4, 6, 5)).astype(np.float32) for _ in range(2)]
    weights = train_altec(tensors, rows, ridge=0.05)
    matrix, neighbours = oracles.altec_weights(tensors, rows, 0.05)
    assert np.allclose(weights.channels, matrix, atol=1e-5)
    assert np.allclose(weights.neighbours, neighbours, atol=1e-5)
    assert weights.rows == rows


def test_altec_by_hand():
    matrix = np.array([[0, 0.5, 0.25], [1, 0, 0], [0, 0, 0]], np.float32)
    neighbours = np.array([[0.25, 0], [0, 0], [0, 0]], np.float32)
    tensor = np.array([[[8], [9], [0]], [[1], [4], [6]], [[2], [8], [3]]], np.float32)
    received = np.ones(tensor.shape, np.bool_)
    received[0, 1] = False
    # 4 / 2 + 8 / 4 + 8 / 4
    assert conceal("altec", tensor, received, weights=AltecWeights(matrix, neighbours, 1))[0, 1, 0] == 6


def test_altec_repairs_channels_that_it_has_learnt_even_if_they_are_lost_whole():
    maps = [damaged(channels=6, seed=seed)[0] for seed in (0,)]
    mix = np.array([[1, 2], [3, 1], [0, 1], [2, 2]], np.float32)
    train = [np.einsum("ck,khw->chw", mix, m[:2]) for m in maps]
    test = np.einsum("ck,khw->chw", mix, damaged(channels=6, seed=9)[0][:2])
    received = np.ones(test.shape, np.bool_)
    received[1] = False
    weights = train_altec(train, 1, ridge=1e-6)
    repaired = conceal("altec", test, received, weights=weights)
    inside = (test[1] <= test[[0, 2, 3]].max()) & (test[1] >= test[[0, 2, 3]].min())
    assert np.allclose(repaired[1][inside], test[1][inside], rtol=0.02, atol=0.02 * test.max())
    assert error(conceal("linear", test, received), test, received) > 0.2


def weights_of(count=3):
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((count, count)).astype(np.float32)
    np.fill_diagonal(matrix, 0)
    return AltecWeights(matrix, rng.standard_normal((count, 2)).astype(np.float32), 8)


def test_weights_are_saved_and_loaded(tmp_path):
    path = tmp_path / "weights.safetensors"
    weights_of().save(path)
    loaded = AltecWeights.load(path)
    assert loaded.digest == weights_of().digest
    assert loaded.rows == 8
    assert find_method("altec", weights=str(path)).weights.digest == loaded.digest
    assert weights_of(4).digest != loaded.digest


def test_weights_of_another_cut_are_refused():
    tensor = np.zeros((4, 2, 2), np.float32)
    with pytest.raises(UsageError, match=r"for 3 channels, the tensor has 4"):
        conceal("altec", tensor, np.ones(tensor.shape, np.bool_), weights=weights_of())
    with pytest.raises(UsageError, match="altec needs weights"):
        find_method("altec")


def test_files_that_are_no_weights_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    weights_of().save(path)
    whole = path.read_bytes()
    told = {"format": "refsw-altec-1", "rows": "8", "sha256": weights_of().digest}
    arrays = load_file(path)
    bad = {
        "cut off": whole[:-5],
        "empty": b"",
        "another byte": whole[:-1] + bytes([whole[-1] ^ 1]),
    }
    for name, data in bad.items():
        path.write_bytes(data)
        with pytest.raises(FeatureError, match="weights"):
            AltecWeights.load(path)
        assert name
    for tensors, metadata in (
        (arrays, {}),
        (arrays, told | {"rows": "0"}),
        (arrays, told | {"rows": "x"}),
        (arrays, told | {"sha256": "0" * 64}),
        ({"channels": arrays["channels"]}, told),
        (arrays | {"neighbours": arrays["neighbours"][:2]}, told),
        (arrays | {"neighbours": arrays["neighbours"].astype(np.float64)}, told),
        (arrays | {"channels": np.eye(3, dtype=np.float32)}, told),
        (arrays | {"neighbours": arrays["neighbours"] * np.float32(np.nan)}, told),
    ):
        save_file(tensors, path, metadata)
        with pytest.raises(FeatureError, match=r"ALTeC|digest"):
            AltecWeights.load(path)
    with pytest.raises(OSError, match="nowhere"):
        AltecWeights.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "tensors",
    [[], [np.zeros((2, 3))], [np.full((1, 2, 3), np.nan)], [np.zeros((2, 2, 2)), np.zeros((3, 2, 2))]],
)
def test_altec_is_trained_on_tensors_alone(tensors):
    with pytest.raises(FeatureError, match="ALTeC is trained on"):
        train_altec(tensors)


def test_training_on_nothing_but_zeros_gives_weights_all_the_same():
    weights = train_altec([np.zeros((3, 4, 4), np.float32)], 1)
    assert not weights.channels.any()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("halrtc", {"weights": (0.5, 0.5)}),
        ("halrtc", {"weights": (1, 1, 1)}),
        ("halrtc", {"threshold": 1.0}),
        ("halrtc", {"growth": 1.0}),
        ("halrtc", {"iterations": 0}),
        ("silrtc", {"threshold": 0}),
        ("silrtc", {"tolerance": float("nan")}),
        ("fcp", {"rank": 0}),
        ("fcp", {"ridge": 0}),
        ("caltec", {"rows": -1}),
        ("navier-stokes", {"radius": 0}),
        ("altec", {"weights": weights_of(), "sweeps": 0}),
    ],
)
def test_options_out_of_range_are_refused(name, options):
    with pytest.raises(UsageError):
        find_method(name, **options)


def test_training_takes_packets_and_a_ridge():
    for rows, ridge in ((0, 0.1), (1, 0), (1, float("nan"))):
        with pytest.raises(UsageError, match="at least 1, and more than 0"):
            train_altec([np.zeros((1, 2, 2))], rows, ridge=ridge)


@pytest.mark.parametrize(("name", "module"), [("navier-stokes", "cv2"), ("telea", "cv2"), ("fcp", "tensorly")])
def test_a_package_that_is_missing_is_named(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    tensor = np.zeros((1, 2, 2), np.float32)
    with pytest.raises(UsageError, match=r"pip install 'refsw\[resilience\]'"):
        conceal(name, tensor, np.ones(tensor.shape, np.bool_))


@pytest.mark.parametrize("name", ["navier-stokes", "telea"])
@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (2, 30)])
def test_maps_of_one_row_or_column_are_painted_as_well(name, shape):
    runnable(name)
    tensor = np.stack([np.full(shape, 0.5), np.full(shape, 0.75)]).astype(np.float32)
    received = np.ones(tensor.shape, np.bool_)
    received[0].flat[5:9] = False
    for _ in range(20):
        assert np.allclose(conceal(name, tensor, received), tensor, atol=2e-3)
