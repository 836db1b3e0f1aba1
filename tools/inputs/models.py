"""Inputs of model updates: a model that the receiver has, and what it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Entry = dict[str, Any]
NAN = "nan"


def weight(name: str, shape: list[int], seed: int, change: float = 0.0, dtype: str = "float32", **more: Any) -> Entry:
    """A tensor of weights, and what is added to it."""
    spread = {"fill": "noise", "low": -0.1, "high": 0.1, "seed": seed}
    added = [{"fill": "noise", "low": -change, "high": change, "seed": seed + 100}] if change else []
    return {"name": name, "dtype": dtype, "shape": shape, "add": added} | spread | more


def counter(value: int) -> Entry:
    """An integer buffer, as batch normalization has it."""
    return {"name": "bn.num_batches_tracked", "dtype": "int64", "shape": [], "fill": "constant", "value": value}


def network(change: float = 0.0, batches: int = 100) -> list[Entry]:
    """A small network."""
    return [
        weight("conv.weight", [8, 4, 3, 3], 1, change), weight("conv.bias", [8], 2, change), counter(batches),
        weight("bn.running_mean", [8], 3, change), weight("fc.weight", [10, 32], 4, change),
    ]  # fmt: skip


def entry(name: str, title: str, about: list[str], base: list[Entry] | None, *steps: list[Entry],
          kind: str = "valid", **more: Any) -> Entry:  # fmt: skip
    """An entry without its digest."""
    area = name.partition("-")[0]
    head = {"id": f"{name}_r1", "area": area, "kind": kind, "claim": "models", "title": title, "about": about}
    coded = {"steps": list(steps)} if len(steps) > 1 else {"tensors": steps[0]}
    return head | coded | ({"base": base} if base is not None else {}) | more


def models() -> Iterator[Entry]:
    """All of them."""
    about = ["model.quantized", "model.result"]
    base = network()
    yield entry("update-network-small", "A network after a little more training.", about, base, network(1e-3, 120))
    yield entry("update-network-large", "A network after much training.", about, base, network(0.5, 5000))
    yield entry("update-network-same", "A network that has not changed.", about, base, network())
    yield entry("update-network-below", "Changes below any usual step.", about, base, network(1e-9, 101))
    chain = [network(1e-3, 120), network(2e-3, 140), network(3e-3, 160)]
    yield entry("update-chain-three", "Three versions, each coded against what the receiver has.",
                [*about, "model.base", "model.chain"], base, *chain)  # fmt: skip
    for dtype in ("float16", "bfloat16", "float64"):
        own = [weight("w", [6, 20], 7, 0.0, dtype)]
        yield entry(f"update-format-{dtype}", f"Weights of {dtype}.", about, own,
                    [weight("w", [6, 20], 7, 1e-2, dtype)])  # fmt: skip
    yield from _integers()
    yield from _structure(base)
    broken = network(1e-3, 120)
    broken[0]["set"] = [[5, NAN]]
    yield entry("update-nan-weight", "NaN among the weights of the target.",
                ["conformance.encoder-refuses", "model.finite"], base, broken, kind="invalid",
                twin="update-network-small_r1")  # fmt: skip
    yield entry("update-infinity-weight", "Infinity among the weights of the target.",
                ["conformance.encoder-refuses", "model.finite"], base,
                [*network(1e-3, 120)[:-1], weight("fc.weight", [10, 32], 4, 1e-3, set=[[319, "inf"]])], kind="invalid",
                twin="update-network-small_r1")  # fmt: skip
    named = [*network(1e-3), weight("a\nb", [4], 9)]
    yield entry("update-name-control", "A new tensor whose name has a control character.",
                ["conformance.encoder-refuses", "model.name-characters"], base, named, kind="invalid",
                twin="update-tensor-added_r1")  # fmt: skip


def _integers() -> Iterator[Entry]:
    about = ["model.exact", "model.bool"]
    for dtype in ("uint8", "int8", "int16", "int32", "uint64", "int64", "bool"):
        own = [{"name": "w", "dtype": dtype, "shape": [5, 9], "fill": "bits", "seed": seed} for seed in (1, 2)]
        yield entry(f"update-integers-{dtype}", f"Elements of {dtype}, which arrive bit by bit.", about, own[:1],
                    own[1:])  # fmt: skip


def _structure(base: list[Entry]) -> Iterator[Entry]:
    about = ["model.source", "model.copy", "model.new-shape"]
    tied = {"name": "head.weight", "dtype": "float32", "shape": [10, 32], "same": "fc.weight"}
    yield entry("update-tensor-tied", "Two tensors that are one and stay one.", about, [*base, tied],
                [*network(1e-3), tied])  # fmt: skip
    renamed = [t | ({"name": "classifier.weight"} if t["name"] == "fc.weight" else {}) for t in network(1e-3)]
    yield entry("update-tensor-renamed", "A tensor under another name.", about, base, renamed)
    yield entry("update-tensor-added", "A new tensor.", about, base, [*network(1e-3), weight("new", [7, 3], 11)])
    yield entry("update-tensor-removed", "A tensor less.", about, base, network(1e-3)[:-1])
    flat = [*network(1e-3)[:-1], weight("fc.weight", [320], 4, 1e-3)]
    yield entry("update-tensor-reshaped", "A tensor of another shape.", about, base, flat)
    half = [*network(1e-3)[:-1], weight("fc.weight", [10, 32], 4, 1e-3, "float16")]
    yield entry("update-tensor-format", "A tensor of another number format.", about, base, half)
    odd = [weight("scalar", [], 1), weight("none", [0, 4], 2)]
    yield entry("update-shapes-odd", "A scalar, and a tensor without elements.", about, odd,
                [weight("scalar", [], 1, 1e-2), weight("none", [0, 4], 2)])  # fmt: skip
    many = [[weight(f"t{i}", [3, 3], i, change) for i in range(150)] for change in (0.0, 1e-3)]
    yield entry("update-tensors-many", "A hundred and fifty small tensors.", ["model.order-of-tensors"], *many)
    yield entry("update-full-model", "A model for a receiver that has none.", ["model.result"], None, network())
