"""The catalogue of vectors: what a recipe is, how it becomes a vector, and the suites that list them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from refsw.conformance.evidence import observe
from refsw.conformance.facts import Evidence, broken
from refsw.errors import CapacityError, DfcError, LimitError, ParseError, UnsupportedError
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import DTYPES
from vectors import captures, diffs, unchecked
from vectors import plain as plain_models
from vectors.bases import BASES
from vectors.mutation import mutation
from vectors.plain import Model
from vectors.store import Store
from vectors.stream import Assembler
from vectors.tensors import Unit
from vectors.topics import topics
from vectors.updates import UpdateAssembler

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "test_vectors"
SUITES = ROOT / "conformance" / "suites"
# What vectors break besides what they name, as tools/prove_vectors.py finds it.
ALSO: dict[str, list[str]] = json.loads((Path(__file__).parent / "also.json").read_text())
END = {"unit": "end"}
VVC, MODEL_DIGEST, CARRIAGE = "VVC", "model digest", "carriage"


@dataclass(frozen=True)
class Recipe:
    """One vector to be made.

    Args:
        id, title, area: as in the manifest.
        kind: valid, malformed, invalid, unsupported, limit.
        violates: the requirement that a decoder has to find broken; None for valid vectors.
        arguments: of the generator; data only.
        requirements: what the vector shows beyond what can be derived from it.
        suite: the manifest that lists it.
        either: it is unsupported and does not conform, so that a decoder may find either (12.4).
        model: digest of the receiver's model, for features (9.6).
    """

    id: str
    title: str
    area: str
    kind: str
    suite: str
    generator: str
    arguments: dict[str, Any]
    violates: str | None = None
    requirements: tuple[str, ...] = ()
    seed: int = 0
    error_class: str | None = None
    either: bool = False
    model: str | None = None


@dataclass
class Built:
    """A vector that was made."""

    recipe: Recipe
    data: bytes
    entry: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def seed_of(name: str) -> int:
    """A seed of its own for every vector."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:3], "big")


