"""9.4 Decoding one feature data unit: payload to pictures, levels, and the elements of the samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.errors import ErrorClass, PayloadError
from refsw.features.parameters import Parameters
from refsw.named import Known
from refsw.payload.base import VIDEO, DecoderSettings
from refsw.payload.registry import codec
from refsw.syntax.codes import Profile, Quantizer, RangeScope
from refsw.tensor.axes import Array
from refsw.tensor.dequantize import points, reconstruction_table
from refsw.tensor.repack import unpack
from refsw.tensor.transform import elements as transformed

Range = tuple[float, float]
LOOKED_UP = 1 << 16


@dataclass(frozen=True, slots=True)
class UnitContent:
    """What a feature data unit holds, after all checks of syntax and semantics.

    `ranges` has an entry for every sample; `payload_offset` is in bits from the start of the bitstream. With a `part`,
    it is a part of the sample `first_sample` of `whole`, and `parameters` are what the part is decoded with.
    """

    parameters: Parameters
    first_sample: int
    ranges: tuple[Range | None, ...]
    payload: bytes
    payload_offset: int
    part: int | None = None
    whole: Parameters | None = None

    @property
    def tensor(self) -> Parameters:
        """The parameter set of the samples."""
        return self.whole or self.parameters

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.ranges)

    @property
    def pictures(self) -> tuple[int, ...]:
        """Number of pictures of every sample."""
        return tuple(self.parameters.pictures_of(r) for r in self.ranges)


def decode_pictures(content: UnitContent, profile: Profile, settings: DecoderSettings) -> Array:
    """9.4.1 All pictures of the unit, in order: (P, coded_height, coded_width).

    Raises:
        PayloadError: with the offset counted from the start of the bitstream.
    """
    p = content.parameters
    picture_format = p.picture_format(profile)
    count = sum(content.pictures)
    try:
        if count == 0:
            if content.payload:
                raise PayloadError(
                    ErrorClass.LENGTH_MISMATCH, "payload.empty", "payload", 0,
                    expected="no payload for samples without pictures", got=f"{len(content.payload)} bytes",
                )  # fmt: skip
            return np.zeros((0, picture_format.height, picture_format.width), picture_format.dtype)
        pictures = codec(p.payload_codec).decode(
            p.configuration, memoryview(content.payload), count, picture_format, settings
        )
        words_are_wider = picture_format.bit_depth < 8 * picture_format.dtype.itemsize
        # The samples of a video codec have the bit depth that its parameter sets, compared above, declare.
        if words_are_wider and p.payload_codec not in VIDEO and pictures.max() >> picture_format.bit_depth:
            raise PayloadError(
                ErrorClass.OUT_OF_RANGE, "payload.level-range", "payload", 0,
                expected=f"levels of {picture_format.bit_depth} bits", got=str(pictures.max()),
            )  # fmt: skip
    except PayloadError as error:
        raise locate(error, content.payload_offset) from error
    return pictures


def check_unit(content: UnitContent, profile: Profile) -> list[PayloadError]:
    """Every requirement of chapter 8 that the payload breaks, as far as that is found without decoding it."""
    p, count = content.parameters, sum(content.pictures)
    if not count:
        return []
    errors = codec(p.payload_codec).check(
        p.configuration, memoryview(content.payload), count, p.picture_format(profile)
    )
    return [locate(error, content.payload_offset) for error in errors]


def locate(error: PayloadError, payload_offset: int) -> PayloadError:
    """The same error, with its offset counted from the start of the bitstream."""
    if error.element == "codec_configuration":
        return error
    offset = payload_offset + (error.bit_offset or 0)
    return PayloadError(
        error.error_class, error.requirement, error.element, offset, expected=error.expected, got=error.got
    )


def levels_of(content: UnitContent, pictures: Array) -> Iterator[Array]:
    """9.4.2 For every sample, the coded channels (K, H, W) of its levels, or its components; K = 0 where it has no
    pictures.
    """
    p = content.parameters
    start = 0
    for count in content.pictures:
        # The last band of a channel may have fewer rows than the pictures have room for (9.10.3).
        yield unpack(pictures[start : start + count], p.packing, len(p.coded_channels))[:, : p.maps[1]]
        start += count


def elements_of(p: Parameters, levels: Array, sample_range: Range | None, known: Known | None = None) -> Array:
    """9.4.3 One sample (C, H, W) of the tensor's dtype from its coded levels (K, H, W).

    Raises:
        DfcError: its channel_transform is not among what is known, or breaks a requirement.
    """
    shape = p.axes.canonical_shape
    if p.quantizer is Quantizer.NONE:
        if p.in_own_order:
            return levels
        out = np.empty(shape, p.dtype)
        out[p.coded_channels] = levels
        return out
    if p.range_scope is RangeScope.CHANNEL:
        return _by_channel(p, levels, shape)
    assert sample_range is not None
    low, high = sample_range
    if low == high:
        # A view of one number: a constant sample takes no memory until someone writes it out.
        return np.broadcast_to(to_dtype(np.array(low, np.float32), p.own_dtype), shape)
    if p.transform is not None:
        data = p.channel_transform(known or {})
        found = transformed(data, p.transform, levels, shape, p.packing.cells, p.bit_depth, (low, high))
        return to_dtype(found, p.own_dtype)
    if levels.size < 1 << p.bit_depth:  # fewer elements than levels: a table would be more work
        found = points(p.quantizer, low, high, levels.reshape(-1).astype(np.int64), (1 << p.bit_depth) - 1)
        values = to_dtype(found, p.own_dtype).reshape(levels.shape)
    else:
        values = look_up(to_dtype(reconstruction_table(p.quantizer, p.bit_depth, low, high), p.own_dtype), levels)
    if p.in_own_order:
        return values
    out = np.empty(shape, p.own_dtype)
    out[p.coded_channels] = values
    return out


def _by_channel(p: Parameters, levels: Array, shape: tuple[int, ...]) -> Array:
    limits = np.array(p.ranges, np.float32)
    minima = to_dtype(limits[:, 0], p.own_dtype)[:, None, None]
    if not len(levels):
        return np.broadcast_to(minima, shape)
    out = np.empty(shape, p.own_dtype)
    out[:] = minima
    per_channel = levels[0].size
    if p.quantizer is Quantizer.UNIFORM or per_channel < 1 << p.bit_depth:
        # Fewer elements than levels, or as cheap as a table: compute every element on its own.
        lows, highs = (np.repeat(limits[p.coded_channels, i], per_channel) for i in (0, 1))
        flat = levels.reshape(-1).astype(np.int64)
        values = points(p.quantizer, lows, highs, flat, (1 << p.bit_depth) - 1)
        out[p.coded_channels] = to_dtype(values, p.own_dtype).reshape(levels.shape)
        return out
    for place, channel in enumerate(p.coded_channels):
        low, high = p.ranges[channel]
        table = to_dtype(reconstruction_table(p.quantizer, p.bit_depth, low, high), p.own_dtype)
        out[channel] = look_up(table, levels[place])
    return out


def look_up(table: Array, levels: Array) -> Array:
    """The entry of every level, in parts: numpy makes wide indices of what it looks up at once."""
    flat = levels.reshape(-1)
    out = np.empty(flat.size, table.dtype)
    for start in range(0, flat.size, LOOKED_UP):
        table.take(flat[start : start + LOOKED_UP], out=out[start : start + LOOKED_UP], mode="clip")
    return out.reshape(levels.shape)


def to_dtype(values: Array, dtype: np.dtype[Any]) -> Array:
    """7.4.4 binary32 to the element type: limited to its finite values, then to nearest, ties to even."""
    if dtype == np.float32:
        return values
    if dtype.itemsize == 2:
        largest = np.float32(65504.0) if dtype == np.float16 else np.float32(2.0**127 * (2 - 2.0**-7))
        values = np.clip(values, -largest, largest).astype(dtype)
        values += dtype.type(0)  # 4.4: a zero is positive
        return values
    return values.astype(dtype)


def all_levels(p: Parameters, levels: Array) -> Array:
    """9.5.2 Levels of all channels (C, H, W), or of all components, 0 where a channel or the sample is not coded."""
    if p.parts is not None:
        return levels  # as they were put together (9.10.3)
    if len(levels) and (p.in_own_order or p.transform is not None):
        return levels
    if not len(levels):
        return np.broadcast_to(np.zeros((), levels.dtype), p.maps)
    out = np.zeros(p.axes.canonical_shape, levels.dtype)
    out[p.coded_channels] = levels
    return out


def decode_unit(content: UnitContent, profile: Profile, settings: DecoderSettings) -> list[tuple[Array, Array]]:
    """9.4 Every sample of the unit: its coded levels, and its elements in the user's order of axes.

    Those of a layer are what it carries, to be put together with those of its base layer (9.11.3).
    """
    pictures = decode_pictures(content, profile, settings)
    p = content.parameters
    return [
        (levels, p.axes.from_canonical(elements_of(p, levels, sample_range, settings.known)))
        for levels, sample_range in zip(levels_of(content, pictures), content.ranges, strict=True)
    ]
