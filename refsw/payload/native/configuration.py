"""8.6.3 The configuration of a native payload, and the parameters that it holds or names."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from refsw.errors import DfcError, ErrorClass
from refsw.named import Known, digest_of, named_bytes
from refsw.payload.base import payload_error
from refsw.payload.native.contexts import group_bounds
from refsw.payload.native.errors import of_payload
from refsw.payload.native.parameters import FEATURES, PHASES, Start
from refsw.payload.native.scale import BINS, KINDS, TOKENS
from refsw.payload.native.starts import sparse_start, universal_start
from refsw.syntax.bits import BitReader, BitWriter
from refsw.syntax.codes import NativeStart
from refsw.syntax.declaration import Structure, Values
from refsw.syntax.native_structures import NATIVE_CONFIGURATION, NATIVE_PARAMETERS
from refsw.syntax.structure import read_structure, write_structure

LARGEST_POINT, LARGEST_CODE = 255, 255
STARTS_KEPT = 8
"""Starts that are made once as long as no more others are used between."""


def start_of(configuration: bytes, known: Known) -> Start:
    """8.6.3 The start that a configuration gives, by parameters among those `known` if it names some.

    Raises:
        PayloadError: a requirement of 6.16, 6.17 or 8.6.3 is broken.
        UnsupportedError: the parameters that it names are not there.
    """
    digest = named_digest(configuration)
    if digest is None:
        return _own_start(configuration)
    return parameters_start(named_bytes(known, digest, "native_digest"))


@lru_cache(maxsize=STARTS_KEPT)
def _own_start(configuration: bytes) -> Start:
    """8.6.3 The start of a configuration that names none."""
    values = _read(NATIVE_CONFIGURATION, configuration, "native.configuration", "codec_configuration")
    kind = NativeStart(values["native_start"])
    if kind is NativeStart.UNIVERSAL:
        return universal_start()
    if kind is NativeStart.SPARSE:
        return sparse_start()
    return _start(values)


@lru_cache(maxsize=STARTS_KEPT)
def parameters_start(data: bytes) -> Start:
    """6.17 The start of a native_parameters that stands alone, in a file.

    Raises:
        PayloadError: it is none, or breaks a requirement.
    """
    return _start(_read(NATIVE_PARAMETERS, data, "native.parameters", "native_parameters"))


def named_digest(configuration: bytes) -> bytes | None:
    """The digest of the parameters that a configuration names; None if it names none."""
    if configuration[:1] != bytes([NativeStart.NAMED]):
        return None
    values = _read(NATIVE_CONFIGURATION, configuration, "native.configuration", "codec_configuration")
    digest: bytes = values["native_digest"]
    return digest


def _read(structure: Structure, data: bytes, requirement: str, element: str) -> Values:
    reader = BitReader(data, 0, element)
    try:
        values = read_structure(structure, reader)
    except DfcError as error:
        raise of_payload(error, requirement) from error
    if reader.remaining:
        raise payload_error(requirement, element, f"{reader.position // 8} bytes", f"{len(data)}",
                            ErrorClass.TRAILING_DATA)  # fmt: skip
    return values


def _start(values: Values) -> Start:
    """8.6.3 The start of a native_parameters."""
    universal = universal_start()
    channels = values["native_channel_count_minus1"] + 1
    weights, points, codes = universal.weights, universal.points, universal.codes
    if values["weight_flag"]:
        weights = np.array(values["weight"], np.int32).reshape(2, PHASES, FEATURES)
    if values["point_bin_count"]:
        points = points.copy()
        points[: values["point_bin_count"]] += np.array(values["point_delta"], np.int32)
        if np.abs(points).max() > LARGEST_POINT:
            raise _out_of_range("native.points", "point_delta", f"points of at most {LARGEST_POINT}, either way")
    codes *= values["channel_class_count_minus1"] + 1
    if values["table_count"]:
        found = tuple(_codes(codes[t], row) for t, row in enumerate(values["code_delta"]))
        codes = found + codes[len(found) :]
    references, weighted = _references(values, channels)
    return Start(
        weights, points, codes, channels,
        np.array(values["prior_index"], np.uint8) if values["prior_flag"] else None,
        np.array(values["channel_class"], np.uint8) if values["channel_class_count_minus1"] else None,
        references, weighted,
    )  # fmt: skip


def predicted(codes: bytes, count: int) -> bytes:
    """8.6.3 What the codes of a table are told against: those of the universal start, the last one repeated."""
    return codes[:count].ljust(count, codes[-1:])


def _codes(universal: bytes, deltas: list[int]) -> bytes:
    found = [code + delta for code, delta in zip(predicted(universal, len(deltas)), deltas, strict=True)]
    if not 0 <= min(found) <= max(found) <= LARGEST_CODE:
        raise _out_of_range("native.codes", "code_delta", f"codes of 0 to {LARGEST_CODE}")
    return bytes(found)


def _references(values: Values, channels: int) -> tuple[Any, Any]:
    """8.6.3 Places and weights of the references of every channel."""
    if not values["reference_count"]:
        return np.zeros((0, 0), np.int32), np.zeros((0, 0), np.int32)
    weights = np.array(values["reference_weight"], np.int32)
    places = np.arange(channels, dtype=np.int32)[:, None] - 1 - np.array(values["reference_distance_minus1"], np.int32)
    firsts = np.concatenate([np.full(last - first, first) for first, last in group_bounds(channels)])[:, None]
    if ((weights > 0) & ((places < 0) | (places >= firsts))).any():
        raise _out_of_range("native.reference", "reference_distance_minus1", "a channel of an earlier group")
    return np.where(weights > 0, places, 0), weights


def _out_of_range(requirement: str, element: str, expected: str) -> DfcError:
    return payload_error(requirement, element, expected, "another", ErrorClass.OUT_OF_RANGE)


# --- Informative: writing ---


def pack_parameters(start: Start) -> bytes:
    """6.17 The native_parameters of a start."""
    return _pack(NATIVE_PARAMETERS, values_of(start))


def pack_configuration(kind: NativeStart, parameters: bytes = b"") -> bytes:
    """6.16 A native_configuration: with the parameters, or with their digest."""
    values: Values = {"native_start": kind}
    if kind is NativeStart.SENT:
        values |= values_of(parameters_start(parameters))
    elif kind is NativeStart.NAMED:
        values["native_digest"] = digest_of(parameters)
    return _pack(NATIVE_CONFIGURATION, values)


def _pack(structure: Structure, values: Values) -> bytes:
    writer = BitWriter()
    write_structure(structure, writer, values)
    return writer.getvalue()


def values_of(start: Start) -> Values:
    """6.15 The elements of the native_parameters of a start."""
    universal = universal_start()
    count = start.reference_weights.shape[1]
    distances = np.arange(len(start.references))[:, None] - 1 - start.references
    deltas = [
        [
            code - own
            for code, own in zip(codes, predicted(universal.codes[t % (BINS * KINDS)], len(codes)), strict=True)
        ]
        for t, codes in enumerate(start.codes)
    ]
    own = [t for t, codes in enumerate(start.codes) if codes != universal.codes[t % (BINS * KINDS)]]
    return {
        "native_channel_count_minus1": start.channels - 1,
        "prior_flag": int(start.priors is not None),
        "prior_index": [] if start.priors is None else start.priors.tolist(),
        "channel_class_count_minus1": start.class_count - 1,
        "channel_class": [] if start.classes is None else start.classes.tolist(),
        "reference_count": count,
        "reference_weight": start.reference_weights.tolist(),
        "reference_distance_minus1": np.where(start.reference_weights > 0, distances, 0).tolist(),
        "weight_flag": int(not np.array_equal(start.weights, universal.weights)),
        "weight": start.weights.tolist(),
        "point_bin_count": 0 if np.array_equal(start.points, universal.points) else BINS,
        "point_delta": (start.points - universal.points).tolist(),
        "table_count": own[-1] + 1 if own else 0,
        "token_count_minus1": [len(codes) - 1 for codes in start.codes],
        "code_delta": deltas,
    }


assert TOKENS == 64  # token_count_minus1 is u(6)