class Catalog:
    """Collects recipes."""

    def __init__(self) -> None:
        self.recipes: dict[str, Recipe] = {}

    def add(self, recipe: Recipe) -> str:
        """Add a recipe; its id is returned."""
        if recipe.id in self.recipes:
            raise ValueError(f"{recipe.id} twice")
        self.recipes[recipe.id] = recipe
        return recipe.id

    def stream(
        self, name: str, title: str, units: Iterable[Unit], *, area: str, profile: str = "LOSSLESS",
        kind: str = "valid",
        violates: str | None = None, requirements: tuple[str, ...] = (), end: bool = True, suite: str | None = None,
        revision: int = 1, model: str | None = None, **header: Any,
    ) -> str:  # fmt: skip
        """A bitstream from units."""
        listed = [*units, END] if end else [*units]
        arguments = {"profile": profile, "units": listed} | header
        whole = f"{name}_r{revision}"
        return self.add(
            Recipe(whole, title, area, kind, suite or profile.lower(), "bitstream", arguments, violates, requirements,
                   seed_of(name), model=model)
        )  # fmt: skip

    def update(
        self, name: str, title: str, units: Iterable[Unit], *, base: str | None = None, area: str = "model",
        kind: str = "valid", violates: str | None = None, requirements: tuple[str, ...] = (), end: bool = True,
        start: str | None = None, revision: int = 1, profile: str = "MODEL", **header: Any,
    ) -> str:  # fmt: skip
        """A bitstream of model updates.

        Args:
            base: the receiver's model: one of `vectors.bases`, or "<id>/<n>", what update n of a vector gives.
            start: the base of the first update, where it is another one than the receiver's.
        """
        listed = [*units, END | {"set": {"tensor_count": 0, "sample_count": []}}] if end else [*units]
        arguments = {"profile": profile, "base": base, "units": listed} | header
        arguments |= {} if start is None else {"start": start}
        whole = f"{name}_r{revision}"
        return self.add(
            Recipe(
                whole,
                title,
                area,
                kind,
                profile.lower().replace("_", "-"),
                "updates",
                arguments,
                violates,
                requirements,
                seed_of(name),
            )
        )

    def capture(
        self, name: str, title: str, units: Iterable[Unit], *, profile: str = "LOSSLESS", kind: str = "valid",
        violates: str | None = None, requirements: tuple[str, ...] = (), send: dict[str, Any] | None = None,
        edit: Iterable[dict[str, Any]] = (), other: dict[str, Any] | None = None, sdp: dict[str, Any] | None = None,
        file: dict[str, Any] | None = None,
    ) -> str:  # fmt: skip
        """A capture of the packets of a bitstream; see `vectors.captures` for the words.

        Args:
            units: of the bitstream.
            send: how it is sent.
            edit: what is done to its packets.
            other: another bitstream on the same port: `seed` of its data, `units` if it has others, `send`, and
                `merge`: after, before, in turn.
            sdp: of the session description.
            file: format of the capture.
        """
        arguments = {"bitstream": {"profile": profile, "units": [*units, END]}, "send": send or {}, "edit": [*edit]}
        arguments |= {"other": other} if other else {}
        arguments |= {"sdp": sdp or {}, "file": file or {}}
        return self.add(
            Recipe(f"{name}_r1", title, "carriage", kind, "carriage", "capture", arguments, violates, requirements,
                   seed_of(name))
        )  # fmt: skip

    def stored(self, name: str, title: str, of: str, *, base: str | None, area: str = "model") -> str:
        """A bitstream of model updates that an encoder made."""
        return self.add(Recipe(f"{name}_r1", title, area, "valid", "model", "stored", {"of": of, "base": base}))

    def edited(
        self,
        name: str,
        title: str,
        of: str,
        *,
        area: str,
        kind: str,
        violates: str | None,
        revision: int = 1,
        **edit: Any,
    ) -> str:
        """A vector made of another one, by a generator of `GENERATORS`."""
        base = self.recipes[of]
        generator = edit.pop("generator", "mutation")
        whole = f"{name}_r{revision}"
        return self.add(Recipe(whole, title, area, kind, base.suite, generator, {"of": of} | edit, violates))


