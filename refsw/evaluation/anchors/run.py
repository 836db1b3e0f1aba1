"""Informative: a run: every point of the conditions, resumable after any kill, with the same records each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from refsw.errors import UsageError
from refsw.evaluation.anchors import folder as files
from refsw.evaluation.anchors.archives.frozen import FrozenRun
from refsw.evaluation.anchors.cache import prune
from refsw.evaluation.anchors.choices import CodecChoice, takers
from refsw.evaluation.anchors.conditions import Conditions, Test, digest_of, located, parse_conditions, resolved
from refsw.evaluation.anchors.environment import differences, environment, network_versions, used_versions
from refsw.evaluation.anchors.folder import Journal, Key, Record, key_of, label
from refsw.evaluation.anchors.orders import SUPPORT, Job, Look, Result, Scored, Scoring, Seen
from refsw.evaluation.anchors.points import record_of
from refsw.evaluation.anchors.programs import check_programs
from refsw.evaluation.anchors.sequences import classes_of, in_groups
from refsw.evaluation.anchors.timing import TimeLeft
from refsw.evaluation.anchors.work import basis_of, forget
from refsw.evaluation.anchors.workers import Workers, workers
from refsw.files import whole_file

NO_CODEC = ""
SUPPORT_GROUP = 8
"""Pictures to a record of what scoring needs beside the items."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is done; none of it changes the records.

    Args:
        jobs: processes on this machine.
        dask: address of a Dask scheduler, used instead.
        data: folder that `${data}` stands for.
        cache: folder of kept features; None keeps none.
        keep_bitstreams: leave every bitstream in the folder.
        features: an archive of frozen features, used instead of network and data where the codecs are those of its run.
    """

    jobs: int = 1
    dask: str | None = None
    data: Path | None = None
    cache: Path | None = None
    keep_bitstreams: bool = False
    features: Path | None = None


@dataclass
class _Point:
    """A point that is not finished: which groups are missing, and the records of the others."""

    missing: set[int]
    groups: dict[int, Record] = field(default_factory=dict)
    is_scored: bool = False

    def outputs(self) -> dict[str, Any]:
        """Packed outputs by item, in the order of the items."""
        groups = [self.groups[number] for number in sorted(self.groups)]
        return {item: output for g in groups for item, output in zip(g["items"], g["outputs"], strict=True)}


class AnchorRun:
    """A run in a folder. As a context it holds the folder; `work` does what is left.

    Args:
        conditions: what to run.
        folder: made if it is not there; a folder with an earlier part of the same run is gone on with.
        options: how.

    Raises, on entering:
        UsageError: another run is at work in the folder; it holds a run of other conditions, weights, data or codec
            versions; or something that the run needs is missing or damaged.
    """

    def __init__(self, conditions: Conditions, folder: Path, options: Options | None = None) -> None:
        self.conditions = conditions
        self.folder = folder
        self.options = options or Options()
        self.failures: list[str] = []
        self.finished = 0
        self._held = ExitStack()
        self._resolved: dict[str, dict[str, Any]] = {}
        self._choices: dict[str, CodecChoice] = {}
        self._seen: dict[str, Seen] = {}
        self._points: dict[Key, _Point] = {}
        self._jobs: list[Job] = []
        self._left = TimeLeft()
        self._frozen = FrozenRun(self.options.features, conditions) if self.options.features else None

    def __enter__(self) -> Self:
        with ExitStack() as held:
            # What needs no folder is checked before there is one.
            self._resolved = {t.name: self._condition(t) for t in self.conditions.tests}
            used = dict.fromkeys(name for test in self.conditions.tests for name in test.codecs)
            self._choices = {name: located(self.conditions.codecs[name], self.options.data) for name in used}
            apart = any(codec.external for codec in self._codecs())
            for codec in self._codecs():
                check_programs(codec.coding)
            self._workers: Workers = held.enter_context(workers(self.options.jobs, self.options.dask, apart=apart))
            identity = self._look_around()
            self.folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(files.locked(self.folder))
            self._begin(identity)
            self._groups = held.enter_context(Journal(self.folder / files.GROUPS))
            self._records = held.enter_context(Journal(self.folder / files.RECORDS))
            self._held = held.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._held.close()
        forget()

    def _condition(self, test: Test) -> dict[str, Any]:
        if self._frozen is None:
            return resolved(test, self.options.data)
        needed = self._frozen.needs_network(test)
        return self._frozen.condition(test, resolved(test, self.options.data) if needed else None)

    @property
    def remaining(self) -> int:
        """Jobs that are left."""
        return len(self._jobs)

    @property
    def point_count(self) -> int:
        """Records that the run has when it is complete."""
        return sum(1 for _ in self.conditions.points())

    @property
    def notes(self) -> dict[str, list[str]]:
        """What a user should know of the data of each test, such as files that are left out."""
        return {name: seen.notes for name, seen in self._seen.items() if seen.notes}

    def seconds_left(self) -> float | None:
        """How long what is left will take, as far as it can be told from what is done; None at the beginning."""
        return self._left.seconds()

    def _codecs(self) -> list[CodecChoice]:
        return list(self._choices.values())

    def _look_around(self) -> dict[str, Any]:
        """Open every task once, check its data, and find out what results depend on."""
        looks = [
            Look(
                test.name,
                self._resolved[test.name],
                test.layers,
                tuple(self._choices[name] for name in test.codecs),
                test.group,
                test.axes,
            )
            for test in self.conditions.tests
        ]
        self._seen = {seen.test: seen for seen in self._workers.look(looks)}
        tests = {}
        for name, seen in self._seen.items():
            pictures = {"pictures": digest_of(list(seen.inputs.items()))} if seen.inputs else {}
            tests[name] = {"items": digest_of(seen.items)} | pictures | seen.data | seen.basis
        used = self._codecs()
        return {
            "conditions": digest_of(self.conditions.deciding()),
            "versions": used_versions(used),
            "network": network_versions(),
            "tests": tests,
        } | self._of_features()

    def _of_features(self) -> dict[str, Any]:
        """Which archive features are from, and what made them, if no network is opened here."""
        if self._frozen is None:
            return {}
        here = any(self._frozen.needs_network(test) for test in self.conditions.tests)
        return {"features": self._frozen.digest} | ({} if here else {"network": self._frozen.network})

    def _begin(self, identity: Mapping[str, Any]) -> None:
        """Start a run, or go on with one."""
        told = self.folder / files.RUN
        written = {"format": files.FORMAT, "conditions": self.conditions.document, "identity": identity}
        written |= {"notes": self.notes}
        if told.exists():
            earlier = files.read_run(self.folder)
            changed = list(differences(earlier["identity"], identity))
            if changed:
                changed = self._changed_conditions(earlier) + changed
                changed += self._changed_pictures()
                shown = "; ".join(changed[:4]) + (f"; and {len(changed) - 4} more" if len(changed) > 4 else "")
                raise UsageError(f"{self.folder}: an earlier run is not gone on with: {shown}. Use another folder.")
            for name in (files.GROUPS, files.RECORDS):
                files.mend_journal(self.folder / name)
            if earlier != written:  # titles, say
                files.write_json(told, written)
        else:
            present = [name for name in (files.GROUPS, files.RECORDS) if (self.folder / name).exists()]
            if present:
                raise UsageError(f"{self.folder}: {present[0]} without {files.RUN}: no run to go on with")
            files.write_json(self.folder / files.ENVIRONMENT, environment())
            files.write_json(told, written)
        if self.options.keep_bitstreams:
            (self.folder / files.BITSTREAMS).mkdir(exist_ok=True)
        if self.options.cache:
            prune(self.options.cache)
        self._plan()

    def _changed_conditions(self, earlier: Mapping[str, Any]) -> list[str]:
        known = parse_conditions(earlier["conditions"], str(self.folder / files.RUN))
        return list(differences(known.deciding(), self.conditions.deciding(), "conditions"))

    def _changed_pictures(self) -> Iterator[str]:
        """Those of which the records of the run say that they were others."""
        for record in files.read_groups(self.folder / files.GROUPS):
            seen = self._seen.get(record["test"])
            if seen is not None and record["codec"] == NO_CODEC:
                for item, digest in zip(record["items"], record.get("inputs", ()), strict=False):
                    if seen.inputs.get(item, digest) != digest:
                        yield f"{item} is another picture"

    def _plan(self) -> None:
        """Which points are finished, what is there of the others, and the jobs that are left."""
        done = {key_of(record) for record in files.read_records(self.folder / files.RECORDS)}
        self.finished = len(done)
        for test in self.conditions.tests:
            numbers = set(range(len(self._grouped(test))))
            places = [key_of(place) for place in self.conditions.points() if place["test"] == test.name]
            open_keys = [key for key in places if key not in done]
            self._points |= {key: _Point(set(numbers)) for key in open_keys}
            if open_keys:
                # The outputs of the whole network come first; their keys have no layer and no codec.
                self._points[_references_key(test.name)] = _Point(set(numbers))
                self._points[_support_key(test.name)] = _Point(set(range(len(self._supporting(test)))))
        for record in files.read_groups(self.folder / files.GROUPS):
            self._left.done(record)
            key = key_of(record)
            if key in done and self.options.keep_bitstreams and not self._bitstream(record).is_file():
                raise UsageError(
                    f"{self.folder}: {label(record)}: done without keeping its bitstream. Use another folder."
                )
            point = self._points.get(key)
            if point is not None and record["group"] in point.missing and self._whole(record):
                point.missing.discard(record["group"])
                point.groups[record["group"]] = record
        self._jobs = [job for test in self.conditions.tests for job in self._jobs_of(test)]
        self._left.begin(job.place for job in self._jobs)

    def _whole(self, record: Record) -> bool:
        """Whether what belongs to a record is there: with kept bitstreams, its bitstream."""
        if not self.options.keep_bitstreams or record["codec"] == NO_CODEC:
            return True
        path = self._bitstream(record)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == record["bitstream"]

    def _bitstream(self, record: Record) -> Path:
        return self.folder / files.BITSTREAMS / bitstream_name(record)

    def _grouped(self, test: Test) -> list[tuple[str, ...]]:
        seen = self._seen[test.name]
        return in_groups(seen.items, test.group, seen.frames)

    def _supporting(self, test: Test) -> list[tuple[str, ...]]:
        return in_groups(self._seen[test.name].support, SUPPORT_GROUP, {})

    def _jobs_of(self, test: Test) -> Iterator[Job]:
        condition, seen = self._resolved[test.name], self._seen[test.name]
        groups = [(items, self._inputs(seen, items)) for items in self._grouped(test)]
        alone = basis_of([], seen.basis)
        for number in self._missing(_references_key(test.name)):
            items, inputs = groups[number]
            yield Job(test.name, condition, number, items, inputs=inputs, basis=alone)
        supporting = self._supporting(test)
        for number in self._missing(_support_key(test.name)):
            items = supporting[number]
            inputs = self._inputs(seen, items)
            yield Job(test.name, condition, number, items, support=True, inputs=inputs, basis=alone)
        every = [self._choices[name] for name in test.codecs]
        bases = {codec.name: basis_of([codec], seen.basis) for codec in every}
        cache = str(self.options.cache.absolute()) if self.options.cache and self._frozen is None else None
        for layer in test.layers:
            codecs = takers(every, layer)
            missing = {key: point.missing for key, point in self._points.items() if key[:2] == (test.name, layer)}
            for number, (items, inputs) in enumerate(groups):
                for codec in codecs:
                    for value in codec.values:
                        job = Job(test.name, condition, number, items, layer, codec, value, False, inputs,
                                  bases[codec.name], cache, self.options.keep_bitstreams,
                                  test.axes.get(layer, ""), test.headers)  # fmt: skip
                        if number in missing.get(key_of(job.place), ()):
                            yield job

    def _missing(self, key: Key) -> list[int]:
        point = self._points.get(key)
        return sorted(point.missing) if point is not None else []

    @staticmethod
    def _inputs(seen: Seen, items: Iterable[str]) -> tuple[str, ...]:
        """Digests of items, of all or of none."""
        return tuple(seen.inputs[item] for item in items) if seen.inputs else ()

    def work(self) -> Iterator[Result]:
        """Do what is left; every result is written before it is given.

        A job that fails is named in `failures`, and its point has no record; the next run tries it again.
        """
        # Points whose groups were all there when the run before this one ended.
        for key in list(self._points):
            self._score_if_ready(key)
        self._workers.add(self._jobs)
        for outcome in self._workers.results():
            if isinstance(outcome, Scored):
                self._record(outcome)
            elif isinstance(outcome, Result):
                self._take(outcome)
                yield outcome
        self._jobs = []

    def _take(self, result: Result) -> None:
        record = result.record
        self._left.done(result.job.place if record is None else record, is_planned=True)
        if record is None:
            self.failures.append(result.failure or "failed")
            return
        if result.bitstream is not None:
            path = self._bitstream(record)
            with files.named(path), whole_file(path) as file:
                file.write(result.bitstream)
        self._groups.append(record)
        key = key_of(record)
        point = self._points[key]
        point.missing.discard(record["group"])
        point.groups[record["group"]] = record
        if key[2] == NO_CODEC and not point.missing:
            # The last reference may be what points have waited for.
            for other in [k for k, p in self._points.items() if k[0] == key[0] and not p.missing]:
                self._score_if_ready(other)
        else:
            self._score_if_ready(key)

    def _score_if_ready(self, key: Key) -> None:
        point, references, support = (
            self._points.get(wanted) for wanted in (key, _references_key(key[0]), _support_key(key[0]))
        )
        if key[2] == NO_CODEC or point is None or references is None or support is None:
            return
        if point.missing or references.missing or support.missing or point.is_scored:
            return
        point.is_scored = True
        condition, outputs = self._resolved[key[0]], point.outputs()
        link = self._choices[key[2]].link
        drawn = 0 if link is None else link.realisations
        classes = classes_of(self._seen[key[0]].frames)
        self._workers.score(Scoring(key, condition, outputs, references.outputs(), support.outputs(), drawn, classes))
        # What is no longer needed may be much.
        point.groups = {n: {k: v for k, v in g.items() if k != "outputs"} for n, g in point.groups.items()}

    def _record(self, scored: Scored) -> None:
        """Write the record of a point."""
        point = self._points[scored.key]
        groups = [point.groups[number] for number in sorted(point.groups)]
        if scored.failure is not None:
            self.failures.append(f"{label(groups[0] | {'group': None})}: {scored.failure}")
            return
        references = self._points[_references_key(scored.key[0])].groups.values()
        self._records.append(record_of(groups, list(references), scored, self._seen[scored.key[0]]))
        del self._points[scored.key]
        self.finished += 1
        if not any(key[0] == scored.key[0] and key[2] != NO_CODEC for key in self._points):
            del self._points[_references_key(scored.key[0])], self._points[_support_key(scored.key[0])]


def _references_key(test: str) -> Key:
    """Where the outputs of the whole network are found: no layer, no codec."""
    return (test, "", NO_CODEC, "", -1.0)


def _support_key(test: str) -> Key:
    """Where the outputs of the whole network for the items of `support` are found."""
    return (test, "", NO_CODEC, SUPPORT, -1.0)


def bitstream_name(record: Mapping[str, Any]) -> str:
    """File of a group's bitstream."""
    value = "" if record["value"] is None else f"-{record['parameter']}{record['value']:g}"
    words = "".join(c if c.isalnum() or c in "._+-" else "_" for c in record["layer"])
    if words != record["layer"]:
        words += f"-{hashlib.sha256(record['layer'].encode()).hexdigest()[:8]}"
    return f"{record['test']}-{words}-{record['codec']}{value}-{record['group']:05d}.bin"
