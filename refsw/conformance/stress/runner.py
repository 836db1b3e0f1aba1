"""13.13 A run of the stress class: every case through the decoder, held against its limits."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refsw.conformance.decoders import SDP, SOURCE, DecoderSession, takes_sdp
from refsw.conformance.engine import OnResult, judge_all, now
from refsw.conformance.guard import folder_bytes
from refsw.conformance.outcomes import Result, judge
from refsw.conformance.programs import Limits, ProgramUnderTest
from refsw.conformance.results import Report
from refsw.conformance.sessions import Run
from refsw.conformance.stress import cases as stress
from refsw.conformance.stress.cases import MIB, SHORT, Area, Case
from refsw.conformance.stress.feeding import Feeder
from refsw.conformance.stress.streams import Stream, one_sample
from refsw.conformance.suite import Selection, digest_of
from refsw.conformance.verdicts import DECODERS, Outcome, Subject
from refsw.errors import RefswError, UsageError
from refsw.syntax.codes import Profile
from refsw.text import sentence

PARDON = 1.0
"""Seconds that say nothing."""
BEFORE_THE_END = 13
"""Where the sample for random access is."""


@dataclass(frozen=True)
class StressPlan:
    """What to run, and how.

    Args:
        decoder: what to run.
        access: the same for random access, where it is another command; None if it has none.
        selection: which cases.
        slow: limits of time are so many times those of 13.13.
        jobs: cases at the same time; they then share the processors.
    """

    decoder: ProgramUnderTest
    access: ProgramUnderTest | None = None
    selection: Selection = field(default_factory=Selection)
    slow: float = 1.0
    jobs: int = 1

    @property
    def cases(self) -> list[Case]:
        """The selected ones."""
        return stress.selected(self.selection)

    @property
    def subject(self) -> Subject:
        """What is tested."""
        return DECODERS

    def limits(self, case: Case) -> Limits:
        """Of a run."""
        return Limits(case.seconds * self.slow, case.memory_bytes)

    def key(self) -> dict[str, Any]:
        """What results depend on."""
        return {
            "decoder": self.decoder.identity,
            "access": self.access.identity if self.access else None,
            "slow": self.slow,
            "suite": self._digest(),
        }

    def _digest(self) -> str:
        return digest_of([case.entry for case in stress.all_cases()])

    def described(self) -> dict[str, Any]:
        """What was run and how, as results.json has it: the limits are those of the largest case."""
        every = [self.limits(case) for case in stress.all_cases()]
        largest = Limits(max(one.seconds for one in every), max(one.memory_bytes for one in every))
        suite = {"suite": stress.SUITE, "version": stress.VERSION, "specification": stress.SPECIFICATION,
                 "title": stress.TITLE, "sha256": self._digest()}  # fmt: skip
        return {
            "decoder": self.decoder.as_dict(), "suites": [suite], "selection": self.selection.as_dict(),
            "strict_errors": False, "limits": largest.as_dict(),
        }  # fmt: skip


def run(plan: StressPlan, folder: Path, *, fresh: bool = False, on_result: OnResult | None = None) -> Report[Result]:
    """Run a plan with its records in a folder, which has to be `locked`.

    Raises:
        UsageError: nothing is selected, or the folder holds the results of something else.
        KeyboardInterrupt: with the report so far as its argument; what was not reached is NOT_RUN in it.
    """
    chosen = plan.cases
    if not chosen:
        raise UsageError("no case is selected: nothing to run")
    started, clock = now(), time.monotonic()
    found: dict[str, Result] = {}

    def report() -> Report[Result]:
        results = [found.get(c.id) or Result(c.vector, Outcome.NOT_RUN, "the run was ended before") for c in chosen]
        return Report(plan, results, started, now(), time.monotonic() - clock)

    try:
        judge_all(
            chosen, found, folder, key=plan.key(), jobs=plan.jobs, worker=lambda scratch: StressWorker(plan, scratch),
            read=lambda case, fields: Result.from_dict(case.vector, fields), fresh=fresh, on_result=on_result,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt(report()) from None
    return report()


class StressSession(DecoderSession):
    """A decoder that may be fed through a pipe, and asked for one sample."""

    def decode_fed(self, case: Case, stream: Stream, limits: Limits) -> tuple[Run, Feeder]:
        """Decode a stream that comes through a named pipe."""
        self.prepare()
        feeder = Feeder(
            self.scratch / SOURCE, stream.data, case.waits(stream), lambda: folder_bytes(str(self.output))
        )  # fmt: skip
        names, question = self.asked()
        with feeder:
            run = self.run({}, names, question, limits, _output(stream, limits))
        return run, feeder

    def decode_sample(self, data: bytes, stream: Stream, sample: int, limits: Limits) -> Run:
        """Decode one sample of a file."""
        self.prepare()
        names, question = self.asked(sample=sample)
        return self.run({SOURCE: data}, names, question, limits, len(data) + _output(stream, limits))


def _output(stream: Stream, limits: Limits) -> int:
    return limits.output_bytes + 2 * stream.expected_bytes


class StressWorker:
    """A decoder under test."""

    def __init__(self, plan: StressPlan, scratch: Path) -> None:
        self.plan, self.scratch = plan, scratch
        self.session = StressSession(plan.decoder, scratch / "decoder")
        self.access = StressSession(plan.access, scratch / "access") if plan.access else None

    def start(self) -> None:
        """See that the decoder starts."""
        self.session.start(Limits())
        if self.access is not None:
            self.access.start(Limits())

    def close(self) -> None:
        """End all of them."""
        self.session.close()
        if self.access is not None:
            self.access.close()

    def judge(self, case: Case) -> Result:
        """One case."""
        try:
            return self._judge(case, case.make(), self.plan.limits(case))
        except OSError as error:
            return Result(case.vector, Outcome.HARNESS_ERROR, f"{error.filename or case.id}: {error.strerror or error}")
        except RefswError as error:
            return Result(case.vector, Outcome.HARNESS_ERROR, sentence(str(error)))
        except MemoryError:
            return Result(case.vector, Outcome.HARNESS_ERROR, "the runner is out of memory")

    def _judge(self, case: Case, stream: Stream, limits: Limits) -> Result:
        if case.area in (Area.PIPE, Area.LIVE):
            return self._fed(case, stream, limits)
        if case.area is Area.ACCESS:
            return self._sample(case, stream, limits)
        if case.area is Area.MEMORY:
            return self._long(case, stream, limits)
        return self._whole(case, stream, limits)

    def _whole(self, case: Case, stream: Stream, limits: Limits) -> Result:
        """Decode a file."""
        sdp = None
        if stream.sdp is not None:
            if not takes_sdp(self.plan.decoder):
                return Result(case.vector, Outcome.SKIPPED, f"the command has no {SDP}: the decoder takes no captures")
            sdp = self.scratch / "session.sdp"
            sdp.write_text(stream.sdp)
        run = self.session.decode(stream.data, limits, expected_bytes=stream.expected_bytes, sdp=sdp)
        if sdp is not None and self._lacks(run, "sdp"):
            return Result(case.vector, Outcome.SKIPPED, "the process does not say that it takes captures")
        return self._result(case, stream, run, self.session)

    def _result(self, case: Case, stream: Stream, run: Run, session: StressSession) -> Result:
        result = judge(case.told(stream.expected), stream.data, run, session.output)
        result.notes.append(f"peak of memory {run.peak_bytes // MIB} MiB")
        return result

    def _lacks(self, run: Run, what: str) -> bool:
        """Whether a process has not said that it takes something."""
        return self.plan.decoder.kind == "process" and not (run.ready.get(what) is True or run.error)

    def _long(self, case: Case, stream: Stream, limits: Limits) -> Result:
        """13.13.2 What a long stream takes beyond a short one."""
        assert case.short is not None
        short = self._whole(case, case.short(), limits)
        if short.outcome is not Outcome.PASS:
            short.reason = f"of {SHORT} samples: {short.reason}"
            return short
        result = self._whole(case, stream, limits)
        growth = result.peak_bytes - short.peak_bytes
        if result.outcome is Outcome.PASS:
            told = (
                f"{stress.LONG} samples take {max(0, growth) // MIB} MiB more than {SHORT}, which take "
                f"{short.peak_bytes // MIB} MiB"
            )
            result.notes.append(told)
            if growth > stress.GROWTH:
                result.outcome, result.reason = Outcome.CRASH, f"{told}: the limit is {stress.GROWTH // MIB} MiB more"
        return result

    def _fed(self, case: Case, stream: Stream, limits: Limits) -> Result:
        """13.13.2 A pipe that stops, or goes on when there is output."""
        run, feeder = self.session.decode_fed(case, stream, limits)
        result = self._result(case, stream, run, self.session)
        if result.outcome not in (Outcome.PASS, Outcome.SKIPPED):
            told = f"it was given {feeder.fed} of {len(stream.data)} bytes"
            wait = feeder.held_for
            if not feeder.opened:
                told = "it did not open its input, a pipe"
            elif result.outcome is Outcome.TIMEOUT and wait is not None and wait.output:
                told += f", and had to put out {wait.output} of {stream.expected_bytes} before the rest comes"
            result.reason = sentence(f"{result.reason}; {told}")
        return result

    def _sample(self, case: Case, stream: Stream, limits: Limits) -> Result:
        """13.13.2 A sample of a long stream, against the whole of it; and one that is not there."""
        assert case.short is not None
        session = self.access or self.session
        if session.program.kind == "command" and self.access is None:
            return Result(case.vector, Outcome.SKIPPED, "there is no command for random access (--access)")
        chosen = stress.LONG - BEFORE_THE_END
        one = one_sample(Profile[case.vector.profile], chosen)
        run = session.decode_sample(stream.data, one, chosen, limits)
        if self._lacks(run, "sample"):
            return Result(case.vector, Outcome.SKIPPED, "the process does not say that it takes a sample")
        result = self._result(case, one, run, session)
        if result.outcome is not Outcome.PASS:
            return result
        beyond = session.decode_sample(stream.data, one, stress.LONG, limits)
        if beyond.exit_code == 0:
            result.outcome = Outcome.ACCEPTED_INVALID
            result.reason = f"exit code 0 for sample {stress.LONG}, which there is not [requirement access.sample]"
            return result
        short = self._whole(case, case.short(), limits)
        whole = self._whole(case, stream, limits)
        for other in (short, whole):
            if other.outcome is not Outcome.PASS:
                other.reason = f"the whole stream, with which random access is compared: {other.reason}"
                return other
        start = short.seconds
        told = f"{run.seconds:.2f} s for one sample, {whole.seconds:.2f} s for {stress.LONG}, {start:.2f} s for {SHORT}"
        result.notes.append(told)
        if reads_all(run.seconds - start, whole.seconds - start):
            result.outcome, result.reason = Outcome.TIMEOUT, f"no random access: {told}"
        return result


def reads_all(one: float, whole: float) -> bool:
    """13.13.2 Whether a sample took so long, in seconds, that it cannot have been decoded alone."""
    return one > max(PARDON, whole / 2)