class Builder:
    """Makes vectors from recipes."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self.catalog, self.store = catalog, store
        self.data: dict[str, bytes] = {}
        self.told: dict[str, dict[str, Any]] = {}
        self.used: set[str] = set()
        self.results: dict[str, list[Model]] = {}
        self.sessions: dict[str, bytes] = {}

    def make(self, name: str) -> bytes:
        """The bytes of a vector."""
        if name not in self.data:
            recipe = self.catalog.recipes[name]
            self.data[name] = getattr(self, "_" + recipe.generator)(recipe, **recipe.arguments)
        return self.data[name]

    def _bitstream(self, recipe: Recipe, **arguments: Any) -> bytes:
        for unit in arguments["units"]:
            for value in (unit.get("of"), unit.get("payload")):
                other = (
                    value.get("of")
                    if isinstance(value, dict)
                    else value
                    if value and value in self.catalog.recipes
                    else None
                )
                if other and other not in self.store.index:
                    self.make(other)  # whose payload is taken
        assembler = Assembler(recipe.id, recipe.seed, self.store)
        data = assembler.build(arguments)
        self.used |= assembler.used
        return data

    def _updates(
        self, recipe: Recipe, base: str | None, start: str | None = None, settled: bool = False, **arguments: Any
    ) -> bytes:
        """Model updates; settled: the last has the result_digest that a decoder computes which does not reject it."""
        first = start or base
        model = None if first in (None, "nothing") else self.model(first)
        assembler = UpdateAssembler(recipe.id, recipe.seed, self.store, model, recipe.kind != "valid")
        data = assembler.build(arguments)
        if settled:
            assert recipe.violates is not None
            receiver = None if base is None else as_arrays(self.model(base))
            digest = unchecked.digest_of(data, receiver, recipe.violates).hex()
            units = list(arguments["units"])
            last = max(i for i, unit in enumerate(units) if unit["unit"] == "update")
            units[last] = units[last] | {"result_digest": digest}
            assembler = UpdateAssembler(recipe.id, recipe.seed, self.store, model, True)
            data = assembler.build(arguments | {"units": units})
        self.used |= assembler.used
        self.results[recipe.id] = assembler.results
        return data

    def _capture(
        self, recipe: Recipe, bitstream: dict[str, Any], send: dict[str, Any], edit: list[dict[str, Any]],
        sdp: dict[str, Any], file: dict[str, Any], other: dict[str, Any] | None = None,
    ) -> bytes:  # fmt: skip
        data = Assembler(recipe.id, recipe.seed, self.store).build(bitstream)
        packets = captures.edited(captures.packets_of(data, send), edit)
        if other is not None:
            own = bitstream | ({"units": [*other["units"], END]} if "units" in other else {})
            theirs = Assembler(recipe.id, recipe.seed + other["seed"], self.store).build(own)
            packets = captures.merged(packets, captures.packets_of(theirs, send | other["send"]), other["merge"])
        self.sessions[recipe.id] = captures.described(data, sdp)
        return captures.written(packets, file)

    def _stored(self, recipe: Recipe, of: str, base: str | None) -> bytes:
        parts = self.store.get(of)
        if parts is None:
            parts, provenance = diffs.encode(of)
            self.store.put(of, parts, provenance)
        self.used.add(of)
        return parts[0]

    def model(self, name: str) -> Model:
        """A base, or what an update of a vector gives."""
        if name in BASES:
            return BASES[name]()
        vector, _, number = name.partition("/")
        self.make(vector)
        return self.results[vector][int(number)]

    def base(self, recipe: Recipe) -> str | None:
        """The name of the receiver's model of a vector."""
        while "of" in recipe.arguments and recipe.arguments["of"] in self.catalog.recipes:
            recipe = self.catalog.recipes[recipe.arguments["of"]]
        found: str | None = recipe.arguments.get("base")
        return found

    def _mutation(self, recipe: Recipe, of: str, element: str, to: str, index: int = 0, repair: bool = True) -> bytes:
        data, told = mutation(self.make(of), element, to, index, repair)
        self.told[recipe.id] = {"of": of} | told
        return data

    def _truncation(self, recipe: Recipe, of: str, size: int) -> bytes:
        return self.make(of)[:size]

    def _extension(self, recipe: Recipe, of: str, append: str) -> bytes:
        return self.make(of) + bytes.fromhex(append)

    def _flip(self, recipe: Recipe, of: str, byte: int, mask: int) -> bytes:
        """One byte changed, nothing repaired."""
        data = bytearray(self.make(of))
        data[byte] ^= mask
        return bytes(data)

    def build(self, name: str) -> Built:
        """A vector with its entry of the manifest.

        Raises:
            ValueError: refsw does not say what the recipe was made for.
        """
        recipe = self.catalog.recipes[name]
        data = self.make(name)
        base = self.base(recipe) if recipe.suite in ("model", "model-extended") else None
        model = None if base is None else self.model(base)
        sdp = self.sessions.get(name)
        evidence = observe(data, None if model is None else as_arrays(model), model=recipe.model, sdp=sdp)
        if (recipe.kind == "valid") != (evidence.error is None):
            raise ValueError(f"{name} is {recipe.kind}, to break {recipe.violates}: {evidence.error}")
        told = recipe.suite.upper().replace("-", "_")
        profile = recipe.arguments.get("bitstream", {}).get("profile", told)
        entry: dict[str, Any] = {
            "id": recipe.id,
            "area": recipe.area,
            "kind": recipe.kind,
            "title": recipe.title,
            "profile": evidence.profile or profile,
            "level": evidence.level or 1,
            "file": f"{recipe.suite}/{recipe.id}.{suffix_of(recipe)}",
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "about": [],
            "requirements": sorted({*recipe.requirements, *requirements_of(recipe, evidence)}),
            "exercises": sorted(evidence.cells),
        }
        entry["about"] = sorted(about(recipe, entry["requirements"]))
        entry |= {"optional": [VVC]} if needs_vvc(evidence) else {}
        entry |= {"optional": [MODEL_DIGEST], "model": recipe.model} if recipe.model else {}
        entry |= {"either": True} if recipe.either else {}
        entry |= {"also": ALSO[name]} if name in ALSO else {}
        files = {}
        if sdp is not None:
            file = f"carriage/{recipe.id}.sdp"
            files[file] = sdp
            entry |= {"optional": [CARRIAGE], "session": {"file": file, "sha256": hashlib.sha256(sdp).hexdigest()}}
        if base is not None and model is not None:
            file, content = f"model/bases/{base.replace('/', '.')}.safetensors", plain_models.safetensors(model)
            files[file] = content
            entry["base"] = {"file": file, "sha256": hashlib.sha256(content).hexdigest(),
                             "digest": plain_models.digest(model).hex()}  # fmt: skip
        if recipe.kind == "valid":
            updates = {"model": {"digest": evidence.model_digest}}
            entry["expected"] = {"tensors": evidence.tensors} if evidence.model_digest is None else updates
        else:
            entry["error"] = check_error(recipe, evidence.error)
        if recipe.id in self.told:
            entry["mutation"] = self.told[recipe.id]
        else:
            entry["recipe"] = {"generator": recipe.generator, "arguments": recipe.arguments, "seed": recipe.seed}
        return Built(recipe, data, entry, files)


