"""4.3 Descriptors: reading and writing bits, most significant bit first."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from refsw.errors import ErrorClass, ParseError

MAX_EXP_GOLOMB_PREFIX = 31


class BitReader:
    """Reads descriptors from the body of one unit.

    Args:
        data: the bytes to read.
        base: bit offset of `data` in the bitstream, so that errors and traces give absolute positions.
        where: what the bytes are, for messages.
    """

    def __init__(self, data: bytes | memoryview, base: int = 0, where: str = "bitstream") -> None:
        self.data = memoryview(data)
        self.base = base
        self.where = where
        self.position = 0
        self.length = len(data) * 8

    @property
    def remaining(self) -> int:
        """Bits that are left."""
        return self.length - self.position

    @property
    def offset(self) -> int:
        """Absolute bit offset of the next bit."""
        return self.base + self.position

    def u(self, bits: int, element: str = "u") -> int:
        """4.3.1 u(n): unsigned integer of `bits` bits."""
        if bits > self.remaining:
            raise ParseError(
                ErrorClass.TRUNCATED,
                "unit.complete-element",
                element,
                self.offset,
                expected=f"{bits} more bits in {self.where}",
                got=f"{self.remaining}",
            )
        first, end = self.position >> 3, (self.position + bits + 7) >> 3
        word = int.from_bytes(self.data[first:end], "big")
        self.position += bits
        return (word >> ((end << 3) - self.position)) & ((1 << bits) - 1)

    def ue(self, element: str = "ue") -> int:
        """4.3.2 ue(v): 0-th order Exp-Golomb code of at most 31 leading zero bits."""
        first, bit = self.position >> 3, self.position & 7
        # A code that begins in a byte ends within nine; its prefix leads these up to the first one bit.
        data = self.data[first : first + 9]
        window = int.from_bytes(data, "big") << 8 * (9 - len(data)) & (1 << 72 - bit) - 1
        zeros = min(72 - bit - window.bit_length(), 40 - bit)
        size = 2 * zeros + 1
        if zeros <= MAX_EXP_GOLOMB_PREFIX and size <= self.length - self.position:
            self.position += size
            return (window >> 72 - bit - size) - 1
        if zeros > MAX_EXP_GOLOMB_PREFIX and self.remaining > MAX_EXP_GOLOMB_PREFIX:
            raise ParseError(
                ErrorClass.OUT_OF_RANGE,
                "descriptor.ue-prefix",
                element,
                self.offset,
                expected=f"at most {MAX_EXP_GOLOMB_PREFIX} leading zero bits",
                got="more",
            )
        return self.u(size, element) - 1  # which says that so many are not there

    def se(self, element: str = "se") -> int:
        """4.3.7 se(v): signed Exp-Golomb code; ue(v) 0, 1, 2, 3, 4 stand for 0, 1, -1, 2, -2."""
        code = self.ue(element)
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def f32(self, element: str = "f32") -> float:
        """4.3.3 f(32): an IEEE 754 binary32 value, sign bit first."""
        value: float = struct.unpack(">f", self.u(32, element).to_bytes(4, "big"))[0]
        return value

    def align(self, element: str = "byte_alignment_bits") -> None:
        """4.3.5 byte_alignment(): zero bits up to the next byte."""
        start = self.offset
        padding = self.u(-self.position % 8, element)
        if padding:
            raise ParseError(
                ErrorClass.RESERVED_VALUE,
                "descriptor.alignment-zero",
                element,
                start,
                expected="zero bits up to the next byte",
                got=bin(padding),
            )

    def rest(self) -> memoryview:
        """The bytes that are left; the position is byte-aligned."""
        start = self.position >> 3
        self.position = self.length
        return self.data[start:]


def leading_ues(data: bytes | memoryview, names: Sequence[str], base: int = 0) -> list[int]:
    """4.3.2 The first elements of feature data, at most three ue(v), in fewer steps than with a `BitReader`.

    Raises:
        ParseError: as a `BitReader` at bit `base` does.
    """
    start = data[:24]  # three codes of 63 bits
    bits = 8 * len(start)
    word, values = int.from_bytes(start, "big"), []
    for _ in names:
        zeros = bits - word.bit_length()
        bits -= 2 * zeros + 1
        if zeros > MAX_EXP_GOLOMB_PREFIX or bits < 0:
            reader = BitReader(data, base, "feature data")
            return [reader.ue(name) for name in names]
        values.append((word >> bits) - 1)
        word &= (1 << bits) - 1
    return values


class BitWriter:
    """Writes descriptors; the counterpart of `BitReader`."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._pending = 0
        self._count = 0

    @property
    def position(self) -> int:
        """Bits written so far."""
        return len(self._bytes) * 8 + self._count

    def u(self, value: int, bits: int) -> None:
        """4.3.1 u(n)."""
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{value} does not fit into {bits} bits")
        self._pending = (self._pending << bits) | value
        self._count += bits
        whole = self._count >> 3
        if whole:
            self._count &= 7
            self._bytes += (self._pending >> self._count).to_bytes(whole, "big")
            self._pending &= (1 << self._count) - 1

    def ue(self, value: int) -> None:
        """4.3.2 ue(v)."""
        if value < 0:
            raise ValueError(f"{value} does not fit into ue(v)")
        size = (value + 1).bit_length()
        if size > MAX_EXP_GOLOMB_PREFIX + 1:
            raise ValueError(f"{value} is too large for ue(v)")
        self.u(0, size - 1)
        self.u(value + 1, size)

    def se(self, value: int) -> None:
        """4.3.7 se(v)."""
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def f32(self, value: float) -> None:
        """4.3.3 f(32)."""
        self.u(int.from_bytes(struct.pack(">f", value), "big"), 32)

    def align(self) -> None:
        """4.3.5 byte_alignment()."""
        self.u(0, -self._count % 8)

    def raw(self, data: bytes | memoryview) -> None:
        """Whole bytes; the position is byte-aligned."""
        if self._count:
            raise ValueError("not byte-aligned")
        self._bytes += data

    def getvalue(self) -> bytes:
        """Everything written; the position is byte-aligned."""
        if self._count:
            raise ValueError("not byte-aligned")
        return bytes(self._bytes)
