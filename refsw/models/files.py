"""Informative: files of models, read and written tensor by tensor, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import ml_dtypes
import numpy as np

from refsw.errors import FeatureError, UsageError
from refsw.features.npy import new_archive, new_member
from refsw.features.sources import SAFETENSORS_FLOAT8, SAFETENSORS_TYPES, load_torch, open_tensors
from refsw.files import SameFile, create_part, is_special, open_special, part_of, put_in_place
from refsw.lazy import importing, lazy
from refsw.models.apply import changed
from refsw.models.results import Outcome, Results
from refsw.models.state import Model, Stored, TensorType, digest_of, plain_names, tensor_digest
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import Array, contiguous_parts
from refsw.tensor.foreign import is_float8

INDEX = ".safetensors.index.json"
"""Of a model in several files: which tensor is in which of them."""
SUFFIXES = (".safetensors", ".npz", ".pt", ".pth")
WRAPPERS = ("state_dict", "model_state_dict", "model")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor lies: an open file, type and shape, and the byte at which it begins."""

    file: _File
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


class _File:
    """A file that stays open as long as something of it may be read, whatever takes its name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._number)

    def read(self, name: str, place: _Place) -> Array:
        """A tensor, in memory of its own."""
        array = np.empty(place.shape, place.dtype)
        rest, offset = memoryview(array.reshape(-1).view(np.uint8).data), place.offset
        while rest:
            size = os.preadv(self._number, [rest], offset)
            if not size:
                raise FeatureError(f"{self._path}: {name}: the file ends before it does: it was changed while in use")
            rest, offset = rest[size:], offset + size
        return array


class _Stored(Stored):
    """Tensors of files, read when they are asked for. A mapping would end the process where somebody cuts a file."""

    def __init__(self, places: Mapping[str, _Place]) -> None:
        self._places = places

    def like(self, name: str) -> Array:
        """An array of that type and shape, without its elements."""
        return np.broadcast_to(np.zeros((), self._places[name].dtype), self._places[name].shape)

    def __getitem__(self, name: str) -> Array:
        return self._places[name].file.read(name, self._places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def open_model(path: Path) -> Model:
    """The model in a .safetensors, .npz, .pt or .pth file; of a .safetensors file, what is asked for is read.

    Raises:
        OSError: it cannot be read.
        UsageError: an unknown suffix, or .pt without torch.
        FeatureError: not a file of that format, or something in it is no tensor.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UsageError(f"{path}: is read more than once, so that it has to be a plain file")
    if path.name.endswith(INDEX):
        return _sharded(path)
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: models are read from {', '.join(SUFFIXES)} files and indexes (*{INDEX})")
    if path.suffix in (".pt", ".pth"):
        return _model(path, _torch(path))
    if path.suffix == ".npz":
        return _model(path, {source.name: source.load() for source in open_tensors(path)})
    return _stored(path, _places(path), safetensors_metadata(path))


def _places(path: Path) -> dict[str, _Place]:
    """Where the tensors of a .safetensors file lie."""
    same = SameFile(path)
    sources = open_tensors(path)  # first: it refuses what is no plain file, which may never open
    file = _File(path)
    places = {s.name: _Place(file, s.stored, s.shape, s.offset) for s in sources}
    same.check()
    return places


def _stored(path: Path, places: Mapping[str, _Place], texts: Mapping[str, str]) -> Model:
    try:
        tensors = _Stored({plain: places[name] for plain, name in plain_names(places).items()})
        return Model(tensors, texts, steady=False)
    except FeatureError as error:
        raise FeatureError(f"{path}: {error}") from error


