"""7.6, 6.21, 6.22: what is wrong with parameter sets that have a channel transform, and with the transform itself."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.elements import dots
from vectors.recipes.transform import AREA, COMPLETE, NOBODY_HAS, basis, basis_values, raw_basis, words
from vectors.recipes.words import INFINITY, MINUS_INFINITY, MINUS_ZERO, NAN, OVERLONG, data, fps
from vectors.tensors import Unit

E, T = "transform_extension.", "channel_transform."


def register(c: Catalog) -> None:
    """Add the recipes."""
    _companions(c)
    _extension(c)
    _bytes(c)
    _elements(c)
    _numbers(c)


def _bad(c: Catalog, name: str, title: str, violates: str, units: list[Unit], kind: str = "invalid",
         **more: Any) -> None:  # fmt: skip
    more = {"profile": COMPLETE, "suite": "transform"} | more
    c.stream(f"transform-{name}", title, units, area=AREA, kind=kind, violates=violates, **more)


def _companions(c: Catalog) -> None:
    rule = "fps.channel-transform"
    log = words(quantizer="LOG_NONNEGATIVE", ranges=[[0.0, 2.0]])
    _bad(c, "with-log", "A transform with a logarithmic quantizer", rule, [fps(**log), data()])
    plain = words(quantizer="NONE", element="UINT8", bits=8)
    _bad(c, "with-none", "A transform without a quantizer", rule, [fps(**plain), data()])
    own = words(scope="CHANNEL", ranges=[[0.0, 1.0]] * 5)
    _bad(c, "with-channel.ranges", "A transform with a range for every channel", rule, [fps(**own), data()])
    order = words(order=[4, 3, 2, 1, 0])
    _bad(c, "with-order", "A transform with an order of channels", rule, [fps(**order), data()])
    parts = words(parts=[3, 1])
    _bad(c, "with-parts", "A transform with parts", rule, [fps(**parts), {"unit": "part", "index": 0}])
    layer = words(5, kind="BASE", purpose="any")
    _bad(c, "with-layers", "A transform in a layer", rule, [fps(**layer), data()])
    _bad(c, "profile-scalable", "A transform in profile SCALABLE", "profile.extension",
         [fps(**words(codec="ZLIB")), data()], profile="SCALABLE")  # fmt: skip
    _bad(c, "profile-native", "channel_transform_flag is 1 in a profile without transforms",
         "feature_extension.channel_transform_flag", [fps(**words(codec="ZLIB")), data()], "unsupported",
         profile="NATIVE")  # fmt: skip
    larger = words(1025, C=1024, H=2, W=2, layout="QUILT", grid=[1, 1025], t_s2d=1, t_digest=NOBODY_HAS,
                   ranges=[[0.5, 0.5]])  # fmt: skip
    _bad(c, "levels-entries.above", "More entries of the basis than level 1 allows", "level.transform-entries",
         [fps(**larger), data()], "limit")  # fmt: skip
    _bad(c, "named-unknown", "A transform that no decoder has", "named.unknown",
         [fps(**words(2, t_digest=NOBODY_HAS)), data()], "unsupported")  # fmt: skip


def _extension(c: Catalog) -> None:
    lone: dict[str, Any] = {"t_digest": NOBODY_HAS, "ranges": [[0.5, 0.5]]}
    for name, title, element, own in (
        ("component.count-above", "More components than channels", "component_count", words(6, grid=[2, 3], **lone)),
        ("component.count-phases", "More components than phases", "component_count",
         words(21, t_s2d=1, grid=[3, 7], **lone)),
        ("component.count-many", "4,097 components", "component_count",
         words(4097, C=4097, H=1, W=1, layout="QUILT", grid=[64, 65], **lone)),
        ("prefix.rows-rank", "A prefix with fewer components than channels", "prefix_rows",
         words(4, t_prefix=1, **lone)),
        ("prefix.rows-phases", "A prefix with phases", "prefix_rows", words(20, H=4, t_s2d=1, t_prefix=1, **lone)),
        ("prefix.rows-above", "A prefix of more rows than there are", "prefix_rows", words(t_prefix=4, **lone)),
        ("prefix.rows-many", "A prefix of 17 rows", "prefix_rows", words(H=18, t_prefix=17, **lone)),
    ):  # fmt: skip
        _bad(c, name, title, E + element, [fps(**own), data()])
    for element in ("component_count", "prefix_rows"):
        _bad(c, f"{dots(element)}-overlong", f"{element} has 32 leading zero bits", "descriptor.ue-prefix",
             [fps(**words(5), set={element: OVERLONG}), data()], "malformed")  # fmt: skip
    _bad(c, "transform.length-overlong", "transform_length has 32 leading zero bits", "descriptor.ue-prefix",
         [fps(**words(5), set={"transform_length": OVERLONG}), data()], "malformed")  # fmt: skip
    _bad(c, "transform.length-beyond", "A transform longer than its parameter set", "unit.complete-element",
         [fps(**words(5), set={"transform_length": 4000}), data()], "malformed")  # fmt: skip
    for element in ("component_step", "prefix_step"):
        for name, value in (("nan", NAN), ("infinity", INFINITY), ("minus.infinity", MINUS_INFINITY),
                            ("minus.zero", MINUS_ZERO)):  # fmt: skip
            kind = "malformed" if name == "minus.zero" else "invalid"
            _bad(c, f"{dots(element)}-{name}", f"{element} is {name.replace('.', ' ')}", E + element,
                 [fps(**words(t_prefix=1), set={element: value}), data()], kind)  # fmt: skip
    _bad(c, "transform.length-max", "A transform of 2^32 - 2 bytes", "unit.complete-element",
         [fps(**words(5), set={"transform_length": 2**32 - 2}), data()], "malformed")  # fmt: skip
    many = words(16, C=16, grid=[4, 4])
    for element, own in (
        ("space_to_depth_flag", words()), ("component_count", many), ("prefix_rows", words(C=8, grid=[2, 4])),
        ("component_step", words()), ("prefix_step", words(t_prefix=1)),
        ("level_shift[1]", words(layout="MOSAIC", grid=[1, 3], t_shifts=[3, 1])),
        ("transform_sent_flag", words()), ("transform_length", words()),
        ("transform", words()), ("transform_digest", words(2, t_digest=NOBODY_HAS)),
    ):  # fmt: skip
        name = dots(element.removesuffix("[1]"))
        _bad(c, f"{name}-cut", f"A parameter set that ends within {element}", "unit.complete-element",
             [fps(**own, cut=element), data()], "malformed")  # fmt: skip


def _bytes(c: Catalog) -> None:
    rule, whole = "transform.bytes", basis(5, 5, bits=[8, 8, 8, 8, 7])  # 195 bits of 25 bytes
    odd = bytes.fromhex(whole)
    for name, title, changed in (
        ("empty", "A transform of no bytes", b""),
        ("cut.header", "A transform that ends within its means", odd[:9]),
        ("cut.bits", "A transform that ends within the bits of its components", odd[:24]),
        ("cut.basis", "A transform whose basis is a byte short", odd[:-1]),
        ("more", "A byte after the basis", odd + b"\0"),
        ("ones", "The bits after the basis are not zero", odd[:-1] + bytes([odd[-1] | 1])),
    ):
        _bad(c, f"bytes-{name}", title, rule, [fps(**words(t_basis=changed.hex())), data()], "malformed")
    _bad(c, "bytes-none", "A byte of basis for no components", rule,
         [fps(**words(0, grid=[1, 1], t_basis=basis(5, 0) + "00")), data()], "malformed")  # fmt: skip
    ones = raw_basis(basis_values(5, 4), byte_alignment="ones")
    _bad(c, "bytes-alignment", "Alignment bits of a transform are ones", "descriptor.alignment-zero",
         [fps(**words(4, t_basis=ones)), data()], "malformed")  # fmt: skip


def _elements(c: Catalog) -> None:
    values, prefixed = basis_values(5, 5), basis_values(5, 5, prefix=1)

    def bad(name: str, title: str, violates: str, changed: str, count: int | None = None, kind: str = "invalid",
            **more: Any) -> None:  # fmt: skip
        _bad(c, name, title, violates, [fps(**words(count, t_basis=changed, **more)), data()], kind)

    for element, label in (("basis_channels_minus1", "basis.channels"), ("basis_component_count", "basis.components"),
                           ("basis_prefix_rows", "basis.prefix")):  # fmt: skip
        bad(f"{label}-overlong", f"{element} has 32 leading zero bits", "descriptor.ue-prefix",
            raw_basis(values, **{element: OVERLONG}), kind="malformed")  # fmt: skip
    bad("basis.channels-above", "A transform for 4,097 channels", T + "basis_channels_minus1",
        raw_basis(basis_values(4097, 0)), 0, C=4097, grid=[1, 1], H=1, W=1)  # fmt: skip
    bad("basis.components-above", "A transform with more components than channels", T + "basis_component_count",
        raw_basis(basis_values(5, 6)))  # fmt: skip
    bad("basis.prefix-rank", "A transform with a prefix and fewer components than channels", T + "basis_prefix_rows",
        raw_basis(basis_values(5, 4, prefix=1)), 4)  # fmt: skip
    bad("basis.prefix-above", "A transform with a prefix of 17 rows", T + "basis_prefix_rows",
        raw_basis(basis_values(5, 5, prefix=17)))  # fmt: skip
    for name, value in (("nan", NAN), ("infinity", INFINITY), ("minus.infinity", MINUS_INFINITY),
                        ("minus.zero", MINUS_ZERO)):  # fmt: skip
        kind, said = "malformed" if name == "minus.zero" else "invalid", name.replace(".", " ")
        means: list[Any] = [*values.mean.tolist()[:4], value]
        bad(f"mean-{name}", f"A mean is {said}", T + "mean", raw_basis(values, mean=means), kind=kind)
        bad(f"prefix.mean-{name}", f"A mean of the prefix is {said}", T + "prefix_mean",
            raw_basis(prefixed, prefix_mean=[means]), kind=kind, t_prefix=1)  # fmt: skip
    wide = raw_basis(basis_values(5, 5, bits=12), component_bits_minus2=[11, 10, 10, 10, 9])
    bad("component.bits-above", "A component with entries of 13 bits", T + "component_bits_minus2", wide)


def _numbers(c: Catalog) -> None:
    rule = "transform.fit"
    _bad(c, "fit-channels", "A transform for another number of channels", rule,
         [fps(**words(4, t_basis=basis(6, 4))), data()])  # fmt: skip
    _bad(c, "fit-components", "A transform with another number of components", rule,
         [fps(**words(4, t_basis=basis(5, 3))), data()])  # fmt: skip
    _bad(c, "fit-prefix", "A transform with another prefix", rule,
         [fps(**words(t_prefix=1, t_basis=basis(5, 5, prefix=2))), data()])  # fmt: skip
    _bad(c, "fit-phases", "A transform for channels where the tensor has phases", rule,
         [fps(**words(5, H=4, t_s2d=1, t_basis=basis(5, 5))), data()])  # fmt: skip
    above = basis(5, 2, bits=12, exponents=[27, 0])  # 2^(10 + 27 + 16) + 2^26
    _bad(c, "width-above", "Sums may exceed 2^53 by the least", "transform.width",
         [fps(**words(2, bits=16, t_basis=above)), data()])  # fmt: skip
    shifted = basis(5, 5, bits=12, exponents=0)
    _bad(c, "width-shifted", "Sums may exceed 2^53 by the shift of a picture", "transform.width",
         [fps(**words(bits=12, layout="SEQUENCE", t_basis=shifted, t_shifts=[0, 0, 31, 0, 0])), data()])  # fmt: skip
