"""Values of a model_data unit (6.11, 10.5 to 10.7), levels included (6.14, 6.15, 10.6.7); part of dfc_models.py."""
import itertools
from math import prod

import numpy as np
from dfc_units import MODEL_EXTENDED, XZ, known, se
from dfc_values import expand
from dfc_video import need

CODERS = RANS, XZ_BYTES = range(2)
QUANTIZERS = PLAIN, EVEN, DEPENDENT = range(3)
EXACT_MODES = 5, 6

class Values:
    """A model_data unit: the syntax first, the values when the shapes are known."""
    def __init__(self, r, update):
        first, count = r.ue(), r.ue() + 1
        need(first == update.done and first + count <= len(update.coded), "model.coded-order")
        self.tensors, update.done = update.coded[first:first + count], first + count
        self.quantizer, self.extended, grid = PLAIN, update.stream.profile == MODEL_EXTENDED, 0
        self.coder = known(r.u(2), CODERS, "model_data.model_coder", update.later)
        if self.coder == RANS:
            if self.extended:
                self.quantizer = known(r.u(2), QUANTIZERS, "model_levels.value_quantizer", update.later)
                if self.quantizer != PLAIN:
                    need(grid := r.u(11), "model_levels.grid")
            self.read_rans(r, "model_data.")
        else:
            self.word_bytes, self.planes = 1 << r.u(2), r.u(1)
        for e in self.tensors:
            e.grid = grid           # 0: steps are whole (10.4.2)
        r.align()
        self.payload = r.data[r.pos // 8:]
        update.room += 4096 * len(self.payload)
        update.expand(sum(prod(e.shape) for e in self.tensors if e.new))
    def read_rans(self, r, p):
        self.predictors, self.contexts, self.tables, self.table_of = [], [], [], []
        for _ in range(r.ue(255, p + "predictor_count")):
            taps = r.ue(62, p + "predictor_taps_minus2") + 2
            self.predictors.append([[se(r, 1023, p + "predictor_coefficient") for _ in range(k)] for k in range(taps)])
        for _ in self.tensors:
            predictor, offset = r.ue(len(self.predictors), p + "predictor"), r.ue(4095, p + "table_offset")
            groups, count = [], r.u(4)
            step = r.u(4) + 1 if count else 1
            for _ in range(count):
                a, b = r.u(4), r.u(4)
                need(not groups or a > groups[-1][1], p + "group_first_axis")
                need(a <= b, p + "group_last_axis")
                groups.append((a, b))
            self.contexts.append((predictor, offset, step, groups))
        self.groups = max(len(context[3]) for context in self.contexts)
        self.lanes, precision = r.u(4), r.u(4)
        need(self.lanes <= 12, p + "lanes_log2")
        need(precision <= 13, p + "frequency_precision")
        self.table_count = r.ue(4095, p + "table_count_minus1") + 1
        self.label_lanes, self.label_words = (r.u(4), r.ue()) if self.groups else (0, 0)
        need(self.label_lanes <= 12, p + "label_lanes_log2")
        own = []                    # tables that are not the same as the one before
        for t in range(self.table_count + (self.groups > 0)):
            end = r.ue(504, p + "symbol_end")
            need(t or end, p + "symbol_end")
            own.append(end > 0)
            if end:
                self.tables.append(self.read_table(r, p, end, precision))
            self.table_of.append(len(self.tables) - 1)
            need(self.table_of[min(t, self.table_count - 1)] < 256, "model.tables")
        self.second_of = self.read_second_tables(r, own, precision) if self.quantizer == DEPENDENT else None
        self.words = r.ue()
    def read_second_tables(self, r, own, precision):
        """second_tables( ) (6.15): for every table, the number of its second one among the tables."""
        p, second = "second_tables.second_", []
        for t in range(self.table_count):
            if not own[t]:
                second.append(second[-1])
            elif end := r.ue(504, p + "symbol_end"):
                self.tables.append(self.read_table(r, p, end, precision))
                second.append(len(self.tables) - 1)
            else:
                second.append(self.table_of[t])
        return second
    def read_table(self, r, p, end, precision):
        """Frequencies of the symbols (10.6.2)."""
        first = r.ue(end - 1, p + "first_symbol")
        rest = first + r.ue(end - first - 1, p + "rest_symbol")
        frequency = np.zeros(end, "i8")
        for s in range(first, end):
            if s != rest:
                c = r.u(4)
                need(c <= 14, p + "frequency_class")
                if c:
                    n = min(c - 1, precision)
                    frequency[s] = (1 << n) + r.u(n) << c - 1 - n
        frequency[rest] = (1 << 14) - frequency.sum()
        need(frequency[rest] >= 1, "model.rest-frequency")
        return frequency
    def decode(self, stream):
        """The values of the tensors, an array each (10.5)."""
        *cuts, total = itertools.accumulate(prod(e.shape) for e in self.tensors)
        stream.limit("model-unit-elements", total)
        if self.coder == XZ_BYTES:
            need(total, "model.xz-values")
            data = np.frombuffer(expand(XZ, self.payload, total * self.word_bytes), "u1")
            data = data.reshape(self.word_bytes, total).T if self.planes else data.reshape(total, self.word_bytes)
            return np.split(np.ascontiguousarray(data).view(f"<i{self.word_bytes}").reshape(-1).astype("i8"), cuts)
        symbols = [np.repeat(np.arange(len(f)), f) for f in self.tables]           # for every slot of the tables
        pairs = list(zip(self.tables, symbols, strict=True))
        rows = [(s, f[s], np.arange(1 << 14) + (f - np.cumsum(f))[s]) for f, s in pairs]
        self.slots, self.pos, labels = [np.concatenate(column) for column in zip(*rows, strict=True)], 0, iter(())
        if self.groups:
            groups = [(e.shape, *group) for e, c in zip(self.tensors, self.contexts, strict=True) for group in c[3]]
            need(all(b < len(shape) for shape, _, b in groups), "model.label-axes")
            counts = [prod(shape[a:b + 1]) for shape, a, b in groups]
            need(sum(counts) <= total * self.groups, "model.label-count")
            labels, _ = self.symbols([np.full(sum(counts), self.table_of[-1])], self.label_lanes, self.label_words)
            labels = iter(np.split(labels, np.cumsum(counts)[:-1]))
        tables = [self.context(e, c, labels) for e, c in zip(self.tensors, self.contexts, strict=True)]
        order = self.planes_in_order() if self.quantizer != PLAIN else slice(None)
        contexts = np.concatenate(tables)[order]
        which = [np.array(of)[contexts] for of in (self.table_of, self.second_of) if of is not None]
        symbols, quantizers = self.symbols(which, self.lanes, self.words)
        values = np.empty(total, "i8")
        values[order] = self.raw_bits(symbols)
        if self.quantizer != PLAIN:
            need((np.abs(values) < 1 << 61).all() and (values > -1 << 61).all(), "model.level-range")
            q = np.empty(total, "i8")
            q[order] = quantizers
            exact = np.repeat([e.mode in EXACT_MODES for e in self.tensors], [prod(e.shape) for e in self.tensors])
            values = np.where(exact, values, 2 * values - np.sign(values) * q)
        values = np.split(values, cuts)
        return [self.predict(v, c[0]) if c[0] else v for v, c in zip(values, self.contexts, strict=True)]
    def planes_in_order(self):
        """Places in raster order, tensor after tensor, of the values as they come (model.planes)."""
        taps = [len(self.predictors[context[0] - 1]) if context[0] else 1 for context in self.contexts]
        sizes = [prod(e.shape) for e in self.tensors]
        starts = [end - n for end, n in zip(itertools.accumulate(sizes), sizes, strict=True)]
        tensors = list(zip(taps, sizes, starts, strict=True))
        return np.concatenate([np.arange(start + p, start + n, count) if n > p else np.zeros(0, "i8")
                               for p in range(max(taps)) for count, n, start in tensors if p < count])
    def context(self, e, context, labels):
        """Number of the table of every value of a tensor (10.6.3)."""
        _, tables, step, groups = context
        shape = e.shape if prod(e.shape) else [0] * len(e.shape)            # numpy has no 0 x 2^32 x 2^32 elements
        for (a, b), label in zip(groups, labels, strict=False):
            box = shape[a:b + 1]
            tables = tables + step * label[:prod(box)].reshape([*box, *[1] * (len(shape) - b - 1)])
        tables = np.broadcast_to(tables, shape).reshape(-1)
        need((tables < self.table_count).all(), "model.context-bound")
        return tables
    def symbols(self, tables, lanes, count):
        """Decodes a symbol with each of tables (10.6.4, 10.6.5): one array of them, or two, of which the quantizer of a
        value takes one (model.quantizer-state). The second result are the quantizers."""
        n, used = 1 << lanes, 0
        total = len(tables[0])
        need(lanes == 12 or total <= n << 14, "model.lanes")
        need(self.pos + 4 * n + 2 * count <= len(self.payload), "model.payload-length")
        x = np.frombuffer(self.payload, ">u4", n, self.pos).astype("i8")
        words = np.frombuffer(self.payload, ">u2", count, self.pos + 4 * n).astype("i8")
        self.pos += 4 * n + 2 * count
        need((x >= 1 << 16).all(), "model.state-range")
        symbol, frequency, rest = self.slots
        first_ones, *second_ones = [one.astype("i8") << 14 for one in tables]
        out, quantizers, states = np.empty(total, "i8"), np.zeros(total, "i8"), np.zeros(n, "i8")
        for i in range(0, total, n):
            row = first_ones[i:i + n]
            if second_ones:
                state = states[:len(row)]               # a view
                quantizers[i:i + n] = q = state & 1
                row = np.where(q, second_ones[0][i:i + n], row)
            y = x[:len(row)]                            # a view
            slot = row + (y & 0x3FFF)
            out[i:i + n] = symbol[slot]
            if second_ones:
                state[:] = state >> 1 ^ 7 * q ^ 2 * (out[i:i + n] + 1 >> 1 & 1)
            y[:] = frequency[slot] * (y >> 14) + rest[slot]
            short = np.flatnonzero(y < 1 << 16)
            used, first = used + len(short), used
            need(used <= count, "model.words")
            y[short] = y[short] << 16 | words[first:used]
        need(used == count, "model.words")
        need((x == 1 << 16).all(), "model.final-states")
        return out, quantizers
    def raw_bits(self, symbols):
        """The values of the symbols, with the raw bits at the end of the payload (10.6.1)."""
        c = symbols + 1 >> 1
        large = np.flatnonzero(c >= 16)
        bits = (c[large] - 16 >> 2) + 2
        place = 8 * self.pos + np.cumsum(bits) - bits
        stop = 8 * self.pos + int(bits.sum())
        need(stop <= 8 * len(self.payload), "model.payload-length")
        rest = 8 * len(self.payload) - stop
        need(rest < 8 and not (rest and self.payload[-1] & (1 << rest) - 1), "model.raw-bits")
        data = np.frombuffer(self.payload + bytes(9), "u1").astype("u8")
        byte, shift, bits = place >> 3, (place & 7).astype("u8"), bits.astype("u8")
        window = sum(data[byte + i] << np.uint64(56 - 8 * i) for i in range(8)) << shift
        raw = (window | data[byte + 8] >> np.uint64(8) - shift) >> np.uint64(64) - bits
        need(not raw[c[large] == 252].any(), "model.value-range")
        magnitude, k = c.astype("u8"), (c[large] - 16 & 3).astype("u8")
        if self.quantizer == DEPENDENT:         # the parity of a class is that of its magnitudes (model.parity-symbols)
            magnitude[large] = np.uint64(2) * (np.uint64(2) + k // 2 << bits | raw) + k % 2
        else:
            magnitude[large] = np.uint64(4) + k << bits | raw
        return np.where(symbols & 1, 0 - magnitude, magnitude).view("i8")
    def predict(self, residuals, predictor):
        """Undoes the prediction (10.6.6). The first v out of range is exact, so that it is noticed."""
        weights = self.predictors[predictor - 1]
        need(len(residuals) % len(weights) == 0, "model.predictor-taps")
        v = residuals.reshape(-1, len(weights)).copy()
        need((np.maximum(v, -1 - v) < 1 << 40).all() and (v > -1 << 40).all(), "model.prediction-range")
        for p in range(1, len(weights)):
            v[:, p] += 32 + v[:, :p] @ np.array(weights[p], "i8") >> 6
        need((v < 1 << 40).all() and (v > -1 << 40).all(), "model.prediction-range")
        return v.reshape(-1)
