"""Decoders that decode whatever fits, and fail under stress (13.13), each in one way.

    refsw conformance stress --decoder conformance/saboteurs/stress.py:keeps_everything

tests/conformance/test_stress.py says what each of them has to come to.
"""

from __future__ import annotations

import io
import os
import select
import sys
from pathlib import Path
from typing import Any

import numpy as np

PATIENCE = 0.3


class RefusedError(Exception):
    """Not this input."""

    exit_code = 65


class NotOfferedError(Exception):
    """What this decoder does not have."""

    exit_code = 69


def _write(output: str, tensors: dict[str, Any]) -> None:
    from refsw.conformance.outputs import write_raw

    with Path(output).open("wb") as file:
        write_raw(file, tensors)


def _decoded(data: bytes) -> dict[str, Any]:
    from refsw.features.decoder import decode_by_name

    return decode_by_name(data)


def right(source: str, output: str, sample: int | None = None, sdp: str | None = None) -> None:
    """What is right, but for one thing, in what follows."""
    from refsw.conformance.stress.reference import decode

    decode(source, output, sample, sdp)


def keeps_everything(source: str, output: str) -> None:
    """All samples in memory, before any of them is written: takes more, the longer a stream is."""
    _write(output, _decoded(Path(source).read_bytes()))


def gives_up(source: str, output: str) -> None:
    """A pipe in which nothing comes for a while is taken for a broken one."""
    data = _before_a_stall(source)
    if data is None:
        raise RefusedError("nothing comes")
    _write(output, _decoded(data))


def takes_what_came(source: str, output: str) -> None:
    """A pipe in which nothing comes for a while is taken for one that has ended: whole samples of it are put out."""
    import contextlib

    from refsw.errors import DfcError
    from refsw.features.decoder import Decoder

    samples = []
    with contextlib.suppress(DfcError):
        samples += [sample.elements for sample in Decoder(io.BytesIO(_before_a_stall(source) or b""))]
    _write(output, {"x": np.stack(samples) if samples else np.zeros((0, 8, 16, 16), np.float32)})


def _before_a_stall(path: str) -> bytes | None:
    """What comes of a pipe, None if it stops before its end; where it was not read on, the rest is lost."""
    data = b""
    with open(path, "rb", buffering=0) as file:
        while True:
            if not select.select([file], [], [], PATIENCE)[0]:
                return None if sys._getframe(1).f_code.co_name == "gives_up" else data
            part = os.read(file.fileno(), 1 << 16)
            if not part:
                return data
            data += part


def wants_a_file(source: str, output: str) -> None:
    """Looks for the end first."""
    with open(source, "rb") as file:
        try:
            size = file.seek(0, os.SEEK_END)
        except OSError as error:
            raise RefusedError(str(error)) from error
        file.seek(0)
        _write(output, _decoded(file.read(size)))


def says_that_it_wants_a_file(source: str, output: str) -> None:
    """The same, and honest."""
    if not Path(source).is_file():
        raise NotOfferedError("a pipe")
    right(source, output)


def decodes_all_for_one(source: str, output: str, sample: int | None = None) -> None:
    """Random access in name only."""
    tensors = _decoded(Path(source).read_bytes())
    if sample is not None and sample >= len(next(iter(tensors.values()))):
        raise RefusedError("no such sample")
    _write(output, tensors if sample is None else {name: x[sample : sample + 1] for name, x in tensors.items()})


def any_sample(source: str, output: str, sample: int | None = None) -> None:
    """A sample that there is not becomes the last one."""
    from refsw.errors import DfcError

    try:
        right(source, output, sample)
    except DfcError:
        right(source, output, 0)


def another_sample(source: str, output: str, sample: int | None = None) -> None:
    """The one beside it."""
    right(source, output, None if sample is None else sample - 1)


def joins_at_the_start(source: str, output: str, sdp: str | None = None) -> None:
    """Whoever comes late calls the first sample that she sees sample 0."""
    from refsw.carriage.output import receive_capture
    from refsw.carriage.sdp import parse_sdp

    if sdp is None:
        right(source, output)
        return
    with open(source, "rb") as file:
        tensors = receive_capture(file, parse_sdp(Path(sdp).read_bytes()))
    _write(output, {name: x * 0 if name.endswith("@first") else x for name, x in tensors.items()})


def small_only(source: str, output: str) -> None:
    """Tensors of more than a mebibyte are too much."""
    right(source, output)
    if Path(output).stat().st_size > 1 << 20:
        raise RefusedError("too large")


def wastes_memory(source: str, output: str) -> None:
    """Takes hundreds of bytes for every element."""
    right(source, output)
    waste = bytearray(300 * Path(output).stat().st_size)
    waste[:: 1 << 12] = b"\1" * len(waste[:: 1 << 12])


def leaves_the_tail(source: str, output: str) -> None:
    """The last block of an output is never flushed."""
    right(source, output)
    with open(output, "rb+") as file:
        file.truncate(Path(output).stat().st_size - 512)
