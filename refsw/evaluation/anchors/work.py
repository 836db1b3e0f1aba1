"""Informative: one job of a run: the features of a group of items, coded, decoded, and passed on through the network.

A job runs in any process on any machine and gives the same record, wall times aside.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from refsw.errors import CodecError, RefswError, UsageError
from refsw.evaluation.anchors import codecs
from refsw.evaluation.anchors.cache import FeatureCache, cache_key
from refsw.evaluation.anchors.codecs import Features
from refsw.evaluation.anchors.conditions import CodecChoice, digest_of
from refsw.evaluation.anchors.environment import network_versions, processor, used_versions
from refsw.evaluation.anchors.folder import Record, label, pack
from refsw.tensor.axes import Array, contiguous_parts


class Task(Protocol):
    """What a run asks of a task (`refsw.evaluation.tasks`). It may offer more, see `optional_of`."""

    def items(self) -> list[str]:
        """Ids of the items of the data set, in order."""

    def features(self, item: str, layer: str) -> Features:
        """Features of an item at a cut, binary32: C, CHW, or NCHW with N = 1; a dictionary at a cut of several."""

    def outputs(self, item: str, layer: str, decoded: Features) -> Any:
        """What the network makes of decoded features: JSON types and arrays."""

    def reference(self, item: str) -> Any:
        """What the whole network makes of the item."""

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """The metrics of the outputs of all items."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do, in a form that any process understands.

    Args:
        test, condition: name, and what `open_task` is given.
        items: of the group; `group` is its number.
        layer, codec, value: the point; without a codec the outputs of the whole network are wanted.
        cache: folder of kept features.
        keep: give the bitstream back as well.
        versions: digest of the versions that the run was started with.
    """

    test: str
    condition: Mapping[str, Any]
    group: int
    items: tuple[str, ...]
    layer: str = ""
    codec: CodecChoice | None = None
    value: float | int | None = None
    cache: str | None = None
    keep: bool = False
    versions: str = ""

    @property
    def place(self) -> Record:
        """The fields by which the record of the job is found."""
        codec, parameter = (self.codec.name, self.codec.parameter) if self.codec else ("", "")
        where: Record = {"test": self.test, "layer": self.layer, "codec": codec, "parameter": parameter}
        return where | {"value": self.value, "group": self.group}


@dataclass(frozen=True, slots=True)
class Result:
    """A job done: its record, and the bitstream if it was asked for; or why it failed."""

    job: Job
    record: Record | None
    bitstream: bytes | None = None
    failure: str | None = None


def open_task(condition: Mapping[str, Any]) -> Task:
    """The task of a condition: one of refsw's, or a function of one's own as `module:function`.

    Raises:
        UsageError: there is no such task, or its data or network are missing.
    """
    name = condition["task"]
    module, colon, function = name.partition(":")
    if not colon:
        module, function = "refsw.evaluation.tasks", "open_task"
    try:
        opener: Callable[[Mapping[str, Any]], Task] = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"task {name}: {error}") from error
    return opener(condition)


def optional_of(task: Task, name: str, *arguments: Any) -> Any:
    """What a task offers beyond what it must: None where it does not.

    fingerprint() -> dict of text: digests of weights, data and pre-processing, and versions; item_digest(item) -> str;
    check(): raises UsageError for missing or damaged data; input_pixels(item), input_bytes(item) -> int;
    complexity(layer) -> dict of numbers, such as macs_front.
    """
    method = getattr(task, name, None)
    return None if method is None else method(*arguments)


class _Here(threading.local):
    """What a worker keeps from job to job: the task, and the features of the last group."""

    condition: str = ""
    task: Task | None = None
    fingerprint: Any = None
    features_of: tuple[Any, ...] = ()
    features: Features | None = None
    shapes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 (replaced, never changed)
    digest: str = ""
    extraction: float | None = None
    versions: str = ""


_here = _Here()


def task_here(condition: Mapping[str, Any]) -> Task:
    """The task of a condition, opened once in each worker as long as jobs ask for it."""
    digest = digest_of(condition)
    if _here.task is None or _here.condition != digest:
        _here.task, _here.features, _here.features_of = None, None, ()
        _here.task, _here.condition = open_task(condition), digest
        _here.fingerprint = optional_of(_here.task, "fingerprint")
    return _here.task


def forget() -> None:
    """Let go of the task that this worker holds."""
    _here.task, _here.features, _here.features_of = None, None, ()


def work(job: Job) -> Result:
    """Do a job.

    A codec that fails or a configuration that does not fit gives a result with a reason; the run goes on with the
    other jobs and ends with exit code 1.
    """
    try:
        task = task_here(job.condition)
        if job.codec is None:
            return _references(job, task)
        _check_versions(job)
        return _code(job, task, job.codec)
    except RefswError as error:
        return Result(job, None, failure=f"{label(job.place)}: {error}")


def _check_versions(job: Job) -> None:
    assert job.codec is not None
    if job.versions and _here.versions != job.versions:
        # A machine of a cluster may have other libraries than the one that started the run.
        own = digest_of(used_versions([job.codec]))
        if own != job.versions:
            raise CodecError(f"this worker has other versions of the codec than the run was started with: {own[:12]}")
        _here.versions = own


def _references(job: Job, task: Task) -> Result:
    start = time.perf_counter()
    outputs = [pack(task.reference(item)) for item in job.items]
    record = job.place | {"items": list(job.items), "outputs": outputs}
    for name in ("input_pixels", "input_bytes"):
        values = [optional_of(task, name, item) for item in job.items]
        if None not in values:
            record[name] = sum(values)
    return Result(job, record | {"times": {"network": time.perf_counter() - start}})


def _code(job: Job, task: Task, codec: CodecChoice) -> Result:
    times = [time.perf_counter()]
    features = _features(job, task)
    times.append(time.perf_counter())
    bitstream = codecs.encode(features, job.layer, codec, job.value)
    times.append(time.perf_counter())
    decoded = codecs.decode(bitstream, features, codec, job.value)
    times.append(time.perf_counter())
    outputs = [task.outputs(item, job.layer, one) for item, one in zip(job.items, _apart(decoded, job), strict=True)]
    times.append(time.perf_counter())
    record = job.place | {
        "items": list(job.items),
        "coded_bytes": len(bitstream),
        "bitstream": hashlib.sha256(bitstream).hexdigest(),
        "features": _here.digest,
        "decoded": digest(decoded),
        **_errors(features, decoded),
        "outputs": [pack(output) for output in outputs],
    }
    names = ("features", "encode", "decode", "network")
    spans = {name: after - before for name, before, after in zip(names, times, times[1:], strict=False)}
    spans["job"] = time.perf_counter() - times[0]
    if _here.extraction is not None:
        spans["extraction"] = _here.extraction
    return Result(job, record | {"times": spans}, bitstream if job.keep else None)


def _features(job: Job, task: Task) -> Features:
    """Features of a group, as one array with the items along the first axis."""
    wanted = (_here.condition, job.layer, job.items)
    if _here.features is None or _here.features_of != wanted:
        _here.extraction = 0.0
        parts = [_one(job, task, item) for item in job.items]
        first = parts[0]
        _here.shapes = {k: v.shape for k, v in first.items()} if isinstance(first, Mapping) else {"": first.shape}
        _here.features, _here.features_of = _together(parts, job), wanted
        _here.digest = digest(_here.features)
    return _here.features


def _one(job: Job, task: Task, item: str) -> Features:
    digest = optional_of(task, "item_digest", item) if job.cache and _here.fingerprint else None
    if digest is None or job.cache is None:
        return _extracted(task, item, job.layer)
    cache = FeatureCache(Path(job.cache))
    # Another kind of processor may round the features differently.
    versions = network_versions() | {"processor": processor()}
    key = cache_key(task=_here.fingerprint, layer=job.layer, item=digest, versions=versions)
    kept = cache.get(key)
    if kept is None:
        kept = _extracted(task, item, job.layer)
        cache.put(key, kept)
    else:
        _here.extraction = None  # how long it took is not known
    return kept


def _extracted(task: Task, item: str, layer: str) -> Features:
    start = time.perf_counter()
    features = task.features(item, layer)
    if _here.extraction is not None:
        _here.extraction += time.perf_counter() - start
    return features


def _together(parts: Sequence[Features], job: Job) -> Features:
    if isinstance(parts[0], Mapping):
        names = list(parts[0])
        return {name: _stack([part[name] for part in parts], job) for name in names}
    return _stack(parts, job)  # type: ignore[arg-type]


def _stack(arrays: Sequence[Array], job: Job) -> Array:
    """(C), (C, H, W) or (1, C, H, W) each -> (N, ...)."""
    if len({array.shape for array in arrays}) != 1:
        shapes = ", ".join(sorted({str(array.shape) for array in arrays}))
        raise UsageError(f"items with features of different shapes share no bitstream (group: 1): {shapes}")
    first = arrays[0]
    if first.ndim == 4 and first.shape[0] == 1:
        return np.ascontiguousarray(np.concatenate(arrays))
    if first.ndim not in (1, 3):
        raise UsageError(f"features of shape {first.shape}: C, CHW or 1CHW")
    return np.ascontiguousarray(np.stack(arrays))


def _apart(decoded: Features, job: Job) -> list[Features]:
    """What `_together` did, undone: every item has the shape that its features had."""
    shapes = _here.shapes
    if isinstance(decoded, Mapping):
        return [{k: v[i].reshape(shapes[k]) for k, v in decoded.items()} for i in range(len(job.items))]
    return [decoded[i].reshape(shapes[""]) for i in range(len(job.items))]


def digest(features: Features) -> str:
    """SHA-256 of names, dtypes, shapes and little-endian elements."""
    total = hashlib.sha256()
    for name, array in sorted(features.items()) if isinstance(features, Mapping) else [("", features)]:
        total.update(f"{name} {array.dtype.name} {'x'.join(map(str, array.shape))}\n".encode())
        for part in contiguous_parts(array.astype(array.dtype.newbyteorder("<"), copy=False)):
            total.update(part.data)
    return total.hexdigest()


def _errors(features: Features, decoded: Features) -> Record:
    """Sizes, and sums of squares in binary64: of the error, of the elements, and the range of each tensor squared."""
    pairs = [(features, decoded)]
    if isinstance(features, Mapping):
        pairs = [(features[name], decoded[name]) for name in features]
    sums = {"raw_bytes": 0, "elements": 0, "squared_error": 0.0, "energy": 0.0}
    for given, got in pairs:
        assert isinstance(given, np.ndarray)
        assert isinstance(got, np.ndarray)
        exact = given.astype(np.float64)
        error = got.astype(np.float64) - exact
        sums["raw_bytes"] += given.nbytes
        sums["elements"] += given.size
        # Not a dot product: that of a threaded BLAS depends on the number of threads.
        sums["squared_error"] += float(np.square(error).sum())
        sums["energy"] += float(np.square(exact).sum())
    return sums
