"""13.13.3 The reference decoder as one that streams: samples go into the output as they are decoded."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from refsw.carriage.output import receive_capture
from refsw.carriage.sdp import parse_sdp
from refsw.conformance.outputs import write_raw
from refsw.errors import ErrorClass, SemanticError, UsageError
from refsw.features.decoder import Decoder
from refsw.features.parameters import Parameters
from refsw.features.random_access import decode_samples
from refsw.tensor.axes import Array, contiguous_parts

HEAD = 256
"""Bytes that are kept free for the line before the elements: how many samples there are is known at the end."""


def decode(source: str, output: str, sample: int | None = None, sdp: str | None = None) -> None:
    """Decode a file or a pipe into a file in the raw form (13.6.4).

    Args:
        source, output: paths.
        sample: this one alone.
        sdp: the path of the session description, if the source is a capture.

    Raises:
        DfcError: the input does not conform, is unsupported, or has no such sample.
    """
    if sdp is not None:
        with Path(source).open("rb") as capture, Path(output).open("wb") as out:
            write_raw(out, receive_capture(capture, parse_sdp(Path(sdp).read_bytes())))
        return
    with ExitStack() as stack:
        stream = stack.enter_context(Path(source).open("rb"))
        if sample is None:
            decoder = Decoder(stream)
            files = _Files(Path(output), stack)
            for one in decoder:
                files.add(one.tensor, one.elements)
            files.finish(decoder.parameters)
            return
        files = _Files(Path(output), stack)
        parameters = {}
        try:
            for one in decode_samples(stream, sample):
                files.add(one.tensor, one.elements)
                parameters[one.tensor] = one.parameters
        except UsageError as error:
            raise SemanticError(
                ErrorClass.OUT_OF_RANGE, "access.sample", "sample", None,
                expected="a sample that there is", got=str(sample),
            ) from error  # fmt: skip
        files.finish(parameters)


class _Files:
    """The raw form as it grows: the first tensor goes into the output, the others come after it at the end."""

    def __init__(self, output: Path, stack: ExitStack) -> None:
        self._output, self._stack = output, stack
        self._files: dict[str, BinaryIO] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, elements: Array) -> None:
        """One sample of a tensor."""
        file = self._of(name)
        for part in contiguous_parts(elements):
            file.write(part.data)
        file.flush()
        self._counts[name] += 1

    def _of(self, name: str) -> BinaryIO:
        if name not in self._files:
            # Named, so that it is seen to grow; the others come after it.
            file = self._output.open("w+b") if not self._files else tempfile.TemporaryFile()  # noqa: SIM115
            self._files[name] = self._stack.enter_context(file)
            self._files[name].write(b" " * (HEAD - 1) + b"\n")
            self._counts[name] = 0
        return self._files[name]

    def finish(self, parameters: dict[str, Parameters]) -> None:
        """Put all together, tensors without samples too."""
        for name in parameters:
            self._of(name)
        out: BinaryIO | None = None
        for name, file in self._files.items():
            p = parameters[name]
            shape = p.axes.shape(self._counts[name])
            text = json.dumps({"name": name, "dtype": p.element_type.name.lower(), "shape": shape}).encode()
            file.seek(0)
            file.write(text + b" " * (HEAD - 1 - len(text)))
            if out is None:
                out = file
                file.seek(0, io.SEEK_END)
            else:
                file.seek(0)
                shutil.copyfileobj(file, out, 1 << 20)
