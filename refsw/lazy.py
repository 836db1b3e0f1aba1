"""Informative: properties that are computed once, without a lock.

Those of functools share a lock among all objects up to Python 3.11: threads wait for each other, and a process that is
forked meanwhile waits for ever. Here, threads that ask at once may each compute the same value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class lazy(Generic[_T]):  # noqa: N801 - it is used like property
    """A property of an object with a dictionary, which keeps the value."""

    def __init__(self, compute: Callable[[Any], _T]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, owner: Any, kind: type | None = None) -> _T:
        value: _T = self.compute(owner)
        owner.__dict__[self.compute.__name__] = value
        return value
