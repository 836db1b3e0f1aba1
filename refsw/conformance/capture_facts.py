"""13.6.9, 13.10 What a capture of packets shows: received once, with its masks, and what it exercises."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from refsw.carriage.captures import read_capture
from refsw.carriage.output import receive_capture, receiver_of
from refsw.carriage.sdp import parse_sdp
from refsw.conformance.capture_cells import observed_packets
from refsw.conformance.facts import Evidence
from refsw.errors import DfcError
from refsw.tensor.axes import Array

ALWAYS = (
    "carriage.claim", "carriage.features", "carriage.truth", "carriage.access-unit", "carriage.rtp", "carriage.marker",
    "carriage.sequence", "carriage.timestamp", "carriage.payload-header", "payload_header.packet_type",
    "carriage.flags", "carriage.single", "carriage.session", "carriage.session-sets", "carriage_session.rate_scale",
    "carriage_session.rate_step", "carriage_session.set_count", "carriage.bitstream-number", "carriage.lock",
    "carriage.join", "carriage.clock", "carriage.output", "carriage.extent", "carriage.tensors", "carriage.sdp",
    "carriage.sdp-read", "carriage.capture", "carriage.capture-read", "conformance.capture",
)  # fmt: skip
"""What every receiver relies on that puts out what it should."""
BY_CELL = {
    "aggregated_unit.size=right": ("carriage.aggregation", "aggregated_unit.size"),
    "fragment_data.fragment=present": ("carriage.fragments",),
    "carriage_session.set_size=right": ("carriage_session.set_size",),
}


def observe_capture(data: bytes, sdp: bytes) -> Evidence:
    """Receive a capture and say what it exercises.

    Args:
        data: the capture.
        sdp: its session description.
    """
    found = Evidence()
    try:
        session = parse_sdp(sdp)
        packets = (one.payload for one in read_capture(io.BytesIO(data)))
        found.cells = observed_packets(packets, session.payload_type)
        receiver = receiver_of(session)
        tensors = receive_capture(io.BytesIO(data), session, receiver)
        assert receiver.units is not None
        found.profile, found.level = receiver.units.header.profile.name, receiver.units.header.level.value
        found.tensors = list(_entries(tensors))
    except DfcError as error:
        found.error = error
        return found
    found.requirements = {*ALWAYS, *(name for cell in found.cells for name in BY_CELL.get(cell, ()))}
    if receiver.complete:
        found.requirements.add("carriage.complete")
    if receiver.ended:
        found.requirements.add("carriage.end")
    return found


def _entries(tensors: dict[str, Array]) -> Iterator[dict[str, Any]]:
    for name, array in tensors.items():
        elements = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        digest = hashlib.sha256(elements.tobytes()).hexdigest()
        yield {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "sha256": digest}
