"""7.1 The feature tensor: its axes, the samples along them, and the number formats of its elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from refsw.errors import FeatureError, UsageError
from refsw.syntax.codes import AxisRole, ElementType

Array = npt.NDArray[Any]
DEFAULT_AXES = {1: "C", 2: "NC", 3: "CHW", 4: "NCHW"}
SAMPLE_ROLES = (AxisRole.N, AxisRole.T)
CANONICAL: tuple[AxisRole, ...] = (AxisRole.C, AxisRole.H, AxisRole.W)

DTYPES: dict[ElementType, np.dtype[Any]] = {
    ElementType.FLOAT32: np.dtype("<f4"),
    ElementType.FLOAT16: np.dtype("<f2"),
    ElementType.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
    ElementType.FLOAT64: np.dtype("<f8"),
    ElementType.UINT8: np.dtype("u1"),
    ElementType.INT8: np.dtype("i1"),
    ElementType.UINT16: np.dtype("<u2"),
    ElementType.INT16: np.dtype("<i2"),
    ElementType.UINT32: np.dtype("<u4"),
    ElementType.INT32: np.dtype("<i4"),
    ElementType.UINT64: np.dtype("<u8"),
    ElementType.INT64: np.dtype("<i8"),
    ElementType.BOOL: np.dtype("?"),
}
CONSTANT_BLOCK = 1 << 18
FLOAT_TYPES = {ElementType.FLOAT32, ElementType.FLOAT16, ElementType.BFLOAT16, ElementType.FLOAT64}


def element_type_of(dtype: np.dtype[Any]) -> ElementType:
    """The code point of a numpy dtype, whatever its byte order.

    Raises:
        FeatureError: the dtype has none (complex numbers, strings, objects).
    """
    native = dtype.newbyteorder("=") if dtype.kind != "V" else dtype
    for element_type, known in DTYPES.items():
        if known.newbyteorder("=") == native:
            return element_type
    raise FeatureError(f"elements of dtype {dtype} cannot be coded; known are: {', '.join(map(str, DTYPES.values()))}")


def contiguous_parts(array: Array, limit: int = 1 << 24) -> Iterator[Array]:
    """The bytes of an array in C order, in parts of uint8 of at most about `limit` bytes where that is possible."""
    if array.nbytes > limit and not any(array.strides):  # one number seen as many: its bytes are made once
        block = np.full(CONSTANT_BLOCK, array[(0,) * array.ndim], array.dtype).view(np.uint8)
        yield from (block for _ in range(array.size // CONSTANT_BLOCK))
        yield block[: array.size % CONSTANT_BLOCK * array.itemsize]
        return
    if array.nbytes <= limit or array.ndim == 0 or array.flags.c_contiguous:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return
    step = max(1, limit // max(1, array[0].nbytes))
    for start in range(0, len(array), step):
        part = array[start : start + step]
        if step == 1:
            yield from contiguous_parts(part[0], limit)
        else:
            yield np.ascontiguousarray(part).reshape(-1).view(np.uint8)


@dataclass(frozen=True, slots=True)
class Axes:
    """7.1 The axes of a feature tensor, in the order of the user's array.

    Args:
        roles: one role an axis.
        extents: one extent an axis; that of axis N or T is not used.
    """

    roles: tuple[AxisRole, ...]
    extents: tuple[int, ...]

    @classmethod
    def parse(cls, letters: str | None, shape: tuple[int, ...]) -> Axes:
        """Axes from letters such as ``NCHW`` and the shape of an array.

        Raises:
            FeatureError: a tensor of that many axes, or of that shape, has no features.
            UsageError: the letters are not a selection of N or T, C, H, W that fits the shape.
        """
        if not 1 <= len(shape) <= 4:
            raise FeatureError(f"a feature tensor has 1 to 4 axes, not {len(shape)} (shape {shape})")
        letters = (letters or DEFAULT_AXES[len(shape)]).upper()
        if len(letters) != len(shape):
            raise UsageError(f"axes {letters} name {len(letters)} axes, the tensor has {len(shape)} (shape {shape})")
        if set(letters) - set("NTCHW") or len(set(letters)) != len(letters) or {"N", "T"} <= set(letters):
            raise UsageError(f"axes {letters}: each of N (or T), C, H, W at most once")
        if set(letters[1:]) & {"N", "T"}:
            raise UsageError(f"axes {letters}: the sample axis, N or T, comes first")
        if letters in ("N", "T"):
            raise UsageError(f"axes {letters}: a sample needs at least one of C, H, W")
        extents = tuple(1 if a in "NT" else n for a, n in zip(letters, shape, strict=True))
        if 0 in extents:
            raise FeatureError(f"shape {shape} has an axis of extent 0; only the axis of samples may be empty")
        return cls(tuple(AxisRole[a] for a in letters), extents)

    @property
    def letters(self) -> str:
        """The roles as letters."""
        return "".join(role.name for role in self.roles)

    @property
    def has_samples(self) -> bool:
        """Whether the tensor has an axis of samples; without it, it is one sample."""
        return self.roles[0] in SAMPLE_ROLES

    def extent(self, role: AxisRole) -> int:
        """Extent of the axis with a role; 1 if there is none."""
        return self.extents[self.roles.index(role)] if role in self.roles else 1

    @property
    def channels(self) -> int:
        """C."""
        return self.extent(AxisRole.C)

    @property
    def rows(self) -> int:
        """H."""
        return self.extent(AxisRole.H)

    @property
    def columns(self) -> int:
        """W."""
        return self.extent(AxisRole.W)

    @property
    def elements(self) -> int:
        """Elements of one sample."""
        return self.channels * self.rows * self.columns

    @property
    def canonical_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.channels, self.rows, self.columns

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample in the order of the user's array."""
        return tuple(e for r, e in zip(self.roles, self.extents, strict=True) if r not in SAMPLE_ROLES)

    def shape(self, samples: int) -> tuple[int, ...]:
        """Shape of the whole tensor."""
        return (samples, *self.sample_shape) if self.has_samples else self.sample_shape

    @property
    def is_canonical(self) -> bool:
        """Whether a sample's axes come in the order C, H, W."""
        order = self._order()
        return list(order) == [role for role in CANONICAL if role in order]

    def _order(self) -> tuple[AxisRole, ...]:
        return tuple(r for r in self.roles if r not in SAMPLE_ROLES)

    def to_canonical(self, sample: Array) -> Array:
        """One sample in the user's order -> (C, H, W), a view where possible."""
        order = self._order()
        present = [r for r in CANONICAL if r in order]
        view = sample.transpose([order.index(r) for r in present])
        return view.reshape(self.canonical_shape)

    def from_canonical(self, sample: Array) -> Array:
        """(C, H, W) -> one sample in the user's order, a view where possible."""
        order = self._order()
        present = [r for r in CANONICAL if r in order]
        view = sample.reshape([self.extent(r) for r in present])
        return view.transpose([present.index(r) for r in order])
