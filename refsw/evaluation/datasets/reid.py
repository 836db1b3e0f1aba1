"""Informative: Market-1501, DukeMTMC-reID and CUHK03 as the first two are laid out.

Folders query/ and bounding_box_test/; identity and camera stand in the files' names: 0002_c1s1_000451_03.jpg,
0005_c2_f0046985.jpg, 0003_c1_21.png. CUHK03 in this layout is that of its new protocol (Zhong et al., CVPR 2017).
"""

from __future__ import annotations

import re
from pathlib import Path

from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.datasets.files import existing, left_out, pictures_in
from refsw.evaluation.errors import DatasetError

NAME = re.compile(r"(-?\d+)_c(\d+)")
JUNK = -1
"""Identity of boxes that show no person well: they count neither as right nor as wrong, and are left out."""


def open_market(name: str, root: Path) -> Dataset:
    """Queries and references; identity 0, a distractor, stays among the references.

    Raises:
        DatasetError: a folder is missing, or a name has no identity.
    """
    sides, taken = [], []
    for folder in ("query", "bounding_box_test"):
        items = []
        for path in pictures_in(existing(root / folder)):
            found = NAME.match(path.name)
            if found is None:
                raise DatasetError(f"{path}: no identity and camera in its name")
            if int(found[1]) != JUNK:
                taken.append(path)
                items.append(Item(f"{folder}/{path.name}", path, int(found[1]), int(found[2])))
        sides.append(items)
    notes = left_out([root / "query", root / "bounding_box_test"], taken)
    return Dataset(name, sides[0], sides[1], notes=notes)
