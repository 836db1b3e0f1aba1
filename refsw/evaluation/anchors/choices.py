"""Informative: one codec of common test conditions: of features or of pictures, and what its bytes depend on."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors.links import Link
from refsw.evaluation.inputs import INPUTS
from refsw.evaluation.picture_codecs.base import PictureCodec
from refsw.evaluation.picture_codecs.external import ExternalPictures
from refsw.evaluation.picture_codecs.groups import APART
from refsw.evaluation.picture_codecs.registry import open_codec
from refsw.features.config import EncoderConfig
from refsw.payload.commands import VALUE, words_of


@dataclass(frozen=True, slots=True)
class CodecChoice:
    """One codec of the conditions.

    Args:
        name, title: as tables show it.
        preset, choices: a configuration of refsw (`EncoderConfig.preset`); or
        encode, decode: commands of an external codec (`refsw.evaluation.anchors.codecs`).
        picture: of a codec of pictures, which codec, or the files that its commands take (`picture_codecs`).
        arrange: how the items of a group share a bitstream: pictures as `picture_codecs.groups` has it; features are
            samples of their own (apart), or their channels those of one sample, whose pictures they share (mosaic).
        parameter: what is swept; "" where nothing is, as with a lossless codec.
        values: of the parameter, in the order of the tables; (None,) where nothing is swept.
        link: where packets are lost between coding and decoding, what with; the loss rate is what is swept then.
    """

    name: str
    title: str = ""
    preset: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)
    encode: str = ""
    decode: str = ""
    parameter: str = ""
    values: tuple[float | int | None, ...] = (None,)
    link: Link | None = None
    picture: str = ""
    arrange: str = APART

    @property
    def coding(self) -> CodecChoice:
        """The codec alone, without losses: what is coded, at the one point at which it is."""
        if self.link is None:
            return self
        own = {"name": self.link.codec, "parameter": self.link.parameter, "values": (self.link.value,), "link": None}
        return replace(self, **own)  # type: ignore[arg-type]

    @property
    def external(self) -> bool:
        """Whether the codec is run by command."""
        return bool(self.encode)

    def config(self, value: float | None) -> EncoderConfig:
        """The configuration of refsw at a value of the parameter.

        Raises:
            UsageError: choices that do not exist or do not go together.
        """
        changes = {k: tuple(v) if isinstance(v, list) else v for k, v in self.choices.items()}
        if self.parameter:
            changes[self.parameter] = value
        own = EncoderConfig.preset(self.preset)
        for name, given in changes.items():
            default = getattr(own, name, getattr(own.settings, name, None))
            if type(default) is int and isinstance(given, float) and not given.is_integer():
                raise UsageError(f"{name} {given:g}: a whole number")
            changes[name] = int(given) if type(default) is int and isinstance(given, float) else given
        try:
            return EncoderConfig.preset(self.preset, **changes)
        except TypeError as error:
            raise UsageError(f"codec {self.name}: a choice of the wrong type: {error}") from error

    def picture_codec(self, value: float | None) -> PictureCodec:
        """The codec of pictures at a value of the parameter.

        Raises:
            UsageError: options that do not exist, or values that they do not take.
        """
        swept = {self.parameter: value} if self.parameter else {}
        if self.external:
            fields = {name: str(given) for name, given in swept.items()}
            fields |= {VALUE: str(value)} if swept else {}
            return ExternalPictures(self.picture, self.encode, self.decode, fields)
        return open_codec(self.picture, {**self.choices, **swept})

    def as_dict(self) -> dict[str, Any]:
        """What the bytes of bitstreams depend on, as JSON types; of commands the words, wherever their files lie."""
        if self.link is not None:
            return self.coding.as_dict() | {"link": self.link.as_dict()}
        if self.picture:
            own = replace(self, picture="").as_dict() if self.external else {"parameter": self.parameter}
            return own | {"picture": self.picture, "arrange": self.arrange, "choices": dict(self.choices)}
        if self.external:
            commands = {"encode": without_folders(self.encode), "decode": without_folders(self.decode)}
            return commands | {"parameter": self.parameter}
        choices = dict(self.choices)
        if isinstance(choices.get("command"), str):
            choices["command"] = without_folders(choices["command"])
        own = {"preset": self.preset, "choices": choices, "parameter": self.parameter}
        return own if self.arrange == APART else own | {"arrange": self.arrange}


def takers(codecs: Iterable[CodecChoice], layer: str) -> list[CodecChoice]:
    """Those of the codecs of a test that code a layer: codecs of pictures the input, the others features.

    A test without codecs of pictures may have a cut of the network that is called `input`.
    """
    known = list(codecs)
    pictures = [codec for codec in known if codec.picture]
    return pictures if pictures and layer in INPUTS else [codec for codec in known if not codec.picture]


def without_folders(template: str) -> str:
    """A command whose words name files without the folders in which they lie."""
    words = []
    for word in words_of(template):
        key, equals, value = word.partition("=")
        place, start = (value, f"{key}=") if equals else (word, "")
        words.append(start + PurePath(place).name if place.startswith(("/", "./", "../", "~/")) else word)
    return shlex.join(words)
