"""Features of which nothing is left are warned of; ordinary ones are not."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import refsw
from refsw import CoarseStepWarning
from refsw.cli.main import cli
from refsw.features import coding, loss
from refsw.tensor.axes import Array

PRESETS = ["anchor", "balanced", "best", "fast"]


def tokens(samples: int = 2, length: int = 50, channels: int = 256, times: float = 100) -> Array:
    """(N, L, C), one of the channels many times the others."""
    x = np.random.default_rng(1).normal(size=(samples, length, channels)).astype(np.float32)
    x[..., 7] *= times
    return x


def maps(channels: int = 64, side: int = 28) -> Array:
    """(1, C, H, W), smooth, not negative and sparse, of deviations that differ as those of residual networks."""
    rng = np.random.default_rng(2)
    waves = np.cumsum(np.cumsum(rng.normal(size=(channels, side, side)), 1), 2)
    waves = waves / waves.std(axis=(1, 2), keepdims=True) + rng.normal(size=(channels, side, side)) / 4
    return (np.maximum(0, waves) * np.exp(rng.normal(0, 0.7, (channels, 1, 1))))[None].astype(np.float32)


def told(x: Any, *arguments: Any, **choices: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        refsw.encode(x, *arguments, **choices)
    assert {w.category for w in caught} <= {CoarseStepWarning}
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("axes", ["NHC", None, "NWC"])
def test_channels_beside_a_massive_one_are_warned_of_once(preset: str, axes: str | None) -> None:
    messages = told(tokens(3), preset, axes=axes)
    assert len(messages) == 1
    assert "--range channel" in messages[0]
    assert ("--axes WHC" in messages[0]) == (axes is None)
    assert "100 %" in messages[0]


def test_the_warning_is_true_and_its_remedy_helps() -> None:
    x = tokens()
    others = np.delete(np.arange(x.shape[-1]), 7)
    with pytest.warns(CoarseStepWarning):
        lost = refsw.decode(refsw.encode(x, qp=32))[..., others]
    assert np.mean((lost - x[..., others]) ** 2) > 0.5 * x[..., others].var()
    for axes in ("WHC", "NHC"):
        assert told(x, qp=32, axes=axes, range_scope="channel") == []
        kept = refsw.decode(refsw.encode(x, qp=32, axes=axes, range_scope="channel"))[..., others]
        assert np.mean((kept - x[..., others]) ** 2) < 0.2 * x[..., others].var()


@pytest.mark.parametrize("quantizer", ["uniform", "log"])
def test_ranges_of_what_are_no_channels_are_warned_of(quantizer: str) -> None:
    (message,) = told(tokens(), quantizer=quantizer, bit_depth=8, range_scope="channel")  # two sequences for channels
    assert "100 % of the columns" in message
    assert "--axes WHC" in message
    maps_with_channels_last = tokens().reshape(2, 5, 10, 256)
    (message,) = told(maps_with_channels_last, quantizer=quantizer, bit_depth=8, range_scope="channel")
    assert "--axes NWHC" in message
    assert told(maps_with_channels_last, quantizer=quantizer, bit_depth=8, range_scope="channel", axes="NHWC") == []


def test_every_tensor_is_told_of_by_name() -> None:
    x = {"block3": tokens(), "block6": tokens(), "map": maps()}
    messages = told(x, axes="NHC")
    assert [message.split(":")[0] for message in messages] == ["block3", "block6"]


@pytest.mark.parametrize("scales", [(1, 100), (1, 1, 100)])
def test_channels_of_two_scales_are_warned_of(scales: tuple[int, ...]) -> None:
    x = np.random.default_rng(3).normal(size=(1, 6 * len(scales), 16, 16)).astype(np.float32)
    assert len(told(x * np.repeat(scales, 6)[:, None, None].astype(np.float32))) == 1


def test_vectors_are_looked_at_over_samples() -> None:
    x = tokens(1, 80)[0]  # (N, C)
    assert len(told(x, "anchor")) == 1
    assert told(np.delete(x, 7, axis=1), "anchor") == []


def test_the_number_of_processes_and_of_samples_in_a_unit_do_not_matter() -> None:
    x = tokens(4)
    once = told(x, axes="NHC", jobs=2)
    assert once == told(x, axes="NHC")
    assert len(told(x, axes="NHC", samples_per_unit=3)) == 1


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("qp", [12, 22, 32, 42])
def test_ordinary_features_are_not_warned_of(preset: str, qp: int) -> None:
    assert told(maps(), preset, qp=qp) == []
    assert told(np.random.default_rng(4).normal(size=(1, 40, 96)).astype(np.float32), preset, qp=qp) == []


@pytest.mark.parametrize("payload", ["zlib", "png", "jpeg2000"])
def test_a_lossless_payload_has_the_step_of_the_quantizer(payload: str) -> None:
    choices = {"axes": "NHC", "quantizer": "uniform", "payload": payload, "match_step": False}
    assert told(tokens(), **choices, bit_depth=12) == []
    assert len(told(tokens(), **choices, bit_depth=6)) == 1
    assert told(tokens(), quantizer="none", payload="zlib", axes="NHC") == []


def test_constant_and_extreme_features_are_no_matter() -> None:
    for value in (0.0, 1.0, 3e38, -(2.0**60)):
        assert told(np.full((2, 4, 8, 8), value, np.float32)) == []
    x = maps()
    x[0, 3] = 0
    assert told(x) == []
    told(np.where(tokens() > 0, 3.4028235e38, -3.4028235e38).astype(np.float32), axes="NHC")


def test_as_much_is_looked_at_however_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    really = coding.spread_of

    def spread_of(values: Array, *arguments: Any) -> loss.Spread:
        spread = really(values, *arguments)
        sizes.append(int(spread.slices[0][0].sum()))
        return spread

    monkeypatch.setattr(coding, "spread_of", spread_of)
    refsw.encode(np.zeros((200, 8, 2, 2), np.float32) + np.arange(8, dtype=np.float32)[:, None, None])
    assert len(sizes) == loss.SAMPLES
    for shape in ((1, 256, 56, 56), (1, 2048, 7, 7), (1, 3, 500, 400), (1, 100_000, 1, 1)):
        refsw.encode(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), "fast", qp=40)
        assert sizes[-1] <= loss.ELEMENTS


def test_the_command_line_tells_it_on_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", tokens())
    arguments = ["encode", str(tmp_path / "x.npy"), "-o", str(tmp_path / "x.dfc"), "--name", "block9"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("refsw: warning: block9: ")
    fixed = CliRunner().invoke(cli, [*arguments, "--axes", "NHC", "--range", "channel"])
    assert (fixed.exit_code, fixed.stderr) == (0, "")
