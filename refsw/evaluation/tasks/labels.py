"""Informative: which class of a data set a number is that a detector gives.

The option `labels` of the task says it:

    order                        the place of the class, counted from `first_class`; numbers before it are background
    ids                          the number that the data set itself has for it: ids of COCO's categories
    {1: person, 44: bottle}      the name (or the number) of the class in the data set; null for what is to be left out

A number that is no class is refused, unless the option `unknown` is `ignore`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset
from refsw.evaluation.datasets.files import is_number, told
from refsw.evaluation.errors import EvaluationError
from refsw.tensor.axes import Array

ORDER, IDS = "order", "ids"
REFUSE, IGNORE = "refuse", "ignore"
NONE = -1


class Labels:
    """Numbers of a network as classes of a data set.

    Args:
        dataset: whose classes they are.
        choice: see above; None where the conditions do not say it.
        first_class: for ORDER.
        unknown: REFUSE or IGNORE.
        is_counted: the number of the network's classes is held against that of the data set anyway.

    Raises:
        UsageError: no such choice; a map to classes that the data set does not have; or it has to be said which one,
            since ids of the data set are others than places in their order.
    """

    def __init__(self, dataset: Dataset, choice: Any, first_class: int, unknown: str, *, is_counted: bool) -> None:
        if unknown not in (REFUSE, IGNORE):
            raise UsageError(f"detection: unknown {unknown!r}: {REFUSE} or {IGNORE}")
        if type(first_class) is not int or not 0 <= first_class < 1 << 31:
            raise UsageError(f"detection: first_class {first_class!r}: a number from 0")
        if choice not in (None, ORDER) and first_class:
            raise UsageError(f"detection: first_class goes with labels: {ORDER}")
        self._name, self._unknown, self._first = dataset.name, unknown, first_class
        self._count = len(dataset.classes) or None
        self.choice: Any = ORDER if choice is None else choice
        self._table: dict[int, int] | None = None
        if isinstance(choice, Mapping):
            self._table = _mapped(dataset, choice)
        elif choice == IDS:
            if not dataset.ids:
                raise UsageError(f"detection: labels: {IDS}: {dataset.name} has no ids of its classes")
            self._table = dict(dataset.ids)
        elif choice not in (None, ORDER):
            raise UsageError(f"detection: labels {choice!r}: {ORDER}, {IDS}, or a mapping of numbers to classes")
        elif choice is None and not is_counted and any(key != first_class + n for key, n in dataset.ids.items()):
            key, place = next((k, first_class + n) for k, n in dataset.ids.items() if k != first_class + n)
            raise UsageError(
                f"detection: the network's number of category {key} of {dataset.name} may be its id or its place "
                f"({place}): say labels: {IDS} or labels: {ORDER}"
            )

    def as_dict(self) -> dict[str, int]:
        """Class of each number that stands for one, as far as that is a list."""
        if self._table is not None:
            return {str(number): label for number, label in self._table.items()}
        return {str(self._first + label): label for label in range(self._count or 0)}

    def classes(self, numbers: Array, where: str) -> Array:
        """Classes of numbers, int64 (objects,); `NONE` for what is left out.

        Raises:
            EvaluationError: the first number that is no class; `where` says whose.
        """
        found = np.full(len(numbers), NONE, np.int64)
        for i, number in enumerate(numbers.astype(np.int64).tolist()):
            label = self._of(number)
            if label is None and self._unknown == REFUSE:
                known = list(self.as_dict())
                raise EvaluationError(
                    f"{where}: the network gives label {number}, which is no class of {self._name} (labels "
                    f"{told(known)}): say with labels which class it is, or unknown: {IGNORE}"
                )
            found[i] = NONE if label is None else label
        return found

    def _of(self, number: int) -> int | None:
        if self._table is not None:
            return self._table.get(number)
        label = number - self._first
        if label < 0:
            return NONE if number >= 0 else None
        return label if self._count is None or label < self._count else None


def _mapped(dataset: Dataset, choice: Mapping[Any, Any]) -> dict[int, int]:
    names = {name: number for number, name in enumerate(dataset.classes) if name}
    found = {}
    for key, value in choice.items():
        if not is_number(str(key)):
            raise UsageError(f"detection: labels: {key!r}: a number that the network gives")
        is_class = type(value) is int and 0 <= value < (len(names) or value + 1)
        if value is not None and not is_class and not (isinstance(value, str) and value in names):
            raise UsageError(f"detection: labels: {key}: {value!r} is no class of {dataset.name}: {told(list(names))}")
        found[int(key)] = NONE if value is None else names.get(value, value)
    return found
