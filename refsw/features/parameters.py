"""9.2 The feature parameter set: what its elements mean together, and the constraints that span them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refsw.errors import DfcError, ErrorClass, ParseError, SemanticError
from refsw.features.layering import check_layer, layer_of, layer_values
from refsw.features.transform_values import (
    check_transform,
    layout_error,
    map_shape_of,
    transform_of,
    transform_values,
)
from refsw.lazy import lazy
from refsw.named import Known, named_bytes
from refsw.payload.base import PictureFormat
from refsw.payload.registry import codec
from refsw.profiles import INTER_PROFILES, PROFILE_CODECS
from refsw.syntax.codes import (
    AxisRole,
    DigestKind,
    ElementType,
    PayloadCodec,
    Profile,
    Quantizer,
    RangeScope,
    RepackLayout,
)
from refsw.syntax.declaration import Values
from refsw.tensor.axes import CANONICAL, DTYPES, FLOAT_TYPES, SAMPLE_ROLES, Axes
from refsw.tensor.layers import Layer
from refsw.tensor.parts import Parts
from refsw.tensor.quantize import level_dtype
from refsw.tensor.repack import Packing
from refsw.tensor.transform import Transform, basis_of, check_fit

MAX_MARGIN = 64
DIGEST_FLAGS = {DigestKind.TENSOR: "tensor_digest_flag", DigestKind.LEVELS: "levels_digest_flag"}
BYTE_CODECS = PROFILE_CODECS[Profile.LOSSLESS]


@dataclass(frozen=True)
class Parameters:
    """6.5 One feature parameter set.

    `ranges` is empty with range scope SAMPLE and for quantizer NONE, has one (minimum, maximum) with
    SEQUENCE and C of them with CHANNEL. `channel_order` is empty for the channels' own order. With `parts`, `packing`
    is that of a part.
    """

    id: int
    axes: Axes
    element_type: ElementType
    quantizer: Quantizer
    bit_depth: int
    range_scope: RangeScope
    ranges: tuple[tuple[float, float], ...]
    payload_codec: PayloadCodec
    packing: Packing
    channel_order: tuple[int, ...] = ()
    configuration: bytes = b""
    network_id: str = ""
    layer_id: str = ""
    model_digest: bytes | None = None
    time_scale: int = 1
    time_step: int = 1
    digests: frozenset[DigestKind] = frozenset()
    parts: Parts | None = None
    time_prediction: bool = False
    layer: Layer | None = None
    transform: Transform | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the decoded elements."""
        return DTYPES[self.element_type]

    @property
    def own_dtype(self) -> np.dtype[Any]:
        """Dtype of what the payload gives: that of the elements, or of differences from a base layer (9.11.3)."""
        return np.dtype(np.float32) if self.layer is not None and self.layer.refines else self.dtype

    @property
    def name(self) -> str:
        """What people and output files call the tensor."""
        return self.layer_id or f"tensor{self.id}"

    def picture_format(self, profile: Profile) -> PictureFormat:
        """8.1 The pictures that the payload codec gets to see."""
        dtype = self.dtype if self.quantizer is Quantizer.NONE else np.dtype(level_dtype(self.bit_depth))
        depth = 8 * dtype.itemsize if self.quantizer is Quantizer.NONE else self.bit_depth
        return PictureFormat(
            self.packing.coded_height, self.packing.coded_width, depth, dtype, profile not in INTER_PROFILES,
            self.packing.pictures(len(self.coded_channels)), self.time_prediction,
        )  # fmt: skip

    @property
    def base(self) -> int | None:
        """9.11.1 Parameter set of the base layer, if the tensor is a layer that has one."""
        return None if self.layer is None else self.layer.base

    @lazy
    def coded_channels(self) -> npt.NDArray[np.intp]:
        """7.5.3 The channels that are in the pictures, in the order of repacking; with a transform, the components.

        With ranges by channel, a channel whose minimum equals its maximum is constant and not coded; nor is one that
        a layer does not carry.
        """
        if self.transform is not None:
            return np.arange(self.transform.components)
        order = self.order if self.layer is None else self.order[self.carried[self.order]]
        if self.range_scope is RangeScope.CHANNEL:
            limits = np.array(self.ranges, np.float32)[order]
            return order[limits[:, 0] < limits[:, 1]]
        return order

    @lazy
    def carried(self) -> npt.NDArray[np.bool_]:
        """9.11.1 For every channel whether the tensor has it itself, not from a base layer."""
        channels = self.axes.channels
        return np.ones(channels, np.bool_) if self.layer is None else self.layer.carried(channels)

    @lazy
    def constant_channels(self) -> npt.NDArray[np.intp]:
        """7.3 The channels that the parameter set alone gives."""
        if self.range_scope is not RangeScope.CHANNEL:
            return np.zeros(0, np.intp)
        return np.setdiff1d(np.flatnonzero(self.carried), self.coded_channels)

    @lazy
    def order(self) -> npt.NDArray[np.intp]:
        """7.5.3 All channels in the order of repacking."""
        return np.array(self.channel_order, np.intp) if self.channel_order else np.arange(self.axes.channels)

    @lazy
    def in_own_order(self) -> bool:
        """Whether the coded channels are all channels in their own order."""
        return np.array_equal(self.coded_channels, np.arange(self.axes.channels))

    @property
    def maps(self) -> tuple[int, int, int]:
        """7.5, 7.6.1 What is laid into pictures: number, rows and columns of channels, or of components."""
        if self.transform is None:
            return self.axes.channels, self.axes.rows, self.axes.columns
        return (self.transform.components, *self.transform.map_shape(self.axes.rows, self.axes.columns))

    @property
    def elements(self) -> int:
        """11.3 Elements of a sample, or those of its components where they are more."""
        maps, rows, columns = self.maps
        return max(self.axes.elements, maps * rows * columns)

    def channel_transform(self, known: Known) -> bytes:
        """7.6.3 The bytes of the channel_transform that holds.

        Raises:
            UnsupportedError: it is named, and not known.
            DfcError: it breaks a requirement.
        """
        assert self.transform is not None
        digest, sent = self.transform.digest, self.transform.sent
        data = sent if digest is None else named_bytes(known, digest, "transform_digest")
        assert data is not None
        check_fit(basis_of(data), self.transform, self.axes.channels, self.packing.cells, self.bit_depth)
        return data

    @property
    def part_numbers(self) -> range:
        """9.10.1 The indices of the parts of a sample; none if samples do not come in parts."""
        return range(self.parts.count if self.parts is not None else 0)

    def part_channels(self, index: int) -> npt.NDArray[np.intp]:
        """9.10.1 The channels of a part, in the order of repacking."""
        assert self.parts is not None
        return self.parts.group(index, self.order)

    def part(self, index: int) -> Parameters:
        """9.10.3 What a part is decoded with: as a sample of its channels and rows, in that order."""
        assert self.parts is not None
        channels, rows = self.part_channels(index), self.parts.band(index)
        extents = (len(channels), rows.stop - rows.start, self.axes.columns)
        ranges = tuple(self.ranges[c] for c in channels) if self.range_scope is RangeScope.CHANNEL else self.ranges
        return replace(
            self, axes=Axes(CANONICAL, extents), ranges=ranges, channel_order=(), digests=frozenset(), parts=None
        )

    def sample_ranges(self, values: Values) -> tuple[tuple[float, float] | None, ...]:
        """7.3 For every sample of a unit, its range, or None where the range is not one of the sample."""
        if self.range_scope is RangeScope.SAMPLE:
            return tuple(zip(values["sample_minimum"], values["sample_maximum"], strict=True))
        return self.shared_ranges(values["sample_count_minus1"] + 1)

    def shared_ranges(self, count: int) -> tuple[tuple[float, float] | None, ...]:
        """7.3 The ranges of samples that have none of their own."""
        shared = self.ranges[0] if self.range_scope is RangeScope.SEQUENCE and self.ranges else None
        return (shared,) * count

    def pictures_of(self, sample_range: tuple[float, float] | None) -> int:
        """7.5.1 Number of pictures of a sample; a constant sample has none."""
        if sample_range is not None and sample_range[0] == sample_range[1]:
            return 0
        return self.packing.pictures(len(self.coded_channels))


