"""Informative: any PyTorch module, cut at the output of a named submodule.

The module is not taken apart: hooks take the features out on the way, and put others in their place. The front stops
at the cut. The back runs the whole module on zeros and swaps the features in, so that it takes the time of the whole;
`check_cut` proves that nothing of the input passes by the cut. Networks of one's own that have stages
(`refsw.evaluation.networks.builtin`) do without this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.extras import optional
from refsw.evaluation.networks.base import Complexity, Tensors
from refsw.tensor.axes import Array

Function = Callable[..., Any]


class TorchNetwork:
    """A PyTorch module in evaluation mode, run on one thread.

    Args:
        module: that takes one tensor (N, C, H, W).
        cuts: for each cut the name of the submodule whose output is cut, or the names of several.
        shape: (C, H, W) of the input; the back needs it.
        output: picks the tensor from what the module returns; without it, it returns one.

    Raises:
        UsageError: there is no such submodule.
    """

    def __init__(
        self,
        module: Any,
        cuts: Mapping[str, str | Sequence[str]],
        shape: tuple[int, int, int],
        output: Function | None = None,
    ) -> None:
        self.module, self.shape, self._output = module.eval(), shape, output
        known = dict(module.named_modules())
        self._places = {name: (p,) if isinstance(p, str) else tuple(p) for name, p in cuts.items()}
        for places in self._places.values():
            for place in places:
                if place not in known:
                    raise UsageError(f"no module {place} in the network: {', '.join(list(known)[1:9])}...")

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cuts, as they were given."""
        return tuple(self._places)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the state dictionary and of the printed structure."""
        return state_digest(self.module)

    def cut(self, name: str) -> TorchCut:
        """The module cut at a name.

        Raises:
            UsageError: there is no such cut.
        """
        if name not in self._places:
            raise UsageError(f"no cut {name}: {', '.join(self._places)}")
        return TorchCut(self, self._places[name])

    def run(self, images: Array) -> Array:
        """The whole module."""
        with quiet(optional("torch")) as torch:
            return self.picked(self.module(torch.from_numpy(np.ascontiguousarray(images))))

    def picked(self, result: Any) -> Array:
        """The output of the module as an array."""
        array: Array = (self._output(result) if self._output else result).numpy()
        return array

    def complexity(self, name: str, images: Array) -> Complexity:
        """Multiply-accumulates of convolutions and linear layers, in the order in which they run."""
        cut = self.cut(name)
        whole = count_macs(self.module, lambda: self.run(images[:1]))
        found: list[Tensors] = []
        front = count_macs(self.module, lambda: found.append(cut.front(images[:1])))
        return Complexity(front, whole - front, sum(tensor.size for tensor in found[0].values()))


class TorchCut:
    """A `TorchNetwork` cut at submodules."""

    def __init__(self, network: TorchNetwork, places: tuple[str, ...]) -> None:
        self._network, self._places = network, places

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the submodules."""
        return self._places

    def front(self, images: Array) -> Tensors:
        """Run until every feature is there.

        Raises:
            NetworkError: a submodule did not run, or gave no tensor.
        """
        found: Tensors = {}

        def keep(place: str, result: Any) -> None:
            if not hasattr(result, "detach"):
                raise NetworkError(f"module {place} gives {type(result).__name__}, not a tensor")
            found[place] = result.detach().numpy()
            if len(found) == len(self._places):
                raise _EnoughError

        try:
            self._hooked(keep, images)
        except _EnoughError:
            return {place: found[place] for place in self._places}
        raise NetworkError(f"modules that did not run: {', '.join(set(self._places) - set(found))}")

    def back(self, features: Mapping[str, Array]) -> Array:
        """Run on zeros, with the features in place of what the submodules give."""
        torch = optional("torch")

        def replace(place: str, result: Any) -> Any:
            given = torch.from_numpy(np.ascontiguousarray(features[place], np.float32))
            if given.shape != result.shape:
                raise NetworkError(
                    f"features {tuple(given.shape)} for module {place}, which gives {tuple(result.shape)}"
                )
            return given

        samples = len(next(iter(features.values())))
        return self._hooked(replace, np.zeros((samples, *self._network.shape), np.float32))

    def whole(self, images: Array) -> Array:
        """The module as it is."""
        return self._network.run(images)

    def _hooked(self, action: Function, images: Array) -> Array:
        module = self._network.module
        hooks = [
            module.get_submodule(place).register_forward_hook(lambda _, __, result, place=place: action(place, result))
            for place in self._places
        ]
        try:
            return self._network.run(images)
        finally:
            for hook in hooks:
                hook.remove()


def torch_cut(module: Any, names: str | Sequence[str], shape: tuple[int, int, int]) -> TorchCut:
    """A PyTorch module cut at one place: `TorchNetwork` with a single cut."""
    return TorchNetwork(module, {"cut": names}, shape).cut("cut")


class quiet:  # noqa: N801  (a context manager that reads as a word)
    """No gradients, one thread; what was set before comes back."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __enter__(self) -> Any:
        self._threads = self._torch.get_num_threads()
        self._torch.set_num_threads(1)
        self._mode = self._torch.inference_mode()
        self._mode.__enter__()
        return self._torch

    def __exit__(self, *told: Any) -> None:
        self._mode.__exit__(*told)
        self._torch.set_num_threads(self._threads)


def count_macs(module: Any, action: Callable[[], object]) -> int:
    """Multiply-accumulates of the convolutions and linear layers that run during an action, for one sample."""
    torch, total = optional("torch"), 0

    def count(layer: Any, _: Any, result: Any) -> None:
        nonlocal total
        total += result[0].numel() * layer.weight[0].numel()

    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.Linear)
    hooks = [layer.register_forward_hook(count) for layer in module.modules() if isinstance(layer, kinds)]
    try:
        action()
    finally:
        for hook in hooks:
            hook.remove()
    return total


def state_digest(module: Any) -> str:
    """SHA-256 of names, dtypes, shapes and bytes of a module's state, and of its printed structure."""
    total = hashlib.sha256(repr(module).encode())
    for name, tensor in sorted(module.state_dict().items()):
        array = tensor.detach().contiguous()
        total.update(f"{name} {array.dtype} {tuple(array.shape)}\n".encode())
        total.update(memoryview(array.reshape(-1).view(optional("torch").uint8).numpy()))
    return total.hexdigest()


class _EnoughError(Exception):
    """All features are there: the rest of the network need not run."""
