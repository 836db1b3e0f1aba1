"""Informative: coding the levels of a sample for the native payload, with rate-distortion optimised quantization."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from refsw.compiled import compiled
from refsw.entropy.logarithms import FRACTION, log2_fixed
from refsw.entropy.rans import Encoder
from refsw.entropy.rawbits import pack
from refsw.lazy import lazy
from refsw.payload.native import loops
from refsw.payload.native.contexts import PHASE_PLACES, Group
from refsw.payload.native.decoder import STEPS_LOG2, class_table, sample_order, scaled
from refsw.payload.native.parameters import PHASES, Start
from refsw.payload.native.prediction import groups_of
from refsw.payload.native.scale import (
    ESCAPE,
    ESCAPE_BITS,
    MOST,
    ONE,
    PRECISION,
    Small,
    magnitudes,
    nearest_code,
    token_bits,
    tokens,
)
from refsw.syntax.bits import BitWriter
from refsw.syntax.declaration import Values
from refsw.syntax.native_structures import CLASSES, MAX_LANES_LOG2, NATIVE_SAMPLE
from refsw.syntax.structure import write_structure
from refsw.tensor.axes import Array

LAGRANGIAN = 0.08
"""Squared quantization steps that a bit may cost."""
DEAD_ZONE = 0.4
MOST_VALUE = (1 << ESCAPE_BITS) - 1
VALUES_A_LANE_LOG2 = 13
BYTES_A_LANE = 400
Real = npt.NDArray[np.float64]
Classes = npt.NDArray[np.uint8] | None


@dataclass(frozen=True)
class Costs:
    """What values cost with a start.

    Args:
        start: the start.
    """

    start: Start

    @lazy
    def bits(self) -> Real:
        """Bits of every token in every table, raw bits included: (tables, 64)."""
        found = self.start.tables.frequencies
        own = PRECISION - log2_fixed(found) / (1 << FRACTION)
        escape = own[:, ESCAPE:] + ESCAPE_BITS
        return np.where(found[:, :ESCAPE] > 0, own[:, :ESCAPE] + token_bits()[:ESCAPE], escape)


@dataclass(frozen=True, slots=True)
class Step:
    """What is coded at once: a phase of a group.

    `first` and `phase` say which; arrays are of shape (channels, rows, columns): sizes of the elements in 1/256 step,
    bins, tables, values.
    """

    group: Group
    phase: int
    sizes: Real
    bins: Small
    tables: npt.NDArray[np.uint16]
    values: Small


@dataclass
class SampleEncoder:
    """Codes one sample.

    Args:
        start: what it is coded with.
        costs: of the same start, or of that of predicted samples.
        optimize: whether values are chosen by rate and distortion, or rounded.
        watch: receives every step, for training.
        lanes_log2: logarithm of the number of lanes; None chooses it.
        predicted: what the sample before makes expect (8.6.9.3), int32 (channels, rows, columns).
    """

    start: Start
    costs: Costs
    optimize: bool = True
    watch: Callable[[Step], None] | None = None
    lanes_log2: int | None = None
    predicted: Small | None = None
    steps: list[Step] = field(init=False, default_factory=list)

    def encode(self, levels: Array, step: int, zero: int | None) -> bytes:
        """The native_sample of levels (channels, rows, columns), and its lanes and raw bits.

        Args:
            levels: unsigned integers.
            step: quantization step in 1/256 level.
            zero: level of the value 0; None: level 0, and no signs.
        """
        header, classes, differences = self._coded(levels, step, zero)
        return self._pack(header, classes, differences)

    def priced(self, levels: Array, step: int, zero: int | None) -> tuple[float, bytes]:
        """What `cost` and `encode` give."""
        header, classes, differences = self._coded(levels, step, zero)
        saved = sum(float(one.sum()) for _, one in self._savings(header))
        return float(np.square(differences * (ONE / step)).sum()) - saved, self._pack(header, classes, differences)

    def cost(self, levels: Array, step: int, zero: int | None) -> float:
        """What a sample costs: its squared error in steps, and `LAGRANGIAN` for every bit of its values."""
        header, _, differences = self._coded(levels, step, zero)
        whole = float(np.square(differences * (ONE / step)).sum())
        return whole - sum(float(saved.sum()) for _, saved in self._savings(header))

    def _coded(self, levels: Array, step: int, zero: int | None) -> tuple[Values, Classes, npt.NDArray[np.int64]]:
        """Choose all values: elements of the header, classes of the channels, and levels less that of 0."""
        differences = levels.astype(np.int64) - (zero or 0)
        header: Values = {"quantization_step": step, "signed_flag": int(zero is not None), "zero_level": zero or 0}
        sizes = np.abs(differences) * (ONE * ONE / step)
        classes = None if self.start.priors is not None else magnitude_classes(sizes)
        if classes is None:
            header["prior_shift"] = self._prior_shift(sizes)
        header["class_flag"] = int(classes is not None)
        self._pass(sizes, classes, header, signed=zero is not None)
        if classes is not None and self.optimize:
            lost = self._lost(classes, header)
            if lost.any():
                classes[lost] = 0
                self._pass(sizes, classes, header, signed=zero is not None)
        return header, classes, differences

    def _prior_shift(self, sizes: Real) -> int:
        """By how much the sample is greater than usual, in indices of magnitudes, and what its step asks for."""
        assert self.start.priors is not None
        usual = magnitudes()[self.start.priors].astype(np.float64)
        own = sizes.mean(axis=(1, 2))
        weights = np.sqrt(usual)
        there = own > 0
        if not there.any():
            return 0
        ratio = (np.log2(own[there] / usual[there]) * weights[there]).sum() / weights[there].sum()
        return int(np.clip(round(4 * ratio), -63, 63))

    def _pass(self, sizes: Real, classes: Classes, header: Values, *, signed: bool) -> None:
        """Choose the values, step by step, in the order of decoding."""
        self.steps = []
        self.order, priors = sample_order(self.start, header, classes, len(sizes))
        ordered = sizes[self.order]
        known = np.zeros(ordered.shape, np.int32)
        own = None if self.start.classes is None else self.start.classes[self.order]
        predicted = None if self.predicted is None else self.predicted[self.order]
        for group in groups_of(self.start, known, priors, own, predicted):
            for phase in range(PHASES):
                row, column = PHASE_PLACES[phase]
                part = ordered[group.first : group.last, row::2, column::2]
                if not part.size:
                    continue
                bins = group.bins(phase)
                tables = group.tables(bins, phase)
                values, magnitude = self._choose(part, bins, tables, signed)
                step = Step(group, phase, part, bins, tables, values)
                if self.watch is not None:
                    self.watch(step)
                group.put(phase, magnitude)
                self.steps.append(step)

    def _choose(self, sizes: Real, bins: Small, tables: npt.NDArray[np.uint16], signed: bool) -> tuple[Small, Small]:
        """Values, and the magnitudes that they are decoded to."""
        points = self.costs.start.points
        loop = compiled(loops.choose) if self.optimize else None
        if loop is not None:
            values, decoded = np.empty(bins.shape, np.int32), np.empty(bins.shape, np.int32)
            flat = np.ascontiguousarray(sizes).reshape(-1)
            loop(flat, bins.reshape(-1), tables.reshape(-1), points, self.costs.bits, tokens(), signed, LAGRANGIAN,
                 MOST_VALUE, values.reshape(-1), decoded.reshape(-1))  # fmt: skip
            return values, decoded
        if not self.optimize:
            best = np.minimum(sizes * (1 / ONE) + DEAD_ZONE, MOST_VALUE).astype(np.int32)
        else:
            nearest = np.minimum(sizes * (1 / ONE) + 0.5, MOST_VALUE).astype(np.int32)
            best, lowest = nearest, None
            bits, token = self.costs.bits, tokens()
            for candidate in (nearest, np.maximum(nearest - 1, 0), np.where(nearest <= 2, 0, nearest)):
                decoded = np.maximum(ONE * candidate + points[bins, np.minimum(candidate, 3)], 0)
                rate = bits[tables, token[candidate]]
                if signed:
                    decoded, rate = np.where(candidate, decoded, 0), rate + (candidate > 0)
                cost = np.square((sizes - decoded) * (1 / ONE)) + LAGRANGIAN * rate
                if lowest is None:
                    lowest = cost
                else:
                    best = np.where(cost < lowest, candidate, best)
                    lowest = np.minimum(cost, lowest)
        decoded = np.maximum(ONE * best + points[bins, np.minimum(best, 3)], 0)
        return best, np.minimum(decoded, MOST).astype(np.int32)

    def decoded(self, levels: Array, step: int, zero: int | None, top: int) -> Array:
        """The levels that a decoder gives for those that were coded last, at most `top`; see `encode`."""
        negative = levels[self.order] < (zero or 0)
        values = np.zeros(negative.shape, np.int32)
        for one in self.steps:
            row, column = PHASE_PLACES[one.phase]
            sized = np.maximum(ONE * one.values + self.costs.start.points[one.bins, np.minimum(one.values, 3)], 0)
            first = one.group.first
            there = one.values > 0 if zero is not None else True
            values[first : first + len(sized), row::2, column::2] = np.where(there, sized, 0)
        found = np.full(levels.shape, zero or 0, levels.dtype)
        found[self.order] = np.clip((zero or 0) + scaled(np.where(negative, -values, values), step), 0, top)
        return found

    def _lost(self, classes: npt.NDArray[np.uint8], header: Values) -> npt.NDArray[np.bool_]:
        """The channels that are not worth their bits."""
        gain = np.zeros(len(self.order))
        for step, saved in self._savings(header):
            gain[step.group.first : step.group.last] += saved.sum(axis=(1, 2))
        lost = np.zeros(len(classes), bool)
        lost[self.order] = gain <= 0
        return lost

    def _savings(self, header: Values) -> Iterator[tuple[Step, Real]]:
        """By how much the values of every step are better than nothing: squared error less what the bits cost."""
        bits, token = self.costs.bits, tokens()
        for step in self.steps:
            decoded = np.maximum(ONE * step.values + self.costs.start.points[step.bins, np.minimum(step.values, 3)], 0)
            if header["signed_flag"]:
                decoded = np.where(step.values, decoded, 0)
            saved = (np.square(step.sizes) - np.square(step.sizes - decoded)) * (1 / ONE**2)
            saved -= LAGRANGIAN * (bits[step.tables, token[step.values]] + header["signed_flag"] * (step.values > 0))
            yield step, saved

    def _pack(self, header: Values, classes: Classes, differences: npt.NDArray[np.int64]) -> bytes:
        ordered = differences[self.order] < 0
        found, raw_lengths, raw_values = [], [], []
        ends = np.array([len(codes) for codes in self.costs.start.codes])
        for step in self.steps:
            row, column = PHASE_PLACES[step.phase]
            first = step.group.first
            values, tables = step.values.reshape(-1), step.tables.reshape(-1)
            token = tokens()[values].astype(np.uint16)
            token[token >= ends[tables]] = ESCAPE
            lengths = token_bits()[token]
            raw = values.astype(np.uint64)
            if header["signed_flag"]:
                negative = ordered[first : first + len(step.values), row::2, column::2].reshape(-1)
                raw = raw << np.uint64(1) | negative.astype(np.uint64)
                lengths = lengths + (token > 0)
            where = np.flatnonzero(lengths)
            raw_lengths.append(lengths[where])
            raw_values.append(raw[where])
            found.append((tables, token))
        symbols = sum(len(token) for _, token in found)
        bits = sum(float(self.costs.bits[s.tables, tokens()[s.values]].sum()) for s in self.steps)
        own = _lanes_log2(symbols, int(bits / 8)) if self.lanes_log2 is None else self.lanes_log2
        encoder = Encoder(1 << own)
        for tables, token in reversed(found):
            encoder.put(self.costs.start.tables, tables, token)
        if classes is not None:
            codes = class_codes(classes)
            header |= {"class_code_count": len(codes), "class_code": list(codes)}
            encoder.put(class_table(codes), np.zeros(len(classes), np.uint8), classes.astype(np.uint16))
        raw_bytes = pack(np.concatenate(raw_lengths), np.concatenate(raw_values)) if raw_lengths else b""
        states, words = encoder.states, encoder.words
        header |= {"lanes_log2": len(states).bit_length() - 1, "word_count": len(words),
                   "raw_byte_count": len(raw_bytes)}  # fmt: skip
        writer = BitWriter()
        write_structure(NATIVE_SAMPLE, writer, header)
        return writer.getvalue() + states.astype(">u4").tobytes() + words.astype(">u2").tobytes() + raw_bytes


def magnitude_classes(sizes: Real) -> npt.NDArray[np.uint8]:
    """8.6.6 The class of every channel: 0 where all elements are less than half a step, else that of their mean."""
    means = sizes.mean(axis=(1, 2))
    index = np.rint(2 * np.log2(np.maximum(means, 1e-9))).astype(np.int64) + 1
    classes = np.clip(index, 1, CLASSES - 1)
    classes[sizes.max(axis=(1, 2)) < ONE // 2] = 0
    found: npt.NDArray[np.uint8] = classes.astype(np.uint8)
    return found


def class_codes(classes: npt.NDArray[np.uint8]) -> bytes:
    """The codes of the table of the classes of a sample."""
    counts = np.bincount(classes)
    rest = counts[::-1].cumsum()[::-1]
    return bytes(nearest_code(counts[i] / rest[i]) for i in range(len(counts) - 1))


def _lanes_log2(symbols: int, size: int) -> int:
    """A lane costs three bytes, fewer lanes cost time."""
    least = max(0, (symbols - 1).bit_length() - STEPS_LOG2)
    wanted = max(symbols >> VALUES_A_LANE_LOG2, size // BYTES_A_LANE, 1)
    return min(MAX_LANES_LOG2, max(least, (wanted - 1).bit_length()))


def zero_of(levels: Array, step: int) -> int | None:
    """The level of the value 0 with which a sample is coded in the fewest bits; None: level 0, and no signs."""
    if not levels.size or int(levels.min()) == int(levels.max()):
        return None
    middle = int(np.median(levels))
    counts = np.bincount(levels.reshape(-1))
    candidates = {middle, int(counts.argmax())} - {0}

    def bits(zero: int) -> float:
        sizes = np.abs(np.arange(len(counts)) - zero) * (ONE / step)
        own = np.log2(1 + sizes) * 2 + (sizes > 0.5) * float(zero > 0)
        return float((counts * own).sum())

    best = min([0, *sorted(candidates)], key=bits)
    return best or None
