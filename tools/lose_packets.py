"""Loses, repeats, reorders, mixes and damages packets, and checks what a receiver makes of the rest.

    python tools/lose_packets.py                     100,000 patterns on streams of several kinds
    python tools/lose_packets.py --count 2000 --seed 7

Every element that the receiver says it received has to be that of the whole bitstream, to the bit; all others have to
be 0; nothing but a typed error may be raised; and memory must not grow. Exit code 1 with the pattern that fails.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

import refsw
from refsw.carriage.output import Arrays, receive_into
from refsw.carriage.packetizer import Packetizer, SenderConfig
from refsw.carriage.reception import Receiver
from refsw.errors import DfcError
from refsw.features.config import DigestScope, EncoderConfig
from refsw.features.decoder import decode_by_name
from refsw.syntax.codes import PayloadCodec, Quantizer
from refsw.tensor.axes import Array

SETTLED = 2_000
"""Patterns after which memory must not grow any more."""
MOST_GROWTH = 32 << 20
Packets = list[bytes]


@dataclass(frozen=True)
class Stream:
    """A bitstream, what it decodes to, and its packets; `other` is another bitstream of the same tensors."""

    name: str
    tensors: dict[str, Array]
    packets: Packets
    other: bytes
    config: SenderConfig


def _features(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    return np.maximum(rng.normal(size=shape), 0).astype(np.float32)


def _encoded(seed: int, shapes: dict[str, tuple[int, int, int]], samples: int, config: EncoderConfig) -> bytes:
    rng, out = np.random.default_rng(seed), io.BytesIO()
    specs = {name: refsw.TensorSpec((samples, *shape), np.float32, "TCHW") for name, shape in shapes.items()}
    with refsw.Encoder(out, specs, replace(config, time_scale=25, time_step=2)) as encoder:
        for _ in range(samples):
            encoder.write({name: _features(rng, shape) for name, shape in shapes.items()})
    return out.getvalue()


def configurations() -> dict[str, tuple[dict[str, tuple[int, int, int]], int, EncoderConfig]]:
    """Shapes, number of samples and encoder of every stream."""
    stored = EncoderConfig(payload=PayloadCodec.STORED, quantizer=Quantizer.UNIFORM, metadata=(("a", "b" * 200),))
    return {
        "one tensor": ({"x": (2, 6, 7)}, 12, stored),
        "pyramid": (
            {"a": (2, 8, 8), "b": (3, 4, 4)},
            8,
            replace(stored, payload=PayloadCodec.ZLIB, digest=DigestScope.SAMPLE, levels_digest=True),
        ),
        "floats": ({"x": (1, 9, 9)}, 8, EncoderConfig(payload=PayloadCodec.LZMA, quantizer=Quantizer.NONE)),
        "parts": (
            {"x": (4, 9, 8), "y": (2, 6, 6)},
            6,
            replace(
                stored,
                payload=PayloadCodec.ZLIB,
                parts=(4, 2),
                digest=DigestScope.SAMPLE,
            ),
        ),
        "hevc": ({"x": (2, 16, 16)}, 6, EncoderConfig()),
    }


def streams() -> list[Stream]:
    """Streams of several kinds, each in packets of a size that cuts some of its units."""
    found = []
    for place, (name, (shapes, samples, config)) in enumerate(configurations().items()):
        data = _encoded(place, shapes, samples, config)
        other = _encoded(place + 100, shapes, samples, config)
        sender = SenderConfig(
            packet_bytes=120 if place % 2 else 90, repeat=3, copies=2, ssrc=1000 + place, bitstream_number=place,
            timestamp_base=2**32 - 1 - 9000 * place, first_sequence=65_530 - place,
        )  # fmt: skip
        found.append(Stream(name, decode_by_name(data), cut(data, sender), other, sender))
    return found


def cut(data: bytes, config: SenderConfig) -> Packets:
    """All packets of a bitstream."""
    return [packet for sent in Packetizer(io.BytesIO(data), config) for packet in sent.packets]


# --- faults ---


def lose(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Each packet with the same probability."""
    share = rng.choice([0.01, 0.05, 0.1, 0.3, 0.7])
    return [packet for packet in packets if rng.random() >= share]


