"""9.2, 6.8, 10.3.2: what is UTF-8 and what is not, in every place where a bitstream has text."""

from __future__ import annotations

from vectors.catalog import Catalog
from vectors.recipes.models import new, update, values
from vectors.recipes.words import data, fps, metadata

# Text that only looks like UTF-8, by what is wrong with it.
WRONG = {
    "continued": ("e282ac80", "a continuation byte too many"),
    "long3": ("e0809f", "three bytes for U+001F"),
    "long3.last": ("e09fbf", "three bytes for U+07FF"),
    "long4": ("f08080af", "four bytes for U+002F"),
    "long4.last": ("f08fbfbf", "four bytes for U+FFFF"),
    "long5": ("f888808080", "five bytes"),
    "cut3": ("6ae282", "the last character cut off after two of three bytes"),
    "cut4": ("f09f98", "a character of four bytes cut off"),
    "broken4": ("f09f9841", "a letter in place of the fourth byte"),
    "surrogate.last": ("edbfbf", "U+DFFF"),
    "surrogate.pair": ("eda0bdedb880", "two surrogates for one character"),
    "beyond5": ("f5808080", "a first byte of F5"),
    "byte.fe": ("61fe62", "the byte FE"),
}
RIGHT = ("7f", "c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf")
"""The ends of what one to four bytes stand for, and of what surrogates leave out; U+007F is no name."""


def register(c: Catalog) -> None:
    """Add the recipes."""
    for name, (raw, what) in WRONG.items():
        text = bytes.fromhex(raw)
        change = {"layer_id": text, "layer_id_length": len(text)}
        c.stream(f"text-layer-{name}", f"layer_id is not UTF-8: {what}", [fps(set=change), data()], area="names",
                 kind="malformed", violates="fps.utf8")  # fmt: skip
        c.stream(f"text-metadata-{name}", f"A metadata text is not UTF-8: {what}",
                 [metadata(["k", f"hex:{raw}"]), fps(), data()], area="names", kind="malformed",
                 violates="metadata.utf8")  # fmt: skip
        c.update(f"model.text-name-{name}", f"A name is not UTF-8: {what}",
                 [update({}, new(f"hex:{raw}", "UINT8", [1], "EXACT")), values([1])], base="one", kind="invalid",
                 violates="model.utf8", settled=True)  # fmt: skip
    ends = [bytes.fromhex(raw).decode() for raw in RIGHT]
    named = "".join(ends[1:])
    c.stream("text-all-ends", "Text of the first and last characters of one to four bytes, and around surrogates",
             [metadata(*([text, text] for text in ends)), fps(layer=named, network=named[::-1]), data()],
             area="names")  # fmt: skip
    c.update("model.text-all-ends", "Names of the first and last characters of one to four bytes",
             [update({}, *(new(text, "UINT8", [1], "EXACT") for text in ends[1:]), network_id=named),
              values(*([i] for i in range(len(ends) - 1)))], base="one")  # fmt: skip
