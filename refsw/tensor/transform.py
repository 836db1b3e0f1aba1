"""7.6 The inverse channel transform: levels of components to elements, the same bits on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from refsw.errors import DfcError, ErrorClass, ParseError, SemanticError
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.declaration import Values
from refsw.syntax.structure import read_structure, write_structure
from refsw.syntax.transform_structures import CHANNEL_TRANSFORM
from refsw.tensor.axes import Array

PHASES = 2
"""Of rows and of columns, with space_to_depth_flag."""
LARGEST_SUM = 1 << 53
"""Up to which all integers are binary64 values."""
Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Basis:
    """6.22 What a channel_transform says.

    Args:
        entries: integers, int16 of shape (N, K): what component k adds to channel i.
        bits: of the entries of every component, 2 to 12, shape (K,).
        exponents: entries of component k are multiplied by 2 to this power, shape (K,).
        mean: binary32 of shape (N,).
        prefix_mean: binary32 of shape (P, N); P rows have means of their own and are not transformed.
    """

    entries: npt.NDArray[np.int16]
    bits: npt.NDArray[np.int64]
    exponents: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float32]
    prefix_mean: npt.NDArray[np.float32]

    @property
    def channels(self) -> int:
        """N: channels, or phases of channels."""
        return len(self.mean)

    @property
    def components(self) -> int:
        """K."""
        return len(self.exponents)

    @property
    def prefix_rows(self) -> int:
        """P."""
        return len(self.prefix_mean)


@dataclass(frozen=True, slots=True)
class Transform:
    """6.21 What a parameter set says of the transform of its tensor.

    Args:
        components: their number, K.
        step: what one level of a component is, a binary32.
        shifts: by which levels of the pictures of a sample are shifted; empty: by none.
        space_to_depth: whether the transform is across phases of the channels.
        prefix_rows, prefix_step: rows that are not transformed, and what one level is there.
        sent: the channel_transform, if the parameter set has it.
        digest: SHA-256 digest of the channel_transform, if it is named.
    """

    components: int
    step: float
    shifts: tuple[int, ...] = ()
    space_to_depth: bool = False
    prefix_rows: int = 0
    prefix_step: float = 0.0
    sent: bytes | None = None
    digest: bytes | None = None

    def map_shape(self, rows: int, columns: int) -> tuple[int, int]:
        """7.6.1 Rows and columns of a component."""
        divisor = PHASES if self.space_to_depth else 1
        return -(-rows // divisor), -(-columns // divisor)

    def channels(self, channels: int) -> int:
        """7.6.2 What the transform takes for channels: the channels, or their phases."""
        return channels * (PHASES * PHASES if self.space_to_depth else 1)

    def shifts_of(self, cells: int) -> npt.NDArray[np.int64]:
        """The shift of every component, with so many of them in a picture."""
        if not self.shifts:
            return np.zeros(self.components, np.int64)
        return np.repeat(np.array(self.shifts, np.int64), cells)[: self.components]


@lru_cache(maxsize=8)
def basis_of(data: bytes) -> Basis:
    """7.6.3 What the bytes of a channel_transform say.

    Raises:
        DfcError: they are none, or break a requirement of 6.22.
    """
    reader = BitReader(data, 0, "transform")
    try:
        values = read_structure(CHANNEL_TRANSFORM, reader)
    except DfcError as error:
        if error.error_class is not ErrorClass.TRUNCATED:
            raise
        raise _broken(ErrorClass.TRUNCATED, str(error.expected), str(error.got)) from error
    channels, count = values["basis_channels_minus1"] + 1, values["basis_component_count"]
    bits = np.array(values["component_bits_minus2"], np.int64) + 2
    raw = np.frombuffer(values["basis"], np.uint8)
    size = int(bits.sum()) * channels
    if len(raw) != -(-size // 8):
        kind = ErrorClass.TRUNCATED if len(raw) < -(-size // 8) else ErrorClass.TRAILING_DATA
        raise _broken(kind, f"{-(-size // 8)} bytes of basis", str(len(raw)))
    if size % 8 and raw[-1] & (0xFF >> size % 8):
        raise _broken(ErrorClass.RESERVED_VALUE, "zero bits after the basis", "another")
    prefix = np.array(values["prefix_mean"], np.float32).reshape(-1, channels)
    return Basis(
        _entries(raw, bits, channels), bits,
        np.array(values["component_exponent"], np.int64).reshape(count), np.array(values["mean"], np.float32), prefix,
    )  # fmt: skip


def _entries(raw: npt.NDArray[np.uint8], bits: npt.NDArray[np.int64], channels: int) -> npt.NDArray[np.int16]:
    """7.6.3 The entries (N, K): component after component, each entry a two's complement integer."""
    out = np.empty((len(bits), channels), np.int16)
    place = 0
    for k, width in enumerate(bits.tolist()):
        first, start, end = place // 8, place % 8, place + width * channels
        stream = np.unpackbits(raw[first : -(-end // 8)])
        digits = stream[start : start + width * channels].reshape(channels, width)
        weights = (1 << np.arange(width - 1, -1, -1)).astype(np.int16)
        weights[0] = -weights[0]
        out[k] = digits @ weights
        place = end
    return np.ascontiguousarray(out.T)


def _broken(error_class: ErrorClass, expected: str, got: str) -> ParseError:
    return ParseError(error_class, "transform.bytes", "transform", None, expected=expected, got=got)


def check_fit(basis: Basis, transform: Transform, channels: int, cells: int, bit_depth: int) -> None:
    """7.6.3, 7.6.4 Whether a channel_transform is one for a parameter set.

    Args:
        basis, transform: of the channel_transform, and of the parameter set.
        channels: of the tensor.
        cells: components in a picture.
        bit_depth: of the levels.

    Raises:
        SemanticError: it is for other numbers of channels, components or rows, or sums may be too large.
    """
    wanted = (transform.channels(channels), transform.components, transform.prefix_rows)
    found = (basis.channels, basis.components, basis.prefix_rows)
    if found != wanted:
        raise SemanticError(
            ErrorClass.LAYOUT_MISMATCH, "transform.fit", "transform", None,
            expected="{} channels or phases, {} components, {} rows of prefix".format(*wanted),
            got="{}, {} and {}".format(*found),
        )  # fmt: skip
    powers = basis.bits + basis.exponents + transform.shifts_of(cells) + bit_depth - 2
    largest = sum(1 << power for power in powers.tolist())
    if largest > LARGEST_SUM:
        raise SemanticError(
            ErrorClass.OUT_OF_RANGE, "transform.width", "component_exponent", None,
            expected="sums of at most 2^53", got=f"up to {largest}",
        )  # fmt: skip


@lru_cache(maxsize=4)
def _matrix(data: bytes, shifts: tuple[int, ...]) -> Real:
    """7.6.4 The entries times 2^E of their components, binary64 of shape (N, K), every one an integer."""
    basis = basis_of(data)
    return np.ldexp(basis.entries.astype(np.float64), basis.exponents + np.array(shifts, np.int64))


def elements(
    data: bytes,
    transform: Transform,
    levels: Array,
    shape: Sequence[int],
    cells: int,
    bit_depth: int,
    limits: tuple[float, float],
) -> npt.NDArray[np.float32]:
    """7.6.4, 7.6.5 Levels (K, component rows, component columns) to binary32 (C, H, W).

    Args:
        data: the channel_transform, which fits.
        transform: of the parameter set.
        levels: of the components.
        shape: (C, H, W).
        cells: components in a picture.
        bit_depth: of the levels.
        limits: minimum and maximum of the sample.
    """
    basis, (channels, rows, columns) = basis_of(data), shape
    map_rows, map_columns = transform.map_shape(rows, columns)
    offsets = levels.astype(np.float64) - float(1 << (bit_depth - 1))
    flat = offsets.reshape(len(offsets), map_rows * map_columns)
    used = flat.any(axis=1)
    matrix = _matrix(data, tuple(transform.shifts_of(cells).tolist()))
    # Sums of integers below 2^53 are exact in whatever order they are taken; components that are zero add nothing.
    sums = matrix @ flat if used.all() else matrix[:, used] @ flat[used]
    sums *= np.float64(transform.step)
    sums += basis.mean.astype(np.float64)[:, None]
    values = sums.reshape(-1, map_rows, map_columns)
    for row, mean in enumerate(basis.prefix_mean.astype(np.float64)):
        values[:, row] = mean[:, None] + offsets[:, row] * np.float64(transform.prefix_step)
    np.clip(values, *map(np.float64, limits), out=values)
    out: npt.NDArray[np.float32] = values.astype(np.float32)
    out += np.float32(0)  # positive zero
    if transform.space_to_depth:
        # (4C, h, w) -> (2, 2, C, h, w) -> (C, h, 2, w, 2) -> (C, H, W), without what is beyond the edges
        phases = out.reshape(PHASES, PHASES, channels, map_rows, map_columns).transpose(2, 3, 0, 4, 1)
        out = phases.reshape(channels, PHASES * map_rows, PHASES * map_columns)[:, :rows, :columns]
    return out


# --- Informative: writing. A decoder needs nothing below. ---


def pack_basis(basis: Basis) -> bytes:
    """6.22 The bytes of a channel_transform."""
    writer = BitWriter()
    write_structure(CHANNEL_TRANSFORM, writer, values_of(basis))
    return writer.getvalue()


def values_of(basis: Basis) -> Values:
    """6.22 The elements of a channel_transform.

    Raises:
        ValueError: an entry does not fit into the bits of its component.
    """
    digits = []
    for entries, width in zip(basis.entries.T.astype(np.int64), basis.bits.tolist(), strict=True):
        if not -(1 << (width - 1)) <= entries.min() <= entries.max() < 1 << (width - 1):
            raise ValueError(f"entries of {width} bits")
        digits.append(((entries[:, None] >> np.arange(width - 1, -1, -1)) & 1).astype(np.uint8).reshape(-1))
    packed = np.packbits(np.concatenate(digits)).tobytes() if digits else b""
    return {
        "basis_channels_minus1": basis.channels - 1,
        "basis_component_count": basis.components,
        "basis_prefix_rows": basis.prefix_rows,
        "mean": _floats(basis.mean),
        "prefix_mean": [_floats(row) for row in basis.prefix_mean],
        "component_bits_minus2": (basis.bits - 2).tolist(),
        "component_exponent": basis.exponents.tolist(),
        "basis": packed,
    }


def _floats(values: npt.NDArray[np.float32]) -> list[float]:
    positive: Any = values + np.float32(0)
    return [float(value) for value in positive]
