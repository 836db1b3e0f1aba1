"""Mutations of bitstreams with right CRCs through every command that reads one: the same verdict, and never a crash.

    python tools/mutate_streams.py [--count 100000] [--first 0] [--seed 1] [--crosscheck 100] [--vectors native-]
        [-o FINDINGS.jsonl]

Every valid vector of up to 3,000 bytes is mutated, features and model updates with their bases. Mutation i depends on
the seed and on i alone, so that a run can go on where another one ended (--first). Decoding (or applying) says what the
bitstream is: conforming, not conforming (65) or unsupported (69). Validation has to say the same and to find the same
requirement first, but that it also decodes HEVC a second time, for slice data that end early; inspection, which does
not decode, has to end with the same error or with none; the cross-check's reference decoder has to say the same, and
for one mutation in `--crosscheck` the whole cross-check runs, with every decoder present. Whatever raises another
exception than a typed one, or says otherwise, is printed, with exit code 1.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from stream_mutations import is_whole, mutate  # noqa: E402

from refsw.conformance import reference  # noqa: E402
from refsw.conformance.crosscheck import CrossChecker  # noqa: E402
from refsw.conformance.models import is_update  # noqa: E402
from refsw.conformance.suite import Kind, load_suites  # noqa: E402
from refsw.errors import DfcError, PayloadError  # noqa: E402
from refsw.features.decoder import Decoder  # noqa: E402
from refsw.inspection import inspect  # noqa: E402
from refsw.models.apply import apply_stream  # noqa: E402
from refsw.models.files import open_model  # noqa: E402
from refsw.models.state import Model  # noqa: E402
from refsw.validation import validate  # noqa: E402

VECTORS = ROOT / "test_vectors"
MOST_BYTES = 3000


@dataclass(frozen=True)
class Original:
    """A valid bitstream, and the file of the model that it starts from."""

    name: str
    data: bytes
    base: Path | None


@dataclass(frozen=True)
class Verdict:
    """What a command says: its exit code, the requirement that it names first, and whether that is of a payload."""

    code: int
    requirement: str = ""
    of_payload: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.code} {self.requirement}".strip()


SLICES = Verdict(65, "hevc.slices")
DAMAGED = ("hevc.decodes", "hevc.slices", "digest.value")
"""Damaged slice data: which of these FFmpeg shows depends at times on what its memory held before."""


@dataclass
class Findings:
    """What was seen: counts of verdicts and of kinds, and everything that must not be."""

    verdicts: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    requirements: Counter[str] = field(default_factory=Counter)
    problems: list[dict[str, Any]] = field(default_factory=list)
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    crosschecked: int = 0


def originals(prefix: str = "") -> list[Original]:
    """The valid vectors that are small, those whose ids begin so."""
    found = []
    for suite in load_suites([ROOT / "conformance" / "suites"]):
        for vector in suite:
            if not vector.id.startswith(prefix):
                continue
            data = (VECTORS / vector.file).read_bytes()
            if vector.kind is Kind.VALID and len(data) <= MOST_BYTES and is_whole(data):
                found.append(Original(vector.id, data, _base(vector)))
    return found


def _base(vector: Any) -> Path | None:
    base = vector.base
    if base is None:
        return None
    return VECTORS / (base.file if hasattr(base, "file") else base["file"])


@cache
def model(path: Path) -> Model:
    """A base, read into memory."""
    opened = open_model(path)
    return Model({name: opened[name].copy() for name in opened})


def judged(work: Callable[[], object]) -> Verdict:
    """The verdict of a decoder, which raises it."""
    try:
        work()
    except DfcError as error:
        return Verdict(error.exit_code, error.requirement, isinstance(error, PayloadError))
    return Verdict(0)


def decode(data: bytes, base: Path | None) -> Verdict:
    """What decode or apply says."""
    if is_update(data):
        return judged(lambda: apply_stream(model(base) if base else None, io.BytesIO(data)))
    return judged(lambda: [None for _ in Decoder(io.BytesIO(data))])


def in_commands(data: bytes, base: Path | None) -> Iterator[tuple[str, Verdict]]:
    """Every command's verdict, decoding first."""
    update = is_update(data)
    yield "apply" if update else "decode", decode(data, base)
    report = validate(data, base=model(base) if base else None)
    yield "validate", Verdict(report.exit_code, report.found[0].requirement if report.found else "")
    found = inspect(data, trace=True, base=model(base) if base else None)
    json.dumps(found.as_dict())
    yield "inspect", Verdict(found.error.exit_code, found.error.requirement) if found.error else Verdict(0)
    yield "crosscheck", judged(lambda: reference.decode(data, str(base) if base and update else None))


