"""A vector through the decoder, in this process: does it say what the manifest does? For mutants of the decoder.

Nothing of the decoder is imported here before a vector is judged.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODELS = {"MODEL", "MODEL_EXTENDED"}
"""Profiles of model updates."""

Reached = dict[str, dict[int, list[str]]]
"""The ids of vectors by module below refsw/ and line; IMPORT among them where a line is executed on import."""
IMPORT = ""


def import_libraries() -> None:
    """What the decoder imports, so that it is there in every fork; not the decoder."""
    import av
    import numpy as np
    from PIL import Image, Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin

    del av, np, Image, Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin
    assert "refsw" not in sys.modules


def load() -> list[dict[str, Any]]:
    """The vectors of all suites."""
    files = sorted((ROOT / "conformance" / "suites").glob("*.json"))
    return [vector for path in files for vector in json.loads(path.read_text())["vectors"]]


def read(vector: dict[str, Any]) -> bytes:
    """The bitstream of a vector."""
    return (ROOT / "test_vectors" / vector["file"]).read_bytes()


def ordered(vectors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mixed up, so that the first vector that notices comes early."""
    return sorted(vectors, key=lambda v: hashlib.sha256(v["id"].encode()).digest())


def judge(data: bytes, vector: dict[str, Any]) -> tuple[str, str]:
    """("" or what is wrong with the outcome, "" or what is wrong with the error's fields)."""
    import numpy as np

    import refsw

    base = vector.get("base")
    try:
        if vector["profile"] in MODELS:
            decoded = judged_model(data, ROOT / "test_vectors" / base["file"] if base else None)
        elif "session" in vector:
            decoded = received(data, ROOT / "test_vectors" / vector["session"]["file"])
        else:
            decoded = refsw.decode(data, model_digest=bytes.fromhex(vector.get("model", "")) or None)
    except refsw.DfcError as error:
        if vector["kind"] == "valid":
            return f"rejected: {error}", ""
        if error.exit_code != (69 if vector["kind"] == "unsupported" else 65):
            return f"exit code {error.exit_code}", ""
        told = error.as_dict()
        other = [f"{k} {told[k]!r}, not {v!r}" for k, v in vector["error"].items() if told[k] != v]
        return "", ", ".join(other)
    except BaseException as error:
        return f"crash: {type(error).__name__} {error}", ""
    if vector["kind"] != "valid":
        return "accepted", ""
    if vector["profile"] in MODELS:
        return ("", "") if decoded == vector["expected"]["model"]["digest"] else ("another model", "")
    expected = vector["expected"]["tensors"]
    arrays = decoded if isinstance(decoded, dict) else {expected[0]["name"]: decoded}
    if sorted(arrays) != sorted(t["name"] for t in expected):
        return "other tensors", ""
    for tensor in expected:
        array = np.ascontiguousarray(arrays[tensor["name"]])
        if (array.dtype.name, list(array.shape)) != (tensor["dtype"], tensor["shape"]):
            return "another type or shape", ""
        if hashlib.sha256(array.tobytes()).hexdigest() != tensor["sha256"]:
            return "other elements", ""
    return "", ""


def judged_model(data: bytes, base: Path | None) -> str:
    """The digest of the model after its updates, from the file of it, computed apart from the code that is mutated."""
    from vectors.plain import Tensor, digest

    from refsw.conformance.models import load_model
    from refsw.models.apply import apply_stream
    from refsw.models.files import ModelFiles, open_model
    from refsw.models.state import type_of

    tensors = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        with ModelFiles(path, {}) as files:
            start = open_model(base) if base else None
            files.finish(apply_stream(start, io.BytesIO(data), results=files.next))
        loaded = load_model(path)
    for name, array in loaded.items():
        kind = type_of(name, array)
        tensors[name] = Tensor(kind.element_type.name, kind.shape, array.astype(kind.dtype, copy=False).tobytes())
    return digest(tensors).hex()


def received(data: bytes, session: Path) -> dict[str, Any]:
    """What a receiver of a capture puts out, masks and all (13.6.9)."""
    from refsw.carriage.output import receive_capture
    from refsw.carriage.sdp import parse_sdp

    return receive_capture(io.BytesIO(data), parse_sdp(session.read_bytes()))


def environment() -> dict[str, str]:
    """Of the processes that decode."""
    return os.environ | {
        "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore",
        "OPENBLAS_NUM_THREADS": "1", "REFSW_COMPILED": "0",
    }  # fmt: skip
