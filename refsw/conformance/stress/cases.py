"""13.13 The cases of the stress class, and their limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from refsw.conformance.stress import streams
from refsw.conformance.stress.feeding import Wait
from refsw.conformance.stress.streams import Stream
from refsw.conformance.suite import Expected, ExpectedTensor, Kind, Selection, Vector, digest_of
from refsw.profiles import LEVELS
from refsw.syntax.codes import Level, Profile

SUITE, VERSION, SPECIFICATION = "stress", "1.0.0", "1.1"
TITLE = "Long streams, pipes, random access, joining, and the largest of each level"
LONG, SHORT = 10_000, 16
JOIN_SAMPLES, JOIN_AT = 512, 256
PIPE_SAMPLES, LIVE_SAMPLES = 64, 2048
STALL = 2.0
MIB = 1 << 20
GROWTH = 32 * MIB
"""Memory that a long stream may take beyond a short one."""
SECONDS = 120.0
MEMORY = 1024 * MIB
BYTES_PER_ELEMENT = 16
"""Of memory, for the largest of a level, beyond `MEMORY`."""
LEFT_OUT = {(Level.L3, "floats"), (Level.L3, "picture"), (Level.L3, "unit")}
"""What takes an encoder too much (13.11), and what is the same as another: a unit of level 3 has one such sample."""


class Area(StrEnum):
    """What a case is about."""

    MEMORY = "memory"
    PIPE = "pipe"
    LIVE = "live"
    ACCESS = "access"
    JOIN = "join"
    LEVEL = "level"


OPTIONAL = {
    Area.PIPE: ("reading from a pipe",),
    Area.LIVE: ("reading from a pipe", "output as it goes"),
    Area.ACCESS: ("random access",),
    Area.JOIN: ("carriage",),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A case: what reports tell of it, how it is made, and its limits.

    Args:
        vector: of reports; without expected tensors, which are known when the stream is made.
        make: gives the stream.
        seconds, memory_bytes: limits of a run.
        short: gives the stream with which a long one is compared.
    """

    vector: Vector
    make: Callable[[], Stream]
    area: Area
    seconds: float
    memory_bytes: int
    short: Callable[[], Stream] | None = None

    @property
    def suite(self) -> str:
        """The name of the suite."""
        return self.vector.suite

    @property
    def id(self) -> str:
        """As of a vector."""
        return self.vector.id

    @property
    def entry(self) -> str:
        """SHA-256 of what there is to say of it."""
        return self.vector.entry

    def told(self, expected: tuple[ExpectedTensor, ...]) -> Vector:
        """The vector with what has to come."""
        return replace(self.vector, expected=Expected(expected))

    def waits(self, stream: Stream) -> list[Wait]:
        """13.13.2 What the pipe does."""
        size = len(stream.data)
        if self.area is Area.PIPE:  # within the header, within a unit, and before the last byte
            return [Wait(5, STALL), Wait(size // 3, STALL), Wait(size - 1, STALL)]
        # Of half of the samples a quarter has to be there; what is in buffers is not.
        return [Wait(size // 2, output=stream.expected_bytes // 8)]


def _case(
    area: Area, element: str, profile: Profile, level: Level, title: str, about: tuple[str, ...],
    make: Callable[[], Stream], *, short: Callable[[], Stream] | None = None, seconds: float = SECONDS,
    memory: int = MEMORY,
) -> Case:  # fmt: skip
    name = f"stress-{area}-{element}_r1"
    entry = digest_of([name, title, VERSION, seconds, memory])
    vector = Vector(
        SUITE, name, area, Kind.VALID, title, profile.name, int(level), "", 0, "", about, (), about, (),
        OPTIONAL.get(area, ()), False, None, None, entry=entry,
    )  # fmt: skip
    return Case(vector, make, area, seconds, memory, short)


def _of_profile(profile: Profile) -> list[Case]:
    p = profile.name.lower()

    def of(samples: int) -> Callable[[], Stream]:
        return lambda: streams.long_stream(profile, samples)

    return [
        _case(Area.MEMORY, f"{p}-samples", profile, Level.L1,
              f"{LONG} samples take no more memory than {SHORT}, and {GROWTH // MIB} MiB", ("conformance.decoder",),
              of(LONG), short=of(SHORT)),
        _case(Area.PIPE, f"{p}-stall", profile, Level.L1,
              f"a pipe that stops three times, for {STALL:g} s each", ("conformance.decoder",), of(PIPE_SAMPLES)),
        _case(Area.LIVE, f"{p}-output", profile, Level.L1,
              "samples are put out before the rest of the stream comes", ("conformance.decoder",), of(LIVE_SAMPLES)),
        _case(Area.ACCESS, f"{p}-sample", profile, Level.L1,
              f"one of {LONG} samples alone, in less than half of the time of all; and one that there is not",
              ("access.independent", "access.sample"), of(LONG), short=of(SHORT)),
        _case(Area.JOIN, f"{p}-middle", profile, Level.L1,
              f"the packets after access unit {JOIN_AT} of {JOIN_SAMPLES}, up to the next parameter set without one",
              ("conformance.capture",), lambda: streams.joined(profile, JOIN_SAMPLES, JOIN_AT)),
    ]  # fmt: skip


def _of_level(level: Level) -> list[Case]:
    titles = {
        "sample": f"a sample of {LEVELS[level].sample_elements} bytes, coded as they are",
        "floats": f"a sample of {LEVELS[level].sample_elements} floats",
        "unit": f"a unit of {LEVELS[level].unit_elements} bytes",
        "picture": f"a picture of HEVC of {LEVELS[level].sample_elements} elements",
        "tensors": f"{LEVELS[level].parameter_sets} tensors, one of them as large as there may be",
    }
    about = {"sample": "level.sample-elements", "floats": "level.sample-elements", "unit": "level.unit-elements",
             "picture": "level.picture-elements", "tensors": "level.parameter-sets"}  # fmt: skip
    return [
        _case(
            Area.LEVEL, f"{int(level)}-{name}", Profile.INTRA if name == "picture" else Profile.LOSSLESS, level, title,
            (about[name],), partial(streams.LARGEST[name], level), seconds=SECONDS * int(level),
            memory=MEMORY + BYTES_PER_ELEMENT * LEVELS[level].unit_elements,
        )
        for name, title in titles.items()
        if (level, name) not in LEFT_OUT
    ]  # fmt: skip


def all_cases() -> list[Case]:
    """Every case, the quick ones first."""
    own = [case for profile in (Profile.LOSSLESS, Profile.INTRA) for case in _of_profile(profile)]
    return own + [case for level in Level for case in _of_level(level)]


def selected(selection: Selection) -> list[Case]:
    """The cases that are selected."""
    return [case for case in all_cases() if selection.takes(case.vector)]
