"""Every requirement has vectors or a reason, every value class of every element too, and the reasons are needed."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from refsw.conformance.cells import all_cells
from refsw.conformance.coverage import Coverage, load_waivers, report, requirement_ids
from refsw.conformance.observed_cells import observed
from refsw.conformance.suite import Kind, load_suites
from refsw.errors import UsageError
from refsw.syntax.structures import IN_PAYLOADS, STRUCTURES

ROOT = Path(__file__).resolve().parents[2]
WAIVERS = ROOT / "conformance" / "waivers.json"


def test_coverage() -> None:
    """One test, since every process that runs one of several would measure the coverage again."""
    coverage = report(load_suites([ROOT / "conformance" / "suites"]), ROOT / "spec", WAIVERS)
    nothing_is_empty_without_a_reason_and_no_reason_is_idle(coverage)
    every_cell_that_is_observed_is_declared(coverage)
    a_missing_vector_and_an_idle_waiver_are_failures(coverage)
    reports(coverage)


def nothing_is_empty_without_a_reason_and_no_reason_is_idle(coverage: Coverage) -> None:
    assert coverage.failures() == []
    assert coverage.cell_count > 300
    assert coverage.waived_share < 0.05


def every_cell_that_is_observed_is_declared(coverage: Coverage) -> None:
    assert {name: set(classes) for name, classes in coverage.cells.items()} == {
        name: set(classes) for name, classes in all_cells().items()
    }


def test_every_element_has_a_row() -> None:
    names = {f"{s.name}.{e.name}" for s in STRUCTURES if s not in IN_PAYLOADS for e in s.elements()}
    assert names <= set(all_cells())


def test_every_requirement_that_an_error_names_is_in_the_specification() -> None:
    ids = set(requirement_ids(ROOT / "spec"))
    for suite in load_suites([ROOT / "conformance" / "suites"]):
        for vector in suite:
            assert set(vector.requirements) <= ids, vector.id
            if vector.error is not None:
                assert vector.error.requirement in vector.requirements, vector.id
            assert (vector.error is None) == (vector.kind is Kind.VALID)


def a_missing_vector_and_an_idle_waiver_are_failures(coverage: Coverage) -> None:
    changed = copy.deepcopy(coverage)
    changed.cells["digest.digest_kind"]["LEVELS"] = []
    changed.requirements["unit.crc"]["negative"] = []
    changed.waivers["cells"]["digest.digest_kind=TENSOR"] = "No need."
    changed.waivers["positive"]["unit.nonsense"] = "No such thing."
    assert changed.failures() == [
        "cells: digest.digest_kind=LEVELS has no vector and no waiver",
        "cells: the waiver of digest.digest_kind=TENSOR is not needed",
        "positive: the waiver of unit.nonsense is not needed",
        "negative: unit.crc has no vector and no waiver",
    ]


def reports(coverage: Coverage) -> None:
    text = coverage.as_markdown()
    assert f"- {coverage.vectors} vectors" in text
    assert "no reason is idle" in text
    assert "| `feature_parameter_set.quantizer` | NONE: " in text
    assert json.loads(json.dumps(coverage.as_dict()))["failures"] == []


@pytest.mark.parametrize("text", ["[]", "{", '{"rows": {}}', '{"cells": {"a": ""}}', '{"cells": {"a": 1}}'])
def test_waivers_are_sentences(tmp_path: Path, text: str) -> None:
    path = tmp_path / "waivers.json"
    path.write_text(text)
    with pytest.raises(UsageError):
        load_waivers(path)


def test_a_folder_without_chapters_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="chapters"):
        requirement_ids(tmp_path)


def test_nothing_is_observed_of_nothing() -> None:
    assert observed([], None, 0) == set()
