"""The native payload (8.6): integers coded with contexts from other channels and neighbours; part of dfc_decoder.py."""
from functools import cache

import numpy as np
from dfc_native_start import CODES, POINTS, SPARSE_CODES, SPARSE_POINTS, SPARSE_WEIGHTS, WEIGHTS
from dfc_native_time import Prediction, around, expected, reliability
from dfc_native_time_start import TIME_POINTS
from dfc_native_time_tables import TIME_CODES
from dfc_units import Bits, known, se
from dfc_video import need

STARTS = UNIVERSAL, SENT, NAMED, SPARSE = range(4)
MOST, ESCAPE, SLOTS = 32767, 64, 1 << 12
THRESHOLDS = [3531, 4304, 5247, 6396, 7797, 9504, 11586, 14123, 17216, 20987, 25583, 31186, 38016, 46341, 56491,
              68863, 83945, 102330, 124741, 152061, 185364, 225962, 275450, 335777, 409317, 498963,
              608242, 741456, 903845, 1101799, 1343108, 1637266, 1995850, 2432968, 2965821, 3615377,
              4407193, 5372429, 6549064, 7983398, 9731871, 11863284, 14461505, 17628772, 21489713,
              26196254, 31933591]
GROUPS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32
PHASES = (0, 0), (1, 1), (0, 1), (1, 0)         # y and x modulo 2
DIAGONAL, LEFT_RIGHT, ABOVE_BELOW = ((-1, -1), (-1, 1), (1, -1), (1, 1)), ((0, -1), (0, 1)), ((-1, 0), (1, 0))
NEIGHBOURS = (), (DIAGONAL,), (LEFT_RIGHT, ABOVE_BELOW), (ABOVE_BELOW, LEFT_RIGHT, DIAGONAL)

