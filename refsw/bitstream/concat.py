"""Informative: one bitstream of several."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import BinaryIO

from refsw.bitstream.writing import Reader, Writer, pieces, reader_of, values_of
from refsw.errors import UsageError
from refsw.features.reader import BitstreamReader, DigestContent
from refsw.features.reconstruct import UnitContent
from refsw.files import Bitstream, opened
from refsw.models.directory import Directory
from refsw.syntax.codes import UnitType
from refsw.syntax.declaration import Values

SAMPLE = {UnitType.FEATURE_DATA: "first_sample", UnitType.DIGEST: "first_sample", UnitType.FEATURE_PART: "sample_index"}


def concat(inputs: Sequence[Bitstream], out: BinaryIO) -> None:
    """Put bitstreams one after the other: the samples of every tensor follow those of the one before.

    Of features, all have the same tensors, with the same parameter sets but for their ids, and as many samples of each
    tensor as of the others. Model updates follow one another if each starts from the result of the one before.
    Metadata stays; units of unknown types do not, since nobody knows what they are about.

    Args:
        inputs: bitstreams of one profile; the level is the highest of theirs.
        out: receives the new one.

    Raises:
        UsageError: they cannot be joined; the message says which and why.
        DfcError: one of them does not conform, payloads apart, or is unsupported.
    """
    if not inputs:
        raise UsageError("nothing to join")
    with ExitStack() as stack:
        readers = [reader_of(stack.enter_context(opened(data))) for data in inputs]
        profiles = list(dict.fromkeys(reader.header.profile for reader in readers))
        if len(profiles) > 1:
            names = ", ".join(sorted(profile.name for profile in profiles))
            raise UsageError(f"bitstreams of different profiles cannot be joined: {names}")
        writer = Writer(out, profiles[0], max(reader.header.level for reader in readers))
        joined = _Joined(writer)
        for number, reader in enumerate(readers, 1):
            joined.add(reader, f"bitstream {number}")
        writer.end(joined.counts)


class _Joined:
    """What has been written."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.sets: dict[str, Values] = {}
        self.samples: dict[str, int] = {}
        self.result: bytes | None = None

    @property
    def counts(self) -> list[int]:
        """Samples of every tensor."""
        return list(self.samples.values())

    def add(self, reader: Reader, name: str) -> None:
        """All units of a bitstream but its end."""
        start = dict(self.samples)
        if len(set(start.values())) > 1:
            raise UsageError(f"{name}: the tensors before it have different numbers of samples ({self._told()})")
        seen: set[str] = set()
        for piece in pieces(reader):
            if piece.kind in (None, UnitType.END_OF_BITSTREAM):
                continue
            if isinstance(piece.content, Directory):
                self._update(piece.content, name)
            if not isinstance(reader, BitstreamReader) or piece.kind is UnitType.METADATA:
                self.writer.unit(reader, piece.unit)
            elif piece.kind is UnitType.FEATURE_PARAMETER_SET:
                values = values_of(reader, piece.unit)
                tensor = reader.tensors[values["parameter_set_id"]].parameters
                seen.add(tensor.name)
                if tensor.base is not None:
                    below = self.sets.get(reader.tensors[tensor.base].parameters.name, values)
                    values = values | {"base_parameter_set_id": below["parameter_set_id"]}
                self._parameter_set(tensor.name, values, name, samples=tensor.axes.has_samples)
            else:
                self._samples(reader, piece.unit.type, values_of(reader, piece.unit), piece.content, start)
        if isinstance(reader, BitstreamReader) and seen != set(self.sets):
            raise UsageError(f"{name} has the tensors {', '.join(sorted(seen))}, not {', '.join(sorted(self.sets))}")

    def _told(self) -> str:
        return ", ".join(f"{name}: {count}" for name, count in self.samples.items())

    def _update(self, update: Directory, name: str) -> None:
        if self.result is not None and update.base_digest != self.result:
            raise UsageError(f"{name}: an update starts from another model than the result of the one before it")
        self.result = update.result_digest

    def _parameter_set(self, tensor: str, values: Values, name: str, *, samples: bool) -> None:
        known = self.sets.get(tensor)
        if known is None:
            taken = {other["parameter_set_id"] for other in self.sets.values()}
            if self.samples and any(self.samples.values()):
                raise UsageError(f"{name} has a tensor {tensor} that those before it do not have")
            number = values["parameter_set_id"]
            self.sets[tensor] = values | {"parameter_set_id": min({*range(64)} - taken) if number in taken else number}
            self.samples[tensor] = 0
            known = self.sets[tensor]
        elif self.samples[tensor] and not samples:
            raise UsageError(f"{name}: no axis of {tensor} counts samples, so there is one")
        different = [key for key in known if key != "parameter_set_id" and known[key] != values.get(key)]
        if different:
            raise UsageError(f"{name}: the parameter set of {tensor} has another {different[0]}")
        self.writer.values(UnitType.FEATURE_PARAMETER_SET, known)

    def _samples(
        self, reader: BitstreamReader, unit_type: int, values: Values, content: object, start: dict[str, int]
    ) -> None:
        assert isinstance(content, UnitContent | DigestContent)
        p = content.tensor if isinstance(content, UnitContent) else content.parameters
        kind, offset = UnitType(unit_type), start.get(p.name, 0)
        changed = {
            "parameter_set_id": self.sets[p.name]["parameter_set_id"],
            SAMPLE[kind]: values[SAMPLE[kind]] + offset,
        }
        self.writer.values(kind, values | changed, reader.tensors[p.id].values)
        if isinstance(content, UnitContent):
            self.samples[p.name] = offset + content.first_sample + content.samples
