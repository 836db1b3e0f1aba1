"""Proves what the vectors that are not valid break: a decoder that lacks just that one check accepts them.

    python tools/prove_vectors.py            compare with tools/vectors/also.json
    python tools/prove_vectors.py --write    write it; tools/make_vectors.py takes it into the suites

Vectors of which more than one check has to be switched off (tools/vectors/unchecked.py) are listed with the others. A
new vector that is listed breaks more than it should: better to mend it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
ROOT = Path(__file__).resolve().parents[1]
ALSO = ROOT / "tools" / "vectors" / "also.json"


def proofs() -> Iterator[tuple[dict[str, Any], Any]]:
    """Every bitstream of the vectors that is not valid, with its proof."""
    from vectors.unchecked import prove

    for path in sorted((ROOT / "conformance" / "suites").glob("*.json")):
        for vector in json.loads(path.read_text())["vectors"]:
            if vector["kind"] == "valid" or not vector["file"].endswith(".dfc"):
                continue  # captures of packets are no bitstreams: tests/carriage breaks their requirements one by one
            data = (ROOT / "test_vectors" / vector["file"]).read_bytes()
            base = model(vector["base"]["file"]) if "base" in vector else None
            receiver = bytes.fromhex(vector.get("model", "")) or None
            yield vector, prove(data, base, vector["error"]["requirement"], vector["error"]["class"], receiver)


@cache
def model(file: str) -> Any:
    """The base of model updates."""
    from refsw.conformance.models import load_model

    return load_model(ROOT / "test_vectors" / file)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write what the vectors break besides what they name")
    arguments = parser.parse_args()
    found, ends = {}, Counter[tuple[bool, str]]()
    for vector, proof in proofs():
        ends[bool(proof.also), proof.end.split(":")[0]] += 1
        if proof.also:
            found[vector["id"]] = proof.also
    for (several, end), count in ends.most_common():
        print(f"{count:5} {'several' if several else 'one':8} {end}")
    known = json.loads(ALSO.read_text())
    if arguments.write:
        lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
        ALSO.write_text("{\n" + lines + "\n}\n")
        return 0
    for name in sorted(name for name in {*found, *known} if found.get(name) != known.get(name)):
        print(f"{name}: {known.get(name, [])} listed, {found.get(name, [])} found", file=sys.stderr)
    return int(found != known)


if __name__ == "__main__":
    sys.exit(main())