def _sharded(path: Path) -> Model:
    """The model in the .safetensors files that an index names, beside it."""
    try:
        files = dict(json.loads(path.read_bytes())["weight_map"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FeatureError(f"{path}: no index of a model: it has no weight_map of names and files") from error
    shards: dict[str, dict[str, _Place]] = {}
    texts: dict[str, str] = {}
    places = {}
    for name, file in files.items():
        if not isinstance(file, str) or Path(file).name != file or Path(file).suffix != ".safetensors":
            raise FeatureError(f"{path}: {name} is in {file!r}, which is no .safetensors file beside it")
        if file not in shards:
            shards[file] = _places(path.with_name(file))
            texts |= safetensors_metadata(path.with_name(file))
        if name not in shards[file]:
            raise FeatureError(f"{path}: {name} is not in {file}")
        places[name] = shards[file][name]
    return _stored(path, places, texts)


def _model(path: Path, tensors: Mapping[str, Any]) -> Model:
    try:
        return Model({plain: tensors[name] for plain, name in plain_names(tensors).items()})
    except FeatureError as error:
        raise FeatureError(f"{path}: {error}") from error


def _torch(path: Path) -> dict[str, Any]:
    with path.open("rb"):
        pass  # a missing file is told as such
    loaded = load_torch(path)
    for wrapper in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict):
        raise FeatureError(f"{path}: holds no state dictionary")
    wrong = [name for name, value in loaded.items() if not hasattr(value, "element_size")]
    if wrong:
        raise FeatureError(f"{path}: {wrong[0]!r} is no tensor; save the state dictionary alone")
    return dict(loaded)


def safetensors_metadata(path: Path) -> dict[str, str]:
    """The texts that a .safetensors file carries besides its tensors; empty for other files."""
    if path.suffix != ".safetensors":
        return {}
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return dict(header.get("__metadata__") or {})


def restored(kind: TensorType, float8: Mapping[str, np.dtype[Any]]) -> np.dtype[Any]:
    """The dtype of a tensor of a result in its file, given those of the tensors that came as floats of 8 bits."""
    return float8.get(kind.name, kind.dtype) if kind.element_type is ElementType.UINT8 else kind.dtype


class FileResults(Results):
    """The tensors of a result in a .safetensors file, written as they come, each at its place.

    Args:
        path: the file.
        texts: what it shall say besides where the bitstream does not tell.
        float8: for the tensors that are floats of 8 bits, which updates carry as bytes, their dtypes.
    """

    def __init__(self, path: Path, texts: Mapping[str, str], float8: Mapping[str, np.dtype[Any]]) -> None:
        super().__init__()
        self.path, self.texts, self.float8 = path, texts, float8
        self._places: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]] = {}
        self._file: BinaryIO | None = None

    def begin(self, types: list[TensorType], texts: Mapping[str, str] | None) -> None:
        """Write the header, and give every tensor its place: wide elements first, so that all are aligned."""
        self.texts = self.texts if texts is None else texts
        names = {np.dtype(dtype): name for name, dtype in {**SAFETENSORS_TYPES, **SAFETENSORS_FLOAT8}.items()}
        header: dict[str, Any] = {"__metadata__": dict(self.texts)} if self.texts else {}
        place = 0
        for kind in sorted(types, key=lambda kind: (-kind.dtype.itemsize, kind.name)):
            if kind.name == "__metadata__":
                raise UsageError(f"a tensor named {kind.name} cannot be in a .safetensors file: write a .npz file")
            end = place + kind.nbytes
            dtype = restored(kind, self.float8)
            if dtype not in names:
                raise UsageError(f"{kind.name}: .safetensors has no {dtype}: write a .pt file")
            header[kind.name] = {"dtype": names[dtype], "shape": kind.shape, "data_offsets": [place, end]}
            self._places[kind.name] = (kind.dtype, kind.shape, place)
            place = end
        text = json.dumps(header, ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        start = 8 + len(text)
        self._places = {name: (dtype, shape, start + at) for name, (dtype, shape, at) in self._places.items()}
        self._file = self.path.open("wb+")
        self._file.write(len(text).to_bytes(8, "little") + text)
        self._file.truncate(start + place)

    def put(self, kind: TensorType, array: Array, known: bytes | None) -> bytes:
        """Write one tensor; what is not known to stay as it was is digested as it is written."""
        assert self._file is not None
        self._file.seek(self._places[kind.name][2])
        if known is None:
            return tensor_digest(kind, array, self._file.write)
        for part in contiguous_parts(array):
            self._file.write(part.data)
        return known

    def get(self, name: str) -> Array:
        """A tensor that was written before."""
        assert self._file is not None
        self._file.flush()
        return self._stored[name]

    def model(self) -> Model:
        """The result."""
        self.close()
        return Model(self._stored, self.texts)

    @lazy
    def _stored(self) -> _Stored:
        """The tensors, to be read; made once, for a result may be copies throughout."""
        file = _File(self.path)
        return _Stored({name: _Place(file, *place) for name, place in self._places.items()})

    def close(self) -> None:
        """Nothing more is written."""
        if self._file is not None:
            self._file.close()


class ModelFiles:
    """The results of a chain of updates in files beside the output; the last one takes its place.

    Args:
        path: the output: .safetensors, .npz, .pt or .pth.
        texts: what a .safetensors file shall say besides where the bitstream does not tell.
        float8: the dtypes of tensors that were floats of 8 bits in the base.
    """

    def __init__(self, path: Path, texts: Mapping[str, str], float8: Mapping[str, np.dtype[Any]] | None = None) -> None:
        self.path, self.texts, self.float8 = path, texts, float8 or {}
        self.suffix = path.suffix
        if self.suffix not in SUFFIXES:
            raise UsageError(f"{path}: models are written to {', '.join(SUFFIXES)} files")
        self._special = is_special(path)
        self._parts: list[Path] = []
        self._free: list[Path] = []
        self._made: list[FileResults] = []
        try:
            self._free.append(self._part())  # at once: that there can be none is told before the work
        except BaseException:
            self._clear()
            raise

    def _part(self) -> Path:
        """A new file beside the output, or anywhere if that is no place for files."""
        beside, mode = (Path(tempfile.gettempdir()) / "refsw", 0o600) if self._special else (self.path, 0o666)
        part = part_of(beside)
        self._parts.append(part)
        create_part(part, beside, mode).close()
        return part

    def next(self) -> FileResults:
        """A file for the next result; those before the last one are removed."""
        for old in self._made[:-1]:
            old.path.unlink(missing_ok=True)
        self._made.append(FileResults(self._free.pop() if self._free else self._part(), self.texts, self.float8))
        return self._made[-1]

    def finish(self, outcome: Outcome) -> None:
        """Make the output of the newest model.

        Raises:
            UsageError: the format does not take its tensors.
            ModelStateError: the base, which is the newest model, was changed while it was read.
        """
        model = outcome.model if self._made else self._as_it_was(outcome)
        if self.suffix == ".safetensors":
            done = self._made[-1].path
        else:
            done = self._free.pop() if self._free else self._part()
            with done.open("wb") as file:
                write = _write_npz if self.suffix == ".npz" else _write_torch
                write(model, {name: restored(model.types[name], self.float8) for name in model}, file)
        if self._special:
            with done.open("rb") as source, open_special(self.path) as out:
                shutil.copyfileobj(source, out, 1 << 20)
        else:
            put_in_place(done, self.path)

    def _as_it_was(self, outcome: Outcome) -> Model:
        """The base, where nothing was to be applied, as one more result."""
        model, results = outcome.model, self.next()
        results.texts = model.texts
        results.begin(list(model.types.values()), outcome.texts)
        digests = {name: results.put(model.types[name], model[name], None) for name in model}
        if digest_of(digests) != outcome.digest:
            raise changed("a tensor", outcome.digest, digest_of(digests))
        return results.model()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._clear()

    def _clear(self) -> None:
        for results in self._made:
            results.close()
        for part in self._parts:
            part.unlink(missing_ok=True)


def _write_npz(model: Model, dtypes: Mapping[str, np.dtype[Any]], out: BinaryIO) -> None:
    with new_archive(out) as archive:
        for name in model:
            array = model[name]
            if dtypes[name] == ml_dtypes.bfloat16 or is_float8(dtypes[name]):
                raise UsageError(f"{name}: .npz has no {dtypes[name]}: write a .safetensors file")
            with new_member(archive, name) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _write_torch(model: Model, dtypes: Mapping[str, np.dtype[Any]], out: BinaryIO) -> None:
    try:
        with importing:
            import torch
    except ImportError as error:
        raise UsageError("writing .pt files needs torch (pip install 'refsw[anchors]')") from error

    def tensor(array: Array, dtype: np.dtype[Any]) -> Any:
        own = np.array(array)  # torch wants memory that it may write to
        if dtype == ml_dtypes.bfloat16:
            return torch.from_numpy(own.view(np.int16)).view(torch.bfloat16)
        if is_float8(dtype):
            return torch.from_numpy(own).view(getattr(torch, dtype.name))
        return torch.from_numpy(own)

    torch.save({name: tensor(model[name], dtypes[name]) for name in model}, out)
