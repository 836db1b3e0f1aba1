"""Few bytes get little: work and memory are counted before they are spent, and what asks for more is refused."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import refsw
from refsw.entropy import rans
from refsw.errors import CapacityError
from refsw.features.cost import unit_cost
from refsw.features.decoder import Decoder, DecoderLimits
from refsw.features.reconstruct import UnitContent, look_up
from refsw.models.apply import apply_stream
from refsw.models.state import Model
from refsw.models.update import ApplyLimits
from refsw.named import known_by_digest
from refsw.payload import images
from refsw.payload.base import DecoderSettings, PictureFormat
from refsw.payload.codestreams import Axis, Demand, demand
from refsw.payload.native.configuration import pack_parameters
from refsw.payload.native.starts import universal_start
from refsw.profiles import Allowance, Meter
from refsw.syntax.codes import ElementType, PayloadCodec, Profile, RepackLayout
from refsw.syntax.structure import _Reading
from refsw.tensor.axes import CONSTANT_BLOCK, contiguous_parts
from refsw.tensor.repack import Packing
from tests.workshop import workshop

ROOT = Path(__file__).resolve().parents[1]
LIMITS = DecoderLimits(allowance=Allowance(0))


@pytest.fixture(scope="module")
def worst() -> Iterator[ModuleType]:
    with workshop("worst_streams") as module:
        yield module


def spent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """All work that any meter grants, from now on."""
    granted: list[int] = []
    original = Meter.work

    def spy(meter: Meter, units: int, element: str, offset: int | None) -> None:
        original(meter, units, element, offset)
        granted.append(units)

    monkeypatch.setattr(Meter, "work", spy)
    return granted


def groups(worst: ModuleType) -> dict[str, Callable[[], Iterable[tuple[str, bytes]]]]:
    return {group.__name__: group for group in (*worst.FEATURES, *worst.MODELS)}


QUICK = ("constants", "bombs", "images", "codestreams", "ranges", "framing", "in_parts", "native", "updates", "chains")


@pytest.mark.parametrize("group", [*QUICK, pytest.param("video", marks=pytest.mark.slow)])
def test_no_small_bitstream_is_granted_more_than_its_bytes_are_worth(
    worst: ModuleType, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    granted = spent(monkeypatch)
    most = Allowance().work + 11_000 * Allowance().work_per_byte
    for name, data in groups(worst)[group]():
        granted.clear()
        report = refsw.validate(data)
        assert len(data) < 11_000, name
        assert sum(granted) <= most, name
        assert all(error.requirement == "level.capacity" for error in report.unsupported), name


def test_what_is_refused_by_default_is_decoded_on_demand(worst: ModuleType) -> None:
    data = next(data for name, data in worst.constants() if name == "samples of one element, 4096 a unit")
    report = refsw.validate(data)
    assert (report.conforming, report.exit_code, report.found[0].requirement) == (True, 69, "level.capacity")
    with pytest.raises(CapacityError, match="max-work"):
        list(Decoder(io.BytesIO(data)))
    samples = Decoder(io.BytesIO(data), LIMITS)
    assert sum(1 for _ in zip(samples, range(5000), strict=False)) == 5000


def test_updates_are_granted_what_their_base_takes(worst: ModuleType) -> None:
    base = {"w": np.zeros(1 << 16, np.float32)}
    versions = [base]
    for number in range(4):
        versions.append({"w": versions[-1]["w"] + np.float32(number == np.arange(1 << 16))})
    chain = refsw.diff_models(*versions, digits=0)
    few = ApplyLimits(allowance=Allowance(work=0, memory=0))
    outcome = apply_stream(Model(base), io.BytesIO(chain), limits=few)
    assert outcome.applied == 4
    full = refsw.diff_models(None, base, digits=0)
    with pytest.raises(CapacityError, match="units of work"):
        apply_stream(None, io.BytesIO(full), limits=ApplyLimits(allowance=Allowance(work=1, work_per_byte=1)))


def test_what_the_header_of_a_codestream_asks_for_is_counted(worst: ModuleType) -> None:
    asked = {
        (255, 1, 1, b"\xff"): Demand(tiles=255**2, precincts=255**2, packets=255**2, included=2),
        (16, 16, 65535, b"\xff" * 33): Demand(1, 1 + 3 * 32, 33 * 65535, 2 * 33 * 65535),
        (64, 64, 1, b"\0" + b"\x11" * 2): Demand(1, 256 + 3 * (256 + 1024), 256 + 256 + 1024, 2 * 3 * 1024),
    }
    for words, expected in asked.items():
        image = worst.codestream(*words)
        assert demand(image) == expected
        pictures = images.ImageCodec(PayloadCodec.JPEG2000).decode(
            b"", memoryview(len(image).to_bytes(4, "big") + image), 1,
            PictureFormat(words[0], words[0], 8, np.dtype(np.uint8)), DecoderSettings(),
        )  # fmt: skip
        assert pictures.shape == (1, words[0], words[0])
    for damaged in (image[:40], image[:2] + bytes(len(image) - 2), b""):
        assert demand(damaged) == Demand(0, 0, 0, 0)


@pytest.mark.parametrize("size", [1, 7, 64, 100])
def test_precincts_are_never_more_than_counted(size: int) -> None:
    for tile in (1, 3, 8, 64, 200):
        for levels, exponent in ((0, 0), (0, 3), (2, 1), (7, 0)):
            edges = [-(-edge >> levels) for edge in (*range(0, size, tile), size)]
            cells = [-(-last // (1 << exponent)) - (first >> exponent) if last > first else 0
                     for first, last in pairwise(edges)]  # fmt: skip
            every, most = Axis(size, tile).precincts(levels, exponent)
            assert sum(cells) <= every <= 2 * sum(cells)
            assert max(cells) <= most <= max(cells) + 1


def test_samples_that_are_kept_count_as_memory(worst: ModuleType) -> None:
    data = next(data for name, data in worst.constants() if name == "constant samples 1024x1024")
    small = Allowance(work=1 << 40, memory=1 << 24, memory_per_byte=0)
    with pytest.raises(CapacityError, match="bytes of memory"):
        refsw.decode(data, limits=DecoderLimits(allowance=small, in_memory=True))
    tracemalloc.start()
    count = sum(1 for _ in Decoder(io.BytesIO(data), DecoderLimits(allowance=small)))
    assert count > 300  # of 8 MB each
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_constant_is_made_once() -> None:
    array = np.broadcast_to(np.float64(3), (5, 1000, 1001))
    parts = list(contiguous_parts(array))
    assert len({part.ctypes.data for part in parts}) == 1
    assert max(part.size for part in parts) == 8 * CONSTANT_BLOCK
    assert b"".join(part.tobytes() for part in parts) == np.ascontiguousarray(array).tobytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_looking_up_in_parts_is_looking_up(dtype: type) -> None:
    table = np.arange(256, dtype=np.float32) ** 2
    levels = np.random.default_rng(1).integers(0, 256, (3, 257, 171)).astype(dtype)
    assert (look_up(table, levels.transpose(2, 0, 1)) == table[levels].transpose(2, 0, 1)).all()


@pytest.mark.parametrize("lanes", [1, 3, 16, 17, 64])
def test_few_lanes_decode_as_many_do(lanes: int) -> None:
    rng = np.random.default_rng(lanes)
    row = np.array([9000, 7000, 300, 84], np.int64)
    tables = rans.Tables(np.stack([row, np.array([0, 1 << 14, 0, 0])]), 14)
    contexts = (rng.random(5000) < 0.3).astype(np.uint8)
    symbols = np.where(contexts == 1, 1, rng.choice(4, 5000, p=row / (1 << 14))).astype(np.uint16)
    states, words = rans.encode(tables, contexts, symbols, lanes)
    for cut in (len(words), len(words) - 3):
        decoders = [rans.Decoder(tables, states, words[:cut]) for _ in range(2)]
        slots = contexts.astype(np.uint32) << 14
        few, many = slots.copy(), slots.copy()
        decoders[0]._run_few(few, lanes)
        decoders[1]._run(many, lanes)
        assert (few == many).all()
        assert (decoders[0].states == decoders[1].states).all()
        assert decoders[0].missing == decoders[1].missing
        assert (decoders[0].missing > 0) == (cut < len(words))
    decoded = np.concatenate(list(rans.Decoder(tables, states, words).symbols(contexts)))
    assert (decoded == symbols).all()


def test_reading_takes_as_many_steps_as_there_are_elements(worst: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = [0]
    original = _Reading.element

    def spy(reading: _Reading, node: object) -> None:
        counted[0] += 1
        original(reading, node)  # type: ignore[arg-type]

    monkeypatch.setattr(_Reading, "element", spy)
    for _name, data in worst.framing():
        counted[0] = 0
        found = refsw.inspect(data, trace=True)
        assert found.error is None or found.error.requirement in ("end.sample-counts", "fps.single-sample")
        assert counted[0] <= 8 * len(data)


def test_a_factor_scales_the_allowance() -> None:
    meter = Meter(replace(Allowance(), factor=2.0, work=10, work_per_byte=1), lambda: 5)
    meter.work(30, "x", None)
    with pytest.raises(CapacityError, match="at most 30 units of work for 5 bytes"):
        meter.work(1, "x", None)
    free = Meter(Allowance(0), lambda: 0)
    free.work(1 << 60, "x", None)
    free.memory(1 << 60, 0, "x", None)


@pytest.mark.parametrize("payload", ["STORED", "ZLIB", "LZMA", "PNG", "HEVC"])
@pytest.mark.parametrize("element_type", ["FLOAT64", "FLOAT32", "FLOAT16"])
@pytest.mark.parametrize("shape", [(4, 1024, 1024), (1024, 64, 64)])
def test_a_whole_unit_of_level_1_is_in_proportion(
    worst: ModuleType, payload: str, element_type: str, shape: tuple[int, int, int]
) -> None:
    channels, rows, columns = shape
    p = worst.parameters(
        shape, PayloadCodec[payload], element_type=ElementType[element_type], digests=worst.BOTH,
        packing=Packing(RepackLayout.MOSAIC, rows, columns, 1, channels, rows, channels * columns),
    )  # fmt: skip
    unit = UnitContent(p, 0, ((0.0, 1.0),), b"", 0)
    assert unit.samples * p.axes.elements == 1 << 22
    cost = unit_cost(unit, Profile.EXTENDED)
    assert cost.work <= Allowance().work
    assert max(cost.memory, cost.elements + cost.output) <= Allowance().memory


def test_tables_that_many_small_units_share_are_paid_for_once() -> None:
    x = np.abs(np.random.default_rng(0).standard_normal((12, 2, 3, 4))).astype(np.float32)
    own = pack_parameters(replace(universal_start(), channels=2, priors=np.full(2, 20, np.uint8)))
    config = refsw.EncoderConfig.preset("native", native=own, named=True)
    assert refsw.decode(refsw.encode(x, config), known=known_by_digest([own])).shape == x.shape