def magnitude(c):
    return min(MOST, ((256, 304, 362, 431)[c % 4] * 2 ** (c // 4) + 128) // 256)

def probability(code):
    return (8 + code % 8) << code // 8 if code < 128 else (1 << 20) - probability(255 - code)

def frequencies(codes):
    """Of the tokens of the codes, and last of the escape (8.6.2.4)."""
    rest, out = SLOTS - len(codes) - 1, []
    for code in codes:
        share = (rest * probability(code) + (1 << 19)) >> 20
        out.append(1 + share)
        rest -= share
    return [*out, 1 + rest]

def base(token):
    if token < 16:
        return token
    return 4 + (token - 16) % 4 << (token - 16) // 4 + 2 if token < ESCAPE else 1 << 16

class Tables:
    """Points of bins and values, and of every table the token of a slot, frequencies and starts, number of codes."""
    def __init__(self, points, codes):
        self.points, self.lengths = points, np.array(list(map(len, codes)))
        self.tables = [table(frequencies(some)) for some in codes]

def table(f):
    return np.repeat(np.arange(len(f), dtype="u1"), f), np.array(f), np.cumsum(f) - f

@cache
def tables_in_time():
    return Tables(np.array(TIME_POINTS), TIME_CODES)

class Start:
    """What samples are decoded with (8.6.3): the configuration of a tensor."""
    def __init__(self, t):
        self.count, self.priors, self.classes, self.references = None, None, None, []
        self.weights, self.points, self.codes = np.array(WEIGHTS), np.array(POINTS), list(CODES)
        r = Bits(t.configuration, "native.configuration")
        kind = known(r.u(8), STARTS, "native_configuration.native_start", t.later)
        self.named = kind == NAMED
        if self.named:
            r.u(256)                                                    # native_digest
        if kind == SPARSE:
            self.weights, self.points, self.codes = np.array(SPARSE_WEIGHTS), np.array(SPARSE_POINTS), list(SPARSE_CODES)
        if kind == SENT:
            self.read(r, "native_parameters.")
        r.align()
        need(r.pos == 8 * len(r.data), "native.configuration")
        need(self.count in (None, -(-len(t.whole_sample()[2]) // (t.R * t.G))), "native.channels")
        self.tables = Tables(self.points, self.codes)
    def read(self, r, p):
        """native_parameters (6.17)."""
        self.count = r.ue((1 << 24) - 1, p + "native_channel_count_minus1") + 1
        if r.u(1):
            self.priors = [r.u(6) for _ in range(self.count)]
        classes = r.u(2) + 1
        if classes > 1:
            self.classes = [r.u(2) for _ in range(self.count)]
            need(max(self.classes) < classes, p + "channel_class")
        number = r.u(4)
        need(number <= (12 if self.priors else 0), p + "reference_count")
        group_of = np.searchsorted([self.count * e // 32 for e in GROUPS[1:]], np.arange(self.count), "right")
        for place in range(self.count if number else 0):
            self.references.append([])
            for _ in range(number):
                if weight := r.u(8):
                    other = place - 1 - r.u(max(1, place.bit_length()))
                    need(0 <= other and group_of[other] < group_of[place], "native.reference")
                    self.references[-1].append((weight, other))
        if r.u(1):
            self.weights = np.array([[r.u(12) for _ in range(9)] for _ in range(8)])
        bins = r.u(6)
        need(bins <= 48, p + "point_bin_count")
        for b in range(bins):
            self.points[b] += [se(r, 510, p + "point_delta") for _ in range(4)]
        need(np.abs(self.points).max() <= 255, "native.points")
        count = r.u(10)
        need(count <= classes * 144, p + "table_count")
        self.codes = self.codes * classes
        for t in range(count):
            old = CODES[t % 144]
            new = [old[min(s, len(old) - 1)] + se(r, 255, p + "code_delta") for s in range(r.u(6) + 1)]
            need(0 <= min(new) <= max(new) <= 255, "native.codes")
            self.codes[t] = new
        r.align()
    def pictures(self, t, payload, total):
        pos, out, each, prediction, before = 0, [], t.pictures_of_a_unit, None, None
        for count in each:
            if count:
                need(not self.named, "named.unknown", exit_code=69)
                need(self.count in (None, count), "native.channels")
                if t.predicts:
                    prediction = Prediction(payload, pos, before, t.height, t.width)
                    pos = prediction.stop
                sample = NativeSample(self, t, payload, pos, count, prediction)
                out.append(sample.levels.astype(t.word))
                before, pos = sample.levels - sample.zero if t.predicts else None, sample.stop
        need(pos == len(payload), "native.trailing")
        return np.concatenate(out)

class NativeSample:
    """Levels of the channels of a native_sample that begins at pos (6.18, 8.6.4 to 8.6.6, 8.6.9.4)."""
    def __init__(self, start, t, payload, pos, count, prediction):
        self.start, p, r = start, "native_sample.", Bits(memoryview(payload)[pos:], "native.sample")
        step = r.u(24)
        need(step, p + "quantization_step")
        self.signed = r.u(1)
        zero = self.zero = r.u(16) if self.signed else 0
        need(zero <= t.top, "native.zero")
        classes = r.u(1)
        need(classes == (start.priors is None), "native.classes")
        if classes:
            of_classes = [table(frequencies([r.u(8) for _ in range(r.u(5))]))]
        else:
            shift = se(r, 63, p + "prior_shift")
        lanes, words, raw = r.u(4), r.ue(), r.ue()
        need(lanes <= 12, p + "lanes_log2")
        r.align()
        self.lanes, begin = 1 << lanes, pos + r.pos // 8
        middle = begin + 4 * self.lanes
        self.stop = middle + 2 * words + raw
        need(self.stop <= len(payload), "native.sample")
        self.x = np.frombuffer(payload, ">u4", self.lanes, begin).astype("i8")
        self.words, self.used = np.frombuffer(payload, ">u2", words, middle).astype("i8"), 0
        self.raw = Bits(payload[middle + 2 * words:self.stop])
        need((self.x >= 1 << 16).all(), "native.state-range")
        if classes:
            rank = self.run(np.zeros(count, "i8"), of_classes)
            priors = np.array([magnitude(2 * max(m - 1, 0)) for m in rank])
        else:
            rank = np.array(start.priors) + 1
            priors = np.array([magnitude(min(63, max(0, c + shift))) for c in start.priors])
        order = [k for k in np.argsort(-rank, kind="stable") if rank[k]]
        height, width = t.height, t.width
        need(lanes == 12 or len(order) * height * width <= self.lanes << 15, "native.lanes")
        kinds = np.zeros(count, "i8") if start.classes is None else np.array(start.classes)
        self.u, signed_a = np.zeros((len(order), height, width), "i8"), np.zeros((len(order), height, width), "i8")
        self.priors, self.kinds, self.t = priors[order], kinds[order], None
        if prediction and prediction.predicted:
            self.t = prediction.magnitudes(order)
        self.tables = start.tables if self.t is None else tables_in_time()
        for first, stop in zip(GROUPS, GROUPS[1:], strict=False):
            p0, p1 = len(order) * first // 32, len(order) * stop // 32
            for phase in range(4) if p1 > p0 else ():
                y, x = (n.reshape(-1) for n in np.meshgrid(*(range(odd, size, 2) for odd, size in zip(
                    PHASES[phase], (height, width), strict=True)), indexing="ij"))
                if len(y):
                    signed_a[p0:p1, y, x] = self.step(p0, p1, phase, y, x)
        need(self.used == words, "native.words")
        need((self.x == 1 << 16).all(), "native.final-states")
        rest = 8 * raw - self.raw.pos
        need(rest < 8 and self.raw.u(rest) == 0, "native.raw-bits")
        self.levels = np.full((count, height, width), zero, "i4")
        d = np.abs(signed_a) * step + (1 << 15) >> 16
        self.levels[order] = np.clip(zero + np.sign(signed_a) * d, 0, t.top)
    def step(self, p0, p1, phase, y, x):
        """Decodes the values of a step: their A of native.levels, with the sign of the value."""
        m, tables = self.expected(p0, p1, phase, y, x), self.tables
        if self.t is None:
            context = 48 * min(phase, 2) + 144 * self.kinds[p0:p1, None]
        else:
            context = reliability(self.u[:p0, y, x], self.t[:p0, y, x])
            m = expected(m, self.t[p0:p1], context, phase, y, x)
            context = 48 * context
        bins = np.searchsorted(THRESHOLDS, m, "right")
        which, bins = (bins + context).reshape(-1), bins.reshape(-1)
        tokens = self.run(which, tables.tables)
        values, signs = tokens.copy(), np.ones(len(tokens), "i8")
        escapes = tables.lengths[which]
        for i in np.flatnonzero((tokens >= 16) | (tokens == escapes) | ((tokens > 0) & bool(self.signed))):
            token = tokens[i]
            if token == escapes[i]:
                values[i] = self.bits(16)
                need(values[i] >= base(token), "native.escape")
            elif token >= 16:
                values[i] = base(token) + self.bits((token - 16) // 4 + 2)
            if self.signed and self.bits(1):
                signs[i] = -1
        a = np.maximum(0, 256 * values + tables.points[bins, np.minimum(values, 3)])
        self.u[p0:p1, y, x] = np.minimum(MOST, a).reshape(p1 - p0, -1)
        if self.signed:
            a[values == 0] = 0
        return (a * signs).reshape(p1 - p0, -1)
    def bits(self, n):
        need(self.raw.pos + n <= 8 * len(self.raw.data), "native.raw-bits")
        return self.raw.u(int(n))
    def expected(self, p0, p1, phase, y, x):
        """M of native.expected, of every channel of the group and every position."""
        u, w = self.u, self.start.weights[4 * (p0 > 0) + phase]
        prior, (_, height, width) = self.priors[p0:p1, None], u.shape
        before = np.zeros((height, width), bool)
        for odd_y, odd_x in PHASES[:phase]:
            before[odd_y::2, odd_x::2] = True
        n, total = int(before.sum()), u[p0:p1, before].sum(1)[:, None]
        m = w[0] * ((2 * (total + prior) + n + 1) // (2 * (n + 1))) + w[1] * prior + w[2] * 256
        m = np.broadcast_to(m, (p1 - p0, len(y))).copy()
        if p0:
            q = int(self.priors[:p0].sum())
            a = np.minimum(MOST, (256 * u[:p0, y, x].sum(0) + q // 2) // q)
            m += w[3] * np.minimum(MOST, (prior * a + 128) // 256)
            if self.start.references:
                for i, place in enumerate(range(p0, p1)):
                    c = 128 + sum((weight * u[other] for weight, other in self.start.references[place]),
                                  np.zeros((height, width), "i8"))
                    c = np.minimum(MOST, c // 256)
                    m[i] += w[4] * c[y, x] + w[5] * around(c, y, x)
        for weight, places in zip(w[6:], NEIGHBOURS[phase], strict=False):
            there = height > 1 and width > 1 if places == DIAGONAL else (width, height)[places == ABOVE_BELOW] > 1
            if not there:
                m += weight * prior
                continue
            total = 0
            for down, right in places:
                yy, xx = y + down, x + right
                yy = np.where((yy < 0) | (yy >= height), y - down, yy)
                xx = np.where((xx < 0) | (xx >= width), x - right, xx)
                total = total + u[p0:p1, yy, xx]
            m += weight * ((total + len(places) // 2) // len(places))
        return m
    def run(self, which, tables):
        """Symbols with the tables of these numbers (model.rans with 2^12)."""
        out = np.empty(len(which), "i8")
        for i, number in enumerate(which):
            lane = i % self.lanes
            symbols, frequency, start = tables[number]
            x = int(self.x[lane])
            slot = x % SLOTS
            s = out[i] = int(symbols[slot])
            x = int(frequency[s]) * (x // SLOTS) + slot - int(start[s])
            if x < 1 << 16:
                need(self.used < len(self.words), "native.words")
                x = x << 16 | int(self.words[self.used])
                self.used += 1
            self.x[lane] = x
        return out
