"""Channel transforms learned from features, and features coded with them."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.errors import CoarseStepWarning, UnsupportedError, UsageError
from refsw.features.encoder import Encoder
from refsw.features.random_access import decode_samples
from refsw.features.tensors import TensorSpec
from refsw.features.transform_training import TransformTraining, train_transform
from refsw.inspection import inspect
from refsw.named import known_by_digest
from refsw.tensor.transform import basis_of
from refsw.validation import validate

CHANNELS = 12


def features(count: int, seed: int, *, rectified: bool = True) -> Any:
    """Channels that have most in common, as those of an early layer do."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(9).normal(size=(CHANNELS, 4))
    base = rng.normal(size=(count, 4, 8, 8)).repeat(4, 2).repeat(4, 3)
    found = np.einsum("ck,nkyx->ncyx", mix, base) + 0.1 * rng.normal(size=(count, CHANNELS, 32, 32))
    return (np.maximum(found, 0) if rectified else found).astype(np.float32)


def tokens(count: int, seed: int) -> Any:
    """Tokens whose first is like no other, with one channel a hundred times as great as the others."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(count, 24, 6)) @ np.random.default_rng(3).normal(size=(6, 16))
    found = found + 0.2 * rng.normal(size=found.shape)
    found[:, 0] = np.arange(16) / 3 + 0.05 * rng.normal(size=(count, 16))
    found[:, :, 5] = -100 + 30 * rng.normal(size=(count, 24))
    return found.astype(np.float32)


@cache
def basis(**how: Any) -> bytes:
    return train_transform(features(4, 1), TransformTraining(**how))


def error(decoded: Any, original: Any) -> float:
    return float(np.mean(np.square(decoded.astype(np.float64) - original)))


@pytest.mark.parametrize("phases", [False, True])
def test_components_take_fewer_bytes_for_an_error(phases: bool) -> None:
    own, data = features(1, 2), basis(space_to_depth=phases)
    plain = refsw.encode(own, "balanced", qp=32)
    coded = refsw.encode(own, "transform", qp=32, basis=data, named=True, digest="sample")
    decoded = refsw.decode(coded, known=known_by_digest([data]))
    assert decoded.min() == 0
    # Twice the bytes halve the error's root, about.
    products = [len(c) * error(d, own) ** 0.5 for c, d in ((coded, decoded), (plain, refsw.decode(plain)))]
    assert products[0] < 0.95 * products[1]


def test_training_gives_the_same_bytes_again_and_fewer_bits_for_less_energy() -> None:
    again = train_transform(features(4, 1), TransformTraining())
    assert again == basis()
    bits = basis_of(again).bits
    assert bits[0] > bits[-1]
    assert list(bits) == sorted(bits, reverse=True)


def test_a_metric_spends_on_what_it_counts() -> None:
    metric = np.diag([100.0] + [0.01] * (CHANNELS - 1))
    data = train_transform(features(4, 1), TransformTraining(metric=metric, alpha=0.1, refits=0))
    own = features(1, 2)
    plain = refsw.decode(refsw.encode(own, "transform", qp=36, basis=basis(refits=0)))
    task = refsw.decode(refsw.encode(own, "task", qp=36, basis=data))
    shares = [error(one[:, 0], own[:, 0]) / error(one, own) for one in (plain, task)]
    assert shares[1] < 0.5 * shares[0]


@pytest.mark.parametrize("payload", ["hevc", "native", "zlib"])
def test_every_payload_carries_components(payload: str) -> None:
    own = features(2, 3)
    changes = {"layout": "sequence"} if payload == "native" else {}
    coded = refsw.encode(own, "transform", qp=12, basis=basis(), payload=payload, digest="stream", levels_digest=True,
                         **changes)  # fmt: skip
    assert error(refsw.decode(coded), own) < 1e-3
    report = validate(coded)
    assert report.violations == []
    assert inspect(coded).error is None
    alone = [sample.elements for sample in decode_samples(coded, 1)]
    assert (alone[0] == refsw.decode(coded)[1]).all()


def test_a_sample_with_greater_components_than_all_before_it_is_not_clipped() -> None:
    own = features(12, 5)
    own[-1] *= 10
    decoded = refsw.decode(refsw.encode(own, "transform", qp=20, basis=basis()))
    assert error(decoded[-1], own[-1]) / own[-1].var() < error(decoded[0], own[0]) / own[0].var()


def test_channels_that_a_step_leaves_nothing_of_are_told() -> None:
    def massive(count: int, seed: int) -> Any:
        found = tokens(count, seed)
        found[:, :, 5] *= 8
        return found

    data = train_transform(np.transpose(massive(40, 1), (0, 2, 1))[..., None], TransformTraining(prefix=1))
    with pytest.warns(CoarseStepWarning, match="one step for all channels: take a lower QP"):
        refsw.encode(massive(3, 2), "transform", axes="NHC", qp=22, basis=data)


def test_finer_steps_leave_smaller_errors() -> None:
    own = features(1, 4, rectified=False)
    errors = [error(refsw.decode(refsw.encode(own, "transform", qp=qp, basis=basis())), own) for qp in (8, 14, 20)]
    assert errors[0] < 0.4 * errors[1] < 0.16 * errors[2]


def test_tokens_keep_the_error_of_their_step_beside_massive_channels() -> None:
    data = train_transform(np.transpose(tokens(40, 1), (0, 2, 1))[..., None], TransformTraining(prefix=1))
    own = tokens(3, 2)
    coded = refsw.encode(own, "tokens", axes="NHC", qp=10, basis=data, digest="sample")
    decoded = refsw.decode(coded)
    normal = [c for c in range(16) if c != 5]
    step = 16 * np.std(own - np.frombuffer(basis_of(data).mean.tobytes(), np.float32)) / 255 * 2
    assert np.sqrt(error(decoded[..., normal], own[..., normal])) < 0.5 * step
    assert error(decoded[:, 0], own[:, 0]) < error(decoded[:, 1:], own[:, 1:])


def test_the_decoded_bits_do_not_depend_on_processes() -> None:
    coded = refsw.encode(features(2, 3), "transform", qp=30, basis=basis())
    assert refsw.decode(coded, jobs=2).tobytes() == refsw.decode(coded).tobytes()
    assert refsw.encode(features(2, 3), "transform", qp=30, basis=basis(), jobs=2) == coded


def test_a_transform_that_is_not_there_is_told() -> None:
    coded = refsw.encode(features(1, 3), "transform", basis=basis(), named=True)
    with pytest.raises(UnsupportedError, match=r"named\.unknown"):
        refsw.decode(coded)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "needs a channel transform"),
        ({"basis": b"no"}, "no channel transform"),
        ({"basis": 1, "quantizer": "log"}, "--quantizer uniform"),
        ({"basis": 1, "range_scope": "channel"}, "--range sample"),
        ({"basis": 1, "channel_order": "mean"}, "order of their own"),
        ({"basis": 1, "parts": (8, 4)}, "parts"),
        ({"basis": 1, "choose_payload": True}, "auto"),
        ({"basis": 1, "range_scope": "sequence"}, "--ranges"),
    ],
)
def test_what_does_not_go_with_a_transform_is_refused(changes: dict[str, Any], words: str) -> None:
    changes = changes | ({"basis": basis()} if changes.get("basis") == 1 else {})
    with pytest.raises(UsageError, match=words):
        refsw.encode(features(1, 3), "transform", **changes)


def test_a_transform_for_another_tensor_is_refused() -> None:
    with pytest.raises(UsageError, match="the tensor has 5 channels"):
        refsw.encode(features(1, 3)[:, :5], "transform", basis=basis())
    config = refsw.EncoderConfig.preset("transform", basis=basis())
    with pytest.raises(UsageError, match="samples that are there beforehand"):
        Encoder(io.BytesIO(), {"": TensorSpec((1, CHANNELS, 32, 32), np.float32)}, config)


def test_training_refuses_what_makes_no_transform() -> None:
    for samples, how, words in (
        ([], {}, "there is none"),
        ([np.zeros((2, 3, 3), np.float32), np.zeros((3, 3, 3), np.float32)], {}, "one number of channels"),
        ([np.zeros((2, 3, 3), np.float32)], {"bits": 1}, "entries of 1 bits"),
        ([np.zeros((2, 3, 3), np.float32)], {"prefix": 4}, "a prefix of 4 rows"),
        ([np.zeros((2, 3, 3), np.float32)], {"prefix": 1, "space_to_depth": True}, "no prefix"),
        ([np.zeros((4097, 1, 1), np.float32)], {}, "4097 channels"),
    ):
        with pytest.raises(UsageError, match=words):
            train_transform(samples, TransformTraining(**how))


def test_constant_samples_have_no_pictures() -> None:
    own = np.concatenate([features(1, 3), np.full((1, CHANNELS, 32, 32), 2.5, np.float32)])
    coded = refsw.encode(own, "transform", basis=basis(), digest="sample")
    assert (refsw.decode(coded)[1] == 2.5).all()
