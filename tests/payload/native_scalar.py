"""8.6 Decoding a native sample value by value, after the text, for comparison with the decoder that works in steps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from refsw.payload.native.parameters import Start

ENDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)


def threshold(i: int) -> int:
    low, high = 0, 1 << 26
    while low < high:
        middle = (low + high) // 2
        if middle**14 >= 2 ** (161 + 4 * i):
            high = middle
        else:
            low = middle + 1
    return low


ALL_THRESHOLDS = [threshold(i) for i in range(1, 48)]


def magnitude(c: int) -> int:
    return min(32767, ((256, 304, 362, 431)[c % 4] * 2 ** (c // 4) + 128) // 256)


def probability(code: int) -> int:
    return (8 + code % 8) * 2 ** (code // 8) if code < 128 else 2**20 - probability(255 - code)


def frequencies(codes: bytes) -> list[int]:
    rest, found = 2**12 - len(codes) - 1, []
    for code in codes:
        share = (rest * probability(code) + 2**19) // 2**20
        found.append(1 + share)
        rest -= share
    return [*found, 1 + rest]


@dataclass
class Scalar:
    """One sample: its start, the elements of its header, and the bytes after them."""

    start: Start
    header: dict
    states: list[int]
    words: list[int]
    raw: str

    @property
    def coding(self) -> Start:
        """Whose points and tables hold."""
        return self.start

    def context(self, p: int, p0: int, phase: int, y: int, x: int) -> tuple[int, int]:
        """Bin and table of a value."""
        b = sum(t <= self.expected(p, p0, phase, y, x) for t in ALL_THRESHOLDS)
        return b, b + 48 * min(phase, 2) + 144 * self.kinds[p]

    def symbol(self, lane: int, table: list[int]) -> int:
        slot, s, first = self.states[lane] % 2**12, 0, 0
        while first + table[s] <= slot:
            first += table[s]
            s += 1
        self.states[lane] = table[s] * (self.states[lane] // 2**12) + slot - first
        if self.states[lane] < 2**16:
            self.states[lane] = self.states[lane] * 2**16 + self.words.pop(0)
        return s

    def bits(self, count: int) -> int:
        taken, self.raw = self.raw[:count], self.raw[count:]
        return int(taken, 2) if count else 0

    def levels(self, channels: int, rows: int, columns: int, top: int) -> list[list[list[int]]]:
        """8.6.6."""
        h, lanes = self.header, len(self.states)
        if h["class_flag"]:
            table = frequencies(bytes(h["class_code"]))
            classes = [self.symbol(k % lanes, table) for k in range(channels)]
            order = sorted((k for k in range(channels) if classes[k]), key=lambda k: (-classes[k], k))
            self.priors = [magnitude(2 * (classes[k] - 1)) for k in order]
        else:
            own = [int(c) for c in self.start.priors]
            order = sorted(range(channels), key=lambda k: (-own[k], k))
            self.priors = [magnitude(min(63, max(0, own[k] + h["prior_shift"]))) for k in order]
        self.order, count = order, len(order)
        self.kinds = [0 if self.start.classes is None else int(self.start.classes[k]) for k in order]
        self.rows, self.columns = rows, columns
        self.u: list[dict[tuple[int, int], int]] = [{} for _ in order]
        signed = {}
        tables = [frequencies(codes) for codes in self.coding.codes]
        for first, last in pairwise(ENDS):
            p0, p1 = count * first // 32, count * last // 32
            for phase in range(4):
                places = [(p, y, x) for p in range(p0, p1) for y in range(rows) for x in range(columns)
                          if (y % 2, x % 2) == ((0, 0), (1, 1), (0, 1), (1, 0))[phase]]  # fmt: skip
                contexts = [self.context(p, p0, phase, y, x) for p, y, x in places]
                tokens = []
                for i, (_, t) in enumerate(contexts):
                    s = self.symbol(i % lanes, tables[t])
                    tokens.append(64 if s == len(self.coding.codes[t]) else s)
                for (p, y, x), (b, _), s in zip(places, contexts, tokens, strict=True):
                    if s < 16:
                        v = s
                    elif s == 64:
                        v = self.bits(16)
                    else:
                        o, k = divmod(s - 16, 4)
                        v = (4 + k) * 2 ** (o + 2) + self.bits(o + 2)
                    negative = self.bits(1) if h["signed_flag"] and s else 0
                    a = max(0, 256 * v + int(self.coding.points[b][min(v, 3)]))
                    self.u[p][y, x] = min(32767, a)
                    if h["signed_flag"] and not v:
                        a = 0
                    d = (a * h["quantization_step"] + 2**15) // 2**16
                    signed[p, y, x] = min(top, max(0, h["zero_level"] + (-d if negative else d)))
        out = [[[h["zero_level"]] * columns for _ in range(rows)] for _ in range(channels)]
        for (p, y, x), level in signed.items():
            out[order[p]][y][x] = level
        return out

    def expected(self, p: int, p0: int, phase: int, y: int, x: int) -> int:
        """8.6.5."""
        w = [int(v) for v in self.start.weights[int(p0 > 0)][phase]]
        u, prior = self.u[p], self.priors[p]
        before = [v for (a, b), v in u.items() if ((0, 0), (1, 1), (0, 1), (1, 0)).index((a % 2, b % 2)) < phase]
        n = len(before)
        m = w[0] * ((2 * (sum(before) + prior) + n + 1) // (2 * (n + 1))) + w[1] * prior + w[2] * 256
        if p0:
            total, usual = sum(self.u[q][y, x] for q in range(p0)), sum(self.priors[:p0])
            a = min(32767, (256 * total + usual // 2) // usual)
            m += w[3] * min(32767, (prior * a + 128) // 256)
            if self.start.references.size:
                m += w[4] * self.referred(p, y, x)
                around = sum(
                    self.referred(p, min(self.rows - 1, max(0, y + a)), min(self.columns - 1, max(0, x + b)))
                    for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b
                )  # fmt: skip
                m += w[5] * ((around + 4) // 8)
        diagonal, down, across = [(-1, -1), (-1, 1), (1, -1), (1, 1)], [(-1, 0), (1, 0)], [(0, -1), (0, 1)]
        kinds = ([], [diagonal], [across, down], [down, across, diagonal])[phase]
        for i, kind in enumerate(kinds):
            m += w[6 + i] * self.mean(u, prior, y, x, kind)
        return m

    def mean(self, u: dict, prior: int, y: int, x: int, kind: list[tuple[int, int]]) -> int:
        found = []
        for a, b in kind:
            row = y + a if 0 <= y + a < self.rows else y - a
            column = x + b if 0 <= x + b < self.columns else x - b
            if not (0 <= row < self.rows and 0 <= column < self.columns):
                return prior
            found.append(u[row, column])
        return (sum(found) + len(found) // 2) // len(found)

    def referred(self, p: int, y: int, x: int) -> int:
        pairs = zip(self.start.references[p], self.start.reference_weights[p], strict=True)
        return min(32767, (128 + sum(int(w) * self.u[int(q)][y, x] for q, w in pairs if w)) // 256)
