"""Informative: which class has which number: found from an order of names, or said by the conditions.

A network and a data set have to mean the same by a number. Where the conditions say it, `classes` is one of these:

    [cat, dog]                 the names in the order of their numbers, from 0
    {cat: 281, dog: 207}       the number of each name
    {0: cat, 1: dog}           the name of each number, as YOLO's data.yaml has it
    classes.txt                a file with a name a line, in the order of their numbers
    data.yaml                  a file with the entry `names`: one of the first three
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.datasets.files import is_number, read_text, told
from refsw.evaluation.documents import read_yaml
from refsw.evaluation.errors import DatasetError

TEXT_ORDER = "classes have the numbers of their folders in natural order ({0} is {1}, {2} is {3}), not in that of text"

Choice = str | Sequence[str] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Classes:
    """Numbers of classes by their names; `where` they come from, for messages."""

    numbers: Mapping[str, int]
    where: str

    @property
    def names(self) -> list[str]:
        """Names by number, empty where a number has none."""
        found = [""] * (1 + max(self.numbers.values(), default=-1))
        for name, number in self.numbers.items():
            found[number] = name
        return found

    def number_of(self, name: str, place: object) -> int:
        """The number of a name, or of a number that one of the names has.

        Raises:
            DatasetError: there is none; `place` says where the name stands.
        """
        if name in self.numbers:
            return self.numbers[name]
        if is_number(name) and int(name) in self.numbers.values():
            return int(name)
        raise DatasetError(f"{place}: {name} is none of the classes of {self.where}: {told(list(self.numbers))}")


def given_classes(choice: Choice, root: Path) -> Classes:
    """The classes that conditions say.

    Args:
        choice: see above.
        root: that the name of a file starts from.

    Raises:
        DatasetError: the file is missing or damaged.
        UsageError: a name or a number that is there twice, or is none.
    """
    if not isinstance(choice, str):
        return Classes(_numbers(choice, "classes"), "the conditions")
    path = root / choice
    text = read_text(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        return Classes(_numbers([line.strip() for line in text.splitlines() if line.strip()], str(path)), str(path))
    content = read_yaml(text, str(path))
    names = content.get("names") if isinstance(content, Mapping) else None
    if not isinstance(names, list | Mapping):
        raise DatasetError(f"{path}: no entry names with the names of classes")
    return Classes(_numbers(names, str(path)), str(path))


def _numbers(names: Sequence[Any] | Mapping[Any, Any], where: str) -> dict[str, int]:
    pairs: list[tuple[str, Any]] = _counted(names)
    if isinstance(names, Mapping):
        pairs = [(str(key), value) for key, value in names.items()]
    if all(is_number(key) and isinstance(value, str) for key, value in pairs):
        pairs = [(value, int(key)) for key, value in pairs]
    numbers: dict[str, int] = {}
    for name, number in pairs:
        if not name or type(number) is not int or not 0 <= number < 1 << 31:
            raise UsageError(f"{where}: {name!r}: {number!r}: a class is a name with a number from 0")
        if name in numbers or number in numbers.values():
            raise UsageError(f"{where}: {name if name in numbers else f'number {number}'} is there twice")
        numbers[name] = number
    if not numbers:
        raise UsageError(f"{where}: no classes")
    return numbers


def _counted(names: Iterable[Any]) -> list[tuple[str, Any]]:
    return [(str(name), number) for number, name in enumerate(names)]


def other_order(names: Sequence[str], option: str) -> list[str]:
    """A note where text, as many programs sort it, has another order; `option` is where to say the right one."""
    other = next((i for i, (name, text) in enumerate(zip(names, sorted(names), strict=True)) if name != text), None)
    if other is None:
        return []
    note = TEXT_ORDER.format(names[other], other, sorted(names)[other], names.index(sorted(names)[other]))
    return [f"{note}; if those of the network are others, say them with {option}"]
