"""Features that are made to be coded: refsw's own bitstreams, the fitted rate, the method, and the whole loop."""

from __future__ import annotations

import numpy as np
import pytest

import refsw
from refsw.errors import UsageError
from refsw.learning import compressible
from refsw.learning.bench import read_data
from refsw.learning.demo import LearnDemo
from refsw.learning.report import text_of
from refsw.learning.run import open_learn_run
from tests.learning.experiments_at_hand import experiment, folder, run
from tests.learning.networks_at_hand import generator, torch

__all__ = ["folder"]


def maps(count: int = 16) -> np.ndarray:
    """From smooth to rough, so that rates differ."""
    values = torch.rand((count, 4, 16, 16), generator=generator())
    rough = torch.linspace(0, 1, count)[:, None, None, None]
    return (rough * values + (1 - rough) * values.mean((2, 3), keepdim=True)).numpy()


def test_features_are_coded_by_groups_and_come_back_near_what_they_were():
    values = maps(9)  # not a whole number of groups
    fine, coarse = (compressible.coded(values, 1.0, qp) for qp in (10, 45))
    assert fine.values.shape == coarse.values.shape == values.shape
    assert np.abs(fine.values - values).max() < 0.05
    assert coarse.sample_bytes < fine.sample_bytes / 3


def test_the_rate_proxy_follows_the_rates_of_bitstreams_that_it_was_not_fitted_to():
    values = torch.from_numpy(maps())
    proxy = compressible.fit_rate_proxy(values, 1.0, (22, 34))
    assert proxy.correlation > 0.9
    assert proxy.slope > 0
    bits = [float(proxy.bits(values[8:], 1.0, qp)) for qp in (25, 31)]
    wanted = [
        8 * len(compressible.encoded(values[8:].numpy(), 1.0, qp, "fast")) / values[8:].numel() for qp in (25, 31)
    ]
    assert bits == pytest.approx(wanted, rel=0.35)
    with pytest.raises(UsageError, match="at least 3 for a line"):
        compressible.fit_rate_proxy(values[:8], 1.0, (22, 34))


def test_a_range_holds_nearly_all():
    values = np.concatenate([np.linspace(0, 1, 999), [50]])
    assert 0.99 < compressible.range_of(values) < 2
    assert compressible.range_of(np.zeros(5)) > 0


QPS = [30, 44]


def test_a_network_is_trained_to_be_coded_and_compared_at_equal_accuracy(folder, tmp_path):
    shared = {"method": "compress", "source": "one", "layer": "conv1", "qps": QPS, "samples": 8}
    runs = {
        "untouched": {**shared, "untouched": True},
        "fine-tuned": shared,
        "dct": {**shared, "loss": "dct", "weight": 0.5, "noise": True},
        "gradient": {**shared, "loss": "gradient", "straight_through": True},
        "back": {**shared, "back_only": 40},
    }
    run(folder, tmp_path, seeds=[0], runs=runs)
    done = open_learn_run(tmp_path)
    for record in done.records:
        points = record["curves"]["fast"]
        assert [point[2] for point in points] == QPS
        assert points[0][0] > points[1][0] > 0
        assert all(0 <= point[1] <= 1 for point in points)
    assert done.of("untouched")[0]["curves"]["fast"][0][0] == done.of("back")[0]["curves"]["fast"][0][0]
    assert len({record["weights"] for record in done.records}) == 5
    assert "### Bytes at equal accuracy, preset fast" in text_of(done)


def test_the_whole_loop(folder, tmp_path):
    runs = {
        "V0": {"method": "labels"},
        "V1": {"method": "reuse", "sources": ["one"]},
        "V2": {"method": "reuse", "sources": ["one", "two"]},
    }
    told = experiment(folder, seeds=[0], runs=runs)
    demo = LearnDemo(tmp_path, told, read_data(told))
    assert len(list(demo.steps())) == demo.count
    assert set(demo.accuracies) == {"V0", "V1", "V2", "control"}
    assert [(one.version, one.digits) for one in demo.sent][:3] == [("V1", 7), ("V2", 7), ("V1", 6)]
    assert demo.sent[0].update_accuracy == pytest.approx(demo.accuracies["V1"])
    assert all(later.update < earlier.update for earlier, later in zip(demo.sent, demo.sent[2:], strict=False))
    assert demo.received is not None
    assert "BASE_MODEL_MISMATCH in model_digest" in demo.received.refused
    base = tmp_path / "V0.safetensors"
    from safetensors.numpy import load_file

    held = refsw.apply_update(load_file(base), tmp_path / "updates" / "V1.dfc")
    held = refsw.apply_update(held, tmp_path / "updates" / "V2.dfc")
    decoded = refsw.decode(tmp_path / "features.dfc", model_digest=refsw.model_digest(held))
    assert decoded.shape == (12, 6, 2, 2)
    assert [table.title for table in demo.tables()][-1] == "Features of V2"
