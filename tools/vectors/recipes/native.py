"""8.6, 6.16 to 6.18: the native payload: every kind of sample, and what configurations and payloads break."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from refsw.payload.native.configuration import pack_configuration, pack_parameters, values_of
from refsw.payload.native.contexts import group_bounds
from refsw.payload.native.decoder import read_sample
from refsw.payload.native.encoder import Costs, SampleEncoder
from refsw.payload.native.parameters import Start
from refsw.payload.native.starts import sparse_start, universal_start
from refsw.syntax.codes import NativeStart
from refsw.syntax.native_structures import NATIVE_CONFIGURATION, NATIVE_SAMPLE
from vectors.bits import Writing
from vectors.catalog import Catalog
from vectors.recipes.words import data, digest, fps
from vectors.tensors import Unit

AREA = "native"
OF_PARAMETERS = ("native.channels", "native.points", "native.codes", "native.reference")
UNIVERSAL = pack_configuration(NativeStart.UNIVERSAL).hex()
SHAPE = (9, 3, 4)
EVEN = 1 << 16


def register(c: Catalog) -> None:
    """Add the recipes."""
    _shapes(c)
    _kinds(c)
    _parameters(c)
    _profiles(c)
    _configurations(c)
    _samples(c)


def levels(shape: tuple[int, ...], seed: int = 0, most: int = 4095) -> Any:
    """Features as deep layers have them: few channels are great, most elements are small."""
    rng = np.random.default_rng(seed)
    sizes = rng.gamma(0.3, 200, shape) * rng.gamma(0.5, 2, (shape[0],) + (1,) * (len(shape) - 1))
    return np.clip(sizes, 0, most).astype(np.uint16)


def sample(values: Any, step: int = 5000, zero: int | None = None, start: Start | None = None) -> bytes:
    """A coded sample."""
    start = start or universal_start()
    return SampleEncoder(start, Costs(start)).encode(values, step, zero)


def words(shape: tuple[int, ...], **more: Any) -> dict[str, Any]:
    """The words of a parameter set."""
    channels, rows, columns = shape
    return {"C": channels, "H": rows, "W": columns, "bits": 12, "codec": "NATIVE", "layout": "SEQUENCE",
            "configuration": UNIVERSAL} | more  # fmt: skip


def layer(channels: int) -> Start:
    """Parameters of a layer, with everything that they can have."""
    rng, universal = np.random.default_rng(channels), universal_start()
    firsts = np.concatenate([np.full(last - first, first) for first, last in group_bounds(channels)])
    places = np.array([[rng.integers(0, first) if first else 0 for _ in range(2)] for first in firsts], np.int32)
    weights = np.where(firsts[:, None] > 0, rng.integers(0, 256, (channels, 2)), 0).astype(np.int32)
    return replace(
        universal, channels=channels, priors=rng.integers(10, 40, channels).astype(np.uint8),
        classes=rng.integers(0, 2, channels).astype(np.uint8),
        codes=(bytes([200, 180]), *universal.codes[1:], bytes([240]), *universal.codes[1:]),
        references=np.where(weights > 0, places, 0).astype(np.int32), reference_weights=weights,
        weights=rng.integers(0, 400, (2, 4, 9)).astype(np.int32),
        points=universal.points + np.array([[3, -7, 0, 1]] + [[0] * 4] * 47, np.int32),
    )  # fmt: skip


def _whole(c: Catalog, name: str, title: str, units: list[Unit], more: tuple[str, ...] = ()) -> None:
    listed = [units[0] | {"digests": "TL"}, *units[1:], digest(), digest(kind=1)]
    c.stream(f"native-{name}", title, listed, area=AREA, profile="NATIVE", suite="native", requirements=more)


def _bad(c: Catalog, name: str, title: str, violates: str, units: list[Unit], kind: str = "invalid",
         **more: Any) -> None:  # fmt: skip
    more = {"profile": "NATIVE", "suite": "native"} | more
    c.stream(f"native-{name}", title, units, area=AREA, kind=kind, violates=violates, **more)


def _shapes(c: Catalog) -> None:
    for shape in ((1, 1, 1), (40, 1, 1), (3, 1, 7), (3, 6, 1), (35, 4, 5), (33, 2, 2), (5, 7, 6)):
        name = "x".join(map(str, shape))
        units = [fps(**words(shape)), data(payload=sample(levels(shape)).hex())]
        _whole(c, f"shape-{name}", f"A sample of {name} channels, rows and columns", units)


def _kinds(c: Catalog) -> None:
    plain, shape = levels(SHAPE), SHAPE
    rng = np.random.default_rng(1)
    signed = np.clip(2048 + plain * rng.choice([-0.4, 0.4], shape), 0, 4095).astype(np.uint16)
    ends = np.where(signed > 2048, 4095, 0).astype(np.uint16)
    one = [fps(**words(shape))]
    _whole(c, "kind-signed", "Values with signs", [*one, data(payload=sample(signed, 5000, 2048).hex())])
    _whole(c, "kind-zero", "A sample whose channels are all of class 0",
           [*one, data(payload=sample(0 * plain).hex())])  # fmt: skip
    _whole(c, "kind-clipped", "Levels beyond both ends are limited",
           [*one, data(payload=sample(ends, 90_000, 2000).hex())])  # fmt: skip
    great = 0 * plain
    great[2, 1, 1] = great[8, 2, 3] = 65535
    wide = [fps(**words(shape, bits=16)), data(payload=sample(great, 256).hex())]
    _whole(c, "kind-escape", "Values beyond the tokens of their tables, of 16 bits", wide, ("native.escape",))
    narrow = [fps(**words(shape, bits=8)), data(payload=sample(levels(shape, 3, 255), 900).hex())]
    _whole(c, "kind-narrow", "Levels of 8 bits", narrow)
    log = [fps(**words(shape, quantizer="LOG", element="FLOAT16")), data(payload=sample(plain).hex())]
    _whole(c, "kind-log", "Logarithmic levels, elements of 16 bits", log)
    both = sample(plain) + sample(signed, 3000, 2048)
    _whole(c, "kind-two", "Two samples in a unit", [*one, data(count=2, payload=both.hex())])
    mosaic = words(shape, layout="MOSAIC", grid=[2, 2], margin=[1, 0])
    pictures = levels((3, 7, 8), 5)
    _whole(c, "kind-mosaic", "Mosaics in the place of channels", [fps(**mosaic), data(payload=sample(pictures).hex())])
    ranges = [[0.0, 0.0 if k == 4 else float(k + 1)] for k in range(9)]
    own = [fps(**words(shape, scope="CHANNEL", ranges=ranges)), data(payload=sample(levels((8, 3, 4))).hex())]
    _whole(c, "kind-constant.channel", "A constant channel is none of the channels of the payload", own)
    _whole(c, "kind-fine", "A step of 1/256 level", [*one, data(payload=sample(levels((9, 3, 4), 2, 40), 1).hex())])


def _parameters(c: Catalog) -> None:
    start = layer(9)
    sent = pack_configuration(NativeStart.SENT, pack_parameters(start)).hex()
    payload = sample(levels(SHAPE), 5000, None, start).hex()
    _whole(c, "sent-all", "Priors, classes, references, weights and a table in the configuration",
           [fps(**words(SHAPE, configuration=sent)), data(payload=payload)], OF_PARAMETERS)  # fmt: skip
    plain = replace(universal_start(), channels=9)
    none = pack_configuration(NativeStart.SENT, pack_parameters(plain)).hex()
    sparse = pack_configuration(NativeStart.SPARSE).hex()
    _whole(c, "kind-sparse", "The sparse start",
           [fps(**words(SHAPE, configuration=sparse)),
            data(payload=sample(levels(SHAPE), 3000, None, sparse_start()).hex())])  # fmt: skip
    _whole(c, "sent-nothing", "Parameters that change nothing",
           [fps(**words(SHAPE, configuration=none)), data(payload=sample(levels(SHAPE)).hex())])  # fmt: skip


def _profiles(c: Catalog) -> None:
    units = [fps(**words(SHAPE)), data(payload=sample(levels(SHAPE)).hex())]
    _bad(c, "profile-resilient", "The native payload in profile RESILIENT", "profile.codec", units, "invalid",
         profile="RESILIENT")  # fmt: skip
    _bad(c, "profile-image", "An image codec in profile NATIVE", "profile.codec", [fps(codec="PNG")], "invalid")
    _bad(c, "profile-early", "The native payload in a profile of version 1.0", "feature_parameter_set.payload_codec",
         units, "malformed", profile="EXTENDED")  # fmt: skip
    _bad(c, "profile-none", "The native payload without a quantizer", "fps.unquantized-codec",
         [fps(**words(SHAPE, quantizer="NONE"))], "invalid")  # fmt: skip


def _configurations(c: Catalog) -> None:
    payload = sample(levels(SHAPE)).hex()

    def bad(name: str, title: str, violates: str, configuration: str, kind: str = "invalid", **more: Any) -> None:
        units = [fps(**words(SHAPE, configuration=configuration)), data(payload=more.get("payload", payload))]
        _bad(c, f"configuration-{name}", title, violates, units, kind)

    bad("empty", "A configuration of no bytes", "native.configuration", "")
    bad("more", "A byte after the configuration", "native.configuration", UNIVERSAL + "00")
    bad("start", "A reserved native_start", "native_configuration.native_start", "04")
    bad("named", "Parameters that no decoder has", "named.unknown", "02" + "5a" * 32, "unsupported")
    start = layer(9)
    values = {"native_start": 1} | values_of(start)
    own = sample(levels(SHAPE), 5000, None, start).hex()

    def forged(name: str, title: str, violates: str, **changes: Any) -> None:
        body = Writing(NATIVE_CONFIGURATION, values | changes).body.getvalue()
        bad(name, title, violates, body.hex(), payload=own)

    forged("channels", "Parameters for another number of channels", "native.channels",
           native_channel_count_minus1=9, prior_flag=0, channel_class_count_minus1=0, reference_count=0,
           table_count=0)  # fmt: skip
    forged("most", "More than 2^24 channels", "native_parameters.native_channel_count_minus1",
           native_channel_count_minus1=1 << 24, prior_flag=0, channel_class_count_minus1=0, reference_count=0,
           table_count=0)  # fmt: skip
    forged("classes", "A class of a channel beyond their number", "native_parameters.channel_class",
           channel_class=[2] * 9)  # fmt: skip
    forged("references", "More than 12 references", "native_parameters.reference_count", reference_count=13,
           reference_weight=[[0] * 13] * 9, reference_distance_minus1=[[0] * 13] * 9)  # fmt: skip
    forged("unsorted", "References without priors", "native_parameters.reference_count", prior_flag=0)
    distances = [[0, 0] for _ in range(9)]
    heavy = [[0, 0] for _ in range(8)] + [[9, 0]]
    forged("same.group", "A reference in the group of its channel", "native.reference",
           reference_weight=heavy, reference_distance_minus1=distances)  # fmt: skip
    forged("before.first", "A reference before the first channel", "native.reference",
           reference_weight=[*heavy[:2], [9, 0], *heavy[3:8], [0, 0]],
           reference_distance_minus1=[*distances[:2], [3, 0], *distances[3:]])  # fmt: skip
    forged("bins", "Points of more than 48 bins", "native_parameters.point_bin_count", point_bin_count=49,
           point_delta=[[0] * 4] * 49)  # fmt: skip
    forged("delta", "A difference of points beyond 510", "native_parameters.point_delta", point_bin_count=1,
           point_delta=[[511, 0, 0, 0]])  # fmt: skip
    forged("points", "A point beyond 255", "native.points", point_bin_count=1, point_delta=[[400, 0, 0, 0]])
    forged("tables", "More tables than the classes have", "native_parameters.table_count", table_count=289,
           token_count_minus1=[0] * 289, code_delta=[[0]] * 289)  # fmt: skip
    forged("codes", "A code beyond 255", "native.codes", table_count=1, token_count_minus1=[0], code_delta=[[255]])
    forged("code.delta", "A difference of codes beyond 255", "native_parameters.code_delta", table_count=1,
           token_count_minus1=[0], code_delta=[[256]])  # fmt: skip


def _samples(c: Catalog) -> None:
    good = sample(levels(SHAPE))
    header = read_sample(memoryview(good), 0)
    states, lanes, raw = bytes(header.states), bytes(header.words), bytes(header.raw)

    def bad(name: str, title: str, violates: str, payload: bytes, configuration: str = UNIVERSAL, **more: Any) -> None:
        units = [fps(**words(more.pop("shape", SHAPE), configuration=configuration)), data(payload=payload.hex())]
        _bad(c, f"sample-{name}", title, violates, units, **more)

    def made(first: bytes = states, second: bytes = lanes, third: bytes = raw, **changes: Any) -> bytes:
        own = {"word_count": len(second) // 2, "raw_byte_count": len(third)} | changes
        return Writing(NATIVE_SAMPLE, header.values | own).body.getvalue() + first + second + third

    bad("empty", "No bytes for a sample", "native.sample", b"")
    bad("cut", "A sample that ends early", "native.sample", good[:-1])
    bad("cut.header", "A sample that ends within its elements", "native.sample", good[:2])
    bad("more", "A byte after the last sample", "native.trailing", good + b"\0")
    bad("step", "A step of 0", "native_sample.quantization_step", made(quantization_step=0))
    bad("lanes.log2", "2^13 lanes", "native_sample.lanes_log2", made(bytes(4 << 13), lanes_log2=13))
    bad("classes", "No classes where there are no priors", "native.classes", made(class_flag=0, prior_shift=0))
    start = layer(9)
    sent = pack_configuration(NativeStart.SENT, pack_parameters(start)).hex()
    bad("priors", "Classes where there are priors", "native.classes", good, sent)
    bad("shift", "A prior_shift beyond 63", "native_sample.prior_shift", made(class_flag=0, prior_shift=64), sent)
    bad("zero", "A zero_level beyond the levels", "native.zero", made(signed_flag=1, zero_level=4096))
    bad("state", "A state below 2^16", "native.state-range", made((EVEN - 1).to_bytes(4, "big") + states[4:]))
    bad("words.few", "A word too few", "native.words", made(second=lanes[:-2]))
    bad("words.many", "A word too many", "native.words", made(second=lanes + b"\0\0"))
    single = SampleEncoder(universal_start(), Costs(universal_start()), lanes_log2=1)
    idle = single.encode(np.full((1, 1, 1), 9, np.uint16), 300, None)
    place = len(idle) - len(read_sample(memoryview(idle), 0).raw) - len(read_sample(memoryview(idle), 0).words) - 4
    bad("final", "A lane without symbols whose state is not 2^16", "native.final-states",
        idle[:place] + (EVEN + 1).to_bytes(4, "big") + idle[place + 4 :], shape=(1, 1, 1))  # fmt: skip
    bad("raw.many", "A byte of raw bits too many", "native.raw-bits", made(third=raw + b"\0"))
    noisy = sample(levels(SHAPE, 4), 2000)
    own = read_sample(memoryview(noisy), 0)
    header = own
    states, lanes, raw = bytes(own.states), bytes(own.words), bytes(own.raw)
    bad("raw.few", "A byte of raw bits too few", "native.raw-bits", made(states, lanes, raw[:-1]))
    great = np.zeros(SHAPE, np.uint16)
    great[2, 1, 1] = 4095
    header = read_sample(memoryview(sample(great, 256)), 0)
    states, lanes, raw = bytes(header.states), bytes(header.words), bytes(header.raw)
    bad("escape", "An escape with a value that has a token", "native.escape", made(states, lanes, bytes(len(raw))))
    large = np.zeros((1, 182, 182), np.uint16)
    large[0, 90, 90] = 4095
    encoder = SampleEncoder(universal_start(), Costs(universal_start()), lanes_log2=0)
    bad("lanes", "More than 2^15 values in one lane", "native.lanes", encoder.encode(large, 5000, None),
        shape=(1, 182, 182))  # fmt: skip
