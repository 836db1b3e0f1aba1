"""13.10 What a bitstream of model updates shows: applied once to its base, with its trace and what it relies on."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from refsw.conformance.facts import ALWAYS, Evidence, of_syntax
from refsw.conformance.observed_cells import observed
from refsw.errors import DfcError
from refsw.models.apply import Applier
from refsw.models.directory import CODED, FROM_SOURCE, QUANTIZED, Directory
from refsw.models.payload import DataContent
from refsw.models.reader import ModelReader
from refsw.models.state import Model
from refsw.profiles import LEVELS
from refsw.syntax.codes import ElementType, ModelCoder, TensorMode, ValueQuantizer
from refsw.syntax.structure import TraceRow
from refsw.tensor.axes import Array

ALWAYS_UPDATES = [
    "profile.model",
    "model.order",
    "model.order-of-tensors",
    "model.tensor-digest",
    "model.digest",
    "model.base",
    "model.complete",
    "model.result",
    "model.result-digest",
]
RANS = [
    "model.symbols",
    "model.frequencies",
    "model.rest-frequency",
    "model.tables",
    "model.context",
    "model.context-bound",
    "model.payload-length",
    "model.lanes",
    "model.raw-bits",
    "model.state-range",
    "model.rans",
    "model.words",
    "model.final-states",
]
XZ = [
    "model.xz",
    "model.xz-values",
    "bytes.format",
    "bytes.xz",
    "bytes.trailing",
    "bytes.lzma-memory",
    "bytes.size",
]
LEVELS_OF = ["model.planes", "model.levels", "model.level-range"]
DEPENDENT = ["model.parity-symbols", "model.quantizer-state", "model.second-frequencies"]
RESIZED = ["model.source-shape", "model.source-part"]
LABELS = ["model.label-axes", "model.label-count", "model.labels"]
PREDICTION = ["model.predictor-taps", "model.prediction", "model.prediction-range"]


def observe_update(data: bytes, base: Mapping[str, Array] | None) -> Evidence:
    """Apply updates to the receiver's model and say what they exercise.

    Args:
        data: the bitstream.
        base: the receiver's model; None if it has none.
    """
    found = Evidence()
    rows: list[TraceRow] = []
    contents: list[Directory | DataContent] = []
    try:
        reader = ModelReader(io.BytesIO(data), trace=rows.append)
        found.profile, found.level = reader.header.profile.name, reader.header.level.value
        applier = Applier(None if base is None else Model(base))
        for content in reader:
            applier.feed(content, reader.limits)
            if isinstance(content, Directory | DataContent):
                contents.append(content)
        outcome = applier.finish()
        found.model_digest = outcome.digest.hex()
        types = set() if base is None else {kind.element_type for kind in Model(base).types.values()}
        found.requirements = {*ALWAYS, *ALWAYS_UPDATES, *of_syntax(rows, reader.header), *_of(contents, types)}
        found.requirements |= {"model.passed-over"} if outcome.passed else set()
        found.requirements |= set(RESIZED) if applier.resized else set()
        found.requirements |= _of_levels(contents, LEVELS[reader.header.level].model_tensors)
    except DfcError as error:
        found.error = error
    found.cells = observed(rows, found.error, len(data))
    return found


def _of(contents: list[Directory | DataContent], types: set[ElementType]) -> Iterator[str]:
    headers = [content for content in contents if isinstance(content, Directory)]
    if len(headers) > 1:
        yield "model.chain"
    for content in contents:
        if isinstance(content, Directory):
            yield from _of_header(content, types)
        else:
            yield from _of_data(content)


def _of_header(header: Directory, types: set[ElementType]) -> Iterator[str]:
    new = [entry for entry in header.entries if entry.new is not None]
    modes = {entry.mode for entry in header.entries}
    texts = header.network_id + header.version + header.base_version + "".join(e.new.name for e in new if e.new)
    if texts:
        yield "model.name-characters"
    if not texts.isascii():
        yield "model.utf8"
    if header.base_digest is not None:
        yield "model.base-tensors"
    if new:
        yield from ("model.new-mode", "model.new-shape", "model.name-unique")
        if any(c in texts for c in "/\\:") or ".." in texts:
            yield "model.name-path"
        yield from ("model.source",)
        if any(entry.source is not None for entry in new):
            yield from ("model.source-once", "model.source-format")
            types = types | {entry.new.element_type for entry in new if entry.new}
    if TensorMode.COPY in modes:
        yield "model.copy"
    coded = [entry for entry in header.entries if entry.mode in CODED]
    if coded:
        yield from ("model.coded-order", "model.value-range", "model.finite")
    if modes & set(QUANTIZED):
        yield from ("model.quantized", "model.quantized-type", "arithmetic.rounding", "arithmetic.binary64")
    if any(entry.mode not in QUANTIZED for entry in coded):
        yield "model.exact"
        if ElementType.BOOL in types | {entry.new.element_type for entry in new if entry.new}:
            yield "model.bool"
    if any(entry.new is not None and entry.mode not in FROM_SOURCE for entry in header.entries):
        yield "model.expansion"


def _of_data(unit: DataContent) -> Iterator[str]:
    if unit.coder is ModelCoder.XZ:
        yield from XZ
        return
    yield from RANS
    if unit.quantizer is not ValueQuantizer.PLAIN:
        yield from LEVELS_OF
    if unit.quantizer is ValueQuantizer.DEPENDENT:
        yield from DEPENDENT
    if unit.values["label_flag"]:
        yield from LABELS
    if any(unit.values["predictor"]):
        yield from PREDICTION


def _of_levels(contents: list[Directory | DataContent], most: int) -> set[str]:
    """A limit counts as shown where it is reached."""
    counts = {len(content.entries) for content in contents if isinstance(content, Directory)}
    return {"level.model-tensors"} if most in counts else set()
