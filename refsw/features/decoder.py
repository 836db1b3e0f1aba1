"""9.4 The decoder: samples one at a time, from a file or a pipe, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from refsw.errors import CapacityError, DfcError, ErrorClass, ModelStateError, SemanticError, UsageError
from refsw.features.arrivals import ArrivalReader, Refused
from refsw.features.assembly import Assembler, Put
from refsw.features.cost import FeatureMeter
from refsw.features.digest import RunningDigest
from refsw.features.layers import without_base
from refsw.features.parameters import Parameters
from refsw.features.pool import Pool
from refsw.features.reader import BitstreamReader, Content, DigestContent
from refsw.features.reception import Losses, Reception
from refsw.features.reconstruct import UnitContent, check_unit, decode_unit
from refsw.features.selection import Wanted, of_tensors
from refsw.files import Bitstream, opened
from refsw.named import Known
from refsw.payload.base import DecoderSettings
from refsw.payload.registry import codec
from refsw.profiles import Allowance
from refsw.syntax.codes import DigestKind, Level
from refsw.syntax.structure import Report, Trace, raise_error
from refsw.syntax.units import UnitReader
from refsw.syntax.walker import MetadataContent
from refsw.tensor.axes import Array

Decoded = list[tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """What a decoder accepts beyond what the bitstream's level already bounds.

    Args:
        level: the highest level; above it, a bitstream is refused as unsupported.
        output_bytes: the most that the decoded samples may take altogether.
        allowance: work and memory in proportion to the bytes of the bitstream.
        in_memory: whether the decoded samples are kept, so that they count as memory.
    """

    level: Level = Level.L3
    output_bytes: int = 1 << 36
    allowance: Allowance = field(default_factory=Allowance)
    in_memory: bool = False


IN_MEMORY = DecoderLimits(output_bytes=1 << 34, in_memory=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """One decoded sample.

    `elements` has the sample's shape in the user's order of axes and the dtype of the tensor; it may be
    read-only. `time` is in seconds, None where the tensor has no time axis. `parameters` is the tensor's
    parameter set.

    Where incomplete samples are taken (9.10.4): `received` are booleans of the shape of `elements`, True for those that
    came; None if all did. Elements that did not come are zero bits. `missing` are the indices of the parts that did not
    come or were not used, and `damaged` are those of them that came damaged. A sample of a tensor without parts is
    there or not, and has no parts to name.
    """

    tensor: str
    index: int
    elements: Array
    time: float | None
    parameters: Parameters
    received: Array | None = None
    missing: tuple[int, ...] = ()
    damaged: tuple[int, ...] = ()


@dataclass
class Decoder:
    """Iterates over the samples of a bitstream, in the order in which they come.

    With `incomplete`, it is the decoder of a receiver (9.10.4), and promises this: units may be missing, come twice,
    damaged or late, and the input may end anywhere. Every element of a sample that `Sample.received` marks has the bits
    that decoding the whole bitstream gives; nothing of a damaged unit is ever used. The samples of a tensor come in
    order, from the first of which something came, none left out: one of which nothing came is all missing. A sample
    goes out as soon as it is complete, or when a unit of a later access unit comes, or at the end; so at most one
    sample a tensor is kept. `losses` tells what was missing and damaged, as far as it has been read. What is no matter
    of loss raises as always: the header, what is unsupported or too large, another model, a digest that differs
    (one that comes after another was lost is not compared).

    Args:
        stream: binary file or pipe at the first byte, or the units of a bitstream whose header has been read.
        limits: what to accept.
        hevc_decoder: command of an external HEVC decoder (8.4.7); FFmpeg inside this process by default.
        model_digest: SHA-256 of the receiver's model; samples that need another one are refused (9.6).
        jobs: number of processes that decode units; the result does not depend on it.
        trace: receives every syntax element.
        wanted: for random access (9.7), see `BitstreamReader`.
        report: receives every violation; raises by default. If it returns, decoding goes on where it can: samples of
            a tensor that something is wrong with do not come.
        incomplete: take samples of which parts are missing, too; `report` and `wanted` are then left alone.
        known: what bitstreams name by digest, by SHA-256 digest (5.8).
        tensors: names of the tensors that are wanted (9.11.4); units that they do not need are passed over, and what
            spans units is not checked, but for their digests. None: all.

    Raises, while iterating:
        DfcError: the input is not conforming, unsupported, or too large.
    """

    stream: BinaryIO | UnitReader
    limits: DecoderLimits = field(default_factory=DecoderLimits)
    hevc_decoder: str | None = None
    model_digest: bytes | None = None
    jobs: int = 1
    trace: Trace | None = None
    wanted: Wanted | None = None
    report: Report = raise_error
    incomplete: bool = False
    losses: Losses = field(init=False, default_factory=Losses)
    known: Known = field(default_factory=dict)
    tensors: Collection[str] | None = None
    parameters: dict[str, Parameters] = field(init=False, default_factory=dict)
    metadata: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        arrivals = ArrivalReader(self.stream, trace=self.trace) if self.incomplete else None
        self._reader = arrivals or BitstreamReader(
            self.stream, trace=self.trace, wanted=self._wanted(), report=self.report
        )
        self.header = self._reader.header
        if self.header.level > self.limits.level:
            raise CapacityError(
                ErrorClass.RESOURCE_LIMIT,
                "level.capacity",
                "level_idc",
                56,
                expected=f"at most {self.limits.level.name}, as this decoder was told",
                got=self.header.level.name,
            )
        # Who reports all violations looks for those as well that decoding alone does not show.
        thorough = self.report is not raise_error
        self._settings = DecoderSettings(self.hevc_decoder, thorough=thorough, known=self.known)
        self._digests: dict[tuple[int, DigestKind], RunningDigest] = {}
        self._reception = None if arrivals is None else Reception(arrivals, self.losses)
        self._assembler = self._reception or Assembler()
        self._broken: set[int] = set()
        self._meter = FeatureMeter(
            self.limits.allowance, lambda: self._reader.units.source.offset, keeps=self.limits.in_memory
        )

    def _wanted(self) -> Wanted | None:
        if self.tensors is None:
            return self.wanted
        of_names = of_tensors(
            self.tensors, lambda: {number: tensor.parameters for number, tensor in self._reader.tensors.items()}
        )
        others = self.wanted
        if others is None:
            return of_names
        return lambda unit_type, start: others(unit_type, start) and of_names(unit_type, start)

    @property
    def sample_counts(self) -> dict[str, int]:
        """Samples of every tensor that the bitstream has held so far, decoded or not."""
        return {tensor.parameters.name: tensor.samples for tensor in self._reader.tensors.values()}

    def __iter__(self) -> Iterator[Sample]:
        with Pool(self.jobs) as pool:
            waiting: deque[tuple[Content | Refused, Future[Decoded] | None]] = deque()

            def handle(most: int) -> Iterator[Sample]:
                while len(waiting) > most:
                    yield from self._handle(*waiting.popleft(), pool)

            try:
                for content in self._contents():
                    waiting.append((content, self._begin(content, pool)))
                    yield from handle(pool.ahead)
            except DfcError:
                yield from handle(0)  # what is wrong with a unit before is told first, whatever the number of processes
                raise
            yield from handle(0)
            yield from self._finish()
            for name in self.tensors or ():
                if name not in self.parameters:
                    raise UsageError(f"no tensor {name}: {', '.join(self._names())}")

    def _names(self) -> list[str]:
        return [tensor.parameters.name for tensor in self._reader.tensors.values()]

    def _contents(self) -> Iterator[Content | Refused]:
        return self._reader.arrivals() if isinstance(self._reader, ArrivalReader) else iter(self._reader)

    def _finish(self) -> Iterator[Sample]:
        """At the end of the input: what is left of incomplete samples; with random access, that there is nothing."""
        if self._reception is not None:
            self.losses.ended = self._reader.counts is not None
            yield from map(self._sample, self._reception.finish())
        elif self.wanted is not None:
            for tensor in self._reader.tensors.values():
                self._assembler.check(tensor.parameters)

    def _begin(self, content: Content | Refused, pool: Pool) -> Future[Decoded] | None:
        """Start to decode a unit, unless something is wrong with it or with its tensor."""
        if not isinstance(content, UnitContent) or content.tensor.id in self._broken:
            return None
        self._account(content)
        # A decoder needs the first error alone, and that is what decoding tells.
        errors = check_unit(content, self.header.profile) if self.report is not raise_error else []
        for error in errors:
            self._fail(content.tensor, error)
        if errors:
            return None
        try:
            return pool.submit(decode_unit, content, self.header.profile, self._settings)
        except DfcError as error:  # it was decoded at once
            if self._reception is not None:  # whether it may come here at all is told first
                failed: Future[Decoded] = Future()
                failed.set_exception(error)
                return failed
            self._fail(content.tensor, error)
            return None

    def _fail(self, p: Parameters, error: DfcError, content: UnitContent | None = None) -> None:
        if self._reception is not None and content is not None:
            self._reception.fault(content, error)
            return
        known = p.base in self._broken  # a layer is broken with its base layer
        self._broken.add(p.id)
        if not known:
            self.report(error)

    def _account(self, content: UnitContent) -> None:
        self._meter.charge(content, self.header.profile)
        self._check_output(content.payload_offset)

    def _account_absent(self, put: Put) -> None:
        if put.received is not None and len(put.missing) == len(put.parameters.part_numbers):
            self._meter.absent(put.parameters)
            self._check_output(None)

    def _check_output(self, offset: int | None) -> None:
        if self._meter.output > self.limits.output_bytes:
            raise CapacityError(
                ErrorClass.RESOURCE_LIMIT,
                "level.capacity",
                "feature_data",
                offset,
                expected=f"at most {self.limits.output_bytes} bytes of decoded samples",
                got="more",
            )

    def _handle(self, content: Content | Refused, task: Future[Decoded] | None, pool: Pool) -> Iterator[Sample]:
        if isinstance(content, Parameters):
            self._add_tensor(content)
        elif isinstance(content, MetadataContent):
            self.metadata |= content.entries
        elif isinstance(content, DigestContent):
            self._digest(content)
        elif isinstance(content, Refused):
            assert self._reception is not None
            self._reception.refuse(content)
        elif task is not None:
            try:
                if self._reception is not None:
                    self._reception.admit(content)
                decoded = pool.result(task)
                if not self._assembler.layers.has_base(content):
                    raise without_base(content)
            except DfcError as error:
                self._fail(content.tensor, error, content)
                return
            for put in self._assembler.add(content, decoded):
                sample = self._sample(put)
                if self.tensors is None or sample.tensor in self.tensors:
                    yield sample

    def _sample(self, put: Put) -> Sample:
        p, index = put.parameters, put.index
        self._account_absent(put)
        for kind in p.digests:
            running = self._digests[p.id, kind]
            if put.received is not None:
                running.restart(index + 1)
                continue
            if index != running.first_sample + running.samples:
                running.restart(index)
            running.add(put.levels, put.elements)
        return Sample(p.name, index, put.elements, sample_time(p, index), p, put.received, put.missing, put.damaged)

    def _add_tensor(self, p: Parameters) -> None:
        if self.model_digest is not None and p.model_digest not in (None, self.model_digest):
            raise model_mismatch(p, self.model_digest)
        picture_format = p.picture_format(self.header.profile)
        for error in codec(p.payload_codec).check(p.configuration, memoryview(b""), 0, picture_format):
            self._fail(p, error)  # whether any sample has pictures or not
        if self.tensors is None or p.name in self.tensors:
            self.parameters[p.name] = p
        for kind in p.digests:
            self._digests[p.id, kind] = RunningDigest(p, kind)

    def _digest(self, content: DigestContent) -> None:
        running = self._digests[content.parameters.id, content.kind]
        covered = (content.first_sample, content.samples)
        if content.parameters.id in self._broken or (running.first_sample, running.samples) != covered:
            # Some of what it covers could not be decoded, or is not there; that is reported already.
            running.restart(content.first_sample + content.samples)
            return
        try:
            check_digest(content, running)
        except DfcError as error:
            self.report(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not isinstance(self.stream, UnitReader):
            self.stream.close()


def sample_time(p: Parameters, index: int) -> float | None:
    """9.8 Time of a sample in seconds; None where the tensor has no time axis."""
    return index * p.time_step / p.time_scale if "T" in p.axes.letters else None


def model_mismatch(p: Parameters, receiver: bytes) -> DfcError:
    """9.6 The features belong to another model than the receiver's."""
    assert p.model_digest is not None
    return ModelStateError(
        ErrorClass.BASE_MODEL_MISMATCH,
        "fps.model-digest",
        "model_digest",
        None,
        expected=f"{receiver.hex()}, the receiver's model",
        got=p.model_digest.hex(),
    )