def suffix_of(recipe: Recipe) -> str:
    """Of the file of a vector."""
    if recipe.generator != "capture":
        return "dfc"
    return "rtp" if recipe.arguments["file"].get("format", "rtp") == "rtp" else "pcap"


def requirements_of(recipe: Recipe, evidence: Evidence) -> Iterable[str]:
    """Valid vectors show what was derived from them; others the requirement that they break."""
    if recipe.kind == "valid":
        return evidence.requirements
    assert evidence.error is not None
    return broken(evidence.error)


def about(recipe: Recipe, relied: Iterable[str]) -> set[str]:
    """What a vector was made for, among the requirements that it relies on or breaks."""
    if recipe.violates is not None:
        return {recipe.violates}
    return {*recipe.requirements, *topics(recipe.id, relied)}


def needs_vvc(evidence: Evidence) -> bool:
    """Whether only a decoder of VVC, which is optional (8.5), can tell what becomes of a vector."""
    if "feature_parameter_set.payload_codec=VVC" not in evidence.cells:
        return False
    if evidence.error is not None:
        return evidence.error.requirement.startswith("vvc.")
    return "feature_data.payload=present" in evidence.cells


def as_arrays(model: Model) -> dict[str, Any]:
    """A model as numpy arrays."""
    return {
        name: np.frombuffer(tensor.raw, DTYPES[ElementType[tensor.type]]).reshape(tensor.shape)
        for name, tensor in model.items()
    }


KINDS: dict[str, Callable[[DfcError], bool]] = {
    "malformed": lambda e: isinstance(e, ParseError),
    "invalid": lambda e: e.exit_code == 65 and not isinstance(e, ParseError | LimitError),
    "unsupported": lambda e: isinstance(e, UnsupportedError | CapacityError),
    "limit": lambda e: isinstance(e, LimitError) and e.exit_code == 65,
}


def check_error(recipe: Recipe, error: DfcError | None) -> dict[str, Any]:
    """The error of a vector, as the recipe wants it.

    Raises:
        ValueError: it is another one.
    """
    if error is None:
        raise ValueError(f"{recipe.id} decodes; it is to break {recipe.violates}")
    if error.requirement != recipe.violates or not KINDS[recipe.kind](error):
        raise ValueError(f"{recipe.id} is {recipe.kind}, to break {recipe.violates}: {type(error).__name__} {error}")
    said = error.as_dict()
    return {key: said[key] for key in ("phase", "class", "requirement", "element", "bit_offset")}


def plain(value: Any) -> Any:
    """A value of a recipe as JSON types."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return "hex:" + value.hex()
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("write it as bits")
    return value
