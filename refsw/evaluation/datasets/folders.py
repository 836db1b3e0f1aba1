"""Informative: pictures in folders or in lists: ImageNet, VehicleID, MSMT17 and data of one's own."""

from __future__ import annotations

from pathlib import Path

from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.datasets.classes import Choice, given_classes, other_order
from refsw.evaluation.datasets.files import class_folders, entries, existing, label_of, left_out, pictures_in
from refsw.evaluation.errors import DatasetError


def open_folder(name: str, root: Path, *, queries: int = 0, classes: Choice = "") -> Dataset:
    """A folder for each class or identity, as ImageNet's training pictures lie.

    A class is its place in the natural order of their names, in which 10 comes after 2, unless `classes` says it.
    Pictures that lie in the root itself, without such folders, have no label.

    Args:
        name: of the data set.
        root: the folder.
        queries: for retrieval, the first so many pictures of each folder are queries, the others references.
        classes: see `refsw.evaluation.datasets.classes`.

    Raises:
        DatasetError: there is no such folder, or no picture in it or in a folder within, or one is no class of
            `classes`.
    """
    folders = class_folders(root)
    if not folders:
        if queries:
            raise DatasetError(f"{root}: no folder for each identity, of which queries could be the first pictures")
        pictures = pictures_in(root)
        return Dataset(name, [Item(path.name, path) for path in pictures], notes=left_out([root], pictures))
    given = given_classes(classes, root) if classes else None
    items: list[Item] = []
    references: list[Item] = []
    for place, folder in enumerate(folders):
        label = place if given is None else given.number_of(folder.name, folder)
        for number, path in enumerate(pictures_in(folder)):
            item = Item(f"{folder.name}/{path.name}", path, label)
            (items if not queries or number < queries else references).append(item)
    notes = left_out([root], [item.path for item in (*items, *references)])
    names = [folder.name for folder in folders]
    if given is None:
        return Dataset(name, items, references, names, notes=[*notes, *other_order(names, "classes")])
    return Dataset(name, items, references, given.names, notes=notes, is_numbered=True)


def open_list(name: str, root: Path, *, labels: str, queries: int = 0, classes: Choice = "") -> Dataset:
    """Pictures that a text file lists, each with its class or identity.

    Args:
        name: of the data set.
        root: folder that paths in the list start from.
        labels: the list, from the root: lines `path class`, as ImageNet's val.txt; or CSV with a header and columns
            `file` and `index` or `label`.
        queries: for retrieval, the first so many of each class are queries, the others references.
        classes: see `refsw.evaluation.datasets.classes`; the list may have names then.

    Raises:
        DatasetError: there is no such list, or a line of it is none, or it has a class that is none of `classes`.
    """
    items: list[Item] = []
    references: list[Item] = []
    seen: dict[int, int] = {}
    listed = existing(root) / labels
    given = given_classes(classes, root) if classes else None
    for where, path, value in entries(listed):
        label = label_of(where, value) if given is None else given.number_of(value, where)
        item = Item(path, root / path, label)
        seen[label] = seen.get(label, 0) + 1
        (items if not queries or seen[label] <= queries else references).append(item)
    return Dataset(name, items, references, given.names if given else (), is_numbered=given is not None)


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