def from_values(values: Values) -> Parameters:
    """Parameters from the values of the syntax elements.

    Raises:
        DfcError: see `check_values`.
    """
    for error in check_values(values):
        raise error
    roles = tuple(AxisRole(r) for r in values["axis_role"])
    time = roles.index(AxisRole.T) if AxisRole.T in roles else None
    ranges: tuple[tuple[float, float], ...] = ()
    if values.get("range_maximum"):
        ranges = tuple(zip(values["range_minimum"], values["range_maximum"], strict=True))
    return Parameters(
        id=values["parameter_set_id"],
        axes=Axes(roles, tuple(e + 1 for e in values["axis_extent_minus1"])),
        element_type=ElementType(values["element_type"]),
        quantizer=Quantizer(values["quantizer"]),
        bit_depth=values.get("bit_depth_minus1", 0) + 1,
        range_scope=RangeScope(values["range_scope"]),
        ranges=ranges,
        payload_codec=PayloadCodec(values["payload_codec"]),
        packing=Packing(
            RepackLayout(values["repack_layout"]),
            *map_shape_of(values),
            values["grid_rows_minus1"] + 1,
            values["grid_columns_minus1"] + 1,
            values["coded_height_minus1"] + 1,
            values["coded_width_minus1"] + 1,
        ),
        channel_order=tuple(values.get("channel_order", ())),
        configuration=values["codec_configuration"],
        network_id=values["network_id"].decode(),
        layer_id=values["layer_id"].decode(),
        model_digest=values.get("model_digest"),
        time_scale=1 if time is None else values["time_scale"][time],
        time_step=1 if time is None else values["time_step"][time],
        digests=frozenset(kind for kind in DigestKind if values[DIGEST_FLAGS[kind]]),
        parts=_parts(values),
        time_prediction=bool(values.get("time_prediction_flag")),
        layer=layer_of(values),
        transform=transform_of(values),
    )


