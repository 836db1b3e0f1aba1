"""Informative: which codecs of pictures there are, by the names that conditions have for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.picture_codecs import hevc, still
from refsw.evaluation.picture_codecs.base import PictureCodec, checked_options

HEVC = "hevc"
CODECS = (*still.FORMATS, HEVC)


def open_codec(kind: str, options: Mapping[str, Any]) -> PictureCodec:
    """A codec with its options.

    Raises:
        UsageError: there is no such codec or option, or no such value of it.
    """
    if kind == HEVC:
        return hevc.HevcPictures(checked_options(kind, hevc.OPTIONS, options))
    if kind not in still.FORMATS:
        raise UsageError(f"no codec {kind} of pictures: {', '.join(CODECS)}")
    form = still.FORMATS[kind]
    return still.StillCodec(form, checked_options(kind, form.options, options))
