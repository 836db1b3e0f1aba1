"""13.10 The requirements that a bitstream of features relies on when it decodes to the right tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from refsw.conformance.facts import ALWAYS, of_syntax
from refsw.features.layers import chain
from refsw.features.parameters import Parameters
from refsw.features.reconstruct import UnitContent
from refsw.payload import nal, slices
from refsw.profiles import INTER_PROFILES, LEVELS
from refsw.syntax.codes import (
    DigestKind,
    ElementType,
    PayloadCodec,
    Profile,
    Quantizer,
    RepackLayout,
    UnitType,
)
from refsw.syntax.structure import TraceRow
from refsw.syntax.units import Header

ALWAYS_FEATURES = [
    "order.units",
    "fps.axis-once",
    "fps.sample-has-axis",
    "fps.quantized-type",
    "fps.codec-bit-depth",
    "fps.coded-size",
    "profile.codec",
    "tensor.element-type",
    "decode.pictures",
    "decode.elements",
    "decode.sequence",
]
PARTS = ["part.units", "part.geometry", "part.once", "part.complete", "part.decode"]
BYTES = ["bytes.size", "bytes.no-configuration"]
COMPRESSED = ["bytes.format", "bytes.trailing"]
IMAGES = ["image.length", "image.format", "image.count", "image.no-configuration", "image.size", "image.grey"]
HEVC = [
    "hevc.stream",
    "hevc.profile",
    "hevc.start-code",
    "hevc.nal-length",
    "hevc.nal-header",
    "hevc.configuration",
    "hevc.sps",
    "hevc.chroma-format",
    "hevc.bit-depth",
    "hevc.picture-size",
    "hevc.payload-nal-types",
    "hevc.first-picture",
    "hevc.slice-header",
    "hevc.picture-count",
    "hevc.slice-data",
    "hevc.slices",
    "hevc.decodes",
]
NATIVE = [
    f"native.{name}"
    for name in (
        "configuration", "samples", "sample", "trailing", "order", "expected", "context", "classes", "class-run",
        "runs", "lanes", "state-range", "values", "levels", "words", "final-states", "raw-bits", "zero",
    )
]  # fmt: skip


LAYERS = ["layer.channels", "layer.decode", "layer.parts", "profile.extension"]
UPPER = ["layer.base", "layer.same-tensor"]
REFINEMENT = ["layer.refinement", "layer.quantizers"]
TRANSFORM = [f"transform.{name}" for name in ("components", "phases", "sum", "value")]
SENT = [f"transform.{name}" for name in ("bytes", "fit", "width")]
TIME = ["fps.time-prediction", "native.prediction"]
PREDICTED = ["native.predicted", "native.predicted-context"]
MOVED = ["native.motion-blocks", "native.motion-range"]


@dataclass(frozen=True)
class Facts:
    """What is known of a bitstream that decoded.

    `from_anywhere`: its last sample was decoded alone, to the same elements. `in_layers`: a layer was decoded without
    the tensors that it does not depend on, to the same elements.
    """

    rows: list[TraceRow]
    parameters: list[Parameters]
    units: list[UnitContent]
    header: Header
    from_anywhere: bool
    in_layers: bool


def requirements(facts: Facts) -> set[str]:
    """The requirements that the bitstream relies on."""
    found = {
        *ALWAYS,
        *ALWAYS_FEATURES,
        *of_syntax(facts.rows, facts.header),
        *_of_stream(facts),
        *_of_levels(facts),
    }
    for p in facts.parameters:
        units = [unit for unit in facts.units if unit.tensor.id == p.id]
        found.update(_of_parameters(p), _of_samples(p, units), _of_payload(p, units, facts.header.profile))
        if p.parts is not None and units:
            found.update(PARTS)
        if p.time_prediction:
            found.update(TIME)
        if p.layer is not None:
            found.update(_of_layer(p, units))
        found.update(_of_transform(p, units))
    found.update(_of_prediction(facts.rows))
    return found


def _of_layer(p: Parameters, units: list[UnitContent]) -> Iterator[str]:
    assert p.layer is not None
    yield from LAYERS
    if p.base is not None:
        yield from UPPER
        if units:
            yield "layer.units"
    if p.layer.refines and units:
        yield from REFINEMENT


def _of_transform(p: Parameters, units: list[UnitContent]) -> Iterator[str]:
    if p.transform is None:
        return
    yield "fps.channel-transform"
    if p.transform.sent is not None:
        yield from SENT
    if any(limits is None or limits[0] != limits[1] for unit in units for limits in unit.ranges):
        yield from TRANSFORM
        if p.transform.prefix_rows:
            yield "transform.prefix"


def _of_prediction(rows: list[TraceRow]) -> Iterator[str]:
    told = {(row.element, row.value) for row in rows if row.structure == "native_prediction"}
    if ("predicted_flag", 0) in told:
        yield "native.first-intra"
    if ("predicted_flag", 1) in told:
        yield from PREDICTED
    if ("motion_flag", 1) in told:
        yield from MOVED


def _of_stream(facts: Facts) -> Iterator[str]:
    sets = [row for row in facts.rows if row.element == "unit_type" and row.value == UnitType.FEATURE_PARAMETER_SET]
    if len(sets) > len(facts.parameters):
        yield "order.parameter-set-repeated"
    if facts.units:
        yield "order.parameter-set-first"
    if facts.in_layers:
        yield "layer.prefix"
    by_tensor = [number for number, _ in dict.fromkeys((unit.tensor.id, unit.first_sample) for unit in facts.units)]
    if len(by_tensor) > len(set(by_tensor)):
        yield "order.samples"
        if facts.from_anywhere:
            yield from ("access.independent", "unit.pass-over")
    if len(facts.parameters) > 1:
        yield from ("order.access-units", "fps.layer-id-unique")
    digests = {row.value for row in facts.rows if row.element == "digest_kind"}
    if digests:
        yield from ("digest.text", "digest.bytes", "digest.value", "digest.announced", "digest.coverage")
        yield "digest.complete"
    if DigestKind.LEVELS in digests:
        yield "digest.levels"


def _of_levels(facts: Facts) -> Iterator[str]:
    """A limit counts as shown where it is reached."""
    limits = LEVELS[facts.header.level]
    if len(facts.parameters) == limits.parameter_sets:
        yield "level.parameter-sets"
    sets = {p.id: p for p in facts.parameters}
    if any(len(chain(p, sets)) == limits.layers for p in facts.parameters):
        yield "level.layers"
    for unit in facts.units:
        p = unit.parameters
        reached = {
            "sample-elements": unit.tensor.elements == limits.sample_elements,
            "sample-parts": len(unit.tensor.part_numbers) == limits.sample_parts,
            "unit-elements": unit.samples * p.elements == limits.unit_elements,
            "picture-side": max(p.packing.coded_height, p.packing.coded_width) == limits.picture_side,
            "picture-elements": p.packing.coded_height * p.packing.coded_width == limits.picture_elements,
            "unit-pictures": unit.samples * p.packing.pictures(p.maps[0]) == limits.unit_pictures,
        }
        if p.transform is not None:
            entries = p.transform.components * p.transform.channels(p.axes.channels)
            reached["transform-entries"] = entries == limits.transform_entries
        yield from (f"level.{name}" for name, holds in reached.items() if holds)


def _of_parameters(p: Parameters) -> Iterator[str]:
    names = p.network_id + p.layer_id + (p.layer.purpose if p.layer is not None else "")
    if names:
        yield "fps.name-characters"
    if not names.isascii():
        yield "fps.utf8"
    yield "fps.sample-axis-first" if p.axes.has_samples else "fps.single-sample"
    letters = p.axes.letters.strip("NT")
    if letters != "".join(a for a in "CHW" if a in letters):
        yield "tensor.order"
    if p.quantizer is Quantizer.NONE:
        yield "fps.unquantized-codec"
    if p.packing.layout is not RepackLayout.SEQUENCE:
        yield "fps.grid-cells"
    if p.channel_order:
        yield "fps.channel-order"
    if p.model_digest is not None:
        yield "fps.model-digest"
    if "T" in p.axes.letters:
        yield "time.sample"


def _of_samples(p: Parameters, units: list[UnitContent]) -> Iterator[str]:
    coded = [count for unit in units for count in unit.pictures]
    if p.quantizer is Quantizer.NONE:
        if coded:
            yield "dequantize.none"
    elif coded:
        yield from ("range.scope", "range.order")
        if 0 in coded or len(p.constant_channels):
            yield "dequantize.constant"
    if not any(coded):
        return
    yield from ("unpack.pictures", "unpack.position", "payload.pictures", "decode.levels")
    packing = p.packing
    exact = (packing.true_height, packing.true_width) == (packing.coded_height, packing.coded_width)
    if not exact or any(_leaves_room(unit.parameters) for unit in units):
        yield "unpack.margin"
    if p.transform is None and not p.in_own_order:
        yield "unpack.coded-channels"
    if p.quantizer is Quantizer.NONE:
        return
    if p.bit_depth not in (8, 16):
        yield "payload.level-range"
    yield "arithmetic.rounding"
    if p.transform is not None:
        yield "arithmetic.binary64"
    else:
        yield from _of_quantizer(p)
    if p.element_type is not ElementType.FLOAT32:
        yield "dequantize.element-type"


def _of_quantizer(p: Parameters) -> Iterator[str]:
    yield "dequantize.steps"
    if p.quantizer is Quantizer.UNIFORM:
        yield from ("dequantize.uniform", "arithmetic.binary64")
    else:
        yield from ("dequantize.log", "arithmetic.exact")


def _leaves_room(p: Parameters) -> bool:
    """Whether cells of the pictures have no channel, or rows of them no row of a part."""
    return len(p.coded_channels) % p.packing.cells > 0 or p.maps[1] < p.packing.rows


def _of_payload(p: Parameters, units: list[UnitContent], profile: Profile) -> Iterator[str]:
    if any(not sum(unit.pictures) for unit in units):
        yield "payload.empty"
        if p.payload_codec is PayloadCodec.VVC:
            yield "vvc.optional"
    payloads = [unit.payload for unit in units if sum(unit.pictures)]
    if not payloads:
        return
    code = p.payload_codec
    if code in (PayloadCodec.STORED, PayloadCodec.ZLIB, PayloadCodec.GZIP, PayloadCodec.LZMA):
        yield from BYTES
        if code is not PayloadCodec.STORED:
            yield from COMPRESSED
        if code is PayloadCodec.LZMA:
            yield from ("bytes.xz", "bytes.lzma-memory")
        if p.element_type is ElementType.BOOL and p.quantizer is Quantizer.NONE:
            yield "bytes.bool"
    elif code in (PayloadCodec.PNG, PayloadCodec.JPEG, PayloadCodec.JPEG2000):
        yield from (*IMAGES, f"image.{code.name.lower()}")
        if code is PayloadCodec.PNG:
            yield "image.png-data"
        if code is PayloadCodec.JPEG:
            yield from ("image.jpeg-idct", "image.jpeg-range")
    elif code is PayloadCodec.HEVC:
        yield from _of_hevc(p, payloads, profile)
    elif code is PayloadCodec.NATIVE:
        yield from NATIVE
    else:
        yield from ("vvc.stream", "vvc.pictures")


def _of_hevc(p: Parameters, payloads: list[bytes], profile: Profile) -> Iterator[str]:
    yield from HEVC
    parsed = nal.parse_configuration(p.configuration)
    if parsed.sps.bypass_tools or any(pps.bypass for pps in parsed.every_pps):
        yield "hevc.bypass"
    if parsed.sps.precise_offsets or any(any(pps.weighted) for pps in parsed.every_pps):
        yield "hevc.weights"
    if p.bit_depth == nal.QP_DEPTH:
        yield "hevc.qp"
    if parsed.sps.cropped:
        yield "hevc.cropping"
    nals = [unit for payload in payloads for unit in nal.split(payload)]
    if any(not unit.is_slice for unit in nals):
        yield "hevc.sei"
    inter = any(unit.type != slices.SLICE_I for unit in slices.slices_of(nals, parsed))
    if profile not in INTER_PROFILES:
        yield "hevc.intra-only"
    elif inter:
        yield "profile.inter"
