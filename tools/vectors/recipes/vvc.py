"""8.5 VVC."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import data, digest, fps

AREA = "vvc"


def register(c: Catalog) -> None:
    """Add the recipes."""
    c.stream("vvc-payload-empty", "VVC tensors of constant samples decode without a VVC decoder",
             [fps(scope="SAMPLE", codec="VVC", bits=10), data(ranges=[[2.0, 2.0]])], area=AREA,
             profile="EXTENDED")  # fmt: skip
    words = {"codec": "VVC", "bits": 10, "H": 16, "W": 16, "encoder": {"name": "vvenc"}, "digests": "TL"}
    c.stream("vvc-bits-10", "A mosaic in VVC at 10 bits, coded by vvenc",
             [fps(**words), data(pattern="smooth"), digest(), digest(kind=1)], area=AREA, profile="EXTENDED",
             suite="vvc")  # fmt: skip
    c.stream("vvc-sequence-10", "Channels in VVC pictures of their own, predicted from one another",
             [fps(layout="SEQUENCE", **words), data(pattern="smooth"), digest(), digest(kind=1)], area=AREA,
             profile="EXTENDED", suite="vvc")  # fmt: skip
    one, many = "vvc-bits-10_r1", "vvc-sequence-10_r1"
    plain = {k: v for k, v in words.items() if k not in ("encoder", "digests")}
    broken: dict[str, tuple[str, dict[str, Any], str, list[Any], str]] = {
        "count-more": (
            "More pictures than there are channels",
            {"layout": "SEQUENCE", "C": 1},
            many,
            [],
            "vvc.pictures",
        ),
        "count-fewer": (
            "Fewer pictures than there are channels",
            {"layout": "SEQUENCE", "C": 9},
            many,
            [],
            "vvc.pictures",
        ),
        "size": ("Pictures of another size", {"H": 24}, one, [], "vvc.pictures"),
        "size-wide": ("Pictures that are wider than they are to be", {"W": 8, "of": one}, one, [], "vvc.pictures"),
        "none": ("No payload where there are pictures", {}, one, [["cut", 0]], "vvc.pictures"),
        "noise": ("A payload that is no VVC", {}, one, [["xor", i, 0xFF] for i in range(3, 60)], "vvc.pictures"),
        "cut": ("A payload that ends early", {}, one, [["cut", 60]], "vvc.pictures"),
    }
    for name, (title, other, of, edit, violates) in broken.items():
        c.stream(f"vvc-{name}", title, [fps(**(plain | other)), data(payload={"of": of}, edit=edit)], area=AREA,
                 profile="EXTENDED", kind="invalid", violates=violates, suite="vvc",
                 requirements=("vvc.stream",) if name in ("noise", "cut") else ())  # fmt: skip
