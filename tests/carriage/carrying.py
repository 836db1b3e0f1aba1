"""Bitstreams in packets, and what comes of packets, for tests."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import refsw
from refsw.carriage.depacketizer import Depacketizer
from refsw.carriage.output import Arrays, receive_into
from refsw.carriage.packetizer import Packetizer, SenderConfig
from refsw.carriage.packets import Packet, parse
from refsw.carriage.reception import Receiver
from refsw.carriage.restore import restore
from refsw.features.config import DigestScope, EncoderConfig
from refsw.syntax.codes import PayloadCodec, Quantizer
from refsw.tensor.axes import Array

SOURCE = SenderConfig(
    packet_bytes=100, repeat=4, copies=2, ssrc=0x11223344, bitstream_number=7, timestamp_base=4_294_900_000,
    first_sequence=65_530,
)  # fmt: skip
PLAIN = EncoderConfig(payload=PayloadCodec.STORED, quantizer=Quantizer.UNIFORM)


def features(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def bitstream(samples: int = 8, config: EncoderConfig = PLAIN, *, seed: int = 0, axes: str = "NCHW") -> bytes:
    """Samples of 100 elements: a unit takes one packet or two."""
    return encoded({"x": features(samples, 2, 5, 10, seed=seed)}, config, axes)


def encoded(tensors: dict[str, Array], config: EncoderConfig = PLAIN, axes: str = "NCHW") -> bytes:
    out = io.BytesIO()
    specs = {name: refsw.TensorSpec(array.shape, array.dtype, axes) for name, array in tensors.items()}
    with refsw.Encoder(out, specs, config) as encoder:
        for i in range(max(map(len, tensors.values()))):
            encoder.write({name: array[i] for name, array in tensors.items() if i < len(array)})
    return out.getvalue()


def pyramid() -> bytes:
    """Two tensors with digests and metadata, in time."""
    config = replace(
        PLAIN, digest=DigestScope.SAMPLE, levels_digest=True, metadata=(("camera", "north"),), time_scale=30_000,
        time_step=1001,
    )  # fmt: skip
    return encoded({"p3": features(6, 2, 8, 8), "p4": features(6, 4, 4, 4, seed=1)}, config, "TCHW")


def carry(data: bytes, config: SenderConfig = SOURCE, **changes: Any) -> list[bytes]:
    """The packets of a bitstream."""
    return [p for sent in Packetizer(io.BytesIO(data), replace(config, **changes)) for p in sent.packets]


def parsed(packets: Iterable[bytes]) -> list[Packet]:
    found = [parse(packet, 96) for packet in packets]
    assert all(found)
    return found  # type: ignore[return-value]


def receive(packets: Iterable[bytes], receiver: Receiver | None = None) -> tuple[dict[str, Array], Receiver]:
    """What a receiver puts out."""
    receiver, arrays = receiver or Receiver(), Arrays()
    for packet in packets:
        receive_into(arrays.output, receiver, receiver.put(packet))
    receive_into(arrays.output, receiver, receiver.finish())
    arrays.finish(receiver)
    return arrays.tensors, receiver


def restored(packets: Iterable[bytes], **options: Any) -> bytes:
    """The bitstream that packets carry."""
    out = io.BytesIO()
    restore(((0.0, packet) for packet in packets), out, Depacketizer(**options))
    return out.getvalue()


def held(tensors: dict[str, Array], name: str = "x") -> list[bool]:
    """Which samples were received: whole, or not at all."""
    masks = tensors[f"{name}@mask"].reshape(len(tensors[f"{name}@mask"]), -1)
    assert (masks.all(1) == masks.any(1)).all()
    return [bool(held) for held in masks.all(1)]


def load(path: Path) -> dict[str, Array]:
    """The tensors of a .npz file."""
    with np.load(path) as file:
        return dict(file)
