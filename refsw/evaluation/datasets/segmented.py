"""Informative: pictures with classes of their samples, and with keypoints of persons: folders of labels, VOC, COCO."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from refsw.evaluation.datasets.annotated import VOC_CLASSES, open_coco
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.datasets.classes import Choice, given_classes
from refsw.evaluation.datasets.files import existing, left_out, pictures_in, read_text
from refsw.evaluation.datasets.labels import LabelPlace
from refsw.evaluation.errors import DatasetError
from refsw.evaluation.metrics.keypoints import COORDINATES, Poses


def open_labelled(name: str, root: Path, *, classes: Choice, images: str = "images", labels: str = "labels") -> Dataset:
    """Pictures, and beside them pictures of labels with the same names, .png: a class a sample, 255 for none.

    Args:
        name, root: as for all.
        classes: names by number, see `refsw.evaluation.datasets.classes`.
        images, labels: the two folders below the root.

    Raises:
        DatasetError: a folder is missing.
    """
    given = given_classes(classes, root)
    found = existing(existing(root) / labels)
    items = [Item(p.name, p, labels=LabelPlace(found / f"{p.stem}.png")) for p in pictures_in(existing(root / images))]
    notes = left_out([root / images], [item.path for item in items])
    return Dataset(name, items, classes=given.names, notes=notes, is_numbered=True)


def open_voc_labels(name: str, root: Path, *, split: str = "val") -> Dataset:
    """VOC: ImageSets/Segmentation/<split>.txt over JPEGImages/ and SegmentationClass/; class 0 is the background.

    Raises:
        DatasetError: the list is missing.
    """
    items = [
        Item(line, root / "JPEGImages" / f"{line}.jpg", labels=LabelPlace(root / "SegmentationClass" / f"{line}.png"))
        for line in read_text(existing(root) / "ImageSets" / "Segmentation" / f"{split}.txt").split()
    ]
    return Dataset(name, items, classes=("background", *VOC_CLASSES), is_numbered=True)


def open_coco_persons(
    name: str,
    root: Path,
    *,
    split: str = "val2017",
    annotations: str = "annotations/person_keypoints_val2017.json",
) -> Dataset:
    """COCO's persons with keypoints: a file of keypoints over a folder of pictures.

    Raises:
        DatasetError: the file is missing or is no file of keypoints.
    """
    data, path = open_coco(name, root, split=split, annotations=annotations), root / annotations
    content = json.loads(read_text(path))  # which `open_coco` has read
    names = {image["id"]: image["file_name"] for image in content["images"]}
    rows: dict[str, list[Any]] = {item.id: [] for item in data.items}
    for entry in content["annotations"]:
        rows[names[entry["image_id"]]].append(entry)
    try:
        counts = {len(entry["keypoints"]) for entry in content["annotations"]}
        if len(counts) > 1 or any(count % COORDINATES for count in counts):
            raise ValueError(f"{', '.join(map(str, counts))} numbers for the keypoints of a person")
        keypoints = next(iter(counts), 0) // COORDINATES
        items = [replace(item, poses=_poses(rows[item.id], keypoints), boxes=None) for item in data.items]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DatasetError(f"{path}: no keypoints of COCO: {type(error).__name__} {error}") from error
    return Dataset(name, items, classes=data.classes, ids=data.ids)


def _poses(entries: list[Any], keypoints: int) -> Poses:
    points = np.array([entry["keypoints"] for entry in entries], np.float64).reshape(-1, keypoints, COORDINATES)
    boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
    corners = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    areas = np.array([entry["area"] for entry in entries], np.float64)
    if not (np.isfinite(points).all() and np.isfinite(corners).all() and np.isfinite(areas).all()):
        raise ValueError("NaN or infinity")
    crowd = np.array([bool(entry.get("iscrowd", 0)) for entry in entries], bool)
    return Poses(points, np.ones(len(entries)), areas, corners, crowd)
