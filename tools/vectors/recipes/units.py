"""Chapter 5: framing, CRCs, unknown units, versions, and what follows the last element."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.words import data, digest, fps, metadata, other

AREA = "units"
ZEROS = {"repeat": "00", "times": 16384}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _damage(c)
    _lengths(c)
    _unknown(c)
    _flags(c)
    _versions(c)
    _padding(c)


def _bad(
    c: Catalog, name: str, title: str, violates: str, units: list[Any], kind: str = "malformed", **more: Any
) -> None:
    c.stream(name, title, units, area=AREA, kind=kind, violates=violates, **more)


def _damage(c: Catalog) -> None:
    base = c.stream("units-base-digests", "A bitstream with every type of unit that is known",
                    [metadata(["k", "t"]), fps(digests="TL"), data(), digest(), digest(kind=1)], area=AREA)  # fmt: skip
    for byte, name in ((0, "first"), (3, "last")):
        c.edited(f"units-signature-{name}", f"The {name} byte of the signature is wrong", base, area=AREA,
                 kind="malformed",
                 violates="bitstream.signature", generator="flip", byte=byte, mask=0x20)  # fmt: skip
    for byte, mask, name in ((5, 1, "version.minor"), (6, 3, "profile"), (7, 1, "level"), (8, 0x80, "crc.first"),
                             (11, 1, "crc.last")):  # fmt: skip
        c.edited(f"units-header.crc-{name}", f"The header's CRC shows one changed bit ({name})", base, area=AREA,
                 kind="malformed", violates="bitstream.header-crc", generator="flip", byte=byte, mask=mask)  # fmt: skip
    units = [("metadata", metadata(["k", "t"])), ("fps", fps(digests="T")), ("data", data()), ("digest", digest()),
             ("end", {"unit": "end"})]  # fmt: skip
    for name, _ in units:
        changed = [unit | ({"crc_xor": 1} if name == n else {}) for n, unit in units]
        _bad(c, f"units-crc-{name}", f"unit_crc of the {name} unit is wrong", "unit.crc", changed, end=False)
    unknown = other(70, "0102", crc_xor=1 << 31)
    _bad(c, "units-crc-unknown", "unit_crc of an unknown skippable unit is wrong", "unit.crc", [fps(), unknown, data()])
    for byte, name in ((12, "type"), (14, "body"), (-1, "crc")):
        c.edited(f"units-bit-{name}", f"One bit of a unit's {name} is changed", base, area=AREA, kind="malformed",
                 violates="unit.crc", generator="flip", byte=byte, mask=2)  # fmt: skip
    c.edited("units-trailing-byte", "A byte follows the end of the bitstream", base, area=AREA, kind="malformed",
             violates="bitstream.nothing-after-end", generator="extension", append="00")  # fmt: skip
    _bad(c, "units-end-twice", "A second end of bitstream unit", "bitstream.nothing-after-end",
         [fps(), data(), {"unit": "end"}])  # fmt: skip
    for kind, skippable in ((70, 1), (71, 0)):
        _bad(c, f"units-end-unknown{kind}", "A unit of unknown type after the end of the bitstream",
             "bitstream.nothing-after-end", [fps(), data(), {"unit": "end"}, other(kind, "00", skippable=skippable)],
             end=False)  # fmt: skip
    _bad(c, "units-end-metadata", "Metadata after the end of the bitstream", "bitstream.nothing-after-end",
         [fps(), data(), {"unit": "end"}, metadata(["k", "t"])], end=False)  # fmt: skip
    _bad(c, "units-end-absent", "A bitstream without its end unit", "bitstream.end", [fps(), data()], end=False)
    _bad(c, "units-chain-wrong", "bitstream_crc is wrong in one bit", "end.bitstream-crc",
         [fps(), data(), {"unit": "end", "bitstream_crc_xor": 1}], kind="invalid", end=False)  # fmt: skip
    whole = [fps(), other(70, "0102"), data(), {"unit": "end"}]
    c.stream("units-chain-unknown", "bitstream_crc covers unknown units", whole, area=AREA, end=False)


def _lengths(c: Catalog) -> None:
    base = [fps(), data()]
    for name, size in (("1byte", 127), ("2bytes", 128), ("2bytes.last", 16383), ("3bytes", 16384)):
        c.stream(f"units-length-{name}", f"A unit of {size} bytes", [*base, other(64, {"repeat": "00", "times": size})],
                 area=AREA)  # fmt: skip
    for name, code, violates, kind, level in (
        ("4bytes", "80808001", "unit.complete", "malformed", 1),
        ("5bytes", "8080808001", "unit.complete", "malformed", 2),
        ("overlong", "808080808001", "descriptor.leb-length", "malformed", 1),
        ("six", "ffffffffff01", "descriptor.leb-length", "malformed", 1),
        ("above", "8080808010", "descriptor.leb-shortest", "malformed", 1),
        ("not.shortest", "8000", "descriptor.leb-shortest", "malformed", 1),
        ("not.shortest.zero", "818000", "descriptor.leb-shortest", "malformed", 1),
        ("most", "ffffffff0f", "level.unit-bytes", "limit", 3),
    ):
        _bad(c, f"units-length-{name}", f"unit_length is coded as {code}", violates, [*base, other(64, "",
             length=code)],
             kind=kind, level=level)  # fmt: skip
    for name, code in (("longer", "05"), ("shorter", "01")):
        _bad(c, f"units-length-{name}", f"unit_length is {name} than the body", "unit.crc",
             [*base, other(64, "010203", length=code)])  # fmt: skip


def _unknown(c: Catalog) -> None:
    base = [fps(), data()]
    for kind in (0, 6, 7, 10, 63, 64, 127):
        c.stream(f"units-type.skippable-{kind}", f"A skippable unit of unknown type {kind}", [fps(), other(kind,
                 "c0ffee"),
                 data()], area=AREA)  # fmt: skip
        _bad(c, f"units-type.vital-{kind}", f"A unit of unknown type {kind} that must not be skipped", "unit.unknown",
             [*base, other(kind, "c0ffee", skippable=0)], kind="unsupported")  # fmt: skip
    c.stream("units-type.skippable-start", "Unknown skippable units before the first parameter set",
             [other(100), other(101, "00"), *base], area=AREA)  # fmt: skip
    c.stream("units-type.skippable-nested", "An unknown unit whose body looks like units",
             [fps(), other(99, "0a05ffffffffff894446430100030112345678"), data()], area=AREA)  # fmt: skip
    _bad(c, "units-type.vital-start", "A unit that must not be skipped before the first parameter set", "unit.unknown",
         [other(90, "", skippable=0), *base], kind="unsupported")  # fmt: skip


def _flags(c: Catalog) -> None:
    units = [("metadata", metadata(["k", "t"])), ("fps", fps(digests="T")), ("data", data()), ("digest", digest()),
             ("end", {"unit": "end"})]  # fmt: skip
    for name, _ in units:
        flag = int(name not in ("metadata", "digest"))
        changed = [unit | ({"skippable": flag} if name == n else {}) for n, unit in units]
        _bad(c, f"units-skippable-{name}", f"skippable_flag of the {name} unit is {flag}",
             "unit.skippable-known", changed,
             end=False)  # fmt: skip


def _versions(c: Catalog) -> None:
    later = {
        "fps": [fps(append="01020304"), data()],
        "digest": [fps(digests="T"), data(), digest(append="ff")],
        "metadata": [metadata(["k", "t"], append="0000"), fps(), data()],
        "end": [fps(), data(), {"unit": "end", "append": "abcdef"}],
    }
    for name, units in later.items():
        c.stream(f"units-later-{name}", f"A later minor version appends elements to the {name} unit", units, area=AREA,
                 minor=1, end=name != "end")  # fmt: skip
        _bad(c, f"units-rest-{name}", f"Bytes after the last element of the {name} unit", "unit.no-rest", units,
             end=name != "end")  # fmt: skip
    c.stream("units-later-repeated",
             "A later minor version: an extended parameter set that is repeated with its extension",
             [fps(append="01020304"), data(), fps(append="01020304"), data()], area=AREA, minor=2)  # fmt: skip
    _bad(c, "units-later-repeated.other", "A parameter set repeated with another extension",
         "order.parameter-set-repeated",
         [fps(append="01020304"), data(), fps(append="01020305"), data()], kind="invalid", minor=2)  # fmt: skip
    _bad(c, "units-later-alignment", "Alignment bits stay zero in a later minor version", "descriptor.alignment-zero",
         [fps(layer="x", set={"byte_alignment": "ones"}), data()], minor=1)  # fmt: skip


def _padding(c: Catalog) -> None:
    ones = {"byte_alignment": "ones"}
    cases = {
        "fps": [fps(layer="x", set=ones), data()],
        "data": [fps(), data(set=ones)],
        "digest": [fps(digests="T"), data(), digest(set=ones)],
        "end": [fps(), data(), {"unit": "end", "set": ones}],
    }
    for name, units in cases.items():
        _bad(c, f"units-alignment-{name}", f"byte_alignment( ) of the {name} unit has ones",
             "descriptor.alignment-zero",
             units, end=name != "end")  # fmt: skip
    c.stream("units-alignment-none.data", "Feature data whose elements end at a byte",
             [fps(id=7, axes="CHW"), data(id=7, set={})], area=AREA)  # fmt: skip
    c.stream("units-alignment-none.end", "An end unit whose counts end at a byte",
             [fps(id=i, axes="C", C=1, ranges=[[1.0, 1.0]]) for i in range(2)] + [data(id=i) for i in range(2)],
             area=AREA)  # fmt: skip
