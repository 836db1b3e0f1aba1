"""Feature parameter sets of recipes: short words in, values of all syntax elements out, nothing checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refsw.syntax.codes import AxisRole, ElementType, LayerKind, PayloadCodec, Quantizer, RangeScope, RepackLayout
from refsw.tensor.axes import DTYPES
from vectors import data

Unit = dict[str, Any]
BYTE_CODECS = ("STORED", "ZLIB", "GZIP", "LZMA")


def fps(**words: Any) -> Unit:
    """A feature parameter set of a recipe; see `Tensor` for the words. Others are those of `stream.Assembler`."""
    return {"unit": "fps"} | words


@dataclass
class Tensor:
    """A tensor of a recipe; `parts` are rows of a part and groups of channels.

    With a `kind` it is a layer: on `base`, with `carried` channels (None: all), `fill` by channel and a `purpose`.
    `transform` has K, s2d, prefix, step, prefix_step, shifts, and basis (hexadecimal digits of a channel_transform) or
    digest.
    """

    id: int = 0
    axes: str = "NCHW"
    C: int = 2
    H: int = 3
    W: int = 4
    element: str = "FLOAT32"
    quantizer: str = "UNIFORM"
    bits: int = 8
    scope: str = "SEQUENCE"
    ranges: list[list[float]] = field(default_factory=lambda: [[-1.0, 2.0]])
    codec: str = "STORED"
    layout: str = "MOSAIC"
    grid: list[int] | None = None
    margin: tuple[int, int] = (0, 0)
    size: list[int] | None = None
    order: list[int] | None = None
    digests: str = ""
    parts: list[int] | None = None
    predict: int = 0
    kind: str | None = None
    base: int = 0
    purpose: str = ""
    carried: list[int] | None = None
    fill: list[float] | None = None
    transform: dict[str, Any] | None = None
    network: str = ""
    layer: str = ""
    model: str | None = None
    time: tuple[int, int] = (25, 1)
    encoder: dict[str, Any] = field(default_factory=dict)

    samples: int = 0
    digested: dict[int, int] = field(default_factory=dict)

    @property
    def extents(self) -> tuple[int, int, int]:
        """(C, H, W), 1 where there is no such axis."""
        return tuple(getattr(self, a) if a in self.axes else 1 for a in "CHW")  # type: ignore[return-value]

    @property
    def maps(self) -> tuple[int, int, int]:
        """7.6.1 (K, h, w) of the components, or (C, H, W)."""
        channels, rows, columns = self.extents
        if self.transform is None:
            return channels, rows, columns
        divisor = 2 if self.transform.get("s2d") else 1
        return self.transform.get("K", channels), -(-rows // divisor), -(-columns // divisor)

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        if self.layout == "SEQUENCE":
            return 1, 1
        if self.grid:
            return self.grid[0], self.grid[1]
        channels = -(-self.maps[0] // (self.parts[1] if self.parts else 1))
        rows = max(1, math.isqrt(channels))
        return rows, -(-channels // rows)

    @property
    def coded(self) -> tuple[int, int]:
        """Height and width of a picture."""
        if self.size:
            return self.size[0], self.size[1]
        (_, rows, columns), grid = self.maps, self.cells
        rows = self.parts[0] if self.parts else rows
        return grid[0] * rows + self.margin[0], grid[1] * columns + self.margin[1]

    @property
    def coded_channels(self) -> list[int]:
        """7.5.3 The channels that are in the pictures."""
        if self.transform is not None:
            return list(range(self.maps[0]))
        order = [*(self.order if self.order is not None else range(self.extents[0]))]
        if self.carried is not None:
            order = [c for c in order if c in self.carried]
        if self.quantizer == "NONE" or self.scope != "CHANNEL":
            return order
        return [c for c in order if self.ranges[c][0] != self.ranges[c][1]]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of what is in the pictures."""
        if self.quantizer == "NONE":
            return DTYPES[ElementType[self.element]]
        return np.dtype("u1" if self.bits <= 8 else "<u2")

    def values(self, configuration: bytes) -> dict[str, Any]:
        """The values of the syntax elements."""
        network, layer = self.network.encode(), self.layer.encode()
        extents = [1 if a in "NT" else getattr(self, a) for a in self.axes]
        quantized = self.quantizer != "NONE"
        return {
            "parameter_set_id": self.id,
            "network_id_length": len(network),
            "network_id": network,
            "layer_id_length": len(layer),
            "layer_id": layer,
            "model_digest_flag": int(self.model is not None),
            "model_digest": bytes.fromhex(self.model) if self.model else b"",
            "axis_count_minus1": len(self.axes) - 1,
            "axis_role": [int(AxisRole[a]) for a in self.axes],
            "axis_extent_minus1": [e - 1 for e in extents],
            "time_scale": [self.time[0]] * len(extents),
            "time_step": [self.time[1]] * len(extents),
            "element_type": int(ElementType[self.element]),
            "quantizer": int(Quantizer[self.quantizer]),
            "bit_depth_minus1": self.bits - 1,
            "range_scope": int(RangeScope[self.scope]) if quantized else 1,
            "range_minimum": [low for low, _ in self.ranges],
            "range_maximum": [high for _, high in self.ranges],
            "payload_codec": int(PayloadCodec[self.codec]),
            "repack_layout": int(RepackLayout[self.layout]),
            "grid_rows_minus1": self.cells[0] - 1,
            "grid_columns_minus1": self.cells[1] - 1,
            "coded_width_minus1": self.coded[1] - 1,
            "coded_height_minus1": self.coded[0] - 1,
            "channel_order_flag": int(self.order is not None),
            "channel_order": self.order or [],
            "tensor_digest_flag": int("T" in self.digests),
            "levels_digest_flag": int("L" in self.digests),
            "codec_configuration_length": len(configuration),
            "codec_configuration": configuration,
            "parts_flag": int(self.parts is not None),
            **self._layer(),
            "time_prediction_flag": int(self.predict),
            "channel_transform_flag": int(self.transform is not None),
            "other_extension_flags": 0,
            "part_rows_minus1": (self.parts or [self.extents[1]])[0] - 1,
            "channel_groups_minus1": (self.parts or [0, 1])[1] - 1,
            **({} if self.transform is None else self._transform(self.transform)),
        }

    def _transform(self, words: dict[str, Any]) -> dict[str, Any]:
        """6.21 Its elements."""
        basis, shifts = bytes.fromhex(words.get("basis", "")), words.get("shifts", [])
        return {
            "space_to_depth_flag": int(words.get("s2d", 0)),
            "component_count": self.maps[0],
            "prefix_rows": words.get("prefix", 0),
            "component_step": words.get("step", 0.0078125),
            "prefix_step": words.get("prefix_step", 0.001953125),
            "level_shift_flag": int(bool(shifts)),
            "level_shift": shifts,
            "transform_sent_flag": int("digest" not in words),
            "transform_length": len(basis),
            "transform": basis,
            "transform_digest": bytes.fromhex(words.get("digest", "")),
        }

    def _layer(self) -> dict[str, Any]:
        """6.20 The values of the elements of a layer."""
        purpose = self.purpose.encode()
        return {
            "layers_flag": int(self.kind is not None),
            "layer_kind": int(LayerKind[self.kind]) if self.kind else 0,
            "base_parameter_set_id": self.base,
            "purpose_length": len(purpose),
            "purpose": purpose,
            "carried_flag": int(self.carried is not None),
            "channel_carried_flag": [int(c in (self.carried or [])) for c in range(self.extents[0])],
            "fill_flag": int(self.fill is not None),
            "fill_value": self.fill or [0.0] * self.extents[0],
        }

    @property
    def part_count(self) -> int:
        """Parts of a sample; 0 without parts."""
        return -(-self.extents[1] // self.parts[0]) * self.parts[1] if self.parts else 0

    def part(self, index: int) -> tuple[list[int], int, int]:
        """9.10.1 The coded channels of a part, and its rows from one up to, but without, another."""
        assert self.parts is not None
        rows, groups = self.parts
        band, group = divmod(index, groups)
        order = self.order if self.order is not None else range(self.extents[0])
        channels = [c for c in list(order)[group::groups] if c in set(self.coded_channels)]
        return channels, band * rows, min((band + 1) * rows, self.extents[1])

    def part_pictures(self, unit: Unit, seed: int) -> data.Array:
        """The pictures of a feature part unit of a recipe; what its band does not fill gets noise."""
        channels, first, end = self.part(unit["index"])
        limits = unit.get("range") or (self.ranges[0] if self.scope == "SEQUENCE" else None)
        if self.quantizer != "NONE" and self.scope != "CHANNEL" and limits and limits[0] == limits[1]:
            channels = []
        if not channels:
            return np.zeros((0, *self.coded), self.dtype)
        assert self.parts is not None
        rows, own = self.parts[0], seed * 1000 + unit.get("sample", 0) * 100 + unit["index"]
        shape = (len(channels), rows, self.extents[2])
        if self.quantizer == "NONE":
            coded: data.Array = data.elements(shape, self.dtype, own)
            coded[:, end - first :] = 0
            top = 0
        else:
            coded = data.levels(unit.get("pattern", "noise"), shape, self.bits, own).astype(self.dtype)
            top = 0 if unit.get("pattern") == "smooth" else (1 << self.bits) - 1
        return data.pack(coded, self.layout, self.cells, self.coded, own, top)

    def pictures(self, unit: Unit, seed: int) -> data.Array:
        """The pictures of a feature data unit of a recipe: (P, height, width)."""
        count = unit.get("count", 1)
        ranges = unit.get("ranges") or [self.ranges[0] if self.ranges and self.scope == "SEQUENCE" else None] * count
        shape = (len(self.coded_channels), *self.maps[1:])
        out = [np.zeros((0, *self.coded), self.dtype)]
        for sample in range(count):
            limits = ranges[min(sample, len(ranges) - 1)]
            if self.quantizer != "NONE" and self.scope != "CHANNEL" and limits and limits[0] == limits[1]:
                continue
            own = seed * 1000 + unit.get("seed", 0) * 100 + sample
            if self.quantizer == "NONE":
                coded: data.Array = data.elements(shape, self.dtype, own)
                top = 0
            else:
                coded = data.levels(unit.get("pattern", "noise"), shape, self.bits, own).astype(self.dtype)
                top = (1 << self.bits) - 1
            if unit.get("pattern") == "smooth":
                top = 0
            out.append(data.pack(coded, self.layout, self.cells, self.coded, own, top))
        return np.concatenate(out)
