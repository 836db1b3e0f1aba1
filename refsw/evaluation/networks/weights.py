"""Informative: weights from files into the built-in networks, whichever way they were stored.

Nothing is unpickled: safetensors, or PyTorch files read with `weights_only`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.errors import NetworkError
from refsw.extras import optional

WRAPPERS = ("state_dict", "model", "model_state_dict")
PREFIX = "module."
COMPILED = "_orig_mod"
"""What `torch.compile` puts between the names of a module and of what it wraps, at any depth."""
INDEX = ".index.json"
CLASSIFIERS = ("fc.", "classifier.")
CODEBOOK, CODES = ".codebook", ".codes_matrix"


def load_weights(module: Any, path: Path) -> None:
    """Fill a module with the weights of a file.

    Besides plain state dictionaries, also under the keys `state_dict` or `model` or with the prefixes that data
    parallelism and compilation leave, two reduced forms are taken: vector-quantised layers (`<layer>.codebook` (words,
    length) and `<layer>.codes_matrix` of numbers of words, in the order of the weight's elements), and batch
    normalisations that are only a weight and a bias, their statistics being folded in. Weights of a classifier (`fc`
    or `classifier`) are left out if the module has none.

    Elements of any number format become binary32.

    Args:
        module: of PyTorch; changed in place.
        path: .safetensors, .pt or .pth; or the index of one that is split, model.safetensors.index.json.

    Raises:
        UsageError: there is no such file.
        NetworkError: it holds no weights, or those of another network: keys and shapes are named.
    """
    state = _plain(_read(path), path)
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
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise NetworkError(
                f"{path}: weights of another network: {what} {', '.join(sorted(keys)[:3])}{more}{_part(path)}"
            )
    plain = {key: _binary32(state[key], tensor, f"{path}: {key}") for key, tensor in own.items()}
    counts = {k: torch.zeros((), dtype=torch.long) for k in module.state_dict() if k not in own}
    module.load_state_dict(plain | counts)


def _part(path: Path) -> str:
    """Whether a file is one part of several, which its name tells."""
    return " (one part of several: name their index)" if re.search(r"-\d+-of-\d+\.", path.name) else ""


def _binary32(given: Any, like: Any, where: str) -> Any:
    torch = optional("torch")
    if given.layout is not torch.strided or given.is_complex() or given.is_quantized or given.device.type == "meta":
        raise NetworkError(f"{where} is sparse, complex, quantized, or has no elements")
    if given.shape != like.shape:
        raise NetworkError(f"{where} is {tuple(given.shape)}, not {tuple(like.shape)}")
    try:
        plain = given.float()
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise NetworkError(f"{where}: elements of {given.dtype} are not taken") from error
    if not torch.isfinite(plain).all():
        raise NetworkError(f"{where} has NaN or infinity")
    return plain


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path}: no such file of weights")
    if path.name.endswith(INDEX):
        return _sharded(path)
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


def _sharded(path: Path) -> Mapping[str, Any]:
    """Weights that lie in several files beside their index: `weight_map`, the file of each tensor."""
    try:
        places = json.loads(path.read_bytes())["weight_map"]
        names = {str(key): str(name) for key, name in places.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NetworkError(f"{path}: no index of weights: {type(error).__name__} {error}") from error
    shards = {}
    for name in sorted(set(names.values())):
        if PurePath(name).name != name or name.endswith(INDEX):
            raise NetworkError(f"{path}: {name}: files of weights lie beside their index")
        shards[name] = _read(path.with_name(name))
    for key, name in names.items():
        if key not in shards[name]:
            raise NetworkError(f"{path}: {name} has no {key}")
    return {key: shards[name][key] for key, name in names.items()}


def _plain(state: Mapping[str, Any], path: Path) -> dict[str, Any]:
    for key in WRAPPERS:
        if isinstance(state.get(key), Mapping):
            state = state[key]
    found: dict[str, Any] = {}
    for key, value in state.items():
        if hasattr(value, "layout"):
            name = without_wrappers(str(key))
            if name in found:
                raise NetworkError(f"{path}: {name} is there twice, with and without a prefix")
            found[name] = value
    return found


def without_wrappers(key: str) -> str:
    """The name of a tensor or a module without what compilation and data parallelism have put into it."""
    return ".".join(part for part in key.split(".") if part != COMPILED).removeprefix(PREFIX)


def _expanded(words: Any, codes: Any, like: Any, where: str) -> Any:
    if words.ndim != 2 or codes.numel() * words.shape[1] != like.numel():
        told = f"{tuple(codes.shape)} numbers of words of {tuple(words.shape)}"
        raise NetworkError(f"{where}: {told} do not fill {tuple(like.shape)}")
    if codes.is_floating_point() or not 0 <= int(codes.min()) <= int(codes.max()) < len(words):
        raise NetworkError(f"{where}: numbers of words that are not among the {len(words)}")
    return words.float()[codes.long()].reshape(like.shape)
