"""7.1 Axes: every legal order of them, there and back."""

from __future__ import annotations

from itertools import permutations

import ml_dtypes
import numpy as np
import pytest

from refsw.errors import FeatureError, UsageError
from refsw.syntax.codes import AxisRole, ElementType
from refsw.tensor.axes import DTYPES, Axes, element_type_of

EXTENTS = {"N": 2, "T": 2, "C": 3, "H": 4, "W": 5}
SAMPLES = [
    "".join(order) for size in (1, 2, 3) for order in permutations("CHW", size)
]  # fmt: skip
LEGAL = [first + rest for first in ("", "N", "T") for rest in SAMPLES]


@pytest.mark.parametrize("letters", LEGAL)
def test_a_sample_comes_back_from_the_canonical_order(letters: str) -> None:
    shape = tuple(EXTENTS[a] for a in letters)
    axes = Axes.parse(letters, shape)
    inner = tuple(EXTENTS[a] for a in letters if a in "CHW")
    assert axes.letters == letters
    assert axes.has_samples == (letters[0] in "NT")
    assert axes.sample_shape == inner
    assert axes.shape(2) == shape
    sample = np.arange(np.prod(inner)).reshape(inner)
    canonical = axes.to_canonical(sample)
    assert canonical.shape == tuple(EXTENTS[a] if a in letters else 1 for a in "CHW")
    assert np.array_equal(axes.from_canonical(canonical), sample)


@pytest.mark.parametrize("letters", LEGAL)
def test_an_element_keeps_its_position_along_every_axis(letters: str) -> None:
    axes = Axes.parse(letters, tuple(EXTENTS[a] for a in letters))
    inner = [a for a in letters if a in "CHW"]
    sample = np.arange(np.prod(axes.sample_shape)).reshape(axes.sample_shape)
    canonical = axes.to_canonical(sample)
    for place in np.ndindex(canonical.shape):
        at = dict(zip("CHW", place, strict=True))
        assert canonical[place] == sample[tuple(at[a] for a in inner)]


def test_there_are_45_legal_orders() -> None:
    assert len(set(LEGAL)) == 45


@pytest.mark.parametrize(("size", "letters"), [(1, "C"), (2, "NC"), (3, "CHW"), (4, "NCHW")])
def test_the_usual_axes_depend_on_their_number(size: int, letters: str) -> None:
    assert Axes.parse(None, (2,) * size).letters == letters


def test_letters_may_be_small() -> None:
    assert Axes.parse("nhwc", (1, 2, 3, 4)).letters == "NHWC"


@pytest.mark.parametrize(
    ("letters", "shape"),
    [
        ("CC", (2, 2)), ("NTC", (1, 1, 2)), ("CN", (2, 1)), ("HWT", (2, 2, 1)), ("N", (2,)), ("T", (2,)),
        ("X", (2,)), ("NCXW", (1, 2, 2, 2)), ("CHW", (2, 2)), ("CH", (2, 2, 2)), ("NN", (1, 1)),
        ("C-W", (1, 2, 3)),
    ],
)  # fmt: skip
def test_other_axes_are_refused(letters: str | None, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        Axes.parse(letters, shape)


@pytest.mark.parametrize(("letters", "shape"), [(None, ()), (None, (1, 2, 3, 4, 5)), ("", ())])
def test_a_tensor_of_no_or_too_many_axes_is_what_is_wrong(letters: str | None, shape: tuple[int, ...]) -> None:
    with pytest.raises(FeatureError, match="1 to 4 axes"):
        Axes.parse(letters, shape)


@pytest.mark.parametrize(("letters", "shape"), [("C", (0,)), ("NC", (3, 0)), ("CHW", (2, 0, 2))])
def test_a_sample_has_elements(letters: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(FeatureError, match="extent 0"):
        Axes.parse(letters, shape)


def test_a_tensor_may_have_no_samples() -> None:
    axes = Axes.parse("NC", (0, 3))
    assert axes.shape(0) == (0, 3)
    assert axes.extent(AxisRole.N) == 1


@pytest.mark.parametrize("element_type", ElementType)
def test_every_element_type_has_a_dtype_of_its_own_in_either_byte_order(element_type: ElementType) -> None:
    dtype = DTYPES[element_type]
    assert element_type_of(dtype) is element_type
    if element_type is not ElementType.BFLOAT16:
        assert element_type_of(dtype.newbyteorder(">")) is element_type


@pytest.mark.parametrize("dtype", ["c8", "U3", "S3", "O", "M8[s]", "m8[s]", "f4,f4", ml_dtypes.float8_e4m3fn])
def test_other_dtypes_are_refused(dtype: object) -> None:
    with pytest.raises(FeatureError, match="cannot be coded"):
        element_type_of(np.dtype(dtype))  # type: ignore[call-overload]
