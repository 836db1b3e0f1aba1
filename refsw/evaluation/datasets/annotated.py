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
from refsw.evaluation.datasets.classes import Choice, Classes, given_classes
from refsw.evaluation.datasets.files import existing, left_out, pictures_in, read_text
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
    name: str,
    root: Path,
    *,
    split: str = "val2017",
    annotations: str = "annotations/instances_val2017.json",
    classes: Choice = "",
) -> Dataset:
    """COCO: an instances file over a folder of pictures.

    A class is the place of its category in the order of their ids, unless `classes` says it.

    Raises:
        DatasetError: the file is missing or is no COCO file.
    """
    path = existing(root) / annotations
    try:
        content = json.loads(read_text(path))
        given = given_classes(classes, root) if classes else None
        ids = _by_id(content["categories"], path, "category")
        number = {
            key: place if given is None else given.number_of(str(ids[key]["name"]), f"{path}: category {key}")
            for place, key in enumerate(sorted(ids))
        }
        images = _by_id(content["images"], path, "picture")
        rows: dict[int, list[list[float]]] = {key: [] for key in images}
        for place, entry in enumerate(content["annotations"]):
            if entry["image_id"] not in rows or entry["category_id"] not in number:
                odd = f"picture {entry['image_id']}, category {entry['category_id']}"
                raise DatasetError(f"{path}: an annotation of {odd}, which it does not list")
            where = f"{path}: annotation {entry.get('id', place)} of {images[entry['image_id']]['file_name']}"
            left, top, width, height = map(float, entry["bbox"])
            row = [left, top, left + width, top + height, number[entry["category_id"]], entry.get("iscrowd", 0)]
            rows[entry["image_id"]].append(_table([row], where)[0].tolist())
        items = [
            Item(
                image["file_name"], root / split / image["file_name"], boxes=_table(rows[key], f"{path}: picture {key}")
            )
            for key, image in sorted(images.items())
        ]
        names = [str(ids[key]["name"]) for key in sorted(ids)] if given is None else given.names
        return Dataset(name, items, classes=names, is_numbered=given is not None, ids=number)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DatasetError(f"{path}: no COCO annotations: {type(error).__name__} {error}") from error


def _by_id(entries: Any, path: Path, what: str) -> dict[int, Any]:
    """Entries of a COCO file by their ids, none of which is there twice."""
    found: dict[int, Any] = {}
    for entry in entries:
        if type(entry["id"]) is not int:
            raise DatasetError(f"{path}: {what} {entry['id']!r}: an id is a whole number")
        if entry["id"] in found:
            raise DatasetError(f"{path}: {what} {entry['id']} is there twice")
        found[entry["id"]] = entry
    return found


def open_yolo(name: str, root: Path, *, classes: Choice = "") -> Dataset:
    """images/ and labels/: lines `class x y width height`, centre and size relative to the picture.

    A picture without a file of labels has no objects. Names of the classes, by number, are those of `classes`, such as
    the file data.yaml that such data come with.

    Raises:
        DatasetError: a folder is missing, or a line is none, or names none of `classes`, or a picture is damaged; the
            folder of labels may be empty, but has to be there.
    """
    items, taken = [], []
    given = given_classes(classes, root) if classes else None
    labels = existing(existing(root) / "labels")
    for path in pictures_in(existing(root / "images")):
        own = labels / f"{path.stem}.txt"
        if own in taken:
            raise DatasetError(f"{path}: another picture has the same file of labels, {own.name}")
        taken.append(own)
        items.append(Item(path.name, path, boxes=_yolo_boxes(own, path, given)))
    without = sum(not path.is_file() for path in taken)
    notes = left_out([root / "images", labels], [*(item.path for item in items), *taken])
    notes += [f"{without} of {len(items)} pictures have no file of labels: no objects"] if without else []
    names = given.names if given else ()
    return Dataset(name, items, classes=names, notes=notes, is_numbered=given is not None)


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


def _yolo_boxes(path: Path, picture: Path, classes: Classes | None) -> Array:
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
        if classes is not None:
            classes.number_of(str(int(kind)), f"{path}:{number}: class {int(kind)}")
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
