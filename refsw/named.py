"""5.8 What bitstreams name by its digest, and decoders have beside them: parameters of a layer, and whatever else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from refsw.errors import ErrorClass, UnsupportedError

Known = Mapping[bytes, bytes]
"""SHA-256 digest -> the bytes that have it."""


def digest_of(data: bytes) -> bytes:
    """5.8 The digest by which bitstreams name bytes."""
    return hashlib.sha256(data).digest()


def known_by_digest(contents: Iterable[bytes]) -> dict[bytes, bytes]:
    """What a decoder has, as it looks for it."""
    return {digest_of(data): data for data in contents}


def named_bytes(known: Known, digest: bytes, element: str) -> bytes:
    """5.8 The bytes that an element of a bitstream names.

    Args:
        known: what the decoder has.
        digest: the value of the element.
        element: its name.

    Raises:
        UnsupportedError: the decoder does not have them.
    """
    found = known.get(digest)
    if found is None:
        raise UnsupportedError(
            ErrorClass.PAYLOAD_ERROR, "named.unknown", element, None,
            expected=f"the file whose SHA-256 digest is {digest.hex()} (--with FILE)", got="no such file",
        )  # fmt: skip
    return found
