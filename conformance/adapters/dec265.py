"""refsw with libde265 as its HEVC decoder: other pictures would show as other tensors.

refsw conformance run SUITE --decoder conformance/adapters/dec265.py:decode
"""

from __future__ import annotations

import shutil
from typing import Any

from refsw.features.decoder import decode_by_name

PROGRAM = next((found for name in ("libde265-dec265", "dec265") if (found := shutil.which(name))), "dec265")


def decode(data: bytes) -> dict[str, Any]:
    """The tensors of a bitstream by name."""
    return decode_by_name(data, hevc_decoder=f"{PROGRAM} -q {{input}} -o {{output}}")
