"""Informative: one job of a run: the features of a group of items, coded, decoded, and passed on through the network.

A job runs in any process on any machine and gives the same record, wall times aside.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import CodecError, DfcError, RefswError, UsageError
from refsw.evaluation.anchors import codecs, losses
from refsw.evaluation.anchors.cache import FeatureCache, cache_key
from refsw.evaluation.anchors.choices import CodecChoice, takers
from refsw.evaluation.anchors.codecs import Features
from refsw.evaluation.anchors.conditions import digest_of
from refsw.evaluation.anchors.environment import differences, network_versions, processor, used_versions
from refsw.evaluation.anchors.folder import Record, label, pack, unpack
from refsw.evaluation.anchors.grouped import apart, digest, together
from refsw.evaluation.anchors.grouped import errors as errors_of
from refsw.evaluation.anchors.links import Link
from refsw.evaluation.anchors.orders import (
    Job,
    Look,
    Order,
    Outcome,
    Result,
    Scored,
    Scoring,
    Seen,
    Task,
    Unseen,
    open_task,
    optional_of,
    outputs_key,
)
from refsw.evaluation.anchors.points import SIZES_OF_INPUT, deviation
from refsw.evaluation.anchors.sequences import Frame
from refsw.evaluation.errors import DatasetError, EvaluationError
from refsw.evaluation.inputs import INPUTS
from refsw.features.parameters import Parameters

PRISTINE = "_pristine"


class _Here(threading.local):
    """What a worker keeps from job to job: the task, and the features of the last group."""

    condition: str = ""
    task: Task | None = None
    fingerprint: Any = None
    features_of: tuple[Any, ...] = ()
    features: Features | None = None
    coded: tuple[str, Features, bytes, Features, Mapping[str, Parameters], dict[str, float]] | None = None
    intact: dict[int, Any] = {}  # noqa: RUF012 (replaced, never changed)
    parts: tuple[Features, ...] = ()
    digest: str = ""
    extraction: float | None = None
    basis: str = ""
    pristine: dict[str, dict[str, float]] = {}  # noqa: RUF012


_here = _Here()


def task_here(condition: Mapping[str, Any]) -> Task:
    """The task of a condition, opened once in each worker as long as jobs ask for it."""
    digest = digest_of(condition)
    if _here.task is None or _here.condition != digest:
        forget()
        _here.task, _here.condition = open_task(condition), digest
        _here.fingerprint = optional_of(_here.task, "fingerprint")
    return _here.task


def forget() -> None:
    """Let go of the task that this worker holds."""
    _here.task, _here.features, _here.features_of, _here.pristine, _here.basis = None, None, (), {}, ""
    _here.coded, _here.intact = None, {}


def perform(order: Order) -> Outcome:
    """Carry out an order. What goes wrong is part of the outcome, so that the run goes on with what is left."""
    try:
        if isinstance(order, Job):
            return _work(order)
        if isinstance(order, Scoring):
            return _score(order)
        if isinstance(order, Look):
            return _look(order)
        task_here(order.condition)
        return None
    except RefswError as error:
        return _unseen(error, order) if isinstance(order, Look) else given_up(order, str(error))
    except Exception as error:
        # A task or a network of one's own may raise anything; one item or point of many is no reason to stop.
        if os.environ.get("REFSW_TRACEBACK"):
            raise
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return _unseen(UsageError(told), order) if isinstance(order, Look) else given_up(order, told)


def _unseen(error: RefswError, look: Look) -> Unseen:
    """Why a test cannot be looked at, and which test it is; errors of bitstreams are made of more than a message."""
    if not isinstance(error, DfcError) and not str(error).startswith(f"test {look.test}"):
        error = type(error)(f"test {look.test}: {error}")
    return Unseen(look.test, error)


def given_up(order: Order, reason: str) -> Outcome:
    """The outcome of an order that could not be carried out."""
    if isinstance(order, Job):
        return Result(order, None, failure=f"{label(order.place)}: {reason}")
    if isinstance(order, Scoring):
        return Scored(order.key, failure=reason)
    return Unseen(order.test, CodecError(reason)) if isinstance(order, Look) else None


def _look(look: Look) -> Seen:
    task = task_here(look.condition)
    optional_of(task, "check")
    optional_of(task, "check_groups", look.group)
    items, support = list(task.items()), list(optional_of(task, "support") or ())
    for what, ids in (("items", items), ("references", support)):
        if len(set(ids)) != len(ids):
            raise UsageError(f"test {look.test}: {what} that are there twice")
    if not items:
        raise UsageError(f"test {look.test}: no items")
    for layer in look.layers:
        example = optional_of(task, "example", layer)
        own = takers(look.codecs, layer)
        alone = {codec.coding.name: codec.coding for codec in own}
        for codec in alone.values() if example is not None else ():
            codecs.check_features(together([example], layer), layer, codec, look.axes.get(layer, ""))
        for codec in own if example is not None else ():
            if codec.link is not None:
                losses.check_shapes(codec.link, together([example], layer), layer)
    inputs = {item: optional_of(task, "item_digest", item) for item in dict.fromkeys([*items, *support])}
    data = {name: optional_of(task, name) for name in ("annotations", "mapping")}
    return Seen(
        look.test,
        items,
        support,
        {item: value for item, value in inputs.items() if value is not None},
        {k: str(v) for k, v in (_here.fingerprint or {}).items()},
        {k: v for k, v in data.items() if v},
        {layer: optional_of(task, "complexity", layer) for layer in look.layers},
        list(optional_of(task, "notes") or ()),
        {item: Frame(*known) for item, known in (optional_of(task, "frames") or {}).items()},
    )


def _work(job: Job) -> Result:
    task = task_here(job.condition)
    _check_basis(job)
    return _references(job, task) if job.codec is None else _code(job, task, job.codec)


def basis_of(codecs: Iterable[CodecChoice], fingerprint: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the results of jobs depend on beside their items: versions, and the fingerprint of the task."""
    own = {k: str(v) for k, v in (fingerprint or {}).items()}
    return {"versions": used_versions(codecs), "network": network_versions(), "task": own}


