"""13.5 Suites: manifests of vectors, checked against spec/schemas/suite.schema.json when they are loaded."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from refsw.conformance.files import MOST_MANIFEST, plain_bytes
from refsw.errors import UsageError

VECTORS = "test_vectors"
MOST_ELEMENTS = 1 << 36


class Kind(StrEnum):
    """13.5 What a vector is, and so what a decoder has to do with it."""

    VALID = "valid"
    MALFORMED = "malformed"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class ExpectedTensor:
    """One decoded tensor: its name, number format, shape and the SHA-256 of its little-endian elements."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    levels_sha256: str | None = None
    pictures_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a valid vector decodes to."""

    tensors: tuple[ExpectedTensor, ...] = ()
    model_digest: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """What the reference decoder reports for a vector that is not valid."""

    phase: str
    error_class: str
    requirement: str
    element: str
    bit_offset: int | None


@dataclass(frozen=True, slots=True)
class Base:
    """A file that a vector needs: the base model of a model update, the session description of a capture."""

    file: str
    sha256: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Vector:
    """One entry of a manifest; `entry` is the SHA-256 of it, by which results are recognized.

    `requirements` are all that it relies on or breaks, `about` those that it was made for; `optional` names what a
    decoder may lack (8.5), and with `either` it may find the vector unsupported or not conforming (12.4). `also` are
    requirements that it breaks besides that of its error.
    """

    suite: str
    id: str
    area: str
    kind: Kind
    title: str
    profile: str
    level: int
    file: str
    bytes: int
    sha256: str
    requirements: tuple[str, ...]
    exercises: tuple[str, ...]
    about: tuple[str, ...]
    also: tuple[str, ...]
    optional: tuple[str, ...]
    either: bool
    expected: Expected | None
    error: ExpectedError | None
    base: Base | None = None
    model: str | None = None
    session: Base | None = None
    recipe: dict[str, Any] | None = None
    mutation: dict[str, Any] | None = None
    withdrawn: str | None = None
    entry: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """A manifest; `folder` is the test_vectors folder that its files are below, None if there is none.

    The vectors of a `draft` are not published yet.
    """

    name: str
    version: str
    specification: str
    title: str
    vectors: tuple[Vector, ...]
    path: Path
    folder: Path | None
    sha256: str
    draft: bool = False

    def __iter__(self) -> Iterator[Vector]:
        return iter(self.vectors)

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which vectors to run; an empty list selects all. Ids are patterns as of a shell."""

    areas: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def takes(self, vector: Vector) -> bool:
        """Whether a vector is selected; a withdrawn one never is."""
        return (
            vector.withdrawn is None
            and (not self.areas or vector.area in self.areas)
            and (not self.profiles or vector.profile in {name.upper() for name in self.profiles})
            and (not self.about or _any_match(vector.about, self.about))
            and (not self.requirements or _any_match(vector.requirements, self.requirements))
            and (not self.kinds or vector.kind in self.kinds)
            and (not self.ids or _any_match([vector.id], self.ids))
        )

    def as_dict(self) -> dict[str, list[str]]:
        """What is selected, as JSON types."""
        fields = {
            "area": self.areas, "profile": self.profiles, "about": self.about, "requirement": self.requirements,
            "kind": self.kinds, "id": self.ids,
        }  # fmt: skip
        return {name: list(values) for name, values in fields.items() if values}


def _any_match(names: Iterable[str], patterns: Iterable[str]) -> bool:
    patterns = list(patterns)
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


def load_suite(path: Path | str, *, vectors: Path | None = None) -> Suite:
    """Load and check a manifest.

    Args:
        path: the manifest.
        vectors: the folder that its files are below; by default the nearest folder `test_vectors` beside
            the manifest or one of the folders above it.

    Raises:
        UsageError: it is no JSON, breaks the schema, or gives one id twice; the message says where.
        OSError: it cannot be read.
    """
    path = Path(path)
    data = plain_bytes(path, MOST_MANIFEST)
    manifest = parse_json(data, path)
    try:
        check_schema(manifest, "suite", path)
        items = tuple(_vector(manifest["suite"], entry) for entry in manifest["vectors"])
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply") from error
    _check_ids(items, path)
    for vector in items:
        _check_expected(vector, path)
    return Suite(
        name=manifest["suite"],
        version=manifest["version"],
        specification=manifest["specification"],
        title=manifest["title"],
        vectors=items,
        path=path,
        folder=vectors or find_vectors(path),
        sha256=hashlib.sha256(data).hexdigest(),
        draft=manifest.get("draft", False),
    )


