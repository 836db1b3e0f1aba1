"""8.6.9, 6.19: prediction in time: samples that follow others, and what a native_prediction breaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refsw.payload.native.configuration import pack_configuration, pack_parameters
from refsw.payload.native.encoder import Costs, SampleEncoder
from refsw.payload.native.motion import predicted_magnitudes, reference_of, vectors_of
from refsw.payload.native.parameters import Start
from refsw.payload.native.prediction import prediction_start
from refsw.payload.native.starts import universal_start
from refsw.syntax.codes import NativeStart
from refsw.syntax.native_structures import NATIVE_PREDICTION
from vectors.bits import Writing
from vectors.catalog import Catalog
from vectors.recipes.native import AREA, SHAPE, layer, levels
from vectors.recipes.native import words as of_samples
from vectors.recipes.words import data, digest, fps
from vectors.tensors import Unit

INTRA = {"predicted_flag": 0}
STILL = {"predicted_flag": 1, "reference_step": 5000, "motion_flag": 0}
ONE_BLOCK = {"motion_flag": 1, "block_log2_minus1": 1, "block_rows_minus1": 0, "block_columns_minus1": 0}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _valid(c)
    _parameter_sets(c)
    _predictions(c)


def words(shape: tuple[int, ...], **more: Any) -> dict[str, Any]:
    """The words of a parameter set."""
    return of_samples(shape) | {"axes": "TCHW", "predict": 1} | more


@dataclass
class Series:
    """Samples of a payload, one after the other."""

    step: int = 5000
    zero: int | None = None
    start: Start = field(default_factory=universal_start)
    payload: bytes = b""
    before: Any = None

    def add(self, values: Any, prediction: dict[str, Any], forged: dict[str, Any] | None = None) -> Series:
        """One more sample, coded with a native_prediction; in the payload, another one may stand in its place."""
        costs, predicted = Costs(self.start), None
        if prediction["predicted_flag"]:
            vectors = vectors_of(prediction, 0)
            predicted, costs = predicted_magnitudes(self.before, prediction, vectors), Costs(prediction_start())
        encoder = SampleEncoder(self.start, costs, predicted=predicted)
        coded = encoder.encode(values, self.step, self.zero)
        self.before = reference_of(encoder.decoded(values, self.step, self.zero, 4095), self.zero or 0)
        self.payload += Writing(NATIVE_PREDICTION, forged or prediction).body.getvalue() + coded
        return self


def moved(shape: tuple[int, ...], block_log2: int, largest: int, seed: int = 0) -> dict[str, Any]:
    """A native_prediction with vectors of all kinds, up to some quarters of a position."""
    rng = np.random.default_rng(seed)
    rows, columns = (-(-n // (1 << block_log2)) for n in shape[1:])
    flags = rng.integers(0, 2, (rows, columns))
    flags[0, 0] = 1
    deltas = rng.integers(-largest, largest + 1, (2, rows, columns)) * flags
    return STILL | {
        "motion_flag": 1, "block_log2_minus1": block_log2 - 1, "block_rows_minus1": rows - 1,
        "block_columns_minus1": columns - 1, "vector_flag": flags.tolist(),
        "vector_row_delta": deltas[0].tolist(), "vector_column_delta": deltas[1].tolist(),
    }  # fmt: skip


def _next(values: Any, seed: int = 9) -> Any:
    """Levels much like others."""
    rng = np.random.default_rng(seed)
    return np.clip(np.roll(values, 1, axis=2) * rng.uniform(0.8, 1.2, values.shape), 0, 4095).astype(np.uint16)


def _valid(c: Catalog) -> None:
    def whole(name: str, title: str, series: Series, shape: tuple[int, ...], count: int, **more: Any) -> None:
        unit = {"count": count, "payload": series.payload.hex()} | more.pop("unit", {})
        units = [fps(**words(shape, **more)) | {"digests": "TL"}, data(**unit), digest(), digest(kind=1)]
        c.stream(f"native-time-{name}", title, units, area=AREA, profile="NATIVE", suite="native")

    plain, shape = levels(SHAPE), SHAPE
    series = Series().add(plain, INTRA).add(_next(plain), STILL).add(plain, INTRA).add(_next(plain, 3), STILL)
    whole("still", "Samples after others that nothing moved in, and an intra one between", series, shape, 4)
    wide = (34, 7, 6)
    first = levels(wide, 4)
    series = Series().add(first, INTRA).add(_next(first), moved(wide, 1, 3)).add(first, moved(wide, 2, 9, 1))
    whole("moved", "Vectors of blocks of two sizes, quarters of a position among them", series, wide, 3)
    far = moved(wide, 3, 0) | {"vector_flag": [[1]], "vector_row_delta": [[-128]], "vector_column_delta": [[127]]}
    whole("far", "A vector that leads beyond the edges", Series().add(first, INTRA).add(_next(first), far), wide, 2)
    point = (40, 1, 1)
    dots = levels(point, 5)
    nearest = ONE_BLOCK | STILL | {"motion_flag": 1, "vector_flag": [[1]], "vector_row_delta": [[1]],
                                   "vector_column_delta": [[-1]]}  # fmt: skip
    series = Series().add(dots, INTRA).add(dots, STILL).add(dots, nearest)
    whole("point", "Channels of one element", series, point, 3)
    signs = np.random.default_rng(1).choice([-0.4, 0.4], SHAPE)
    signed = np.clip(2048 + plain * signs, 0, 4095).astype(np.uint16)
    series = Series(3000, 2048).add(signed, INTRA).add(np.clip(signed + 9, 0, 4095), STILL | {"reference_step": 3000})
    whole("signed", "Values with signs", series, shape, 2)
    scaled = STILL | {"reference_step": 2500}
    half = (_next(plain) // 2).astype(np.uint16)
    ranges = [[0.0, 2.0], [1.5, 1.5], [0.0, 4.0]]
    series = Series().add(plain, INTRA).add(half, scaled)
    whole("ranges", "Samples with ranges of their own, a constant one between", series, shape, 3,
          scope="SAMPLE", ranges=[], unit={"ranges": ranges})  # fmt: skip
    start = layer(9)
    sent = pack_configuration(NativeStart.SENT, pack_parameters(start)).hex()
    series = Series(start=start).add(plain, INTRA).add(_next(plain), STILL).add(plain, STILL)
    whole("sent", "Priors, classes, references and weights in the configuration", series, shape, 3, configuration=sent)


def _bad(c: Catalog, name: str, title: str, violates: str, units: list[Unit], kind: str = "invalid") -> None:
    c.stream(f"native-time-{name}", title, units, area=AREA, kind=kind, violates=violates, profile="NATIVE",
             suite="native")  # fmt: skip


def _parameter_sets(c: Catalog) -> None:
    plain = levels(SHAPE)
    own = data(payload=Series().add(plain, INTRA).payload.hex())
    _bad(c, "axis", "time_prediction_flag without an axis T", "fps.time-prediction",
         [fps(**words(SHAPE, axes="NCHW")), own])  # fmt: skip
    _bad(c, "codec", "time_prediction_flag with a byte codec", "fps.time-prediction",
         [fps(axes="TCHW", predict=1), data()])  # fmt: skip
    _bad(c, "parts", "time_prediction_flag with parts", "fps.time-prediction",
         [fps(**words(SHAPE, parts=[3, 1])),
          {"unit": "part", "index": 0, "payload": Series().add(plain, INTRA).payload.hex()}])  # fmt: skip


def _predictions(c: Catalog) -> None:
    plain = levels(SHAPE)

    def bad(name: str, title: str, violates: str, series: Series, count: int = 2, kind: str = "invalid") -> None:
        units = [fps(**words(SHAPE)), data(count=count, payload=series.payload.hex())]
        _bad(c, name, title, violates, units, kind)

    def second(prediction: dict[str, Any], forged: dict[str, Any] | None = None) -> Series:
        return Series().add(plain, INTRA).add(_next(plain), prediction, forged)

    series = Series(before=0 * plain.astype(np.int64))
    bad("first", "A payload that begins with a predicted sample", "native.first-intra", series.add(plain, STILL), 1)
    bad("step", "A reference_step of 0", "native_prediction.reference_step",
        second(STILL, STILL | {"reference_step": 0}))  # fmt: skip
    still = ONE_BLOCK | STILL | {"motion_flag": 1, "vector_flag": [[0]], "vector_row_delta": [[0]],
                                 "vector_column_delta": [[0]]}  # fmt: skip
    two = {"vector_flag": [[0], [0]], "vector_row_delta": [[0], [0]], "vector_column_delta": [[0], [0]]}
    bad("block.rows", "A row of blocks too many", "native.motion-blocks",
        second(still, still | two | {"block_rows_minus1": 1}))  # fmt: skip
    pair = {"vector_flag": [[0, 0]], "vector_row_delta": [[0, 0]], "vector_column_delta": [[0, 0]]}
    bad("block.columns", "A column of blocks too many", "native.motion-blocks",
        second(still, still | pair | {"block_columns_minus1": 1}))  # fmt: skip
    for name, row, column in (("row.above", 128, 0), ("row.below", -129, 0), ("column.above", 0, 128),
                              ("column.below", 0, -129)):  # fmt: skip
        vector = {"vector_flag": [[1]], "vector_row_delta": [[row]], "vector_column_delta": [[column]]}
        bad(name, f"A vector of {row} rows and {column} columns, in quarters of a position", "native.motion-range",
            second(still, still | vector))  # fmt: skip
    for name, row, column in (("row", 256, 0), ("column", 0, -256)):
        vector = {"vector_flag": [[1]], "vector_row_delta": [[row]], "vector_column_delta": [[column]]}
        bad(f"{name}.delta", f"A vector_{name}_delta beyond 255", f"native_prediction.vector_{name}_delta",
            second(still, still | vector))  # fmt: skip
    series = Series().add(plain, INTRA)
    series.payload += Writing(NATIVE_PREDICTION, still).body.getvalue()[:-1]
    bad("cut", "A payload that ends within a native_prediction", "native.sample", series)
