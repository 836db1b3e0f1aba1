"""Informative: any PyTorch module, cut at the output of a named submodule.

The module is not taken apart: hooks take the features out on the way, and put others in their place. The front stops
at the cut. The back runs the whole module on zeros and swaps the features in, so that it takes the time of the whole;
`check_cut` proves that nothing of the input passes by the cut. Networks of one's own that have stages
(`refsw.evaluation.networks.builtin`) do without this.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from refsw.errors import FeatureError, RefswError, UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.networks.base import Complexity, Tensors
from refsw.evaluation.networks.weights import COMPILED
from refsw.extras import optional
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import DTYPES, Array, element_type_of

BFLOAT16 = DTYPES[ElementType.BFLOAT16]
Function = Callable[..., Any]


class TorchNetwork:
    """A PyTorch module in evaluation mode, run on one thread.

    Args:
        module: that takes one tensor (N, C, H, W).
        cuts: for each cut the name of the submodule whose output is cut, or the names of several.
        shape: (C, H, W) of the input; the back needs it.
        output: picks the tensor from what the module returns: a function, or its key, attribute or place; without
            it, the module returns a tensor.

    Raises:
        UsageError: there is no such submodule.
        NetworkError: the module is none.
    """

    def __init__(
        self,
        module: Any,
        cuts: Mapping[str, str | Sequence[str]],
        shape: tuple[int, int, int],
        output: Function | str | int | None = None,
    ) -> None:
        if not isinstance(module, optional("torch.nn").Module):
            raise NetworkError(f"a {type(module).__name__} is no module of PyTorch")
        module = _uncompiled(module)
        self.module, self.shape, self._output = module.eval(), shape, output
        known = dict(module.named_modules())
        self._places = {}
        for name, given in cuts.items():
            places = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else ()
            if not places or len(set(places)) != len(places) or not all(isinstance(place, str) for place in places):
                raise UsageError(f"cut {name}: {given}: names of modules, as text (a number in quotes), none twice")
            self._places[name] = places
            for place in places:
                if place not in known:
                    raise UsageError(f"no module {place} in the network: {', '.join(list(known)[1:9])}...")

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cuts, as they were given."""
        return tuple(self._places)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of weights, printed structure, source files of the modules, and of where they are cut and left."""
        output = getattr(self._output, "__qualname__", self._output)
        places = f"{state_digest(self.module)} {self._places} {self.shape} {output}"
        return hashlib.sha256(places.encode()).hexdigest()

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
            return self.picked(self.module(torch.from_numpy(np.array(images, np.float32)).to(self._input_type(torch))))

    def _input_type(self, torch: Any) -> Any:
        """The number format of the first weights: a network in binary16 or bfloat16 takes pictures in that."""
        weights = (tensor for tensor in self.module.parameters() if tensor.is_floating_point())
        return next((tensor.dtype for tensor in weights), torch.float32)

    def picked(self, result: Any) -> Array:
        """The output of the module as an array.

        Raises:
            NetworkError: it is no tensor.
        """
        chosen, output = result, self._output
        try:
            if callable(output):
                chosen = output(result)
            elif isinstance(output, str) and not isinstance(result, Mapping):
                chosen = getattr(result, output)
            elif output is not None:
                chosen = result[output]
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise NetworkError(f"the module gives a {type(result).__name__} without {output}") from error
        if not hasattr(chosen, "detach"):
            told = ", ".join(map(str, chosen)) if isinstance(chosen, Mapping) else type(chosen).__name__
            raise NetworkError(f"the module gives no tensor but {told}: say which with output")
        array: Array = (chosen.float() if chosen.is_floating_point() else chosen).detach().numpy()
        return array

    def complexity(self, name: str, images: Array) -> Complexity | None:
        """Multiply-accumulates of convolutions and matrix products; None where there are recurrent layers."""
        if any(isinstance(layer, optional("torch.nn").RNNBase) for layer in self.module.modules()):
            return None
        cut = self.cut(name)
        whole = count_macs(lambda: self.run(images[:1]))
        found: list[Tensors] = []
        front = count_macs(lambda: found.append(cut.front(images[:1])))
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
            if place in found:
                raise NetworkError(f"module {place} runs more than once: cut at one that runs once")
            # What comes next may change it in place.
            found[place] = _as_array(result, place)
            if len(found) == len(self._places):
                raise _EnoughError

        try:
            self._hooked(keep, images)
        except _EnoughError:
            return {place: found[place] for place in self._places}
        raise NetworkError(f"modules that did not run: {', '.join(set(self._places) - set(found))}")

    def back(self, features: Mapping[str, Array]) -> Array:
        """Run on zeros, with the features in place of what the submodules give."""
        torch, replaced = optional("torch"), set[str]()

        def replace(place: str, result: Any) -> Any:
            # Copied: what comes next may change it in place.
            given = _as_tensor(torch, features[place]).to(result.dtype)
            if given.shape != result.shape:
                raise NetworkError(
                    f"features {tuple(given.shape)} for module {place}, which gives {tuple(result.shape)}"
                )
            if place in replaced:
                raise NetworkError(f"module {place} runs more than once: cut at one that runs once")
            replaced.add(place)
            return given

        samples = len(next(iter(features.values())))
        output = self._hooked(replace, np.zeros((samples, *self._network.shape), np.float32))
        if replaced != set(self._places):
            raise NetworkError(f"modules that did not run: {', '.join(sorted(set(self._places) - replaced))}")
        return output

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


def _uncompiled(module: Any) -> Any:
    """A module without the wrappers of compilation and data parallelism, whose hooks and names would be others."""
    nn, wrapped = optional("torch.nn"), None
    while wrapped is not module:
        wrapped = module
        inner = getattr(module, COMPILED, None)
        inner = module.module if isinstance(module, nn.DataParallel) else inner
        module = inner if isinstance(inner, nn.Module) else module
    return module


def _as_array(tensor: Any, place: str) -> Array:
    """A copy of a tensor with its own number format."""
    torch, plain = optional("torch"), tensor.detach().contiguous()
    is_bfloat16 = plain.dtype == torch.bfloat16
    try:
        array: Array = (plain.view(torch.int16) if is_bfloat16 else plain).numpy().copy()
        array = array.view(BFLOAT16) if is_bfloat16 else array
        element_type_of(array.dtype)
    except (TypeError, RuntimeError, FeatureError) as error:
        raise NetworkError(f"module {place} gives {tensor.dtype}, which no feature tensor has") from error
    return array


def _as_tensor(torch: Any, array: Array) -> Any:
    """The inverse of `_as_array`."""
    copy = np.array(array)
    return (
        torch.from_numpy(copy.view(np.int16)).view(torch.bfloat16) if copy.dtype == BFLOAT16 else torch.from_numpy(copy)
    )


def torch_cut(module: Any, names: str | Sequence[str], shape: tuple[int, int, int]) -> TorchCut:
    """A PyTorch module cut at one place: `TorchNetwork` with a single cut."""
    return TorchNetwork(module, {"cut": names}, shape).cut("cut")


class quiet:  # noqa: N801  (a context manager that reads as a word)
    """No gradients, one thread; what was set before comes back, and a module that fails gives a `NetworkError`."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __enter__(self) -> Any:
        self._threads = self._torch.get_num_threads()
        self._torch.set_num_threads(1)
        self._mode = self._torch.inference_mode()
        self._mode.__enter__()
        return self._torch

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._mode.__exit__(kind, error, at)
        self._torch.set_num_threads(self._threads)
        if isinstance(error, Exception) and not isinstance(error, RefswError | _EnoughError | MemoryError):
            told = " ".join(str(error).split())[:300]
            raise NetworkError(f"the network does not run: {type(error).__name__}: {told}") from error


