"""Informative: frames of sequences: folders of frames, video files, and the sets that coding for machines is tested on.

The layouts are those in which MPEG's groups on coding for machines hand the sets around: a folder for each sequence,
with its frames, annotations, and a `seqinfo.ini` (as of the MOT Challenge) that tells the frame rate. Sequences belong
to classes, over which metrics are pooled and rates weighted by duration.
"""

from __future__ import annotations

import configparser
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from refsw.evaluation.datasets.annotated import open_coco
from refsw.evaluation.datasets.base import Dataset, Item, StoredDataset
from refsw.evaluation.datasets.files import existing, in_order, pictures_in, read_text
from refsw.evaluation.datasets.labels import LabelPlace
from refsw.evaluation.errors import DatasetError
from refsw.evaluation.pictures import LARGEST
from refsw.tensor.axes import Array

MOST_SAMPLES = 1 << 31
"""Of a video in memory."""
MOT_COLUMNS = 6
PERSON = 1
"""Class of persons in annotations of the MOT Challenge; others are no objects of it, or are ignored."""


def open_frames(name: str, root: Path, *, rate: int = 0, step: int = 1) -> Dataset:
    """A folder of frames, or a folder of frames for each sequence, in natural order; without annotations.

    Args:
        name: of the data set.
        root: the folder.
        rate: frames a second, if it is known.
        step: take every so manieth frame.

    Raises:
        DatasetError: there is no such folder, or no picture in it or in a folder within.
    """
    folders = sorted(
        (p for p in existing(root).iterdir() if p.is_dir() and p.name[0] != "."), key=lambda p: in_order(p.name)
    )
    seconds = max(step, 1) / rate if rate else 0.0
    items = []
    for folder in [root] if pictures_in(root) else folders:
        sequence = root.name if folder == root else folder.name
        prefix = "" if folder == root else f"{folder.name}/"
        items += [
            Item(f"{prefix}{path.name}", path, sequence=sequence, seconds=seconds)
            for path in pictures_in(folder)[:: max(step, 1)]
        ]
    return Dataset(name, items)


