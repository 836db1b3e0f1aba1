"""10.10 The texts that a file of a model has besides its tensors, in metadata units before the model header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from refsw.errors import FeatureError
from refsw.syntax.codes import UnitType
from refsw.syntax.structures import METADATA
from refsw.syntax.units import pack_body, pack_unit

PREFIX = "file:"
MOST_ENTRIES, MOST_KEY, MOST_TEXT = 256, 255, 65535


def with_texts(known: Mapping[str, str] | None, entries: Mapping[str, str]) -> Mapping[str, str] | None:
    """10.10 Texts of a file, with those among the entries of one more metadata unit; None if there were none yet."""
    found = {key.removeprefix(PREFIX): text for key, text in entries.items() if key.startswith(PREFIX)}
    if not found:
        return known
    known = known or {}
    return {**known, **{key: known.get(key, "") + text for key, text in found.items()}}


def text_units(texts: Mapping[str, str]) -> list[bytes]:
    """10.10 Metadata units with the texts of a file.

    Raises:
        FeatureError: a key of more than 250 bytes, or text that is not Unicode.
    """
    pieces = []
    for key, text in texts.items():
        try:
            name, rest = (PREFIX + key).encode(), text.encode()
        except UnicodeEncodeError as error:
            raise FeatureError(f"metadata {key!r} of the file of the target is not Unicode") from error
        if len(name) > MOST_KEY:
            raise FeatureError(f"metadata {key[:40]!r}... of the file of the target: a key of more than 250 bytes")
        pieces.append([(name, piece) for piece in _pieces(rest)])
    units = []
    for depth in range(max(map(len, pieces), default=0)):  # the pieces of one text are in units of their own
        entries = [each[depth] for each in pieces if depth < len(each)]
        units += [metadata_unit(entries[i : i + MOST_ENTRIES]) for i in range(0, len(entries), MOST_ENTRIES)]
    return units


def _pieces(text: bytes) -> Iterator[bytes]:
    """Parts of at most MOST_TEXT bytes, each of them UTF-8; one at least."""
    start = 0
    while len(text) - start > MOST_TEXT:
        end = start + MOST_TEXT
        while text[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        yield text[start:end]
        start = end
    yield text[start:]


def metadata_unit(entries: list[tuple[bytes, bytes]]) -> bytes:
    """6.8 A metadata unit of keys and texts."""
    values = {
        "entry_count_minus1": len(entries) - 1,
        "key_length": [len(key) for key, _ in entries],
        "key": [key for key, _ in entries],
        "text_length": [len(text) for _, text in entries],
        "text": [text for _, text in entries],
    }
    return pack_unit(UnitType.METADATA, pack_body(METADATA, values))
