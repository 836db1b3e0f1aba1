"""Informative: tracking of objects: a detector on the frames of sequences, and a tracker over what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.boxes import Boxes
from refsw.evaluation.datasets.base import Item
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.metrics.tracking import OVERLAP, Counts, Frame, Tracker, count
from refsw.evaluation.tasks.base import paired
from refsw.evaluation.tasks.detection import Detection
from refsw.tensor.axes import Array


class Tracking(Detection):
    """The output of a frame is its objects, as for `Detection`; tracks are made of those of a sequence in its order.

    Options: those of `Detection`; `confidence` (from which on an object is tracked), `match` (least overlap of a track
    and an object, 0.5), `follow` (least overlap of a detection and the last box of its track, 0.3), `patience` (frames
    without a detection that a track outlives, 5).

    Raises:
        UsageError: an option does not exist.
    """

    own_options: ClassVar[dict[str, Any]] = {"match": OVERLAP, "follow": 0.3, "patience": 5}
    shares: ClassVar[tuple[str, ...]] = (*Detection.shares, "match", "follow")

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """`fidelity`: IDF1 of the tracks against those without coding; where annotated, `mota`, `motp`, `idf1`...

        ..., `_pristine`, and `distortion` of `mota`.
        """
        items, coded, pristine = paired(outputs, references)
        places = {item: number for number, item in enumerate(items)}
        sequences: dict[str, list[Item]] = {}
        for item in self.dataset.items:  # in the order of time, which that of ids need not be
            if item.id in places:
                sequences.setdefault(item.sequence, []).append(item)
        sides: dict[str, Counts] = {}
        same = Counts()
        for frames in sequences.values():
            tracks = {
                name: self._tracked([tables[places[item.id]] for item in frames])
                for name, tables in (("", coded), ("_pristine", pristine))
            }
            same += count(tracks["_pristine"], tracks[""], overlap=self._chosen["match"])
            truths = [truth for item in frames if (truth := _truth(item)) is not None]
            if len(truths) != len(frames):
                continue
            for name, found in tracks.items():
                sides[name] = sides.get(name, Counts()) + count(truths, found, overlap=self._chosen["match"])
        result = {"fidelity": same.idf1 if same.objects + same.tracked else 1.0}
        if not sides or not sides[""].objects:
            return result
        for name, counts in sides.items():
            result |= {f"mota{name}": counts.mota, f"motp{name}": counts.motp, f"idf1{name}": counts.idf1}
        if result["mota_pristine"] > 0:
            result["distortion"] = task_distortion(result["mota_pristine"], result["mota"])
        return result

    def _tracked(self, tables: Sequence[Array]) -> list[Frame]:
        if type(self._chosen["patience"]) is not int or self._chosen["patience"] < 0:
            raise UsageError(f"tracking: patience {self._chosen['patience']}: a number of frames from 0")
        tracker = Tracker(self._chosen["follow"], self._chosen["patience"])
        found = []
        for table in tables:
            boxes = Boxes.predictions(table)
            found.append(tracker.step(boxes.of(boxes.scores >= self._chosen["confidence"])))
        return found


def _truth(item: Item) -> Frame | None:
    """Annotated objects with identities; None where there are none of either."""
    if item.boxes is None or item.identities is None:
        return None
    return Frame(Boxes.annotations(item.boxes), np.asarray(item.identities, np.int64))
