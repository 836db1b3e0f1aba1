"""Informative: loops over single numbers, which numba makes fast where it is installed (extra `speed`).

What such a loop gives, numpy gives without it, bit for bit. `REFSW_COMPILED=0` in the environment leaves numba out;
1 insists on it. The machine code is kept where numba keeps it: beside the module, or in the cache of the user where
the module cannot be written beside; where neither can be, every process makes it anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.lazy import importing

SWITCH = "REFSW_COMPILED"
Loop = Callable[..., Any]


def compiled(loop: Loop) -> Loop | None:
    """A loop as machine code; None where numba is not wanted or not installed.

    Args:
        loop: a function marked with `machine_code`.

    Raises:
        UsageError: numba is insisted on and not installed, or the switch is neither 0 nor 1.
    """
    wanted = os.environ.get(SWITCH, "")
    if wanted not in ("", "0", "1"):
        raise UsageError(f"{SWITCH}={wanted}: 0 leaves numba out, 1 insists on it")
    if wanted == "0" or (not wanted and not _installed()):
        return None
    return _machine_code(loop)


def machine_code(signature: str) -> Callable[[Loop], Loop]:
    """Mark a loop with the types that it takes and gives, as numba writes them."""

    def marked(loop: Loop) -> Loop:
        loop.__dict__["signature"] = signature
        return loop

    return marked


@cache
def _installed() -> bool:
    try:
        optional("numba")
    except UsageError:
        return False
    return True


@cache
def _machine_code(loop: Loop) -> Loop:
    numba = optional("numba")
    with importing:  # it is compiled here, so that no fork leaves numba's locks behind
        signature = loop.__dict__["signature"]
        try:
            made: Loop = numba.njit(signature, cache=True, nogil=True)(loop)
        except RuntimeError:  # there is no folder for its cache
            made = numba.njit(signature, nogil=True)(loop)
    return made
