"""Informative: a data set: pictures with what is known of them, and the proof that all are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.files import told
from refsw.evaluation.datasets.labels import LabelPlace
from refsw.evaluation.errors import DatasetError
from refsw.evaluation.metrics.keypoints import Poses
from refsw.evaluation.pictures import read_picture, treatment
from refsw.tensor.axes import Array


@dataclass(frozen=True, slots=True)
class Item:
    """A picture.

    Args:
        id: unique in its data set, stable from machine to machine.
        path: of its file.
        label: class or identity; -1 if unknown.
        camera: that took it, for re-identification.
        boxes: annotated objects, binary64 (objects, 6): left, top, right, bottom, class, ignored.
        identities: of these objects over the frames of a sequence, int64 (objects,).
        labels: where the annotated classes of its samples are.
        text: that is written in it.
        poses: annotated persons.
        sequence, category: of a frame: its sequence, and the class of sequences that it belongs to.
        seconds: that a frame lasts; 0 if that is not known.
    """

    id: str
    path: Path
    label: int = -1
    camera: int | None = None
    boxes: Array | None = None
    identities: Array | None = None
    labels: LabelPlace | None = None
    text: str = ""
    poses: Poses | None = None
    sequence: str = ""
    category: str = ""
    seconds: float = 0.0

    def annotations(self) -> Iterator[bytes]:
        """What is known of it beside its samples, in a form that is the same on every machine."""
        known = [self.id, self.label, self.camera, self.text, self.sequence, self.category, self.seconds]
        yield f"{json.dumps(known)}\n".encode()
        arrays = [self.boxes, self.identities]
        if self.poses is not None:
            arrays += [getattr(self.poses, name) for name in self.poses.__slots__]
        if self.labels is not None:
            arrays.append(self.labels.read())
        for array in arrays:
            yield json.dumps(None if array is None else array.shape).encode()
            yield b"" if array is None else np.asarray(array, "<f8").tobytes()


class Dataset:
    """Pictures of one data set.

    Args:
        name: of the data set, for messages.
        items: what is coded: the test pictures, or the queries of a retrieval set.
        references: what queries are compared with.
        classes: names, by class number; may be empty.
        notes: what a user should know of it: files that are left out, an order of classes that may surprise.
        is_numbered: the numbers of the classes are those of the network, as somebody said, not a place in an order.
        ids: numbers that the data set itself has for its classes -> their class numbers.

    Raises:
        DatasetError: no pictures, or two with the same id.
    """

    def __init__(
        self,
        name: str,
        items: Sequence[Item],
        references: Sequence[Item] = (),
        classes: Sequence[str] = (),
        *,
        notes: Sequence[str] = (),
        is_numbered: bool = False,
        ids: Mapping[int, int] | None = None,
    ) -> None:
        if not items:
            raise DatasetError(f"{name}: no pictures")
        self.name, self.items, self.references, self.classes = name, tuple(items), tuple(references), tuple(classes)
        self.notes, self.is_numbered, self.ids = tuple(notes), is_numbered, dict(ids or {})
        self._found = {item.id: item for item in self.items}
        if len(self._found) != len(self.items):
            twice = next(item.id for i, item in enumerate(self.items) if self._found[item.id] is not self.items[i])
            raise DatasetError(f"{name}: two pictures have the same id {twice}")

    def first(self, limit: int | None) -> Self:
        """The same data set with no more than so many items; all references stay.

        Raises:
            UsageError: a limit below 1.
        """
        if limit is None:
            return self
        if limit < 1:
            raise UsageError(f"{self.name}: limit {limit}: at least 1")
        fewer = copy(self)
        fewer.items = self.items[:limit]
        return fewer

    def item(self, name: str) -> Item:
        """The item of an id.

        Raises:
            UsageError: there is none.
        """
        if name not in self._found:
            raise UsageError(f"{self.name}: no picture {name}")
        return self._found[name]

    def picture(self, item: Item) -> Array:
        """Its samples: uint8, (H, W, 3) in RGB or (H, W).

        Raises:
            DatasetError: the file is missing or damaged.
        """
        return read_picture(item.path)

    def treatment(self, item: Item) -> list[str]:
        """What becomes of a picture that is no plain one, in a few words each.

        Raises:
            DatasetError: the file is missing or damaged.
        """
        return treatment(item.path)

    def digest(self, item: Item) -> str:
        """SHA-256 of what its samples come from."""
        try:
            return hashlib.sha256(item.path.read_bytes()).hexdigest()
        except OSError as error:
            raise DatasetError(f"{item.path}: {error.strerror}") from error

    def coded_bytes(self, item: Item) -> int:
        """Size of the picture as it is stored."""
        try:
            return item.path.stat().st_size
        except OSError as error:
            raise DatasetError(f"{item.path}: {error.strerror}") from error

    def check(self, progress: Callable[[], None] | None = None) -> None:
        """Decode every picture once, queries and references; `notes` tell afterwards what became of unusual ones.

        Args:
            progress: called after each.

        Raises:
            DatasetError: the first that is missing or damaged, and how many there are.
        """
        bad: list[str] = []
        treated: dict[str, list[str]] = {}
        for item in (*self.items, *self.references):
            try:
                self.picture(item)
                for what in self.treatment(item):
                    treated.setdefault(what, []).append(item.id)
            except DatasetError as error:
                bad.append(str(error))
            if progress is not None:
                progress()
        if bad:
            more = f" (and {len(bad) - 1} more of {self.name})" if len(bad) > 1 else ""
            raise DatasetError(f"{bad[0]}{more}")
        self.notes += tuple(
            f"{len(ids)} picture{' has' if len(ids) == 1 else 's have'} {what}: {told(ids)}"
            for what, ids in treated.items()
        )


class StoredDataset(Dataset):
    """A data set whose pictures are in memory.

    Args:
        name, references, classes: as for `Dataset`.
        items: with paths that are only names.
        pictures: by id; uint8.
    """

    def __init__(
        self,
        name: str,
        items: Sequence[Item],
        references: Sequence[Item] = (),
        classes: Sequence[str] = (),
        *,
        pictures: dict[str, Array],
    ) -> None:
        super().__init__(name, items, references, classes)
        self._pictures = pictures

    def picture(self, item: Item) -> Array:
        """From memory."""
        return self._pictures[item.id]

    def treatment(self, item: Item) -> list[str]:
        """Nothing: these are plain."""
        return []

    def digest(self, item: Item) -> str:
        """SHA-256 of shape and samples."""
        picture = np.ascontiguousarray(self._pictures[item.id])
        return hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).hexdigest()

    def coded_bytes(self, item: Item) -> int:
        """Size of the samples."""
        return self._pictures[item.id].nbytes
