"""13.6.5 A decoder that is a Python function, as a process that talks in JSON lines.

    python -m refsw.conformance.worker MODULE:FUNCTION     (or FILE.py:FUNCTION)
    python -m refsw.conformance.worker --takes-base MODULE:FUNCTION

The function takes the bytes of a bitstream, with a model update the path of its base model, if it likes the digest
of the receiver's model as `model` and the path of the session description of a capture as `sdp`, and returns the
tensors by name as numpy arrays. It rejects by an exception with an attribute `exit_code`, 65 or 69. A function with
an argument `output` is given paths instead, and writes the file itself (13.13.3). The second form says whether the
function takes a base, with exit code 0 or 1.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from refsw.errors import UsageError

UNSUPPORTED, INTERNAL = 69, 70
ERROR_FIELDS = ("phase", "class", "requirement", "element", "bit_offset")


def load(entry: str, role: str = "decoder") -> Callable[..., Any]:
    """The function that `module:function` or `file.py:function` names.

    Raises:
        UsageError: there is none.
    """
    place, _, name = entry.rpartition(":")
    try:
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(place).stem, place)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            sys.path.insert(0, os.getcwd())
            module = importlib.import_module(place)
        function = getattr(module, name)
    except (ImportError, OSError, AttributeError, ValueError) as error:
        raise UsageError(f"{role} {entry}: {error}") from error
    if not callable(function):
        raise UsageError(f"{role} {entry}: not a function")
    return function  # type: ignore[no-any-return]


def takes_base(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with a bitstream and a base; True if that cannot be known."""
    return _takes(function, b"", "")


def _takes(function: Callable[..., Any], *arguments: Any, **named: Any) -> bool:
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError:
        return False
    except ValueError:  # a function of C without a signature
        return True
    return True


def answer(function: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    """Decode one input file into one output file in the raw form, which is there whole or not at all."""
    from refsw.conformance.outputs import write_raw

    if _takes(function, "", output=""):
        return _with_paths(function, request)
    if request.get("sample") is not None:
        return {"exit": UNSUPPORTED, "message": "the function takes no sample"}
    data = Path(request["input"]).read_bytes()
    base = request.get("base")
    try:
        if request.get("model") is not None:
            if not _takes(function, b"", model=""):
                return {"exit": UNSUPPORTED, "message": "the function takes no model"}
            tensors = function(data, model=request["model"])
        elif request.get("sdp") is not None:
            if not _takes(function, b"", sdp=""):
                return {"exit": UNSUPPORTED, "message": "the function takes no captures"}
            tensors = function(data, sdp=request["sdp"])
        else:
            alone = base is None and _takes(function, data)
            tensors = function(data) if alone else function(data, base)
    except Exception as error:
        return verdict(error)
    output = Path(request["output"])
    part = output.with_name(output.name + ".part")
    with part.open("wb") as file:
        write_raw(file, tensors)
    part.replace(output)
    return {"exit": 0}


def _with_paths(function: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    """13.13.3 A function that reads its input and writes its output itself, as it goes."""
    named = {name: request[name] for name in ("base", "model", "sdp", "sample") if request.get(name) is not None}
    lacking = [name for name in named if not _takes(function, "", output="", **{name: named[name]})]
    if lacking:
        return {"exit": UNSUPPORTED, "message": f"the function takes no {lacking[0]}"}
    try:
        function(request["input"], output=request["output"], **named)
    except Exception as error:
        Path(request["output"]).unlink(missing_ok=True)
        return verdict(error)
    return {"exit": 0}


def verdict(error: Exception) -> dict[str, Any]:
    """The answer for an exception: a rejection, if it says so, and otherwise a crash."""
    code = getattr(error, "exit_code", None)
    text = f"{type(error).__name__}: {error}"
    if isinstance(code, int) and code in (65, 69):
        fields = error.as_dict() if hasattr(error, "as_dict") else {}
        told = {name: fields.get(name) for name in ERROR_FIELDS} if fields else None
        return {"exit": code, "message": text, "error": told}
    # An exception that the program did not mean is no verdict on the input.
    import traceback

    traceback.print_exception(error)
    return {"exit": INTERNAL, "message": text}


def own_output() -> TextIO:
    """Standard output for answers alone: what a program prints must not come between them."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def serve(
    find: Callable[[], Callable[..., Any]],
    reply: Callable[[Callable[..., Any], dict[str, Any]], dict[str, Any]],
    takes: Callable[[Callable[..., Any]], dict[str, Any]],
) -> None:
    """Answer requests from standard input until it ends.

    Args:
        find: gives the function.
        reply: what it makes of a request.
        takes: what the function says of itself when it is ready.
    """
    out = own_output()
    try:
        function = find()
    except UsageError as error:
        sys.exit(str(error))
    print(json.dumps({"ready": True, **takes(function)}), file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(reply(function, json.loads(line))), file=out, flush=True)


def main() -> None:
    """Answer requests, or say whether the function takes a base."""
    *options, entry = sys.argv[1:]
    if options == ["--takes-base"]:
        out = own_output()
        try:
            taken = takes_base(load(entry))
        except UsageError as error:
            sys.exit(str(error))
        print("takes a base" if taken else "takes no base", file=out, flush=True)
        sys.exit(0 if taken else 1)
    serve(lambda: load(entry), answer, lambda _: {})


if __name__ == "__main__":
    main()
