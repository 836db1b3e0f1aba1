"""14.7 The samples and masks of a reception as a file of tensors, or as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Protocol

import numpy as np

from refsw.carriage.captures import read_capture
from refsw.carriage.depacketizer import Bounds, batches
from refsw.carriage.reception import ReceivedSample, Receiver
from refsw.carriage.sdp import SessionParameters
from refsw.features.parameters import Parameters
from refsw.syntax.codes import AxisRole, ElementType
from refsw.tensor.axes import Array, Axes

MASK, FIRST = "@mask", "@first"
Conceal = Callable[[Array, Array, Parameters], Array]
"""A sample, its mask, and its parameter set -> the sample with estimates where the mask is false."""


class _Into(Protocol):
    """What takes samples: an array of them, and how many they are."""

    def add(self, tensor: str, elements: Array, samples: int = 1) -> None: ...


class Output:
    """Puts samples and masks where they belong, with zeros in the place of what did not come.

    Args:
        into: what takes the elements, in order.
        masks: whether it takes the masks too, and the index of the first sample.
        conceal: what is put in the place of what is missing of samples of which something came. In the place of one of
            which nothing came, of a tensor in time, the sample before it is put then: what it was is not known, but
            that it was like its neighbours. Other samples know nothing of each other.
    """

    def __init__(self, into: _Into, *, masks: bool, conceal: Conceal | None = None) -> None:
        self._into, self._masks, self._conceal = into, masks, conceal
        self._next: dict[str, int] = {}
        self._before: dict[str, Array] = {}
        self.missing: dict[str, int] = {}
        self.start: int | None = None

    def add(self, sample: ReceivedSample, join_sample: int) -> None:
        """The next sample."""
        if self.start is None:
            self.start = min(join_sample, sample.index)
        p = sample.parameters
        self._fill(p, sample.index)
        elements, mask = sample.elements, sample.mask
        if mask is not None and self._conceal is not None:
            elements = self._conceal(elements, mask, p)
        if self._conceal is not None and AxisRole.T in p.axes.roles:
            self._before[p.name] = elements
        self._into.add(p.name, elements[None])
        if self._masks:
            whole = np.broadcast_to(np.True_, elements.shape) if mask is None else mask
            self._into.add(p.name + MASK, whole[None])
        self._next[p.name] = sample.index + 1

    def _fill(self, p: Parameters, end: int) -> None:
        """What stands for samples of which nothing came, up to an index."""
        first = self.start or 0 if p.axes.has_samples else 0
        count = end - self._next.setdefault(p.name, first)
        if count <= 0:
            return
        shape = (count, *p.axes.sample_shape)
        self._into.add(p.name, np.broadcast_to(self._before.get(p.name, np.zeros((), p.dtype)), shape), count)
        if self._masks:
            self._into.add(p.name + MASK, np.broadcast_to(np.False_, shape), count)
        self._next[p.name] = end
        self.missing[p.name] = self.missing.get(p.name, 0) + count

    def finish(self, receiver: Receiver) -> dict[str, Parameters]:
        """14.7 Up to the last sample that the bitstream has: the parameter sets of all that there is, by name."""
        units = receiver.units
        assert units is not None
        self.start = receiver.join_sample if self.start is None else self.start
        counts = units.end.sample_counts if units.end else None
        found: dict[str, Parameters] = {}
        for p in units.parameters:
            end = 1 if not p.axes.has_samples else (counts or {}).get(p.name, 0)
            self._fill(p, end)
            found[p.name] = p
            if self._masks:
                found[p.name + MASK] = replace(p, element_type=ElementType.BOOL, layer_id=p.name + MASK)
                one = Axes((AxisRole.C,), (1,))
                first = replace(p, axes=one, element_type=ElementType.UINT32, layer_id=p.name + FIRST)
                found[first.name] = first
                self._into.add(first.name, np.array([[self.start]], np.uint32))
        return found


class _Arrays:
    def __init__(self) -> None:
        self.samples: dict[str, list[Array]] = {}

    def add(self, tensor: str, elements: Array, samples: int = 1) -> None:
        self.samples.setdefault(tensor, []).append(elements)


class Arrays:
    """A reception in memory: `tensors` by name after `finish`, with masks and the index of the first sample.

    Args:
        conceal: as of `Output`.
    """

    def __init__(self, conceal: Conceal | None = None) -> None:
        self._into = _Arrays()
        self.output = Output(self._into, masks=True, conceal=conceal)
        self.tensors: dict[str, Array] = {}

    def finish(self, receiver: Receiver) -> None:
        """Put the samples of every tensor together."""
        for name, p in self.output.finish(receiver).items():
            parts = self._into.samples.get(name, [])
            shape = p.axes.shape(sum(map(len, parts)))
            whole = np.concatenate(parts) if parts else np.empty(shape, p.dtype)
            self.tensors[name] = whole.reshape(shape)


def receive_capture(stream: BinaryIO, session: SessionParameters, receiver: Receiver | None = None) -> dict[str, Array]:
    """13.6.9 What a receiver puts out of a capture: tensors, masks, and the index of the first sample, by name.

    Args:
        stream: the capture.
        session: which packets of it count.
        receiver: for that session; one with no other choices by default.

    Raises:
        DfcError: it is no capture, or there is nothing to put out.
    """
    receiver, arrays = receiver or receiver_of(session), Arrays()
    mine = (one for one in read_capture(stream) if session.port is None or one.port in (None, session.port))
    for some in batches((one.seconds, one.payload) for one in mine):
        receive_into(arrays.output, receiver, receiver.put_all(some))
    receive_into(arrays.output, receiver, receiver.finish())
    arrays.finish(receiver)
    return arrays.tensors


def receiver_of(session: SessionParameters, **choices: Any) -> Receiver:
    """A receiver for a session."""
    return Receiver(
        payload_type=session.payload_type,
        ssrc=session.ssrc,
        parameter_sets=session.parameter_sets,
        bounds=Bounds(window=session.window),
        **choices,
    )


def receive_into(output: Output, receiver: Receiver, samples: Iterator[ReceivedSample]) -> None:
    """Put samples out as they come."""
    for sample in samples:
        output.add(sample, receiver.join_sample)
