"""Receiver of captures of RTP packets (chapter 14): packets to units (14.2 to 14.6), units to samples and masks (14.7).
Captures and session descriptions as files (14.8.2, 14.10) are read by dfc_captures.py."""
import zlib
from collections import namedtuple

import numpy as np
from dfc_captures import packets, session_of
from dfc_incomplete import Incomplete
from dfc_units import DATA, END, FPS, OF_MODELS, PART
from dfc_video import Reject, need

SINGLE, AGGREGATION, FRAGMENT = 1, 2, 3
UNIT_MIN, SET_MOST, CLOCK = 6, 64, 90000
Packet = namedtuple("Packet", "arrival place time kind session first last number payload")
Whole = namedtuple("Whole", "arrival time session data")         # a unit, or a session description
Session = namedtuple("Session", "header base scale step join sets")

def word(data, pos=0, n=4):
    return int.from_bytes(data[pos:pos + n], "big")

# ---- packets (14.2, 14.3)
def rtp(data, payload_type):
    """SSRC, sequence number and a Packet; None if it does not count (carriage.ignore)."""
    if len(data) < 12 or data[0] >> 6 != 2 or data[1] & 0x7F != payload_type:
        return None
    start, stop = 12 + 4 * (data[0] & 15), len(data)
    if data[0] & 0x10:
        start += 4 + 4 * word(data, start + 2, 2)
    if data[0] & 0x20:
        if not 0 < data[-1] <= stop - start:
            return None
        stop -= data[-1]
    payload = data[start:stop]
    if len(payload) < 2 or start > stop:
        return None
    kind, session, first, last = payload[0] >> 5, payload[0] >> 4 & 1, payload[0] >> 3 & 1, payload[0] >> 2 & 1
    packet = Packet(0, 0, word(data, 4), kind, session, first, last, payload[1], payload[2:])
    return (word(data, 8), word(data, 2, 2), packet) if may_be(packet) else None

def may_be(p):
    """Whether a packet may be as it is (14.3), whatever its marker."""
    if p.kind == FRAGMENT:
        return p.payload and not (p.first and p.last) and (p.session or not p.first or unit_size(p.payload) is not None)
    if not (p.first and p.last) or p.kind not in (SINGLE, AGGREGATION):
        return False
    return p.kind == SINGLE or not p.session and units_of(p.payload) is not None

def units_of(payload):
    """The units of an aggregation packet; None if they do not fill it."""
    units, pos = [], 0
    while pos < len(payload):
        size = word(payload, pos, 2)
        if size < UNIT_MIN or pos + 2 + size > len(payload):
            return None
        units.append(payload[pos + 2:pos + 2 + size])
        pos += 2 + size
    return units or None

