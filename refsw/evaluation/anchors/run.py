"""Informative: a run: every point of the conditions, resumable after any kill, with the same records each time."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from refsw.errors import UsageError
from refsw.evaluation.anchors import folder as files
from refsw.evaluation.anchors.cache import prune
from refsw.evaluation.anchors.conditions import Conditions, Test, digest_of, resolved
from refsw.evaluation.anchors.environment import environment, network_versions, used_versions
from refsw.evaluation.anchors.folder import Journal, Key, Record, key_of, unpack
from refsw.evaluation.anchors.work import Job, Result, forget, optional_of, task_here
from refsw.evaluation.anchors.workers import done_by
from refsw.features.sinks import whole_file

NO_CODEC = ""
PRISTINE = "_pristine"


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is done; none of it changes the records.

    Args:
        jobs: processes on this machine.
        dask: address of a Dask scheduler, used instead.
        data: folder that `${data}` stands for.
        cache: folder of kept features; None keeps none.
        keep_bitstreams: leave every bitstream in the folder.
    """

    jobs: int = 1
    dask: str | None = None
    data: Path | None = None
    cache: Path | None = None
    keep_bitstreams: bool = False


@dataclass
class _Point:
    """A point that is not finished: which groups are missing, and the records of the others."""

    missing: set[int]
    groups: dict[int, Record] = field(default_factory=dict)


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
        self._items: dict[str, list[str]] = {}
        self._complexity: dict[tuple[str, str], Any] = {}
        self._points: dict[Key, _Point] = {}
        self._references: dict[str, dict[str, Any]] = {}
        self._input: dict[str, dict[str, int]] = {}
        self._baselines: dict[tuple[str, str], dict[str, float]] = {}
        self._jobs: list[Job] = []

    def __enter__(self) -> Self:
        with ExitStack() as held:
            # What needs no folder is checked before there is one.
            self._resolved = {t.name: resolved(t, self.options.data) for t in self.conditions.tests}
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

    @property
    def remaining(self) -> int:
        """Jobs that are left."""
        return len(self._jobs)

    @property
    def point_count(self) -> int:
        """Records that the run has when it is complete."""
        codecs = self.conditions.codecs
        return sum(len(t.layers) * sum(len(codecs[c].values) for c in t.codecs) for t in self.conditions.tests)

    def _look_around(self) -> dict[str, Any]:
        """Open every task once, check its data, and find out what results depend on."""
        tests = {}
        for test in self.conditions.tests:
            task = task_here(self._resolved[test.name])
            optional_of(task, "check")
            items = task.items()
            if not items or len(set(items)) != len(items):
                raise UsageError(f"test {test.name}: {'items that are there twice' if items else 'no items'}")
            self._items[test.name] = items
            for layer in test.layers:
                self._complexity[test.name, layer] = optional_of(task, "complexity", layer)
            own = {"items": digest_of(items)} | (optional_of(task, "fingerprint") or {})
            tests[test.name] = {k: str(v) for k, v in own.items()}
        used = [self.conditions.codecs[name] for test in self.conditions.tests for name in test.codecs]
        return {
            "conditions": self.conditions.digest,
            "versions": used_versions(used),
            "network": network_versions(),
            "tests": tests,
        }

    def _begin(self, identity: Mapping[str, Any]) -> None:
        """Start a run, or go on with one."""
        told = self.folder / files.RUN
        if told.exists():
            earlier = files.read_json(told)
            if earlier.get("format") != files.FORMAT:
                raise UsageError(f"{self.folder}: a run of another format, {earlier.get('format')}")
            changed = list(differences(earlier["identity"], identity))
            if changed:
                shown = "; ".join(changed[:4]) + (f"; and {len(changed) - 4} more" if len(changed) > 4 else "")
                raise UsageError(f"{self.folder}: an earlier run is not gone on with: {shown}. Use another folder.")
            for name in (files.GROUPS, files.RECORDS):
                files.mend_journal(self.folder / name)
        else:
            present = [name for name in (files.GROUPS, files.RECORDS) if (self.folder / name).exists()]
            if present:
                raise UsageError(f"{self.folder}: {present[0]} without {files.RUN}: no run to go on with")
            files.write_json(self.folder / files.ENVIRONMENT, environment())
            written = {"format": files.FORMAT, "conditions": self.conditions.document, "identity": identity}
            files.write_json(told, written)
        if self.options.keep_bitstreams:
            (self.folder / files.BITSTREAMS).mkdir(exist_ok=True)
        if self.options.cache:
            prune(self.options.cache)
        self._plan()

    def _plan(self) -> None:
        """Which points are finished, what is there of the others, and the jobs that are left."""
        done = {key_of(record) for record in files.read_journal(self.folder / files.RECORDS)}
        self.finished = len(done)
        for test in self.conditions.tests:
            numbers = set(range(len(self._grouped(test))))
            places = (self._place(test, layer, name, value) for layer in test.layers for name in test.codecs
                      for value in self.conditions.codecs[name].values)  # fmt: skip
            open_keys = [key for key in places if key not in done]
            self._points |= {key: _Point(set(numbers)) for key in open_keys}
            if open_keys:
                # The references of the task come first; their key has no layer and no codec.
                self._points[_references_key(test.name)] = _Point(set(numbers))
        for record in files.read_journal(self.folder / files.GROUPS):
            point = self._points.get(key_of(record))
            if point is not None and record["group"] in point.missing and self._whole(record):
                point.missing.discard(record["group"])
                point.groups[record["group"]] = record
        self._jobs = [job for test in self.conditions.tests for job in self._jobs_of(test)]

    def _whole(self, record: Record) -> bool:
        """Whether what belongs to a record is there: with kept bitstreams, its bitstream."""
        if not self.options.keep_bitstreams or record["codec"] == NO_CODEC:
            return True
        path = self.folder / files.BITSTREAMS / bitstream_name(record)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == record["bitstream"]

    def _place(self, test: Test, layer: str, name: str, value: float | None) -> Key:
        return (test.name, layer, name, self.conditions.codecs[name].parameter, -1.0 if value is None else value)

    def _grouped(self, test: Test) -> list[tuple[str, ...]]:
        items = self._items[test.name]
        return [tuple(items[i : i + test.group]) for i in range(0, len(items), test.group)]

    def _jobs_of(self, test: Test) -> Iterator[Job]:
        condition, groups = self._resolved[test.name], self._grouped(test)
        references = self._points.get(_references_key(test.name))
        for number in sorted(references.missing if references else ()):
            yield Job(test.name, condition, number, groups[number])
        codecs = [self.conditions.codecs[name] for name in test.codecs]
        versions = {codec.name: digest_of(used_versions([codec])) for codec in codecs}
        cache = str(self.options.cache.absolute()) if self.options.cache else None
        for layer in test.layers:
            for number, items in enumerate(groups):
                for codec in codecs:
                    for value in codec.values:
                        job = Job(test.name, condition, number, items, layer, codec, value, cache,
                                  self.options.keep_bitstreams, versions[codec.name])  # fmt: skip
                        point = self._points.get(key_of(job.place))
                        if point is not None and number in point.missing:
                            yield job

    def work(self) -> Iterator[Result]:
        """Do what is left; every result is written before it is given.

        A job that fails is named in `failures`, and its point has no record; the next run tries it again.
        """
        # Points whose groups were all there when the run before this one ended.
        for key in list(self._points):
            self._finish_if_ready(key)
        for result in done_by(self._jobs, self.options.jobs, self.options.dask):
            self._take(result)
            yield result
        self._jobs = []

    def _take(self, result: Result) -> None:
        if result.record is None:
            self.failures.append(result.failure or "failed")
            return
        record = result.record
        if result.bitstream is not None:
            with whole_file(self.folder / files.BITSTREAMS / bitstream_name(record)) as file:
                file.write(result.bitstream)
        self._groups.append(record)
        key = key_of(record)
        point = self._points[key]
        point.missing.discard(record["group"])
        point.groups[record["group"]] = record
        if key[2] == NO_CODEC and not point.missing:
            # The last reference may be what finished points have waited for.
            for other in [k for k, p in self._points.items() if k[0] == key[0] and k[2] != NO_CODEC and not p.missing]:
                self._finish_if_ready(other)
        else:
            self._finish_if_ready(key)

    def _finish_if_ready(self, key: Key) -> None:
        point = self._points.get(key)
        references = self._points.get(_references_key(key[0]))
        if key[2] == NO_CODEC or point is None or point.missing or references is None or references.missing:
            return
        self._records.append(self._score(key, [point.groups[number] for number in sorted(point.groups)]))
        del self._points[key]
        self.finished += 1

    def _score(self, key: Key, groups: Sequence[Record]) -> Record:
        """The record of a point from those of its groups."""
        start = time.perf_counter()
        test = self.conditions.test(key[0])
        task = task_here(self._resolved[test.name])
        references = self._references_of(test)
        outputs = {item: unpack(o) for g in groups for item, o in zip(g["items"], g["outputs"], strict=True)}
        baseline = self._baselines.get((test.name, key[1]))
        if baseline is None:
            baseline = _plain(task.score(key[1], references, references))
            self._baselines[test.name, key[1]] = baseline
        total = {name: sum(g[name] for g in groups) for name in ("coded_bytes", "raw_bytes", "elements")}
        error, energy = (math.fsum(g[name] for g in groups) for name in ("squared_error", "energy"))
        record: Record = {name: groups[0][name] for name in ("test", "layer", "codec", "parameter", "value")}
        record |= {"items": len(outputs), "bitstreams": len(groups)} | total | self._input[test.name]
        record["rate"] = total["coded_bytes"] / total["raw_bytes"]
        record["bits_per_element"] = 8 * total["coded_bytes"] / total["elements"]
        if "input_pixels" in record:
            record["bits_per_pixel"] = 8 * total["coded_bytes"] / record["input_pixels"]
        if "input_bytes" in record:
            record["against_input"] = total["coded_bytes"] / record["input_bytes"]
        scores = _plain(task.score(key[1], outputs, references))
        record["metrics"] = {
            **scores,
            "mse": error / total["elements"],
            "snr": 10 * math.log10(energy / error) if error and energy else None,
        }
        record["pristine"] = baseline
        record["digests"] = {n: joined(g[n] for g in groups) for n in ("bitstream", "features", "decoded")}
        if self._complexity[test.name, key[1]]:
            record["complexity"] = self._complexity[test.name, key[1]]
        # What is not known of every group (the extraction of features that were kept) is not known of the point.
        named = [name for name in groups[0]["times"] if all(name in g["times"] for g in groups)]
        spans = {name: math.fsum(g["times"][name] for g in groups) for name in named}
        record["times"] = spans | {"score": time.perf_counter() - start}
        return record

    def _references_of(self, test: Test) -> dict[str, Any]:
        if test.name not in self._references:
            known = self._points[_references_key(test.name)].groups
            groups = [known[number] for number in sorted(known)]  # in the order of the items
            # Those of an earlier test are not needed again: tests are done one after the other.
            self._references = {
                test.name: {i: unpack(o) for g in groups for i, o in zip(g["items"], g["outputs"], strict=True)}
            }
            self._input[test.name] = {
                name: sum(g[name] for g in groups)
                for name in ("input_pixels", "input_bytes")
                if all(name in g for g in groups)
            }
        return self._references[test.name]


