"""Informative: features of a run in one file, with all that coding them again and scoring the same outputs needs.

In the archive: the features of every item at every layer; digests of the pictures; what the whole network makes of
them; and for everything that the run coded, by the digest of the decoded features, what the rest of the network made
of it, and by the digest of those outputs the scores. Not in it: pictures, weights, and what the network would make of
features that the run did not have.

So whoever codes the same again, and gets the same bits, has the same records without network and data, whatever
libraries compute networks here. Where another codec gives other bits, the network of the conditions is opened for what
it makes of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from refsw.conformance.outputs import TYPES
from refsw.errors import UsageError
from refsw.evaluation.anchors.archives.container import Archive, opened
from refsw.evaluation.anchors.codecs import Features
from refsw.evaluation.anchors.conditions import Conditions, Test, digest_of, parse_conditions
from refsw.evaluation.anchors.environment import differences
from refsw.evaluation.anchors.folder import pack, unpack
from refsw.evaluation.anchors.orders import Task, open_task, optional_of
from refsw.evaluation.errors import ArchiveError, EvaluationError
from refsw.tensor.axes import Array

FROZEN = "refsw-anchor-frozen-1"
OPENER = f"{__name__}:open_frozen"


def test_member(number: int) -> str:
    """The member with what is known of a test, by its place in the conditions."""
    return f"tests/{number}.json"


def features_member(test: int, layer: int, item: int) -> str:
    """The member with the features of an item."""
    return f"features/{test}-{layer}-{item}.bin"


def frozen_conditions(path: Path) -> Conditions:
    """The conditions of the run whose features are in an archive.

    Raises:
        ArchiveError: it is no archive of features, or damaged.
    """
    with opened(path, FROZEN) as archive:
        return _conditions_of(archive)


def _conditions_of(archive: Archive) -> Conditions:
    document = archive.about.get("conditions")
    if not isinstance(document, Mapping):
        raise ArchiveError(f"{archive.path}: damaged: without conditions")
    return parse_conditions(dict(document), str(archive.path))


def coded_groups(archive: Archive) -> dict[tuple[str, str, int], str]:
    """Digests of the features of every test, layer and group."""
    found: dict[tuple[str, str, int], str] = {}
    for number, test in enumerate(_conditions_of(archive).tests):
        try:
            told = json.loads(archive.read(test_member(number)))["groups"]
            for layer, digests in told.items():
                found |= {(test.name, layer, group): str(digest) for group, digest in enumerate(digests)}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ArchiveError(f"{archive.path}: {test_member(number)}: {error}") from error
    return found


class FrozenRun:
    """What a run with frozen features needs to know of them before it begins.

    Args:
        path: the archive.
        conditions: of the run.

    Raises:
        ArchiveError: it is no archive of features, or damaged.
        UsageError: the archive is of other tests.
    """

    def __init__(self, path: Path, conditions: Conditions) -> None:
        self.path = path.absolute()
        with opened(path, FROZEN) as archive:
            wrong = list(archive.findings())
            if wrong:
                raise ArchiveError(f"{path}: not as it was frozen: {'; '.join(wrong[:4])}")
            self.digest, self.network = archive.digest, archive.about.get("network", {})
            self._conditions = _conditions_of(archive)
        ours, theirs = conditions.deciding(), self._conditions.deciding()
        for test in conditions.tests:
            self._check(test, ours["tests"][test.name], theirs["tests"].get(test.name))
        self._codecs = {name: (ours["codecs"][name], theirs["codecs"].get(name)) for name in ours["codecs"]}

    def _check(self, test: Test, ours: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> None:
        if theirs is None:
            raise UsageError(f"{self.path}: features of other tests: {test.name} is not among them")
        missing = set(ours["layers"]) - set(theirs["layers"])
        if missing:
            raise UsageError(f"{self.path}: test {test.name}: no features of {', '.join(sorted(missing))}")
        own = {"layers": None, "codecs": None}
        changed = list(differences({**theirs, **own}, {**ours, **own}))
        if changed:
            raise UsageError(f"{self.path}: features of another test {test.name}: {'; '.join(changed[:4])}")

    def needs_network(self, test: Test) -> bool:
        """Whether a test has codecs that the run whose features these are did not have."""
        known = set(self._conditions.test(test.name).codecs)
        return any(name not in known or self._codecs[name][0] != self._codecs[name][1] for name in test.codecs)

    def condition(self, test: Test, network: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the task of a test is opened with; `network` is what opens the network, None if it is not needed."""
        return {"task": OPENER, "archive": str(self.path), "digest": self.digest, "test": test.name,
                "network": None if network is None else dict(network)}  # fmt: skip


def open_frozen(condition: Mapping[str, Any]) -> FrozenTask:
    """A task whose features come from an archive.

    Raises:
        ArchiveError: it is not the archive that the run was started with.
    """
    return FrozenTask(condition)


