"""8.6: native payloads whose values are chosen one by one: every bin, table and rounding, and bounds met exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from refsw.entropy.rans import Encoder
from refsw.entropy.rawbits import pack
from refsw.payload.native.configuration import pack_configuration, pack_parameters, values_of
from refsw.payload.native.contexts import PHASE_PLACES, group_bounds, groups_of
from refsw.payload.native.decoder import class_table, read_sample, sample_order
from refsw.payload.native.encoder import class_codes
from refsw.payload.native.parameters import Start
from refsw.payload.native.scale import ESCAPE, MOST, ONE, thresholds, token_bits, tokens
from refsw.payload.native.starts import sparse_start, universal_start
from refsw.syntax.codes import NativeStart
from refsw.syntax.native_structures import NATIVE_CONFIGURATION, NATIVE_SAMPLE
from vectors.bits import Writing
from vectors.catalog import Catalog
from vectors.recipes.native import AREA, levels, sample, words
from vectors.recipes.words import data, digest, fps
from vectors.tensors import Unit

EVEN = 1 << 16


def register(c: Catalog) -> None:
    """Add the recipes."""
    _numbers(c)
    _bounds(c)
    _broken(c)


def coded(values: Any, step: int, *, start: Start | None = None, classes: Any = None, shift: int = 0,
          zero: int | None = None, lanes_log2: int = 0, escape: bool = False) -> bytes:  # fmt: skip
    """A sample of these values, signed if there is a zero; `escape` writes them all behind escapes."""
    start = start or universal_start()
    header: dict[str, Any] = {"quantization_step": step, "signed_flag": int(zero is not None), "zero_level": zero or 0,
                              "class_flag": int(classes is not None), "prior_shift": shift}  # fmt: skip
    order, priors = sample_order(start, header, classes, len(values))
    ordered, known = values[order], np.zeros((len(order), *values.shape[1:]), np.int32)
    own = None if start.classes is None else start.classes[order]
    ends = np.array([len(codes) for codes in start.codes])
    found, lengths, raw = [], [], []
    for group in groups_of(start, known, priors, own):
        for phase, (row, column) in enumerate(PHASE_PLACES):
            part = ordered[group.first : group.last, row::2, column::2]
            if not part.size:
                continue
            bins = group.bins(phase)
            tables, sizes = group.tables(bins, phase).reshape(-1), np.abs(part)
            put = np.maximum(ONE * sizes + start.points[bins, np.minimum(sizes, 3)], 0)
            group.put(phase, np.minimum(put, MOST).astype(np.int32))
            token = tokens()[sizes.reshape(-1)].astype(np.uint16)
            token[(token >= ends[tables]) | escape] = ESCAPE
            bits, number = token_bits()[token], sizes.reshape(-1).astype(np.uint64)
            if zero is not None:
                bits = bits + (token > 0)
                number = number << np.uint64(1) | (part.reshape(-1) < 0).astype(np.uint64)
            lengths.append(bits[bits > 0])
            raw.append(number[bits > 0])
            found.append((tables, token))
    encoder = Encoder(1 << lanes_log2)
    for tables, token in reversed(found):
        encoder.put(start.tables, tables, token)
    if classes is not None:
        codes = class_codes(classes)
        header |= {"class_code_count": len(codes), "class_code": list(codes)}
        encoder.put(class_table(codes), np.zeros(len(classes), np.uint8), classes.astype(np.uint16))
    bytes_of_raw = pack(np.concatenate(lengths), np.concatenate(raw)) if lengths else b""
    header |= {"lanes_log2": lanes_log2, "word_count": len(encoder.words), "raw_byte_count": len(bytes_of_raw)}
    front = Writing(NATIVE_SAMPLE, header).body.getvalue()
    return front + encoder.states.astype(">u4").tobytes() + encoder.words.astype(">u2").tobytes() + bytes_of_raw


def wide(shape: tuple[int, int, int], seed: int, most: int = 400) -> Any:
    """Values of every size up to a bound, small and great ones side by side, and the classes of their means."""
    rng = np.random.default_rng(seed)
    scale = np.geomspace(0.02, most, shape[0])[rng.permutation(shape[0])][:, None, None]
    values = np.where(rng.random(shape) < 0.4, rng.integers(0, 4, shape), rng.gamma(0.6, scale, shape))
    return np.minimum(values, most).astype(np.int64), classes_of(values)


def classes_of(values: Any) -> Any:
    """A class for every channel, near its mean, above 0."""
    means = np.maximum(values.mean(axis=(1, 2)) * ONE, 1)
    return np.clip(np.rint(2 * np.log2(means)) + 1, 1, 31).astype(np.uint8)


def layer(channels: int, seed: int) -> Start:
    """Parameters of a layer with three classes of channels, all tables, all points, and every prior."""
    rng, universal = np.random.default_rng(seed), universal_start()
    firsts = np.concatenate([np.full(last - first, first) for first, last in group_bounds(channels)])
    places = np.array([[rng.integers(0, first) if first else 0 for _ in range(3)] for first in firsts], np.int32)
    weights = np.where(firsts[:, None] > 0, rng.integers(0, 120, (channels, 3)), 0).astype(np.int32)
    codes = [own[: int(rng.integers(1, len(own) + 3))] for own in universal.codes * 3]
    codes = [bytes(np.clip(np.frombuffer(own, np.uint8).astype(int) + rng.integers(-9, 10, len(own)), 1, 254)
                   .astype(np.uint8)) for own in codes]  # fmt: skip
    own_weights = rng.integers(0, 260, (2, 4, 9)).astype(np.int32)
    points = universal.points + rng.integers(-9, 10, universal.points.shape).astype(np.int32)
    return replace(
        universal, channels=channels, priors=rng.permutation(np.arange(channels) % 64).astype(np.uint8),
        classes=rng.integers(0, 3, channels).astype(np.uint8), codes=tuple(codes),
        references=np.where(weights > 0, places, 0).astype(np.int32), reference_weights=weights,
        weights=own_weights, points=points,
    )  # fmt: skip


def sent(start: Start) -> str:
    """The configuration that sends them."""
    return pack_configuration(NativeStart.SENT, pack_parameters(start)).hex()


def _whole(c: Catalog, name: str, title: str, units: list[Unit], more: tuple[str, ...] = ()) -> None:
    listed = [units[0] | {"digests": "TL"}, *units[1:], digest(), digest(kind=1)]
    c.stream(f"native-{name}", title, listed, area=AREA, profile="NATIVE", suite="native", requirements=more)


def _bad(c: Catalog, name: str, title: str, violates: str, units: list[Unit]) -> None:
    c.stream(f"native-{name}", title, units, area=AREA, profile="NATIVE", suite="native", kind="invalid",
             violates=violates)  # fmt: skip


def _numbers(c: Catalog) -> None:
    def whole(name: str, title: str, payload: bytes, shape: tuple[int, ...], **more: Any) -> None:
        _whole(c, f"numbers-{name}", title, [fps(**words(shape, **more)), data(payload=payload.hex())])

    shape = (48, 12, 11)
    values, classes = wide(shape, 1)
    whole("bins", "Values of every size in every bin, a reconstruction point of 1/256 step a level",
          coded(values, EVEN, classes=classes, lanes_log2=1), shape, bits=16)  # fmt: skip
    sparse = pack_configuration(NativeStart.SPARSE).hex()
    whole("sparse", "Values of every size in every bin of the sparse start",
          coded(values, EVEN, start=sparse_start(), classes=classes), shape, bits=16, configuration=sparse)  # fmt: skip
    values, classes = wide(shape, 2, 30)
    small = values * np.random.default_rng(2).choice([-1, 1], shape)
    whole("signs", "Values with signs of every size, steps of 128 levels",
          coded(small, 1 << 15, classes=classes, zero=9000, lanes_log2=5), shape, bits=14)  # fmt: skip
    shape = (64, 9, 8)
    start, (values, _) = layer(64, 3), wide(shape, 3, 60)
    whole("layer", "Every table, point and prior of a layer with three classes of channels",
          coded(values, 1 << 14, start=start, lanes_log2=1), shape, bits=14, configuration=sent(start))  # fmt: skip
    for seed in (105, 114, 311):  # in which roundings of 1/256 step decide the tables of values
        shape = (24, 10, 10)
        start, (values, _) = layer(24, seed), wide(shape, seed, 3)
        whole(f"fine.{seed}", "A layer whose values are small, so that roundings of expected magnitudes choose bins",
              coded(values, EVEN, start=start), shape, bits=16, configuration=sent(start))  # fmt: skip
    shape = (24, 6, 6)
    own = layer(24, 7)
    start = replace(own, reference_weights=np.minimum(own.reference_weights, 1).astype(np.int32))
    values, _ = wide(shape, 7)
    whole("light", "References of weight 1 to channels of great values", coded(values, EVEN, start=start), shape,
          bits=16, configuration=sent(start))  # fmt: skip
    shape = (12, 5, 1)
    start, (values, _) = layer(12, 4), wide(shape, 4, 9)
    whole("column", "A layer of one column, of which each phase lacks neighbours",
          coded(values, 1 << 14, start=start), shape, configuration=sent(start))  # fmt: skip
    start, shape = replace(layer(8, 5), priors=np.array([63, 60, 55, 40, 20, 9, 3, 0], np.uint8)), (8, 3, 3)
    values, _ = wide(shape, 5, 20)
    both = coded(values, 1 << 13, start=start, shift=9) + coded(values, 1 << 13, start=start, shift=-12)
    _whole(c, "numbers-shift", "Priors that a shift takes beyond both ends",
           [fps(**words(shape, configuration=sent(start))), data(count=2, payload=both.hex())])  # fmt: skip


def _bounds(c: Catalog) -> None:
    """What is met exactly, and may be."""

    def whole(name: str, title: str, payload: bytes, shape: tuple[int, ...], more: tuple[str, ...] = (),
              **own: Any) -> None:  # fmt: skip
        _whole(c, f"bounds-{name}", title, [fps(**words(shape, **own)), data(payload=payload.hex())], more)

    shape = (3, 2, 2)
    one = np.array([1, 5, 1], np.uint8)
    few = np.arange(12).reshape(shape) % 3
    whole("class.one", "Channels of class 1, which are coded", coded(few, 20_000, classes=one), shape)
    whole("one.bit", "Levels of one bit", coded(few, 256, classes=one), shape, bits=1)
    whole("zero", "The greatest zero_level", coded(-few, 9000, classes=one, zero=4095), shape, ("native.zero",))
    flat = np.zeros((2, 128, 128), np.int64)
    flat[0, 5, 7], flat[1, 127, 127] = 3, 40
    whole("lanes", "2^15 values in one lane", coded(flat, 9000, classes=np.array([1, 9], np.uint8)), flat.shape,
          ("native.lanes",))  # fmt: skip
    least = np.array([[[17]]])  # the table of its bin has 17 tokens: the least value of an escape
    start = replace(universal_start(), channels=1, codes=tuple(b"\x80" * 17 for _ in range(144)))
    least[0, 0, 0] = 20  # token 16 is 16 to 19
    whole("escape", "The least value that an escape can have", coded(least, 5000, start=start, classes=one[1:2]),
          (1, 1, 1), ("native.escape",), configuration=sent(start))  # fmt: skip
    universal = universal_start()
    ends = universal.points.copy()
    ends[:, 0], ends[:, 1], ends[:, 2] = 255, -255, 0
    codes = tuple(bytes([0, 255, *own[2:]]) for own in universal.codes)
    start = replace(universal, channels=9, points=ends, codes=codes)
    values, classes = wide((9, 3, 4), 6, 9)
    whole("points", "Points of 255 both ways, codes 0 and 255", coded(values, 9000, start=start, classes=classes),
          (9, 3, 4), ("native.points", "native.codes"), configuration=sent(start))  # fmt: skip
    # Of the first position, the mean and the prior are the greatest magnitude: with one more, the bin is the next one.
    weights = universal.weights.copy()
    weights[0, 0] = [480, 480, -(-(int(thresholds()[-1]) - 960 * (MOST + 1)) // ONE), 0, 0, 0, 0, 0, 0]
    start = replace(universal, channels=1, priors=np.array([63], np.uint8), weights=weights)
    whole("magnitude", "The greatest magnitude, one below that of the last bin",
          coded(np.array([[[90]]]), 9000, start=start), (1, 1, 1), configuration=sent(start))  # fmt: skip
    named = pack_configuration(NativeStart.NAMED, pack_parameters(start)).hex()
    c.stream("native-bounds-named.idle", "Parameters that no decoder has, and no samples that ask for them",
             [fps(**words((9, 3, 4), configuration=named))], area=AREA, profile="NATIVE", suite="native",
             requirements=("named.unknown",))  # fmt: skip


def _broken(c: Catalog) -> None:
    """What a decoder takes that lacks the one check."""

    def bad(name: str, title: str, violates: str, payload: bytes, shape: tuple[int, ...], **own: Any) -> None:
        _bad(c, name, title, violates, [fps(**words(shape, **own)), data(payload=payload.hex())])

    shape = (9, 3, 4)
    plain = sample(levels(shape))
    ten = sent(replace(universal_start(), channels=10))
    bad("configuration-channels.plain", "Parameters for ten channels, of which a decoder needs none",
        "native.channels", plain, shape, configuration=ten)  # fmt: skip
    few = np.arange(108).reshape(shape) % 3
    classes = np.array([1, 5, 9] * 3, np.uint8)
    over = coded(-few, 9000, classes=classes, zero=4096)
    bad("sample-zero.plain", "A zero_level beyond the levels, in a sample with signs", "native.zero", over, shape)
    start = replace(universal_start(), channels=9)
    values = {"native_start": 1} | values_of(start)

    def forged(name: str, title: str, violates: str, payload: bytes = plain, **changes: Any) -> None:
        body = Writing(NATIVE_CONFIGURATION, values | changes).body.getvalue()
        bad(f"configuration-{name}", title, violates, payload, shape, configuration=body.hex())

    points = universal_start().points
    forged("points.256", "A point of 256", "native.points", point_bin_count=48,
           point_delta=[*([0] * 4 for _ in range(47)), [0, 256 - int(points[47, 1]), 0, 0]])  # fmt: skip
    forged("codes.256", "A code of 256", "native.codes", table_count=1, token_count_minus1=[0],
           code_delta=[[256 - universal_start().codes[0][0]]])  # fmt: skip
    forged("codes.below", "A code below 0", "native.codes", table_count=1, token_count_minus1=[0],
           code_delta=[[-1 - universal_start().codes[0][0]]])  # fmt: skip
    priors = {"prior_flag": 1, "prior_index": [20] * 9, "reference_count": 1}
    distances = [[0] for _ in range(9)]
    forged("same.group.light", "A reference of weight 1 in the group of its channel", "native.reference",
           coded(few, 9000, start=replace(start, priors=np.full(9, 20, np.uint8))), **priors,
           reference_weight=[*([0] for _ in range(8)), [1]], reference_distance_minus1=distances)  # fmt: skip
    flat = np.zeros((2, 129, 128), np.int64)
    flat[1, 127, 127] = 40
    bad("sample-lanes.product", "More than 2^15 values in one lane, of few rows and columns", "native.lanes",
        coded(flat, 9000, classes=np.array([1, 9], np.uint8)), flat.shape)  # fmt: skip
    bad("sample-escape.last", "An escape with a value that has a token, the last value of a sample", "native.escape",
        coded(np.array([[[1]]]), 9000, classes=classes[:1], escape=True), (1, 1, 1))  # fmt: skip
    bad("sample-state.early", "A state below 2^16 from which all values come out right", "native.state-range",
        early(coded(few, 9000, classes=classes, lanes_log2=1)), shape)  # fmt: skip


def early(payload: bytes) -> bytes:
    """A sample whose first lane has given a word too early: its state begins below 2^16, all others are the same."""
    own = read_sample(memoryview(payload), 0)
    states, word = np.frombuffer(own.states, ">u4").astype(np.int64), bytes(own.words)
    frequencies = class_table(bytes(own.values["class_code"])).frequencies[0].astype(int)
    starts = np.concatenate([[0], np.cumsum(frequencies)[:-1]])
    slot = int(states[0]) & 4095
    symbol = int(np.searchsorted(starts, slot, side="right")) - 1
    after = frequencies[symbol] * (int(states[0]) >> 12) + slot - starts[symbol]
    assert after >= EVEN  # no word is taken behind the first symbol
    low, after = after & 0xFFFF, after >> 16
    states[0] = (after // frequencies[symbol] << 12) + starts[symbol] + after % frequencies[symbol]
    assert states[0] < EVEN
    header = own.values | {"word_count": len(word) // 2 + 1}
    front = Writing(NATIVE_SAMPLE, header).body.getvalue()
    return front + states.astype(">u4").tobytes() + int(low).to_bytes(2, "big") + word + bytes(own.raw)
