"""10.6.4 Raw bits: strings of bits of known lengths, one after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

WIDEST_READ = 57

Integers = npt.NDArray[np.int64]
Strings = npt.NDArray[np.uint64]


class RawReader:
    """10.6.4 Raw bits, most significant bit first.

    Args:
        data: the bytes that hold them.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self.length = 8 * len(data)
        self.position = 0
        padded = np.zeros(len(data) + 16, np.uint8)
        padded[: len(data)] = np.frombuffer(data, np.uint8)
        # Eight bytes from every place on, as one big-endian word.
        self._windows = np.ndarray((len(data) + 9,), ">u8", padded, 0, (1,))

    @property
    def missing(self) -> int:
        """Bits that were taken beyond the end."""
        return max(0, self.position - self.length)

    def take(self, lengths: Integers) -> npt.NDArray[np.uint64]:
        """The next bit strings of the given lengths, 1 to 61 bits, as integers; zeros beyond the end."""
        ends = np.cumsum(lengths) + self.position
        starts = ends - lengths
        self.position = int(ends[-1])
        wide = lengths > WIDEST_READ
        # What is longer than a window holds is read in two parts.
        first = np.where(wide, lengths - 32, lengths)
        out = self._window(starts, first)
        if wide.any():
            rest = self._window(starts[wide] + first[wide], np.full(int(wide.sum()), 32, np.int64))
            out[wide] = (out[wide] << np.uint64(32)) | rest
        return out

    def _window(self, starts: Integers, lengths: Integers) -> npt.NDArray[np.uint64]:
        places = np.minimum(starts >> 3, len(self._windows) - 1)
        shifted = self._windows[places].astype(np.uint64) << (starts & 7).astype(np.uint64)
        out: npt.NDArray[np.uint64] = shifted >> (64 - lengths).astype(np.uint64)
        return out

    def rest_is_zero(self) -> bool:
        """Whether less than a byte is left, and that all zeros."""
        left = self.length - self.position
        return 0 <= left < 8 and int(self._windows[self.position >> 3]) >> 56 & ((1 << left) - 1) == 0


def pack(lengths: Integers, values: Strings) -> bytes:
    """The bit strings of given lengths, 1 to 64 bits, as bytes; the inverse of `RawReader`.

    Args:
        lengths: of the strings.
        values: their low bits are the strings.
    """
    parts, carry, carried = [], 0, 0
    for begin in range(0, lengths.size, 1 << 16):
        n, chosen = lengths[begin : begin + (1 << 16)], values[begin : begin + (1 << 16)]
        ends = np.cumsum(n) + carried
        bits = np.zeros(int(ends[-1]), np.uint8)
        if carried:
            bits[:carried] = [carry >> (carried - 1 - i) & 1 for i in range(carried)]
        owner = np.repeat(np.arange(n.size), n)
        place = np.repeat(ends, n) - 1 - np.arange(carried, int(ends[-1]))  # bits below this one in its string
        bits[carried:] = (chosen[owner] >> place.astype(np.uint64)) & np.uint64(1)
        whole = bits.size // 8 * 8
        parts.append(np.packbits(bits[:whole]).tobytes())
        carried = bits.size - whole
        carry = int("".join(map(str, bits[whole:])) or "0", 2)
    if carried:
        parts.append(bytes([carry << (8 - carried)]))
    return b"".join(parts)
