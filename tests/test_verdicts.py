"""Every command that reads a bitstream says the same of it: conforming, not conforming, or not supported here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import refsw
from refsw.conformance.suite import Kind, Vector, load_suites
from refsw.models.files import open_model
from refsw.syntax.codes import UnitType
from tests.workshop import workshop

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "test_vectors"
QUICK, FULL = 400, 100_000


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    with workshop("mutate_streams") as module:
        yield module


def all_vectors() -> list[Vector]:
    suites = load_suites([ROOT / "conformance" / "suites"])
    return [vector for suite in suites for vector in suite if vector.session is None]


def base_of(vector: Vector) -> Path | None:
    return VECTORS / vector.base.file if vector.base else None


def without_end_of_data(stream_of: ModuleType, data: bytes, unit_type: int) -> bytes:
    """The same bitstream with its model data in a unit of another type."""
    stream = stream_of.cut(data)
    parts = [
        stream_of.Part(unit_type << 1, part.body) if part.head >> 1 == UnitType.MODEL_DATA else part
        for part in stream.parts
    ]
    return stream_of.Stream(stream.header, tuple(parts)).data()


@pytest.mark.parametrize(("unit_type", "requirement", "code"), [(111, "unit.unknown", 69), (2, "profile.model", 65)])
def test_an_update_whose_values_are_lost_is_applied_no_further(
    tool: ModuleType, unit_type: int, requirement: str, code: int
) -> None:
    import stream_mutations

    vector = next(v for v in all_vectors() if v.id == "model-encoder-one_r1")
    data = without_end_of_data(stream_mutations, (VECTORS / vector.file).read_bytes(), unit_type)
    base = open_model(VECTORS / vector.base.file) if vector.base else None
    report = refsw.validate(data, base=base)
    assert (report.exit_code, report.found[0].requirement) == (code, requirement)
    with pytest.raises(refsw.DfcError) as error:
        refsw.apply_update(base, data)
    assert (error.value.exit_code, error.value.requirement) == (code, requirement)


def test_an_update_of_another_base_is_no_fault_of_the_bitstream(tool: ModuleType) -> None:
    vector = next(v for v in all_vectors() if v.id == "model-encoder-one_r1")
    data = (VECTORS / vector.file).read_bytes()
    other = refsw.validate(data, base=open_model(VECTORS / "model/bases/none.safetensors"))
    assert (other.conforming, other.exit_code, other.found[0].requirement) == (True, 65, "model.base")
    without = refsw.validate(data)
    assert (without.conforming, without.exit_code, without.found[0].requirement) == (True, 69, "model.base")


@pytest.mark.parametrize("part", [*range(1), *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 8))])
def test_vectors_get_one_verdict(tool: ModuleType, part: int) -> None:
    different = {}
    for vector in all_vectors()[part::8]:
        data, base = (VECTORS / vector.file).read_bytes(), base_of(vector)
        verdicts = dict(tool.in_commands(data, base))
        wrong = tool.disagree(verdicts, base, tool.is_update(data))
        first = next(iter(verdicts.values()))
        if wrong or (vector.kind is Kind.VALID) != (first.code == 0):
            different[vector.id] = wrong or str(first)
    # VVC at other bit depths than 10 is not decoded here, and the digest of a receiver's model is not given.
    assert {name for name in different if not name.startswith(("vvc-", "syntax-model.digest-"))} == set()


@pytest.mark.parametrize("count", [QUICK, pytest.param(FULL, marks=pytest.mark.slow)])
def test_mutations_get_one_verdict_and_never_crash(tool: ModuleType, count: int) -> None:
    chosen = tool.originals()
    assert len(chosen) > 600
    found = tool.run(chosen, 1 if count == FULL else 2, range(count), None, 1, lambda number: None)
    assert [(p["number"], p["vector"], p["kind"], p["problem"]) for p in found.problems] == []
    assert found.verdicts[65] > count // 2
    assert found.verdicts[0] > count // 20
    assert set(found.kinds) == {"bits", "element", "units", "size", "header", "splice", "truncation"}


def test_the_whole_crosscheck_says_what_decoding_says(tool: ModuleType) -> None:
    with tool.CrossChecker() as checker:
        found = tool.run(tool.originals(), 3, range(30), checker, 1, lambda number: None)
    assert found.crosschecked == 30
    assert found.problems == []


def test_a_seed_and_a_number_make_one_mutation(tool: ModuleType) -> None:
    from random import Random

    import stream_mutations

    data, other = (original.data for original in tool.originals()[:2])
    once, again, next_one = (stream_mutations.mutate(data, other, Random(f"1/{i}")) for i in (7, 7, 8))
    assert once == again
    assert once != next_one
    assert stream_mutations.cut(data).data() == data
