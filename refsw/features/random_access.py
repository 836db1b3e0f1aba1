"""9.7 Random access: a unit decodes from its parameter set and itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from refsw.errors import UsageError
from refsw.features.decoder import IN_MEMORY, Decoder, DecoderLimits, Sample
from refsw.features.selection import of_samples
from refsw.files import Bitstream, opened
from refsw.named import Known


def decode_samples(
    data: Bitstream,
    first: int,
    last: int | None = None,
    *,
    hevc_decoder: str | None = None,
    model_digest: bytes | None = None,
    known: Known | None = None,
    tensors: Collection[str] | None = None,
    limits: DecoderLimits = IN_MEMORY,
) -> Iterator[Sample]:
    """Decode the samples from `first` to `last`, inclusive, of every tensor; other units are passed over.

    What spans units (the count of samples, digests, the CRC of the whole bitstream) is not checked.

    Args:
        data: the bitstream, a seekable file, or the path of one.
        first, last: sample indices from 0; `last` None means `first` alone.
        hevc_decoder: command of an external HEVC decoder (8.4.7).
        model_digest: SHA-256 of the receiver's model; samples that need another one are refused (9.6).
        known: what bitstreams name by digest, by SHA-256 digest (5.8).
        tensors: names of the tensors that are wanted; None: all (9.11.4).
        limits: what to accept.

    Raises:
        DfcError: a unit that is read is not conforming, or exceeds the limits.
        UsageError: the input is a pipe, the indices are not in order, or a tensor has no such sample.
    """
    last = first if last is None else last
    if not 0 <= first <= last:
        raise UsageError(f"samples {first} to {last}: indices from 0, in order")
    found: dict[str, int] = {}
    with opened(data) as stream:
        if not stream.seekable():
            raise UsageError("random access needs a file, not a pipe")
        decoder = Decoder(
            stream, limits, hevc_decoder, model_digest, wanted=of_samples(first, last), known=known or {},
            tensors=tensors,
        )  # fmt: skip
        for sample in decoder:
            if first <= sample.index <= last:
                found[sample.tensor] = sample.index
                yield sample
    for name in decoder.parameters:
        if found.get(name) != last:
            raise UsageError(f"{name} has no sample {last} [requirement access.sample]")
