"""11.4 What symbols of lanes ask for: work, in units of about a byte written (docs/cost.md)."""

from __future__ import annotations

from refsw.entropy.rans import FEW_LANES

STEP, SYMBOL_OF_FEW = 15_000, 700


def symbol_work(count: int, lanes: int) -> int:
    """Lanes are decoded at once, a step after the other; few of them symbol by symbol."""
    return count * SYMBOL_OF_FEW if lanes <= FEW_LANES else -(-count // lanes) * STEP
