"""Makes refsw/conformance/encoders/inputs.json, the suite of inputs of encoders, from the lists below.

    python tools/make_inputs.py             write it
    python tools/make_inputs.py --check     make it again and compare

An input that is published never changes: its fix is a new revision.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from inputs.features import features
from inputs.models import models

from refsw.conformance.encoders.suite import BUILT_IN, published

HEAD = {
    "suite": "encoder",
    "version": "1.1.0",
    "specification": "1.0",
    "title": "Inputs for encoders: tensors and models to code, and what has to be refused.",
}


def manifest() -> str:
    """The text of the suite."""
    entries: list[dict[str, Any]] = [published(entry) for entry in [*features(), *models()]]
    lines = ",\n  ".join(json.dumps(entry) for entry in entries)
    head = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in HEAD.items())
    return f'{{\n {head},\n "inputs": [\n  {lines}\n ]\n}}\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    text = manifest()
    if arguments.check:
        if BUILT_IN.read_text() != text:
            print(f"{BUILT_IN} is not what the recipes give", file=sys.stderr)
            return 1
        return 0
    BUILT_IN.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
