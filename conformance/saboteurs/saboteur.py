"""Decoders that are wrong on purpose, each in one way: what the runner has to see through.

    refsw conformance run SUITE --decoder 'conformance/saboteurs/saboteur.py:off_by_one_ulp'
    refsw conformance run SUITE --decoder 'python conformance/saboteurs/saboteur.py hang {input} {output}'

The functions of VALUES decode with refsw and spoil the result; those of PROCESSES misbehave as programs. Both can
be run by command. tests/conformance/test_saboteurs.py says what each of them has to come to.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOUR = 3600


class RejectionError(Exception):
    """Not this bitstream."""

    exit_code = 65


class UnknownError(Exception):
    """Not in this version."""

    exit_code = 69


def right(data: bytes) -> dict[str, Any]:
    """What is right."""
    from refsw.features.decoder import decode_by_name

    return decode_by_name(data)


# --- wrong values ---


def _spoiled(data: bytes, spoil: Callable[[Any], Any]) -> dict[str, Any]:
    """The right tensors, the first of them spoiled."""
    tensors = right(data)
    first = next(iter(tensors))
    return tensors | {first: spoil(tensors[first].copy())}


def accept_everything(data: bytes) -> dict[str, Any]:
    """A tensor for whatever comes."""
    import numpy as np

    try:
        return right(data)
    except Exception:
        return {"tensor0": np.zeros((1, 1, 1, 1), np.float32)}


def reject_everything(_: bytes) -> dict[str, Any]:
    """Nothing is good enough."""
    raise RejectionError("no")


def find_all_unsupported(_: bytes) -> dict[str, Any]:
    """Nothing is known."""
    raise UnknownError("no")


def reject_with_base(data: bytes, base: str | None = None) -> dict[str, Any]:
    """No model update is good enough that starts from a model."""
    from refsw.conformance.reference import decode

    if base is not None:
        raise RejectionError("no")
    return decode(data)


def reject_everything_with_base(_: bytes, __: str | None = None) -> dict[str, Any]:
    """Takes a base, and rejects everything."""
    raise RejectionError("no")


def reject_lzma(data: bytes) -> dict[str, Any]:
    """Decodes all but one codec."""
    from refsw.inspection import inspect

    tensors = inspect(data, trace=True).rows
    if any(row.element == "payload_codec" and getattr(row.value, "name", "") == "LZMA" for row in tensors):
        raise RejectionError("no")
    return right(data)


def write_nan(data: bytes) -> dict[str, Any]:
    """NaN, which is not greater than any limit."""

    def spoil(x: Any) -> Any:
        x[...] = float("nan")
        return x

    return _spoiled(data, spoil)


def off_by_one_ulp(data: bytes) -> dict[str, Any]:
    """The last element is the next number of its format."""

    def spoil(x: Any) -> Any:
        words = x.reshape(-1).view(f"u{x.dtype.itemsize}")
        words[-1] += 1
        return x

    return _spoiled(data, spoil)


def off_by_one_step(data: bytes) -> dict[str, Any]:
    """One element has the level beside its own."""
    from refsw.conformance.reference import decode_in_steps

    tensors = right(data)
    for name, steps in decode_in_steps(data).items():
        points = steps.points(0, 0)
        if points is None:
            raise RejectionError("no levels here")
        level = int(steps.levels[0][0, 0, 0])
        sample = steps.parameters.axes.to_canonical(tensors[name][0])
        sample[0, 0, 0] = points[level + 1 if level + 1 < len(points) else level - 1]
    return tensors


def swap_channels(data: bytes) -> dict[str, Any]:
    """Two channels in each other's place (axis 1)."""

    def spoil(x: Any) -> Any:
        x[:, [0, 1]] = x[:, [1, 0]]
        return x

    return _spoiled(data, spoil)


def drop_sample(data: bytes) -> dict[str, Any]:
    """The last sample is missing."""
    return _spoiled(data, lambda x: x[:-1])


def add_sample(data: bytes) -> dict[str, Any]:
    """One sample too many."""
    import numpy as np

    return _spoiled(data, lambda x: np.concatenate([x, x[-1:]]))


def wrong_dtype(data: bytes) -> dict[str, Any]:
    """The right values, in double precision."""
    return _spoiled(data, lambda x: x.astype("float64"))


def other_name(data: bytes) -> dict[str, Any]:
    """The right tensor under another name."""
    return {f"{name}.": tensor for name, tensor in right(data).items()}


def ignore_crcs(data: bytes) -> dict[str, Any]:
    """CRCs are made to fit before decoding."""
    out = data[:8] + zlib.crc32(data[:8]).to_bytes(4, "big")
    chain, place = out[8:], 12
    while place < len(data):
        start, length, shift = place, 0, 0
        place += 1
        while True:
            length |= (data[place] & 0x7F) << shift
            shift, place = shift + 7, place + 1
            if data[place - 1] < 0x80:
                break
        body = data[place : place + length]
        if data[start] >> 1 == 5:
            body = body[:-4] + zlib.crc32(chain).to_bytes(4, "big")
        unit = data[start:place] + body
        crc = zlib.crc32(unit).to_bytes(4, "big")
        out, chain, place = out + unit + crc, chain + crc, place + length + 4
    return right(out)