def _check_basis(job: Job) -> None:
    """A machine of a cluster may have other libraries, weights or programs than the one that started the run."""
    wanted = digest_of(job.basis)
    if not job.basis or _here.basis == wanted:
        return
    changed = list(differences(job.basis, basis_of([job.codec] if job.codec else [], _here.fingerprint)))
    if changed:
        raise CodecError(f"this worker is not like the machine that started the run: {'; '.join(changed[:4])}")
    _here.basis = wanted


def _check_inputs(job: Job, task: Task) -> None:
    """A picture may be another one on this machine, or since the run was opened."""
    for item, wanted in zip(job.items, job.inputs, strict=False):
        if optional_of(task, "item_digest", item) != wanted:
            raise DatasetError(f"{item} is not what it was when the run was opened")


def _references(job: Job, task: Task) -> Result:
    _check_inputs(job, task)
    start = time.perf_counter()
    outputs = [_packed(task.reference(item), item) for item in job.items]
    record = job.place | {"items": list(job.items), "inputs": list(job.inputs), "outputs": outputs}
    for name in () if job.support else SIZES_OF_INPUT:
        values = [optional_of(task, name, item) for item in job.items]
        if None not in values:
            record[name] = sum(values)
    return Result(job, record | {"times": {"network": time.perf_counter() - start}})


def _packed(output: Any, item: str) -> Any:
    """An output in the form of a record.

    Raises:
        EvaluationError: there is NaN or infinity in it.
    """
    if not _finite(output):
        raise EvaluationError(f"{item}: NaN or infinity in the output of the network")
    return pack(output)


