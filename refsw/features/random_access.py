"""9.7 Random access: a unit decodes from its parameter set and itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from refsw.errors import CapacityError, ErrorClass, UsageError
from refsw.features.decoder import Sample, sample_time
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent, decode_unit
from refsw.payload.base import DecoderSettings
from refsw.syntax.bits import BitReader
from refsw.syntax.codes import UnitType


def decode_samples(
    data: bytes | BinaryIO, first: int, last: int | None = None, *, hevc_decoder: str | None = None
) -> Iterator[Sample]:
    """Decode the samples from `first` to `last`, inclusive, of every tensor; other units are passed over.

    What spans units (the count of samples, digests, the CRC of the whole bitstream) is not checked.

    Args:
        data: the bitstream, or a seekable file.
        first, last: sample indices from 0; `last` None means `first` alone.
        hevc_decoder: command of an external HEVC decoder (8.4.7).

    Raises:
        DfcError: a unit that is read is not conforming.
        CapacityError: the bitstream has no such sample.
        UsageError: the input is a pipe, or the indices are not in order.
    """
    last = first if last is None else last
    if not 0 <= first <= last:
        raise UsageError(f"samples {first} to {last}: indices from 0, in order")
    stream = io.BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
    if not stream.seekable():
        raise UsageError("random access needs a file, not a pipe")

    def wanted(unit_type: int, start: bytes) -> bool:
        if unit_type in (UnitType.DIGEST, UnitType.METADATA):
            return False
        if unit_type != UnitType.FEATURE_DATA:
            return True
        reader = BitReader(start)
        reader.ue()  # parameter_set_id
        index = reader.ue()
        return index <= last and first <= index + reader.ue()

    reader = BitstreamReader(stream, wanted=wanted)
    found = False
    for content in reader:
        if not isinstance(content, UnitContent):
            continue
        p = content.parameters
        decoded = decode_unit(content, reader.header.profile, DecoderSettings(hevc_decoder))
        for index, (_, elements) in enumerate(decoded, content.first_sample):
            if first <= index <= last:
                found = True
                yield Sample(p.name, index, elements, sample_time(p, index), p)
    if not found:
        raise CapacityError(
            ErrorClass.OUT_OF_RANGE,
            "access.sample",
            "first_sample",
            None,
            expected=f"a sample from {first} to {last}",
            got="none in this bitstream",
        )
