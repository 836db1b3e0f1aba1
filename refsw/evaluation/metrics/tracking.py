"""Informative: multi-object tracking: CLEAR MOT and identity measures over sequences, and a tracker for detectors.

K. Bernardin, R. Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", EURASIP JIVP
2008; E. Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", ECCV workshops
2016. A pair of an object and a track overlaps by `OVERLAP` at least; a pair of the frame before is kept as long as it
does; the others are assigned so that the most pairs are made, and among those the most overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refsw.evaluation.boxes import Boxes, iou
from refsw.evaluation.errors import EvaluationError
from refsw.extras import optional
from refsw.tensor.axes import Array

OVERLAP = 0.5


@dataclass(slots=True)
class Counts:
    """What the measures are made of; those of sequences add up.

    Args:
        objects: annotated, over all frames.
        matches, misses, false_positives, switches: as CLEAR MOT counts them; a switch is a match as well.
        overlap: sum over the matches.
        identity_true_positives: of the assignment of whole tracks to whole objects that has the most.
        tracked: detections of tracks, over all frames.
    """

    objects: int = 0
    matches: int = 0
    misses: int = 0
    false_positives: int = 0
    switches: int = 0
    overlap: float = 0.0
    identity_true_positives: int = 0
    tracked: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def mota(self) -> float:
        """1 - (misses + false positives + switches) / objects; below 0 if there are more errors than objects."""
        return 1 - (self.misses + self.false_positives + self.switches) / self.objects

    @property
    def motp(self) -> float:
        """Mean overlap of the matches; 0 without any."""
        return self.overlap / self.matches if self.matches else 0.0

    @property
    def idf1(self) -> float:
        """2 IDTP / (objects + detections of tracks)."""
        return 2 * self.identity_true_positives / (self.objects + self.tracked)


@dataclass(frozen=True, slots=True)
class Frame:
    """Boxes of a frame with the identity of each, int64 (objects,), none twice."""

    boxes: Boxes
    identities: Array


def count(truths: Sequence[Frame], tracks: Sequence[Frame], *, overlap: float = OVERLAP) -> Counts:
    """Compare the tracks of a sequence with its annotated objects; ignored objects count for nothing.

    Args:
        truths, tracks: by frame, as many of both.
        overlap: least intersection over union of a pair.

    Raises:
        EvaluationError: numbers of frames that differ, or an identity that is twice in a frame.
    """
    if len(truths) != len(tracks):
        raise EvaluationError(f"{len(truths)} frames are annotated, {len(tracks)} are tracked")
    counts, pairs = Counts(), Counter[tuple[int, int]]()
    last: dict[int, int] = {}
    for truth, found in zip(truths, tracks, strict=True):
        for frame in (truth, found):
            if len(set(frame.identities.tolist())) != len(frame.identities):
                raise EvaluationError("an identity is there twice in a frame")
        real, seen = _counted(truth, found, overlap)
        overlaps = _overlaps(real.boxes, seen.boxes)
        ours, theirs = real.identities.tolist(), seen.identities.tolist()
        pairs.update((ours[i], theirs[j]) for i, j in zip(*np.nonzero(overlaps >= overlap), strict=True))
        matched = _matched(overlaps, ours, theirs, last, overlap)
        for i, j in matched.items():
            counts.switches += ours[i] in last and last[ours[i]] != theirs[j]
            counts.overlap += float(overlaps[i, j])
            last[ours[i]] = theirs[j]
        counts += Counts(
            objects=len(ours),
            matches=len(matched),
            misses=len(ours) - len(matched),
            false_positives=len(theirs) - len(matched),
            tracked=len(theirs),
        )
    counts.identity_true_positives = _identities(pairs)
    return counts


def _counted(truth: Frame, found: Frame, overlap: float) -> tuple[Frame, Frame]:
    """Without ignored objects, and without the detections that stand for them and for no other."""
    ignored = truth.boxes.ignored
    if not ignored.any():
        return truth, found
    overlaps = _overlaps(truth.boxes, found.boxes) >= overlap
    kept = np.logical_or(~overlaps[ignored].any(axis=0), overlaps[~ignored].any(axis=0))
    return (
        Frame(truth.boxes.of(~ignored), truth.identities[~ignored]),
        Frame(found.boxes.of(kept), found.identities[kept]),
    )


def _overlaps(first: Boxes, second: Boxes) -> Array:
    """Of boxes of the same class; 0 of others."""
    found: Array = iou(first, second) * (first.classes[:, None] == second.classes[None])
    return found


def _matched(
    overlaps: Array, ours: Sequence[int], theirs: Sequence[int], last: dict[int, int], least: float
) -> dict[int, int]:
    """Pairs of numbers of an object and of a detection."""
    places = {identity: j for j, identity in enumerate(theirs)}
    matched: dict[int, int] = {}
    for i, identity in enumerate(ours):
        j = places.get(last.get(identity, -1), -1) if identity in last else -1
        if j >= 0 and overlaps[i, j] >= least and j not in matched.values():
            matched[i] = j
    rows = [i for i in range(len(ours)) if i not in matched]
    columns = [j for j in range(len(theirs)) if j not in matched.values()]
    return matched | {rows[i]: columns[j] for i, j in _assigned(overlaps[np.ix_(rows, columns)], least)}


def _assigned(overlaps: Array, least: float) -> list[tuple[int, int]]:
    """The most pairs that overlap enough, and among those the most overlap."""
    if not overlaps.size:
        return []
    gain = np.where(overlaps >= least, 1 + overlaps / (1 + overlaps.size), 0)
    rows, columns = optional("scipy.optimize").linear_sum_assignment(gain, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if gain[i, j] > 0]


def _identities(pairs: Counter[tuple[int, int]]) -> int:
    """IDTP: the most frames in which objects and tracks overlap that are assigned to one another for good."""
    if not pairs:
        return 0
    ours, theirs = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
    table = np.array([[pairs[i, j] for j in theirs] for i in ours])
    rows, columns = optional("scipy.optimize").linear_sum_assignment(table, maximize=True)
    return int(table[rows, columns].sum())


@dataclass(slots=True)
class Tracker:
    """Identities for the detections of a sequence, frame by frame: each goes on with the track that it overlaps most.

    The simplest tracker there is, so that what it gives is the detector's doing: no motion, no appearance.

    Args:
        overlap: least intersection over union of a detection and the last box of its track.
        patience: frames without a detection after which a track has ended.
    """

    overlap: float = 0.3
    patience: int = 5
    _boxes: list[tuple[int, int, Any]] = field(default_factory=list)
    _next: int = 0
    _frame: int = 0

    def step(self, detections: Boxes) -> Frame:
        """The identities of the detections of the next frame."""
        self._frame += 1
        alive = [track for track in self._boxes if self._frame - track[1] <= self.patience + 1]
        identities = np.full(len(detections), -1, np.int64)
        if alive and len(detections):
            known = Boxes(
                *(
                    np.concatenate([getattr(track[2], name) for track in alive])
                    for name in ("corners", "scores", "classes", "ignored")
                )
            )
            for i, j in _assigned(_overlaps(known, detections), self.overlap):
                identities[j] = alive[i][0]
        for place in np.flatnonzero(identities < 0):
            identities[place] = self._next
            self._next += 1
        seen = {int(identity): j for j, identity in enumerate(identities)}
        kept = [track for track in alive if track[0] not in seen]
        self._boxes = kept + [(identity, self._frame, detections.of(np.array([j]))) for identity, j in seen.items()]
        return Frame(detections, identities)
