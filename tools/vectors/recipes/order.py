"""Chapter 9: order of units, several tensors, digests, the model, time, random access."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import data, digest, fps, metadata

TWO = [fps(id=3, layer="p3"), fps(id=9, layer="p4", axes="NHWC", H=2, W=2, C=5, quantizer="LOG", bits=12)]


def register(c: Catalog) -> None:
    """Add the recipes."""
    _order(c)
    _layers(c)
    _digests(c)
    _access(c)


def _bad(c: Catalog, name: str, title: str, violates: str, units: list[Any], area: str = "order", **more: Any) -> None:
    c.stream(name, title, units, area=area, kind="invalid", violates=violates, **more)


def _order(c: Catalog) -> None:
    _bad(
        c, "order-start-data", "Feature data before any parameter set", "order.units", [data(payload=""), fps(), data()]
    )
    _bad(c, "order-start-digest", "A digest before any parameter set", "order.units", [digest(), fps(), data()])
    _bad(c, "order-start-end", "Nothing but the end of the bitstream", "order.units",
         [{"unit": "end", "set": {"tensor_count": 1, "sample_count": [0]}}], end=False)  # fmt: skip
    _bad(c, "order-metadata-end", "Metadata, then the end of the bitstream", "order.units", [metadata(["k", "t"]),
         {"unit": "end", "set": {"tensor_count": 1, "sample_count": [0]}}], end=False)  # fmt: skip
    _bad(c, "order-set.first-data", "Feature data of a parameter set that did not come", "order.parameter-set-first",
         [fps(), data(id=1, payload="")])  # fmt: skip
    _bad(c, "order-set.first-digest", "A digest of a parameter set that did not come", "order.parameter-set-first",
         [fps(digests="T"), data(), digest(id=2)])  # fmt: skip
    _bad(c, "order-set.first-late", "A parameter set that comes after its feature data", "order.parameter-set-first",
         [fps(), data(), data(id=1, payload=""), fps(id=1)])  # fmt: skip
    c.stream("order-set.repeated-same", "A parameter set that is repeated between units", [fps(), data(), fps(), data(),
             fps()], area="order")  # fmt: skip
    _bad(c, "order-set.repeated-other", "A parameter set that is repeated with another range",
         "order.parameter-set-repeated", [fps(), data(), fps(ranges=[[-1.0, 3.0]]), data()])  # fmt: skip
    for name, first in (("gap", 2), ("repeated", 0)):
        _bad(c, f"order-samples-{name}", f"The second unit begins at sample {first}", "order.samples",
             [fps(), data(), data(first=first)])  # fmt: skip
    _bad(c, "order-samples-start", "The first unit begins at sample 1", "order.samples", [fps(), data(first=1)])
    for name, units, count in (("start", [data(first=1)], 2), ("gap", [data(), data(first=2)], 3)):
        _bad(c, f"order-samples-{name}.counted", "A sample is missing, and sample_count counts it", "order.samples",
             [fps(), *units, {"unit": "end", "set": {"sample_count": [count]}}], end=False)  # fmt: skip
    _bad(c, "order-access.units-back", "A unit of an earlier access unit after one of a later", "order.access-units",
         [*TWO, data(id=3), data(id=9), data(id=3), data(id=3), data(id=9)])  # fmt: skip
    for name, counts in (("more", [2]), ("fewer", [0])):
        _bad(c, f"order-end.counts-{name}", f"sample_count promises {counts[0]} samples", "end.sample-counts",
             [fps(), data(), {"unit": "end", "set": {"sample_count": counts}}], end=False)  # fmt: skip
    _bad(c, "order-end.counts-tensors", "tensor_count is too great", "end.sample-counts",
         [fps(), data(), {"unit": "end", "set": {"tensor_count": 2, "sample_count": [1, 0]}}], end=False)  # fmt: skip
    _bad(c, "order-end.counts-swapped", "sample_count in the order of ids, not of parameter sets", "end.sample-counts",
         [fps(id=9, layer="b"), fps(id=3, layer="a"), data(id=3, count=2), data(id=9),
          {"unit": "end", "set": {"sample_count": [2, 1]}}], end=False)  # fmt: skip
    c.stream("order-end.counts-order", "sample_count in the order of parameter sets, not of ids",
             [fps(id=9, layer="b"), fps(id=3, layer="a"), data(id=3, count=2), data(id=9)], area="order")  # fmt: skip


def _layers(c: Catalog) -> None:
    c.stream("layers-two-units", "Two tensors in three access units", [*TWO,
             *(data(id=i) for _ in range(3) for i in (3, 9))],
             area="layers")  # fmt: skip
    c.stream("layers-two-exchanged", "The order of tensors within an access unit is free",
             [*TWO, data(id=3), data(id=9), data(id=9), data(id=3)], area="layers")  # fmt: skip
    c.stream("layers-two-lengths", "Two tensors with different numbers of samples", [*TWO, data(id=3),
             data(id=9), data(id=9)],
             area="layers")  # fmt: skip
    c.stream("layers-late-set", "A parameter set that comes between the feature data of another tensor",
             [TWO[0], data(id=3), TWO[1], data(id=9), data(id=3)], area="layers")  # fmt: skip
    pyramid = [fps(id=i, layer=f"stage{i}", C=2 << i, H=16 >> i, W=16 >> i, codec=codec, digests="T", network="net")
               for i, codec in enumerate(("STORED", "ZLIB", "GZIP", "LZMA"))]  # fmt: skip
    c.stream("layers-pyramid-codecs", "A pyramid of four layers, each in a codec of its own",
             [*pyramid, *(data(id=i) for i in range(4)), *(digest(id=i) for i in range(4))], area="layers")  # fmt: skip
    c.stream("layers-single-tensors", "Tensors without an axis of samples", [fps(axes="HW", layer="a"),
             fps(id=1, axes="C",
             layer="b"), data(), data(id=1)], area="layers")  # fmt: skip
    mixed = [fps(id=0, layer="bytes"), fps(id=1, layer="png", codec="PNG", bits=8)]
    c.stream("layers-extended-mixed", "Byte and image codecs in one bitstream of profile EXTENDED",
             [*mixed, data(), data(id=1)], area="layers", profile="EXTENDED")  # fmt: skip
    for profile, codec in (
        ("INTRA", "STORED"),
        ("LOSSLESS", "PNG"),
        ("IMAGE", "ZLIB"),
        ("INTER", "VVC"),
        ("LOSSLESS", "VVC"),
    ):
        words = {"configuration": ""} if codec == "VVC" else {}
        c.stream(f"profile-codec-{profile.lower()}.{codec.lower()}", f"{codec} in a bitstream of profile {profile}",
                 [fps(codec=codec, bits=8, **words), data(payload="")], area="profile", profile=profile, kind="invalid",
                 violates="profile.codec")  # fmt: skip


def _digests(c: Catalog) -> None:
    words = {"digests": "TL"}
    for kind, name in ((0, "tensor"), (1, "levels")):
        c.stream(f"digest-{name}-types", f"Digests of kind {name.upper()} over tensors of several types and axes",
                 [fps(id=i, layer=f"l{i}", element=e, axes=a, C=3, digests="TL"[kind]) for i, (e, a) in enumerate(
                  (("FLOAT32", "NCHW"), ("FLOAT16", "NHWC"), ("BFLOAT16", "NC"), ("FLOAT64", "NW")))]
                 + [data(id=i, count=2) for i in range(4)] + [digest(id=i, kind=kind) for i in range(4)],
                 area="digest")  # fmt: skip
        _bad(c, f"digest-{name}-wrong", f"A digest of kind {name.upper()} with a wrong last bit", "digest.value",
             [fps(**words), data(), digest(kind=kind, bytes=4, set={"digest": bytes(4)}), digest(kind=1 - kind)],
             area="digest")  # fmt: skip
        _bad(c, f"digest-{name}-several", f"A wrong digest of kind {name.upper()} over three samples", "digest.value",
             [fps(digests="TL"[kind]), data(), digest(kind=kind), data(count=2), data(),
             digest(kind=kind, bytes=4, set={"digest": bytes(4)})], area="digest")  # fmt: skip
        _bad(c, f"digest-announced-{name}", f"A digest of kind {name.upper()} that is not announced",
             "digest.announced",
             [fps(digests="LT"[kind]), data(), digest(kind=kind)], area="digest")  # fmt: skip
        _bad(c, f"digest-complete-{name}", f"The last sample has no digest of kind {name.upper()}", "digest.complete",
             [fps(digests="TL"[kind]), data(), digest(kind=kind), data()], area="digest")  # fmt: skip
    _bad(c, "digest-complete-none", "Announced digests that never come", "digest.complete", [fps(digests="T"), data()],
         area="digest")  # fmt: skip
    for name, change in (("start", {"first": 1, "count": 1}), ("short", {"first": 0, "count": 1}), ("long", {"first": 0,
                         "count": 3})):  # fmt: skip
        _bad(c, f"digest-coverage-{name}", f"A digest that covers other samples than those before it ({name})",
             "digest.coverage", [fps(digests="T"), data(count=2), digest(**change)], area="digest")  # fmt: skip
    _bad(c, "digest-coverage-ahead", "A digest that covers a sample that comes after it", "digest.coverage",
         [fps(digests="T"), data(count=2), digest(first=0, count=3), data()], area="digest")  # fmt: skip
    _bad(c, "digest-coverage-again", "A digest over samples that have one", "digest.coverage",
         [fps(digests="T"), data(), digest(), digest(first=0, count=1)], area="digest")  # fmt: skip
    _bad(c, "digest-coverage-none", "A digest where no sample came since the last one", "digest.coverage",
         [fps(digests="T"), data(), digest(), digest(first=1, count=1)], area="digest")  # fmt: skip
    c.stream("digest-constant-levels", "Levels of constant samples and channels are 0 in a digest",
             [fps(scope="CHANNEL", ranges=[[1.0, 1.0], [0.0, 1.0]], digests="TL"), data(count=2), digest(),
             digest(kind=1)],
             area="digest")  # fmt: skip
    c.stream("digest-samples-apart", "Digests of two kinds at different places", [fps(digests="TL"), data(),
             digest(), data(),
             digest(kind=1), data(), digest(), digest(kind=1)], area="digest")  # fmt: skip
    c.stream("digest-none-samples", "Announced digests of a tensor without samples", [fps(digests="TL")], area="digest")


def _access(c: Catalog) -> None:
    c.stream("access-units-several", "Six units of one and two samples, each decodable alone",
             [fps(scope="SAMPLE"), *(data(count=1 + i % 2, ranges=[[0.0, 1.0 + i]] * (1 + i % 2)) for i in range(6))],
             area="access")  # fmt: skip
    c.stream("access-layers-two", "Two tensors with five samples", [*TWO,
             *(data(id=i) for _ in range(5) for i in (3, 9))],
             area="access")  # fmt: skip
    c.stream("time-clock-frames", "Thirty samples at 30000/1001 a second", [fps(axes="TC", C=4, time=(30000, 1001),
             digests="T"), *(data(count=10) for _ in range(3)), digest()], area="time")  # fmt: skip
    c.stream("time-model-named", "Frames of a camera with network, layer and model named",
             [fps(axes="TCHW", network="resnet50", layer="conv4", model="0123456789abcdef" * 4, time=(25, 2)),
             data(count=3)],
             area="time")  # fmt: skip
