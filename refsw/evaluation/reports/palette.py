"""Informative: what the plots, charts and pages of a report have in common.

Colours are those of Okabe and Ito, which people with colour-blindness tell apart; every layer has a marker of its
own besides.
"""

from __future__ import annotations

import io
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT = "#333333", "#DDDDDD"


def as_bytes(figure: Any, kind: str) -> bytes:
    """A figure as `png` or `svg`; in the process of `drawing`, the same figure gives the same bytes."""
    out = io.BytesIO()
    figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return out.getvalue()
