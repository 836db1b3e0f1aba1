"""13.10 Coverage: which values of which syntax elements, and which requirements, the vectors exercise.

It is measured: every vector is decoded, and the decoder's trace and its error say what it reached. A cell that no
vector reaches, and a requirement without a vector, need a waiver with a reason; a waiver that is not needed is a
failure as well, so that reasons stay true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refsw.conformance.cells import all_cells
from refsw.conformance.evidence import observe
from refsw.conformance.facts import BOUNDED, broken
from refsw.conformance.files import inside, published_bytes
from refsw.conformance.models import load_model
from refsw.conformance.suite import Kind, Suite, Vector
from refsw.errors import UsageError
from refsw.profiles import LevelLimits
from refsw.tensor.axes import Array

SIDES = ("positive", "negative")
WAIVERS = ("cells", "positive", "negative")
PARAGRAPH = re.compile(r"^\*\*\[([a-z0-9.-]+)\]\*\*", re.MULTILINE)


@dataclass
class Coverage:
    """The matrix, and what is wrong with it.

    Args:
        cells: element -> class of values -> ids of the vectors that reach it.
        requirements: id -> "positive" and "negative" -> ids of vectors.
        waivers: "cells", "positive", "negative" -> what is waived -> why.
        vectors: number of vectors that were decoded.
    """

    cells: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    requirements: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    waivers: dict[str, dict[str, str]] = field(default_factory=dict)
    vectors: int = 0

    def empty(self) -> dict[str, set[str]]:
        """What no vector reaches, waived or not."""
        cells = {f"{name}={c}" for name, classes in self.cells.items() for c, ids in classes.items() if not ids}
        sides = {side: {name for name, ids in self.requirements.items() if not ids[side]} for side in SIDES}
        return {"cells": cells} | sides

    def failures(self) -> list[str]:
        """What has neither vector nor waiver, and waivers without need."""
        found = []
        for kind, names in self.empty().items():
            waived = set(self.waivers.get(kind, {}))
            found += [f"{kind}: {name} has no vector and no waiver" for name in sorted(names - waived)]
            found += [f"{kind}: the waiver of {name} is not needed" for name in sorted(waived - names)]
        return found

    @property
    def cell_count(self) -> int:
        """Number of cells of the matrix."""
        return sum(len(classes) for classes in self.cells.values())

    @property
    def waived_share(self) -> float:
        """Share of the cells that are waived."""
        return len(self.waivers.get("cells", {})) / max(1, self.cell_count)

    def as_dict(self) -> dict[str, Any]:
        """The whole report as JSON types."""
        return {
            "vectors": self.vectors,
            "cells": self.cells,
            "requirements": self.requirements,
            "waivers": self.waivers,
            "cell_count": self.cell_count,
            "waived_share": self.waived_share,
            "failures": self.failures(),
        }

    def as_markdown(self) -> str:
        """The report for people."""
        return "\n".join([*self._summary(), *self._matrix(), *self._requirement_table(), *self._waiver_table()]) + "\n"

    def _summary(self) -> Iterable[str]:
        failures = self.failures()
        shown = {side: sum(1 for ids in self.requirements.values() if ids[side]) for side in SIDES}
        yield from (
            "# Coverage of the conformance vectors",
            "",
            f"- {self.vectors} vectors",
            f"- {self.cell_count} cells (syntax element x class of values), "
            f"{len(self.waivers.get('cells', {}))} waived ({self.waived_share:.1%})",
            f"- {len(self.requirements)} requirements: {shown['positive']} with a positive and "
            f"{shown['negative']} with a negative vector; the others with a reason",
            f"- {len(failures)} failures" if failures else "- nothing is empty without a reason, no reason is idle",
            "",
        )
        yield from (f"- **{failure}**" for failure in failures)

    def _matrix(self) -> Iterable[str]:
        yield from ("", "## Syntax elements", "", "| Element | Class of values: number of vectors |", "|---|---|")
        for name, classes in self.cells.items():
            waived = {c for c in classes if f"{name}={c}" in self.waivers.get("cells", {})}
            shown = [f"{c}: {'waived' if c in waived else len(ids) or '**none**'}" for c, ids in classes.items()]
            yield f"| `{name}` | {', '.join(shown)} |"

    def _requirement_table(self) -> Iterable[str]:
        yield from ("", "## Requirements", "", "| Requirement | Positive | Negative |", "|---|---|---|")
        for name, ids in sorted(self.requirements.items()):
            shown = ["waived" if name in self.waivers.get(s, {}) else str(len(ids[s]) or "**none**") for s in SIDES]
            yield f"| `{name}` | {shown[0]} | {shown[1]} |"

    def _waiver_table(self) -> Iterable[str]:
        yield from ("", "## Waivers", "", "| What | Why |", "|---|---|")
        for kind in WAIVERS:
            yield from (f"| {kind}: `{name}` | {why} |" for name, why in sorted(self.waivers.get(kind, {}).items()))


def report(suites: Iterable[Suite], spec: Path, waivers: Path) -> Coverage:
    """Measure the coverage of suites.

    Args:
        suites: the suites; their vectors have to be there.
        spec: the folder of the specification, where the requirements are defined.
        waivers: a JSON file: "cells", "positive" and "negative", each what is waived -> why.

    Raises:
        UsageError: a folder or file is not there, or is no file of waivers.
    """
    coverage = Coverage(
        cells={name: {c: [] for c in classes} for name, classes in all_cells().items()},
        requirements={name: {side: [] for side in SIDES} for name in requirement_ids(spec)},
        waivers=load_waivers(waivers),
    )
    for suite in suites:
        if suite.folder is None:
            raise UsageError(f"{suite.path}: no folder with its vectors")
        for vector in suite:
            if vector.withdrawn is None:
                base = None if vector.base is None else load_model(inside(suite.folder, vector.base.file))
                data = published_bytes(inside(suite.folder, vector.file), vector.sha256, vector.bytes)
                sdp = None if vector.session is None else inside(suite.folder, vector.session.file).read_bytes()
                _add(coverage, vector, data, base, sdp)
    return coverage


def _add(coverage: Coverage, vector: Vector, data: bytes, base: Mapping[str, Array] | None, sdp: bytes | None) -> None:
    coverage.vectors += 1
    name, valid = vector.id, vector.kind is Kind.VALID
    evidence = observe(data, base, model=vector.model, sdp=sdp, checkpoints=valid)
    for cell in evidence.cells:
        element, _, value = cell.partition("=")
        coverage.cells.setdefault(element, {}).setdefault(value, []).append(name)
    # What the recipe adds to the evidence: facts about a payload that only a decoder of its codec sees.
    shown = evidence.requirements if evidence.error is None else broken(evidence.error)
    for requirement in {*shown, *vector.requirements}:
        if requirement in coverage.requirements:
            coverage.requirements[requirement]["positive" if valid else "negative"].append(name)


def requirement_ids(spec: Path) -> list[str]:
    """Every requirement of the specification: paragraphs, bounded elements, limits of levels."""
    chapters = sorted(spec.glob("[01]*.md"))
    if not chapters:
        raise UsageError(f"{spec}: the chapters of the specification are not here")
    found = [name for path in chapters for name in PARAGRAPH.findall(path.read_text())]
    found += sorted(BOUNDED)
    return found + ["level." + name.replace("_", "-") for name in LevelLimits.__dataclass_fields__]


def load_waivers(path: Path) -> dict[str, dict[str, str]]:
    """The waivers of a file.

    Raises:
        UsageError: it is not what `report` says.
    """
    try:
        waivers = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: no waivers: {error}") from error
    good = isinstance(waivers, dict) and set(waivers) <= set(WAIVERS)
    if not good or not all(
        isinstance(why, str) and why.endswith(".") for names in waivers.values() for why in names.values()
    ):
        raise UsageError(f"{path}: waivers are {', '.join(WAIVERS)}, each with sentences by name")
    return {kind: dict(names) for kind, names in waivers.items()}
