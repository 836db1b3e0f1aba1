"""10.2 Models: named tensors in canonical order, and the digest that identifies them."""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.errors import FeatureError
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import DTYPES, Array, contiguous_parts, element_type_of
from refsw.tensor.foreign import as_array, is_float8

MAX_AXES = 15
MAX_EXTENT = 2**32 - 2
MAX_NAME_BYTES = 2**16 - 1
MAX_PRODUCT = 1 << 40
FLOATS = {ElementType.FLOAT32, ElementType.FLOAT16, ElementType.BFLOAT16, ElementType.FLOAT64}
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class TensorType:
    """Name, number format and shape of a tensor of a model."""

    name: str
    element_type: ElementType
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype, little-endian."""
        return DTYPES[self.element_type]

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.elements * self.dtype.itemsize

    def same_format(self, other: TensorType) -> bool:
        """Whether number format and shape are the same."""
        return (self.element_type, self.shape) == (other.element_type, other.shape)


def type_of(name: str, array: Array) -> TensorType:
    """The type of a tensor.

    Raises:
        FeatureError: a dtype or a number of axes that no model update can carry; the name is in the message.
    """
    try:
        element_type = element_type_of(array.dtype)
    except FeatureError as error:
        raise FeatureError(f"{name}: {error}") from error
    if array.ndim > MAX_AXES or any(extent > MAX_EXTENT for extent in array.shape):
        raise FeatureError(f"{name}: shape {array.shape} has more than {MAX_AXES} axes, or an extent beyond 2^32 - 2")
    if math.prod(extent for extent in array.shape if extent) > MAX_PRODUCT:
        raise FeatureError(f"{name}: shape {array.shape} is beyond 2^40 elements")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise FeatureError(f"{name[:40]}...: a name of more than {MAX_NAME_BYTES} bytes")
    return TensorType(name, element_type, tuple(array.shape))


def canonical(names: Iterable[str]) -> list[str]:
    """10.2.1 The names in canonical order: by the bytes of their UTF-8 form."""
    return sorted(names, key=lambda name: name.encode())


COMPILED = "_orig_mod"
"""What torch.compile puts into the names of the tensors of a module."""


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """The name that a tensor has without torch.compile -> its name; as they are where two would be the same."""
    names = list(names)
    if not any(isinstance(name, str) and COMPILED in name for name in names):
        return {name: name for name in names}
    plain = {".".join(part for part in name.split(".") if part != COMPILED): name for name in names}
    return plain if len(plain) == len(names) else {name: name for name in names}


def model_of(tensors: Any) -> Model:
    """A model of arrays or tensors by name, or of a PyTorch module: that of its state dictionary."""
    if isinstance(tensors, Model):
        return tensors
    if not isinstance(tensors, Mapping) and callable(getattr(tensors, "state_dict", None)):
        tensors = tensors.state_dict()
    if not isinstance(tensors, Mapping):
        raise FeatureError(f"a {type(tensors).__name__} is no model: tensors by name, or a module of PyTorch")
    return Model({plain: tensors[name] for plain, name in plain_names(tensors).items()})


class Stored(Mapping[str, Array]):
    """Tensors that are read when they are asked for."""

    @abstractmethod
    def like(self, name: str) -> Array:
        """An array of the type and the shape of a tensor, for which nothing is read."""


class Model(Mapping[str, Array]):
    """A model: tensors by name, in canonical order.

    Args:
        tensors: numpy arrays or PyTorch tensors by name, or a mapping that gives each when it is asked for. Floats of
            8 bits, which the syntax has not, are taken for the bytes that they are; `float8` has their dtypes.
        texts: what its file says besides (the metadata of a .safetensors file).
        steady: whether two readings of a tensor surely give the same; not so for a file that somebody may write to.

    Raises:
        FeatureError: something in it is no tensor, or one that cannot be coded.
    """

    def __init__(
        self, tensors: Mapping[str, Any], texts: Mapping[str, str] | None = None, *, steady: bool = True
    ) -> None:
        self.texts, self.steady = dict(texts or {}), steady
        for name in tensors:
            if not isinstance(name, str):
                raise FeatureError(f"{name!r} is no name of a tensor")
            try:
                name.encode()
            except UnicodeEncodeError as error:
                raise FeatureError(f"{name!r} is not UTF-8") from error
        self._tensors = tensors
        self.names = canonical(tensors)
        self.float8: dict[str, np.dtype[Any]] = {}
        like = tensors.like if isinstance(tensors, Stored) else tensors.__getitem__
        self.types = {name: type_of(name, self._as_coded(name, like(name))) for name in self.names}

    def __getitem__(self, name: str) -> Array:
        return self._as_coded(name, self._tensors[name])

    def _as_coded(self, name: str, tensor: Any) -> Array:
        try:
            array = as_array(tensor)
        except FeatureError as error:
            raise FeatureError(f"{name}: {error}") from error
        if is_float8(array.dtype):
            self.float8[name] = array.dtype
            return array.view(np.uint8)
        # Big-endian arrays have the same values as little-endian ones, and those are what is coded.
        return array if array.dtype.byteorder != ">" else array.astype(array.dtype.newbyteorder("<"))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return sum(t.nbytes for t in self.types.values())


def tensor_digest(tensor: TensorType, array: Array, write: Callable[[bytes], object] | None = None) -> bytes:
    """10.2.2 SHA-256 over the type, the name and the elements of a tensor.

    Args:
        tensor: its type.
        array: its elements.
        write: gets the bytes of the elements, in parts: those that are digested, from one reading.
    """
    name = tensor.name.encode()
    extents = "".join(f" {extent}" for extent in tensor.shape)
    text = f"{tensor.element_type.name.lower()} {len(tensor.shape)}{extents} {len(name)}\n"
    digest = hashlib.sha256(text.encode() + name)
    for part in contiguous_parts(array):
        if write is None:
            digest.update(part.data)
            continue
        for start in range(0, part.size, CHUNK):
            own = part[start : start + CHUNK].tobytes()  # of a file that is mapped, nobody else's to change
            write(own)
            digest.update(own)
    return digest.digest()


def digest_of(digests: Mapping[str, bytes]) -> bytes:
    """10.2.2 The digest of a model from those of its tensors."""
    return hashlib.sha256(b"DFC model\n" + b"".join(digests[name] for name in canonical(digests))).digest()


def model_digest(tensors: Any) -> bytes:
    """10.2.2 The digest that identifies a model, whatever file it came from.

    Args:
        tensors: numpy arrays or PyTorch tensors by name, or a PyTorch module.

    Returns:
        32 bytes (SHA-256).
    """
    model = model_of(tensors)
    return digest_of({name: tensor_digest(model.types[name], model[name]) for name in model})


def is_finite(array: Array) -> bool:
    """Whether no element is NaN or infinite; in parts, so that little memory is needed."""
    if array.dtype.kind in "iub":
        return True
    flat = array.reshape(-1)
    return all(bool(np.isfinite(flat[i : i + CHUNK]).all()) for i in range(0, flat.size, CHUNK))
