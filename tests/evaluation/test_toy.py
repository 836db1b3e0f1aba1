"""The toy example: its pictures and its network, items that share pictures, and rates without headers."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from anchor_runs import run

from refsw.errors import UsageError
from refsw.evaluation.anchors import codecs
from refsw.evaluation.anchors.bound import bound_of
from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.anchors.conditions import find_conditions, load_conditions, parse_conditions
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.anchors.units import Rate, RateUnit
from refsw.evaluation.reports.remote import tables
from refsw.evaluation.reports.remote_figures import plots_of
from refsw.evaluation.tasks import open_task

for package in ("yaml", "onnxruntime", "scipy", "matplotlib", "openpyxl"):
    pytest.importorskip(package, reason=f"the conditions need {package}")

TOY = {"task": "classification", "network": {"kind": "toy"}, "dataset": {"kind": "toy"}}
JPEG = {"quantizer": "uniform", "bit_depth": 8, "layout": "mosaic", "payload": "jpeg"}
SHAPES = {
    "layer1": (8, 32, 32),
    "layer2": (16, 16, 16),
    "layer3": (32, 8, 8),
    "layer4": (64, 4, 4),
    "layer5": (128, 2, 2),
}


def choice(**changes):
    own = CodecChoice("jpeg", "", "anchor", JPEG, parameter="quality", values=(50,), arrange="mosaic")
    return replace(own, **changes)


def test_pictures_are_the_same_everywhere():
    task = open_task(TOY)
    total = hashlib.sha256()
    for item in task.dataset.items:
        total.update(task.dataset.picture(item).tobytes() + bytes([item.label]))
    assert total.hexdigest() == "bf335dd0600b7120c14f430f71fdf891d304f572d3ba73e6ab658ecab2906b9f"


def test_the_network_tells_odd_from_even():
    task = open_task(TOY)
    references = {item: task.reference(item) for item in task.items()}
    scores = task.score("layer1", references, references)
    assert scores["fidelity"] == 1
    assert scores["top1"] == pytest.approx(0.975, abs=0.01)
    assert {layer: task.example(layer).shape for layer in task.network.cuts} == SHAPES
    counts = task.complexity("layer1")
    assert counts["macs_front"] == 64 * 64 * 3 * 8 * 9
    assert counts["macs_front"] + counts["macs_back"] == 5_669_120


def test_kinds_that_ship_are_for_tasks_that_have_them():
    with pytest.raises(UsageError, match="kind toy is for classification, not for detection"):
        open_task(TOY | {"task": "detection"})


@pytest.mark.parametrize("shape", [(5, 3, 8, 6), (4, 7)])
def test_items_that_share_pictures_come_back_in_order(shape):
    features = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    lossless = choice(preset="anchor", choices={"quantizer": "none", "payload": "zlib"}, parameter="", values=(None,))
    decoded = codecs.decode(codecs.encode(features, "x", lossless, None), features, lossless, None)
    assert np.array_equal(decoded, features)
    several = {"a": features, "b": features[:, :1] + 1}
    back = codecs.decode(codecs.encode(several, "x", lossless, None), several, lossless, None)
    assert all(np.array_equal(back[name], several[name]) for name in several)


def test_items_that_share_pictures_pay_for_one_header():
    rng = np.random.default_rng(0)
    features = np.maximum(rng.normal(size=(16, 64, 4, 4)), 0).astype(np.float32)
    shared = len(codecs.encode(features, "x", choice(), 50))
    each = len(codecs.encode(features, "x", choice(arrange="apart"), 50))
    assert each - shared > 15 * 150


def test_tokens_share_no_pictures():
    with pytest.raises(UsageError, match="arrange mosaic: of maps"):
        codecs.encode(np.ones((2, 3, 4), np.float32), "x", choice(), 50)


def test_headers_are_what_a_codec_makes_of_nothing():
    features = np.random.default_rng(0).normal(size=(4, 16, 8, 8)).astype(np.float32)
    found = codecs.header_bytes(features, "x", choice(), 50)
    assert found == codecs.header_bytes(10 * features, "x", choice(), 50)
    bare = np.zeros_like(features)
    bare[:, 0, 0, 0] = 1
    assert found == len(codecs.encode(bare, "x", choice(), 50)) < len(codecs.encode(features, "x", choice(), 50))
    pictures = {"a": np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)}
    jpeg = CodecChoice("jpeg", picture="jpeg", parameter="quality", values=(50,))
    grey = {"a": np.full((32, 32, 3), 128, np.uint8)}
    assert codecs.header_bytes(pictures, "input", jpeg, 50) == len(codecs.encode(grey, "input", jpeg, 50))


def test_a_rate_without_headers():
    record = {"coded_bytes": 1000, "header_bytes": 400, "items": 10}
    assert Rate(RateUnit.CONTENT).of(record) == 60
    assert Rate(RateUnit.CONTENT).of(record | {"header_bytes": 1000}) == 0.1
    assert Rate(RateUnit.CONTENT).of({"coded_bytes": 1000, "items": 10}) is None


def test_the_conditions_run_and_tell_headers(tmp_path):
    document = dict(load_conditions(find_conditions("toy")).document)
    test = document["tests"][0] | {"dataset": {"kind": "toy", "limit": 20}, "layers": ["input", "layer5"]}
    test |= {"codecs": ["jpeg-features", "jpeg"]}
    _, failures = run(tmp_path / "run", parse_conditions(document | {"tests": [test]}))
    assert not failures
    records = open_run(tmp_path / "run").records
    assert len(records) == 16
    for record in records:
        assert record["bitstreams"] == 2
        assert 0 < record["header_bytes"] <= record["coded_bytes"]
    best = [r for r in records if r["value"] == 95]
    assert all(r["metrics"]["fidelity"] >= 0.95 for r in best)
    done = open_run(tmp_path / "run")
    table = next(t for t in tables(done, done.conditions.tests[0]) if t.title == "toy: how far from the limit")
    assert [row[:2] for row in table.rows] == [("input", "jpeg"), ("layer5", "jpeg-features")]
    bound = bound_of(done, done.conditions.tests[0])
    assert (bound.entropy.samples, bound.classes) == (20, 2)
    for row in table.rows:
        bits, content, kept, least, times = (figure.value for figure in row[2:])
        assert least == pytest.approx(bound.bits(1 - kept))
        assert times == pytest.approx(bits / least)
        assert least < content < bits
    assert set(plots_of(done, done.conditions.tests[0])) == {"toy~pictures"}


def test_what_headers_are_measured_for_is_part_of_what_a_run_is():
    document = dict(load_conditions(find_conditions("toy")).document)
    without = document | {"tests": [{k: v for k, v in document["tests"][0].items() if k != "headers"}]}
    apart = document | {"codecs": document["codecs"] | {"jpeg-features": {
        k: v for k, v in document["codecs"]["jpeg-features"].items() if k != "arrange"}}}  # fmt: skip
    given = [parse_conditions(d).deciding() for d in (document, without, apart)]
    assert given[0] != given[1]
    assert given[0] != given[2]
