"""The mutation of the decoder changes what it says, and a wrong decoder is noticed."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from tests.workshop import workshop

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "refsw"


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[ModuleType, ModuleType]]:
    with workshop("mutants") as mutants, workshop("mutate_decoder") as mutate_decoder:
        yield mutants, mutate_decoder


def test_every_mutant_is_python_and_differs(tools: tuple[ModuleType, ModuleType]) -> None:
    mutants, _ = tools
    plain = ast.unparse(ast.parse((PACKAGE / "tensor/repack.py").read_text()))
    found = list(mutants.of_module(PACKAGE, "tensor/repack.py"))
    assert len(found) > 30
    assert {"swapped axes", "arithmetic", "constant", "comparison"} <= {mutant.kind for mutant in found}
    for mutant in found:
        ast.parse(mutant.source)
        assert mutant.source != plain
    assert not [mutant for mutant in found if "choose_grid" in mutant.before]


def test_a_seed_chooses_the_same_mutants(tools: tuple[ModuleType, ModuleType]) -> None:
    mutants, _ = tools
    found = list(mutants.of_module(PACKAGE, "features/reader.py"))
    assert mutants.seeded(found, 1, 20) == mutants.seeded(list(reversed(found)), 1, 20)
    assert mutants.seeded(found, 1, 20) != mutants.seeded(found, 2, 20)


def test_modules_and_exceptions_exist() -> None:
    with workshop("mutated") as mutated:
        modules, others = mutated.MODULES, mutated.OTHERS
    for module in modules:
        assert (PACKAGE / module).exists()
    for module, names in others.items():
        text = (PACKAGE / module).read_text()
        for name in names:
            assert f"def {name.split('.')[-1]}(" in text or f"class {name}" in text, f"{module}: {name}"


def test_the_decoder_as_it_is_passes_and_one_with_swapped_axes_does_not(tools: tuple[ModuleType, ModuleType]) -> None:
    mutants, mutate_decoder = tools
    source = (PACKAGE / "tensor/repack.py").read_text()
    swapped = next(m for m in mutants.of_module(PACKAGE, "tensor/repack.py") if m.kind == "swapped axes")
    same, broken = replace(swapped, source=source), replace(swapped, source="import nothing.of.that.name")
    ids = [vector["id"] for vector in mutate_decoder.load() if vector["id"].startswith("repack-")]
    reached = {"tensor/repack.py": dict.fromkeys(swapped.span, ids)}
    with mutate_decoder.Examiner(reached) as examiner:
        assert examiner.run(same) == (mutate_decoder.SURVIVED, "")
        verdict, by = examiner.run(swapped)
        assert (verdict, by.split("-")[0]) == (mutate_decoder.KILLED, "repack")
        assert examiner.run(broken)[0] == mutate_decoder.KILLED
        assert examiner.run(same)[0] == mutate_decoder.SURVIVED


def test_a_mutant_of_a_function_is_the_one_of_its_module(tools: tuple[ModuleType, ModuleType]) -> None:
    mutants, _ = tools
    lines = (PACKAGE / "features/decoder.py").read_text().splitlines()
    found = list(mutants.of_module(PACKAGE, "features/decoder.py"))
    for mutant in found:
        assert mutant.line in mutant.span or not mutant.function
        ast.parse(mutant.source)
        changed = [line for line in mutant.source.splitlines() if line not in lines]
        assert changed, mutant.name
    assert {m.function for m in found} >= {"", "Decoder.__iter__", "Decoder._handle", "check_digest"}


def test_what_is_executed_on_import_is_imported_again(tools: tuple[ModuleType, ModuleType]) -> None:
    mutants, mutate_decoder = tools
    found = [m for m in mutants.of_module(PACKAGE, "tensor/repack.py") if m.function]
    vectors = {"tensor/repack.py": {line: ["a", "b"] for line in found[0].span}}
    examiner = mutate_decoder.Examiner(vectors)
    assert examiner.reaching(found[0]) == ["a", "b"]
    assert examiner.reaching(replace(found[0], span=range(0))) is None
    vectors["tensor/repack.py"][found[0].span[0]] = ["a", mutate_decoder.IMPORT]
    assert examiner.reaching(found[0]) is None
    assert mutate_decoder.Examiner().reaching(found[0]) is None


def test_lines_are_noted_as_a_vector_reaches_them(tools: tuple[ModuleType, ModuleType]) -> None:
    from refsw.tensor.parts import Parts

    with workshop("reach") as reach:
        recorder, before = reach.Recorder(), sys.gettrace()
        sys.settrace(recorder.call)
        bands = Parts(5, 2, 1).bands
        sys.settrace(before)
    assert bands == 3
    source = (PACKAGE / "tensor/parts.py").read_text().splitlines()
    assert {source[line - 1].strip() for line in recorder.lines()["tensor/parts.py"]} >= {
        "return -(-self.rows // self.part_rows)"
    }


def test_reasons_of_survivors_are_of_a_known_kind(tools: tuple[ModuleType, ModuleType]) -> None:
    _, mutate_decoder = tools
    reasons = json.loads(mutate_decoder.EQUIVALENT.read_text())
    assert set(reasons) == {"equivalent", "redundant", "open"}
    keys = [key for kind in reasons.values() for key in kind]
    assert len(keys) == len(set(keys))
    assert all(reason.endswith(".") for kind in reasons.values() for reason in kind.values())
