"""Informative: where an ONNX network can be cut at one tensor, and conditions that measure what each place costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors.conditions import Conditions, parse_conditions
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks.graphs import constants, put_in_order, reached, taken
from refsw.evaluation.networks.onnx import Places
from refsw.extras import optional

SHAPELESS = {"Shape", "Constant", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout"}
"""Nodes behind which a cut is the same as before them."""
MOST_CUTS = 8
QPS, QUALITIES = (12, 20, 28, 34, 40, 46), (10, 25, 50, 75, 90, 97)


def separators(path: Path) -> dict[str, str]:
    """Tensors that alone separate the input of a model from its output, in order: names that cuts can have -> tensors.

    Raises:
        NetworkError: the file is no ONNX model.
    """
    onnx = optional("onnx")
    try:
        graph = _ordered(onnx.load(path, load_external_data=False))
    except NetworkError:
        raise
    except Exception as error:  # protobuf has errors of its own
        raise NetworkError(f"{path}: no ONNX model: {' '.join(str(error).split())[:200]}") from error
    held = constants(graph)
    inputs = [value.name for value in graph.input if value.name not in held]
    alive_from = reached(graph.node, inputs[0]) if inputs else set()
    last_use: dict[str, int] = {value.name: len(graph.node) for value in graph.output}
    for number, node in enumerate(graph.node):
        for name in taken(node):
            last_use[name] = max(number, last_use.get(name, 0))
    live, found = {inputs[0]} if inputs else set(), {}
    for number, node in enumerate(graph.node):
        live |= {name for name in node.output if name in alive_from and name in last_use}
        live = {name for name in live if last_use[name] > number}
        if len(live) == 1 and node.op_type not in SHAPELESS:
            (name,) = live
            if name in node.output and last_use[name] < len(graph.node):
                found[_word(name)] = name
    return found


def _ordered(model: Any) -> Any:
    put_in_order(model)
    return model.graph


def _word(tensor: str) -> str:
    return "".join(c if c.isalnum() or c in "._" else "-" for c in tensor).strip("-") or "cut"


def thinned(cuts: dict[str, str], most: int = MOST_CUTS) -> dict[str, str]:
    """At most so many of the cuts, spread evenly, with the first and the last."""
    names = list(cuts)
    if len(names) <= most:
        return cuts
    kept = sorted({round(i * (len(names) - 1) / (most - 1)) for i in range(most)})
    return {names[i]: cuts[names[i]] for i in kept}


def measuring(
    network: Path, pictures: Path, *, cuts: dict[str, Places], preprocessing: str, preset: str, limit: int
) -> Conditions:
    """Conditions under which every cut of an ONNX network and coded pictures are measured, on pictures of a folder.

    Outputs are compared with those without coding: the share of pictures whose greatest output stays the same.

    Raises:
        UsageError: no cut.
    """
    if not cuts:
        raise UsageError(
            f"{network}: no tensor alone separates its input from its output: name cuts, --cut NAME=TENSOR"
        )
    document = {
        "format": "refsw-conditions-1",
        "name": "plan",
        "title": f"Where to cut {network.name}",
        "codecs": {
            preset: {"preset": preset, "sweep": {"qp": list(QPS)}},
            "jpeg": {"picture": "jpeg", "sweep": {"quality": list(QUALITIES)}},
        },
        "tests": [
            {
                "name": "plan",
                "title": network.name,
                "task": "classification",
                "network": {
                    "kind": "onnx", "path": str(network.resolve()), "cuts": dict(cuts), "preprocessing": preprocessing,
                },
                "dataset": {"kind": "folder", "root": str(pictures.resolve()), "limit": limit},
                "layers": ["input", "input-resized", *cuts],
            }
        ],
    }  # fmt: skip
    return parse_conditions(document, str(network))
