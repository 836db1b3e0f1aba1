"""The network that ships with the package, and where it is cut."""

from __future__ import annotations

import numpy as np
import pytest

from refsw.errors import UsageError
from refsw.evaluation.digits import DATA, digit_images, digit_network
from refsw.evaluation.fidelity import accuracy
from refsw.evaluation.networks import CutNetwork

pytest.importorskip("onnxruntime", reason="networks are run by onnxruntime")

SHAPES = {"conv1": (16, 32, 32), "conv2": (32, 16, 16), "conv3": (64, 8, 8), "conv4": (128, 4, 4)}


@pytest.fixture(scope="module")
def network():
    return digit_network()


@pytest.fixture(scope="module")
def data():
    return digit_images()


def test_the_network_has_four_cuts(network):
    assert network.cuts == tuple(SHAPES)


@pytest.mark.parametrize("cut", SHAPES)
def test_front_and_back_together_are_the_whole(network, data, cut):
    features = network.front(data.images, cut)
    assert features.dtype == np.float32
    assert features.shape == (len(data.images), *SHAPES[cut])
    np.testing.assert_array_equal(network.back(features, cut), network.run(data.images))


def test_the_stages_compute_what_the_training_framework_computed(network, data):
    np.testing.assert_allclose(network.run(data.images), data.logits, rtol=0, atol=1e-3)


def test_features_are_rectified_and_not_all_zero(network, data):
    for cut in SHAPES:
        features = network.front(data.images, cut)
        assert features.min() == 0
        assert features.max() > 0


def test_every_run_gives_the_same_bits(network, data):
    np.testing.assert_array_equal(network.run(data.images), digit_network().run(data.images))


def test_the_images_are_the_hard_ones_of_a_good_network(network, data):
    assert data.images.shape == (48, 1, 8, 8)
    assert (data.images.min(), data.images.max()) == (0, 1)
    assert data.held_out_accuracy >= 0.97
    assert 0.7 < accuracy(network.run(data.images), data.labels) < 1


def test_a_cut_that_is_not_there_is_refused(network, data):
    with pytest.raises(UsageError, match="no cut conv5: conv1, conv2, conv3, conv4"):
        network.front(data.images, "conv5")


def test_stages_that_do_not_join_are_refused():
    with pytest.raises(UsageError, match="takes conv2, but the stage before it gives conv1"):
        CutNetwork([DATA / "digits-1.onnx", DATA / "digits-3.onnx"])


def test_no_stage_is_no_network():
    with pytest.raises(UsageError, match="at least one stage"):
        CutNetwork([])


def test_the_shipped_data_stay_small():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1 << 20