def disagree(verdicts: dict[str, Verdict], base: Path | None, update: bool) -> str:
    """Where the commands differ; empty where they agree."""
    first = next(iter(verdicts.values()))
    wanted = {"validate": first, "crosscheck": first}
    if first.requirement == "model.base" and base is None:
        wanted["validate"] = Verdict(69, "model.base")  # without a base, what needs one is not checked
    if verdicts["validate"] == SLICES:
        del wanted["validate"]  # it alone decodes HEVC twice, and sees that data of a slice end early
    wrong = [f"{name} says {verdicts[name]}" for name, verdict in wanted.items() if not _same(verdicts[name], verdict)]
    if verdicts["inspect"] not in (Verdict(0), first) and not _found_later(first, verdicts["inspect"]):
        wrong.append(f"inspect says {verdicts['inspect']}")
    return f"decoding says {first}, but " + ", ".join(wrong) if wrong else ""


def _same(one: Verdict, other: Verdict) -> bool:
    return one == other or (one.code == other.code and one.requirement in DAMAGED and other.requirement in DAMAGED)


def _found_later(first: Verdict, inspected: Verdict) -> bool:
    """Whether decoding ended with something that inspection does not look at: then inspection went on."""
    before = ("hevc.", "image.", "bytes.", "payload.", "vvc.", "digest.value", "model.", "level.")
    return bool(first.code) and (first.of_payload or first.requirement.startswith(before))


def run(
    chosen: list[Original],
    seed: int,
    numbers: range,
    checker: CrossChecker | None,
    every: int,
    tell: Callable[[int], None],
) -> Findings:
    """Mutations by number."""
    found = Findings()
    for number in numbers:
        rng = random.Random(f"{seed}/{number}")
        original, other = rng.choice(chosen), rng.choice(chosen)
        kind, data = mutate(original.data, other.data, rng)
        found.kinds.update(kind.split("+"))
        about = {"number": number, "seed": seed, "vector": original.name, "kind": kind, "data": data.hex()}
        verdicts: dict[str, Verdict] = {}
        try:
            for name, verdict in in_commands(data, original.base):
                verdicts[name] = verdict
        except Exception:
            after = list(verdicts)[-1] if verdicts else "the start"
            found.problems.append(about | {"problem": f"after {after}: {traceback.format_exc()}"})
            continue
        first = next(iter(verdicts.values()))
        found.verdicts[first.code] += 1
        found.requirements[first.requirement] += 1
        wrong = disagree(verdicts, original.base, is_update(data))
        if wrong:
            found.problems.append(about | {"problem": wrong})
        if checker is not None and number % every == 0:
            crosschecked(checker, data, original.base, first, about, found)
        tell(number)
    return found


def crosschecked(
    checker: CrossChecker, data: bytes, base: Path | None, first: Verdict, about: dict[str, Any], found: Findings
) -> None:
    """The whole cross-check: its verdict is that of decoding, unless another decoder disagrees."""
    result = checker.check(data, base if is_update(data) else None)
    found.crosschecked += 1
    ours = [row for row in result.rows if row.decoder == "refsw" and not row.what.startswith("pictures")]
    said = {0: "", 65: "rejected (65)", 69: "unsupported"}[first.code]
    if any(not row.remark.startswith(said) or bool(row.remark) != bool(said) for row in ours):
        found.problems.append(about | {"problem": f"decoding says {first}, the cross-check {ours[0].remark}"})
    if result.disagreements:
        found.disagreements.append(about | {"disagreements": result.disagreements})
    elif result.exit_code != first.code:
        found.problems.append(
            about | {"problem": f"decoding says {first}, the cross-check ends with {result.exit_code}"}
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crosscheck", type=int, default=100, metavar="EVERY", help="0: never")
    parser.add_argument("--vectors", default="", metavar="PREFIX", help="only those whose ids begin so")
    parser.add_argument("-o", "--output", type=Path, help="findings, one JSON object a line")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)

    def tell(number: int) -> None:
        if number % 5000 == 4999:
            print(f"{number + 1} of {numbers.stop}", file=sys.stderr, flush=True)

    if options.crosscheck:
        with CrossChecker() as checker:
            found = run(originals(options.vectors), options.seed, numbers, checker, options.crosscheck, tell)
    else:
        found = run(originals(options.vectors), options.seed, numbers, None, 1, tell)
    lines = [json.dumps(problem) for problem in (*found.problems, *found.disagreements)]
    if options.output:
        options.output.write_text("".join(line + "\n" for line in lines))
    for problem in found.problems:
        print(f"mutation {problem['number']} of {problem['vector']} ({problem['kind']}): {problem['problem']}")
    said = ", ".join(f"{count:,} {code}" for code, count in sorted(found.verdicts.items()))
    print(f"{len(numbers):,} mutations: exit codes {said}; {len(found.requirements)} requirements named")
    print("kinds: " + ", ".join(f"{name} {count:,}" for name, count in found.kinds.most_common()))
    print(f"{found.crosschecked} cross-checks, {len(found.disagreements)} in which other decoders disagree")
    print(f"{len(found.problems)} untyped exceptions or different verdicts")
    sys.exit(bool(found.problems))


if __name__ == "__main__":
    main()