VALUES = (
    accept_everything, reject_everything, find_all_unsupported, reject_with_base, reject_everything_with_base,
    reject_lzma, write_nan, off_by_one_ulp, off_by_one_step, swap_channels, drop_sample, add_sample, wrong_dtype,
    other_name, ignore_crcs,
)  # fmt: skip


# --- wrong manners ---


def write(tensors: dict[str, Any], output: Path) -> None:
    """The raw form."""
    from refsw.conformance.outputs import write_raw

    with output.open("wb") as file:
        write_raw(file, tensors)


def honest(source: Path, output: Path) -> int:
    """As it should be."""
    from refsw.errors import RefswError

    try:
        write(right(source.read_bytes()), output)
    except RefswError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def silent(_source: Path, _output: Path) -> int:
    """All is well, and there is no output."""
    return 0


def hang(_source: Path, _output: Path) -> int:
    """For ever, deaf to polite requests, and so is its child."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.fork()
    while True:
        time.sleep(HOUR)


def crash_on_reject(source: Path, output: Path) -> int:
    """A bad address where it should say 65."""
    code = honest(source, output)
    if code:
        os.kill(os.getpid(), signal.SIGSEGV)
    return code


def abort_on_reject(source: Path, output: Path) -> int:
    """An assertion where it should say 65."""
    code = honest(source, output)
    if code:
        os.abort()
    return code


def exception_on_reject(source: Path, output: Path) -> int:
    """An uncaught exception where it should say 65; Python then ends with 1."""
    if code := honest(source, output):
        raise ValueError(code)
    return code


def leave_children(source: Path, output: Path) -> int:
    """Right, but a child, a child in its own session, and an orphan in its own session stay behind."""
    code = honest(source, output)
    for kind in range(3):
        if os.fork() == 0:
            if kind:
                os.setsid()
            if kind == 2 and os.fork():
                os._exit(0)
            time.sleep(HOUR)
    return code


def fill_disk(_source: Path, output: Path) -> int:
    """Writes as long as it can, into files of 16 MiB so that none is too long."""
    number = 0
    while True:
        number += 1
        output.with_name(f"part{number}").write_bytes(bytes(1 << 24))


def long_file(_source: Path, output: Path) -> int:
    """One file without end."""
    with output.open("wb") as file:
        while True:
            file.write(bytes(1 << 24))


def eat_memory(_source: Path, _output: Path) -> int:
    """Takes memory in a child as long as there is some."""
    if os.fork() == 0:
        kept = []
        while True:
            kept.append(b"x" * (1 << 24))
    time.sleep(HOUR)
    return 0


def spam(source: Path, output: Path) -> int:
    """Right, and says far too much: HTML, terminal escapes, NUL, invalid UTF-8, an override of direction."""
    noise = b"<script>alert(1)</script>]]>&amp;\x1b[31m\x1b]0;title\x07\x00\xff\xfe\xe2\x80\xae|*_`=1+1\r\n"
    for _ in range(200):
        os.write(2, noise * 1000)
    return honest(source, output)


def output_then_65(source: Path, output: Path) -> int:
    """Writes a file of tensors in any case, and then rejects."""
    write(accept_everything(source.read_bytes()), output)
    return 65


def half_output_then_65(_source: Path, output: Path) -> int:
    """Leaves the beginning of an output behind."""
    output.write_bytes(b"\x93NUM")
    return 65


def change_input(source: Path, output: Path) -> int:
    """Right, and then overwrites what it was given."""
    code = honest(source, output)
    source.chmod(0o666)
    source.write_bytes(b"nothing")
    return code


def link_as_output(source: Path, output: Path) -> int:
    """A symbolic link to a file elsewhere."""
    output.symlink_to(source)
    return 0


def pipe_as_output(_source: Path, output: Path) -> int:
    """A pipe, which blocks whoever opens it."""
    os.mkfifo(output)
    return 0


PROCESSES = (
    honest, silent, hang, crash_on_reject, abort_on_reject, exception_on_reject, leave_children, fill_disk, long_file,
    eat_memory, spam, output_then_65, half_output_then_65, change_input, link_as_output, pipe_as_output,
)  # fmt: skip


def main(mode: str, source: Path, output: Path) -> int:
    """Run one of them by command."""
    for program in PROCESSES:
        if program.__name__ == mode:
            return program(source, output)
    for function in VALUES:
        if function.__name__ == mode:
            try:
                write(function(source.read_bytes()), output)
            except Exception as error:
                print(error, file=sys.stderr)
                return int(getattr(error, "exit_code", 70))
            return 0
    names = ", ".join(f.__name__ for f in (*VALUES, *PROCESSES))
    print(f"no saboteur {mode}; there are: {names}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
