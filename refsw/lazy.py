"""Informative: what is done at its first use, in such a way that a process may be forked meanwhile.

A forked process has one thread; a lock that another one held at that moment is never released there.

Properties of functools share a lock among all objects up to Python 3.11. Those here have none: threads that ask at once
may each compute the same value. Imports cannot do without locks, which Python has for every module. So libraries are
imported within `importing`, which os.fork takes as well: it waits for the import to end.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - see below
import logging  # noqa: F401
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")

importing = threading.RLock()
"""Held while a library, or a part of this package, is imported where it is used."""

# The two modules above take locks at a fork as well. Were they imported while a fork waits, they would release what
# they have not taken; and what registers later takes its locks first, here those that an import may need.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=importing.acquire, after_in_parent=importing.release, after_in_child=importing.release)


class lazy(Generic[_T]):  # noqa: N801 - it is used like property
    """A property of an object with a dictionary, which keeps the value."""

    def __init__(self, compute: Callable[[Any], _T]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, owner: Any, kind: type | None = None) -> _T:
        value: _T = self.compute(owner)
        owner.__dict__[self.compute.__name__] = value
        return value
