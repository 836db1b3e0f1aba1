"""Annex C: every requirement, in the order in which a decoder meets it, by type of unit.

The order is written down here; clause and wording are taken from the text. A requirement that stands in no list, or in
two, or that the text does not have, stops the rendering, so that the annex cannot go stale.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from refsw.profiles import LEVELS, LevelLimits
from refsw.syntax.declaration import Element
from refsw.syntax.structures import STRUCTURES

SPEC = Path(__file__).resolve().parent.parent / "spec"
ELEMENTS = "elements of "  # stands for the bounds of all elements of a structure

LISTS: dict[str, list[str]] = {
    "arithmetic": [
        "bits.order", "descriptor.u", "descriptor.ue-prefix", "descriptor.f32", "descriptor.leb-length",
        "descriptor.leb-shortest", "descriptor.alignment-zero", "descriptor.b", "descriptor.se",
        "arithmetic.binary64", "arithmetic.exact", "arithmetic.rounding", "crc.definition",
        "syntax.elements", "syntax.bounds", "syntax.inference", "syntax.reserved", "syntax.later",
    ],
    "bitstream": [
        "bitstream.structure", "bitstream.signature", "bitstream.version-major", "bitstream.version-minor",
        "bitstream.header-complete", "bitstream.header-crc", f"{ELEMENTS}bitstream_header",
        "profile.implemented", "profile.declared", "level.declared", "level.limits", "bitstream.end",
        "bitstream.nothing-after-end", "error.reject", "error.several", "error.no-output",
    ],
    "every unit": [
        "unit.framing", "level.unit-bytes", "unit.complete", "unit.crc", f"{ELEMENTS}unit_header",
        "unit.unknown", "unit.skippable-known", "order.units", "model.order", "profile.model",
        "unit.complete-element", "unit.no-rest", "unit.pass-over",
    ],
    "feature parameter set": [
        f"{ELEMENTS}feature_parameter_set", f"{ELEMENTS}feature_extension", f"{ELEMENTS}layer",
        "profile.extension", "fps.utf8",
        "fps.name-characters", "fps.axis-once",
        "fps.sample-axis-first", "fps.sample-has-axis", "range.order", "fps.unquantized-codec",
        "fps.quantized-type", "fps.codec-bit-depth", "fps.coded-size", "fps.grid-cells", "fps.channel-order",
        "profile.codec", "level.sample-elements", "level.sample-parts", "level.picture-side", "level.picture-elements",
        "layer.parts", "layer.channels", "layer.base", "layer.same-tensor", "layer.quantizers", "level.layers",
        "order.parameter-set-repeated", "level.parameter-sets", "fps.layer-id-unique", "fps.model-digest",
        "level.transform-entries",
        "bytes.no-configuration", "image.no-configuration", "hevc.configuration", "hevc.sps",
        "hevc.chroma-format", "hevc.bit-depth", "hevc.picture-size", "hevc.cropping", "hevc.profile",
        "hevc.bypass", "hevc.weights", "hevc.checks",
    ],
    "feature data": [
        f"{ELEMENTS}feature_data", "order.parameter-set-first", "order.samples", "order.access-units",
        "layer.units", "fps.single-sample", "level.unit-elements", "level.unit-pictures", "range.scope",
        "unpack.pictures",
        "payload.empty", "payload.pictures", "decode.pictures", "payload.level-range", "access.independent",
        "access.sample", "profile.inter",
    ],
    "feature part": [
        f"{ELEMENTS}feature_part", "part.units", "part.geometry", "part.once", "part.complete", "part.decode",
        "part.missing",
    ],
    "byte codecs": ["bytes.size", "bytes.format", "bytes.xz", "bytes.trailing", "bytes.lzma-memory", "bytes.bool"],
    "native": [
        f"{ELEMENTS}native_configuration", "native.configuration", "named.unknown", f"{ELEMENTS}native_parameters",
        "native.parameters", "native.channels", "native.points", "native.codes", "native.reference",
        "native.samples", "native.sample", f"{ELEMENTS}native_sample", "native.classes", "native.zero",
        "native.state-range", "native.class-run", "native.lanes", "native.order", "native.expected", "native.context",
        "native.runs", "native.values", "native.escape", "native.levels", "native.words", "native.final-states",
        "native.raw-bits", "native.trailing",
    ],
    "prediction in time": [
        "fps.time-prediction", "native.prediction", f"{ELEMENTS}native_prediction", "native.first-intra",
        "native.motion-blocks", "native.motion-range", "native.predicted", "native.predicted-context",
    ],
    "channel transform": [
        f"{ELEMENTS}transform_extension", "fps.channel-transform", "transform.bytes", f"{ELEMENTS}channel_transform",
        "transform.fit", "transform.width", "transform.components", "transform.sum", "transform.value",
        "transform.prefix", "transform.phases",
    ],
    "images": [
        "image.length", "image.count", "image.size", "image.grey", "image.format", "image.png",
        "image.png-data", "image.jpeg", "image.jpeg-idct", "image.jpeg-range", "image.jpeg2000",
        "image.jpeg2000-midpoint",
    ],
    "video": [
        "hevc.start-code", "hevc.nal-length", "hevc.nal-header", "hevc.payload-nal-types",
        "hevc.first-picture", "hevc.slice-header", "hevc.intra-only", "hevc.qp", "hevc.picture-count",
        "hevc.slice-data", "hevc.slices", "hevc.sei", "hevc.stream", "hevc.decodes", "vvc.optional", "vvc.stream",
        "vvc.pictures",
    ],
    "samples": [
        "unpack.coded-channels", "unpack.position", "unpack.margin", "decode.levels", "dequantize.steps",
        "dequantize.constant", "dequantize.none", "dequantize.uniform", "dequantize.log",
        "dequantize.element-type", "layer.decode", "layer.refinement", "layer.prefix", "layer.missing",
        "decode.elements", "tensor.element-type", "tensor.order",
        "decode.sequence", "time.sample",
    ],
    "digest": [
        f"{ELEMENTS}digest", "digest.announced", "digest.coverage", "digest.text", "digest.bytes",
        "digest.levels", "digest.value",
    ],
    "metadata": [f"{ELEMENTS}metadata", "metadata.utf8"],
    "end of bitstream": [
        f"{ELEMENTS}end_of_bitstream", "end.sample-counts", "digest.complete", "model.complete",
        "end.bitstream-crc",
    ],
    "model header": [
        f"{ELEMENTS}model_header", "level.model-tensors", "model.utf8", "model.name-characters",
        "model.new-shape", "model.name-path", "model.new-mode", "model.source", "model.source-once",
        "model.name-unique", "model.quantized-type", "model.copy", "model.chain", "model.order-of-tensors",
        "model.tensor-digest", "model.digest", "model.base", "model.passed-over", "model.base-tensors",
        "model.source-format", "model.source-shape", "level.model-elements",
    ],
    "model data": [
        f"{ELEMENTS}model_data", f"{ELEMENTS}model_levels", f"{ELEMENTS}second_tables",
        "model.coded-order", "level.model-unit-elements", "model.expansion",
        "model.xz-values", "model.xz", "model.frequencies", "model.second-frequencies",
        "model.rest-frequency", "model.tables",
        "model.label-axes", "model.label-count", "model.lanes", "model.payload-length", "model.state-range",
        "model.rans", "model.words", "model.final-states", "model.labels", "model.context",
        "model.context-bound", "model.planes", "model.quantizer-state", "model.symbols", "model.parity-symbols",
        "model.level-range", "model.levels", "model.raw-bits", "model.predictor-taps", "model.prediction",
        "model.prediction-range", "model.value-range", "model.source-part", "model.quantized",
        "model.exact", "model.bool", "model.finite", "model.result", "model.result-digest",
    ],
    "carriage": [
        "carriage.claim", "carriage.features", "carriage.truth", "carriage.access-unit", "carriage.rtp",
        "carriage.marker", "carriage.sequence", "carriage.timestamp", "carriage.payload-header",
        f"{ELEMENTS}payload_header", "carriage.flags", "carriage.single", "carriage.aggregation",
        f"{ELEMENTS}aggregated_unit", "carriage.fragments", f"{ELEMENTS}carriage_session", "carriage.session",
        "carriage.session-sets", "carriage.bitstream-number", "carriage.lock", "carriage.before-session",
        "carriage.join", "carriage.clock", "carriage.rate", "carriage.time-agrees", "carriage.ignore",
        "carriage.window", "carriage.duplicates", "carriage.restart", "carriage.gap", "carriage.samples",
        "carriage.repeated-end", "carriage.bounds", "carriage.end", "carriage.output", "carriage.extent",
        "carriage.tensors", "carriage.complete", "carriage.digests", "carriage.nonconforming", "carriage.out-of-band",
        "carriage.sdp", "carriage.sdp-read", "carriage.capture", "carriage.capture-read", "conformance.capture",
    ],
    "claims": [
        "profile.decoder", "level.capacity", "level.least-capacity", "conformance.decoder",
        "conformance.decoder-rejects", "conformance.decoder-profile", "conformance.bitstream",
        "conformance.encoder", "conformance.vector-id", "conformance.vector-fixed",
        "conformance.vector-withdrawn", "conformance.output-place", "conformance.exit-codes",
        "conformance.no-output", "conformance.runner-clean", "conformance.outcomes", "conformance.counts",
        "conformance.comparison", "conformance.base", "conformance.optional", "conformance.proof",
        "conformance.encoder-refuses", "conformance.encoder-nothing-left", "conformance.encoder-declares",
        "conformance.encoder-error", "conformance.encoder-deterministic", "conformance.encoder-outcomes",
    ],
}  # fmt: skip


def requirements() -> dict[str, tuple[str, str]]:
    """Clause and first sentence of every requirement of the text, by id."""
    found = {}
    for path in sorted(SPEC.glob("[01]*.md")):
        clause = ""
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            if heading := re.match(r"#+ (\d+(?:\.\d+)*)", paragraph):
                clause = heading[1]
            if match := re.match(r"\*\*\[([a-z0-9.-]+)\]\*\* (.*)", paragraph, re.DOTALL):
                sentence = re.split(r"(?<=\.)\s", match[2].replace("\n", " "))[0]
                found[match[1]] = (clause, sentence.replace("|", "\\|"))
    return found


def bounds(values: Callable[[Element], str] = str) -> dict[str, tuple[str, str]]:
    """The requirements that stand in tables: bounds of elements, whose values `values` tells, and limits of levels."""
    found = {}
    for s in STRUCTURES:
        for e in s.elements():
            if e.values or e.low or e.high or e.kind == "f":
                found[s.requirement(e.name)] = (s.clause, f"`{e.name}`: {values(e)}.")
    for name in LevelLimits.__dataclass_fields__:
        limit = f"{name.replace('_', ' ')}: at most {', '.join(f'{getattr(x, name):,}' for x in LEVELS.values())}"
        found["level." + name.replace("_", "-")] = ("11.3", f"{limit} at levels 1, 2, 3.".capitalize())
    return found


def ids(name: str) -> Iterator[str]:
    """The ids of a list, with those of tables in their places."""
    for entry in LISTS[name]:
        if entry.startswith(ELEMENTS):
            yield from (key for key in bounds() if key.startswith(entry.removeprefix(ELEMENTS) + "."))
        else:
            yield entry


def check() -> None:
    """Every requirement is in one list.

    Raises:
        SystemExit: names those that are not, those that are in two, and those that do not exist.
    """
    known, listed = requirements().keys() | bounds().keys(), Counter(key for name in LISTS for key in ids(name))
    wrong = {
        "in no list": known - listed.keys(),
        "in two lists": {key for key, count in listed.items() if count > 1},
        "no requirement": listed.keys() - known,
    }
    told = [f"{what}: {', '.join(sorted(keys))}" for what, keys in wrong.items() if keys]
    if told:
        raise SystemExit("tools/checklist.py: " + "; ".join(told))


def parts(values: Callable[[Element], str]) -> Iterator[tuple[str, str]]:
    """The rendered parts by name."""
    check()
    known = requirements() | bounds(values)
    for name in LISTS:
        rows = ["| | Requirement | Clause | |", "|---|---|---|---|"]
        rows += [f"| ☐ | `{key}` | {known[key][0]} | {known[key][1]} |" for key in ids(name)]
        yield f"checklist {name}", "\n".join(rows) + "\n"
