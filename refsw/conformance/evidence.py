"""13.10 What a vector shows: decoded once, with its trace, its checkpoints, and the requirements that it relies on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from refsw.conformance.capture_facts import observe_capture
from refsw.conformance.facts import Evidence
from refsw.conformance.feature_facts import Facts, requirements
from refsw.conformance.model_facts import observe_update
from refsw.conformance.models import is_update
from refsw.conformance.observed_cells import observed
from refsw.conformance.reference import decode_in_steps
from refsw.errors import DfcError
from refsw.features.decoder import Decoder, Sample
from refsw.features.layers import chain
from refsw.features.parameters import Parameters
from refsw.features.random_access import decode_samples
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent
from refsw.syntax.codes import Quantizer
from refsw.syntax.structure import TraceRow
from refsw.tensor.axes import Array


def observe(
    data: bytes, base: Mapping[str, Array] | None = None, *, model: str | None = None, sdp: bytes | None = None,
    checkpoints: bool = True,
) -> Evidence:  # fmt: skip
    """Decode a bitstream and say what it exercises.

    Args:
        data: the bitstream.
        base: the receiver's model, for model updates.
        model: the digest of the receiver's model, for features (9.6), in hexadecimal digits.
        sdp: the session description of a capture of packets (13.6.9), which `data` then is.
        checkpoints: digest tensors, levels and pictures too, and derive the requirements that it relies on.
    """
    if sdp is not None:
        return observe_capture(data, sdp)
    if is_update(data):
        return observe_update(data, base)
    found = Evidence()
    rows: list[TraceRow] = []
    samples: list[Sample] = []
    parameters: dict[str, Parameters] = {}
    try:
        digest = None if model is None else bytes.fromhex(model)
        decoder = Decoder(io.BytesIO(data), model_digest=digest, trace=rows.append)
        found.profile, found.level = decoder.header.profile.name, decoder.header.level.value
        for sample in decoder:
            if checkpoints:
                samples.append(sample)
        parameters = decoder.parameters
    except DfcError as error:
        found.error = error
    found.cells = observed(rows, found.error, len(data))
    if checkpoints and found.error is None:
        units = [content for content in BitstreamReader(io.BytesIO(data)) if isinstance(content, UnitContent)]
        found.tensors = list(_digests(data, samples))
        again = _decodes_from_anywhere(data, samples, len(parameters))
        alone = _decodes_in_layers(data, samples, parameters)
        facts = Facts(rows, list(parameters.values()), units, Decoder(io.BytesIO(data)).header, again, alone)
        found.requirements = requirements(facts)
    return found


def sha256(array: Array) -> str:
    """Digest of the little-endian elements in C order."""
    array = np.ascontiguousarray(array)
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()


def _digests(data: bytes, samples: list[Sample]) -> Iterator[dict[str, Any]]:
    for name, tensor in decode_in_steps(data).items():
        p = tensor.parameters
        own = [sample.elements for sample in samples if sample.tensor == name]
        shape = p.axes.shape(len(own))
        entry = {"name": name, "dtype": p.dtype.name, "shape": list(shape), "sha256": _sha256_of(own)}
        pictures, levels = hashlib.sha256(), hashlib.sha256()
        for decoded in tensor.pictures:
            pictures.update(np.ascontiguousarray(decoded).tobytes())
        for sample in tensor.levels:
            levels.update(np.ascontiguousarray(sample).astype("<u2").tobytes())
        if p.quantizer is not Quantizer.NONE:
            entry["levels_sha256"] = levels.hexdigest()
        yield entry | {"pictures_sha256": pictures.hexdigest()}


def _sha256_of(samples: list[Array]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(np.ascontiguousarray(sample).tobytes())
    return digest.hexdigest()


def _decodes_from_anywhere(data: bytes, samples: list[Sample], tensors: int) -> bool:
    """Whether the last sample, where all tensors have the same number of several, decodes alone to the same."""
    last = {sample.tensor: sample for sample in samples}
    indices = {sample.index for sample in last.values()}
    if len(last) < tensors or len(indices) != 1 or indices == {0}:
        return False
    index = indices.pop()
    alone = {sample.tensor: sample.elements for sample in decode_samples(data, index)}
    return all(sample.elements.tobytes() == alone[name].tobytes() for name, sample in last.items())


def _decodes_in_layers(data: bytes, samples: list[Sample], parameters: Mapping[str, Parameters]) -> bool:
    """Whether a layer decodes to the same without the tensors that it does not depend on, if there are any."""
    sets = {p.id: p for p in parameters.values()}
    layers = [p for p in sets.values() if p.layer is not None and len(chain(p, sets)) < len(sets)]
    for p in layers:
        alone = [sample.elements.tobytes() for sample in Decoder(io.BytesIO(data), tensors={p.name})]
        if alone != [sample.elements.tobytes() for sample in samples if sample.tensor == p.name]:
            return False
    return bool(layers)
