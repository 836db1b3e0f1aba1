"""Options of refsw encode that would have no effect with the others are refused, not passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refsw.errors import UsageError
from refsw.features.config import EncoderConfig
from refsw.payload.base import VIDEO
from refsw.syntax.codes import PayloadCodec, Quantizer, RepackLayout

PAYLOADS_OF = {
    "qp": (*VIDEO, PayloadCodec.NATIVE),
    "native": (PayloadCodec.NATIVE,),
    "command": VIDEO,
    "effort": (PayloadCodec.HEVC, PayloadCodec.NATIVE),
    "match_step": (PayloadCodec.HEVC, PayloadCodec.NATIVE),
    "quality": (PayloadCodec.JPEG,),
    "rate": (PayloadCodec.JPEG2000,),
    "compression_level": (PayloadCodec.ZLIB, PayloadCodec.GZIP, PayloadCodec.LZMA, PayloadCodec.PNG),
}
QUANTIZED = ("bit_depth", "range_scope", "ranges", "clip", "levels_digest")
NAMES = {"range_scope": "--range", "command": "--hevc-encoder"}


def check_effect(options: Mapping[str, Any], config: EncoderConfig, axes: str | None) -> None:
    """See that every option that was given does something.

    Args:
        options: by the names of their parameters; None (or false) where they were not given.
        config: that they lead to.
        axes: letters that were given.

    Raises:
        UsageError: one does nothing; says with what it goes.
    """
    given = {key for key, value in options.items() if value}
    given |= {key for key in ("qp", "compression_level", "match_step") if options.get(key) is not None}
    for key, payloads in PAYLOADS_OF.items():
        if key in given and config.payload not in payloads and not (key == "match_step" and not options[key]):
            _refuse(key, f"--payload {' or '.join(code.name.lower() for code in payloads)}")
    for key in QUANTIZED:
        if key in given and config.quantizer is Quantizer.NONE:
            _refuse(key, "a quantizer")
    if options.get("match_step") and config.quantizer is not Quantizer.UNIFORM:
        _refuse("match_step", "--quantizer uniform")
    if "effort" in given and "command" in given:
        _refuse("effort", "refsw's own HEVC encoder, not --hevc-encoder")
    if "named" in given and not given & {"native", "basis"}:
        _refuse("named", "--native FILE or --transform FILE")
    if "grid" in given and config.layout is RepackLayout.SEQUENCE:
        _refuse("grid", "--layout mosaic or quilt")
    if {"clip", "ranges"} <= given:
        _refuse("clip", "ranges that are measured, not --ranges")
    if "time" in given and not (axes or "").upper().startswith("T"):
        _refuse("time", "a time axis (--axes T...)")


def _refuse(key: str, with_what: str) -> None:
    raise UsageError(f"{NAMES.get(key, '--' + key.replace('_', '-'))} has no effect here: it goes with {with_what}")
