"""Model updates for the store, as refsw.diff_models wrote them once; and an .xz stream that expands a lot."""

from __future__ import annotations

import lzma
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refsw import __version__
from refsw.models.config import DiffConfig, Rounding, make_step
from refsw.models.diff import diff_models
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import DTYPES, Array
from vectors.bases import BASES

Arrays = Mapping[str, Array]


def arrays(name: str) -> dict[str, Array]:
    """A base as numpy arrays."""
    return {
        key: np.frombuffer(tensor.raw, DTYPES[ElementType[tensor.type]]).reshape(tensor.shape)
        for key, tensor in BASES[name]().items()
    }


def _moved(model: Arrays, scale: float, seed: int) -> dict[str, Array]:
    """A model a little further trained."""
    out = dict(model)
    for place, (name, array) in enumerate(model.items()):
        if array.dtype.kind == "f" and array.size:
            shift = (np.arange(array.size) * 2654435761 + seed * 97 + place) % 1009 / 1009 - 0.5
            out[name] = (array.astype(np.float64) + scale * shift.reshape(array.shape)).astype(array.dtype)
        elif array.dtype.kind in "iu":
            out[name] = (array + 1).astype(array.dtype)
    return out


def _single(base: str, **options: Any) -> bytes:
    return diff_models(arrays(base), _moved(arrays(base), 0.01, 1), **options)


def _chain() -> bytes:
    start = arrays("net")
    later = _moved(start, 0.02, 2)
    return diff_models(start, later, _moved(later, 0.005, 3), digits=3, versions=["0", "1", "2"], network_id="net",
                       metadata={"trained": "twice"})  # fmt: skip


def _full() -> bytes:
    return diff_models(None, arrays("net"), digits=5, step=2)


def _dead_zone() -> bytes:
    return _single("many", config=DiffConfig(step=make_step(3, 5), rounding=Rounding.DEAD_ZONE))


def _exact() -> bytes:
    return _single("tap", config=DiffConfig(exact=("*",)))


def _kernels() -> bytes:
    base = {"k": np.linspace(-1, 1, 24 * 16 * 9, dtype=np.float64).astype(np.float32).reshape(24, 16, 3, 3)}
    taps = np.cumsum(np.ones(9)).reshape(3, 3) * 0.01
    rows = ((np.arange(24 * 16) * 2654435761 % 4093) / 4093 - 0.5).reshape(24, 16, 1, 1)
    return diff_models(None, {"k": (base["k"] * 0.01 + rows * taps).astype(np.float32)}, digits=4)


UPDATES: dict[str, tuple[str | None, str, Callable[[], bytes]]] = {
    "one": ("net", "A small network a little further trained, as refsw wrote it", lambda: _single("net", digits=4)),
    "chain": ("net", "Two updates of a chain, as refsw wrote them", _chain),
    "full": (None, "A full model, as refsw wrote it", _full),
    "dead.zone": ("many", "Differences with a dead zone, as refsw wrote them", _dead_zone),
    "exact": ("tap", "Exact differences, as refsw wrote them", _exact),
    "kernels": (None, "Kernels with labels and prediction, as refsw wrote them", _kernels),
}
ZEROS = (1 << 20) + 4096 * 680  # and the stream has 680 bytes


def encode(name: str) -> tuple[list[bytes], dict[str, Any]]:
    """([bytes], where they come from)."""
    if name == "model-zeros":
        data = lzma.compress(bytes(ZEROS), lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)
        return [data], {"encoder": "liblzma, preset 6", "bytes": ZEROS}
    made = UPDATES[name.removeprefix("model-encoder-")][2]
    return [made()], {"encoder": f"refsw {__version__}, diff_models", "function": made.__name__}
