"""Informative: weights from files into the built-in networks, whichever way they were stored.

Nothing is unpickled: safetensors, or PyTorch files read with `weights_only`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.evaluation.extras import optional

WRAPPERS = ("state_dict", "model", "model_state_dict")
PREFIX = "module."
CLASSIFIERS = ("fc.", "classifier.")
CODEBOOK, CODES = ".codebook", ".codes_matrix"


def load_weights(module: Any, path: Path) -> None:
    """Fill a module with the weights of a file.

    Besides plain state dictionaries, also under the keys `state_dict` or `model` or with the prefix that data
    parallelism leaves, two reduced forms are taken: vector-quantised layers (`<layer>.codebook` (words, length) and
    `<layer>.codes_matrix` of numbers of words, in the order of the weight's elements), and batch normalisations that
    are only a weight and a bias, their statistics being folded in. Weights of a classifier (`fc` or `classifier`) are
    left out if the module has none.

    Args:
        module: of PyTorch; changed in place.
        path: .safetensors, .pt or .pth.

    Raises:
        UsageError: there is no such file.
        NetworkError: it holds no weights, or those of another network: keys and shapes are named.
    """
    state = _plain(_read(path))
    torch = optional("torch")
    for name, layer in module.named_modules():
        if isinstance(layer, torch.nn.BatchNorm2d) and f"{name}.running_var" not in state and f"{name}.bias" in state:
            size = state[f"{name}.bias"].shape
            state |= {f"{name}.running_mean": torch.zeros(size), f"{name}.running_var": torch.ones(size)}
            layer.eps = 0.0
    own = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    for key, tensor in own.items():
        words, codes = (state.pop(key.removesuffix(".weight") + part, None) for part in (CODEBOOK, CODES))
        if key.endswith(".weight") and words is not None and codes is not None:
            state[key] = _expanded(words, codes, tensor, f"{path}: {key}")
    if not any(key.startswith(CLASSIFIERS) for key in own):
        state = {key: tensor for key, tensor in state.items() if not key.startswith(CLASSIFIERS)}
    for what, keys in (("no", own.keys() - state.keys()), ("also", state.keys() - own.keys())):
        if keys:
            raise NetworkError(f"{path}: weights of another network: {what} {', '.join(sorted(keys)[:3])}")
    for key, tensor in own.items():
        if state[key].layout is not torch.strided or state[key].is_complex():
            raise NetworkError(f"{path}: {key} is sparse or complex")
        if state[key].shape != tensor.shape:
            raise NetworkError(f"{path}: {key} is {tuple(state[key].shape)}, not {tuple(tensor.shape)}")
        if not torch.isfinite(state[key]).all():
            raise NetworkError(f"{path}: {key} has NaN or infinity")
    counts = {k: torch.zeros((), dtype=torch.long) for k in module.state_dict() if k not in own}
    module.load_state_dict({k: v.float() for k, v in state.items()} | counts)


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path}: no such file of weights")
    try:
        if path.suffix == ".safetensors":
            loaded = optional("safetensors.torch").load_file(path)
        else:
            loaded = optional("torch").load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each library has its own
        told = " ".join(str(error).split())
        if path.suffix != ".safetensors" and not isinstance(error, OSError):
            # What PyTorch says is about its unpickler, with the advice to run what the file holds.
            code = _code_in(path)
            told = f"it holds {code[0]}, which is code and not run" if code else "damaged, or no file of PyTorch"
        raise NetworkError(f"{path}: no weights: {told[:200]}") from error
    if not isinstance(loaded, Mapping):
        raise NetworkError(f"{path}: no weights: a {type(loaded).__name__}")
    return loaded


def _code_in(path: Path) -> list[str]:
    """Names of the classes and functions that a file of PyTorch asks for, as far as it can be looked into."""
    try:
        return sorted(optional("torch.serialization").get_unsafe_globals_in_checkpoint(path))
    except Exception:  # damaged, of the form before zip, or a PyTorch that does not tell
        return []


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    for key in WRAPPERS:
        if isinstance(state.get(key), Mapping):
            state = state[key]
    return {str(key).removeprefix(PREFIX): value for key, value in state.items() if hasattr(value, "layout")}


def _expanded(words: Any, codes: Any, like: Any, where: str) -> Any:
    if words.ndim != 2 or codes.numel() * words.shape[1] != like.numel():
        told = f"{tuple(codes.shape)} numbers of words of {tuple(words.shape)}"
        raise NetworkError(f"{where}: {told} do not fill {tuple(like.shape)}")
    if codes.is_floating_point() or not 0 <= int(codes.min()) <= int(codes.max()) < len(words):
        raise NetworkError(f"{where}: numbers of words that are not among the {len(words)}")
    return words.float()[codes.long()].reshape(like.shape)
