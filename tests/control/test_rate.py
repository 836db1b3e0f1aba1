"""Rate control: the target within 3 % in at most four passes, on features of ten kinds, or a clear message."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import refsw
from refsw.cli.encode import command
from refsw.control.rate import PASSES, TOLERANCE, Bounds, bounds_of, controlled, meet
from refsw.errors import UsageError
from refsw.features.config import EncoderConfig, LayerChoice
from refsw.syntax.codes import LayerKind, PayloadCodec, Quantizer


def maps(seed: int, shape: tuple[int, ...], smooth: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    for _ in range(smooth):
        for axis in (-1, -2):
            x = x + np.roll(x, 1, axis)
    return x * np.linspace(0.3, 2, shape[-3])[:, None, None]


def kinds() -> dict[str, tuple[np.ndarray, str, str | None]]:
    """Features of ten kinds, with the preset and the axes that suit them."""
    rng = np.random.default_rng(9)
    relu = np.maximum(0, maps(1, (2, 16, 16, 16))).astype(np.float32)
    time = np.stack([np.roll(relu[0, :6], t, axis=2) for t in range(3)])
    return {
        "relu": (relu, "balanced", None),
        "signed": (maps(2, (2, 16, 16, 16)).astype(np.float32), "balanced", None),
        "smooth": (np.maximum(0, maps(3, (1, 8, 32, 32), 6)).astype(np.float32), "anchor", None),
        "sparse": ((relu * (rng.random(relu.shape) < 0.1)).astype(np.float32), "native", None),
        "noise": (rng.standard_normal((1, 8, 16, 16)).astype(np.float32), "native", None),
        "half": (relu.astype(np.float16), "native", None),
        "tokens": (rng.standard_normal((2, 48, 64)).astype(np.float32), "native", "NHW"),
        "vectors": (rng.standard_normal((8, 256)).astype(np.float32), "native", "NC"),
        "time": (time, "native", "TCHW"),
        "wide": ((maps(4, (1, 16, 16, 16)) ** 3).astype(np.float32), "native", None),
    }


@pytest.mark.parametrize("kind", list(kinds()))
def test_the_target_is_met_on_features_of_ten_kinds(kind: str) -> None:
    x, preset, axes = kinds()[kind]
    config = EncoderConfig.preset(preset)

    def code(control: float) -> bytes:
        return refsw.encode(x, controlled(config, control), axes=axes)

    middle = len(code(bounds_of(config).start))
    for factor in (0.6, 1.3):
        met = meet(code, factor * middle, bounds_of(config))
        assert abs(len(met.data) / (factor * middle) - 1) <= TOLERANCE
        assert len(met.sizes) <= PASSES
        assert met.data == code(met.control)
        assert refsw.decode(met.data).shape == x.shape


@pytest.mark.parametrize("payload", [PayloadCodec.JPEG, PayloadCodec.JPEG2000, PayloadCodec.PNG, PayloadCodec.LZMA])
def test_the_target_is_met_with_other_payloads(payload: PayloadCodec) -> None:
    x = np.maximum(0, maps(1, (1, 16, 32, 32))).astype(np.float32)
    config = EncoderConfig(quantizer=Quantizer.UNIFORM, payload=payload)

    def code(control: float) -> bytes:
        return refsw.encode(x, controlled(config, control))

    middle = len(code(bounds_of(config).start))
    met = meet(code, 0.7 * middle, bounds_of(config))
    assert abs(len(met.data) / (0.7 * middle) - 1) <= TOLERANCE


def test_layers_are_moved_together() -> None:
    layers = (LayerChoice(LayerKind.BASE), LayerChoice(LayerKind.REFINEMENT, choices=(("qp", 20), ("effort", "fast"))))
    config = EncoderConfig.preset("native", qp=30, layers=layers)
    moved = controlled(config, 26.5)
    assert moved.settings.qp == 26
    assert moved.layers[1].choices == (("qp", 16), ("effort", "fast"))
    assert moved.widening == pytest.approx(2 ** (0.5 / 6))


def test_a_control_between_two_qps_gives_a_size_between_theirs() -> None:
    x = np.maximum(0, maps(5, (1, 16, 16, 16))).astype(np.float32)
    config = EncoderConfig.preset("native")
    sizes = [len(refsw.encode(x, controlled(config, control))) for control in (22, 22.5, 23, 23.5, 24)]
    assert sizes == sorted(sizes, reverse=True)
    assert controlled(config, 22.0).widening == 1
    ranges = EncoderConfig.preset("native", ranges=((0.0, 2.0),))
    assert controlled(ranges, 28.0).ranges == ((0.0, 2.0),)
    assert controlled(ranges, 25.0 + 3.0 - 1e-12).ranges[0][1] > 2.0  # type: ignore[index]


def test_what_cannot_be_met_is_told() -> None:
    def code(control: float) -> bytes:
        return bytes(round(1000 * 2 ** (-control / 10)))

    bounds = Bounds(0.0, 20.0, 5.0)
    assert len(meet(code, 400, bounds).data) == pytest.approx(400, rel=TOLERANCE)
    with pytest.raises(UsageError, match="5000 bytes are out of reach: 1000 at the finest"):
        meet(code, 5000, bounds)
    with pytest.raises(UsageError, match="10 bytes are out of reach: 250 at the coarsest"):
        meet(code, 10, bounds)
    with pytest.raises(UsageError, match=r"were not met in \d passes"):
        meet(lambda control: bytes(100 if control > 7 else 900), 400, bounds)
    with pytest.raises(UsageError, match="at least 1"):
        meet(code, 0.5, bounds)
    for config, message in (
        (EncoderConfig(quantizer=Quantizer.NONE, payload=PayloadCodec.ZLIB), "goes with a quantizer"),
        (EncoderConfig(payload=PayloadCodec.STORED), "payload stored"),
    ):
        with pytest.raises(UsageError, match=message):
            bounds_of(config)


def test_the_command_line_meets_targets(tmp_path: Path) -> None:
    x = np.maximum(0, maps(6, (2, 8, 16, 16))).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "x.dfc"
    for option, value, wanted in (
        ("--target-bytes", "1000", 1000), ("--target-rate", "4000", 1000), ("--target-bpe", "2", 1024),
    ):  # fmt: skip
        arguments = [str(tmp_path / "x.npy"), "-o", str(out), "--preset", "native", option, value]
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        assert math.isclose(out.stat().st_size, wanted, rel_tol=TOLERANCE)
        assert "passes for" in result.output
    for more, message in (
        (["--target-bytes", "1"], "out of reach"), (["--target-bytes", "9", "--target-bpe", "1"], "one target"),
        (["--target-bytes", "900", "--qp", "3"], "leave out --qp"), (["--target-bpe", "-1"], "a number above 0"),
    ):  # fmt: skip
        out.unlink(missing_ok=True)
        result = CliRunner().invoke(command, [str(tmp_path / "x.npy"), "-o", str(out), *more])
        assert result.exit_code != 0
        assert message in str(result.exception) + result.output
        assert not out.exists()
