"""Informative: what the plots, charts and pages of a report have in common.

Colours are those of Okabe and Ito, which people with colour-blindness tell apart; every layer has a marker of its
own besides.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

from refsw.evaluation.extras import optional

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT = "#333333", "#DDDDDD"


def as_bytes(figure: Any, kind: str) -> bytes:
    """A figure as `png` or `svg`; the same figure gives the same bytes."""
    matplotlib = optional("matplotlib")
    out = io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "refsw"}):
        # A name in a script that the font lacks is drawn as boxes; tables and page have it whole.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return out.getvalue()
