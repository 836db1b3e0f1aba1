"""Informative: the concealment methods by name. A new one is a class that keeps the protocol, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from refsw.errors import UsageError
from refsw.resilience.altec import Altec
from refsw.resilience.base import Method
from refsw.resilience.caltec import Caltec
from refsw.resilience.fcp import Fcp
from refsw.resilience.inpainting import NavierStokes, Telea
from refsw.resilience.lowrank import Halrtc, HalrtcChannel, Silrtc
from refsw.resilience.simple import ChannelMean, Linear, Nothing, Zero

METHODS: Mapping[str, type[Method]] = {
    Nothing.name: Nothing,
    Zero.name: Zero,
    ChannelMean.name: ChannelMean,
    Linear.name: Linear,
    Silrtc.name: Silrtc,
    Halrtc.name: Halrtc,
    HalrtcChannel.name: HalrtcChannel,
    Fcp.name: Fcp,
    Altec.name: Altec,
    Caltec.name: Caltec,
    NavierStokes.name: NavierStokes,
    Telea.name: Telea,
}


def find_method(name: str, **options: Any) -> Method:
    """A method by its name, with its options; `altec=FILE` is ALTeC with the weights of a file.

    Raises:
        UsageError: there is no such method, it has no such option, lacks one, or one is of the wrong kind.
        FeatureError, OSError: the file holds no weights, or cannot be read.
    """
    name, equals, file = name.partition("=")
    if equals:
        options = {"weights": file} | options
    if name not in METHODS:
        raise UsageError(f"no concealment method {name}: {', '.join(METHODS)}")
    known = {field.name: field for field in fields(METHODS[name])}  # type: ignore[arg-type]
    for option in options:
        if option not in known:
            raise UsageError(f"{name} has no option {option}: {', '.join(known) or 'it has none'}")
    for option, field in known.items():
        if field.default is MISSING and option not in options:
            raise UsageError(f"{name} needs {option}")
    return METHODS[name](**options)
