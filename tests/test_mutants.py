"""The mutation of the decoder changes what it says, and a wrong decoder is noticed."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
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


def test_modules_and_exceptions_exist(tools: tuple[ModuleType, ModuleType]) -> None:
    mutants, _ = tools
    for module in mutants.MODULES:
        assert (PACKAGE / module).exists()
    for module, names in mutants.OTHERS.items():
        text = (PACKAGE / module).read_text()
        for name in names:
            assert f"def {name.split('.')[-1]}(" in text or f"class {name}" in text, f"{module}: {name}"


def test_the_decoder_as_it_is_passes_and_one_with_swapped_axes_does_not(tools: tuple[ModuleType, ModuleType]) -> None:
    mutants, mutate_decoder = tools
    source = (PACKAGE / "tensor/repack.py").read_text()
    same = mutants.Mutant("tensor/repack.py", 0, "none", 1, "", "", source)
    swapped = next(m for m in mutants.of_module(PACKAGE, "tensor/repack.py") if m.kind == "swapped axes")
    broken = mutants.Mutant("tensor/repack.py", 0, "none", 1, "", "", "import nothing.of.that.name")
    with mutate_decoder.Examiner() as examiner:
        assert examiner.run(same) == (mutate_decoder.SURVIVED, "")
        assert examiner.run(swapped)[0] == mutate_decoder.KILLED
        assert examiner.run(broken)[0] == mutate_decoder.KILLED
        assert examiner.run(same)[0] == mutate_decoder.SURVIVED


def test_reasons_of_survivors_are_of_a_known_kind(tools: tuple[ModuleType, ModuleType]) -> None:
    _, mutate_decoder = tools
    reasons = json.loads(mutate_decoder.EQUIVALENT.read_text())
    assert set(reasons) == {"equivalent", "redundant", "open"}
    keys = [key for kind in reasons.values() for key in kind]
    assert len(keys) == len(set(keys))
    assert all(reason.endswith(".") for kind in reasons.values() for reason in kind.values())