def check_digest(content: DigestContent, running: RunningDigest) -> None:
    """9.5 Compare the digest of a unit with that of the samples since the last one."""
    _, _, digest = running.take()
    if digest[: len(content.digest)] != content.digest:
        last = content.first_sample + content.samples - 1
        raise SemanticError(
            ErrorClass.DIGEST_MISMATCH,
            "digest.value",
            "digest",
            content.bit_offset,
            expected=f"{digest[: len(content.digest)].hex()} as computed over samples {content.first_sample} to {last}",
            got=content.digest.hex(),
        )


def decode(
    data: Bitstream,
    *,
    jobs: int = 1,
    hevc_decoder: str | None = None,
    model_digest: bytes | None = None,
    known: Known | None = None,
    tensors: Collection[str] | None = None,
    limits: DecoderLimits = IN_MEMORY,
) -> Array | dict[str, Array]:
    """Decode a whole bitstream.

    Args:
        data: the bitstream, an open file or pipe, or the path of one.
        jobs: number of processes.
        hevc_decoder: command of an external HEVC decoder (8.4.7).
        model_digest: SHA-256 of the receiver's model; features of another one are refused (9.6).
        known: what bitstreams name by digest, by SHA-256 digest (5.8).
        tensors: names of the tensors that are wanted; None: all (9.11.4).
        limits: what to accept; 16 GiB of samples by default, so that a small hostile bitstream cannot ask for more.

    Returns:
        The feature tensor in its own shape, order of axes and dtype; a dictionary by name if there are several.

    Raises:
        DfcError: the input is not conforming, unsupported, or too large.
    """
    arrays = decode_by_name(
        data, jobs=jobs, hevc_decoder=hevc_decoder, model_digest=model_digest, known=known, tensors=tensors,
        limits=limits,
    )  # fmt: skip
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def decode_by_name(
    data: Bitstream,
    *,
    jobs: int = 1,
    hevc_decoder: str | None = None,
    model_digest: bytes | None = None,
    known: Known | None = None,
    tensors: Collection[str] | None = None,
    limits: DecoderLimits = IN_MEMORY,
) -> dict[str, Array]:
    """Decode a whole bitstream, as `decode`, to the tensors by name, even if there is only one."""
    samples: dict[str, list[Array]] = {}
    with opened(data) as stream:
        decoder = Decoder(
            stream, limits, jobs=jobs, hevc_decoder=hevc_decoder, model_digest=model_digest, known=known or {},
            tensors=tensors,
        )  # fmt: skip
        for sample in decoder:
            samples.setdefault(sample.tensor, []).append(sample.elements)
    return {name: _assemble(p, samples.get(name, [])) for name, p in decoder.parameters.items()}


def _assemble(p: Parameters, samples: list[Array]) -> Array:
    if not p.axes.has_samples:
        return np.ascontiguousarray(samples[0])
    if len(samples) == 1:
        return np.ascontiguousarray(samples[0])[None]
    return np.stack(samples) if samples else np.empty(p.axes.shape(0), p.dtype)
