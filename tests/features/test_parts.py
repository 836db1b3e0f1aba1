"""9.10 Samples in parts: the same elements as whole, each part alone, in units that fit into packets."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import refsw
from refsw.errors import UsageError
from refsw.features.coding import sending_order
from refsw.features.config import EncoderConfig
from refsw.features.encoder import Encoder
from refsw.features.tensors import TensorSpec
from refsw.syntax.codes import Profile, UnitType
from refsw.syntax.units import UnitReader
from refsw.tensor.parts import Parts

Features = Callable[..., Any]
PARTS = [(3, 2), (13, 1), (1, 10), (5, 3)]


def units(data: bytes, kind: UnitType = UnitType.FEATURE_PART) -> list[int]:
    """Bytes of the units of a type."""
    return [u.body_offset - u.offset + len(u.body) + 4 for u in UnitReader(io.BytesIO(data)) if u.type == kind]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize(
    ("quantizer", "scope", "layout"),
    [
        *itertools.product(
            ("uniform", "log-nonnegative", "none"), ("sample", "channel"), ("sequence", "mosaic", "quilt")
        )
    ],
)
def test_with_a_lossless_codec_parts_give_what_whole_samples_give(
    features: Features, parts: tuple[int, int], quantizer: str, scope: str, layout: str
) -> None:
    x = np.abs(features(2, 10, 13, 6))
    x[:, 4] = 0.5
    choices = {"quantizer": quantizer, "range_scope": scope, "layout": layout, "payload": "zlib"}
    data = refsw.encode(x, parts=parts, digest="sample", levels_digest=True, **choices)
    assert np.array_equal(refsw.decode(data), refsw.decode(refsw.encode(x, **choices)))
    assert refsw.validate(data).conforming


@pytest.mark.parametrize("layout", ["sequence", "mosaic", "quilt"])
@pytest.mark.parametrize("parts", [(16, 3), (9, 8), (20, 20)])
def test_parts_coded_with_hevc_conform_and_are_near(features: Features, layout: str, parts: tuple[int, int]) -> None:
    x = features(2, 8, 20, 18)
    data = refsw.encode(x, parts=parts, layout=layout, qp=4, digest="stream")
    assert refsw.validate(data).conforming
    assert np.abs(refsw.decode(data) - x).max() < 0.1 * np.ptp(x)


def test_the_profile_is_the_narrowest_of_version_1_1(features: Features) -> None:
    x = features(1, 4, 16, 16)
    for payload, profile in (("hevc", "resilient"), ("zlib", "resilient"), ("png", "complete")):
        found = refsw.inspect(refsw.encode(x, parts=(8, 2), payload=payload))
        assert (found.version, found.profile) == ("1.1", profile)
        assert refsw.inspect(refsw.encode(x, payload=payload)).version == "1.0"
    with pytest.raises(UsageError, match=r"profile.extension"):
        refsw.encode(x, parts=(8, 2), profile="intra")


def test_processes_and_random_access_make_no_difference(features: Features) -> None:
    x = features(4, 6, 16, 16)
    data = refsw.encode(x, parts=(8, 2), qp=20, digest="sample")
    assert refsw.encode(x, parts=(8, 2), qp=20, digest="sample", jobs=2) == data
    whole = refsw.decode(data)
    assert np.array_equal(refsw.decode(data, jobs=2), whole)
    found = list(refsw.decode_samples(data, 1, 2))
    assert [sample.index for sample in found] == [1, 2]
    assert all(np.array_equal(sample.elements, whole[sample.index]) for sample in found)


def test_random_access_finds_a_sample_that_lacks_a_part(features: Features) -> None:
    data = refsw.encode(features(3, 4, 8, 8), parts=(4, 2), payload="stored")
    parts = [u for u in UnitReader(io.BytesIO(data)) if u.type == UnitType.FEATURE_PART]
    gone = parts[5]
    cut = data[: gone.offset] + data[gone.body_offset + len(gone.body) + 4 :]
    assert [sample.index for sample in refsw.decode_samples(cut, 0)] == [0]
    with pytest.raises(refsw.DfcError) as caught:
        list(refsw.decode_samples(cut, 1))
    assert caught.value.requirement == "part.complete"


def test_a_part_of_one_number_has_no_pictures(features: Features) -> None:
    x = features(1, 4, 8, 8)
    x[0, :2] = x.min()
    data = refsw.encode(x, parts=(8, 1), payload="stored", quantizer="uniform")
    assert min(units(data)) < 24 < max(units(data))
    assert (refsw.decode(data)[0, :2] == x.min()).all()


@pytest.mark.parametrize("bands", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("groups", [1, 5])
def test_a_burst_shorter_than_half_a_sample_takes_no_neighbouring_bands(bands: int, groups: int) -> None:
    order = sending_order(Parts(bands, 1, groups))
    assert sorted(order) == list(range(bands * groups))
    place = {part: i for i, part in enumerate(order)}
    apart = [abs(place[part] - place[part + groups]) for part in range((bands - 1) * groups)]
    assert min(apart, default=bands * groups) >= (bands - 1) // 2 * groups


@pytest.mark.parametrize("size", [150, 300, 1200])
@pytest.mark.parametrize("payload", ["hevc", "lzma"])
def test_units_fit_into_packets_and_nearly_fill_them(features: Features, size: int, payload: str) -> None:
    x = np.abs(features(3, 12, 24, 16))
    x[2] *= np.linspace(0.1, 3, 16, dtype=np.float32)  # the last sample needs the most
    data = refsw.encode(x, packet_bytes=size, payload=payload, qp=28)
    sizes = units(data)
    assert max(sizes) <= size
    assert refsw.validate(data).conforming
    assert refsw.encode(x, packet_bytes=size, payload=payload, qp=28, jobs=2) == data
    tensor = refsw.inspect(data).tensors[0]
    if tensor.part_channels and tensor.part_channels > 1 and tensor.parts_per_sample > 1:
        more = refsw.encode(x, parts=(24, tensor.part_channels + 3), payload=payload, qp=28)
        assert max(units(more)) > size


def test_packets_that_nothing_fits_into_are_refused(features: Features) -> None:
    x = features(1, 2, 4, 4096)
    with pytest.raises(UsageError, match="not even one row"):
        refsw.encode(x, packet_bytes=128, payload="stored", quantizer="uniform")
    with pytest.raises(UsageError, match="not both"):
        EncoderConfig.preset(parts=(1, 1), packet_bytes=1200)
    with pytest.raises(UsageError, match="at least 64"):
        EncoderConfig.preset(packet_bytes=63)
    with pytest.raises(UsageError, match="one sample per unit"):
        EncoderConfig.preset(parts=(1, 1), samples_per_unit=2)
    with pytest.raises(UsageError, match="sizes are not known"):
        EncoderConfig.preset(packet_bytes=1200, command="x265 {input} {output}")
    config = EncoderConfig.preset(packet_bytes=1200)
    with (
        pytest.raises(UsageError, match="all samples beforehand"),
        Encoder(io.BytesIO(), {"": TensorSpec((1, 2, 4, 4), np.float32)}, config) as encoder,
    ):
        encoder.write(np.zeros((2, 4, 4), np.float32))


def test_tensors_in_parts_and_whole_ones_share_a_bitstream(features: Features) -> None:
    out = io.BytesIO()
    base = EncoderConfig.preset(payload="zlib")
    tensors = {"p": features(3, 4, 8, 8), "w": features(3, 5, 4, 4)}
    specs = {
        name: TensorSpec(x.shape, x.dtype, None, base.replace(parts=(4, 2)) if name == "p" else base)
        for name, x in tensors.items()
    }
    with Encoder(out, specs, base) as encoder:
        assert encoder._profile is Profile.RESILIENT
        for i in range(3):
            encoder.write({name: x[i] for name, x in tensors.items()})
    data = out.getvalue()
    assert refsw.validate(data).conforming
    decoded, expected = refsw.decode(data), refsw.decode(refsw.encode(tensors, payload="zlib"))
    assert all(np.array_equal(decoded[name], expected[name]) for name in tensors)
