"""9.4.1, 9.4.2 The pictures and levels of a bitstream, as tensors of their own (13.8.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from refsw.features.assembly import OpenSample
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent, all_levels, decode_pictures, elements_of, levels_of
from refsw.files import Bitstream, opened
from refsw.payload.base import DecoderSettings
from refsw.syntax.codes import AxisRole, Profile, Quantizer
from refsw.tensor.axes import Array, Axes, element_type_of

PICTURES, LEVELS = "pictures", "levels"
KINDS = (LEVELS, PICTURES)


def dump(data: Bitstream, kinds: Collection[str], hevc_decoder: str | None = None) -> Iterator[tuple[str, Array]]:
    """Every picture (height, width) and every sample's levels (C, H, W), in order, as 13.8.2 names them.

    Args:
        data: a bitstream of features.
        kinds: of `KINDS`; tensors without a quantizer have no levels.
        hevc_decoder: command of an external HEVC decoder (8.4.7).

    Raises:
        DfcError: the bitstream does not conform, or is unsupported; digests are not compared.
    """
    settings = DecoderSettings(hevc_decoder)
    with opened(data) as stream:
        reader = BitstreamReader(stream)
        open_samples: dict[int, OpenSample] = {}
        for content in reader:
            if not isinstance(content, UnitContent):
                continue
            pictures = decode_pictures(content, reader.header.profile, settings)
            name = content.tensor.name
            if PICTURES in kinds:
                yield from ((f"{name}@{PICTURES}", picture) for picture in pictures)
            if LEVELS in kinds and content.tensor.quantizer is not Quantizer.NONE:
                yield from ((f"{name}@{LEVELS}", levels) for levels in _levels(content, pictures, open_samples))


def _levels(content: UnitContent, pictures: Array, open_samples: dict[int, OpenSample]) -> Iterator[Array]:
    p = content.tensor
    for levels, limits in zip(levels_of(content, pictures), content.ranges, strict=True):
        if content.part is None:
            yield all_levels(p, levels)
            continue
        sample = open_samples.setdefault(p.id, OpenSample(p, content.first_sample, keep_levels=True))
        sample.add(content, levels, elements_of(content.parameters, levels, limits))
        if sample.complete:
            yield open_samples.pop(p.id).levels


def described(p: Parameters, kind: str) -> Parameters:
    """What a file of tensors has to know of the pictures or levels of a tensor."""
    form = p.picture_format(Profile.INTRA)  # whichever: size and number format are the same in all
    axes = Axes((AxisRole.N, AxisRole.H, AxisRole.W), (1, form.height, form.width))
    if kind == LEVELS:
        axes = Axes((AxisRole.N, AxisRole.C, AxisRole.H, AxisRole.W), (1, *p.axes.canonical_shape))
    return replace(p, axes=axes, element_type=element_type_of(form.dtype))
