"""9.4 The decoder: samples one at a time, from a file or a pipe, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from refsw.errors import CapacityError, DfcError, ErrorClass, ModelStateError, SemanticError
from refsw.features.assembly import OpenSample
from refsw.features.cost import FeatureMeter
from refsw.features.digest import RunningDigest
from refsw.features.parameters import Parameters
from refsw.features.pool import Pool
from refsw.features.reader import BitstreamReader, Content, DigestContent
from refsw.features.reconstruct import UnitContent, check_unit, decode_unit
from refsw.files import Bitstream, opened
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
    """

    tensor: str
    index: int
    elements: Array
    time: float | None
    parameters: Parameters


@dataclass
class Decoder:
    """Iterates over the samples of a bitstream, in the order in which they come.

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

    Raises, while iterating:
        DfcError: the input is not conforming, unsupported, or too large.
    """

    stream: BinaryIO | UnitReader
    limits: DecoderLimits = field(default_factory=DecoderLimits)
    hevc_decoder: str | None = None
    model_digest: bytes | None = None
    jobs: int = 1
    trace: Trace | None = None
    wanted: Callable[[int, bytes], bool] | None = None
    report: Report = raise_error
    parameters: dict[str, Parameters] = field(init=False, default_factory=dict)
    metadata: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = BitstreamReader(self.stream, trace=self.trace, wanted=self.wanted, report=self.report)
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
        self._settings = DecoderSettings(self.hevc_decoder, thorough=self.report is not raise_error)
        self._digests: dict[tuple[int, DigestKind], RunningDigest] = {}
        self._open: dict[int, OpenSample] = {}
        self._broken: set[int] = set()
        self._meter = FeatureMeter(
            self.limits.allowance, lambda: self._reader.units.source.offset, keeps=self.limits.in_memory
        )

    @property
    def sample_counts(self) -> dict[str, int]:
        """Samples of every tensor that the bitstream has held so far, decoded or not."""
        return {tensor.parameters.name: tensor.samples for tensor in self._reader.tensors.values()}

    def __iter__(self) -> Iterator[Sample]:
        with Pool(self.jobs) as pool:
            waiting: deque[tuple[Content, Future[Decoded] | None]] = deque()

            def handle(most: int) -> Iterator[Sample]:
                while len(waiting) > most:
                    yield from self._handle(*waiting.popleft(), pool)

            try:
                for content in self._reader:
                    waiting.append((content, self._begin(content, pool)))
                    yield from handle(pool.ahead)
            except DfcError:
                yield from handle(0)  # what is wrong with a unit before is told first, whatever the number of processes
                raise
            yield from handle(0)

    def _begin(self, content: Content, pool: Pool) -> Future[Decoded] | None:
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
            self._fail(content.tensor, error)
            return None

    def _fail(self, p: Parameters, error: DfcError) -> None:
        self._broken.add(p.id)
        self.report(error)

    def _account(self, content: UnitContent) -> None:
        self._meter.charge(content, self.header.profile)
        if self._meter.output > self.limits.output_bytes:
            raise CapacityError(
                ErrorClass.RESOURCE_LIMIT,
                "level.capacity",
                "feature_data",
                content.payload_offset,
                expected=f"at most {self.limits.output_bytes} bytes of decoded samples",
                got="more",
            )

    def _handle(self, content: Content, task: Future[Decoded] | None, pool: Pool) -> Iterator[Sample]:
        if isinstance(content, Parameters):
            self._add_tensor(content)
        elif isinstance(content, MetadataContent):
            self.metadata |= content.entries
        elif isinstance(content, DigestContent):
            self._digest(content)
        elif task is not None:
            p = content.tensor
            try:
                decoded = pool.result(task)
            except DfcError as error:
                self._fail(p, error)
                return
            if content.part is not None:
                yield from self._part(content, *decoded[0])
                return
            for i, (levels, elements) in enumerate(decoded, content.first_sample):
                yield self._sample(p, i, levels, elements)

    def _part(self, content: UnitContent, levels: Array, elements: Array) -> Iterator[Sample]:
        """9.10.3 A part; with the last one its sample is complete."""
        p, index = content.tensor, content.first_sample
        sample = self._open.get(p.id)
        if sample is None or sample.index != index:
            sample = OpenSample(p, index, keep_levels=DigestKind.LEVELS in p.digests)
            self._open[p.id] = sample
        sample.add(content, levels, elements)
        if sample.complete:
            del self._open[p.id]
            yield self._sample(p, index, sample.levels, sample.elements)

    def _sample(self, p: Parameters, index: int, levels: Array, elements: Array) -> Sample:
        for kind in p.digests:
            self._digests[p.id, kind].add(levels, elements)
        return Sample(p.name, index, elements, sample_time(p, index), p)

    def _add_tensor(self, p: Parameters) -> None:
        if self.model_digest is not None and p.model_digest not in (None, self.model_digest):
            raise model_mismatch(p, self.model_digest)
        picture_format = p.picture_format(self.header.profile)
        for error in codec(p.payload_codec).check(p.configuration, memoryview(b""), 0, picture_format):
            self._fail(p, error)  # whether any sample has pictures or not
        self.parameters[p.name] = p
        for kind in p.digests:
            self._digests[p.id, kind] = RunningDigest(p, kind)

    def _digest(self, content: DigestContent) -> None:
        running = self._digests[content.parameters.id, content.kind]
        if content.parameters.id in self._broken or running.samples != content.samples:
            return  # some of what it covers could not be decoded, or is not there; that is reported already
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
    limits: DecoderLimits = IN_MEMORY,
) -> Array | dict[str, Array]:
    """Decode a whole bitstream.

    Args:
        data: the bitstream, an open file or pipe, or the path of one.
        jobs: number of processes.
        hevc_decoder: command of an external HEVC decoder (8.4.7).
        model_digest: SHA-256 of the receiver's model; features of another one are refused (9.6).
        limits: what to accept; 16 GiB of samples by default, so that a small hostile bitstream cannot ask for more.

    Returns:
        The feature tensor in its own shape, order of axes and dtype; a dictionary by name if there are several.

    Raises:
        DfcError: the input is not conforming, unsupported, or too large.
    """
    arrays = decode_by_name(data, jobs=jobs, hevc_decoder=hevc_decoder, model_digest=model_digest, limits=limits)
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def decode_by_name(
    data: Bitstream,
    *,
    jobs: int = 1,
    hevc_decoder: str | None = None,
    model_digest: bytes | None = None,
    limits: DecoderLimits = IN_MEMORY,
) -> dict[str, Array]:
    """Decode a whole bitstream, as `decode`, to the tensors by name, even if there is only one."""
    samples: dict[str, list[Array]] = {}
    with opened(data) as stream:
        decoder = Decoder(stream, limits, jobs=jobs, hevc_decoder=hevc_decoder, model_digest=model_digest)
        for sample in decoder:
            samples.setdefault(sample.tensor, []).append(sample.elements)
    return {name: _assemble(p, samples.get(name, [])) for name, p in decoder.parameters.items()}


def _assemble(p: Parameters, samples: list[Array]) -> Array:
    if not p.axes.has_samples:
        return np.ascontiguousarray(samples[0])
    if len(samples) == 1:
        return np.ascontiguousarray(samples[0])[None]
    return np.stack(samples) if samples else np.empty(p.axes.shape(0), p.dtype)
