"""14.6 What a receiver does with packets, up to whole units and session descriptions in order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from refsw.carriage.fragments import LONGEST_SESSION, Assembler, Carried
from refsw.carriage.packets import (
    DEFAULT_PAYLOAD_TYPE,
    HEAD,
    KINDS,
    SHORTEST,
    UNIT,
    VERSION_2,
    Packet,
    framed_length,
    parse,
)
from refsw.carriage.session import JOIN_SAMPLE, Session, check_sets, read_header, read_session
from refsw.carriage.statistics import Jitter, Statistics
from refsw.carriage.window import DEFAULT_WINDOW, MOST_WINDOW, Window
from refsw.errors import DfcError, ErrorClass, ParseError, UnsupportedError, UsageError
from refsw.profiles import LEVELS

Datagram = tuple[float, bytes]
"""When it came, in seconds, and its payload."""
BATCH = 64
FRAGMENTS = {byte: kind for byte in (UNIT.first, UNIT.middle, UNIT.last) if (kind := KINDS[byte]) is not None}
"""14.3.4 Those of units, by the first byte of their payload headers: most packets."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """14.6.4 What a receiver keeps at most.

    Args:
        window: packets that may wait for others (W).
        unit_bytes: of one unit that is put together from fragments.
        sources: before the session description.
        early_bytes: of units before the session description, of each source.
    """

    window: int = DEFAULT_WINDOW
    unit_bytes: int = 1 << 26
    sources: int = 8
    early_bytes: int = 1 << 24

    def __post_init__(self) -> None:
        if not 1 <= self.window <= MOST_WINDOW:
            raise UsageError(f"a window of {self.window} packets: from 1 to {MOST_WINDOW}")


class _Source:
    """The packets of one SSRC and bitstream_number."""

    def __init__(self, bounds: Bounds, payload_type: int, ssrc: int, number: int) -> None:
        self._identity = payload_type, ssrc, number
        self.window: Window[Packet] = Window(bounds.window)
        self.assembler = Assembler(bounds.unit_bytes)
        self.jitter = Jitter()
        self.bytes = 0
        self.early: list[Carried] = []
        self._room = bounds.early_bytes

    def put(self, packet: Packet, size: int, arrival: float) -> list[Carried]:
        number = self.window.pass_on(packet.sequence)
        if number is not None:
            self.bytes += size
            self.jitter.add(packet.timestamp, arrival)
            return self.assembler.add(number, packet)
        before = self.window.received
        ready = self.window.push(packet.sequence, packet, arrival)
        if self.window.received > before:
            self.bytes += size
            self.jitter.add(packet.timestamp, arrival)
        return self.assemble(ready)

    def fragment(self, data: bytes, arrival: float) -> list[Carried] | None:
        """A packet with a fragment of a unit, if it is the next one; None of any other, which then is to be `put`."""
        first, second, sequence, timestamp, ssrc, byte, number = HEAD.unpack_from(data)
        kind = FRAGMENTS.get(byte)
        if kind is None or first != VERSION_2 or (second & 0x7F, ssrc, number) != self._identity:
            return None
        body, length = memoryview(data)[SHORTEST:], None
        if kind.first:
            length = framed_length(body)
            if length is None:
                return None
        place = self.window.pass_on(sequence)
        if place is None:
            return None
        self.bytes += len(data)
        self.jitter.add(timestamp, arrival)
        return self.assembler.fragment(place, timestamp, kind, body, length)

    def middle(self, datagrams: Sequence[Datagram], place: int) -> int:
        """How many datagrams from a place on are the next packets, and fragments that neither begin nor end a unit.

        They are taken: of most packets of long units no more has to be known.
        """
        window, timestamp = self.window, self.assembler.awaits(self.window.next)
        if timestamp is None or window.waiting:
            return 0
        (payload_type, ssrc, identity), number, bodies = self._identity, window.next or 0, []
        for arrival, data in islice(datagrams, place, None):
            head = HEAD.pack(VERSION_2, payload_type, number & 0xFFFF, timestamp, ssrc, UNIT.middle, identity)
            if data[:SHORTEST] != head or len(data) == SHORTEST:
                break
            bodies.append(memoryview(data)[SHORTEST:])
            self.bytes += len(data)
            self.jitter.add(timestamp, arrival)
            number += 1
        if bodies:
            window.skip_to(number)
            self.assembler.extend(bodies)
        return len(bodies)

    def assemble(self, ready: Iterable[tuple[int, Packet]]) -> list[Carried]:
        add, out = self.assembler.add, []
        for number, packet in ready:
            out += add(number, packet)
        return out

    def completed(self, packet: Packet) -> list[Carried]:
        """14.4.2 What is whole with a packet that waits for others, of those that wait one after the other."""
        waiting, number = self.window.waiting, self.window.number_of(packet.sequence)
        if number not in waiting or waiting[number][1] is not packet:
            return []  # another one came before
        while number - 1 in waiting and not waiting[number][1].kind.first:
            number -= 1
        assembler, out = Assembler(LONGEST_SESSION), list[Carried]()
        while not out and number in waiting and waiting[number][1].kind.session:
            out = assembler.add(number, waiting[number][1])
            number += 1
        return out

    def keep(self, carried: Iterable[Carried]) -> None:
        """14.4.2 Before the session description: kept, as far as there is room."""
        for item in carried:
            self._room -= len(item.data)
            if self._room < 0:
                self.assembler.damaged += 1
            else:
                self.early.append(item._replace(data=bytes(item.data)))


class Depacketizer:
    """Packets in, whole units and session descriptions of one bitstream out, in order.

    Args:
        payload_type: of the session.
        ssrc: of the bitstream; None: that of the first session description.
        parameter_sets: whole units that are known out of band (14.8).
        bounds: of what is kept.

    Raises:
        DfcError: a parameter set of `parameter_sets` is not whole, or two have one parameter_set_id.
    """

    def __init__(
        self,
        *,
        payload_type: int = DEFAULT_PAYLOAD_TYPE,
        ssrc: int | None = None,
        parameter_sets: tuple[bytes, ...] = (),
        bounds: Bounds | None = None,
    ) -> None:
        self.payload_type, self.ssrc, self.bounds = payload_type, ssrc, bounds or Bounds()
        self.parameter_sets, self._known = parameter_sets, check_sets(parameter_sets)
        self.session: Session | None = None
        self._identity: tuple[int, int] | None = None
        self._source: _Source | None = None
        self._candidates: OrderedDict[tuple[int, int], _Source] = OrderedDict()
        self._counts = Statistics()
        self._said = b""

    def put_all(self, datagrams: Sequence[Datagram]) -> list[Carried]:
        """Datagrams that have come, each with its time: what can be used with them, in order.

        Raises:
            UnsupportedError: as for `put`.
        """
        out: list[Carried] = []
        place = 0
        while place < len(datagrams):
            source = self._source
            if source is not None and source.assembler.many:
                taken = source.middle(datagrams, place)
                self._counts.packets += taken
                place += taken
                if place == len(datagrams):
                    break
            arrival, data = datagrams[place]
            carried = self.put(data, arrival)
            if carried:
                out += carried
            place += 1
        return out

    def put(self, data: bytes, arrival: float = 0.0) -> list[Carried]:
        """One datagram, and when it came, in seconds: what can be used with it, in order.

        Raises:
            UnsupportedError: a session description is of a version or profile that is not known here.
        """
        self._counts.packets += 1
        # Of most packets no more has to be known: they are the next ones, have a fragment and nothing unusual.
        if self._source is not None and len(data) > SHORTEST:
            carried = self._source.fragment(data, arrival)
            if carried is not None:
                return carried
        packet = parse(data, self.payload_type)
        if packet is None:
            self._counts.ignored += 1
            return []
        if self._source is None:
            return self._before(packet, (packet.ssrc, packet.number), len(data), arrival)
        if (packet.ssrc, packet.number) != self._identity:
            self._counts.foreign += 1
            return []
        carried = self._source.put(packet, len(data), arrival)
        return self._agreeing(carried) if carried else carried

    def _before(self, packet: Packet, identity: tuple[int, int], size: int, arrival: float) -> list[Carried]:
        if self.ssrc is not None and packet.ssrc != self.ssrc:
            self._counts.foreign += 1
            return []
        source = self._candidates.pop(identity, None) or _Source(self.bounds, self.payload_type, *identity)
        self._candidates[identity] = source
        if len(self._candidates) > self.bounds.sources:
            self._counts.foreign += self._candidates.popitem(last=False)[1].window.received
        carried = source.put(packet, size, arrival)
        source.keep(carried)
        # A session description that is there need not wait for what is before it.
        whole = source.completed(packet) if packet.kind.session else []
        for item in (*whole, *carried):
            session = self._session_of(item.data) if item.session else None
            if session is not None:
                return self._lock(session, identity, source)
        return []

    def _lock(self, session: Session, identity: tuple[int, int], source: _Source) -> list[Carried]:
        self.session, self._identity, self._source = session, identity, source
        for other, candidate in self._candidates.items():
            if other != identity:
                self._counts.foreign += candidate.window.received
        self._candidates.clear()
        level = LEVELS[read_header(session.header).level]
        source.assembler.longest = min(self.bounds.unit_bytes, level.unit_bytes + 10)
        early, source.early = source.early, []
        # First of all, whatever its number: without it, what came before it is of no use.
        return [Carried(bytes(session), 0, True), *self._agreeing(early)]

    def _agreeing(self, carried: list[Carried]) -> list[Carried]:
        """14.4.2 Without session descriptions that are damaged, or of another bitstream."""
        if not any(item.session for item in carried):
            return carried
        return [item for item in carried if not item.session or self._agrees(item.data)]

    def _agrees(self, data: bytes | memoryview) -> bool:
        """Whether a session description is of the bitstream, and has more than the one before."""
        said = bytes(data[: JOIN_SAMPLE.start]) + bytes(data[JOIN_SAMPLE.stop : -4])
        try:
            session = None if said == self._said else self._session_of(data)
        except UnsupportedError:  # of another bitstream, then
            return False
        assert self.session is not None
        if session is None or (session.header, session.clock) != (self.session.header, self.session.clock):
            return False
        self._said = said
        return True

    def _session_of(self, data: bytes | memoryview) -> Session | None:
        """14.4.1, 14.8.1 A session description that is right, and agrees with the parameter sets that are known."""
        try:
            session = read_session(data)
            check_sets(session.parameter_sets, self._known)
        except UnsupportedError:
            raise
        except DfcError:
            return None
        return session

    def flush(self, before: float | None = None) -> list[Carried]:
        """Wait no more for what has not come; with a time, only where packets have waited since then.

        Raises:
            UnsupportedError: as for `put`.
        """
        if self._source is not None:
            return self._agreeing(self._source.assemble(self._source.window.flush(before)))
        for identity, source in self._candidates.items():
            carried = source.assemble(source.window.flush(before))
            source.keep(carried)
            for item in carried:
                session = self._session_of(item.data) if item.session else None
                if session is not None:
                    return self._lock(session, identity, source)
        return []

    def finish(self) -> list[Carried]:
        """No more packets will come."""
        carried = self.flush()
        if self._source is not None:
            self._source.assembler.finish()
        return carried

    def nothing(self) -> DfcError:
        """14.7 What to tell where no session description came, or no parameter set."""
        return ParseError(
            ErrorClass.TRUNCATED, "carriage.tensors", "carriage_session", None,
            expected=f"a session description and parameter sets in packets of payload type {self.payload_type}",
            got=f"none in {self._counts.packets} packets",
        )  # fmt: skip

    @property
    def statistics(self) -> Statistics:
        """The counts so far, but for those of units and samples."""
        counts, source = self._counts, self._source
        if source is not None:
            counts.received, counts.expected = source.window.received, source.window.expected
            counts.repeated, counts.bytes = source.window.repeated, source.bytes
            counts.jitter = source.jitter.seconds
        return counts

    @property
    def damaged(self) -> int:
        """Units of which something is missing."""
        return self._source.assembler.damaged if self._source else 0


def batches(datagrams: Iterable[Datagram]) -> Iterator[list[Datagram]]:
    """Datagrams, some at a time: what comes one by one costs more to look at."""
    remaining = iter(datagrams)
    while some := list(islice(remaining, BATCH)):
        yield some
