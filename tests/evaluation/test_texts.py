"""Text: regions from a map of its probability, lines and their characters, drawn pages, and models of a package."""

from __future__ import annotations

import importlib.util

import numpy as np
import painted
import pytest
from anchor_runs import run

from refsw.errors import UsageError
from refsw.evaluation.anchors.conditions import find_conditions, load_conditions, parse_conditions, resolved
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.datasets import open_dataset
from refsw.evaluation.errors import DatasetError, EvaluationError
from refsw.evaluation.pictures import Geometry
from refsw.evaluation.tasks.maps import GROWTH, regions
from refsw.evaluation.tasks.text import TextRecognition

for package in ("yaml", "scipy", "matplotlib", "openpyxl"):
    pytest.importorskip(package, reason=f"the conditions need {package}")

MODELS = pytest.mark.skipif(
    importlib.util.find_spec("rapidocr_onnxruntime") is None or importlib.util.find_spec("onnx") is None,
    reason="the models are those of rapidocr-onnxruntime (refsw[ocr])",
)


def test_regions_grow_by_area_over_perimeter():
    probability = np.zeros((20, 40))
    probability[6:10, 4:24] = 0.9  # and one more row and column: what nearly touches is one region
    probability[15, 30] = 0.9  # too small
    probability[2:6, 30:38] = 0.4  # not sure enough
    found = regions(probability[None], (40, 80), most=9)
    height, width = 5, 21
    reach = height * width * GROWTH / (2 * (height + width))
    corners = [4 - reach, 6 - reach, 4 + width - reach + 2 * reach, 6 + height + reach]
    assert len(found) == 1
    assert found[0, :4] == pytest.approx([2 * max(corners[0], 0), 2 * corners[1], 2 * corners[2], 2 * corners[3]])
    assert found[0, 4] == pytest.approx(0.9 * 4 * 20 / (height * width))
    assert regions(np.zeros((4, 4)), (4, 4), most=9).shape == (0, 6)


@pytest.mark.parametrize("output", [np.zeros(4), np.zeros((2, 4, 4)), np.full((4, 4), np.nan)])
def test_maps_that_are_none(output):
    with pytest.raises(EvaluationError, match="a map of shape"):
        regions(output, (4, 4), most=9)


@pytest.fixture
def lines(tmp_path):
    painted.save(tmp_path / "a.png", painted.painted([]))
    painted.save(tmp_path / "b.png", painted.painted([]))
    (tmp_path / "list.txt").write_text("a.png\tab ba\n\nb.png b\n")
    (tmp_path / "alphabet.txt").write_text("a\nb\n")
    return tmp_path


def recogniser(lines, **options):
    data = open_dataset("lines", lines, labels="list.txt")
    chosen = {"alphabet": str(lines / "alphabet.txt")} | options
    return TextRecognition(data, painted.Network("scores"), painted.PLAIN, chosen)


def scores(*best, classes=4):
    return np.eye(classes, dtype=np.float32)[list(best)]


def test_lines_have_their_text(lines):
    assert [(item.id, item.text) for item in open_dataset("lines", lines, labels="list.txt").items] == [
        ("a.png", "ab ba"), ("b.png", "b")]  # fmt: skip
    (lines / "bad.txt").write_text("a.png\n")
    with pytest.raises(DatasetError, match=r"bad.txt:1: a picture and its text, not 'a.png'"):
        open_dataset("lines", lines, labels="bad.txt")


def test_repetitions_and_blanks_are_left_out(lines):
    task = recogniser(lines)
    item = task.dataset.items[0]
    found = task.interpret(item, scores(0, 1, 1, 0, 1, 2, 2, 3, 0), Geometry())
    assert found.tolist() == [1, 1, 2, 3]
    assert task.text(found.tolist()) == "aab"  # the space at the end does not count
    with pytest.raises(EvaluationError, match=r"scores of shape \(2, 3\): \(places, 4\)"):
        task.interpret(item, scores(0, 1, classes=3), Geometry())


def test_scores_of_text(lines):
    task = recogniser(lines)
    texts = {"a.png": [1, 2, 3, 2, 1], "b.png": [2]}
    references = {key: np.array(value, np.int32) for key, value in texts.items()}
    same = task.score("x", references, references)
    assert same == {
        "fidelity": 1,
        "characters": 1,
        "words": 1,
        "characters_pristine": 1,
        "words_pristine": 1,
        "distortion": 0,
    }
    worse = task.score("x", references | {"a.png": np.array([1, 2], np.int32)}, references)
    assert worse["fidelity"] == pytest.approx((2 / 5 + 1) / 2)
    assert worse["characters"] == pytest.approx(1 - 3 / 6)
    assert worse["words"] == pytest.approx(2 / 3)


def test_scores_depend_on_the_alphabet(lines):
    first = recogniser(lines).annotations()
    (lines / "alphabet.txt").write_text("a\nc\n")
    assert recogniser(lines).annotations() != first
    with pytest.raises(UsageError, match="the model has no entry character in its metadata"):
        recogniser(lines, alphabet="model")


def test_drawn_pages_and_lines():
    from refsw.evaluation.datasets.texts import drawn

    pages, lines = drawn("detection"), drawn("text")
    for page in pages.items:
        samples = pages.picture(page).astype(int).sum(axis=2)
        assert len(page.boxes) >= 4
        for left, top, right, bottom, *_ in page.boxes.astype(int):
            inside = samples[max(top, 0) : bottom, max(left, 0) : right]
            assert inside.min() < samples.max() / 2  # ink
    assert all(item.text and lines.picture(item).shape == (48, 320, 3) for item in lines.items)
    again = drawn("text")
    assert all(np.array_equal(again.picture(item), lines.picture(item)) for item in lines.items)
    with pytest.raises(UsageError, match="no pages for retrieval"):
        drawn("retrieval")


def test_a_package_that_is_not_installed_is_named():
    document = dict(load_conditions(find_conditions("ocr")).document)
    test = document["tests"][0]
    network = test["network"] | {"path": "${package:no_such_package}/model.onnx"}
    asked = parse_conditions(document | {"tests": [test | {"network": network}]})
    with pytest.raises(
        UsageError, match=r"test pages needs models of no_such_package, which is not installed: pip install"
    ):
        resolved(asked.tests[0], None)


def test_no_network_ships_with_pages():
    from refsw.evaluation.tasks import open_task

    with pytest.raises(UsageError, match="kind pages is one of data sets, of which no network ships"):
        open_task({"task": "detection", "network": {"kind": "pages"}, "dataset": {"kind": "pages"}})


@MODELS
def test_text_end_to_end(tmp_path):
    document = dict(load_conditions(find_conditions("ocr")).document)
    tests = [
        test | {"dataset": {"kind": "pages", "limit": 2}, "layers": test["layers"][-1:], "codecs": ["anchor"]}
        for test in document["tests"]
    ]
    _, failures = run(tmp_path / "run", parse_conditions(document | {"tests": tests}))
    assert not failures
    records = open_run(tmp_path / "run").records
    pages = [r for r in records if r["test"] == "pages"]
    lines = [r for r in records if r["test"] == "lines"]
    assert pages[0]["pristine"]["ap50"] > 0.9
    assert pages[0]["metrics"]["fidelity"] > 0.9
    assert lines[0]["pristine"]["characters"] > 0.8
    assert lines[0]["metrics"]["fidelity"] > 0.9
