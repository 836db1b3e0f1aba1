"""Informative: the codecs of an anchor run: refsw itself, any other by an encode and a decode command, or of pictures.

Pictures, at the layers before the network, go through the codecs of `refsw.evaluation.picture_codecs`.

An external codec of features is two commands with placeholders, split as a shell would but never passed to one:

    encode: "mycodec enc {input} {output} --qp {qp}"     {input}: features as .npy (several tensors: .npz)
    decode: "mycodec dec {input} {output}"               {input}: what encode wrote; {output}: .npy or .npz again

The swept parameter has its own name ({qp}, {quality}, ...) and is also {value}. The decoder is given nothing but the
bitstream. Exit codes are checked, and so are the shape, the dtype and the finiteness of what is decoded.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import CodecError, FeatureError, UsageError
from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.picture_codecs import decode_group, encode_group
from refsw.evaluation.picture_codecs.groups import MOSAIC
from refsw.features.parameters import Parameters
from refsw.payload import commands
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import DTYPES, Array

Features = Array | dict[str, Array]
"""Of a group: items along the first axis, several tensors by name; or pictures by a name for each."""
TOKENS = "NHC"
"""Axes of features of three, items first: tokens in rows (6.4), a channel in each column."""


def check_features(features: Features, layer: str, codec: CodecChoice, axes: str = "") -> None:
    """Code the features of one item, so that what a codec does not take is known before a run begins.

    Programs are not run: what they take is theirs to say.

    Raises:
        UsageError: the codec takes no features of this shape or dtype; layer, shape and reason are named.
    """
    if codec.external:
        return
    try:
        encode(features, layer, codec, codec.values[0], axes)
    except (UsageError, FeatureError) as error:
        told = features.values() if isinstance(features, Mapping) else [features]
        shapes = " and ".join(f"{array.dtype} {array.shape}" for array in told)
        raise UsageError(f"layer {layer}: codec {codec.name} does not take its features, {shapes}: {error}") from error


def encode(features: Features, layer: str, codec: CodecChoice, value: float | None, axes: str = "") -> bytes:
    """Features of a group -> one bitstream.

    Args:
        features: items along the first axis; of several tensors a mapping.
        layer: name of one tensor.
        codec, value: the point.
        axes: letters of the axes, items first; "" for NC, NHC or NCHW.

    Raises:
        CodecError: a codec of pictures failed; or an external encoder failed or wrote nothing.
        UsageError, FeatureError: the configuration does not fit the features.
    """
    if codec.picture:
        return encode_group(codec.picture_codec(value), list(_pictures(features, codec).values()), codec.arrange)
    if not codec.external:
        import refsw

        named = features if isinstance(features, Mapping) else {layer: features}
        has_tokens = any(array.ndim == len(TOKENS) for array in named.values())
        if codec.arrange == MOSAIC:
            if has_tokens or axes:
                raise UsageError(f"arrange {MOSAIC}: of maps (NCHW) and vectors (NC)")
            return refsw.encode({name: _as_one(array) for name, array in named.items()}, codec.config(value))
        return refsw.encode(named, codec.config(value), axes=axes or (TOKENS if has_tokens else None))
    with commands.work_folder() as folder:
        features = portable(features)
        source = folder / ("features.npz" if isinstance(features, Mapping) else "features.npy")
        output = folder / "bitstream.bin"
        if isinstance(features, Mapping):
            np.savez(source, **features)  # type: ignore[arg-type]
        else:
            np.save(source, features)
        _run(codec.encode, codec, value, source, output)
        if not output.is_file() or not output.stat().st_size:
            raise CodecError(f"codec {codec.name}: the encoder ended well and wrote no bitstream")
        return output.read_bytes()


def decode(bitstream: bytes, features: Features, codec: CodecChoice, value: float | None) -> Features:
    """The features of a bitstream, of the same shapes as those that went in.

    Args:
        bitstream: what `encode` gave.
        features: only for checking shapes and dtypes afterwards.
        codec, value: as for encoding; the value is known to an external decoder as {value} if it asks for it.

    Raises:
        CodecError: a decoder failed, or gave something of another shape or dtype, or NaN or infinity.
    """
    decoded: Any
    if codec.picture:
        like = _pictures(features, codec)
        shapes = [picture.shape for picture in like.values()]
        found = decode_group(codec.picture_codec(value), bitstream, shapes, codec.arrange)
        decoded = dict(zip(like, found, strict=True))
    elif codec.external:
        decoded = _like(_decode_external(bitstream, portable(features), codec, value), features)
    else:
        import refsw

        decoded = refsw.decode(bitstream)
        if isinstance(features, Mapping) and not isinstance(decoded, dict):
            decoded = dict.fromkeys(features, decoded)
        if codec.arrange == MOSAIC:
            decoded = _each_apart(decoded, features)
    pairs = [(features, decoded)] if not isinstance(features, Mapping) else _pairs(features, decoded, codec)
    for given, got in pairs:
        assert not isinstance(given, Mapping)
        if not isinstance(got, np.ndarray) or got.shape != given.shape or got.dtype != given.dtype:
            told = f"{got.dtype} {got.shape}" if isinstance(got, np.ndarray) else type(got).__name__
            raise CodecError(f"codec {codec.name}: decoded {told}, {given.dtype} {given.shape} was coded")
        if not np.isfinite(got).all():
            raise CodecError(f"codec {codec.name}: NaN or infinity among the decoded elements")
    # PyTorch takes no read-only arrays.
    if isinstance(decoded, dict):
        return {name: np.require(array, requirements="W") for name, array in decoded.items()}
    writable: Array = np.require(decoded, requirements="W")
    return writable


def _as_one(array: Array) -> Array:
    """(N, C, ...) -> (1, C * N, ...): the same channel of all items side by side, as channels of one sample."""
    return np.ascontiguousarray(array.swapaxes(0, 1)).reshape(1, -1, *array.shape[2:])


def _each_apart(decoded: Any, features: Features) -> Any:
    """What `_as_one` did, undone, of one tensor or of several."""
    if isinstance(features, Mapping):
        return {name: _each_apart(decoded[name], own) for name, own in features.items() if name in decoded}
    items, channels, *places = features.shape
    return np.ascontiguousarray(decoded.reshape(channels, items, *places).swapaxes(0, 1))


def header_bytes(features: Features, layer: str, codec: CodecChoice, value: float | None, axes: str = "") -> int:
    """What a codec makes of items of these shapes with nothing in them: its headers.

    Pictures are grey all over. Features are zero but for one element: of a constant tensor, no pictures are coded.
    What adapts to the content, such as optimised tables, counts as content.
    """
    if codec.picture:
        empty = {name: np.full_like(picture, 128) for name, picture in _pictures(features, codec).items()}
        return len(encode(empty, layer, codec, value, axes))
    named = features if isinstance(features, Mapping) else {"": features}
    bare = {name: np.zeros_like(array) for name, array in named.items()}
    for array in bare.values():
        array.reshape(len(array), -1)[:, 0] = 1
    return len(encode(bare if isinstance(features, Mapping) else bare[""], layer, codec, value, axes))


def _pictures(features: Features, codec: CodecChoice) -> dict[str, Array]:
    """The pictures of a group.

    Raises:
        UsageError: it is none of pictures.
    """
    if not isinstance(features, dict) or any(p.dtype != np.uint8 or p.ndim not in (2, 3) for p in features.values()):
        raise UsageError(f"codec {codec.name} codes pictures, not features of a network")
    return features


def parameter_sets(bitstream: bytes) -> dict[str, Parameters]:
    """The parameter sets of a bitstream of refsw, by tensor."""
    import refsw

    with refsw.Decoder(io.BytesIO(bitstream)) as decoder:
        for _ in decoder:
            pass
        return dict(decoder.parameters)


def portable(features: Features) -> Features:
    """Features as .npy files know them: bfloat16 as binary32, in which every one of its values is the same."""
    if isinstance(features, Mapping):
        return {name: array.astype(np.float32) if _is_bfloat16(array) else array for name, array in features.items()}
    return features.astype(np.float32) if _is_bfloat16(features) else features


def _like(decoded: Any, features: Features) -> Any:
    """What `portable` did, undone."""
    if isinstance(features, Mapping):
        known = features if isinstance(decoded, dict) else {}
        return {n: a.astype(known[n].dtype) if n in known and _is_bfloat16(known[n]) else a for n, a in decoded.items()}
    return decoded.astype(features.dtype) if _is_bfloat16(features) else decoded


def _is_bfloat16(array: Array) -> bool:
    return array.dtype == DTYPES[ElementType.BFLOAT16]


def _pairs(features: Mapping[str, Array], decoded: Any, codec: CodecChoice) -> list[tuple[Array, Any]]:
    if not isinstance(decoded, dict) or set(decoded) != set(features):
        got = ", ".join(sorted(decoded)) if isinstance(decoded, dict) else "one tensor"
        raise CodecError(f"codec {codec.name}: decoded {got}, {', '.join(sorted(features))} were coded")
    return [(features[name], decoded[name]) for name in features]


def _decode_external(bitstream: bytes, features: Features, codec: CodecChoice, value: float | None) -> Any:
    several = isinstance(features, Mapping)
    with commands.work_folder() as folder:
        source, output = folder / "bitstream.bin", folder / ("out.npz" if several else "out.npy")
        source.write_bytes(bitstream)
        _run(codec.decode, codec, value, source, output)
        if not output.is_file():
            raise CodecError(f"codec {codec.name}: the decoder ended well and wrote nothing")
        try:
            _check_headers(output, features, codec)
            loaded = np.load(output, allow_pickle=False)
            return dict(loaded) if several else loaded
        except CodecError:
            raise
        except Exception as error:  # what damaged files make of NumPy and zipfile is not documented
            told = " ".join(str(error).split()) or type(error).__name__
            raise CodecError(f"codec {codec.name}: the decoder wrote no {output.suffix} file: {told}") from error


def _check_headers(path: Path, features: Features, codec: CodecChoice) -> None:
    """Refuse arrays of another shape or dtype before memory is taken for them."""
    if not isinstance(features, Mapping):
        with path.open("rb") as file:
            _same_header(file, features, codec)
        return
    with zipfile.ZipFile(path) as archive:
        for name in set(archive.namelist()) & {f"{name}.npy" for name in features}:
            with archive.open(name) as member:
                _same_header(member, features[name.removesuffix(".npy")], codec)


def _same_header(file: Any, like: Array, codec: CodecChoice) -> None:
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if shape != like.shape or dtype != like.dtype:
        raise CodecError(f"codec {codec.name}: decoded {dtype} {shape}, {like.dtype} {like.shape} was coded")


def _run(template: str, codec: CodecChoice, value: float | None, source: Path, output: Path) -> None:
    fields = {commands.INPUT: str(source), commands.OUTPUT: str(output)}
    if value is not None:
        fields |= {commands.VALUE: str(value), codec.parameter: str(value)}
    commands.run(template, fields)
