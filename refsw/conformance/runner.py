"""13.9 A run of a decoder: every selected vector through it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from refsw.conformance.decoders import DecoderSession, takes_model, takes_sdp
from refsw.conformance.digests import without_digests
from refsw.conformance.engine import OnResult, judge_all, now
from refsw.conformance.files import MOST_BASE, check_published, inside, published_bytes
from refsw.conformance.outcomes import Result, expected_bytes, judge, look_again, look_at_rejected
from refsw.conformance.programs import ProgramUnderTest, takes_base
from refsw.conformance.proof import settle
from refsw.conformance.results import Plan, Report
from refsw.conformance.suite import Suite, Vector
from refsw.conformance.verdicts import Outcome
from refsw.errors import DfcError, UsageError


def run(plan: Plan, folder: Path, *, fresh: bool = False, on_result: OnResult | None = None) -> Report[Result]:
    """Run a plan with its records in a folder, which has to be `locked`.

    Args:
        plan: what to run.
        folder: where an earlier run of the same plan is taken up, unless `fresh`.
        on_result: told of every new result, how many are done, and how many there are.

    Raises:
        UsageError: nothing is selected, there are no vectors, or the folder holds the results of something else.
        KeyboardInterrupt: with the report so far as its argument; what was not reached is NOT_RUN in it.
    """
    vectors = plan.vectors
    if not vectors:
        raise UsageError("no vector is selected: nothing to run")
    for suite in plan.suites:
        if suite.folder is None:
            raise UsageError(f"{suite.path}: no folder test_vectors beside it or above it; --vectors names it")
    _check_base([vector for _, vector in vectors], plan.decoder)
    started, clock = now(), time.monotonic()
    found: dict[str, Result] = {}
    witnesses = plan.witnesses
    places = {vector.id: suite for suite, vector in [*vectors, *witnesses]}

    def report() -> Report[Result]:
        results = [found.get(v.id) or Result(v, Outcome.NOT_RUN, "the run was ended before") for _, v in vectors]
        beside = [found[v.id] for _, v in witnesses if v.id in found]
        return Report(plan, settle(results, beside), started, now(), time.monotonic() - clock)

    try:
        judge_all(
            [vector for _, vector in [*vectors, *witnesses]], found, folder, key=plan.key(), jobs=plan.jobs,
            worker=lambda scratch: DecoderWorker(plan, places, scratch), read=Result.from_dict, fresh=fresh,
            on_result=on_result,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt(report()) from None
    return report()


class DecoderWorker:
    """A decoder under test, and the vectors of its suites."""

    def __init__(self, plan: Plan, places: Mapping[str, Suite], scratch: Path) -> None:
        self.plan, self.places = plan, places
        self.session = DecoderSession(plan.decoder, scratch)

    def start(self) -> None:
        """See that the decoder starts."""
        self.session.start(self.plan.limits)

    def judge(self, case: Vector) -> Result:
        """One vector, decoded and judged."""
        return run_vector(self.places[case.id], case, self.session, self.plan)

    def close(self) -> None:
        """End the decoder."""
        self.session.close()


def _check_base(vectors: Sequence[Vector], decoder: ProgramUnderTest) -> None:
    """13.6.2 A decoder that is not given the base models would reject every model update, the right ones as well."""
    needing = [vector.id for vector in vectors if vector.base is not None]
    if needing and not takes_base(decoder):
        command = decoder.kind == "command"
        how = "has no {base} in its command" if command else "takes no second argument, the path of the base"
        remedy = "add {base} to the command" if command else "give the function a second argument"
        raise UsageError(
            f"decoder {decoder.name}: it {how}, and {len(needing)} of the selected vectors ({needing[0]}, ...) need "
            f"their base model; without it, to reject them would show nothing. Either {remedy}, or select other "
            "profiles with --profile"
        )


def run_vector(suite: Suite, vector: Vector, session: DecoderSession, plan: Plan) -> Result:
    """One vector: its files checked, decoded, judged."""
    assert suite.folder is not None
    try:
        data = published_bytes(inside(suite.folder, vector.file), vector.sha256, vector.bytes)
        base = None
        if vector.base is not None:
            base = inside(suite.folder, vector.base.file)
            check_published(base, vector.base.sha256, MOST_BASE)
        if vector.model is not None and not takes_model(plan.decoder):
            return Result(vector, Outcome.SKIPPED, "the command has no {model}: the decoder is told of no model")
        sdp = None
        if vector.session is not None:
            sdp = inside(suite.folder, vector.session.file)
            check_published(sdp, vector.session.sha256, MOST_BASE)
            if not takes_sdp(plan.decoder):
                return Result(vector, Outcome.SKIPPED, "the command has no {sdp}: the decoder takes no captures")
        run = session.decode(
            data, plan.limits, expected_bytes=expected_bytes(vector), base=base, model=vector.model or "", sdp=sdp
        )
        if sdp is not None and plan.decoder.kind == "process" and not (run.ready.get("sdp") is True or run.error):
            return Result(vector, Outcome.SKIPPED, "the process does not say that it takes captures")
        if (
            vector.model is not None
            and plan.decoder.kind == "process"
            and not (run.ready.get("model") is True or run.error)
        ):
            return Result(vector, Outcome.SKIPPED, "the process does not say that it takes a model")
        result = judge(vector, data, run, session.output, base, strict_errors=plan.strict_errors)
        looked = sdp is not None or result.outcome is not Outcome.REJECTED_VALID
        if not looked and not look_at_rejected(result, data, session.folder, base):
            _without_digests(result, data, session, plan)
        return result
    except OSError as error:
        return Result(vector, Outcome.HARNESS_ERROR, f"{error.filename or vector.file}: {error.strerror or error}")
    except UsageError as error:
        return Result(vector, Outcome.HARNESS_ERROR, str(error))
    except MemoryError:
        return Result(vector, Outcome.HARNESS_ERROR, "the runner is out of memory")


def _without_digests(result: Result, data: bytes, session: DecoderSession, plan: Plan) -> None:
    """13.8.2 A decoder that checks digests rejects what it decodes wrongly: it decodes a copy that has none."""
    try:
        copy = without_digests(data)
    except DfcError:
        return  # not valid here: no vector of this version
    if copy is not None:
        vector = result.vector
        run = session.decode(copy, plan.limits, expected_bytes=expected_bytes(vector))
        look_again(result, judge(vector, data, run, session.output))
