"""Bitstreams with units missing or damaged (9.10.4): what has come, what is missing, and which units are of no use."""
from types import SimpleNamespace

import numpy as np
from dfc_decoder import Decoder
from dfc_units import CAPACITY, END, FPS, STORAGE
from dfc_video import Reject, need

class Stranded(Reject):
    """A unit that cannot be used without a parameter set, or samples of a base layer, that are missing."""

class Incomplete(Decoder):
    """Takes what has come. broken has the offset of every unit of no use and the requirement that it breaks; stranded
    has the offsets of units whose parameter set, or whose samples of the base layer, have not come."""
    fatal = ("digest.value", "fps.model-digest")        # the bitstream as a whole is another one than it should be
    def scan(self, pos):
        self.broken, self.stranded, self.counts_at_end = [], [], None
        while pos < len(self.data):
            start = pos
            try:
                need(self.counts_at_end is None, "bitstream.nothing-after-end")
                kind, skippable, body, pos = self.frame(pos)
                self.check(start, pos)
            except Reject as error:
                self.broken.append((start, error.requirement))
                if pos == start:        # where the next unit begins is not known
                    return
            else:
                self.use(start, kind, skippable, body)
    def use(self, where, kind, skippable, body):
        """Takes a unit, or nothing of it; where it stands is for broken and stranded."""
        before = self.last_first
        try:
            self.take(kind, skippable, body)
            return True
        except Stranded:
            self.stranded.append(where)
            self.last_first = before
        except Reject as error:
            if error.exit_code == 69 or error.requirement in self.fatal:
                raise
            self.broken.append((where, error.requirement))
            self.last_first = before
            if kind == FPS:             # it may have been taken before its fault
                self.tensors = {i: t for i, t in self.tensors.items() if t.body is not body}
            if kind == END:
                self.counts_at_end = None
        return False
    def unit(self, kind, r):
        self.readers[kind](r)           # in any order: the parameter sets before may be missing
    def tensor(self, r, structure):
        number = r.ue(63, structure + ".parameter_set_id")
        if number not in self.tensors:
            raise Stranded("order.parameter-set-first")
        return self.tensors[number]
    def base_layer(self, number):
        if number not in self.tensors:
            raise Stranded("layer.base")
        return self.tensors[number]
    def place_layer(self, base, first, count):
        """What comes without its base layer is of no use."""
        if base and not all(index in base.samples for index in range(first, first + count)):
            raise Stranded("layer.units")
        super().place_layer(base, first, count)
    def place(self, t, first, count):
        """Samples before these may be missing, but none comes twice."""
        need(t.parts or not any(first <= index < first + count for index in t.samples), "order.samples")
        need(first >= self.last_first, "order.access-units")
        self.last_first = first
        self.kept += t.elements * (count if not t.parts else first not in t.samples)
        need(self.kept <= CAPACITY, "level.capacity", exit_code=69)
    def cover(self, t, kind, first, count, value):
        if count <= len(t.samples) and all(i in t.samples and t.whole(i) for i in range(first, first + count)):
            need(t.digest(kind, first, count)[:len(value)] == value, "digest.value")
    def end(self, r):
        self.counts_at_end = self.counts(r)
    def compare(self, crc):
        """The CRCs of what is missing are not known."""

    def put_out(self, join=None):
        """Arrays and masks by name of the tensor, of the samples from the first that came, or from join on;
        that index; and what is missing: (name, sample, part), with None for the part of a tensor without parts."""
        tensors, counts = list(self.tensors.values()), self.counts_at_end
        firsts = [min(t.samples, default=0) for t in tensors]
        if join is not None:
            firsts = [min([join, *(index for t in tensors for index in t.samples)])] * len(tensors)
        stops = [max(t.samples, default=-1) + 1 for t in tensors]
        if counts is not None and len(counts) == len(tensors):
            stops = counts if join is not None else list(map(max, counts, stops))
        out = SimpleNamespace(arrays={}, masks={}, missing=[], first={}, broken=self.broken, stranded=self.stranded)
        spans = [range(first, max(first, stop)) if t.many else range(1)
                 for t, first, stop in zip(tensors, firsts, stops, strict=True)]
        size = sum(len(span) * t.elements for t, span in zip(tensors, spans, strict=True))
        need(size <= CAPACITY, "level.capacity", exit_code=69)
        for t, span, first in zip(tensors, spans, firsts, strict=True):
            pairs = [as_far_as_it_came(t, t.samples.get(index)) for index in span]
            out.arrays[t.name] = t.stack([t.put_out(values) for values, _ in pairs], STORAGE[t.type])
            out.masks[t.name] = t.stack([t.put_out(there) for _, there in pairs], bool)
            out.first[t.name] = first
            for index in span:
                parts = t.samples[index].came if index in t.samples else ()
                lacking = [part for part in range(t.parts) if part not in parts]
                lacking += [None] if not t.parts and index not in t.samples else []
                out.missing += [(t.name, index, part) for part in lacking]
        return out

def as_far_as_it_came(t, sample):
    """The elements of a sample, and which of them are known: zero bits are in the place of the others."""
    if sample is not None and not t.parts:
        return sample.values, np.ones(t.shape, bool)
    values, there = np.zeros(t.shape, STORAGE[t.type]), np.zeros(t.shape, bool)
    if sample is None:
        return values, there
    constant = np.flatnonzero(~t.varies)
    if len(constant):
        values[constant] = t.unpack(np.zeros(0), t.ranges, constant, slice(0, t.rows), [])[1]
        there[constant] = True
    for part in sample.came:
        channels, rows = t.part(part)
        values[channels, rows], there[channels, rows] = sample.values[channels, rows], True
    return values, there

def decode(data, model=None):
    """What came of a bitstream, as put_out gives it."""
    return Incomplete(data, model).put_out()
