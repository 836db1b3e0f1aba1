"""refsw with HM, the reference software of HEVC, as its HEVC decoder; REFSW_HM_DECODER names the program.

REFSW_HM_DECODER=~/HM/bin/TAppDecoderStatic refsw conformance run SUITE --decoder conformance/adapters/hm.py:decode
"""

from __future__ import annotations

import os
import shlex
from typing import Any

from refsw.features.decoder import decode_by_name

PROGRAM = os.environ.get("REFSW_HM_DECODER", "TAppDecoderStatic")


def decode(data: bytes) -> dict[str, Any]:
    """The tensors of a bitstream by name; -d 0 keeps the bit depth of the stream."""
    return decode_by_name(data, hevc_decoder=f"{shlex.quote(PROGRAM)} -b {{input}} -o {{output}} -d 0")