def _references_key(test: str) -> Key:
    """Where the outputs of the whole network are found: no layer, no codec."""
    return (test, "", NO_CODEC, "", -1.0)


def _plain(scores: Mapping[str, Any]) -> dict[str, float]:
    """Scores as plain numbers; those of the network without coding stand in a place of their own.

    Raises:
        UsageError: one is NaN or infinite.
    """
    plain = {name: float(value) for name, value in scores.items() if not name.endswith(PRISTINE)}
    for name, value in plain.items():
        if not math.isfinite(value):
            raise UsageError(f"the task gives {name} = {value}")
    return plain


def joined(digests: Iterable[str]) -> str:
    """One digest of several, in their order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def bitstream_name(record: Mapping[str, Any]) -> str:
    """File of a group's bitstream."""
    value = "" if record["value"] is None else f"-{record['parameter']}{record['value']:g}"
    words = "".join(c if c.isalnum() or c in "._+-" else "_" for c in record["layer"])
    if words != record["layer"]:
        words += f"-{hashlib.sha256(record['layer'].encode()).hexdigest()[:8]}"
    return f"{record['test']}-{words}-{record['codec']}{value}-{record['group']:05d}.bin"


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """What differs between two identities, each in a few words."""
    for name in sorted({*earlier, *now}):
        before, after = earlier.get(name), now.get(name)
        where = f"{place}, {name}" if place else name
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, where)
        elif before != after:
            yield f"{where} was {_short(before)} and is {_short(after)}"


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return f"{text[:12]}..." if len(text) == 64 else text
