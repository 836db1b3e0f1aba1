"""The manifests of the suites: which vectors each of them has, under what title, and which are drafts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from vectors.catalog import Built, plain

VERSION = "1.1.0"
TITLES = {
    "intra": "HEVC, intra pictures only",
    "inter": "HEVC with inter prediction",
    "lossless": "Byte codecs: stored, zlib, gzip, LZMA; and all that does not depend on the codec",
    "image": "Still-image codecs: PNG, JPEG, JPEG 2000",
    "extended": "Payload codecs of every family in one bitstream",
    "model": "Model updates: profile MODEL, with the base that each starts from",
    "model-extended": "Model updates: profile MODEL_EXTENDED, with the base that each starts from",
    "vvc": "VVC, whose decoding is optional",
    "resilient": "Samples in parts: profile RESILIENT",
    "complete": "Profile COMPLETE: every payload codec with every extension",
    "transform": "The channel transform: profile COMPLETE",
    "native": "The native payload: profile NATIVE",
    "scalable": "Layers of a tensor: profile SCALABLE",
    "carriage": "Captures of RTP packets, with the samples and masks that a receiver puts out",
}
DRAFTS = {"resilient", "complete", "carriage", "model-extended", "native", "scalable", "transform"}
"""Suites of version 1.1, whose vectors may change until it is published."""


def manifests(built: Iterable[Built]) -> dict[str, str]:
    """The text of every suite, by name."""
    suites: dict[str, list[dict[str, Any]]] = {}
    for vector in built:
        suites.setdefault(vector.recipe.suite, []).append(plain(vector.entry))
    out = {}
    for name, vectors in sorted(suites.items()):
        head: dict[str, Any] = {"suite": name, "version": VERSION, "specification": "1.0", "title": TITLES[name]}
        if name in DRAFTS:
            head |= {"version": "0.1.0", "specification": "1.1", "draft": True}
        lines = ",\n".join(json.dumps(vector) for vector in sorted(vectors, key=lambda v: v["id"]))
        text = json.dumps(head)[:-1] + f', "vectors": [\n{lines}\n]}}\n'
        json.loads(text)
        out[name] = text
    return out
