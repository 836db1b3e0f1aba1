"""Encoders that are wrong on purpose, each in one way: what the runner of encoders has to see through.

    refsw conformance encode --encoder 'conformance/saboteurs/encoder.py:wrong_level'
    refsw conformance encode --encoder 'python conformance/saboteurs/encoder.py hang {input} {output} {options}'

The functions of STREAMS encode with refsw and spoil the bitstream, or what they encode; those of PROGRAMS misbehave as
programs. tests/conformance/test_encoder_saboteurs.py says what each of them has to come to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOUR = 3600
LOSSLESS = {"quantizer": "uniform", "bit_depth": 12, "payload": "zlib", "range_scope": "sample"}


class RefusedError(Exception):
    """It cannot be coded."""

    exit_code = 65


class NotTakenError(Exception):
    """It is not for this encoder."""

    exit_code = 69


def right(tensors: Any, base: Any = None, *, axes: Any, model: bool = False, choices: Any = None) -> bytes:
    """What is right."""
    from refsw.conformance.encoders.reference import encode

    return encode(tensors, base, axes=axes, model=model, choices={} if model else LOSSLESS | dict(choices or {}))


# --- spoiled bitstreams ---


def declaring(data: bytes, minor: int | None = None, profile: int | None = None, level: int | None = None) -> bytes:
    """A bitstream that declares something else, with CRCs that fit."""
    from refsw.conformance.digests import with_header

    header = bytearray(data[:8])
    for place, value in ((5, minor), (6, profile), (7, level)):
        header[place] = header[place] if value is None else value
    return with_header(data, bytes(header))


def wrong_level(tensors: Any, *, axes: Any) -> bytes:
    """Level 1, whatever there is."""
    return declaring(right(tensors, axes=axes), level=1)


def wrong_profile(tensors: Any, *, axes: Any) -> bytes:
    """INTRA, with a codec that the profile does not have."""
    return declaring(right(tensors, axes=axes), profile=1)


def wrong_version(tensors: Any, *, axes: Any) -> bytes:
    """A version that there is not."""
    return declaring(right(tensors, axes=axes), minor=99)


def wider_than_needed(tensors: Any, *, axes: Any) -> bytes:
    """Profile EXTENDED and level 3, which is no fault."""
    return declaring(right(tensors, axes=axes), profile=5, level=3)


def wrong_crc(tensors: Any, *, axes: Any) -> bytes:
    """The CRC of the last unit is another one."""
    data = right(tensors, axes=axes)
    return data[:-1] + bytes([data[-1] ^ 1])


def truncated(tensors: Any, *, axes: Any) -> bytes:
    """The end is missing."""
    return right(tensors, axes=axes)[:-5]


def half_a_file(tensors: Any, *, axes: Any) -> bytes:
    """Half of it is missing."""
    data = right(tensors, axes=axes)
    return data[: len(data) // 2]


def empty_file(_: Any) -> bytes:
    """Nothing."""
    return b""


# --- right bitstreams of something else ---


def _of(change: Callable[[Any], Any]) -> Callable[..., bytes]:
    def encode(tensors: Any, *, axes: Any) -> bytes:
        return right({name: change(x) for name, x in tensors.items()}, axes=axes)

    return encode


def _one_step(x: Any) -> Any:
    import numpy as np

    if x.dtype.kind not in "fV" or not x.size:
        return x
    values = x.astype(np.float64)
    span = np.float64(values.max()) - values.min()
    values.reshape(-1)[values.size // 2] += span / 4095 * (1 if values.reshape(-1)[values.size // 2] < 0 else -1)
    return values.astype(x.dtype)


def _stretched(x: Any) -> Any:
    """With the range doubled, and so the levels as they were: a bitstream that declares another range than its own."""
    return x.min() + x.dtype.type(2) * (x - x.min()) if x.size and x.dtype.kind in "fV" else x


off_by_one_step = _of(_one_step)
lying_range = _of(_stretched)
drop_sample = _of(lambda x: x[:-1])
repeat_sample = _of(lambda x: x[[*range(len(x)), -1]])
swap_samples = _of(lambda x: x[::-1].copy())
wrong_format = _of(lambda x: x.astype("float64" if x.dtype.name != "float64" else "float32"))


def wrong_axes(tensors: Any, *, axes: Any) -> bytes:
    """Takes the last axis for the channels, whatever it is told."""
    turned = {name: {4: "NHWC", 3: "HWC", 2: "CW"}.get(len(text), text) for name, text in axes.items()}
    return right(tensors, axes=turned)


def other_names(tensors: Any, *, axes: Any) -> bytes:
    """Every tensor under another name."""
    return right({f"{n}.": x for n, x in tensors.items()}, axes={f"{n}.": text for n, text in axes.items()})


def takes_nan(tensors: Any, *, axes: Any) -> bytes:
    """NaN and infinity become numbers."""
    import numpy as np

    return right({name: np.nan_to_num(x.astype(np.float32)).astype(x.dtype) for name, x in tensors.items()}, axes=axes)


def cuts_what_is_too_much(tensors: Any, *, axes: Any) -> bytes:
    """Codes as many tensors as there may be, and says nothing of the others."""
    return right(dict(list(tensors.items())[:64]), axes=axes)


def changes_from_run_to_run(tensors: Any, *, axes: Any) -> bytes:
    """The time is in its bitstream."""
    return right(tensors, axes=axes, choices={"metadata": (("time", str(time.time_ns())),)})


def depends_on_jobs(tensors: Any, *, axes: Any, jobs: int) -> bytes:
    """The number of jobs is in its bitstream."""
    return right(tensors, axes=axes, choices={"metadata": (("jobs", str(jobs)),)})


def refuses_everything(_: Any) -> bytes:
    """Nothing can be coded."""
    raise RefusedError("no")


def declines_everything(_: Any) -> bytes:
    """Nothing is taken."""
    raise NotTakenError("no")


def raises(_: Any) -> bytes:
    """An exception that it did not mean."""
    raise KeyError("no")


def ignores_base(tensors: Any, base: Any = None, *, axes: Any, model: bool) -> bytes:
    """Codes a model as if the receiver had the one with all weights 0."""
    zeros = None if base is None else {name: x * 0 for name, x in base.items()}
    return right(tensors, zeros, axes=axes, model=model)


def forgets_integers(tensors: Any, base: Any = None, *, axes: Any, model: bool) -> bytes:
    """Leaves the integers of a model as they were."""
    kept = {n: base[n] if base and n in base and x.dtype.kind in "iub" else x for n, x in tensors.items()}
    return right(kept, base, axes=axes, model=model)


def forgets_the_chain(tensors: Any, base: Any = None, *, axes: Any, model: bool) -> bytes:
    """Moves weights by two steps that it does not tell of."""
    moved = {n: x + x.dtype.type(2e-4) if x.dtype.name == "float32" else x for n, x in tensors.items()}
    return right(moved, base, axes=axes, model=model)


def ignores_what_is_asked(tensors: Any, *, axes: Any) -> bytes:
    """Whole samples and a byte codec, whatever is claimed."""
    return right(tensors, axes=axes)


def asked_for_more(tensors: Any, *, axes: Any, asks: Any) -> bytes:
    """Parts and packets twice as large as asked."""
    from refsw.conformance.encoders.reference import encode

    larger = {name: [2 * n for n in value] if name == "parts" else 2 * value for name, value in asks.items()}
    return encode(tensors, axes=axes, choices={"preset": "fast"}, asks=larger)


STREAMS = (
    right, wrong_level, wrong_profile, wrong_version, wider_than_needed, wrong_crc, truncated, half_a_file, empty_file,
    lying_range, off_by_one_step, drop_sample, repeat_sample, swap_samples, wrong_format, wrong_axes, other_names,
    takes_nan, cuts_what_is_too_much, changes_from_run_to_run, depends_on_jobs, refuses_everything,
    declines_everything, raises, ignores_base, forgets_integers, forgets_the_chain,
    ignores_what_is_asked, asked_for_more,
)  # fmt: skip


# --- wrong manners ---


def honest(source: Path, output: Path, options: Path) -> int:
    """As it should be."""
    from refsw.conformance.models import load_model
    from refsw.errors import RefswError

    try:
        data = right(load_model(source), axes=json.loads(options.read_text())["axes"])
    except RefswError as error:
        print(error, file=sys.stderr)
        return 65
    except Exception as error:
        print(error, file=sys.stderr)
        return int(getattr(error, "exit_code", 70))
    output.with_suffix(".dfc").write_bytes(data)
    return 0


def silent(_source: Path, _output: Path, _options: Path) -> int:
    """All is well, and there is no output."""
    return 0


def writes_and_exits_1(source: Path, output: Path, options: Path) -> int:
    """A whole bitstream, and an exit code that refuses."""
    honest(source, output, options)
    return 1


def leaves_a_part(source: Path, output: Path, options: Path) -> int:
    """Where it refuses, the beginning of a bitstream stays behind."""
    code = honest(source, output, options)
    if code:
        output.with_suffix(".part").write_bytes(b"\x89DFC")
    return code


def two_files(source: Path, output: Path, options: Path) -> int:
    """The bitstream twice."""
    code = honest(source, output, options)
    if not code:
        output.with_suffix(".2").write_bytes(output.with_suffix(".dfc").read_bytes())
    return code


def hang(_source: Path, _output: Path, _options: Path) -> int:
    """For ever, deaf to polite requests, and so is its child."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.fork()
    while True:
        time.sleep(HOUR)