def _finite(output: Any) -> bool:
    if isinstance(output, Mapping):
        return all(map(_finite, output.values()))
    if isinstance(output, list | tuple):
        return all(map(_finite, output))
    array = np.asarray(output) if isinstance(output, float | np.ndarray | np.generic) else None
    return array is None or array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _score(scoring: Scoring) -> Scored:
    """Metrics of a point, and those of the network without coding, which are the same for all points of a layer."""
    start = time.perf_counter()
    task, layer = task_here(scoring.condition), scoring.key[1]
    outputs, references, support = (
        {name: unpack(value) for name, value in packed.items()}
        for packed in (scoring.outputs, scoring.references, scoring.support)
    )
    score: Callable[..., Mapping[str, Any]] = task.score
    beside = (support,) if support else ()
    if layer not in _here.pristine:
        _here.pristine = _here.pristine | {layer: _plain(score(layer, references, references, *beside))}
    if not scoring.realisations:
        metrics, spread = _plain(score(layer, outputs, references, *beside)), {}
    else:
        drawn = [{item: found[r] for item, found in outputs.items()} for r in range(scoring.realisations)]
        scores = [_plain(score(layer, one, references, *beside)) for one in drawn]
        metrics = {name: math.fsum(s[name] for s in scores) / len(scores) for name in scores[0]}
        spread = {name: deviation([s[name] for s in scores]) for name in scores[0]}
    classes = {}
    for category, items in scoring.classes.items() if not scoring.realisations else ():
        parts = [{item: side[item] for item in items} for side in (outputs, references)]
        classes[category] = _plain(score(layer, *parts, *beside))
    spent = time.perf_counter() - start
    return Scored(scoring.key, metrics, _here.pristine[layer], spent, spread=spread, classes=classes)


def _plain(scores: Mapping[str, Any]) -> dict[str, float]:
    """Scores as plain numbers; those of the network without coding stand in a place of their own.

    Raises:
        EvaluationError: one is NaN or infinite.
    """
    plain = {name: float(value) for name, value in scores.items() if not name.endswith(PRISTINE)}
    for name, value in plain.items():
        if not math.isfinite(value):
            raise EvaluationError(f"the task gives {name} = {value}")
    return plain


def _code(job: Job, task: Task, codec: CodecChoice) -> Result:
    if codec.link is not None:
        return _lose(job, task, codec, codec.link)
    times = [time.perf_counter()]
    features = _features(job, task)
    times.append(time.perf_counter())
    bitstream = codecs.encode(features, job.layer, codec, job.value, job.axes)
    times.append(time.perf_counter())
    decoded = codecs.decode(bitstream, features, codec, job.value)
    times.append(time.perf_counter())
    decoded_digest = digest(decoded)
    place = job.place | {"items": list(job.items), "decoded": decoded_digest}
    outputs = optional_of(task, "known_outputs", job.layer, outputs_key(place))
    if outputs is None:
        parts = zip(job.items, apart(decoded, _here.parts, job.layer), strict=True)
        outputs = [_packed(task.outputs(item, job.layer, one), item) for item, one in parts]
    times.append(time.perf_counter())
    record = place | {
        "coded_bytes": len(bitstream),
        "bitstream": hashlib.sha256(bitstream).hexdigest(),
        "features": _here.digest,
        **errors_of(features, decoded),
        "outputs": outputs,
    }
    if job.headers:
        record["header_bytes"] = codecs.header_bytes(features, job.layer, codec, job.value, job.axes)
    names = ("features", "encode", "decode", "network")
    spans = {name: after - before for name, before, after in zip(names, times, times[1:], strict=False)}
    spans["job"] = time.perf_counter() - times[0]
    if _here.extraction is not None:
        spans["extraction"] = _here.extraction
    return Result(job, record | {"times": spans}, bitstream if job.keep else None)


