"""13.12.3 An encoder that is a Python function, as a process that talks in JSON lines.

    python -m refsw.conformance.encoders.worker MODULE:FUNCTION     (or FILE.py:FUNCTION)

The function takes the tensors by name as numpy arrays, and returns the bytes of a bitstream. It is given what it has
arguments for: as the second one, or `base`, the model that the receiver has, and by name `axes`, `jobs`, `model`,
`choices`, `asks`. It refuses by an exception with an attribute `exit_code`, 65 or 69.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from refsw.conformance.models import load_model
from refsw.conformance.worker import load, serve, verdict

NAMED = ("axes", "jobs", "model", "choices", "asks")


def taken(function: Callable[..., Any]) -> set[str]:
    """What a function has arguments for, besides the tensors."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a function of C without a signature
        return {"base"}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return {"base", *NAMED}
    names = {p.name for p in parameters} & {"base", *NAMED}
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names | ({"base"} if len(positional) > 1 and positional[1].name not in NAMED else set())


def answer(function: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    """Encode one input file into one output file, which is there whole or not at all."""
    own = taken(function)
    base, options = request["base"], request["options"]
    named = {name: options[name] for name in NAMED if name in own}
    receiver = [load_model(base) if base else None] if "base" in own else []
    try:
        data = function(load_model(request["input"]), *receiver, **named)
    except Exception as error:
        return verdict(error)
    output = Path(request["output"])
    part = output.with_name(output.name + ".part")
    part.write_bytes(data)
    part.replace(output)
    return {"exit": 0}


def main() -> None:
    """Answer requests from standard input until it ends."""
    entry = sys.argv[1]
    serve(lambda: load(entry, "encoder"), answer, lambda function: dict.fromkeys([*taken(function), "options"], True))


if __name__ == "__main__":
    main()
