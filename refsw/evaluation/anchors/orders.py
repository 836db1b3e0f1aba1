"""Informative: what a run asks of tasks and of workers, and what they answer, in forms that any process understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from refsw.errors import RefswError, UsageError
from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.anchors.codecs import Features
from refsw.evaluation.anchors.conditions import digest_of
from refsw.evaluation.anchors.folder import Key, Record
from refsw.evaluation.anchors.sequences import Frame

SUPPORT = "support"
"""Stands in the place of the parameter in records of what scoring needs beside the items."""


class Task(Protocol):
    """What a run asks of a task (`refsw.evaluation.tasks`). It may offer more, see `optional_of`."""

    def items(self) -> list[str]:
        """Ids of the items of the data set, in order."""

    def features(self, item: str, layer: str) -> Features:
        """Features of an item at a cut: C, LC, CHW, or NCHW with N = 1; a dictionary at a cut of several."""

    def outputs(self, item: str, layer: str, decoded: Features) -> Any:
        """What the network makes of decoded features: JSON types and arrays."""

    def reference(self, item: str) -> Any:
        """What the whole network makes of the item."""

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """The metrics of the outputs of all items; the outputs of `support` are a fourth argument if there are any."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do, in a form that any process understands.

    Args:
        test, condition: name, and what `open_task` is given.
        items: of the group; `group` is its number.
        layer, codec, value: the point; without a codec the outputs of the whole network are wanted.
        support: the items are not those that are coded, but what scoring needs beside them.
        inputs: digests of the items when the run was opened; empty where the task does not tell them.
        basis: what the results depend on, as the process that started the run has it.
        cache: folder of kept features.
        keep: give the bitstream back as well.
        axes: letters of the axes of a group's features; "" for the usual ones.
        headers: measure what the codec makes of items with nothing in them as well.
    """

    test: str
    condition: Mapping[str, Any]
    group: int
    items: tuple[str, ...]
    layer: str = ""
    codec: CodecChoice | None = None
    value: float | int | None = None
    support: bool = False
    inputs: tuple[str, ...] = ()
    basis: Mapping[str, Any] = field(default_factory=dict)
    cache: str | None = None
    keep: bool = False
    axes: str = ""
    headers: bool = False

    @property
    def place(self) -> Record:
        """The fields by which the record of the job is found."""
        codec, parameter = (self.codec.name, self.codec.parameter) if self.codec else ("", SUPPORT * self.support)
        where: Record = {"test": self.test, "layer": self.layer, "codec": codec, "parameter": parameter}
        return where | {"value": self.value, "group": self.group}


@dataclass(frozen=True, slots=True)
class Result:
    """A job done: its record, and the bitstream if it was asked for; or why it failed."""

    job: Job
    record: Record | None
    bitstream: bytes | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Open a task, check its data, and tell what a run must know of it.

    Args:
        test, condition: name, and what `open_task` is given.
        layers: cuts whose features are coded.
        codecs: that are to take them.
        group: items that share a bitstream.
        axes: letters of the axes of features by layer, where they are not the usual ones.
    """

    test: str
    condition: Mapping[str, Any]
    layers: tuple[str, ...]
    codecs: tuple[CodecChoice, ...] = ()
    group: int = 1
    axes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found.

    Args:
        test: its name.
        items, support: ids of what is coded, and of what scoring needs beside it.
        inputs: digests of all of them by id, as far as the task tells them.
        basis: what features and outputs depend on: the fingerprint of the task.
        data: what scores depend on beside that, such as labels, and which class has which number.
        complexity: of each layer; None where it is not known.
        notes: what a user should know of the data.
        frames: of items that are frames of sequences, where they belong.
    """

    test: str
    items: list[str]
    support: list[str]
    inputs: dict[str, str]
    basis: dict[str, str]
    data: dict[str, Any]
    complexity: dict[str, Any]
    notes: list[str]
    frames: dict[str, Frame] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unseen:
    """Why a task cannot be looked at."""

    test: str
    error: RefswError


@dataclass(frozen=True, slots=True)
class Warm:
    """Open a task, so that it is there when its jobs come."""

    condition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scoring:
    """The packed outputs of a point, of the whole network, and of what scoring needs beside them, each by id.

    With `realisations`, the outputs of an item are a list, and the metrics are means over so many. `classes` are items
    that are scored apart as well.
    """

    key: Key
    condition: Mapping[str, Any]
    outputs: Mapping[str, Any]
    references: Mapping[str, Any]
    support: Mapping[str, Any]
    realisations: int = 0
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scored:
    """The metrics of a point, those of the network without coding, and the time that it took; or why it failed.

    `spread` has the standard deviations of metrics over the realisations of losses, where there are any; `classes` the
    metrics of each class of sequences.
    """

    key: Key
    metrics: Mapping[str, float] = field(default_factory=dict)
    pristine: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    failure: str | None = None
    spread: Mapping[str, float] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


Order = Job | Look | Warm | Scoring
Outcome = Result | Seen | Unseen | Scored | None


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


def outputs_key(record: Mapping[str, Any]) -> str:
    """What the outputs of a group depend on beside network and layer: items, decoded features, how they were repaired.

    Args:
        record: of the group; with losses, its realisations tell whether the repair is the same.
    """
    repaired = [record["codec"], record["realisations"]] if "realisations" in record else None
    return digest_of([list(record["items"]), record["decoded"], repaired])


def optional_of(task: Task, name: str, *arguments: Any) -> Any:
    """What a task offers beyond what it must: None where it does not.

    fingerprint() -> dict of text: digests of weights and pre-processing, and versions; item_digest(item) -> str;
    annotations() -> str: digest of what scores depend on beside items and outputs; mapping() -> which class has
    which number, as JSON types; notes() -> what people should know of the data; check(): raises UsageError for
    missing or damaged data; check_groups(size): raises it for items whose features cannot share a bitstream;
    example(layer) -> features of one item, which every codec is tried on before the run begins; support() -> ids of
    which `score` needs the outputs of the whole network beside those of the items; input_pixels(item),
    picture_pixels(item), input_bytes(item) -> int; frames() -> (sequence, class, seconds) by item, of frames of
    sequences; complexity(layer) -> dict of numbers, such as macs_front; known_outputs(layer, key of `outputs_key`)
    -> the outputs of a group, packed, where they are known without the network.
    """
    method = getattr(task, name, None)
    return None if method is None else method(*arguments)