def leaves_children(source: Path, output: Path, options: Path) -> int:
    """Right, but a child in its own session stays behind."""
    code = honest(source, output, options)
    if os.fork() == 0:
        os.setsid()
        time.sleep(HOUR)
    return code


def crash(_source: Path, _output: Path, _options: Path) -> int:
    """A bad address."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def endless_file(_source: Path, output: Path, _options: Path) -> int:
    """One file without end."""
    with output.open("wb") as file:
        while True:
            file.write(bytes(1 << 24))


def eats_memory(_source: Path, _output: Path, _options: Path) -> int:
    """Takes memory in a child as long as there is some."""
    if os.fork() == 0:
        kept = []
        while True:
            kept.append(b"x" * (1 << 24))
    time.sleep(HOUR)
    return 0


def changes_input(source: Path, output: Path, options: Path) -> int:
    """Right, and then overwrites what it was given."""
    code = honest(source, output, options)
    source.write_bytes(b"nothing")
    return code


PROGRAMS = (
    honest, silent, writes_and_exits_1, leaves_a_part, two_files, hang, leaves_children, crash, endless_file,
    eats_memory, changes_input,
)  # fmt: skip


def main(mode: str, source: Path, output: Path, options: Path) -> int:
    """Run one of them by command."""
    for program in PROGRAMS:
        if program.__name__ == mode:
            return program(source, output, options)
    print(f"no saboteur {mode}; there are: {', '.join(f.__name__ for f in PROGRAMS)}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(Path, sys.argv[2:5])))
