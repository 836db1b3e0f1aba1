"""Informative: what was run, with what, for the head of a report."""

from __future__ import annotations

import json

from refsw.evaluation.anchors.checks import missing_of
from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.anchors.folder import Run
from refsw.evaluation.reports.cells import SCORE, bullets
from refsw.evaluation.reports.selection import DISTORTION, metric_name
from refsw.text import for_markdown

DIGEST = 64


def facts(run: Run) -> list[tuple[str, str]]:
    """Names and facts, in the order in which people ask for them."""
    environment = run.environment
    versions = ", ".join(f"{name} {_short(str(value))}" for name, value in run.identity.get("versions", {}).items())
    found = [
        ("Run", run.name),
        ("Records", state(run)),
        ("Conditions", f"{run.conditions.document.get('source', run.conditions.name)}; "
                       f"SHA-256 {run.conditions.digest[:16]}"),
        *(("Codec", f"{name}: {told}") for name, told in _used(run).items()),
        *(("Channel", told) for told in _channels(run)),
        ("Versions", versions),
        ("Machine", f"{environment.get('processor', 'unknown')}, {environment.get('system', 'unknown')}, "
                    f"Python {environment.get('python', 'unknown')}"),
    ]  # fmt: skip
    for test in run.conditions.tests:
        own = next((record for record in run.records if record["test"] == test.name), None)
        if own is not None:
            kept = {name: value for name, value in own["pristine"].items() if name not in (DISTORTION, test.quality)}
            pristine = ", ".join(f"{metric_name(name)} {SCORE.text(value)}" for name, value in kept.items())
            told = f"{own['items']} items in {own['bitstreams']} bitstreams a point"
            found.append((test.title, f"{told}; without coding: {pristine}" if pristine else told))
        found += [(f"Data of {test.name}", note) for note in run.notes.get(test.name, ())]
    found.append(("Rate", "bytes of the bitstreams / bytes of the features before coding; parameter sets included"))
    return found


def state(run: Run) -> str:
    """How much of the run is there; what is missing, by test."""
    missing = {test: counts for test, counts in missing_of(run).items() if counts[0]}
    if not missing:
        return f"{len(run.records)}, complete"
    wanted = sum(wanted for _, wanted in missing_of(run).values())
    absent = sum(absent for absent, _ in missing.values())
    tests = ", ".join(f"{absent} of {all_} of {test}" for test, (absent, all_) in missing.items())
    return f"PARTIAL: {absent} of {wanted} records are missing ({tests})"


def complete(run: Run) -> bool:
    """Whether every record is there."""
    return not any(absent for absent, _ in missing_of(run).values())


def configuration(codec: CodecChoice) -> str:
    """What a codec is: its preset and choices, or its commands, and what is swept."""
    if codec.picture and not codec.external:
        choices = ", ".join(f"{k} {v}" for k, v in codec.choices.items())
        told = f"pictures by {codec.picture}, {codec.arrange}" + (f", with {choices}" if choices else "")
    elif codec.external:
        told = f'encode "{codec.encode}", decode "{codec.decode}"'
    else:
        choices = ", ".join(f"{k} {v if isinstance(v, str) else json.dumps(v)}" for k, v in codec.choices.items())
        told = f"preset {codec.preset}" + (f" with {choices}" if choices else "")
    values = ", ".join(f"{value:g}" for value in codec.values if value is not None)
    return f"{told}; {codec.parameter} {values}" if codec.parameter else told


def _used(run: Run) -> dict[str, str]:
    """What codecs are, by name; one that is lost and repaired in many ways is there once."""
    names = dict.fromkeys(name for test in run.conditions.tests for name in test.codecs)
    own = [run.conditions.codecs[name].coding.name for name in names]
    return {name: configuration(run.conditions.codecs[name]) for name in own}


def _channels(run: Run) -> list[str]:
    """What loses packets, and how often that is drawn."""
    found = (codec.link for codec in run.conditions.codecs.values() if codec.link is not None)
    told = (f"{link.setting}; {link.realisations} realisations, seed {link.seed}" for link in found)
    return list(dict.fromkeys(told))


def _short(value: str) -> str:
    """A digest by its first digits, anything else in full."""
    is_digest = len(value) == DIGEST and all(c in "0123456789abcdef" for c in value)
    return value[:12] if is_digest else value


def as_markdown(run: Run) -> str:
    """The facts as a list."""
    return bullets(f"{for_markdown(name)}: {for_markdown(fact)}" for name, fact in facts(run))
