"""Informative: a data set by its kind and its folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.datasets.annotated import open_coco, open_voc, open_yolo
from refsw.evaluation.datasets.base import Dataset
from refsw.evaluation.datasets.folders import open_folder, open_list, open_msmt17, open_vehicle_id
from refsw.evaluation.datasets.imagenet import open_imagenet
from refsw.evaluation.datasets.reid import open_market
from refsw.evaluation.datasets.segmented import open_coco_persons, open_labelled, open_voc_labels
from refsw.evaluation.datasets.sequences import SEQUENCES
from refsw.evaluation.datasets.texts import open_lines
from refsw.evaluation.errors import DatasetError

Opener = Callable[..., Dataset]


KINDS: Mapping[str, Opener] = {
    "imagenet": open_imagenet,
    "vehicleid": open_vehicle_id,
    "market1501": open_market,
    "dukemtmc": open_market,
    "cuhk03": open_market,
    "msmt17": open_msmt17,
    "voc2007": open_voc,
    "coco": open_coco,
    "yolo": open_yolo,
    "folder": open_folder,
    "list": open_list,
    "labels": open_labelled,
    "voc-labels": open_voc_labels,
    "coco-persons": open_coco_persons,
    "lines": open_lines,
    **SEQUENCES,
}


def open_dataset(kind: str, root: str | Path, *, limit: int | None = None, **options: Any) -> Dataset:
    """A data set in the layout in which it is distributed.

    Lists and annotations are read; that every picture is there and whole is for `Dataset.check`.

    Args:
        kind: of `KINDS`.
        root: its folder.
        limit: take no more than the first so many pictures or queries.
        options: of its kind.

    Raises:
        UsageError: there is no such kind or option.
        DatasetError: the folder is not laid out so; the first wrong thing is named.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise UsageError(f"no kind of data set {kind!r}: mini, {', '.join(KINDS)}")
    parameters = inspect.signature(KINDS[kind]).parameters.values()
    known = {p.name: p.annotation for p in parameters if p.kind is p.KEYWORD_ONLY}
    for name in options:
        if name not in known:
            raise UsageError(f"data set {kind}: no option {name}: {', '.join(['limit', *known])}")
    missing = [p.name for p in parameters if p.name in known and p.default is p.empty and p.name not in options]
    if missing:
        raise UsageError(f"data set {kind}: {', '.join(missing)} is missing")
    given = {"root": root, **options} | ({} if limit is None else {"limit": limit})
    for name, value in given.items():
        if known.get(name) == "Choice":
            if not isinstance(value, str | list | tuple | Mapping) or not value:
                raise UsageError(
                    f"data set {kind}: {name} is {value!r}: names, a mapping of names to numbers, or a file"
                )
            continue
        text = known.get(name, "int" if name == "limit" else "str") in ("str", "Names")
        fits = isinstance(value, str | Path) if text else type(value) is int and value >= 0
        if not fits:
            raise UsageError(f"data set {kind}: {name} is {value!r}: {'text' if text else 'a number from 0'}")
    try:
        return KINDS[kind](kind, Path(root), **options).first(limit)
    except OSError as error:
        raise DatasetError(f"{error.filename or root}: {error.strerror}") from error
