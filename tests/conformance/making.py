"""Small suites of vectors, made on the fly."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import refsw
from refsw.conformance.decoders import decoder_under_test
from refsw.conformance.engine import locked
from refsw.conformance.outputs import little_endian
from refsw.conformance.programs import Limits
from refsw.conformance.results import Plan, Report
from refsw.conformance.runner import run
from refsw.conformance.suite import Selection, load_suites
from refsw.features.decoder import decode_by_name
from refsw.syntax.codes import Level, Profile
from refsw.syntax.units import pack_header, pack_unit

ROOT = Path(__file__).resolve().parents[2]
SABOTEUR = ROOT / "conformance" / "saboteurs" / "saboteur.py"
INDEPENDENT = ROOT / "conformance" / "independent" / "dfc_decoder.py"
PROCESS = """
import json, sys
from pathlib import Path
from refsw.conformance.outputs import write_raw
from refsw.conformance.reference import decode
from refsw.errors import DfcError

print(json.dumps({"ready": True, "TAKES": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    try:
        tensors = decode(Path(asked["input"]).read_bytes(), TAKES=asked.get("TAKES"))
    except DfcError as error:
        print(json.dumps({"exit": error.exit_code}), flush=True)
        continue
    with open(asked["output"], "wb") as file:
        write_raw(file, tensors)
    print(json.dumps({"exit": 0}), flush=True)
"""
"""A decoder that lives on, for TAKES in place of what it is told besides a bitstream (13.6.6)."""


@contextmanager
def independent_module(name: str) -> Iterator[ModuleType]:
    """A module of the independent decoder, which finds those beside it."""
    folder = INDEPENDENT.parent
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))


def digest(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


def vector(folder: Path, name: str, data: bytes, kind: str = "valid", **fields: Any) -> dict[str, Any]:
    """The entry of a vector whose file is written below a folder."""
    (folder / "test_vectors").mkdir(parents=True, exist_ok=True)
    (folder / "test_vectors" / f"{name}.dfc").write_bytes(data)
    entry: dict[str, Any] = {
        "id": f"{name}_r1", "area": name.split("-")[0], "kind": kind, "title": f"A vector named {name}.",
        "profile": "INTRA", "level": 1, "file": f"{name}.dfc", "bytes": len(data), "sha256": digest(data),
        "requirements": ["unit.crc"], "exercises": [],
    }  # fmt: skip
    if kind == "valid":
        tensors = [
            {"name": n, "dtype": x.dtype.name, "shape": list(x.shape), "sha256": digest(little_endian(x))}
            for n, x in decode_by_name(data).items()
        ]
        entry["expected"] = {"tensors": tensors}
    else:
        entry["error"] = {"phase": "parse", "class": "CRC_MISMATCH", "requirement": "unit.crc",
                          "element": "unit_crc", "bit_offset": 8}  # fmt: skip
    return entry | fields


def suite(folder: Path, entries: list[dict[str, Any]], name: str = "small") -> Path:
    manifest = {"suite": name, "version": "1.0.0", "specification": "1.0", "title": "A small suite.",
                "vectors": entries}  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(manifest))
    return path


# No decoder that ends is late, however much else the machine has to do.
PATIENT = Limits(3600.0)


def small_suite(folder: Path, streams: dict[str, bytes]) -> Path:
    """Valid streams of several kinds, and one of every other kind."""
    hevc, log = streams["hevc mosaic"], streams["gzip"]
    x = np.linspace(-1, 1, 2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    uniform = refsw.encode(x, quantizer="uniform", bit_depth=12, payload="zlib", range_scope="sample")
    damaged = bytearray(hevc)
    damaged[-40] ^= 1
    unknown = pack_header(Profile.INTRA, Level.L1) + pack_unit(70, b"?", skippable=False)
    entries = [
        vector(folder, "hevc-mosaic", hevc),
        vector(folder, "bytes-gzip", log, requirements=["bytes.format", "unit.crc"]),
        vector(folder, "bytes-uniform", uniform, requirements=["dequantize.uniform"]),
        vector(folder, "units-crc", bytes(damaged), "malformed"),
        vector(folder, "units-end", hevc[:-9], "malformed", requirements=["unit.complete"]),
        vector(folder, "units-headercrc", log[:8] + b"\0\0\0\0" + log[12:], "invalid"),
        vector(folder, "units-unknown", unknown, "unsupported", requirements=["unit.unknown"]),
    ]
    return suite(folder, entries)


def saboteur(mode: str) -> str:
    """The command of a saboteur."""
    return f"{sys.executable} {SABOTEUR} {mode} {{input}} {{output}}"


def judge(path: Path, decoder: str, *ids: str, limits: Limits | None = None, jobs: int = 2,
          strict_errors: bool = False) -> Report:  # fmt: skip
    """Run a suite beside its own report folder."""
    folder = path.parent / "report"
    suites, tested = load_suites([path]), decoder_under_test(decoder)
    plan = Plan(suites, tested, limits or PATIENT, Selection(ids=ids), jobs, strict_errors)
    with locked(folder):
        return run(plan, folder, fresh=True)


def outcomes(report: Report) -> dict[str, str]:
    return {result.vector.id.removesuffix("_r1"): str(result.outcome) for result in report.results}


def processes_of(text: str) -> list[str]:
    """Command lines of processes that mention a text, those of this test run's own ancestors left out."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if text in words and state != "Z":
            found.append(f"{place.name} {words}")
    return found


def run_refsw(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "refsw", *map(str, words)],
        capture_output=True, text=True, check=False, env=environment, **options,
    )  # fmt: skip
