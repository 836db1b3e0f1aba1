"""13.12.6 A run of an encoder: every selected input through it, twice."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from refsw.conformance.crosscheck import CrossChecker
from refsw.conformance.encoders import judge as judging
from refsw.conformance.encoders.asked import check_asked
from refsw.conformance.encoders.judge import Stream, Verdict, add_notes
from refsw.conformance.encoders.programs import AXES, JOBS, OPTIONS, EncoderSession, takes
from refsw.conformance.encoders.rates import rate_beside_presets
from refsw.conformance.encoders.results import EncoderPlan, EncoderResult
from refsw.conformance.encoders.suite import Claim, Input, InputKind, made
from refsw.conformance.engine import OnResult, judge_all, now
from refsw.conformance.files import remove_tree
from refsw.conformance.results import Report
from refsw.conformance.verdicts import EncoderOutcome
from refsw.errors import UsageError
from refsw.tensor.axes import Array

CODED = frozenset(EncoderOutcome) - {
    EncoderOutcome.REFUSED_VALID, EncoderOutcome.DECLINED, EncoderOutcome.SKIPPED, EncoderOutcome.CRASH,
    EncoderOutcome.TIMEOUT, EncoderOutcome.NO_STREAM, EncoderOutcome.LEFT_OUTPUT, EncoderOutcome.NOT_RUN,
    EncoderOutcome.HARNESS_ERROR, EncoderOutcome.UNPROVEN,
}  # fmt: skip


def run(
    plan: EncoderPlan, folder: Path, *, fresh: bool = False, on_result: OnResult | None = None
) -> Report[EncoderResult]:
    """Run a plan with its records in a folder, which has to be `locked`.

    Args:
        plan: what to run.
        folder: where an earlier run of the same plan is taken up, unless `fresh`.
        on_result: told of every new result, how many are done, and how many there are.

    Raises:
        UsageError: nothing is selected, or the folder holds the results of something else.
        KeyboardInterrupt: with the report so far as its argument; what was not reached is NOT_RUN in it.
    """
    inputs = plan.inputs
    if not inputs:
        raise UsageError("no input is selected: nothing to run")
    started, clock = now(), time.monotonic()
    found: dict[str, EncoderResult] = {}

    def report() -> Report[EncoderResult]:
        results = [
            found.get(case.id) or EncoderResult(case, EncoderOutcome.NOT_RUN, "the run was ended before")
            for case in inputs
        ]
        return Report(plan, settled(results, found), started, now(), time.monotonic() - clock)

    try:
        judge_all(
            [*inputs, *plan.twins], found, folder, key=plan.key(), jobs=plan.jobs,
            worker=lambda scratch: EncoderWorker(plan, scratch), read=EncoderResult.from_dict, fresh=fresh,
            on_result=on_result,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt(report()) from None
    return report()


def settled(results: Sequence[EncoderResult], found: Mapping[str, EncoderResult]) -> list[EncoderResult]:
    """13.12.4 A refusal that has to be shows nothing of an encoder that refuses what is like it as well."""
    for result in results:
        twin = found.get(result.case.twin or "")
        refused = result.outcome is EncoderOutcome.PASS and result.stream is None
        if refused and (twin is None or twin.outcome not in CODED):
            outcome = EncoderOutcome.NOT_RUN if twin is None else twin.outcome
            why = f"it refuses {result.case.twin} as well, which can be coded ({outcome})"
            declined = outcome in (EncoderOutcome.DECLINED, EncoderOutcome.SKIPPED)
            result.outcome = outcome if declined else EncoderOutcome.UNPROVEN
            result.reason = why if declined else f"the refusal shows nothing: {why}"
    return list(results)


class EncoderWorker:
    """An encoder under test, and the decoders that have to agree on what it makes."""

    def __init__(self, plan: EncoderPlan, scratch: Path) -> None:
        self.plan, self.scratch = plan, scratch
        self.session = EncoderSession(plan.encoder, scratch / "encoder")
        self.checker: CrossChecker | None = None

    def start(self) -> None:
        """See that the encoder starts."""
        self.session.start(self.plan.limits)

    def close(self) -> None:
        """End all of them."""
        self.session.close()
        if self.checker is not None:
            self.checker.__exit__(None, None, None)

    def judge(self, case: Input) -> EncoderResult:
        """Code one input, twice, and judge what comes of it."""
        result = EncoderResult(case, EncoderOutcome.PASS)
        if case.claim not in self.plan.claims:
            return Verdict(EncoderOutcome.SKIPPED, f"the encoder does not claim {case.claim}").put_into(result)
        needs_axes = case.claim is not Claim.MODELS and not case.usual_axes
        if self.plan.encoder.kind == "command" and needs_axes and not self._told_axes(case):
            why = "the command has neither {options} nor {axes}: it would not know the axes"
            return Verdict(EncoderOutcome.SKIPPED, why).put_into(result)
        try:
            self._judge(case, result)
        except Verdict as verdict:
            verdict.put_into(result)
        except OSError as error:
            told = f"{error.filename or case.id}: {error.strerror or error}"
            Verdict(EncoderOutcome.HARNESS_ERROR, told).put_into(result)
        except UsageError as error:
            Verdict(EncoderOutcome.HARNESS_ERROR, str(error)).put_into(result)
        except MemoryError:
            Verdict(EncoderOutcome.HARNESS_ERROR, "the runner is out of memory").put_into(result)
        return result

    def _told_axes(self, case: Input) -> bool:
        encoder = self.plan.encoder
        if encoder.kind != "command":
            return True
        return takes(encoder, None, OPTIONS) or (takes(encoder, None, AXES) and bool(case.common_axes))

    def _judge(self, case: Input, result: EncoderResult) -> None:
        tensors = made(case)
        base, size = tensors.base, 0
        rules: list[str] = []
        for number, given in enumerate(tensors.steps):
            stream = self._step(case, result, given, base)
            if stream is None:
                if number:
                    raise Verdict(EncoderOutcome.REFUSED_VALID, f"it refuses version {number + 1} of the chain")
                return
            size += len(stream.data)
            base = stream.model
            rules += [rule for rule in stream.comparison.rules if rule not in rules]
        assert result.stream is not None
        result.stream |= {"bytes": size, "rules": rules}

    def _step(
        self, case: Input, result: EncoderResult, given: Mapping[str, Array], base: Mapping[str, Array] | None
    ) -> Stream | None:
        data, jobs_taken = self._encode(case, result, given, base)
        if data is None:
            return None
        judging.check_requirements(data, base)
        path = judging.base_file(self.scratch / "decoders", base)
        if self.checker is None:
            self.checker = CrossChecker(self.plan.decoders)
        decoders = judging.check_decoders(result, data, self.checker, path)
        check_asked(data, case.asks)
        stream = judging.compare(case, data, given, base, told_axes=self._told_axes(case))
        add_notes(result, stream.comparison.notes)
        judging.same_again(data, self._encode(case, result, given, base)[0], "a second run")
        if case.jobs and jobs_taken:
            judging.same_again(data, self._encode(case, result, given, base, jobs=2)[0], "a run with 2 jobs")
        raw = sum(array.nbytes for array in given.values())
        result.stream = judging.described(stream, base, raw, decoders)
        add_notes(result, result.stream.pop("notes"))
        if case.rate and self.plan.rates and not base:
            result.stream["rate"] = rate_beside_presets(case, given, len(data), stream.comparison.mse)
        return stream

    def _encode(
        self, case: Input, result: EncoderResult, given: Mapping[str, Array], base: Mapping[str, Array] | None, *,
        jobs: int = 1,
    ) -> tuple[bytes | None, bool]:  # fmt: skip
        """A bitstream, or None for a refusal as it has to be; and whether the encoder is told of jobs."""
        plan = self.plan
        run = self.session.encode(case, given, base, plan.limits, jobs=jobs, choices=plan.choices)
        judging.note_run(result, run)
        if case.claim is Claim.MODELS and not run.error and not self._takes_base(run):
            raise Verdict(EncoderOutcome.SKIPPED, "the encoder does not say that it takes a base model")
        data = judging.stream_of(case, run, self.session.output)
        if data is None:
            verdict = judging.refusal(case, run)
            if verdict is not None:
                raise verdict
        elif case.kind is InputKind.EXACT and not data:
            raise Verdict(EncoderOutcome.NO_STREAM, "an empty output")
        remove_tree(self.session.output)
        return data, takes(plan.encoder, run, JOBS)

    def _takes_base(self, run: object) -> bool:
        encoder = self.plan.encoder
        return encoder.kind == "command" or takes(encoder, run, "{base}")  # type: ignore[arg-type]