def lose_bursts(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Gilbert-Elliott: in bursts, from the good state on."""
    share, burst = rng.choice([0.05, 0.1, 0.3]), rng.choice([2, 4, 7])
    bad, out = False, []
    for packet in packets:
        bad = rng.random() >= 1 / burst if bad else rng.random() < 1 / burst / (1 / share - 1)
        out += [] if bad else [packet]
    return out


def join_late(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Nothing of the beginning."""
    return packets[rng.randrange(len(packets) + 1) :]


def leave_early(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Nothing of the end."""
    return packets[: rng.randrange(len(packets) + 1)]


def reorder(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Packets overtake one another, by a little or by much."""
    reach = rng.choice([1, 3, 20, 200])
    order = sorted(range(len(packets)), key=lambda i: i + rng.random() * reach)
    return [packets[i] for i in order]


def repeat(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Some come twice, the second time at once or much later."""
    out = list(packets)
    for packet in rng.sample(packets, min(len(packets), rng.randrange(1, 8))):
        out.insert(rng.randrange(len(out) + 1), packet)
    return out


def damage(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Bits of some packets are wrong, anywhere."""
    out = list(packets)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(out)) if out else 0
        for _ in range(rng.randrange(1, 4)) if out else ():
            data = bytearray(out[place])
            if data:
                head = rng.random() < 0.6
                data[rng.randrange(min(20, len(data)) if head else len(data))] ^= 1 << rng.randrange(8)
            out[place] = bytes(data)
    return out


def shorten(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Some packets are cut, or longer than they were."""
    out = list(packets)
    for _ in range(rng.randrange(1, 4)):
        if out:
            place = rng.randrange(len(out))
            out[place] = out[place][: rng.randrange(len(out[place]) + 1)] + rng.randbytes(rng.choice([0, 0, 5]))
    return out


def mix(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Another bitstream of the same tensors on the same port: of another source, or after a restart of this one."""
    kind, config = rng.randrange(3), stream.config
    base, sequence = rng.getrandbits(32), rng.getrandbits(16)
    changes = {"timestamp_base": base, "first_sequence": sequence}
    if kind == 0:
        changes |= {"ssrc": config.ssrc + 1}
    elif kind == 1:
        changes |= {"bitstream_number": (config.bitstream_number + 1) % 256}
    theirs = cut(stream.other, replace(config, **changes))
    theirs = theirs[rng.randrange(len(theirs)) :] if rng.random() < 0.5 else theirs
    out: Packets = []
    mine, others = list(packets), theirs  # kind 2 has everything in common but time and numbers
    while mine or others:
        take = mine if not others or (mine and rng.random() < 0.5) else others
        out.append(take.pop(0))
    return out


def flood(rng: random.Random, packets: Packets, stream: Stream) -> Packets:
    """Noise in between: packets of many sources, some with the identity of the bitstream and nothing right."""
    out = list(packets)
    for _ in range(rng.randrange(1, 60)):
        body = rng.randbytes(rng.randrange(0, 40))
        ssrc = stream.config.ssrc if rng.random() < 0.4 else rng.getrandbits(32)
        number = stream.config.bitstream_number if rng.random() < 0.7 else rng.randrange(256)
        head = bytes([0x80, 96]) + rng.randbytes(6) + ssrc.to_bytes(4, "big")
        packet = head + bytes([rng.randrange(256), number]) + body
        out.insert(rng.randrange(len(out) + 1), packet)
    return out


FAULTS: list[Callable[[random.Random, Packets, Stream], Packets]] = [
    lose, lose_bursts, join_late, leave_early, reorder, repeat, damage, shorten, mix, flood,
]  # fmt: skip


# --- what comes of it ---


def pattern(rng: random.Random, stream: Stream) -> tuple[str, Packets]:
    """One to three faults, one after the other."""
    chosen = rng.sample(FAULTS, rng.choice([1, 1, 2, 3]))
    chosen.sort(key=lambda fault: fault is not mix)  # while the packets are those of the stream
    packets = list(stream.packets)
    for fault in chosen:
        packets = fault(rng, packets, stream)
    return " + ".join(fault.__name__ for fault in chosen), packets


def receive(
    packets: Packets, receiver: Receiver | None = None, *, together: int = 1
) -> tuple[dict[str, Array], Receiver]:
    """What a receiver puts out that takes so many packets together.

    Raises:
        DfcError: nothing, or nothing that is supported.
    """
    receiver, arrays = receiver or Receiver(), Arrays()
    for place in range(0, len(packets), together):
        some = [(i / 1000, packets[i]) for i in range(place, min(place + together, len(packets)))]
        taken = receiver.put(some[0][1], some[0][0]) if together == 1 else receiver.put_all(some)
        receive_into(arrays.output, receiver, taken)
    receive_into(arrays.output, receiver, receiver.finish())
    arrays.finish(receiver)
    return arrays.tensors, receiver


def expected(stream: Stream, receiver: Receiver) -> dict[str, Array]:
    """The tensors of the bitstream that a receiver took: ours, or the other one, whichever it saw first."""
    session = receiver.packets.session
    assert session is not None
    ours = session.clock.base == stream.config.timestamp_base
    return stream.tensors if ours else decode_by_name(stream.other)


def wrong(tensors: dict[str, Array], got: dict[str, Array]) -> str | None:
    """What is not as it has to be in what a receiver put out; None if nothing."""
    names = {name for name in got if "@" not in name}
    if not names <= set(tensors):
        return f"tensors {sorted(names)}"
    for name in names:
        elements, mask = got[name], got[f"{name}@mask"]
        first = int(got[f"{name}@first"][0])
        whole = tensors[name]
        right = whole[first : first + len(elements)]
        if len(right) != len(elements) or elements.shape[1:] != whole.shape[1:]:
            return f"{name}: samples {first} to {first + len(elements)} of {len(whole)}"
        wanted = np.where(mask, right, np.zeros((), whole.dtype))
        if wanted.tobytes() != elements.tobytes():
            return f"{name}: elements that differ from what they should be"
    return None


def run(seed: int, count: int, chosen: list[Stream] | None = None) -> Iterator[tuple[int, str, str, str | None]]:
    """Patterns one after the other: number, stream, faults, and what is wrong; None if nothing is."""
    chosen = chosen or streams()
    for number in range(seed, seed + count):
        rng = random.Random(number)
        stream = rng.choice(chosen)
        faults, packets = pattern(rng, stream)
        try:
            got, receiver = receive(packets, together=rng.choice([1, 64]))
        except DfcError as error:
            # Whatever came, without a session description there is nothing to put out.
            found = None if error.requirement == "carriage.tensors" else f"{error}"
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        else:
            found = wrong(expected(stream, receiver), got)
        yield number, stream.name, faults, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kinds: Counter[str] = Counter()
    before = 0
    for done, (number, name, faults, found) in enumerate(run(arguments.seed, arguments.count), 1):
        if found is not None:
            print(f"pattern {number}, {name}, {faults}: {found}")
            return 1
        kinds.update(faults.split(" + "))
        if done == SETTLED:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    growth = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) if before else 0
    print(f"{arguments.count} patterns, no wrong element, memory grew by {growth >> 10} KiB after {SETTLED}")
    print(", ".join(f"{name} {count}" for name, count in sorted(kinds.items())))
    return 1 if growth > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
