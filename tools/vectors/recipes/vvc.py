"""8.5 VVC."""

from __future__ import annotations

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