def _parts(values: Values) -> Parts | None:
    if not values.get("part_count"):
        return None
    return Parts(values["rows"], values["part_rows"], values["channel_groups_minus1"] + 1)


def to_values(p: Parameters) -> Values:
    """The values of the syntax elements; the inverse of `from_values`."""
    network, layer = p.network_id.encode(), p.layer_id.encode()
    values: Values = {
        "parameter_set_id": p.id,
        "network_id_length": len(network),
        "network_id": network,
        "layer_id_length": len(layer),
        "layer_id": layer,
        "model_digest_flag": int(p.model_digest is not None),
        "model_digest": p.model_digest,
        "axis_count_minus1": len(p.axes.roles) - 1,
        "axis_role": list(p.axes.roles),
        "axis_extent_minus1": [e - 1 for e in p.axes.extents],
        "time_scale": [p.time_scale] * len(p.axes.roles),
        "time_step": [p.time_step] * len(p.axes.roles),
        "element_type": p.element_type,
        "quantizer": p.quantizer,
        "bit_depth_minus1": p.bit_depth - 1,
        "range_scope": p.range_scope,
        "range_minimum": [low for low, _ in p.ranges],
        "range_maximum": [high for _, high in p.ranges],
        "payload_codec": p.payload_codec,
        "repack_layout": p.packing.layout,
        "grid_rows_minus1": p.packing.grid_rows - 1,
        "grid_columns_minus1": p.packing.grid_columns - 1,
        "coded_width_minus1": p.packing.coded_width - 1,
        "coded_height_minus1": p.packing.coded_height - 1,
        "channel_order_flag": int(bool(p.channel_order)),
        "channel_order": list(p.channel_order),
        "tensor_digest_flag": int(DigestKind.TENSOR in p.digests),
        "levels_digest_flag": int(DigestKind.LEVELS in p.digests),
        "codec_configuration_length": len(p.configuration),
        "codec_configuration": p.configuration,
        **_extension(p),
    }
    return values


def _extension(p: Parameters) -> Values:
    """6.12 Its elements, where the profile has an extension."""
    values: Values = {"channel_transform_flag": int(p.transform is not None), "other_extension_flags": 0}
    values |= layer_values(p.layer, p.axes.channels)
    values |= {"parts_flag": int(p.parts is not None), "time_prediction_flag": int(p.time_prediction)}
    if p.parts is not None:
        values |= {"part_rows_minus1": p.parts.part_rows - 1, "channel_groups_minus1": p.parts.groups - 1}
    if p.transform is not None:
        values |= transform_values(p.transform)
    return values


