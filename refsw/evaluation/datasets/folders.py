"""Informative: pictures in folders or in lists: ImageNet, VehicleID, MSMT17 and data of one's own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.errors import DatasetError

FILES, CLASSES = ("file", "ImageId"), ("index", "label", "synset", "PredictionString")
"""Names of the columns of lists."""
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


def open_folder(name: str, root: Path, *, queries: int = 0) -> Dataset:
    """A folder for each class or identity, as ImageNet's training pictures lie; a class is its place in their order.

    Pictures that lie in the root itself, without such folders, have no label.

    Args:
        name: of the data set.
        root: the folder.
        queries: for retrieval, the first so many pictures of each folder are queries, the others references.

    Raises:
        DatasetError: there is no such folder, or no picture in it or in a folder within.
    """
    folders = class_folders(root)
    if not folders:
        if queries:
            raise DatasetError(f"{root}: no folder for each identity, of which queries could be the first pictures")
        return Dataset(name, [Item(path.name, path) for path in pictures_in(root)])
    items: list[Item] = []
    references: list[Item] = []
    for label, folder in enumerate(folders):
        for number, path in enumerate(pictures_in(folder)):
            item = Item(f"{folder.name}/{path.name}", path, label)
            (items if not queries or number < queries else references).append(item)
    return Dataset(name, items, references, [folder.name for folder in folders])


def open_list(name: str, root: Path, *, labels: str, queries: int = 0) -> Dataset:
    """Pictures that a text file lists, each with its class or identity.

    Args:
        name: of the data set.
        root: folder that paths in the list start from.
        labels: the list, from the root: lines `path class`, as ImageNet's val.txt; or CSV with a header and columns
            `file` and `index` or `label`.
        queries: for retrieval, the first so many of each class are queries, the others references.

    Raises:
        DatasetError: there is no such list, or a line of it is none.
    """
    items: list[Item] = []
    references: list[Item] = []
    seen: dict[int, int] = {}
    for where, path, value in entries(existing(root) / labels):
        label = label_of(where, value)
        item = Item(path, root / path, label)
        seen[label] = seen.get(label, 0) + 1
        (items if not queries or seen[label] <= queries else references).append(item)
    return Dataset(name, items, references)


def open_vehicle_id(name: str, root: Path, *, size: int = 800) -> Dataset:
    """PKU VehicleID: train_test_split/test_list_<size>.txt over image/.

    One picture of each vehicle, the first that is listed, is its query; all others are references. With the 800
    vehicles of the small test set these are the 800 queries and 5,693 references of MM'19, which does not say which.

    Raises:
        DatasetError: the list is missing, or a line of it is none.
    """
    found = open_list(name, root, labels=f"train_test_split/test_list_{size}.txt", queries=1)
    place = [
        [Item(item.id, root / "image" / f"{item.id}.jpg", item.label) for item in items]
        for items in (found.items, found.references)
    ]
    return Dataset(name, place[0], place[1])


def open_msmt17(name: str, root: Path) -> Dataset:
    """MSMT17: list_query.txt and list_gallery.txt over test/ (mask_test_v2/ in version 2, with faces made unclear).

    The camera is the third field of a file's name.

    Raises:
        DatasetError: a list is missing, or a line of it is none.
    """
    sides = []
    pictures = next((folder for folder in ("test", "mask_test_v2") if (existing(root) / folder).is_dir()), "test")
    for which in ("query", "gallery"):
        items = []
        for where, path, value in entries(root / f"list_{which}.txt"):
            fields = Path(path).name.split("_")
            if len(fields) < 3 or not fields[2].isdigit():
                raise DatasetError(f"{where}: {path}: no camera in its name")
            items.append(Item(path, root / pictures / path, label_of(where, value), int(fields[2])))
        sides.append(items)
    return Dataset(name, sides[0], sides[1])


def pictures_in(folder: Path) -> list[Path]:
    """Picture files in a folder, by name; digits in names count as numbers, so that 10 comes after 9."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda path: _in_order(path.name))


def existing(path: Path) -> Path:
    """A folder that is there.

    Raises:
        DatasetError: it is not.
    """
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder")
    return path


def read_text(path: Path) -> str:
    """A text file.

    Raises:
        DatasetError: it is missing, or no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: {error}") from error
    if "\0" in text:
        raise DatasetError(f"{path}: no text: it has bytes of 0")
    return text


def entries(path: Path) -> Iterator[tuple[str, str, str]]:
    """Place in the file, picture, and class of each line of a list, as text.

    Raises:
        DatasetError: there is no such list, or a line of it is none.
    """
    text = read_text(path)
    rows: Sequence[Sequence[str | None]]
    if path.suffix.lower() == ".csv":
        table = list(csv.DictReader(io.StringIO(text)))
        columns = [next((key for key in keys if table and key in table[0]), "") for keys in (FILES, CLASSES)]
        if not all(columns):
            raise DatasetError(f"{path}: columns {' or '.join(FILES)}, and {' or '.join(CLASSES)}, are needed")
        first, rows = 2, [(row[columns[0]], row[columns[1]]) for row in table]
    else:
        first, rows = 1, [line.rsplit(maxsplit=1) for line in text.splitlines()]
    for number, row in enumerate(rows, first):
        if not row:
            continue
        if len(row) != 2 or not row[0] or not row[1]:
            told = " ".join(str(cell) for cell in row if cell)
            raise DatasetError(f"{path}:{number}: a picture and its class, not {told!r}")
        yield f"{path}:{number}", row[0], row[1]


def label_of(where: str, value: str) -> int:
    """A class or an identity as a number.

    Raises:
        DatasetError: it is none.
    """
    try:
        return int(value)
    except ValueError as error:
        raise DatasetError(f"{where}: a picture and its class, not {value!r}") from error


def class_folders(root: Path) -> list[Path]:
    """Folders in a folder, in order, all of them with pictures; hidden ones do not count.

    Raises:
        DatasetError: there is no such folder, or one within has no pictures while others have: whether it is a class
            decides on the numbers of all that come after it.
    """
    folders = sorted(path for path in existing(root).iterdir() if path.is_dir() and path.name[0] != ".")
    empty = [folder for folder in folders if not pictures_in(folder)]
    if empty and len(empty) < len(folders):
        raise DatasetError(f"{empty[0]}: no pictures, in a folder beside those of classes")
    return [] if empty else folders


def _in_order(name: str) -> list[tuple[int, int, str]]:
    parts, digits = [], ""
    for character in name + "\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), digits))
            digits = ""
        parts.append((1, 0, character))
    return parts
