"""The code point for VVC: decoded by command, unsupported where nothing decodes it."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
import pytest

import refsw
from refsw.features.parameters import Parameters, to_values
from refsw.features.reader import BitstreamReader
from refsw.syntax.codes import Level, PayloadCodec, Profile, UnitType
from refsw.syntax.structures import END_OF_BITSTREAM, FEATURE_PARAMETER_SET
from refsw.syntax.units import UnitReader, crc32, pack_body, pack_header, pack_unit


def as_vvc(data: bytes) -> bytes:
    """The same bitstream, said to hold VVC: a decoder by command does not look inside."""
    parameters = next(c for c in BitstreamReader(io.BytesIO(data)) if isinstance(c, Parameters))
    changed = dataclasses.replace(parameters, payload_codec=PayloadCodec.VVC)
    out = pack_header(Profile.EXTENDED, Level.L1)
    chain = crc32(out[-4:])
    for unit in UnitReader(io.BytesIO(data)):
        body = bytes(unit.body)
        if unit.type == UnitType.FEATURE_PARAMETER_SET:
            body = pack_body(FEATURE_PARAMETER_SET, to_values(changed))
        elif unit.type == UnitType.END_OF_BITSTREAM:
            values = {"tensor_count": 1, "sample_count": [1], "bitstream_crc": chain}
            body = pack_body(END_OF_BITSTREAM, values)
        packed = pack_unit(unit.type, body)
        chain = crc32(packed[-4:], chain)
        out += packed
    return out


@pytest.fixture
def stream() -> bytes:
    x = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16)
    return as_vvc(refsw.encode(x, qp=22, bit_depth=8))  # FFmpeg is not trusted with 8 bits


def test_vvc_without_a_decoder_is_unsupported(stream: bytes) -> None:
    with pytest.raises(refsw.DfcError) as error:
        refsw.decode(stream)
    assert (error.value.requirement, error.value.exit_code) == ("vvc.optional", 69)
    report = refsw.validate(stream)
    assert report.conforming
    assert report.exit_code == 69


def test_damaged_vvc_of_10_bits_is_rejected() -> None:
    from refsw.payload.ffmpeg import has_decoder

    if not has_decoder("vvc"):
        pytest.skip("this FFmpeg has no VVC decoder")
    x = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16)
    with pytest.raises(refsw.DfcError) as error:
        refsw.decode(as_vvc(refsw.encode(x, qp=22)))  # HEVC where VVC should be
    assert error.value.requirement == "vvc.pictures"


def test_vvc_is_decoded_by_command(stream: bytes, tmp_path: Path) -> None:
    script = tmp_path / "decoder.py"
    script.write_text("import sys, array\nopen(sys.argv[2], 'wb').write(array.array('B', [128] * 256).tobytes())\n")
    y = refsw.decode(stream, hevc_decoder=f"{sys.executable} {script} {{input}} {{output}}")
    assert isinstance(y, np.ndarray)
    assert np.ptp(y) == 0
    assert y[0, 0, 0, 0] == 128
