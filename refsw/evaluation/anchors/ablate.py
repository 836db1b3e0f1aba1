"""Informative: what each choice of a preset brings: alone switched off, and alone switched on, in one run.

A choice is whatever the preset has otherwise than a base. `preset-without-NAME` is the preset with that one choice as
the base has it, against the preset; `base-with-NAME` the base with that one choice as the preset has it, against it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors.compare import Comparison, Rules, compare
from refsw.evaluation.anchors.conditions import Conditions, parse_conditions
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.bdrate import NonMonotone
from refsw.features.config import NAMED_CHOICES, EncoderConfig

OFF, ON = "off", "on"


@dataclass(frozen=True, slots=True)
class Variant:
    """A codec of an ablation: `choice` of the preset switched `off`, or of the base switched `on`."""

    codec: str
    against: str
    choice: str
    switched: str
    before: str
    after: str


def differing(preset: str, base: str) -> dict[str, tuple[Any, Any]]:
    """Choices that a preset has otherwise than a base, by name: of the preset, and of the base, as JSON types.

    Raises:
        UsageError: there is no such preset.
    """
    configs = [EncoderConfig.preset(name) for name in (preset, base)]
    found = {}
    for name in (*_names(configs[0], without="settings"), *_names(configs[0].settings)):
        own, other = (getattr(c, name, None) if hasattr(c, name) else getattr(c.settings, name) for c in configs)
        if own != other:
            found[name] = (_plain(name, own), _plain(name, other))
    return found


def _names(config: Any, without: str = "") -> Iterator[str]:
    return (field.name for field in dataclasses.fields(config) if field.name != without)


def _plain(name: str, value: Any) -> Any:
    for word, code in NAMED_CHOICES.get(name, {}).items():
        if code == value:
            return word
    return list(value) if isinstance(value, tuple) else value


def ablated(conditions: Conditions, preset: str, base: str) -> tuple[Conditions, list[Variant], list[str]]:
    """The same tests with the preset, the base, and a codec for each choice alone switched off and on.

    Returns:
        The conditions; what each of their codecs is; and why variants are left out that no encoder takes.

    Raises:
        UsageError: the two presets are the same, or no codec of the conditions sweeps a parameter.
    """
    choices = differing(preset, base)
    if not choices:
        raise UsageError(f"preset {preset} has no choice otherwise than {base}")
    swept = [c for c in conditions.codecs.values() if c.parameter and not c.picture and c.link is None]
    if not swept:
        raise UsageError(f"{conditions.name}: no codec of features sweeps a parameter")
    sweep = {swept[0].parameter: list(swept[0].values)}
    codecs: dict[str, Any] = {name: {"preset": name, "sweep": sweep} for name in (preset, base)}
    variants, reasons = [], []
    for name, (own, other) in choices.items():
        for start, switched, value, was in ((preset, OFF, other, own), (base, ON, own, other)):
            codec = f"{start}-{'without' if switched == OFF else 'with'}-{name}"
            try:
                _check(conditions, {codec: {"preset": start, "choices": {name: value}, "sweep": sweep}})
            except UsageError as error:
                reasons.append(f"{codec}: {error}")
                continue
            codecs[codec] = {"preset": start, "choices": {name: value}, "sweep": sweep}
            variants.append(Variant(codec, start, name, switched, str(was), str(value)))
    return _check(conditions, codecs), variants, reasons


def _check(conditions: Conditions, codecs: Mapping[str, Any]) -> Conditions:
    pictures = {"input", "input-resized"}
    tests = [
        {k: v for k, v in test.items() if k not in ("codecs", "channel")}
        | {"layers": [layer for layer in test["layers"] if layer not in pictures]}
        for test in conditions.document["tests"]
    ]
    document = {k: v for k, v in conditions.document.items() if k != "published"}
    return parse_conditions(document | {"codecs": dict(codecs), "tests": tests}, conditions.name)


def compared(run: Run, variants: list[Variant]) -> list[tuple[Variant, Comparison]]:
    """Each variant against what it is a variant of."""
    rules = Rules(non_monotone=NonMonotone.PARETO)
    return [
        (one, compare(run, run, dataclasses.replace(rules, anchor_codec=one.against, proposal_codec=one.codec)))
        for one in variants
    ]
