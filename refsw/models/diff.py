"""Informative: from models to a bitstream of updates."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from refsw.errors import FeatureError, UsageError
from refsw.models.config import DiffConfig, make_step
from refsw.models.encoder import EncodedUpdate, UpdateEncoder
from refsw.models.state import Model, model_of
from refsw.models.texts import metadata_unit, text_units
from refsw.profiles import LEVELS
from refsw.syntax.codes import Level, Profile, UnitType, ValueQuantizer
from refsw.syntax.model_structures import MODEL_DATA
from refsw.syntax.structure import Edition
from refsw.syntax.structures import END_OF_BITSTREAM
from refsw.syntax.units import pack_body, pack_header, pack_unit


def encode_models(
    models: Sequence[Model | None], config: DiffConfig
) -> Iterator[tuple[EncodedUpdate, tuple[str, str]]]:
    """The updates of a chain, closed loop: each from what the decoder has, not from what was trained."""
    have = models[0]
    for number, target in enumerate(models[1:]):
        assert target is not None
        names = [*config.versions, *[""] * (len(models) - len(config.versions))]
        versions = ("" if have is None else names[number], names[number + 1])
        update = UpdateEncoder(have, target, config, keep=number + 2 < len(models)).encode(versions)
        have = update.result
        yield update, versions


def assemble(updates: Sequence[EncodedUpdate], metadata: Mapping[str, str]) -> bytes:
    """A bitstream of updates, of the earliest profile and at the lowest level that it fits."""
    profile = _profile(updates)
    edition, parts = Edition.of(profile), []
    if metadata:
        parts.append(metadata_unit([(key.encode(), text.encode()) for key, text in metadata.items()]))
    texts = [text_units(update.texts) for update in updates]
    for update, own in zip(updates, texts, strict=True):
        parts += own
        parts.append(pack_unit(UnitType.MODEL_HEADER, update.header))
        parts += [
            pack_unit(UnitType.MODEL_DATA, pack_body(MODEL_DATA, values, edition=edition)) for values in update.data
        ]
    header = pack_header(profile, _level(updates, max(map(len, parts))))
    chain = zlib.crc32(b"".join([header[-4:], *[part[-4:] for part in parts]]))
    end = pack_body(END_OF_BITSTREAM, {"tensor_count": 0, "sample_count": [], "bitstream_crc": chain})
    return b"".join([header, *parts, pack_unit(UnitType.END_OF_BITSTREAM, end)])


def _profile(updates: Sequence[EncodedUpdate]) -> Profile:
    """MODEL, unless something needs MODEL_EXTENDED."""
    levels = any(unit.get("value_quantizer", 0) != ValueQuantizer.PLAIN for update in updates for unit in update.data)
    return Profile.MODEL_EXTENDED if levels or any(update.extended for update in updates) else Profile.MODEL


def _level(updates: Sequence[EncodedUpdate], largest: int) -> Level:
    """The lowest level whose limits hold all updates, and their largest unit."""
    for level, limits in LEVELS.items():
        if all(
            u.entries <= limits.model_tensors
            and sum(kind.elements for kind in u.types) <= limits.model_elements
            and u.largest_unit <= limits.model_unit_elements
            and largest <= limits.unit_bytes
            for u in updates
        ):
            return level
    raise FeatureError("the models are beyond the limits of the highest level (spec 11.3)")


def diff_models(
    base: Any,
    *targets: Any,
    digits: int = 4,
    step: int = 1,
    config: DiffConfig | None = None,
    **options: Any,
) -> bytes:
    """A bitstream of model updates.

    Args:
        base: numpy arrays or PyTorch tensors by name, or a PyTorch module: the model that receivers have; None for a
            full model. What torch.compile puts into names (`_orig_mod`) is left out.
        targets: the versions that follow, in order; receivers of any of them apply what follows theirs.
        digits, step: the quantization step is step x 10^-digits, step being 1, 2 or 5.
        config: everything else, or fields of `DiffConfig` as keywords.

    Returns:
        The bitstream. What a decoder will have is `apply_update(base, bitstream)`, not quite the last target.

    Raises:
        FeatureError: a tensor that cannot be coded; the message names it.
        UsageError: options that do not exist or do not go together.
    """
    if not targets:
        raise UsageError("no target: which model shall the receiver have?")
    if config is None:
        config = DiffConfig(step=make_step(digits, step), **options)
    models = [None if base is None else model_of(base), *map(model_of, targets)]
    return assemble([update for update, _ in encode_models(models, config)], config.metadata)
