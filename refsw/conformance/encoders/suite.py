"""13.12.2 Suites of inputs: what an encoder is given, made from recipes, and checked against their digests."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from refsw.conformance.encoders.recipes import digest_of_tensors, make_tensors
from refsw.conformance.files import MOST_MANIFEST, plain_bytes
from refsw.conformance.suite import check_schema, digest_of, parse_json
from refsw.errors import UsageError
from refsw.tensor.axes import DEFAULT_AXES, Array

BUILT_IN = Path(__file__).with_name("inputs.json")
SCHEMA = "inputs"


class InputKind(StrEnum):
    """13.12.2 What an encoder has to do with an input."""

    VALID = "valid"
    EXACT = "exact"
    INVALID = "invalid"


class Claim(StrEnum):
    """13.12.1 What an encoder may claim: the inputs of other claims are SKIPPED. New tools get one here."""

    FEATURES = "features"
    MODELS = "models"
    PARTS = "parts"
    NATIVE = "native"


RESERVED = ("layers",)
"""Claims of tools that this version of the specification does not have yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """One entry of a suite.

    Args:
        suite, id, area, kind, claim, title: as in the entry.
        about: the requirements that it was made for.
        steps: recipes of the tensors to be coded; of several updates in a row, those of every version.
        base: recipes of the model that the first version is coded against; None for features, and for a full model.
        twin: id of the input that is like it and can be coded, if this one cannot.
        sha256: digest of all tensors, versions and base.
        jobs: whether it is coded once more with another number of jobs.
        rate: whether its rate is compared with that of refsw's presets.
        asks: what the bitstream has to be like, where the encoder claims that it can: `parts` (rows and channels of the
            largest), `packet_bytes`, `payload`.
        entry: SHA-256 of the entry.
    """

    suite: str
    id: str
    area: str
    kind: InputKind
    claim: Claim
    title: str
    about: tuple[str, ...]
    steps: tuple[tuple[dict[str, Any], ...], ...]
    base: tuple[dict[str, Any], ...] | None
    twin: str | None
    sha256: str
    jobs: bool
    rate: bool
    asks: dict[str, Any]
    entry: str

    @property
    def axes(self) -> dict[str, str]:
        """The letters of the axes of every tensor of features."""
        if self.claim is Claim.MODELS:
            return {}
        return {t["name"]: t.get("axes", _usual(len(t["shape"]))) for t in self.steps[0]}

    @property
    def usual_axes(self) -> bool:
        """Whether an encoder that is told of no axes knows them: C, NC, CHW, NCHW, by their number."""
        return all(letters == _usual(len(letters)) for letters in self.axes.values())

    @property
    def common_axes(self) -> str:
        """Letters that say it all, for a command that takes one set of them; empty if there are none."""
        told = next((letters for letters in self.axes.values() if letters != _usual(len(letters))), "")
        told = told or next(iter(self.axes.values()), "")
        fits = all(letters == (told if len(letters) == len(told) else _usual(len(letters)))
                   for letters in self.axes.values())  # fmt: skip
        return told if fits else ""


def _usual(axes: int) -> str:
    """The letters of so many axes, where nothing else is said; none where a tensor of features cannot have so many."""
    return DEFAULT_AXES.get(axes, "")


@dataclass(frozen=True, slots=True)
class Made:
    """The tensors of an input: those of every version, and the base of the first one."""

    steps: tuple[dict[str, Array], ...]
    base: dict[str, Array] | None


def made(case: Input) -> Made:
    """The tensors of an input.

    Raises:
        UsageError: the recipe gives something else than what the suite says, or nothing.
    """
    tensors = _made(case.steps, case.base)
    if _digest(tensors) != case.sha256:
        raise UsageError(f"{case.id}: its recipe does not give the published tensors here")
    return tensors


def _made(steps: Any, base: Any) -> Made:
    return Made(tuple(map(make_tensors, steps)), None if base is None else make_tensors(base))


def _digest(tensors: Made) -> str:
    parts = [*tensors.steps, *([tensors.base] if tensors.base is not None else [])]
    return hashlib.sha256("".join(map(digest_of_tensors, parts)).encode()).hexdigest()


def published(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with the digest of what its recipes make."""
    steps = entry["steps"] if "steps" in entry else [entry["tensors"]]
    return {**entry, "sha256": _digest(_made(steps, entry.get("base")))}


@dataclass(frozen=True, slots=True)
class InputSuite:
    """A suite of inputs."""

    name: str
    version: str
    specification: str
    title: str
    inputs: tuple[Input, ...]
    sha256: str

    def __iter__(self) -> Iterator[Input]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True)
class InputSelection:
    """Which inputs to run; an empty list selects all. Ids and requirements are patterns as of a shell."""

    areas: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def takes(self, case: Input) -> bool:
        """Whether an input is selected."""
        return (
            (not self.areas or case.area in self.areas)
            and (not self.kinds or case.kind in self.kinds)
            and (not self.about or any(fnmatch.filter(case.about, pattern) for pattern in self.about))
            and (not self.ids or any(fnmatch.fnmatchcase(case.id, pattern) for pattern in self.ids))
        )

    def as_dict(self) -> dict[str, list[str]]:
        """What is selected, as JSON types."""
        fields = {"area": self.areas, "kind": self.kinds, "about": self.about, "id": self.ids}
        return {name: list(values) for name, values in fields.items() if values}


def load_inputs(path: Path | None = None) -> InputSuite:
    """Load and check a suite of inputs; without a path, the one that comes with the package.

    Raises:
        UsageError: it is no JSON, breaks the schema, gives one id twice, or names a twin that is not there.
        OSError: it cannot be read.
    """
    path = BUILT_IN if path is None else path
    data = plain_bytes(path, MOST_MANIFEST)
    manifest = parse_json(data, path)
    try:
        check_schema(manifest, SCHEMA, path)
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply") from error
    inputs = tuple(_input(manifest["suite"], entry) for entry in manifest["inputs"])
    known = {case.id: case for case in inputs}
    if len(known) < len(inputs):
        raise UsageError(f"{path}: an input is there twice")
    for case in inputs:
        if case.twin is not None and (case.twin not in known or known[case.twin].kind is InputKind.INVALID):
            raise UsageError(f"{path}: input {case.id}: its twin {case.twin} is no input that can be coded")
    return InputSuite(
        manifest["suite"], manifest["version"], manifest["specification"], manifest["title"], inputs,
        hashlib.sha256(data).hexdigest(),
    )  # fmt: skip


def _input(suite: str, entry: dict[str, Any]) -> Input:
    steps = entry["steps"] if "steps" in entry else [entry["tensors"]]
    return Input(
        suite, entry["id"], entry["area"], InputKind(entry["kind"]), Claim(entry["claim"]), entry["title"],
        tuple(entry["about"]), tuple(map(tuple, steps)), tuple(entry["base"]) if "base" in entry else None,
        entry.get("twin"), entry["sha256"], entry.get("jobs", False), entry.get("rate", False),
        entry.get("asks", {}), digest_of(entry),
    )  # fmt: skip


def safetensors(tensors: Mapping[str, Array]) -> bytes:
    """13.6.8 The file of an input or of a base model."""
    from refsw.conformance.outputs import SAFETENSORS, little_endian

    codes = {name: code for code, name in SAFETENSORS.items()}
    header: dict[str, Any] = {}
    place = 0
    for name, array in tensors.items():
        end = place + array.nbytes
        header[name] = {"dtype": codes[array.dtype.name], "shape": list(array.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(bytes(little_endian(a)) for a in tensors.values())
