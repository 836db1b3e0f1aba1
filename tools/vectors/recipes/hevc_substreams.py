"""8.4.5: the sizes of slice data and of their substreams, which hang on the entry points in the slice header."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.hevc import BASE
from vectors.recipes.hevc_references import FORMS, stream
from vectors.recipes.words import data, fps
from vectors.sets import ue

OF = "hevc-hm.wavefront_r1"
OFFSETS = [141, 63, 72]
LAST = 70
"""Bytes of the last substream, which follows those of the entry points."""
EXTENDED = ue(9) + f"{1:08b}" + "0" * 64
"""An extension of a slice header, with emulation prevention bytes."""
WORDS = "000003" * 2


def register(c: Catalog) -> None:
    """Add the recipes."""
    _wavefronts(c, "words", "cabac_zero_words behind the data", payload_edit=[["suffix", WORDS]])
    _wavefronts(c, "extension", "An extension of the header with emulation prevention bytes", OFFSETS, EXTENDED)
    for name, what, last in (("whole", "at the end of the data", LAST), ("beyond", "beyond the data", LAST + 1),
                             ("last", "one byte before the end of the data", LAST - 1)):  # fmt: skip
        _wavefronts(c, f"entry.{name}", f"An entry point {what}", [*OFFSETS[:2], OFFSETS[2] + last], wrong=True)
    _wavefronts(c, "entry.first", "An entry point one byte after the beginning of the data", [1, *OFFSETS[1:]],
                wrong=True)  # fmt: skip
    _wavefronts(c, "entry.words", "An entry point before which all data stand, and behind it cabac_zero_words",
                [*OFFSETS[:2], OFFSETS[2] + LAST], payload_edit=[["suffix", WORDS]], wrong=True)  # fmt: skip
    _wavefronts(c, "entry.extension", "The same one byte before their end, behind a header with an extension",
                [*OFFSETS[:2], OFFSETS[2] + LAST - 1], EXTENDED, wrong=True)  # fmt: skip
    for name, what, words in (("byte", "one byte", ""), ("byte.words", "one byte and cabac_zero_words", WORDS)):
        units = stream(FORMS["p.own.two"], 49, "a2")
        units[1]["edit"] = [["suffix", words]]
        c.stream(f"hevc-slice.data-{name}", f"A P slice whose data are {what}", units, area="hevc", profile="INTER",
                 kind="invalid", violates="hevc.slice-data")  # fmt: skip


def _wavefronts(c: Catalog, name: str, what: str, offsets: list[int] | None = None, extension: str = "",
                payload_edit: Any = (), *, wrong: bool = False) -> None:  # fmt: skip
    edit = [["pps", "header", 1]] if extension else []
    points = [["entry_points", offsets, extension]] if offsets else []
    c.stream(f"hevc-slice.data-{name}", f"{what} of a slice with wavefronts",
             [fps(**(BASE | {"C": 6, "grid": [2, 3], "H": 32, "W": 24, "of": OF}), edit=edit),
              data(payload={"of": OF}, edit=[*points, *payload_edit])], area="hevc", profile="INTRA",
             **({"kind": "invalid", "violates": "hevc.slice-data"} if wrong else {}))  # fmt: skip