def unit_size(data):
    """The bytes of a unit, as its unit_length says; None if that is not whole."""
    value = 0
    for i, byte in enumerate(data[1:6]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return 2 + i + value + 4
    return None

# ---- order (14.6.2)
class Window:
    """The packets of a source in the order of their numbers; place is the number without its modulus."""
    skipped = 3000              # numbers that fall back by more, twice in a row: the sender has skipped some
    def __init__(self, size):
        self.size, self.waiting, self.out, self.highest, self.done, self.odd = size, {}, [], None, None, None
    def put(self, number, packet):
        if self.highest is None:
            self.highest = number
        place = self.highest + ((number - self.highest + 0x8000) & 0xFFFF) - 0x8000
        odd, self.odd = self.odd, None
        if place + self.size <= self.highest or self.done is not None and place <= self.done:
            if self.highest - place <= self.skipped:
                return
            self.odd = number
            if odd is None or (odd + 1) & 0xFFFF != number:
                return
            self.flush()                                # carriage.restart
            apart = self.highest + 0x20000              # from all places before
            self.odd, self.highest = None, apart - (apart - number) % 0x10000
            place, self.done = self.highest, self.highest - 1
        if place in self.waiting:
            return
        self.waiting[place] = packet._replace(place=place)
        self.highest = max(self.highest, place)
        while self.waiting:
            place = min(self.waiting)
            if place + self.size > self.highest and (self.done is None or place != self.done + 1):
                break
            self.release(place)
    def release(self, place):
        self.done = place
        self.out.append(self.waiting.pop(place))
    def flush(self):
        for place in sorted(self.waiting):
            self.release(place)
        return self.out

# ---- units (14.3, 14.6.3)
def put_together(ordered):
    """Whole units and session descriptions, in order; what has a gap is left out (carriage.gap)."""
    open_ones = []
    for p in ordered:
        if p.kind != FRAGMENT:
            open_ones = []
            for data in [p.payload] if p.kind == SINGLE else units_of(p.payload):
                yield Whole(p.arrival, p.time, p.session, data)
            continue
        if p.first:
            open_ones = [p]
            continue
        before = open_ones[-1] if open_ones else None
        if not before or (p.place, p.time, p.session) != (before.place + 1, before.time, before.session):
            open_ones = []
            continue
        open_ones.append(p)
        if p.last:
            data = b"".join(one.payload for one in open_ones)
            yield Whole(max(one.arrival for one in open_ones), p.time, p.session, data)
            open_ones = []

def right_unit(data):
    return unit_size(data) == len(data) and zlib.crc32(data[:-4]) == word(data, len(data) - 4)

def description(data):
    """carriage_session (14.4.1); None if it is not right (carriage.session)."""
    if len(data) < 12 + 16 + 1 + 4 or zlib.crc32(data[:-4]) != word(data, len(data) - 4):
        return None
    base, scale, step, join = (word(data, pos) for pos in (12, 16, 20, 24))
    sets, pos = [], 29
    for _ in range(data[28]):
        size = word(data, pos)
        sets.append(data[pos + 4:pos + 4 + size])
        pos += 4 + size
        if size < UNIT_MIN or pos > len(data) - 4:
            return None
    good = all(right_unit(one) and one[0] >> 1 == FPS for one in sets) and agree(sets)
    if not (good and pos == len(data) - 4 and scale and step and data[28] <= SET_MOST):
        return None
    if data[:4] != b"\x89DFC" or zlib.crc32(data[:8]) != word(data, 8) or data[6] in OF_MODELS:
        return None
    return Session(data[:12], base, scale, step, join, sets)

class Receiver(Incomplete):
    """Uses units as they come in order; put_out has what came of them."""
    fatal = ("digest.value",)
    def __init__(self, session, given):
        self.session, self.given, self.sealed, self.bytes, self.time = session, given, set(), 0, None
        super().__init__(session.header)
        for unit in [*given, *session.sets]:
            self.receive(unit, None)
    def describe(self, session):
        """Another session description: for the parameter sets that it has (carriage.lock)."""
        same = session is not None and session._replace(join=0, sets=0) == self.session._replace(join=0, sets=0)
        if same and self.agrees(session.sets):
            for unit in session.sets:
                self.receive(unit, None)
    def agrees(self, sets):
        return agree([*self.given, *sets], {set_id(t.body): t.body for t in self.tensors.values()})
    def receive(self, unit, time):
        """Uses a whole unit that came at a time of RTP, or, with None, as a copy of a parameter set."""
        self.bytes += len(unit)
        self.data, self.time = unit, time
        if self.counts_at_end is not None or not right_unit(unit):
            return
        try:
            kind, skippable, body, _ = self.frame(0)
        except Reject as error:
            self.broken.append((0, error.requirement))
            return
        self.use(0, kind, skippable, body)
    def take(self, kind, skippable, body):
        if self.time is not None and kind not in (DATA, PART, END):     # these have a time of their own
            need(self.some_time(), "carriage.time-agrees")
        super().take(kind, skippable, body)
    def ticks(self, sample):
        return sample * CLOCK * self.session.step // self.session.scale
    def at(self, sample):
        need(self.time == (self.session.base + self.ticks(sample)) & 0xFFFFFFFF, "carriage.time-agrees")
    def some_time(self):
        """Whether there is an access unit with this timestamp, within 2^32 ticks from the last that was used."""
        last = self.ticks(self.last_first)
        tick = last + (self.time - self.session.base - last) % (1 << 32)
        return self.ticks(-(-tick * self.session.scale // (CLOCK * self.session.step))) == tick
    def place(self, t, first, count):
        self.at(first)
        need((t.id, first) not in self.sealed, "carriage.samples")
        self.bound(t, first + count - min([self.session.join, first, *t.samples]) - count - len(t.samples))
        super().place(t, first, count)
    def bound(self, t, lacking):
        """carriage.bounds, as the reference receiver has it."""
        need(lacking * t.elements * t.word.itemsize <= (1 << 25) + 1024 * self.bytes, "carriage.bounds")
    def cover(self, t, kind, first, count, value):
        self.sealed |= {(t.id, index) for index in t.samples} if t.parts else set()
        super().cover(t, kind, first, count, value)
    def end(self, r):
        counts = self.counts(r)
        self.at(max(counts, default=0))
        if len(counts) == len(self.tensors):
            for t, count in zip(self.tensors.values(), counts, strict=True):
                need(count > max(t.samples, default=-1), "carriage.samples")
                self.bound(t, count - min([self.session.join, *t.samples]) - len(t.samples))
        self.counts_at_end = counts

def agree(sets, known=()):
    """Whether parameter sets of one id are the same (carriage.session), those that are known included."""
    bodies = dict(known)
    return all(bodies.setdefault(set_id(body) or body, body) == body for body in map(body_of, sets))

def body_of(unit):
    start = next(i for i, byte in enumerate(unit[1:], 2) if byte < 0x80)
    return unit[start:-4]

def set_id(body):
    """parameter_set_id, the ue(v) that a parameter set begins with, as its bits."""
    bits = f"{word(body[:8].ljust(8, bytes(1)), 0, 8):064b}"[:8 * min(len(body), 8)]
    zeros = len(bits) - len(bits.lstrip("0"))
    return bits[:2 * zeros + 1]

# ---- all of it
def receive(capture, sdp):
    """What came of the bitstream in a capture, as Incomplete.put_out gives it."""
    told = session_of(sdp)
    windows = {}
    for arrival, datagram in enumerate(packets(capture, told.port)):
        found = rtp(datagram, told.payload_type)
        if found and told.ssrc in (None, found[0]):
            key = found[0], found[2].number             # of the other bitstreams of a source, none counts here
            windows.setdefault(key, Window(told.window)).put(found[1], found[2]._replace(arrival=arrival))
    need(all(right_unit(unit) and unit[0] >> 1 == FPS for unit in told.sets) and agree(told.sets), "carriage.sdp")
    streams = [list(put_together(window.flush())) for window in windows.values()]
    wholes = ((whole, stream) for stream in streams for whole in stream if whole.session)
    for whole, stream in sorted(wholes, key=lambda pair: pair[0].arrival):
        session = description(whole.data)
        receiver = session and begin(session, told.sets)
        if receiver:
            break
    else:
        raise Reject("carriage.tensors", "no session description")
    for other in stream:
        if receiver.counts_at_end is None:
            if other.session:
                receiver.describe(description(other.data))
            else:
                receiver.receive(other.data, other.time)
    need(receiver.tensors, "carriage.tensors")
    return receiver.put_out(session.join)

def begin(session, given):
    if not agree([*given, *session.sets]):
        return None
    try:
        return Receiver(session, given)
    except Reject as error:
        if error.exit_code == 69:
            raise
        return None

def decode(capture, sdp):
    """The arrays of 13.6.9 by name."""
    came, out = receive(capture, sdp), {}
    for name, array in came.arrays.items():
        out |= {name: array, name + "@mask": came.masks[name], name + "@first": np.array([came.first[name]], "<u4")}
    return out
