"""Informative: what a codec of pictures does, and how its options are checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from refsw.errors import UsageError
from refsw.tensor.axes import Array

COLOUR_RANK = 4
"""Axes of frames in colour, (T, H, W, 3); of grey ones there are three."""


class PictureCodec(Protocol):
    """A codec whose choices are all made. `takes_frames` tells whether it codes several frames as one video."""

    takes_frames: bool

    def encode(self, frames: Array) -> bytes:
        """Frames, uint8 (T, H, W, 3) in RGB or (T, H, W), T = 1 unless `takes_frames`, to a file or stream.

        Raises:
            CodecError: the codec failed.
        """

    def decode(self, data: bytes, shape: tuple[int, ...]) -> Array:
        """The frames of a file or stream, uint8 of the shape that was coded.

        Args:
            data: what `encode` gave.
            shape: (T, H, W, 3) or (T, H, W): decides whether colours are given; a size beyond it is cut off.

        Raises:
            CodecError: the codec failed, or there is less than that.
        """


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a codec: a number from `least` to `most`, or one of `words`.

    Args:
        default: where nothing is said; None where the option is off unless given.
        least, most: of a number.
        whole: only whole numbers.
        words: of an option that is no number.
    """

    default: Any
    least: float = -math.inf
    most: float = math.inf
    whole: bool = True
    words: Sequence[Any] = ()

    def checked(self, where: str, value: Any) -> Any:
        """A value that the option takes.

        Raises:
            UsageError: it does not.
        """
        if self.words:
            if value not in self.words or isinstance(value, bool) != isinstance(self.words[0], bool):
                raise UsageError(f"{where} {value!r}: {', '.join(map(repr, self.words))}")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.least <= value <= self.most:
            raise UsageError(f"{where} {value!r}: from {self.least:g} to {self.most:g}")
        if self.whole and int(value) != value:
            raise UsageError(f"{where} {value!r}: a whole number")
        return int(value) if self.whole else float(value)


def checked_options(kind: str, known: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options with defaults filled in.

    Raises:
        UsageError: an option that the codec does not have, or a value that it does not take.
    """
    for name in given:
        if name not in known:
            raise UsageError(f"pictures by {kind}: no option {name}: {', '.join(known)}")
    return {
        name: option.checked(f"pictures by {kind}: {name}", given[name]) if name in given else option.default
        for name, option in known.items()
    }