def _lose(job: Job, task: Task, codec: CodecChoice, link: Link) -> Result:
    """As `_code`, with losses: outputs of an item are a list, one for each realisation."""
    start = time.perf_counter()
    features, bitstream, decoded, parameters, spans = _coded(job, task, codec.coding)
    outputs: list[list[Any]] = [[] for _ in job.items]
    network = 0.0

    def resume(found: losses.Arrived) -> None:
        nonlocal network
        begin = time.perf_counter()
        for i, (item, one) in enumerate(zip(job.items, apart(found.repaired, _here.parts, job.layer), strict=True)):
            if not found.whole[i]:
                outputs[i].append(_packed(task.outputs(item, job.layer, one), item))
                continue
            if i not in _here.intact:
                _here.intact[i] = _packed(task.outputs(item, job.layer, one), item)
            outputs[i].append(_here.intact[i])
        network += time.perf_counter() - begin

    frozen = hasattr(task, "known_outputs")
    lost = _lost(job, features, decoded, parameters, link, (lambda _: None) if frozen else resume)
    picture, spent = lost.pop("picture"), lost.pop("seconds")
    place = job.place | {"items": list(job.items), **lost}
    known = optional_of(task, "known_outputs", job.layer, outputs_key(place))
    if frozen and known is None:  # the digest of all had to be known first
        _lost(job, features, decoded, parameters, link, resume)
    record = place | {
        "coded_bytes": len(bitstream),
        "bitstream": hashlib.sha256(bitstream).hexdigest(),
        "features": _here.digest,
        "outputs": known or outputs,
    }
    if picture is not None and job.group == 0:
        record["picture"] = picture
    spans = spans | {"network": network, "conceal": spent, "job": time.perf_counter() - start}
    return Result(job, record | {"times": spans}, bitstream if job.keep else None)


def _lost(
    job: Job, features: Features, decoded: Features, parameters: Mapping[str, Parameters], link: Link,
    use: Callable[[losses.Arrived], None],
) -> Record:  # fmt: skip
    """What a record has of its realisations, each of which is used; a picture and seconds, too."""
    drawn, total, picture, spent = [], hashlib.sha256(digest(decoded).encode()), None, 0.0
    errors: Record = {}
    for found in losses.realisations(decoded, job.items, link, float(job.value or 0), job.layer, job.axes, parameters):
        use(found)
        errors = errors_of(features, found.repaired)
        drawn.append({"squared_error": errors["squared_error"], "lost": found.lost})
        total.update(found.digest.encode())
        spent, picture = spent + found.seconds, picture or found.picture
    mean = math.fsum(one["squared_error"] for one in drawn) / len(drawn)
    return {"decoded": total.hexdigest(), **errors, "squared_error": mean, "realisations": drawn,
            "picture": picture, "seconds": spent}  # fmt: skip


def _coded(
    job: Job, task: Task, codec: CodecChoice
) -> tuple[Features, bytes, Features, Mapping[str, Parameters], dict[str, float]]:
    """Features, bitstream and decoded features of a group, kept for the other links of the same codec.

    With them the parameter sets of the bitstream by tensor, none of a codec that is not refsw's, and times.
    """
    features = _features(job, task)
    wanted = digest_of([codec.name, codec.as_dict(), codec.values[0]])
    if _here.coded is None or _here.coded[0] != wanted or _here.coded[1] is not features:
        times = [time.perf_counter()]
        bitstream = codecs.encode(features, job.layer, codec, codec.values[0], job.axes)
        times.append(time.perf_counter())
        decoded = codecs.decode(bitstream, features, codec, codec.values[0])
        times.append(time.perf_counter())
        spans = {"encode": times[1] - times[0], "decode": times[2] - times[1]}
        if _here.extraction is not None:
            spans["extraction"] = _here.extraction
        sets = {} if codec.external else codecs.parameter_sets(bitstream)
        _here.coded, _here.intact = (wanted, features, bitstream, decoded, sets, spans), {}
    return _here.coded[1:]


def _features(job: Job, task: Task) -> Features:
    """Features of a group, as one array with the items along the first axis."""
    wanted = (_here.condition, job.layer, job.items)
    if _here.features is None or _here.features_of != wanted:
        _check_inputs(job, task)
        _here.extraction = 0.0
        _here.parts = tuple(features_of_item(job, task, item) for item in job.items)
        _here.features, _here.features_of = together(_here.parts, job.layer), wanted
        _here.digest = digest(_here.features)
    return _here.features


def features_of_item(job: Job, task: Task, item: str) -> Features:
    """Features of an item at the cut of a job, kept ones where they are the same."""
    # What comes from the data set itself is not kept a second time.
    kept_at_all = job.cache and _here.fingerprint and job.layer not in INPUTS
    digest = optional_of(task, "item_digest", item) if kept_at_all else None
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
