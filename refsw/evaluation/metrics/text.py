"""Informative: recognised text: edit distance, character accuracy, word accuracy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from refsw.evaluation.errors import EvaluationError

Text = Sequence[Hashable]


def edit_distance(first: Text, second: Text) -> int:
    """Levenshtein (1966): the least number of insertions, deletions and substitutions from one to the other."""
    row = np.arange(len(second) + 1)
    for number, symbol in enumerate(first, 1):
        changed = np.minimum(row[:-1] + [symbol != other for other in second], row[1:] + 1)
        row = np.concatenate([[number], changed])
        # An insertion costs one more than the place before it, which is known only now.
        steps = np.arange(len(row))
        row = np.minimum.accumulate(row - steps) + steps
    return int(row[-1])


def character_accuracy(truths: Sequence[Text], found: Sequence[Text]) -> float:
    """1 - edit distances / characters of the truths, over all of them; 0 at least.

    Raises:
        EvaluationError: none, or not as many of one as of the other, or no characters.
    """
    _check(truths, found)
    length = sum(map(len, truths))
    if not length:
        raise EvaluationError("no characters")
    errors = sum(edit_distance(truth, text) for truth, text in zip(truths, found, strict=True))
    return max(0.0, 1 - errors / length)


def similarity(truths: Sequence[Text], found: Sequence[Text]) -> float:
    """Mean over texts of 1 - edit distance / length of the longer one; 1 of two that are empty."""
    _check(truths, found)
    each = [
        1 - edit_distance(truth, text) / max(len(truth), len(text), 1)
        for truth, text in zip(truths, found, strict=True)
    ]
    return float(np.mean(each))


def word_accuracy(truths: Sequence[str], found: Sequence[str]) -> float:
    """Share of the words of the truths, parted by spaces, that are found in their order (longest common sequence).

    Raises:
        EvaluationError: none, or not as many of one as of the other, or no words.
    """
    _check(truths, found)
    pairs = [(truth.split(), text.split()) for truth, text in zip(truths, found, strict=True)]
    count = sum(len(words) for words, _ in pairs)
    if not count:
        raise EvaluationError("no words")
    return sum(_common(*pair) for pair in pairs) / count


def _common(first: Text, second: Text) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for symbol in first:
        before = row
        row = [0]
        for number, other in enumerate(second):
            row.append(before[number] + 1 if symbol == other else max(before[number + 1], row[number]))
    return row[-1]


def _check(truths: Sequence[object], found: Sequence[object]) -> None:
    if len(truths) != len(found) or not truths:
        raise EvaluationError(f"{len(truths)} texts and {len(found)}: as many, not none")
