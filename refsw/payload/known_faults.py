"""Informative, annex B.4: tools that 8.4 allows and that HEVC decoders in wide use are known to decode wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from refsw.payload.nal import Configuration


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a decoder.

    Args:
        decoder: part of the name by which the decoder goes.
        versions: that have it.
        tool: whose pictures come out wrong.
        uses: whether parameter sets turn the tool on.
    """

    decoder: str
    versions: str
    tool: str
    uses: Callable[[Configuration], bool]


FAULTS = (
    Fault("ffmpeg", "FFmpeg 5.1", "PCM coding blocks in 4:0:0", lambda c: c.sps.pcm),
    Fault(
        "265",
        "libde265 before 1.0.19",
        "persistent Rice adaptation with wavefronts or dependent slice segments",
        lambda c: c.sps.persistent_rice and any(p.wavefronts or p.dependent_slices for p in c.every_pps),
    ),
)


def known_faults(decoder: str, configuration: Configuration) -> list[str]:
    """What is known to be wrong in some version of a decoder, and concerns these parameter sets."""
    return [
        f"{fault.versions} decodes {fault.tool} wrongly (spec, B.4)"
        for fault in FAULTS
        if fault.decoder in PurePath(decoder).name.lower() and fault.uses(configuration)
    ]
