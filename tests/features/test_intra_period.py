"""8.6.9 Prediction in time in whole bitstreams: periods, random access, loss, extraction."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.bitstream.concat import concat
from refsw.bitstream.extract import Selection, extract
from refsw.errors import UsageError
from refsw.features.decoder import Decoder
from refsw.features.random_access import decode_samples
from refsw.inspection import inspect
from refsw.syntax.codes import UnitType
from refsw.syntax.structure import TraceRow
from refsw.tensor.axes import Array


def moving(samples: int, channels: int = 12, rows: int = 9, columns: int = 8) -> Array:
    """Features that move to the right."""
    rng = np.random.default_rng(0)
    wide = rng.gamma(0.3, 1, (channels, rows, columns + samples)).astype(np.float32)
    return np.stack([wide[:, :, samples - i : samples - i + columns] for i in range(samples)])


def coded(samples: int = 7, **choices: Any) -> bytes:
    return refsw.encode(moving(samples), "native", axes="TCHW", qp=20, **choices)


def told(data: bytes) -> list[tuple[str, Any]]:
    return [(row.element, row.value) for row in rows_of(data)]


def rows_of(data: bytes) -> list[TraceRow]:
    found = inspect(data, trace=True).rows
    assert found is not None
    return found


def test_samples_of_a_period_share_a_unit_and_follow_one_another() -> None:
    rows = told(coded(intra_period=3))
    assert [value for element, value in rows if element == "sample_count_minus1"] == [2, 2, 0]
    assert [value for element, value in rows if element == "predicted_flag"] == [0, 1, 1, 0, 1, 1, 0]
    assert ("time_prediction_flag", 1) in rows
    vectors = [value for element, value in rows if element.startswith("vector_column_delta")]
    assert -4 in vectors  # a position to the right


def test_inspection_tells_how_many_samples_are_predicted() -> None:
    (tensor,) = inspect(coded(intra_period=3)).tensors
    assert (tensor.predicted_samples, tensor.moved_samples) == (4, 4)
    (tensor,) = inspect(coded(intra_period=1)).tensors
    assert (tensor.predicted_samples, tensor.moved_samples) == (0, 0)


def test_what_moves_takes_fewer_bytes_for_the_same_error() -> None:
    x, intra, time = moving(8), coded(8, intra_period=1), coded(8)
    assert len(time) < 0.8 * len(intra)
    errors = [float(np.mean((refsw.decode(data) - x) ** 2)) for data in (intra, time)]
    assert errors[1] < 1.05 * errors[0]


def test_a_time_axis_and_the_native_payload_predict_unless_told_otherwise() -> None:
    assert coded(8) == coded(8, intra_period=8)
    assert ("time_prediction_flag", 0) in told(coded(intra_period=1))
    samples = refsw.encode(moving(4), "native", axes="NCHW", qp=20)
    assert ("time_prediction_flag", 0) in told(samples)
    assert coded(samples_per_unit=2) == coded(intra_period=2)
    mixed = {"a": moving(4), "b": moving(4)[:, 0, 0, 0]}
    both = refsw.encode(mixed, "native", axes="TCHW")  # b has another number of axes, and none of time
    assert ("time_prediction_flag", 1) not in told(both)


def test_the_period_keeps_to_what_a_unit_of_the_level_holds() -> None:
    x = np.zeros((3, 3000, 1, 1), np.float32)
    x[:, :40] = 1
    data = refsw.encode(x, "native", axes="TCHW", level="l1")
    assert ("time_prediction_flag", 0) in told(data)
    assert ("sample_count_minus1", 2) in told(refsw.encode(x, "native", axes="TCHW"))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"intra_period": 0}, "intra period 0: at least 1"),
        ({"intra_period": 4, "axes": "NCHW"}, "goes with payload native"),
        ({"intra_period": 4, "parts": (3, 2)}, "and no parts"),
        ({"intra_period": 4, "preset": "balanced"}, "goes with payload native"),
        ({"intra_period": 4, "samples_per_unit": 2}, "share a unit"),
    ],
)
def test_periods_that_there_cannot_be_are_refused(choices: dict[str, Any], message: str) -> None:
    preset, axes = choices.pop("preset", "native"), choices.pop("axes", "TCHW")
    with pytest.raises(UsageError, match=message):
        refsw.encode(moving(4), preset, axes=axes, **choices)


def test_parts_are_coded_without_prediction() -> None:
    data = coded(4, parts=(3, 4))
    assert refsw.decode(data).shape == moving(4).shape
    assert ("predicted_flag", 1) not in told(data)


def test_any_sample_is_had_alone_and_the_result_does_not_depend_on_processes() -> None:
    data = coded(intra_period=3, digest="sample")
    whole = refsw.decode(data)
    assert np.array_equal(refsw.decode(data, jobs=2), whole)
    assert coded(intra_period=3, digest="sample", jobs=2) == data
    for index in range(7):
        (sample,) = decode_samples(data, index)
        assert np.array_equal(sample.elements, whole[index])


def units(data: bytes) -> list[tuple[int, int]]:
    """Where feature data units begin and end."""
    rows = rows_of(data)
    starts = [row.bit_offset // 8 for row in rows if row.element == "unit_type"] + [len(data)]
    kinds = [row.value for row in rows if row.element == "unit_type"]
    return [(a, b) for a, b, kind in zip(starts[:-1], starts[1:], kinds, strict=True) if kind == UnitType.FEATURE_DATA]


def test_with_a_unit_its_samples_are_lost_and_no_others() -> None:
    data = coded(intra_period=3)
    whole = refsw.decode(data)
    first, end = units(data)[1]
    with Decoder(io.BytesIO(data[:first] + data[end:]), incomplete=True) as decoder:
        samples = list(decoder)
    assert [sample.index for sample in samples] == list(range(7))
    for sample in samples:
        if sample.index in (3, 4, 5):
            assert sample.received is not None
            assert not sample.received.any()
        else:
            assert sample.received is None
            assert np.array_equal(sample.elements, whole[sample.index])


def test_periods_are_extracted_and_joined_whole() -> None:
    data = coded(intra_period=3)
    whole, out = refsw.decode(data), io.BytesIO()
    extract(data, out, Selection(samples=(3, 5)))
    assert np.array_equal(refsw.decode(out.getvalue()), whole[3:6])
    with pytest.raises(UsageError, match="share a unit"):
        extract(data, io.BytesIO(), Selection(samples=(4, 5)))
    joined = io.BytesIO()
    concat([data, data], joined)
    assert np.array_equal(refsw.decode(joined.getvalue()), np.concatenate([whole, whole]))


def test_constant_samples_are_passed_over() -> None:
    x = moving(5)
    x[2] = 0.25
    decoded = refsw.decode(refsw.encode(x, "native", axes="TCHW", qp=10))
    assert (decoded[2] == 0.25).all()
    assert np.abs(decoded - x).max() < 0.2
