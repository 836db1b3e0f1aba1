"""Informative: pictures with annotated objects: VOC, COCO, and the text files of YOLO."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from refsw.evaluation.boxes import COLUMNS
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.datasets.folders import existing, pictures_in, read_text
from refsw.evaluation.errors import DatasetError
from refsw.tensor.axes import Array

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def open_voc(name: str, root: Path, *, split: str = "test") -> Dataset:
    """VOC2007 (VOCdevkit/VOC2007): ImageSets/Main/<split>.txt over JPEGImages/ and Annotations/.

    Corners count from 1 there; here from 0. Difficult objects are ignored ones.

    Raises:
        DatasetError: a list or an annotation is missing or damaged.
    """
    items = []
    for line in read_text(existing(root) / "ImageSets" / "Main" / f"{split}.txt").splitlines():
        if line.strip():
            picture = line.split()[0]  # in the list of one class, whether it is there follows
            boxes = _voc_boxes(root / "Annotations" / f"{picture}.xml")
            items.append(Item(picture, root / "JPEGImages" / f"{picture}.jpg", boxes=boxes))
    return Dataset(name, items, classes=VOC_CLASSES)


def open_coco(
    name: str, root: Path, *, split: str = "val2017", annotations: str = "annotations/instances_val2017.json"
) -> Dataset:
    """COCO: an instances file over a folder of pictures; classes are the categories in the order of their ids.

    Raises:
        DatasetError: the file is missing or is no COCO file.
    """
    path = existing(root) / annotations
    try:
        content = json.loads(read_text(path))
        categories = sorted(content["categories"], key=lambda category: int(category["id"]))
        number = {category["id"]: i for i, category in enumerate(categories)}
        rows: dict[int, list[list[float]]] = {image["id"]: [] for image in content["images"]}
        for entry in content["annotations"]:
            if entry["image_id"] not in rows or entry["category_id"] not in number:
                odd = f"picture {entry['image_id']}, category {entry['category_id']}"
                raise DatasetError(f"{path}: an annotation of {odd}, which it does not list")
            left, top, width, height = map(float, entry["bbox"])
            row = [left, top, left + width, top + height, number[entry["category_id"]], entry.get("iscrowd", 0)]
            rows[entry["image_id"]].append(row)
        images = sorted(content["images"], key=lambda image: int(image["id"]))
        items = [
            Item(
                image["file_name"],
                root / split / image["file_name"],
                boxes=_table(rows[image["id"]], image["file_name"]),
            )
            for image in images
        ]
        return Dataset(name, items, classes=[str(category["name"]) for category in categories])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DatasetError(f"{path}: no COCO annotations: {type(error).__name__} {error}") from error


def open_yolo(name: str, root: Path) -> Dataset:
    """images/ and labels/: lines `class x y width height`, centre and size relative to the picture.

    A picture without a file of labels has no objects.

    Raises:
        DatasetError: a folder is missing, or a line is none, or a picture is damaged; the folder of labels may be
            empty, but has to be there.
    """
    items = []
    existing(existing(root) / "labels")
    for path in pictures_in(existing(root / "images")):
        items.append(Item(path.name, path, boxes=_yolo_boxes(root / "labels" / f"{path.stem}.txt", path)))
    return Dataset(name, items)


def _voc_boxes(path: Path) -> Array:
    text, rows = read_text(path), []
    try:
        for entry in ElementTree.fromstring(text).iter("object"):  # noqa: S314 (no entities are fetched or expanded far)
            corners = [float(_text(entry, f"bndbox/{side}")) - 1 for side in ("xmin", "ymin", "xmax", "ymax")]
            difficult = float(entry.findtext("difficult") or 0)
            rows.append([*corners, _voc_class(_text(entry, "name")), difficult])
    except (ElementTree.ParseError, ValueError) as error:
        raise DatasetError(f"{path}: no VOC annotation: {error}") from error
    return _table(rows, path)


def _voc_class(name: str) -> int:
    if name not in VOC_CLASSES:
        raise ValueError(f"no class {name}")
    return VOC_CLASSES.index(name)


def _text(entry: Any, name: str) -> str:
    text = entry.findtext(name)
    if not text:
        raise ValueError(f"no {name}")
    return str(text)


def _yolo_boxes(path: Path, picture: Path) -> Array:
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        return _table([], path)
    rows, lines = [], read_text(path).splitlines()
    try:
        with Image.open(picture) as image:
            width, height = image.size
    except (OSError, UnidentifiedImageError) as error:
        raise DatasetError(f"{picture}: damaged, or no picture") from error
    for number, line in enumerate(lines, 1):
        try:
            kind, x, y, w, h = map(float, line.split())
            if not kind.is_integer() or kind < 0 or not (0 <= x <= 1 and 0 <= y <= 1 and 0 <= w <= 1 and 0 <= h <= 1):
                raise ValueError
        except ValueError as error:
            told = f"class, x, y, width, height, the last four from 0 to 1, not {line!r}"
            raise DatasetError(f"{path}:{number}: {told}") from error
        row = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height, kind, 0]
        rows.append(row)
    return _table(rows, path)


def _table(rows: Sequence[Sequence[float]], where: object) -> Array:
    table = np.array(rows, np.float64).reshape(-1, COLUMNS)
    bad = ~np.isfinite(table).all(axis=1) | (table[:, 2] < table[:, 0]) | (table[:, 3] < table[:, 1])
    if bad.any():
        corners = ", ".join(f"{value:g}" for value in table[bad][0, :4])
        raise DatasetError(f"{where}: a box from left and top to right and bottom, not {corners}")
    return table
