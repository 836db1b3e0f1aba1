"""Informative: recognition of text: pictures of lines, and a network that gives scores of characters along them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.datasets.files import read_text
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.metrics.text import character_accuracy, similarity, word_accuracy
from refsw.evaluation.networks.base import Network
from refsw.evaluation.pictures import Geometry, Preprocessing
from refsw.evaluation.tasks.base import Task, known_options, paired
from refsw.tensor.axes import Array

MODEL = "model"
KEY = "character"
"""Entry of the metadata of an ONNX model with its characters, a line each, as the models of PP-OCR have it."""
BLANK = 0


class TextRecognition(Task):
    """The output of a picture is the numbers of its characters, int32 (characters,): 1 is the first of the alphabet.

    The network gives scores (places, 1 + characters), the blank of connectionist temporal classification first; the
    best of each place count, without repetitions and blanks (A. Graves et al., ICML 2006, section 3.2.1).

    Options: `alphabet` (model: what the metadata of the ONNX model say; or a file with a character a line), `space`
    (whether a space follows after those, true).

    Raises:
        UsageError: an option does not exist, or the model names no characters.
    """

    def __init__(
        self, dataset: Dataset, network: Network, preprocessing: Preprocessing, options: Mapping[str, Any]
    ) -> None:
        super().__init__(dataset, network, preprocessing)
        self._chosen = known_options(options, {"alphabet": MODEL, "space": True}, "text")
        told = self._chosen["alphabet"]
        if told == MODEL:
            text = getattr(network, "metadata", {}).get(KEY)
            if not text:
                raise UsageError(f"text: the model has no entry {KEY} in its metadata: alphabet: FILE")
        else:
            text = read_text(Path(told))
        self._alphabet = [line.rstrip("\r") for line in text.split("\n")]
        if not self._alphabet[-1]:
            self._alphabet.pop()
        self._alphabet += [" "] if self._chosen["space"] else []

    @property
    def options(self) -> dict[str, Any]:
        """Nothing: characters are numbers until they are scored."""
        return {}

    def annotations(self) -> str:
        """As all tasks; scores depend on the alphabet as well."""
        told = "\n".join([super().annotations(), *self._alphabet])
        return hashlib.sha256(told.encode()).hexdigest()

    def interpret(self, item: Item, output: Array, geometry: Geometry) -> Array:
        """The numbers of the characters along the line.

        Raises:
            EvaluationError: an output of another shape, or NaN.
        """
        if output.ndim != 2 or output.shape[1] != 1 + len(self._alphabet) or np.isnan(output).any():
            told = f"(places, {1 + len(self._alphabet)}), no NaN: the alphabet has {len(self._alphabet)} characters"
            raise EvaluationError(f"{item.id}: scores of shape {output.shape}: {told}")
        best = output.argmax(axis=1)
        changed = np.concatenate([[True], best[1:] != best[:-1]])
        numbers: Array = best[changed & (best != BLANK)].astype(np.int32)
        return numbers

    def text(self, numbers: Sequence[int]) -> str:
        """Numbers of characters as text, without spaces at its ends."""
        return "".join(self._alphabet[number - 1] for number in numbers).strip()

    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """`fidelity`: likeness (1 - edit distance / length) to the text without coding; where the text is known...

        ...`characters` and `words`, their accuracies, `_pristine`, and `distortion` of `characters`.
        """
        items, coded, pristine = paired(outputs, references)
        sides = {name: [self.text(o.tolist()) for o in own] for name, own in (("", coded), ("_pristine", pristine))}
        result = {"fidelity": similarity(sides["_pristine"], sides[""])}
        known = [(i, text) for i, item in enumerate(items) if (text := self.dataset.item(item).text)]
        if not known:
            return result
        truths = [text for _, text in known]
        for name, texts in sides.items():
            found = [texts[i] for i, _ in known]
            result |= {
                f"characters{name}": character_accuracy(truths, found),
                f"words{name}": word_accuracy(truths, found),
            }
        if result["characters_pristine"] > 0:
            result["distortion"] = task_distortion(result["characters_pristine"], result["characters"])
        return result