def count_macs(action: Callable[[], object]) -> int:
    """Multiply-accumulates of all convolutions and matrix products that run during an action."""
    attention, layers = optional("torch.nn.attention"), optional("torch.backends.mha")
    counter = optional("torch.utils.flop_counter").FlopCounterMode(display=False)
    fused = layers.get_fastpath_enabled()
    # The counter does not know attention, or a whole layer of a transformer, in one operation.
    layers.set_fastpath_enabled(value=False)
    try:
        with attention.sdpa_kernel([attention.SDPBackend.MATH]), counter:
            action()
    finally:
        layers.set_fastpath_enabled(value=fused)
    # It counts a multiplication and an addition each.
    return int(counter.get_total_flops()) // 2


def state_digest(module: Any) -> str:
    """SHA-256 of names, dtypes, shapes and bytes of a module's state, of its printed structure, and of the files that
    define the classes of its parts. What these files import is not looked into.

    Raises:
        NetworkError: the state holds something else than tensors.
    """
    torch = optional("torch")
    total = hashlib.sha256(repr(module).encode())
    # Buffers that are not stored with the weights have an effect as well.
    for name, tensor in sorted({**dict(module.named_buffers()), **module.state_dict()}.items()):
        if not isinstance(tensor, torch.Tensor):
            raise NetworkError(f"state {name} of the network is a {type(tensor).__name__}, not a tensor")
        array = tensor.detach().contiguous()
        total.update(f"{name} {array.dtype} {tuple(array.shape)}\n".encode())
        total.update(memoryview(array.reshape(-1).view(torch.uint8).numpy()))
    homes = {type(part).__module__ for part in module.modules()}
    for home in sorted(home for home in homes if home.partition(".")[0] != "torch"):
        source = getattr(sys.modules.get(home), "__file__", None)
        total.update(f"{home}\n".encode() + (Path(source).read_bytes() if source else b""))
    return total.hexdigest()


class _EnoughError(Exception):
    """All features are there: the rest of the network need not run."""
