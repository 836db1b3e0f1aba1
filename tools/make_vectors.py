"""Makes test_vectors/ and conformance/suites/ from the recipes of tools/vectors.

    python tools/make_vectors.py             write what is missing or differs
    python tools/make_vectors.py --check     make everything again elsewhere and compare it byte for byte
    python tools/make_vectors.py --encode    also run encoders for payloads that the store does not have yet

Published bytes never change: a vector that is on disk and would differ stops the run; its fix is a new revision. Those
of drafts are written anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from vectors.catalog import ROOT, SUITES, VECTORS, Builder, Built
from vectors.manifests import DRAFTS, manifests
from vectors.recipes import catalog
from vectors.store import Store

BASES, CAPTURES = "model/bases/*.safetensors", "carriage/*"


def build(store: Store, select: Callable[[str], bool] = lambda name: True) -> tuple[list[Built], list[str], set[str]]:
    """All vectors, and what is wrong with recipes."""
    builder = Builder(catalog(), store)
    built, errors = [], []
    for name in builder.catalog.recipes:
        if not select(name):
            continue
        try:
            built.append(builder.build(name))
        except Exception as error:
            errors.append(f"{name}: {type(error).__name__}: {error}")
    return built, errors, builder.used


def files_of(built: list[Built]) -> dict[Path, bytes]:
    """Vectors and the bases of model updates, by path."""
    return {VECTORS / name: data for v in built for name, data in ({v.entry["file"]: v.data} | v.files).items()}


def differences(built: list[Built]) -> list[str]:
    """What on disk is not what the recipes give."""
    texts = {SUITES / f"{name}.json": text for name, text in manifests(built).items()}
    stale = [
        str(path.relative_to(ROOT)) for path, text in texts.items() if not path.exists() or path.read_text() != text
    ]
    files = files_of(built)
    stale += [str(p.relative_to(ROOT)) for p, data in files.items() if not p.exists() or p.read_bytes() != data]
    known = {*files, *texts}
    found = [*VECTORS.glob("*/*.dfc"), *VECTORS.glob(BASES), *VECTORS.glob(CAPTURES), *SUITES.glob("*.json")]
    return stale + [f"{path.relative_to(ROOT)} has no recipe" for path in found if path not in known]


def write(built: list[Built], change: bool) -> list[str]:
    """Write vectors and manifests; published bytes only if told so."""
    refused = []
    for path, data in files_of(built).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        published = path.parent.name not in DRAFTS
        if published and path.exists() and path.read_bytes() != data and not change:
            refused.append(f"{path.relative_to(ROOT)} is published with other bytes: make a new revision")
            continue
        path.write_bytes(data)
    if refused:
        return refused
    SUITES.mkdir(parents=True, exist_ok=True)
    for name, text in manifests(built).items():
        (SUITES / f"{name}.json").write_text(text)
    known = files_of(built)
    for path in (*VECTORS.glob("*/*.dfc"), *VECTORS.glob(BASES), *VECTORS.glob(CAPTURES)):
        if path not in known and (change or path.parent.name in DRAFTS):
            path.unlink()
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--encode", action="store_true", help="run encoders for payloads that are missing")
    parser.add_argument("--unpublished", action="store_true", help="allow bytes to change, before they are published")
    parser.add_argument("--only", default="", help="ids with this text; nothing is written")
    arguments = parser.parse_args()
    store = Store(VECTORS / "payloads", creating=arguments.encode)
    built, errors, used = build(store, lambda name: arguments.only in name)
    problems = errors or (differences(built) if arguments.check and not arguments.only else [])
    if not problems and not arguments.check and not arguments.only:
        if arguments.unpublished:
            store.prune(used)
        problems = write(built, arguments.unpublished)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(built)} vectors, {sum(len(v.data) for v in built):,} bytes, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
