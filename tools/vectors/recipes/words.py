"""Words that recipes share."""

from __future__ import annotations

from typing import Any

from vectors.tensors import Unit, fps

LARGEST = 3.4028234663852886e38
TINY = 1.401298464324817e-45
NAN, INFINITY, MINUS_INFINITY, MINUS_ZERO = "0x7fc00000", "0x7f800000", "0xff800000", "0x80000000"
OVERLONG = "0b" + "0" * 32 + "1" + "0" * 32


def data(**words: Any) -> Unit:
    """A feature data unit of a recipe."""
    return {"unit": "data"} | words


def digest(**words: Any) -> Unit:
    """A digest unit of a recipe: of all samples since the last one, unless told otherwise."""
    return {"unit": "digest"} | words


def metadata(*entries: list[str], **words: Any) -> Unit:
    """A metadata unit of a recipe."""
    return {"unit": "metadata", "entries": list(entries)} | words


def other(kind: int, body: Any = "", *, skippable: int = 1, **words: Any) -> Unit:
    """A unit of any type."""
    return {"unit": "other", "type": kind, "body": body, "skippable": skippable} | words


__all__ = ["LARGEST", "TINY", "data", "digest", "fps", "metadata", "other"]
