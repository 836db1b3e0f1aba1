"""Informative: what the layouts of data sets share: pictures in folders, lists of them, and the order of names."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from refsw.evaluation.errors import DatasetError

FILES, CLASSES = ("file", "ImageId"), ("index", "label", "synset", "PredictionString")
"""Names of the columns of lists."""
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
SHOWN = 5


def pictures_in(folder: Path) -> list[Path]:
    """Picture files in a folder, by name; digits in names count as numbers, so that 10 comes after 9."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(found, key=lambda path: in_order(path.name))


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
        if path.exists() and not path.is_file():
            raise DatasetError(f"{path}: no plain file")  # a pipe would never end
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
    if not is_number(value):
        raise DatasetError(f"{where}: a picture and its class, not {value!r}: a number from 0")
    return int(value)


def class_folders(root: Path) -> list[Path]:
    """Folders in a folder, in natural order, all of them with pictures; hidden ones do not count.

    Raises:
        DatasetError: there is no such folder, or one within has no pictures while others have: whether it is a class
            decides on the numbers of all that come after it.
    """
    found = (path for path in existing(root).iterdir() if path.is_dir() and path.name[0] != ".")
    folders = sorted(found, key=lambda path: in_order(path.name))
    empty = [folder for folder in folders if not pictures_in(folder)]
    if empty and len(empty) < len(folders):
        raise DatasetError(f"{empty[0]}: no pictures, in a folder beside those of classes")
    return [] if empty else folders


def in_order(name: str) -> list[tuple[int, int, str]]:
    """What names are sorted by: digits in them count as numbers, so that 10 comes after 9."""
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


def is_number(text: str) -> bool:
    """Whether a text is a whole number from 0, in plain digits."""
    return text.isascii() and text.isdigit() and len(text) < 19


def left_out(roots: Iterable[Path], taken: Iterable[Path]) -> list[str]:
    """A note on the files in folders that a data set does not take, hidden ones aside; none if it takes all.

    Args:
        roots: the folders.
        taken: files that count, as pictures or as lists of them.
    """
    known, found = set(taken), []
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name[0] != "."]
            paths = (Path(folder, name) for name in files if name[0] != ".")
            found += [path.relative_to(root).as_posix() for path in paths if path not in known]
    if not found:
        return []
    names = told(sorted(found, key=in_order))
    are = "file is" if len(found) == 1 else "files are"
    return [f"{len(found)} {are} left out, by suffix or by place: {names}"]


def told(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
