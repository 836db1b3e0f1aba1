"""Informative: the features of a run into an archive, each checked against the digest that the run has of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import refsw
from refsw.errors import UsageError
from refsw.evaluation.anchors.archives.container import Contents, write_archive
from refsw.evaluation.anchors.archives.frozen import FROZEN, features_member, packed, test_member
from refsw.evaluation.anchors.conditions import Test, digest_of, resolved
from refsw.evaluation.anchors.environment import subject_differences
from refsw.evaluation.anchors.folder import GROUPS, Record, Run, label, open_run, read_groups, unpack
from refsw.evaluation.anchors.grouped import digest, together
from refsw.evaluation.anchors.orders import SUPPORT, Job, Look, Seen, Unseen, optional_of, outputs_key
from refsw.evaluation.anchors.points import SIZES_OF_INPUT
from refsw.evaluation.anchors.run import NO_CODEC
from refsw.evaluation.anchors.sequences import classes_of, in_groups
from refsw.evaluation.anchors.work import features_of_item, forget, perform, task_here
from refsw.evaluation.errors import EvaluationError


def freeze(run_dir: Path, output: Path, *, data: Path | None = None, cache: Path | None = None) -> tuple[str, int]:
    """Put the features of a run into an archive.

    Args:
        run_dir: the run, complete.
        output: the archive, which appears whole or not at all.
        data: folder of data sets and weights.
        cache: folder of kept features: what was begun before goes faster.

    Returns:
        The SHA-256 of what is in it, and the number of files.

    Raises:
        UsageError: the run is not complete, or its network or data are others here.
        EvaluationError: features or scores are other ones here than in the run.
    """
    run = open_run(run_dir)
    missing = sum(1 for _ in run.conditions.points()) - len(run.records)
    if missing > 0:
        raise UsageError(f"{run_dir}: {missing} points have no record: finish the run first")
    groups: dict[str, list[Record]] = {}
    for record in read_groups(run.folder / GROUPS):
        groups.setdefault(record["test"], []).append(record)
    about = {
        "refsw": refsw.__version__, "conditions": dict(run.conditions.document), "network": run.identity["network"],
        "environment": dict(run.environment),
    }  # fmt: skip
    counted = _Counted(
        member
        for number, test in enumerate(run.conditions.tests)
        for member in _Freezer(run, test, number, groups[test.name], data, cache).members()
    )
    try:
        return write_archive(output, FROZEN, about, counted), counted.count
    finally:
        forget()


class _Counted:
    def __init__(self, members: Iterator[tuple[str, Contents]]) -> None:
        self.members, self.count = members, 0

    def __iter__(self) -> Iterator[tuple[str, Contents]]:
        for member in self.members:
            self.count += 1
            yield member


class _Freezer:
    """What is known of one test."""

    def __init__(
        self, run: Run, test: Test, number: int, groups: list[Record], data: Path | None, cache: Path | None
    ) -> None:
        self.run, self.test, self.number, self.cache = run, test, number, cache
        self.condition = resolved(test, data)
        seen = perform(Look(test.name, self.condition, ()))
        if isinstance(seen, Unseen):
            raise seen.error
        assert isinstance(seen, Seen)
        self.seen = seen
        self._check_subject()
        self.task = task_here(self.condition)
        self.coded = [record for record in groups if record["codec"] != NO_CODEC]
        self.references = self._whole(groups, "")
        self.support = self._whole(groups, SUPPORT)

    def _check_subject(self) -> None:
        seen = self.seen
        pictures = {"pictures": digest_of(list(seen.inputs.items()))} if seen.inputs else {}
        here = {"items": digest_of(seen.items)} | pictures | seen.data | seen.basis
        changed = list(subject_differences(self.run.identity["tests"][self.test.name], here))
        if changed:
            raise UsageError(f"{self.run.folder}: test {self.test.name} is another one here: {'; '.join(changed[:4])}")

    @staticmethod
    def _whole(groups: list[Record], kind: str) -> dict[str, Any]:
        """Packed outputs of the whole network by item."""
        own = [record for record in groups if record["codec"] == NO_CODEC and record["parameter"] == kind]
        return {item: out for g in own for item, out in zip(g["items"], g["outputs"], strict=True)}

    def members(self) -> Iterator[tuple[str, Contents]]:
        """Features, item by item, and then what is known of the test."""
        shapes: dict[str, list[Any]] = {}
        digests: dict[str, list[str]] = {}
        for place, layer in enumerate(self.test.layers):
            shapes[layer], digests[layer] = [], []
            for group, items in enumerate(self._groups()):
                parts = [features_of_item(self._job(layer, group, items), self.task, item) for item in items]
                found = digest(together(parts, layer))
                self._check_features(layer, group, found)
                digests[layer].append(found)
                for features in parts:
                    told, data = packed(features)
                    shapes[layer].append(told)
                    yield features_member(self.number, place, len(shapes[layer]) - 1), data
        yield test_member(self.number), json.dumps(self._told(shapes, digests), allow_nan=False).encode()

    def _groups(self) -> list[tuple[str, ...]]:
        return in_groups(self.seen.items, self.test.group, self.seen.frames)

    def _job(self, layer: str, group: int, items: tuple[str, ...]) -> Job:
        inputs = tuple(self.seen.inputs[item] for item in items) if self.seen.inputs else ()
        cache = str(self.cache.absolute()) if self.cache else None
        return Job(self.test.name, self.condition, group, items, layer, inputs=inputs, cache=cache)

    def _check_features(self, layer: str, group: int, found: str) -> None:
        for record in self.coded:
            if (record["layer"], record["group"]) == (layer, group) and record["features"] != found:
                raise EvaluationError(
                    f"{label(record)}: the features are other ones here than in the run: freeze it where it was made, "
                    "with the same libraries (refsw anchor requirements)"
                )

    def _told(self, shapes: dict[str, list[Any]], digests: dict[str, list[str]]) -> dict[str, Any]:
        seen = self.seen
        outputs: dict[str, dict[str, Any]] = {layer: {} for layer in self.test.layers}
        for record in self.coded:
            outputs[record["layer"]][outputs_key(record)] = record["outputs"]
        sizes = {item: {name: optional_of(self.task, name, item) for name in SIZES_OF_INPUT} for item in seen.items}
        return {
            "items": seen.items, "support": seen.support, "inputs": seen.inputs, "basis": seen.basis,
            "data": seen.data, "notes": seen.notes, "layers": list(self.test.layers),
            "complexity": {layer: optional_of(self.task, "complexity", layer) for layer in self.test.layers},
            "frames": self.seen.frames, "sizes": sizes, "shapes": shapes, "groups": digests,
            "references": self.references | self.support,
            "outputs": outputs, "scores": {layer: self._scores(layer) for layer in self.test.layers},
        }  # fmt: skip

    def _scores(self, layer: str) -> dict[str, Any]:
        """Metrics by the digest of the outputs, of all points of a layer and of the network without coding."""
        references = {item: unpack(self.references[item]) for item in self.seen.items}
        support = {item: unpack(self.support[item]) for item in self.seen.support}
        beside = (support,) if support else ()
        found: dict[str, Any] = {}

        def add(outputs: Mapping[str, Any]) -> None:
            for items in (tuple(outputs), *classes_of(self.seen.frames).values()):
                own = {item: outputs[item] for item in items}
                unpacked = {item: unpack(output) for item, output in own.items()}
                known = {item: references[item] for item in items}
                scores = self.task.score(layer, unpacked, known, *beside)
                found[digest_of(own)] = {name: float(value) for name, value in scores.items()}

        add({item: self.references[item] for item in self.seen.items})
        points: dict[Any, list[Record]] = {}
        for record in self.coded:
            if record["layer"] == layer:
                points.setdefault((record["codec"], record["value"]), []).append(record)
        for records in points.values():
            ordered = sorted(records, key=lambda record: int(record["group"]))
            outputs = {i: out for g in ordered for i, out in zip(g["items"], g["outputs"], strict=True)}
            drawn = len(ordered[0].get("realisations", ()))
            for one in range(drawn):
                add({item: out[one] for item, out in outputs.items()})
            if not drawn:
                add(outputs)
        return found
