"""A decoder written from spec/ alone gives the same tensors as refsw, and rejects what refsw rejects."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import refsw
from refsw.errors import UnsupportedError
from refsw.payload.native.configuration import pack_parameters
from refsw.payload.native.starts import universal_start

ROOT = Path(__file__).resolve().parents[2]
DECODER = ROOT / "conformance" / "independent" / "dfc_decoder.py"


@pytest.fixture(scope="module")
def independent() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dfc_decoder", DECODER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def same(independent: ModuleType, data: bytes) -> None:
    expected = refsw.decode(data)
    arrays = expected if isinstance(expected, dict) else {"tensor0": expected}
    decoded = independent.decode(data)
    assert set(decoded) == set(arrays)
    for name, array in arrays.items():
        assert decoded[name].shape == array.shape
        assert decoded[name].dtype == array.dtype
        assert decoded[name].tobytes() == np.ascontiguousarray(array).tobytes()


PACKAGES = {"av", "numpy", "PIL", "ml_dtypes"}


def test_it_is_independent() -> None:
    files = sorted(DECODER.parent.glob("**/*.py"))
    parts = (
        "captures", "carriage", "decoder", "h265", "images", "incomplete", "layers", "model_values", "models",
        "native", "native_start", "native_time", "native_time_start", "native_time_tables", "stream", "transform",
        "units", "values", "video",
    )  # fmt: skip
    assert [path.name for path in files] == ["dfc.py", *(f"dfc_{part}.py" for part in parts)]
    for path in files:
        text = path.read_text()
        assert "import refsw" not in text
        assert "from refsw" not in text
        assert len(text.splitlines()) <= 450
        imported: set[str] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                assert node.module is not None
                imported.add(node.module.split(".")[0])
        assert "importlib" not in imported
        assert imported - sys.stdlib_module_names <= PACKAGES | {path.stem for path in files}


def test_every_kind_of_stream_decodes_to_the_same(independent: ModuleType, streams: dict[str, bytes]) -> None:
    for data in streams.values():
        same(independent, data)


def test_the_example_of_the_specification_decodes_to_the_same(independent: ModuleType) -> None:
    same(independent, bytes.fromhex((ROOT / "spec" / "annex-a-example.hex").read_text()))


CHOICES = list(
    itertools.product(
        ("uniform", "log"),
        ("sample", "sequence", "channel"),
        ("sequence", "mosaic", "quilt"),
        ("hevc", "stored", "zlib", "gzip", "lzma", "png", "jpeg", "jpeg2000"),
    )
)


@pytest.mark.parametrize(("quantizer", "scope", "layout", "payload"), CHOICES)
def test_choices_together(
    independent: ModuleType, features: Any, quantizer: str, scope: str, layout: str, payload: str
) -> None:
    bits = {"hevc": (8, 10, 12), "jpeg": (8,)}.get(payload, (1, 5, 8, 9, 16))
    for bit_depth in bits:
        x = features(2, 5, 9, 11, seed=bit_depth) - np.float32(0.75)
        data = refsw.encode(
            x, quantizer=quantizer, range_scope=scope, layout=layout, payload=payload, bit_depth=bit_depth, qp=33,
            digest=("none", "stream", "sample")[bit_depth % 3], levels_digest=True,
        )  # fmt: skip
        same(independent, data)


@pytest.mark.parametrize("axes", ["C", "H", "NC", "HW", "TW", "CHW", "WHC", "NHC", "NCHW", "NHWC", "TWCH"])
def test_axes(independent: ModuleType, features: Any, axes: str) -> None:
    x = features(*({"N": 3, "T": 2, "C": 4, "H": 5, "W": 6}[a] for a in axes))
    same(independent, refsw.encode(x, axes=axes, digest="sample", levels_digest=True))


@pytest.mark.parametrize(
    "dtype",
    [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, np.uint8, np.int8, np.uint16, np.int16, np.uint32,
     np.int32, np.uint64, np.int64, np.bool_],
)  # fmt: skip
def test_element_types(independent: ModuleType, features: Any, dtype: Any) -> None:
    x = (features(2, 4, 8, 8) * 30).astype(dtype)
    same(independent, refsw.encode(x, quantizer="none", payload="zlib", digest="stream"))
    if np.dtype(dtype).kind == "f" or dtype is ml_dtypes.bfloat16:
        same(independent, refsw.encode(x, quantizer="log", payload="png"))


RANGES = [(-3e38, 3e38), (-1e30, 2), (0, 1e-40), (1e-45, 3e-45), (-1e20, 1e20), (100, 100.00001), (-(2.0**25), -1)]


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("quantizer", ["uniform", "log"])
@pytest.mark.parametrize("bit_depth", [4, 12, 16])
def test_ranges_that_are_hard_to_dequantize(
    independent: ModuleType, low: float, high: float, quantizer: str, bit_depth: int
) -> None:
    x = np.linspace(low, high, 300).astype(np.float32).reshape(3, 10, 10)
    same(independent, refsw.encode(x, quantizer=quantizer, bit_depth=bit_depth, payload="stored"))


def test_structures_of_a_bitstream(independent: ModuleType, features: Any) -> None:
    x = features(5, 6, 16, 16)
    constant = x.copy()
    constant[:, 2], constant[1] = 1.5, -3.25
    for data in [
        refsw.encode(x, samples_per_unit=2, digest="stream"),
        refsw.encode(x, profile="inter", samples_per_unit=4, qp=30),
        refsw.encode(x, grid=(2, 2)),
        refsw.encode(x, channel_order="similarity", range_scope="channel"),
        refsw.encode(constant, digest="sample", levels_digest=True),
        refsw.encode(constant, range_scope="channel", digest="sample", levels_digest=True),
        refsw.encode(np.full((2, 3, 4, 5), 1e-42, np.float32)),
        refsw.encode(np.zeros((0, 3, 4, 5), np.float32)),
        refsw.encode({"a": x, "b": x[:, :, ::2]}, digest="stream", metadata=(("k", "v"),), network_id="net"),
    ]:
        same(independent, data)


def test_damage_is_rejected_by_both(independent: ModuleType, streams: dict[str, bytes]) -> None:
    rng = random.Random(11)
    for _ in range(400):
        data = bytearray(rng.choice(list(streams.values())))
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        with pytest.raises(refsw.DfcError):
            refsw.decode(bytes(data))
        with pytest.raises(independent.Reject):
            independent.decode(bytes(data))


def test_its_command_line(streams: dict[str, bytes], tmp_path: Path) -> None:
    good, bad, out = tmp_path / "good.dfc", tmp_path / "bad.dfc", tmp_path / "out.npz"
    data = streams["several tensors"]
    good.write_bytes(data)
    bad.write_bytes(data[:-9])
    command = [sys.executable, str(DECODER)]
    assert subprocess.run([*command, bad, out], capture_output=True, check=False).returncode == 65
    assert not out.exists()
    subprocess.run([*command, good, out], check=True)
    with np.load(out) as decoded:
        assert sorted(decoded.files) == ["p3", "p4"]


@pytest.mark.parametrize("samples", [0, 1])
def test_named_parameters_are_missed_where_a_payload_needs_them(independent: ModuleType, samples: int) -> None:
    channels = 2
    own = replace(
        universal_start(), channels=channels, priors=np.full(channels, 20, np.uint8),
        classes=np.zeros(channels, np.uint8), references=np.zeros((channels, 3), np.int32),
        reference_weights=np.zeros((channels, 3), np.int32),
    )  # fmt: skip
    config = refsw.EncoderConfig.preset("native")
    config = config.replace(settings=replace(config.settings, native=pack_parameters(own), named=True))
    data = refsw.encode(np.arange(samples * 24, dtype=np.float32).reshape(samples, 2, 3, 4), config=config)
    if not samples:
        same(independent, data)
        return
    with pytest.raises(independent.Reject) as caught:
        independent.decode(data)
    assert (caught.value.exit_code, caught.value.requirement) == (69, "named.unknown")
    with pytest.raises(UnsupportedError):
        refsw.decode(data)
