"""Informative: the edges of an ONNX graph: what a node takes, and an order in which its nodes can be computed.

Files list nodes in any order and name tensors as they like. What depends on order or names is made sure of here: every
tensor has one maker, and a node comes after those that it hangs on, by way of inner graphs (If, Loop) too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from refsw.evaluation.errors import NetworkError


def taken(node: Any) -> list[str]:
    """Tensors that a node takes, by way of inner graphs (If, Loop) too."""
    names = [name for name in node.input if name]
    for graph in _inner(node):
        own = constants(graph) | {name for n in graph.node for name in n.output} | {v.name for v in graph.input}
        used = [name for n in graph.node for name in taken(n)] + [v.name for v in graph.output]
        names += [name for name in used if name not in own]
    return names


def constants(graph: Any) -> set[str]:
    """Names of the tensors that a graph holds, dense and sparse."""
    return {tensor.name for tensor in graph.initializer} | {tensor.values.name for tensor in graph.sparse_initializer}


def graphs(model: Any) -> Iterator[Any]:
    """The graph of a model and all that lie within it."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += [inner for node in graph.node for inner in _inner(node)]


def put_in_order(model: Any) -> bool:
    """Put the nodes of every graph of a model behind those that they hang on; what is in order stays as it is.

    Returns:
        Whether anything was moved.

    Raises:
        NetworkError: two nodes make the same tensor, or one that is given as well; or nodes hang on one another.
    """
    moved = False
    for graph in graphs(model):
        order = _ordered(graph)
        if order != list(range(len(graph.node))):
            nodes = [graph.node[i] for i in order]
            copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
            del graph.node[:]
            graph.node.extend(copies)
            moved = True
    return moved


def _ordered(graph: Any) -> list[int]:
    """Numbers of the nodes in an order in which they can be computed, as near to theirs as there is."""
    makers: dict[str, int] = {}
    given = constants(graph) | {value.name for value in graph.input}
    for number, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in makers or name in given:
                raise NetworkError(f"tensor {name} is made by a node, and there by another way as well")
            makers[name] = number
    needs = [sorted({makers[name] for name in taken(node) if name in makers}) for node in graph.node]
    order: list[int] = []
    state = [0] * len(needs)  # 1: begun, 2: in its place
    for first in range(len(needs)):
        # By hand: a chain of nodes may be longer than the stack.
        path: list[tuple[int, Iterator[int]]] = [] if state[first] else [_begin(first, needs, state)]
        while path:
            number, rest = path[-1]
            following = next((n for n in rest if state[n] < 2), None)
            if following is None:
                path.pop()
                state[number] = 2
                order.append(number)
            elif state[following] == 1:
                names = ", ".join(filter(None, graph.node[following].output))
                raise NetworkError(f"the nodes hang on one another in a circle: {names} is computed from itself")
            else:
                path.append(_begin(following, needs, state))
    return order


def _begin(number: int, needs: list[list[int]], state: list[int]) -> tuple[int, Iterator[int]]:
    state[number] = 1
    return number, iter(needs[number])


def reached(nodes: Iterable[Any], source: str) -> set[str]:
    """Tensors that hang on one, of nodes in order; with it."""
    found = {source}
    for node in nodes:
        if not found.isdisjoint(taken(node)):
            found |= set(filter(None, node.output))
    return found


def _inner(node: Any) -> list[Any]:
    return [graph for a in node.attribute for graph in ([a.g] if a.HasField("g") else []) + list(a.graphs)]
