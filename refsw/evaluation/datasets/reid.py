"""Informative: Market-1501, DukeMTMC-reID and CUHK03 as the first two are laid out.

Folders query/, bounding_box_test/ and, to learn from, bounding_box_train/; identity and camera stand in the files'
names: 0002_c1s1_000451_03.jpg, 0005_c2_f0046985.jpg, 0003_c1_21.png. CUHK03 in this layout is that of its new protocol
(Zhong et al., CVPR 2017).
"""

from __future__ import annotations

import re
from pathlib import Path

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.datasets.files import existing, left_out, pictures_in
from refsw.evaluation.errors import DatasetError

NAME = re.compile(r"(-?\d+)_c(\d+)")
JUNK = -1
"""Identity of boxes that show no person well: they count neither as right nor as wrong, and are left out."""


FOLDERS = {"test": ("query", "bounding_box_test"), "train": ("bounding_box_train",)}


def open_market(name: str, root: Path, *, split: str = "test") -> Dataset:
    """Queries and references; identity 0, a distractor, stays among the references.

    Args:
        name: of the data set.
        root: its folder.
        split: `train` for the pictures to learn from, which are items without references.

    Raises:
        DatasetError: a folder is missing, or a name has no identity.
        UsageError: no such split.
    """
    if split not in FOLDERS:
        raise UsageError(f"data set {name}: split {split}: one of {', '.join(FOLDERS)}")
    folders = FOLDERS[split]
    sides, taken = [], []
    for folder in folders:
        items = []
        for path in pictures_in(existing(root / folder)):
            found = NAME.match(path.name)
            if found is None:
                raise DatasetError(f"{path}: no identity and camera in its name")
            if int(found[1]) != JUNK:
                taken.append(path)
                items.append(Item(f"{folder}/{path.name}", path, int(found[1]), int(found[2])))
        sides.append(items)
    notes = left_out([root / folder for folder in folders], taken)
    return Dataset(name, sides[0], sides[1] if len(sides) > 1 else (), notes=notes)