def open_video(name: str, root: Path, *, file: str, frames: int = 0, step: int = 1) -> Dataset:
    """The frames of a video file, in RGB, in memory.

    Args:
        name: of the data set.
        root: folder of the file.
        file: its name.
        frames: how many are taken at most; 0 for all.
        step: take every so manieth frame.

    Raises:
        DatasetError: no such file, none that FFmpeg reads, or more samples than fit.
    """
    import av

    path, step = root / file, max(step, 1)
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    pictures: dict[str, Array] = {}
    total = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            seconds = float(step / stream.average_rate) if stream.average_rate else 0.0
            for number, frame in enumerate(container.decode(stream)):
                if frame.width * frame.height > LARGEST or (frames and len(pictures) >= frames):
                    break
                if number % step == 0:
                    pictures[f"frame-{number:06d}"] = frame.to_ndarray(format="rgb24")
                    total += 3 * frame.width * frame.height
                if total > MOST_SAMPLES:
                    raise DatasetError(f"{path}: more than {MOST_SAMPLES:,} samples: say frames, or step")
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise DatasetError(f"{path}: no video that is read: {' '.join(str(error).split())}") from error
    items = [Item(key, Path(key), sequence=path.stem, seconds=seconds) for key in pictures]
    return StoredDataset(name, items, pictures=pictures)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a set of sequences lies in its folder.

    Args:
        pictures: folder of the frames below that of a sequence.
        annotations: file below that of a sequence, {sequence} is its name.
        classes: class of sequences -> their names.
        source: where the set is to be had.
    """

    pictures: str
    annotations: str
    classes: Mapping[str, tuple[str, ...]]
    source: str


SFU_HW = Layout(
    "images",
    "annotations/{sequence}.json",
    {
        "AB": ("Traffic_2560x1600_30_val", "Kimono_1920x1080_24_val", "ParkScene_1920x1080_24_val",
               "Cactus_1920x1080_50_val", "BasketballDrive_1920x1080_50_val", "BQTerrace_1920x1080_60_val"),
        "C": ("BasketballDrill_832x480_50_val", "BQMall_832x480_60_val", "PartyScene_832x480_50_val",
              "RaceHorses_832x480_30_val"),
        "D": ("BasketballPass_416x240_50_val", "BQSquare_416x240_60_val", "BlowingBubbles_416x240_50_val",
              "RaceHorses_416x240_30_val"),
    },
    "SFU-HW-Objects (Mendeley Data, doi:10.17632/hwm673bv4m), frames of the sequences from JVET",
)  # fmt: skip
TVD = Layout("img1", "gt/gt.txt", {"TVD": ("TVD-01", "TVD-02", "TVD-03")},
             "Tencent Video Dataset, multimedia.tencent.com/resources/tvd")  # fmt: skip
HIEVE = Layout("img1", "gt/gt.txt", {"1080p": ("13", "16"), "720p": ("2", "17", "18")},
               "Human in Events, humaninevents.org")  # fmt: skip
PANDASET = Layout(
    "camera/front_camera",
    "annotations/{sequence}.npz",
    {"PandaSet": (
        *("003", "011", "016", "017", "021", "023", "027", "029", "030", "033", "035", "037"),
        *("039", "043", "053", "056", "057", "058", "069", "070", "072", "073", "077", "088"),
        *("089", "090", "095", "097", "109", "112", "113", "115", "117", "119", "122", "124"),
    )},
    "PandaSet, pandaset.org, with labels of MPEG's group as .npz",
)  # fmt: skip
PANDASET_CLASSES = (
    "vegetation",
    "road",
    "sidewalk",
    "car",
    "truck",
    "motorcycle",
    "bicycle",
    "bus",
    "pedestrian",
    "building",
)
"""Those that count; their labels in PandaSet are below."""
PANDASET_LABELS = (
    (5,),
    (7, 8, 9, 10),
    (11, 12),
    (2, 13, 17),
    (14, 15, 16),
    (18, 24, 25),
    (26,),
    (23,),
    (30, 31),
    (41,),
)
Names = str
"""Names of sequences with commas between; without any, all."""


def open_sfu(name: str, root: Path, *, sequences: Names = "", step: int = 1) -> Dataset:
    """SFU-HW-Objects: SEQUENCE/images, SEQUENCE/annotations/SEQUENCE.json (COCO), SEQUENCE/seqinfo.ini.

    Args:
        name, root: as for all.
        sequences: names with commas between, without it all.
        step: take every so manieth frame.

    Raises:
        DatasetError: a folder or a file is missing, and where it is to be had, or it is damaged.
    """
    places = list(_places(root, SFU_HW, sequences))
    categories: dict[int, str] = {}
    for place in places:
        categories |= _categories(place.annotations)
    classes: dict[str, Any] = {categories[key]: number for number, key in enumerate(sorted(categories))}
    items: list[Item] = []
    for place in places:
        relative = place.annotations.relative_to(place.folder).as_posix()
        found = open_coco(name, place.folder, split=SFU_HW.pictures, annotations=relative, classes=classes)
        items += place.dressed(sorted(found.items, key=lambda item: in_order(item.id)), step)
    ids = {key: classes[categories[key]] for key in categories}
    return Dataset(name, items, classes=list(classes), ids=ids)


def open_mot(name: str, root: Path, *, sequences: Names = "", step: int = 1) -> Dataset:
    """The MOT Challenge: SEQUENCE/img1, SEQUENCE/gt/gt.txt, SEQUENCE/seqinfo.ini; every sequence of the folder."""
    own = tuple(sorted((p.name for p in existing(root).iterdir() if p.is_dir() and p.name[0] != "."), key=in_order))
    return _tracked(name, root, Layout("img1", "gt/gt.txt", {"": own}, "motchallenge.net"), sequences, step)


def open_tvd(name: str, root: Path, *, sequences: Names = "", step: int = 1) -> Dataset:
    """Tencent Video Dataset, tracking: as the MOT Challenge."""
    return _tracked(name, root, TVD, sequences, step)


def open_hieve(name: str, root: Path, *, sequences: Names = "", step: int = 1) -> Dataset:
    """Human in Events, tracking: as the MOT Challenge, in two classes by size."""
    return _tracked(name, root, HIEVE, sequences, step)


def open_pandaset(name: str, root: Path, *, sequences: Names = "", step: int = 1) -> Dataset:
    """PandaSet: SEQUENCE/camera/front_camera, SEQUENCE/annotations/SEQUENCE.npz: `gt`, uint8 (frames, H, W).

    Labels are PandaSet's, 255 where there is none; the ten classes that MPEG's group evaluates count.

    Raises:
        DatasetError: as for the others.
    """
    table = tuple((label, number) for number, own in enumerate(PANDASET_LABELS) for label in own)
    items: list[Item] = []
    for place in _places(root, PANDASET, sequences):
        frames = [
            Item(path.name, path, labels=LabelPlace(place.annotations, number, table))
            for number, path in enumerate(pictures_in(place.folder / PANDASET.pictures))
        ]
        items += place.dressed(frames, step)
    return Dataset(name, items, classes=PANDASET_CLASSES, is_numbered=True)


@dataclass(frozen=True, slots=True)
class Place:
    """A sequence that is there."""

    sequence: str
    category: str
    folder: Path
    annotations: Path
    rate: float

    def dressed(self, frames: Sequence[Item], step: int) -> Iterator[Item]:
        """Its frames with all that they have from it."""
        step = max(step, 1)
        for item in frames[::step]:
            yield replace(item, id=f"{self.sequence}/{item.id}", sequence=self.sequence, category=self.category,
                          seconds=step / self.rate)  # fmt: skip


def _places(root: Path, layout: Layout, sequences: Names) -> Iterator[Place]:
    known = {sequence: category for category, own in layout.classes.items() for sequence in own}
    chosen = [one.strip() for one in sequences.split(",")] if sequences else list(known)
    for sequence in chosen:
        if sequence not in known:
            raise DatasetError(f"{root}: no sequence {sequence}: {', '.join(known)}")
        folder = root / sequence
        annotations = folder / layout.annotations.format(sequence=sequence)
        for path in (folder, folder / layout.pictures, annotations):
            if not path.exists():
                raise DatasetError(f"{path} is missing: {layout.source}")
        yield Place(sequence, known[sequence], folder, annotations, _rate(folder / "seqinfo.ini"))


def _rate(path: Path) -> float:
    """Frames a second of a sequence."""
    parser = configparser.ConfigParser()
    try:
        parser.read_string(read_text(path), str(path))
        rate = parser.getfloat("Sequence", "frameRate")
    except (configparser.Error, ValueError) as error:
        raise DatasetError(f"{path}: no entry frameRate in [Sequence]: {' '.join(str(error).split())}") from error
    if not 0 < rate < math.inf:
        raise DatasetError(f"{path}: frameRate {rate:g}: above 0")
    return rate


def _categories(path: Path) -> dict[int, str]:
    try:
        return {int(entry["id"]): str(entry["name"]) for entry in json.loads(read_text(path))["categories"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{path}: no COCO annotations: {type(error).__name__} {error}") from error


def _tracked(name: str, root: Path, layout: Layout, sequences: Names, step: int) -> Dataset:
    items: list[Item] = []
    for place in _places(root, layout, sequences):
        truths = _mot(place.annotations)
        frames = []
        for path in pictures_in(place.folder / layout.pictures):
            if not path.stem.isdigit():
                raise DatasetError(f"{path}: the name of a frame is its number")
            rows = truths.get(int(path.stem), [])
            boxes = np.array([row[1] for row in rows], np.float64).reshape(-1, 6)
            frames.append(Item(path.name, path, boxes=boxes, identities=np.array([row[0] for row in rows], np.int64)))
        items += place.dressed(frames, step)
    return Dataset(name, items, classes=("person",))


def _mot(path: Path) -> dict[int, list[tuple[int, list[float]]]]:
    """Identities and boxes by frame: lines `frame, id, left, top, width, height, counts, class, visibility`."""
    found: dict[int, list[tuple[int, list[float]]]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(value) for value in line.split(",")]
            frame, identity = int(values[0]), int(values[1])
            left, top, width, height = values[2:MOT_COLUMNS]
            if not all(map(math.isfinite, values)) or width < 0 or height < 0:
                raise ValueError("a box with a width and a height")
        except (ValueError, IndexError, OverflowError) as error:
            raise DatasetError(f"{path}:{number}: frame, identity, left, top, width, height, not {line!r}") from error
        counts = len(values) <= MOT_COLUMNS or values[6] != 0
        person = len(values) <= MOT_COLUMNS + 1 or int(values[7]) in (-1, PERSON)
        ignored = float(not (counts and person))
        # Corners count from 1 there.
        box = [left - 1, top - 1, left - 1 + width, top - 1 + height, 0.0, ignored]
        found.setdefault(frame, []).append((identity, box))
    return found


SEQUENCES: Mapping[str, Callable[..., Dataset]] = {
    "frames": open_frames,
    "video": open_video,
    "mot": open_mot,
    "sfu-hw": open_sfu,
    "tvd": open_tvd,
    "hieve": open_hieve,
    "pandaset": open_pandaset,
}
