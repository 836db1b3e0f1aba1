"""Informative: ImageNet (ILSVRC 2012), in the ways in which its validation pictures and their classes are distributed.

Networks number the 1,000 classes in the order of their synset ids (n01440764 is 0). Lists that give ids, or the
numbers of the development kit, which are in another order, need a file that says which class each is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.datasets.classes import other_order
from refsw.evaluation.datasets.files import (
    class_folders,
    entries,
    existing,
    label_of,
    left_out,
    pictures_in,
    read_text,
)
from refsw.evaluation.errors import DatasetError
from refsw.extras import optional


def open_imagenet(name: str, root: Path, *, labels: str = "", synsets: str = "") -> Dataset:
    """Folders of pictures for each synset, or one folder of pictures and a list of their classes.

    Args:
        name: of the data set.
        root: the folder of the pictures; paths below may start from it.
        labels: without it, there is a folder for each synset, and without `synsets` its place in their order is its
            class. With it, one of these: lines `path class` (val.txt); lines `path synset`; CSV with a header and
            columns `file` and `index`, `label` or `synset`, or `ImageId` and `PredictionString`
            (LOC_val_solution.csv); a line for each picture of the folder in the order of their names, with its synset
            or its number in the development kit (ILSVRC2012_validation_ground_truth.txt).
        synsets: text with a synset a line in the order of the classes, whatever follows it
            (LOC_synset_mapping.txt, synset_words.txt); or meta.mat of the development kit.

    Raises:
        DatasetError: a file or folder is missing, a line of a list is none, or a class is not known.
    """
    known = _synsets(existing(root) / synsets) if synsets else {}
    names = [synset for synset in sorted(known, key=known.__getitem__) if synset[0] != "#"]
    if not labels:
        folders = class_folders(root)
        classes = {folder: known.get(folder.name, -1) if known else i for i, folder in enumerate(folders)}
        for folder, label in classes.items():
            if label < 0:
                raise DatasetError(f"{folder}: no synset of {synsets}")
        items = [Item(f"{f.name}/{path.name}", path, label) for f, label in classes.items() for path in pictures_in(f)]
        notes = left_out([root], [*(item.path for item in items), root / synsets])
        if known:
            return Dataset(name, items, classes=names, notes=notes)
        own = [folder.name for folder in folders]
        return Dataset(name, items, classes=own, notes=[*notes, *other_order(own, "synsets")])
    items = [
        Item(file, root / file, known[value] if value in known else _numbered(where, value, known))
        for where, file, value in _listed(root, root / labels)
    ]
    return Dataset(name, items, classes=names)


def _numbered(where: str, value: str, known: Mapping[str, int]) -> int:
    """A class that is given as a number."""
    if value[:1] == "#":
        told = "not known" if any(key[0] == "#" for key in known) else "name meta.mat with synsets"
        raise DatasetError(f"{where}: number {value[1:]} of the development kit: {told}")
    if value[:1] == "n" and value[1:].isdigit():
        raise DatasetError(f"{where}: synset {value}: {'not known' if known else 'name a list of all with synsets'}")
    return label_of(where, value)


def _listed(root: Path, path: Path) -> Iterator[tuple[str, str, str]]:
    """Place in the list, picture, and class of each picture."""
    text = read_text(path)
    if path.suffix.lower() == ".csv" or any(len(line.split()) > 1 for line in text.splitlines()):
        for where, file, value in entries(path):
            # The solution file has boxes after the synset, and no suffix.
            yield where, f"{file}.JPEG" if " " in value else file, (value.split() or [""])[0]
        return
    values, pictures = text.split(), pictures_in(root)
    if len(values) != len(pictures):
        raise DatasetError(f"{path}: {len(values)} classes for {len(pictures)} pictures in {root}")
    for number, (value, picture) in enumerate(zip(values, pictures, strict=True), 1):
        # Numbers of the development kit, from 1, are not those of the classes.
        yield f"{path}:{number}", picture.name, f"#{value}" if value.isdigit() else value


def _synsets(path: Path) -> dict[str, int]:
    """Class of each synset, and of each number of the development kit, as `#1`."""
    if path.suffix.lower() == ".mat":
        return _development_kit(path)
    found: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        synset = line.replace(",", " ").split()[0]
        if synset in found:
            raise DatasetError(f"{path}:{number}: synset {synset} is there twice")
        found[synset] = len(found)
    return found


def _development_kit(path: Path) -> dict[str, int]:
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    try:
        table: Any = optional("scipy.io").loadmat(path, squeeze_me=True)["synsets"]
        # Leaves of the tree of synsets are classes; what lies above them is in the file as well.
        leaves = [(int(row["ILSVRC2012_ID"]), str(row["WNID"])) for row in table if not int(row["num_children"])]
    except Exception as error:  # of a reader of a format that is not documented
        raise DatasetError(f"{path}: no meta.mat of ILSVRC 2012: {' '.join(str(error).split())[:200]}") from error
    classes = {synset: label for label, synset in enumerate(sorted(synset for _, synset in leaves))}
    return classes | {f"#{number}": classes[synset] for number, synset in leaves}