def load_suites(paths: Iterable[Path | str], *, vectors: Path | None = None) -> list[Suite]:
    """Several manifests; a folder stands for the manifests in it.

    Raises:
        UsageError: as `load_suite`, or an id or a name of a suite occurs twice.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        found = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not found:
            raise UsageError(f"{path}: no manifest (*.json) in this folder")
        files += found
    suites = [load_suite(path, vectors=vectors) for path in files]
    names = [suite.name for suite in suites]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"suite {name} is given twice")
    _check_ids([vector for suite in suites for vector in suite], Path(", ".join(str(path) for path in files)))
    return suites


def _check_ids(vectors: Iterable[Vector], path: Path) -> None:
    seen: set[str] = set()
    for vector in vectors:
        if vector.id in seen:
            raise UsageError(f"{path}: vector {vector.id} is there twice")
        seen.add(vector.id)


def _check_expected(vector: Vector, path: Path) -> None:
    """Tensors that a decoder could put out."""
    tensors = vector.expected.tensors if vector.expected is not None else ()
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise UsageError(f"{path}: vector {vector.id}: two tensors of one name")
    if sum(math.prod(tensor.shape) for tensor in tensors) > MOST_ELEMENTS:
        raise UsageError(f"{path}: vector {vector.id}: tensors of more than 2^36 elements, which no level allows")


def find_vectors(path: Path) -> Path | None:
    """The nearest folder `test_vectors` beside a manifest or above it."""
    for folder in path.absolute().parents:
        if (folder / VECTORS).is_dir():
            return folder / VECTORS
    return None


def parse_json(data: bytes, path: Path) -> Any:
    """JSON of a file.

    Raises:
        UsageError: it is none.
    """
    try:
        return json.loads(data, parse_constant=_no_number, object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON: {error}") from error


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(f"two members of one name among {', '.join(name for name, _ in pairs)[:200]}")
    return members


@cache
def _validator(name: str) -> Any:
    import jsonschema

    schema = json.loads((Path(__file__).parent / "schemas" / f"{name}.schema.json").read_text())
    base = jsonschema.Draft202012Validator
    # 3 is an integer of a schema, and so is 3.0, which Python does not take for one; $ is the end of the text, and
    # Python's the end of its last line too.
    types = base.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(base, {"pattern": _pattern}, type_checker=types)(schema)


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[Any]:
    import jsonschema

    if isinstance(value, str) and (value.endswith("\n") or not re.search(pattern, value)):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


def check_schema(value: Any, name: str, path: Path) -> None:
    """Check a document against a schema of spec/schemas.

    Raises:
        UsageError: names the file, the place in it, and what is wrong.
    """
    import jsonschema

    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(value))
    if error is not None:
        message = error.message if len(error.message) <= 300 else error.message[:300] + " ..."
        raise UsageError(f"{path}: {error.json_path}{_told_id(value, error)}: {message}")


def _told_id(value: Any, error: Any) -> str:
    """The id of the vector that an error is in, for people who do not count entries."""
    where = list(error.absolute_path)
    if len(where) >= 2 and where[0] == "vectors":
        entry = value["vectors"][where[1]]
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            return f" ({entry['id'][:100]})"
    return ""


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value in its canonical form: sorted keys, no spaces."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _vector(suite: str, entry: dict[str, Any]) -> Vector:
    base, session = entry.get("base"), entry.get("session")
    withdrawn = entry.get("withdrawn")
    return Vector(
        suite=suite,
        id=entry["id"],
        area=entry["area"],
        kind=Kind(entry["kind"]),
        title=entry["title"],
        profile=entry["profile"],
        level=int(entry["level"]),
        file=entry["file"],
        bytes=entry["bytes"],
        sha256=entry["sha256"],
        requirements=tuple(entry["requirements"]),
        exercises=tuple(entry["exercises"]),
        about=tuple(entry.get("about", ())),
        also=tuple(entry.get("also", ())),
        optional=tuple(entry.get("optional", ())),
        model=entry.get("model"),
        session=Base(session["file"], session["sha256"]) if session else None,
        either=entry.get("either", False),
        expected=_expected(entry["expected"]) if "expected" in entry else None,
        error=_error(entry["error"]) if "error" in entry else None,
        base=Base(base["file"], base["sha256"], base.get("digest")) if base else None,
        recipe=entry.get("recipe"),
        mutation=entry.get("mutation"),
        withdrawn=f"since {withdrawn['version']}: {withdrawn['reason']}" if withdrawn else None,
        entry=digest_of(entry),
    )


def _expected(entry: dict[str, Any]) -> Expected:
    tensors = tuple(ExpectedTensor(**{**t, "shape": tuple(t["shape"])}) for t in entry.get("tensors", ()))
    return Expected(tensors, entry.get("model", {}).get("digest"))


def _error(entry: dict[str, Any]) -> ExpectedError:
    return ExpectedError(entry["phase"], entry["class"], entry["requirement"], entry["element"], entry["bit_offset"])
