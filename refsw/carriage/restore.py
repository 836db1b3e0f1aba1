"""14.7 The bitstream itself from packets of which none is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from refsw.carriage.acceptance import Acceptance
from refsw.carriage.depacketizer import Datagram, Depacketizer, batches
from refsw.carriage.fragments import Carried
from refsw.carriage.statistics import Statistics
from refsw.errors import ErrorClass, ParseError


def restore(datagrams: Iterable[Datagram], out: BinaryIO, packets: Depacketizer) -> Statistics:
    """Write the bitstream that packets carry, byte for byte.

    Args:
        datagrams: when each came, in seconds, and its payload.
        out: where to.
        packets: takes them.

    Returns:
        The counts of packets.

    Raises:
        DfcError: something of the bitstream is missing, or it is unsupported.
    """
    units: Acceptance | None = None

    def write(carried: list[Carried]) -> None:
        nonlocal units
        for item in carried:
            if units is None:
                assert packets.session is not None
                units = Acceptance(packets.session, packets.parameter_sets, decoding=False)
                out.write(packets.session.header)
            used = units.used
            units.take(item)
            if units.used > used:
                out.write(item.data)

    for some in batches(datagrams):
        write(packets.put_all(some))
    write(packets.finish())
    counts = packets.statistics
    if units is None:
        raise packets.nothing()
    if not units.complete:
        raise ParseError(
            ErrorClass.TRUNCATED, "carriage.complete", "bitstream", None,
            expected="all packets of a bitstream; the samples of those that came can be written to .npz",
            got=f"{counts.lost} of {counts.expected} lost, {'with' if units.end else 'without'} the end of bitstream",
        )  # fmt: skip
    return counts
