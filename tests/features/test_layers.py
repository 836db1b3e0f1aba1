"""9.11 Layers: what the decoder makes of each, of some of them, and of those whose base layer did not come."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from refsw import encode
from refsw.bitstream.concat import concat
from refsw.bitstream.extract import Selection, extract
from refsw.bitstream.strip import strip
from refsw.errors import UsageError
from refsw.features.config import LayerChoice
from refsw.features.decoder import Decoder, Sample, decode, decode_by_name
from refsw.features.layers import refined
from refsw.features.random_access import decode_samples
from refsw.features.reader import BitstreamReader
from refsw.inspection import inspect
from refsw.syntax.bits import BitReader
from refsw.syntax.codes import LayerKind, UnitType
from refsw.syntax.units import UnitReader, crc32, pack_unit
from refsw.validation import validate

VECTORS = Path(__file__).resolve().parents[2] / "test_vectors" / "scalable"


def vector(name: str) -> bytes:
    return (VECTORS / f"scalable-{name}_r1.dfc").read_bytes()


def without(data: bytes, unit_type: int, parameter_set_id: int) -> bytes:
    """The bitstream without the units of a type that begin with the id of a parameter set."""
    kept = [
        unit.framed
        for unit in UnitReader(io.BytesIO(data))
        if unit.type != unit_type or BitReader(unit.body).ue() != parameter_set_id
    ]
    return data[:12] + b"".join(kept)


def test_a_prefix_of_the_layers_decodes_to_the_same() -> None:
    whole = decode_by_name(vector("prefix-4"))
    for count in range(1, 4):
        for name, tensor in decode_by_name(vector(f"prefix-{count}")).items():
            assert tensor.tobytes() == whole[name].tobytes()
    assert list(whole) == ["base", "more", "finer", "finest"]
    assert not whole["base"][:, [1, 4]].any()
    assert np.array_equal(whole["more"][:, [0, 2, 3]], whole["base"][:, [0, 2, 3]])
    assert 0 < np.abs(whole["finer"] - whole["more"]).max() <= 0.25


def test_a_decoder_that_is_asked_for_layers_reads_no_others() -> None:
    data = vector("chain-two")
    whole = decode_by_name(data)
    read: list[int] = []
    decoder = Decoder(io.BytesIO(data), tensors={"more"}, trace=lambda row: read.append(row.value)
                      if row.structure == "feature_data" and row.element == "parameter_set_id" else None)  # fmt: skip
    samples = list(decoder)
    assert [sample.tensor for sample in samples] == ["more", "more"]
    assert np.stack([sample.elements for sample in samples]).tobytes() == whole["more"].tobytes()
    assert set(read) == {0, 1}
    assert list(decode_by_name(data, tensors=["b+", "base"])) == ["base", "b+"]
    (last,) = decode_samples(data, 1, tensors=["b+"])
    assert last.elements.tobytes() == whole["b+"][1].tobytes()
    with pytest.raises(UsageError, match="no tensor p5: base, b, more, b\\+"):
        decode(data, tensors=["p5"])


def test_a_layer_that_is_wanted_may_have_its_parameter_set_after_samples_of_its_base_layer() -> None:
    data = vector("chain-channels")
    *units, end = (bytes(unit.framed) for unit in UnitReader(io.BytesIO(data)))
    units[1:5] = units[3], units[1], units[4], units[2]  # the parameter sets of two layers, each before its samples
    crc = crc32(data[8:12] + b"".join(unit[-4:] for unit in units)).to_bytes(4, "big")
    late = data[:12] + b"".join(units) + pack_unit(UnitType.END_OF_BITSTREAM, end[2:-8] + crc)
    whole = decode_by_name(data)
    for name in whole:
        assert decode_by_name(late, tensors=[name])[name].tobytes() == whole[name].tobytes()


class Pipe(io.RawIOBase):
    """Bytes that can be read once."""

    def __init__(self, data: bytes) -> None:
        self.inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self.inner.readinto(buffer)


def test_units_of_other_tensors_are_passed_over_in_a_pipe_as_well() -> None:
    data = vector("chain-two")
    decoder = Decoder(io.BufferedReader(Pipe(data)), tensors={"more"})
    assert [sample.index for sample in decoder] == [0, 1]
    assert decoder._reader.units.source.offset == len(data)


@pytest.mark.parametrize(("unit_type", "number"), [(1, 0), (2, 0), (1, 1), (2, 1)])
def test_a_layer_whose_base_layer_did_not_come_is_missing(unit_type: int, number: int) -> None:
    data = vector("refinement-units")
    whole = decode_by_name(data)
    decoder = Decoder(io.BytesIO(without(data, unit_type, number)), incomplete=True)
    samples = list(decoder)
    came: dict[str, list[Sample]] = {}
    for sample in samples:
        came.setdefault(sample.tensor, []).append(sample)
    if number == 1:
        assert len(came["base"]) == 6
        assert all(s.received is None for s in came["base"])
        assert all(s.elements.tobytes() == whole["base"][s.index].tobytes() for s in came["base"])
    elif unit_type == 1:
        assert came == {}
    if (unit_type, number) == (1, 1):
        assert "finer" not in came
    if unit_type == 2:
        assert [s.received.any() for s in came["finer"]] == [False] * 6  # type: ignore[union-attr]
    assert decoder.losses.any
    assert decoder.losses.damaged_units == 0


def test_sums_are_rounded_once_and_kept_finite() -> None:
    largest = np.finfo(np.float32).max
    base = np.array([1.0, largest, -largest, 1.0, 0.0], np.float32)
    step = np.array([2.0**-25, largest, -1e30, -1.0, 1e-45], np.float32)
    assert refined(base, step).tolist() == [1.0, largest, -largest, 0.0, float(np.float32(1e-45))]


def test_values_of_channels_that_are_not_carried_are_no_negative_zero() -> None:
    x = np.ones((1, 2, 1, 1), np.float16)
    layers = (LayerChoice(LayerKind.BASE, channels=(0,), fill=(0.0, -1e-30)),)
    (out,) = decode_by_name(encode(x, "native", layers=layers)).values()
    assert out[0, 1].tobytes() == bytes(2)


def test_a_validator_tells_a_broken_base_layer_once() -> None:
    data = bytearray(vector("chain-channels"))
    report = validate(bytes(data))
    assert report.conforming
    reader = BitstreamReader(io.BytesIO(bytes(data)))
    assert sum(1 for _ in reader) > 6
    unit = next(u for u in UnitReader(io.BytesIO(bytes(data))) if u.type == 2)
    data[unit.body_offset + 4] ^= 1
    requirements = [error.requirement for error in validate(bytes(data)).violations]
    assert requirements[0] == "unit.crc"
    assert len(requirements) < 8


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_layers_are_extracted_to_a_bitstream_that_conforms(count: int) -> None:
    out = io.BytesIO()
    extract(vector("prefix-4"), out, Selection(layers=count - 1))
    assert out.getvalue() == vector(f"prefix-{count}")
    assert validate(out.getvalue()).conforming


def test_a_layer_is_not_extracted_without_what_it_needs() -> None:
    with pytest.raises(UsageError, match=r"more is a layer: base, which it needs, has to be extracted"):
        extract(vector("prefix-4"), io.BytesIO(), Selection(tensors=("more",)))
    with pytest.raises(UsageError, match="layers up to -1"):
        extract(vector("prefix-4"), io.BytesIO(), Selection(layers=-1))
    out = io.BytesIO()
    extract(vector("chain-two"), out, Selection(tensors=("b", "b+"), samples=(1, 1)))
    whole = decode_by_name(vector("chain-two"))
    assert {name: x.tobytes() for name, x in decode_by_name(out.getvalue()).items()} == {
        name: whole[name][1:].tobytes() for name in ("b", "b+")
    }


def test_bitstreams_in_layers_are_joined_and_stripped_whatever_their_ids() -> None:
    first, second = vector("chain-two"), io.BytesIO()
    extract(first, second, Selection(tensors=("base", "more"), samples=(0, 1)))
    third = io.BytesIO()
    extract(first, third, Selection(tensors=("base", "more"), samples=(1, 1)))
    out = io.BytesIO()
    concat([second.getvalue(), third.getvalue()], out)
    whole = decode_by_name(first)
    joined = decode_by_name(out.getvalue())
    assert joined["more"].tobytes() == np.concatenate([whole["more"], whole["more"][1:]]).tobytes()
    assert validate(out.getvalue()).conforming
    renumbered = vector("base.id-63"), vector("base.id-31")
    out = io.BytesIO()
    concat(renumbered, out)
    assert validate(out.getvalue()).conforming
    stripped = io.BytesIO()
    strip(first, stripped, digests=True, metadata=True)
    assert len(stripped.getvalue()) < len(first)
    assert {n: x.tobytes() for n, x in decode_by_name(stripped.getvalue()).items()} == {
        n: x.tobytes() for n, x in whole.items()
    }


def test_inspection_tells_of_layers() -> None:
    base, more, finer, _ = inspect(vector("prefix-4")).tensors
    assert (base.layer_kind, base.base_layer, base.carried_channels) == ("base", None, 3)
    assert (base.purpose, finer.purpose) == ("classification", "people")
    assert (more.layer_kind, more.base_layer, more.carried_channels) == ("channels", "base", 2)
    assert (finer.layer_kind, finer.base_layer, finer.carried_channels) == ("refinement", "more", 5)