class FrozenTask:
    """A task (`orders.Task`) whose features, references and known outputs and scores come from an archive."""

    def __init__(self, condition: Mapping[str, Any]) -> None:
        self._path, self._network = Path(condition["archive"]), condition["network"]
        with opened(self._path, FROZEN) as archive:
            if archive.digest != condition["digest"]:
                raise ArchiveError(f"{self._path}: another archive than the one that the run was started with")
            names = [test.name for test in _conditions_of(archive).tests]
            self._number = names.index(condition["test"])
            self._told: dict[str, Any] = json.loads(archive.read(test_member(self._number)))

    @cached_property
    def _task(self) -> Task:
        """The task of the conditions, for what is not in the archive."""
        if self._network is None:
            raise EvaluationError(
                "the decoded features are not those of the run that was frozen, and what the network makes of others "
                "is not in the archive: coding differs here"
            )
        return open_task(self._network)

    def check(self) -> None:
        """That the network of the conditions, if it is needed, is that of the features.

        Raises:
            UsageError: it is another, or not there.
        """
        if self._network is None:
            return
        optional_of(self._task, "check")
        here = {k: str(v) for k, v in (optional_of(self._task, "fingerprint") or {}).items()}
        changed = list(differences(self._told["basis"], here))
        if changed:
            raise UsageError(f"another network than that of the features: {'; '.join(changed[:4])}")

    def items(self) -> list[str]:
        """Ids of the items, in order."""
        return list(self._told["items"])

    def support(self) -> list[str]:
        """Ids of what scoring needs beside them."""
        return list(self._told["support"])

    def features(self, item: str, layer: str) -> Features:
        """Features of an item, as they were."""
        layers = self._told["layers"]
        place = self._told["items"].index(item)
        with opened(self._path, FROZEN) as archive:
            data = archive.read(features_member(self._number, layers.index(layer), place))
        return unpacked(self._told["shapes"][layer][place], data)

    def example(self, layer: str) -> Features:
        """Features of the first item."""
        return self.features(self._told["items"][0], layer)

    def reference(self, item: str) -> Any:
        """What the whole network made of an item."""
        return unpack(self._told["references"][item])

    def known_outputs(self, layer: str, key: str) -> list[Any] | None:
        """Packed outputs of a group by their key; None if they have to be made.

        Raises:
            EvaluationError: they are not in the archive, and there is no network.
        """
        found: Mapping[str, list[Any]] = self._told["outputs"][layer]
        known = found.get(key)
        if known is None:
            assert self._task  # or it cannot be done
        return known

    def outputs(self, item: str, layer: str, decoded: Features) -> Any:
        """What the network makes of decoded features."""
        return self._task.outputs(item, layer, decoded)

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any], *beside: Any) -> Any:
        """The metrics, as they were for these outputs; others are scored."""
        known = self._told["scores"][layer].get(digest_of(pack(outputs)))
        return known if known is not None else self._task.score(layer, outputs, references, *beside)

    def item_digest(self, item: str) -> str | None:
        """SHA-256 of what the features were made of."""
        found: str | None = self._told["inputs"].get(item)
        return found

    def fingerprint(self) -> dict[str, str]:
        """Of the task that made the features."""
        return dict(self._told["basis"])

    def annotations(self) -> str | None:
        """The digest of labels and the like."""
        found: str | None = self._told["data"].get("annotations")
        return found

    def mapping(self) -> Any:
        """Which class has which number."""
        return self._told["data"].get("mapping")

    def notes(self) -> list[str]:
        """What people should know of the data."""
        return list(self._told["notes"])

    def complexity(self, layer: str) -> Any:
        """As it was told."""
        return self._told["complexity"][layer]

    def frames(self) -> dict[str, Any]:
        """Where items that are frames of sequences belong."""
        return dict(self._told.get("frames", {}))

    def input_pixels(self, item: str) -> int | None:
        """Of an item."""
        return self._size(item, "input_pixels")

    def input_bytes(self, item: str) -> int | None:
        """Of an item."""
        return self._size(item, "input_bytes")

    def picture_pixels(self, item: str) -> int | None:
        """Of an item."""
        return self._size(item, "picture_pixels")

    def _size(self, item: str, name: str) -> int | None:
        found: int | None = self._told["sizes"][item][name]
        return found


def packed(features: Features) -> tuple[list[Any], bytes]:
    """Features as what is told of their tensors, and their elements, little-endian, one tensor after the other."""
    named = list(features.items()) if isinstance(features, Mapping) else [(None, features)]
    told = [[name, array.dtype.name, list(array.shape)] for name, array in named]
    return told, b"".join(_little(array).tobytes() for _, array in named)


def _little(array: Array) -> Array:
    return np.ascontiguousarray(array, TYPES[array.dtype.name])


def unpacked(told: Sequence[Any], data: bytes) -> Features:
    """The features that `packed` packed."""
    found: dict[Any, Array] = {}
    place = 0
    for name, dtype, shape in told:
        kind = TYPES[dtype]
        size = math.prod(shape) * kind.itemsize
        found[name] = np.frombuffer(data[place : place + size], kind).reshape(shape)
        place += size
    return found[None] if list(found) == [None] else found
