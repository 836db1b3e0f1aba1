"""13.7.2, 13.7.3 What outcomes say together: which optional parts a decoder has, and what its rejections show.

A decoder that rejects everything rejects what it should; a rejection says something only of a decoder that decodes
what is like it. And nothing is skipped for want of a part that the decoder has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from refsw.conformance.outcomes import Result
from refsw.conformance.suite import Kind, Vector
from refsw.conformance.verdicts import Outcome

WITNESSES = 5
TAKEN = {Outcome.PASS, Outcome.MISMATCH, Outcome.ACCEPTED_INVALID}
SILENT = {Outcome.SKIPPED, Outcome.NOT_RUN, Outcome.HARNESS_ERROR}


def settle(results: Sequence[Result], witnesses: Sequence[Result] = ()) -> list[Result]:
    """The outcomes of a run, from those that its vectors have by themselves; the given ones stay as they are.

    Args:
        results: of the selected vectors.
        witnesses: of valid vectors that were run to see what rejections show.
    """
    told = _of_optional_parts([*results, *witnesses])
    shares = _shares(result for result in told if result.vector.kind is Kind.VALID)
    return [_proven(result, shares) for result in told[: len(results)]]


def witnesses_for(selected: Iterable[Vector], others: Iterable[Vector]) -> list[Vector]:
    """13.7.3 Valid vectors to run beside a selection that has none of a profile, the smallest first.

    Args:
        selected: the selected vectors.
        others: vectors that could be run too.
    """
    wanted: dict[tuple[str, bool], bool] = {}
    for vector in selected:
        kind = (vector.profile, vector.base is not None)
        wanted[kind] = wanted.get(kind, False) or vector.kind is Kind.VALID
    found: list[Vector] = []
    for kind in (kind for kind, there in wanted.items() if not there):
        like = [v for v in others if v.kind is Kind.VALID and (v.profile, v.base is not None) == kind]
        found += sorted((v for v in like if not v.optional), key=lambda v: (v.bytes, v.id))[:WITNESSES]
    return found


# --- 13.7.2 ---


def _of_optional_parts(results: Sequence[Result]) -> list[Result]:
    shown: dict[str, str] = {}
    lacking: set[str] = set()
    for result in results:
        for part in result.vector.optional:
            if result.exit_code == 0 and result.outcome in TAKEN:
                shown.setdefault(part, result.vector.id)
            elif result.outcome is Outcome.SKIPPED and result.vector.kind is Kind.VALID:
                lacking.add(part)
    return [_of_optional_part(result, shown, lacking - shown.keys()) for result in results]


def _of_optional_part(result: Result, shown: dict[str, str], lacking: set[str]) -> Result:
    parts = set(result.vector.optional)
    if result.outcome is Outcome.SKIPPED and parts <= shown.keys() and result.vector.kind is Kind.UNSUPPORTED:
        return replace(result, outcome=Outcome.PASS, reason="")
    if result.outcome is Outcome.SKIPPED and parts <= shown.keys():
        part = min(parts)
        outcome = Outcome.UNSUPPORTED if result.vector.kind is Kind.VALID else Outcome.WRONG_CLASS
        reason = f"ended with exit code {result.exit_code}, but the decoder has {part}: it decodes {shown[part]}"
        return replace(result, outcome=outcome, reason=reason)
    if result.outcome is Outcome.PASS and result.vector.kind is not Kind.VALID and parts & lacking:
        reason = f"rejected, by a decoder without {min(parts & lacking)}, which is optional"
        return replace(result, outcome=Outcome.SKIPPED, reason=reason)
    return result


# --- 13.7.3 ---


@dataclass
class _Share:
    """How many valid vectors with a trait have run, and how many of them were decoded."""

    run: int = 0
    decoded: int = 0

    @property
    def few(self) -> bool:
        """Whether fewer than half of them were decoded."""
        return 2 * self.decoded < self.run


def _shares(valid: Iterable[Result]) -> dict[str, _Share]:
    shares: dict[str, _Share] = {}
    for result in valid:
        if result.outcome not in SILENT:
            for trait in _traits(result.vector):
                share = shares.setdefault(trait, _Share())
                share.run += 1
                share.decoded += _decoded(result)
    return shares


def _proven(result: Result, shares: dict[str, _Share]) -> Result:
    if result.outcome is not Outcome.PASS or result.vector.kind is Kind.VALID:
        return result
    traits = list(_traits(result.vector))
    few = [trait for trait in traits if trait in shares and shares[trait].few]
    if few:
        worst = min(few, key=lambda trait: (shares[trait].decoded / shares[trait].run, -shares[trait].run))
        share = shares[worst]
        why = f"of {share.run} valid vectors with {worst} it decodes {share.decoded or 'none'}"
    elif not any(trait in shares for trait in traits[:2]):
        why = "no valid vector of its suite or profile was run"
    else:
        return result
    told = f"ended with exit code {result.exit_code}, which shows nothing: {why}"
    return replace(result, outcome=Outcome.UNPROVEN, reason=told)


def _decoded(result: Result) -> bool:
    """Whether a valid vector was decoded, to the right tensors or to others."""
    return result.vector.kind is Kind.VALID and result.outcome in TAKEN


def _traits(vector: Vector) -> Iterator[str]:
    """What a vector may have in common with others; suite and profile come first."""
    yield f"suite {vector.suite}"
    yield f"profile {vector.profile}"
    yield f"level {vector.level}"
    yield f"area {vector.area}"
    yield "a base model" if vector.base else "no base model"
    yield from vector.exercises
