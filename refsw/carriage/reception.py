"""14.7 What a receiver puts out: samples, each with the mask of what of it was received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from refsw.carriage.acceptance import Acceptance, End
from refsw.carriage.depacketizer import Bounds, Datagram, Depacketizer
from refsw.carriage.fragments import Carried
from refsw.carriage.packets import DEFAULT_PAYLOAD_TYPE
from refsw.carriage.statistics import Statistics
from refsw.errors import CapacityError, DfcError, ErrorClass, SemanticError, UnsupportedError
from refsw.features.assembly import OpenSample
from refsw.features.cost import FeatureMeter
from refsw.features.decoder import DecoderLimits, check_digest, model_mismatch, sample_time
from refsw.features.digest import RunningDigest
from refsw.features.layers import LayeredSamples
from refsw.features.parameters import Parameters
from refsw.features.reader import Content, DigestContent
from refsw.features.reconstruct import UnitContent, decode_unit
from refsw.payload.base import DecoderSettings
from refsw.syntax.codes import DigestKind
from refsw.syntax.structure import Trace
from refsw.tensor.axes import Array


@dataclass(frozen=True, slots=True)
class ReceivedSample:
    """One sample of which something was received.

    `elements` has the sample's shape, in the user's order of axes, 0 where nothing was received; `mask` has the same
    shape, true where an element was received, and is None where all were. `time` is in seconds, None without a time
    axis.
    """

    tensor: str
    index: int
    elements: Array
    mask: Array | None
    time: float | None
    parameters: Parameters


class _Digest:
    """9.5 The digest of samples that came complete, one after the other."""

    def __init__(self, p: Parameters, kind: DigestKind) -> None:
        self._parameters, self._kind = p, kind
        self.running = self._new(0)

    def _new(self, first: int) -> RunningDigest:
        return RunningDigest(self._parameters, self._kind, first)

    def add(self, index: int, levels: Array, elements: Array) -> None:
        if index != self.running.first_sample + self.running.samples:
            self.running = self._new(index)
        self.running.add(levels, elements)

    def check(self, content: DigestContent) -> None:
        """14.7 Compare, if all that the digest covers has come, and it begins where the last one ended."""
        running = self.running
        if (running.first_sample, running.samples) == (content.first_sample, content.samples):
            check_digest(content, running)
        else:
            self.running = self._new(content.first_sample + content.samples)


@dataclass
class Receiver:
    """Datagrams in, samples out.

    Args:
        payload_type: of the session.
        ssrc: of the bitstream; None: that of the first session description.
        parameter_sets: whole units that are known out of band (14.8).
        bounds: of what is kept.
        limits: of decoding, as for a `Decoder`.
        hevc_decoder: command of an external HEVC decoder (8.4.7).
        model_digest: SHA-256 of the receiver's model; samples that need another one are refused (9.6).
        trace: receives every syntax element of units and session descriptions.
    """

    payload_type: int = DEFAULT_PAYLOAD_TYPE
    ssrc: int | None = None
    parameter_sets: tuple[bytes, ...] = ()
    bounds: Bounds = field(default_factory=Bounds)
    limits: DecoderLimits = field(default_factory=DecoderLimits)
    hevc_decoder: str | None = None
    model_digest: bytes | None = None
    trace: Trace | None = None

    def __post_init__(self) -> None:
        self.packets = Depacketizer(
            payload_type=self.payload_type, ssrc=self.ssrc, parameter_sets=self.parameter_sets, bounds=self.bounds
        )
        self.units: Acceptance | None = None
        self._settings = DecoderSettings(self.hevc_decoder)
        self._digests: dict[tuple[int, DigestKind], _Digest] = {}
        self._open: dict[int, OpenSample] = {}
        self._layers = LayeredSamples()
        self._closed: dict[int, int] = {}
        self._samples = self._partial = 0

    def put(self, datagram: bytes, arrival: float = 0.0) -> Iterator[ReceivedSample]:
        """One datagram, and when it came, in seconds: the samples that can be put out with it.

        Raises:
            DfcError: the bitstream is unsupported, of another model, or a digest differs.
        """
        return self.decode(self.packets.put(datagram, arrival))

    def put_all(self, datagrams: Sequence[Datagram]) -> Iterator[ReceivedSample]:
        """Datagrams that have come, each with its time: the samples that can be put out with them.

        Raises:
            DfcError: as for `put`.
        """
        return self.decode(self.packets.put_all(datagrams))

    def finish(self) -> Iterator[ReceivedSample]:
        """No more packets will come: the samples of what has.

        Raises:
            DfcError: as for `put`; or there is nothing to put out (14.7).
        """
        yield from self.decode(self.packets.finish())
        yield from self._close()
        if self.units is None or not self.units.parameters:
            raise self.packets.nothing()

    def decode(self, carried: Iterable[Carried]) -> Iterator[ReceivedSample]:
        """The samples of units that came whole, in order; the first of all is a session description."""
        for item in carried:
            if self.units is None:
                self._begin()
            assert self.units is not None
            for content in self.units.take(item):
                yield from self._content(content)

    def _begin(self) -> None:
        session = self.packets.session
        assert session is not None
        self.units = Acceptance(session, self.parameter_sets, self.trace)
        if self.units.header.level > self.limits.level:
            raise CapacityError(
                ErrorClass.RESOURCE_LIMIT, "level.capacity", "level_idc", 56,
                expected=f"at most {self.limits.level.name}, as this decoder was told",
                got=self.units.header.level.name,
            )  # fmt: skip
        units = self.units
        self._meter = FeatureMeter(self.limits.allowance, lambda: units.bytes, keeps=self.limits.in_memory)
        for p in units.parameters:
            self._add_tensor(p)

    def _add_tensor(self, p: Parameters) -> None:
        if self.model_digest is not None and p.model_digest not in (None, self.model_digest):
            raise model_mismatch(p, self.model_digest)
        self._digests |= {(p.id, kind): _Digest(p, kind) for kind in p.digests}

    def _content(self, content: Content | End) -> Iterator[ReceivedSample]:
        if isinstance(content, Parameters):
            self._add_tensor(content)
        elif isinstance(content, End):
            yield from self._close()
        elif isinstance(content, DigestContent):
            yield from self._close(content.parameters.id)
            self._digests[content.parameters.id, content.kind].check(content)
        elif isinstance(content, UnitContent):
            yield from self._unit(content)

    def _unit(self, content: UnitContent) -> Iterator[ReceivedSample]:
        assert self.units is not None
        profile, p = self.units.header.profile, content.tensor
        try:
            if content.part is not None and content.first_sample <= self._closed.get(p.id, -1):
                raise SemanticError(
                    ErrorClass.OUT_OF_RANGE, "carriage.samples", "sample_index", None,
                    expected="a part of a sample that is not closed by a digest", got=str(content.first_sample),
                )  # fmt: skip
            self._meter.charge(content, profile)
            if self._meter.output > self.limits.output_bytes:
                raise CapacityError(
                    ErrorClass.RESOURCE_LIMIT, "level.capacity", "feature_data", None,
                    expected=f"at most {self.limits.output_bytes} bytes of decoded samples", got="more",
                )  # fmt: skip
            decoded = self._layers.add(content, decode_unit(content, profile, self._settings))
        except UnsupportedError:
            raise
        except DfcError as error:  # 14.7: told, and gone on from
            self.units.withdraw(content, error)
            return
        # Another access unit has begun: nothing more of samples before it can come.
        if any(sample.index < content.first_sample for sample in self._open.values()):
            yield from self._close()
        if content.part is not None:
            sample = self._open.get(p.id)
            if sample is None:
                sample = OpenSample(p, content.first_sample, keep_levels=DigestKind.LEVELS in p.digests)
                self._open[p.id] = sample
            sample.add(content, *decoded[0])
            if sample.complete:
                yield from self._close(p.id)
            return
        for index, (levels, elements) in enumerate(decoded, content.first_sample):
            yield self._whole(p, index, levels, elements)

    def _whole(self, p: Parameters, index: int, levels: Array, elements: Array) -> ReceivedSample:
        for kind in p.digests:
            self._digests[p.id, kind].add(index, levels, elements)
        self._samples += 1
        return ReceivedSample(p.name, index, elements, None, sample_time(p, index), p)

    def _close(self, number: int | None = None) -> Iterator[ReceivedSample]:
        """9.10.4 The samples of which parts have come, of one tensor or of all: nothing more of them is expected."""
        for open_id in list(self._open) if number is None else [number]:
            sample = self._open.pop(open_id, None)
            if sample is None:
                continue
            p = sample.parameters
            self._closed[p.id] = sample.index
            if sample.complete:
                yield self._whole(p, sample.index, sample.levels, sample.elements)
                continue
            assert self.units is not None
            mask = sample.received
            self.units.lack(int(mask.size - mask.sum()) * p.dtype.itemsize)
            self._samples, self._partial = self._samples + 1, self._partial + 1
            yield ReceivedSample(p.name, sample.index, sample.elements, mask, sample_time(p, sample.index), p)

    @property
    def join_sample(self) -> int:
        """14.4.3 That of the session description that the bitstream was taken from."""
        return self.packets.session.join_sample if self.packets.session else 0

    @property
    def ended(self) -> bool:
        """Whether the end of bitstream unit has come."""
        return self.units is not None and self.units.end is not None

    @property
    def complete(self) -> bool:
        """14.7 Whether every unit has come, in order."""
        return self.units is not None and self.units.complete

    @property
    def problems(self) -> list[DfcError]:
        """What was wrong with units that came whole and were not used."""
        return self.units.problems if self.units else []

    @property
    def statistics(self) -> Statistics:
        """The counts so far."""
        counts = self.packets.statistics
        counts.damaged = self.packets.damaged
        counts.samples, counts.partial = self._samples, self._partial
        if self.units is not None:
            counts.units = self.units.used
            counts.damaged += self.units.damaged
            counts.unused = self.units.unused
        return counts