def check_values(values: Values, offset: int | None = None) -> Iterator[DfcError]:
    """9.2 The constraints that span elements of a feature parameter set; element bounds are chapter 6's."""
    for element in ("network_id", "layer_id", *(["purpose"] if values.get("layers_flag") else [])):
        try:
            name = values[element].decode()
            if any(ord(c) < 0x20 or ord(c) == 0x7F for c in name):
                yield ParseError(
                    ErrorClass.RESERVED_VALUE,
                    "fps.name-characters",
                    element,
                    offset,
                    expected="no control characters",
                    got=repr(name),
                )
        except UnicodeDecodeError as error:
            yield ParseError(ErrorClass.OUT_OF_RANGE, "fps.utf8", element, offset, expected="UTF-8", got=error.reason)
    roles = values["axis_role"]
    named = [AxisRole(r) for r in roles if r in AxisRole.__members__.values()]
    if len(set(roles)) != len(roles) or len([r for r in named if r in SAMPLE_ROLES]) > 1:
        yield layout_error("fps.axis-once", "axis_role", "each of C, H, W and one of N, T at most once", roles, offset)
    if [r for r in named[1:] if r in SAMPLE_ROLES]:
        yield layout_error("fps.sample-axis-first", "axis_role", "the sample axis, N or T, first", roles, offset)
    if all(r in SAMPLE_ROLES for r in named):
        yield layout_error("fps.sample-has-axis", "axis_role", "at least one of C, H, W", roles, offset)
    yield from _check_ranges(values, offset)
    yield from _check_codec(values, offset)
    yield from _check_packing(values, offset)
    if values.get("time_prediction_flag") and not _may_predict(values):
        expected = "0 without axis T, payload NATIVE, or with parts"
        yield layout_error("fps.time-prediction", "time_prediction_flag", expected, "1", offset)
    yield from check_layer(values, offset)
    if values.get("channel_transform_flag"):
        yield from check_transform(values, offset)
    order = values.get("channel_order", ())
    if order and sorted(order) != list(range(values["channels"])):
        yield layout_error("fps.channel-order", "channel_order", "every channel once", "a repetition", offset)


def _may_predict(values: Values) -> bool:
    """8.6.9 Whether samples may be predicted."""
    native = values["payload_codec"] == PayloadCodec.NATIVE
    return native and AxisRole.T in values["axis_role"] and not values["parts_flag"]


def _check_ranges(values: Values, offset: int | None) -> Iterator[DfcError]:
    for low, high in zip(values.get("range_minimum", ()), values.get("range_maximum", ()), strict=False):
        if low > high:
            yield range_order("range_minimum", low, high, offset)


def range_order(element: str, low: float, high: float, offset: int | None) -> DfcError:
    """7.3 A range whose minimum exceeds its maximum."""
    return SemanticError(
        ErrorClass.RANGE_ORDER,
        "range.order",
        element,
        offset,
        expected=f"at most the maximum {high!r}",
        got=repr(low),
    )


def _check_codec(values: Values, offset: int | None) -> Iterator[DfcError]:
    element_type, quantizer, code = values["element_type"], values["quantizer"], values["payload_codec"]
    if code not in PayloadCodec.__members__.values():
        return
    if quantizer == Quantizer.NONE:
        if code not in BYTE_CODECS:
            got = PayloadCodec(code).name
            yield layout_error(
                "fps.unquantized-codec", "payload_codec", "a byte codec without a quantizer", got, offset
            )
        return
    if element_type not in FLOAT_TYPES:
        yield layout_error("fps.quantized-type", "element_type", "a floating-point type", element_type, offset)
    depth = values["bit_depth_minus1"] + 1
    allowed = codec(PayloadCodec(code)).bit_depths
    if depth not in allowed:
        expected = f"a bit depth of {PayloadCodec(code).name}: {', '.join(map(str, allowed))}"
        yield layout_error("fps.codec-bit-depth", "bit_depth_minus1", expected, depth, offset)


def _check_packing(values: Values, offset: int | None) -> Iterator[DfcError]:
    sizes = dict(zip(("rows", "columns"), map_shape_of(values), strict=True))
    for axis, extent in (("width", "columns"), ("height", "rows")):
        true = sizes[extent] * (values[f"grid_{extent}_minus1"] + 1)
        coded = values[f"coded_{axis}_minus1"] + 1
        if not true <= coded < true + MAX_MARGIN:
            expected = f"{true} to {true + MAX_MARGIN - 1}, the size of the grid and a margin"
            yield layout_error("fps.coded-size", f"coded_{axis}_minus1", expected, coded, offset)
    cells = (values["grid_rows_minus1"] + 1) * (values["grid_columns_minus1"] + 1)
    maps = values["component_count"] if values.get("channel_transform_flag") else values["channels"]
    channels = -(-maps // (values.get("channel_groups_minus1", 0) + 1))
    if cells >= 2 * channels + 64:
        yield layout_error("fps.grid-cells", "grid_rows_minus1", "fewer than 2 x C + 64 cells", cells, offset)
