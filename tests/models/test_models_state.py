"""10.2: the canonical order of tensors and the digest of a model."""

from __future__ import annotations

import hashlib
import struct
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_streams import ALL_DTYPES, random_array

from refsw.errors import FeatureError
from refsw.models.state import Model, canonical, is_finite, model_digest, tensor_digest, type_of

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


@settings(max_examples=200, deadline=None)
@given(st.sets(NAMES, max_size=8))
def test_names_are_ordered_by_the_bytes_of_their_utf8_form(names: set[str]) -> None:
    order = canonical(names)
    assert set(order) == names
    forms = [name.encode() for name in order]
    assert all(a < b for a, b in pairwise(forms))


def test_utf8_order_is_neither_that_of_utf16_nor_that_of_letters() -> None:
    # U+1F600 has surrogates in UTF-16, which are below U+FF21; in UTF-8 it is above.
    assert canonical(["\U0001f600", "\uff21", "b", "B", "a.b", "a", "a-b", "é", ""]) == [
        "", "B", "a", "a-b", "a.b", "b", "é", "\uff21", "\U0001f600",
    ]  # fmt: skip


def test_the_digest_by_hand() -> None:
    weight = np.array([[1.0, -2.5, 0.0]], np.float32)
    steps = np.array(300, np.int64)
    one = sha(b"float32 2 1 3 8\n", b"conv.\xc3\xa9-", b"", struct.pack("<3f", 1.0, -2.5, 0.0))
    two = sha(b"int64 0 5\n", b"steps", struct.pack("<q", 300))
    assert tensor_digest(type_of("conv.é-", weight), weight) == one
    assert tensor_digest(type_of("steps", steps), steps) == two
    assert model_digest({"steps": steps, "conv.é-": weight}) == sha(b"DFC model\n", one, two)
    assert model_digest({}) == sha(b"DFC model\n")


def test_the_examples_of_the_text_in_the_specification() -> None:
    conv, scalar = np.zeros((64, 3, 7, 7), np.float32), np.array(7, np.int64)
    name = "bn1.num_batches_tracked"
    assert tensor_digest(type_of("conv1.weight", conv), conv) == sha(
        b"float32 4 64 3 7 7 12\n", b"conv1.weight", bytes(64 * 3 * 49 * 4)
    )
    assert tensor_digest(type_of(name, scalar), scalar) == sha(b"int64 0 23\n", name.encode(), struct.pack("<q", 7))


@pytest.mark.parametrize("dtype", ALL_DTYPES, ids=str)
def test_the_digest_of_every_number_format(dtype: np.dtype[Any]) -> None:
    x = random_array(np.random.default_rng(1), dtype, (2, 3))
    text = f"{dtype.name} 2 2 3 1\n".encode()
    assert model_digest({"x": x}) == sha(b"DFC model\n", sha(text, b"x", x.tobytes()))


def test_the_digest_does_not_depend_on_order_byte_order_or_layout() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((4, 6, 5)).astype(np.float32), rng.integers(0, 9, (3, 4))
    expected = model_digest({"x": x, "y": y})
    wide = np.zeros((4, 6, 10), np.float32)
    wide[:, :, ::2] = x
    for other_x, other_y in [
        (x.astype(">f4"), y.astype(">i8")),
        (np.asfortranarray(x), np.asfortranarray(y)),
        (x[::-1].copy()[::-1], y.T.copy().T),
        (wide[:, :, ::2], y),
    ]:
        assert model_digest({"y": other_y, "x": other_x}) == expected


def test_large_tensors_are_digested_in_parts_alike() -> None:
    x = np.arange(6 << 20, dtype=np.float32).reshape(3, 2, 1 << 20).transpose(2, 0, 1)
    assert tensor_digest(type_of("x", x), x) == sha(b"float32 3 1048576 3 2 1\n", b"x", x.tobytes())


def test_the_digest_tells_what_differs() -> None:
    x = np.zeros((2, 3), np.float32)
    negative = x.copy()
    negative[0, 0] = -0.0
    models = [{"x": x}, {"y": x}, {"x": x.reshape(3, 2)}, {"x": x.reshape(6)}, {"x": x.view(np.int32)}]
    models += [{"x": negative}, {}, {"x": x, "y": x}, {"x": x.astype(np.float64)[:, :0]}, {"x": x[:, :0]}]
    assert len({model_digest(model) for model in models}) == len(models)


def test_a_model_is_a_mapping_in_canonical_order() -> None:
    x = np.zeros((2, 3), np.float16)
    model = Model({"b": x, "a": x[0], "B": np.array(1, ml_dtypes.bfloat16)})
    assert list(model) == ["B", "a", "b"]
    assert len(model) == 3
    assert model.nbytes == 2 + 6 + 12
    assert model.types["a"].elements == 3
    assert model.types["B"].shape == ()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({3: np.zeros(1)}, "3 is no name"),
        ({"\ud800": np.zeros(1)}, "not UTF-8"),
        ({"some": np.zeros(1, np.complex64)}, "complex64"),
        ({"some": np.zeros(1, np.longdouble)}, "some: .*float128"),
        ({"some": np.array(["a"])}, "no numbers"),
        ({"some": np.zeros((1,) * 16)}, "some: .*15 axes"),
        ({"n" * 65536: np.zeros(1)}, "more than 65535 bytes"),
    ],
)
def test_what_is_no_tensor_is_refused(tensors: dict[Any, Any], message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        Model(tensors)


@pytest.mark.parametrize("dtype", [d for d in ALL_DTYPES if d.kind in "fV"], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_found(dtype: np.dtype[Any], value: float) -> None:
    x = np.zeros((3, 5), dtype)
    assert is_finite(x)
    x[2, 4] = value
    assert not is_finite(x)
