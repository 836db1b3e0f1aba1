"""The worked example of Annex A.2: a model update decoded step by step, as tables for the text.

Everything is computed here from the elements of the unit, in the words and the order of chapter 10, and not by
`refsw.models`; `tests/test_spec.py` compares the outcome with that of the reference decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refsw.inspection import inspect
from refsw.syntax.structure import TraceRow

FILE = Path(__file__).resolve().parent.parent / "spec" / "annex-a-update.hex"
BASE: dict[str, Any] = {
    "bias": np.array([0.5, -0.25], np.float32),
    "steps": np.array(900, np.int64),
    "weight": (np.arange(16) / 8 - 1).astype(np.float32).reshape(4, 4),
}
TOTAL, LOWEST = 1 << 14, 1 << 16


@dataclass(frozen=True, slots=True)
class Step:
    """10.6.5 One symbol: state of its lane before, slot, symbol, frequency, start, state after, the word it took."""

    lane: int
    before: int
    slot: int
    symbol: int
    frequency: int
    start: int
    after: int
    word: int | None


def rows() -> list[TraceRow]:
    """The trace of the example."""
    return inspect(bytes.fromhex(FILE.read_text()), trace=True).rows


def element(name: str) -> Any:
    """The value of an element of the model_data unit, or of the model_header."""
    return next(row.value for row in rows() if row.element == name)


def frequencies() -> list[int]:
    """10.6.2 The only table."""
    precision, first = element("frequency_precision"), element("first_symbol[0]")
    found = [0] * element("symbol_end[0]")
    rest = first + element("rest_symbol[0]")
    classes = {row.element: row.value for row in rows() if row.element.startswith("frequency_")}
    for s in range(first, len(found)):
        c = classes.get(f"frequency_class[0][{s - first}]", 0)
        if c:
            n = min(c - 1, precision)
            found[s] = (2**n + classes[f"frequency_bits[0][{s - first}]"]) << (c - 1 - n)
    found[rest] = TOTAL - sum(found)
    return found


def steps() -> list[Step]:
    """10.6.5 All symbols of the unit; the states end where they have to."""
    table, payload, lanes = frequencies(), element("model_payload"), 1 << element("lanes_log2")
    states = [int.from_bytes(payload[4 * lane : 4 * lane + 4], "big") for lane in range(lanes)]
    words = [payload[place : place + 2] for place in range(4 * lanes, 4 * lanes + 2 * element("word_count"), 2)]
    waiting, found = [int.from_bytes(word, "big") for word in words], []
    for i in range(sum(array.size for name, array in BASE.items() if name != "bias")):
        lane = i % lanes
        before = states[lane]
        slot, s = before % TOTAL, 0
        start = 0
        while slot >= start + table[s]:
            start += table[s]
            s += 1
        after, word = table[s] * (before // TOTAL) + slot - start, None
        if after < LOWEST:
            word = waiting.pop(0)
            after = after * 2**16 + word
        states[lane] = after
        found.append(Step(lane, before, slot, s, table[s], start, after, word))
    assert (states, waiting) == ([LOWEST] * lanes, [])
    return found


def values() -> list[tuple[int, str]]:
    """10.6.1 The values of the symbols, with the raw bits that they took."""
    used = 4 * (1 << element("lanes_log2")) + 2 * element("word_count")
    bits, found = "".join(f"{byte:08b}" for byte in element("model_payload")[used:]), []
    for step in steps():
        c, raw = (step.symbol + 1) // 2, ""
        magnitude = c
        if c >= 16:
            o, k = divmod(c - 16, 4)
            raw, bits = bits[: o + 2], bits[o + 2 :]
            magnitude = (4 + k) * 2 ** (o + 2) + int(raw, 2)
        found.append((-magnitude if step.symbol % 2 else magnitude, raw))
    assert "1" not in bits
    assert len(bits) < 8
    return found


def result() -> dict[str, Any]:
    """10.4 The tensors of the result."""
    first, *rest = (value for value, _ in values())
    weight = BASE["weight"].astype(np.float64).reshape(-1) + np.array(rest, np.float64) / 10.0 ** element("step_digits")
    return {
        "bias": BASE["bias"],
        "steps": BASE["steps"] + first,
        "weight": weight.astype(np.float32).reshape(BASE["weight"].shape),
    }


def frequency_table() -> str:
    """The frequencies and starts of the symbols that occur."""
    lines, start = ["| Symbol | Frequency | Start |", "|---|---|---|"], 0
    for s, f in enumerate(frequencies()):
        if f:
            lines.append(f"| {s} | {f} | {start} |")
        start += f
    return "\n".join(lines) + "\n"


def state_table() -> str:
    """Every state, symbol and value of the unit."""
    names = ["steps", *[f"weight[ {y} ][ {x} ]" for y in range(4) for x in range(4)]]
    lines = ["| i | Lane | X before | Slot | Symbol | X after | Word | Raw bits | v | Element |", "|" + "---|" * 10]
    for i, (step, (value, raw), name) in enumerate(zip(steps(), values(), names, strict=True)):
        word = "" if step.word is None else str(step.word)
        lines.append(f"| {i} | {step.lane} | {step.before} | {step.slot} | {step.symbol} | {step.after} | {word} | "
                     f"{raw} | {value} | {name} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def model_table() -> str:
    """The base and the result, element by element."""
    after = result()
    lines = ["| Tensor | Base | Result |", "|---|---|---|"]
    for name, before in BASE.items():
        for index in np.ndindex(before.shape[:-1] if before.ndim else ()):
            label = name + "".join(f"[ {i} ]" for i in index)
            lines.append(f"| {label} | {_numbers(before[index])} | {_numbers(after[name][index])} |")
    return "\n".join(lines) + "\n"


def _numbers(array: Any) -> str:
    return ", ".join(str(x) for x in np.asarray(array).reshape(-1))


def parts() -> Iterator[tuple[str, str]]:
    """The rendered parts by name."""
    yield "update frequencies", frequency_table()
    yield "update states", state_table()
    yield "update models", model_table()
