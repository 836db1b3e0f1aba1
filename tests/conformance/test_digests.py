"""13.8.2 A decoder that checks digests is shown where it is wrong, although it rejects what it decodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from refsw.conformance.decoders import decoder_under_test
from refsw.conformance.digests import without_digests
from refsw.conformance.elements import difference
from refsw.conformance.engine import locked
from refsw.conformance.outcomes import Result
from refsw.conformance.reports import write_reports
from refsw.conformance.results import Plan
from refsw.conformance.runner import run
from refsw.conformance.suite import Kind, Selection, load_suites
from refsw.features.decoder import decode_by_name
from refsw.inspection import inspect
from tests.conformance.making import ROOT

SUITES = ROOT / "conformance" / "suites"
INDEPENDENT = ROOT / "conformance" / "independent"
HEAD = f"""
import sys
sys.path.insert(0, {str(INDEPENDENT)!r})
import dfc, dfc_decoder
import numpy as np
"""
WITHOUT_CLIP = """
def to_type(v, kind):
    with np.errstate(over="ignore"):
        return np.float16(v) if kind == "float16" else right(v, kind)
right, dfc_decoder.to_type = dfc_decoder.to_type, to_type
decode = dfc.decode
"""


def results(folder: Path, program: str, suite: str, *ids: str) -> list[Result]:
    (folder / "mine.py").write_text(HEAD + program)
    plan = Plan(load_suites([SUITES / f"{suite}.json"]), decoder_under_test(f"{folder}/mine.py:decode"),
                selection=Selection(ids=ids))  # fmt: skip
    with locked(folder / "r"):
        report = run(plan, folder / "r")
        write_reports(report, folder / "r")
    return report.results


def test_a_wrong_clip_of_float16_is_located_to_the_element(tmp_path: Path) -> None:
    (found,) = results(tmp_path, WITHOUT_CLIP, "lossless", "types-uniform-float16.huge_r1")
    assert str(found.outcome) == "REJECTED_VALID"
    assert "digest.value" in found.reason  # what the decoder says
    assert "a copy of it without digests decodes, to what is wrong" in found.reason
    (mismatch,) = found.mismatches
    assert (mismatch["checkpoint"], mismatch["ulps"]) == ("tensor", None)
    assert mismatch["what"].startswith(f"{mismatch['nonfinite']} elements are not finite; ")
    assert {mismatch["expected"], mismatch["got"]} in (
        {"65504 (0x7bff)", "inf (0x7c00)"},
        {"-65504 (0xfbff)", "-inf (0xfc00)"},
    )
    places = (mismatch["sample"], mismatch["channel"], mismatch["row"], mismatch["column"])
    assert mismatch["index"] == list(places)
    assert mismatch["nonfinite"] == mismatch["differing"] > 1
    page = (tmp_path / "r" / "report.html").read_text()
    assert mismatch["expected"] in page
    assert "not finite" in page


def test_a_decoder_whose_digests_are_wrong_is_told_so(tmp_path: Path) -> None:
    program = "dfc_decoder.hashlib = type('', (), {'sha256': dfc_decoder.hashlib.sha1})\ndecode = dfc.decode\n"
    (found,) = results(tmp_path, program, "lossless", "types-uniform-float16.small_r1")
    assert str(found.outcome) == "REJECTED_VALID"
    assert "so the decoder's own digests are wrong" in found.reason
    assert found.mismatches == []


def test_what_is_rejected_for_another_reason_stays_so(tmp_path: Path) -> None:
    program = "def decode(data, base=None): raise dfc_decoder.Reject('unit.crc', 'no')\n"
    first, second = results(tmp_path, program, "lossless", "types-uniform-float16.small_r1", "types-raw-uint8_r1")
    assert "a copy of it without digests does not decode either: ended with exit code 65" in first.reason
    assert str(second.outcome) == "REJECTED_VALID"


def test_a_model_that_was_rejected_can_be_left_for_comparison(tmp_path: Path) -> None:
    program = """
import os
from refsw.conformance.models import load_model
from refsw.conformance.outputs import write_raw
from refsw.conformance.reference import decode as right
def decode(data, base=None):
    model = dict(right(data, base))
    name = next(n for n in sorted(model) if model[n].dtype == np.float32 and model[n].size)
    model[name] = model[name].copy()
    model[name].reshape(-1)[-1] = np.inf
    with open(os.path.join(os.environ["TMPDIR"], "rejected.raw"), "wb") as file:
        write_raw(file, model)
    raise dfc_decoder.Reject("model.result-digest")
"""
    (found,) = results(tmp_path, program, "model", "model-quantized-large_r1")
    assert str(found.outcome) == "REJECTED_VALID"
    assert "what it rejected is wrong: tensor" in found.reason
    assert found.mismatches[0]["got"] == "inf (0x7f800000)"
    assert (found.mismatches[0]["nonfinite"], found.mismatches[0]["ulps"]) == (1, None)


def test_copies_decode_to_the_same_tensors() -> None:
    copies = 0
    for suite in load_suites([SUITES]):
        for vector in suite:
            if vector.kind is not Kind.VALID or "feature_parameter_set.tensor_digest_flag=1" not in vector.exercises:
                continue
            assert suite.folder is not None
            data = (suite.folder / vector.file).read_bytes()
            copy = without_digests(data)
            assert copy is not None
            copies += 1
            wanted, got = decode_by_name(data), decode_by_name(copy)
            assert list(wanted) == list(got)
            assert all(wanted[name].tobytes() == got[name].tobytes() for name in wanted), vector.id
            assert not any(row.element == "digest_kind" for row in inspect(copy, trace=True).rows)
            assert without_digests(copy) is None
    assert copies > 100


@pytest.mark.parametrize(("suite", "name"), [("lossless", "bytes-zlib-level_r1"), ("model", "model-full-alone_r1")])
def test_what_has_no_digests_that_can_go_has_no_copy(suite: str, name: str) -> None:
    loaded = load_suites([SUITES / f"{suite}.json"])[0]
    (vector,) = (v for v in loaded if v.id == name)
    assert "feature_parameter_set.tensor_digest_flag=1" not in vector.exercises
    assert loaded.folder is not None
    assert without_digests((loaded.folder / vector.file).read_bytes()) is None


def test_what_is_not_finite_comes_before_what_is_nearer_to_the_start() -> None:
    wanted = np.array([[1, 2, 3], [4, np.inf, 65504]], np.float16)
    got = wanted.copy()
    got[0, 0] = np.nextafter(got[0, 0], np.float16(9))
    got[1, 2] = np.inf
    found = difference(wanted, got)
    assert found is not None
    assert (found.index, found.expected, found.got) == ((1, 2), "65504 (0x7bff)", "inf (0x7c00)")
    assert (found.ulps, found.differing, found.nonfinite, found.elements) == (None, 2, 1, 6)
    got[1, 2] = wanted[1, 2]
    near = difference(wanted, got)
    assert near is not None
    assert (near.index, near.ulps, near.nonfinite, near.what) == ((0, 0), 1, 0, "")
    assert difference(wanted, wanted) is None
