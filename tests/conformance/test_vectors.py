"""The vectors are what their recipes make, decode to what their manifests say, and are rejected as they say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from refsw.conformance.evidence import observe, sha256
from refsw.conformance.models import load_model
from refsw.conformance.suite import Kind, Vector, load_suites
from refsw.models.state import model_digest
from refsw.tensor.axes import Array
from tests.conformance.making import independent_module
from tests.workshop import workshop

ROOT = Path(__file__).resolve().parents[2]
SUITES = load_suites([ROOT / "conformance" / "suites"])
VECTORS = [vector for suite in SUITES for vector in suite]
FOLDER = ROOT / "test_vectors"
MODELS = ROOT / "conformance" / "independent" / "dfc_models.py"


@pytest.fixture(scope="module")
def independent() -> Iterator[ModuleType]:
    with independent_module("dfc") as module:
        yield module


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    with workshop("make_vectors") as module:
        yield module


def test_recipes_give_the_published_bytes(generator: ModuleType) -> None:
    store = generator.Store(generator.VECTORS / "payloads")
    built, errors, used = generator.build(store)
    assert errors == []
    assert generator.differences(built) == []
    assert used == set(store.index), "payloads that no recipe uses"


def test_published_bytes_are_not_overwritten(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vectors.catalog import Builder

    builder = Builder(generator.catalog(), generator.Store(generator.VECTORS / "payloads"))
    built = [builder.build("syntax-bit.depth-9_r1")]
    for name in ("VECTORS", "SUITES", "ROOT"):
        monkeypatch.setattr(generator, name, tmp_path)
    assert generator.write(built, change=False) == []
    path = tmp_path / built[0].entry["file"]
    path.write_bytes(b"other")
    assert len(generator.write(built, change=False)) == 1
    assert path.read_bytes() == b"other"


def test_pairs_are_all_there(generator: ModuleType) -> None:
    from vectors.recipes.pairs import FACTORS, all_pairs, allowed

    rows = all_pairs(FACTORS, allowed)
    names = list(FACTORS)
    shown = {(a, row[a], b, row[b]) for row in rows for a in names for b in names}
    for a in names:
        for b in names:
            for x in FACTORS[a]:
                for y in FACTORS[b]:
                    if a != b and allowed({a: x, b: y}) and (a, x, b, y) not in shown:
                        # The one pair that needs a third choice which excludes it.
                        assert not [q for q in FACTORS["quantizer"] if allowed({a: x, b: y, "quantizer": q})]
    assert len(rows) < 120


def test_every_vector_says_what_it_is_about(generator: ModuleType) -> None:
    from fnmatch import fnmatchcase

    from vectors.topics import TOPICS, topics

    for vector in VECTORS:
        assert 1 <= len(vector.about) <= 8, vector.id
        assert set(vector.about) <= set(vector.requirements), vector.id
        if vector.error is not None:
            assert vector.about == (vector.error.requirement,), vector.id
    valid = [v for v in VECTORS if v.kind is Kind.VALID]
    idle = [
        (pattern, wanted)
        for pattern, row in TOPICS.items()
        for wanted in row
        if not any(fnmatchcase(v.id, pattern) and any(fnmatchcase(r, wanted) for r in v.about) for v in valid)
    ]
    assert idle == []
    with pytest.raises(ValueError, match=r"tools/vectors/topics.py"):
        topics("hevc-new_r1", ["unit.crc"])


def test_vectors_are_small() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 12 << 20
    assert max(vector.bytes for vector in VECTORS) < 128 << 10
    assert len(VECTORS) > 900


def base_of(vector: Vector) -> dict[str, Array] | None:
    return None if vector.base is None else load_model(FOLDER / vector.base.file)


def sdp_of(vector: Vector) -> bytes | None:
    return None if vector.session is None else (FOLDER / vector.session.file).read_bytes()


def test_session_descriptions_are_what_the_manifests_say() -> None:
    for vector in VECTORS:
        assert ("carriage" in vector.optional) == (vector.session is not None), vector.id
        if vector.session is not None:
            data = (FOLDER / vector.session.file).read_bytes()
            assert hashlib.sha256(data).hexdigest() == vector.session.sha256, vector.id


def test_bases_are_what_the_manifests_say() -> None:
    for vector in VECTORS:
        model = base_of(vector)
        if vector.base is not None and model is not None:
            data = (FOLDER / vector.base.file).read_bytes()
            assert hashlib.sha256(data).hexdigest() == vector.base.sha256, vector.id
            assert model_digest(model).hex() == vector.base.digest, vector.id


@pytest.mark.slow  # what the recipes give has been through refsw as well
def test_refsw_agrees_with_the_manifests() -> None:
    for vector in VECTORS:
        data, valid = (FOLDER / vector.file).read_bytes(), vector.kind is Kind.VALID
        evidence = observe(data, base_of(vector), model=vector.model, sdp=sdp_of(vector), checkpoints=valid)
        if vector.error is not None:
            assert evidence.error is not None, vector.id
            said = evidence.error.as_dict()
            expected = vector.error
            assert (said["phase"], said["class"], said["requirement"], said["element"], said["bit_offset"]) == (
                expected.phase, expected.error_class, expected.requirement, expected.element, expected.bit_offset
            ), vector.id  # fmt: skip
            continue
        assert evidence.error is None, vector.id
        assert vector.expected is not None
        assert evidence.model_digest == vector.expected.model_digest, vector.id
        told = [{k: getattr(t, k) for k in ("name", "dtype", "sha256", "levels_sha256", "pictures_sha256")} | {
            "shape": list(t.shape)} for t in vector.expected.tensors]  # fmt: skip
        assert [{"levels_sha256": None} | tensor for tensor in evidence.tensors] == told, vector.id


def verdict(independent: ModuleType, vector: Vector) -> str:
    try:
        base = None if vector.base is None else str(FOLDER / vector.base.file)
        sdp = None if vector.session is None else str(FOLDER / vector.session.file)
        arrays = independent.decode((FOLDER / vector.file).read_bytes(), base, vector.model, sdp)
    except independent.dfc_decoder.Reject as error:
        return f"exit {error.exit_code}"
    assert vector.expected is not None, vector.id
    if vector.expected.model_digest is not None:
        return "decoded" if model_digest(arrays).hex() == vector.expected.model_digest else "another model"
    for tensor in vector.expected.tensors:
        array = np.ascontiguousarray(arrays.pop(tensor.name))
        assert (array.dtype.name, array.shape, sha256(array)) == (tensor.dtype, tensor.shape, tensor.sha256), vector.id
    assert not arrays
    return "decoded"


def test_the_independent_decoder_agrees(independent: ModuleType) -> None:
    expected = {Kind.VALID: "decoded", Kind.UNSUPPORTED: "exit 69"}
    models = MODELS.is_file()  # and with it the units of model updates
    known = [v for v in VECTORS if models or not (v.profile == "MODEL" or "profile.model" in v.requirements)]
    assert [v.id for v in known if verdict(independent, v) != expected.get(v.kind, "exit 65")] == []


def test_corruption_of_the_store_is_noticed(generator: ModuleType, tmp_path: Path) -> None:
    store = generator.Store(tmp_path, creating=True)
    store.put("x", [b"a", b"bc"], {"encoder": "none"})
    assert generator.Store(tmp_path).get("x") == [b"a", b"bc"]
    (tmp_path / "x.bin").write_bytes(b"abd")
    with pytest.raises(ValueError, match="not what the index says"):
        generator.Store(tmp_path).get("x")
    with pytest.raises(KeyError, match="--encode"):
        generator.Store(tmp_path).get("y")
