"""Informative: .npz files, which are zip archives of a .npy file for each tensor."""

from __future__ import annotations

import zipfile
from typing import IO, BinaryIO

from refsw.errors import UsageError
from refsw.files import is_path

SUFFIX = ".npy"
LONGEST_NAME = 65535 - len(SUFFIX)


def new_archive(out: BinaryIO) -> zipfile.ZipFile:
    """An archive for writing tensors, as they are: codecs have been at them."""
    return zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True)


def new_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """The place of a tensor's .npy file in an archive.

    Raises:
        UsageError: the name of the tensor would make a member that zip archives cannot have, or one that unpacks
            outside of its folder.
    """
    if is_path(name):
        raise UsageError(
            f"tensor {name}: in an archive this is the path of a file outside of it: write a .safetensors file"
        )
    if len(name.encode()) > LONGEST_NAME:
        raise UsageError(f"tensor {name[:40]}...: too long a name for an archive: write a .safetensors file")
    # A fixed date: the same tensors give the same bytes.
    return archive.open(zipfile.ZipInfo(f"{name}{SUFFIX}", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True)
