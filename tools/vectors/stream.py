"""Bitstreams from recipes: units in, bytes out, with CRCs, counts and digests that are right unless told otherwise."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from refsw.errors import DfcError
from refsw.features.assembly import Assembler as SampleAssembler
from refsw.features.digest import RunningDigest
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent, decode_unit
from refsw.payload.base import DecoderSettings
from refsw.syntax.codes import DigestKind, Profile, since
from refsw.syntax.declaration import Structure
from refsw.syntax.structures import (
    BITSTREAM_HEADER,
    DIGEST,
    END_OF_BITSTREAM,
    FEATURE_DATA,
    FEATURE_PARAMETER_SET,
    FEATURE_PART,
    METADATA,
)
from vectors import encoders
from vectors.bits import Body, Writing, crc32, leb128
from vectors.nals import edit
from vectors.store import Store
from vectors.tensors import Tensor, Unit

WORDS = set(Tensor.__dataclass_fields__)
TYPES = {"fps": 1, "data": 2, "digest": 3, "metadata": 4, "end": 5, "part": 6}
Names = dict[str, Any]


def as_bytes(value: str | Names | list[Any]) -> bytes:
    """Bytes of a recipe: a text of hexadecimal digits, or {"repeat": hex, "times": n}."""
    if isinstance(value, dict):
        return bytes.fromhex(value["repeat"]) * value["times"]
    if isinstance(value, list):
        return b"".join(map(as_bytes, value))
    return bytes.fromhex(value)


class Assembler:
    """Puts a bitstream together.

    Args:
        name: id of the vector; its payloads are kept under it.
        seed: of the vector's data.
        store: of payloads.
        active: elements of the parameter sets, for what follows them.
    """

    def __init__(self, name: str, seed: int, store: Store) -> None:
        self.name, self.seed, self.store = name, seed, store
        self.out = bytearray()
        self.chain = 0
        self.tensors: dict[int, Tensor] = {}
        self.order: list[int] = []
        self.active: dict[int, Names] = {}
        self.parts: dict[int, list[bytes]] = {}
        self.used: set[str] = set()

    def build(self, recipe: Names) -> bytes:
        """The whole bitstream."""
        self.header(recipe)
        units = recipe["units"]
        for place, unit in enumerate(units):
            if unit["unit"] == "fps":
                self.fps(unit, [u for u in units[place:] if u["unit"] in ("data", "part")])
            else:
                getattr(self, unit["unit"])(unit)
        return bytes(self.out)

    def header(self, recipe: Names) -> None:
        """The bitstream header."""
        values = {
            "signature": 0x89444643,
            "version_major": 1,
            "version_minor": recipe.get("minor", since(Profile[recipe["profile"]])),
            "profile_idc": int(Profile[recipe["profile"]]),
            "level_idc": recipe.get("level", 1),
            "header_crc": 0,
        } | recipe.get("header", {})
        start = Writing(BITSTREAM_HEADER, values).body.getvalue()[:8]
        stored = (crc32(start) ^ recipe.get("header_crc_xor", 0)).to_bytes(4, "big")
        self.out += start + stored
        self.chain = crc32(stored)
        self.profile, self.minor = Profile[recipe["profile"]], values["version_minor"]

    def put(self, kind: int, body: bytes, unit: Unit) -> None:
        """Frame a body: type, flag, length, CRC, as they should be or as the unit of the recipe has them."""
        skippable = unit.get("skippable", int(kind in (3, 4)))
        length = as_bytes(unit["length"]) if "length" in unit else leb128(len(body))
        head = bytes([kind << 1 | skippable]) + length
        stored = (crc32(body, crc32(head)) ^ unit.get("crc_xor", 0)).to_bytes(4, "big")
        whole = head + body + stored
        self.out += whole[: len(whole) - unit.get("short", 0)]
        self.previous, self.chain = self.chain, crc32(stored, self.chain)

    def body(self, structure: Structure, values: Names, unit: Unit, active: Names | None = None) -> bytes:
        """A unit body from its values, with what the recipe changes in it."""
        written: Body = Writing(structure, values | unit.get("set", {}), active).body
        data = written.cut(unit["cut"]) if "cut" in unit else written.getvalue()
        return data + as_bytes(unit.get("append", ""))

    # --- the units ---

    def fps(self, unit: Unit, data_units: list[Unit]) -> None:
        """A feature parameter set."""
        tensor = Tensor(**{k: v for k, v in unit.items() if k in WORDS})
        again = tensor.id in self.tensors
        if not again:
            self.tensors[tensor.id] = tensor
            self.order.append(tensor.id)
            own = [u for u in data_units if u.get("id", 0) == tensor.id]
            self.parts[tensor.id] = self.payloads(tensor, own, unit)
        configuration = edit(self.parts[tensor.id][0], unit.get("edit", []))
        values = tensor.values(configuration)
        body = self.body(FEATURE_PARAMETER_SET, values, unit, {"profile_idc": int(self.profile)})
        channels, _, _ = tensor.extents
        if not again:
            known = {"channels": channels, "part_count": tensor.part_count}
            self.active[tensor.id] = values | known | unit.get("set", {})
        self.put(TYPES["fps"], body, unit)

    def payloads(self, tensor: Tensor, units: list[Unit], unit: Unit) -> list[bytes]:
        """[configuration, payload of every unit that makes its own]."""
        if "configuration" in unit:
            return [as_bytes(unit["configuration"])]
        if "of" in unit:
            parts = self.store.get(unit["of"])
            assert parts is not None
            self.used.add(unit["of"])
            return parts
        own = [u for u in units if "payload" not in u]
        pictures = [(tensor.part_pictures if u["unit"] == "part" else tensor.pictures)(u, self.seed) for u in own]
        if tensor.codec == "STORED":
            return [b"", *(p.tobytes() for p in pictures)]
        if tensor.codec not in ("HEVC", "VVC") and not own:
            return [b""]
        name = self.name + (f"-{tensor.id}" if tensor.id else "")
        parts = self.store.get(name)
        if parts is None:
            parts, provenance = encoders.encode(tensor, pictures, self.profile)
            self.store.put(name, parts, provenance)
        self.used.add(name)
        return parts

    def data(self, unit: Unit) -> None:
        """A feature data unit."""
        number = unit.get("id", 0)
        tensor, active = self.tensors.get(number), self.active.get(number, {"range_scope": 1, "quantizer": 1})
        count = unit.get("count", 1)
        first = unit.get("first", tensor.samples if tensor else 0)
        ranges = unit.get("ranges") or (
            [tensor.ranges[0]] * count if tensor and tensor.ranges else [[0.0, 1.0]] * count
        )
        values = {
            "parameter_set_id": number,
            "first_sample": first,
            "sample_count_minus1": count - 1,
            "sample_minimum": [low for low, _ in ranges],
            "sample_maximum": [high for _, high in ranges],
            "payload": self.payload(number, unit),
        }
        self.put(TYPES["data"], self.body(FEATURE_DATA, values, unit, active), unit)
        if tensor:
            tensor.samples += count

    def part(self, unit: Unit) -> None:
        """A feature part unit."""
        number, sample = unit.get("id", 0), unit.get("sample", 0)
        tensor, active = self.tensors.get(number), self.active.get(number, {"range_scope": 1, "quantizer": 1})
        low, high = unit.get("range") or (tensor.ranges[0] if tensor and tensor.ranges else [0.0, 1.0])
        values = {
            "parameter_set_id": number,
            "sample_index": sample,
            "part_index": unit["index"],
            "part_minimum": low,
            "part_maximum": high,
            "payload": self.payload(number, unit),
        }
        active = {"part_count": 1} | active
        self.put(TYPES["part"], self.body(FEATURE_PART, values, unit, active), unit)
        if tensor:
            tensor.samples = max(tensor.samples, sample + 1)

    def payload(self, number: int, unit: Unit) -> bytes:
        """The payload of a feature data or feature part unit: its own, or the one that the recipe gives."""
        if "payload" in unit:
            data = self.given(unit["payload"])
        else:
            parts = self.parts.get(number, [b"", b""])
            data = parts.pop(1) if len(parts) > 1 else b""
        return edit(data, unit.get("edit", []))

    def given(self, payload: Any) -> bytes:
        """Bytes of the recipe, or a part of another vector in the store."""
        if isinstance(payload, dict) and "of" in payload:
            parts = self.store.get(payload["of"])
            assert parts is not None
            self.used.add(payload["of"])
            return parts[payload.get("part", 1)]
        return as_bytes(payload)

    def digest(self, unit: Unit) -> None:
        """A digest unit over the samples since the last one."""
        number, kind = unit.get("id", 0), unit.get("kind", 0)
        tensor = self.tensors.get(number)
        samples = tensor.samples if tensor else 1
        start = tensor.digested.get(kind, 0) if tensor else 0
        start, count = unit.get("first", start), unit.get("count", samples - start)
        length = unit.get("bytes", 16)
        values = {
            "parameter_set_id": number,
            "digest_kind": kind,
            "first_sample": start,
            "sample_count_minus1": count - 1,
            "digest_length_minus1": length - 1,
            "digest": self.digest_of(number, kind, start)[:length],
        }
        self.put(TYPES["digest"], self.body(DIGEST, values, unit), unit)
        if tensor:
            tensor.digested[kind] = samples

    def digest_of(self, number: int, kind: int, start: int) -> bytes:
        """What the samples so far, from `start` on, digest to; zeros where they do not decode."""
        reader, samples = BitstreamReader(io.BytesIO(bytes(self.out))), SampleAssembler()
        running: RunningDigest | None = None
        try:
            for content in reader:
                if isinstance(content, Parameters) and content.id == number and kind in (0, 1):
                    running = RunningDigest(content, DigestKind(kind))
                elif isinstance(content, UnitContent) and (content.tensor.layer or content.tensor.id == number):
                    for put in samples.add(content, decode_unit(content, self.profile, DecoderSettings())):
                        if running and put.parameters.id == number and content.first_sample >= start:
                            running.add(put.levels, put.elements)
        except DfcError as error:
            if error.requirement != "bitstream.end":
                return bytes(32)
        return (running.take()[2] if running else b"") or hashlib.sha256(b"").digest()

    def metadata(self, unit: Unit) -> None:
        """A metadata unit."""
        entries = [[as_bytes(t[4:]) if t.startswith("hex:") else t.encode() for t in pair] for pair in unit["entries"]]
        entries *= unit.get("times", 1)
        keys, texts = [k for k, _ in entries], [t * unit.get("text_times", 1) for _, t in entries]
        values = {
            "entry_count_minus1": len(entries) - 1,
            "key_length": [len(k) for k in keys],
            "key": keys,
            "text_length": [len(t) for t in texts],
            "text": texts,
        }
        self.put(TYPES["metadata"], self.body(METADATA, values, unit), unit)

    def other(self, unit: Unit) -> None:
        """A unit of any type and body."""
        self.put(unit["type"], as_bytes(unit.get("body", "")), unit)

    def bytes(self, unit: Unit) -> None:
        """Bytes that are no unit."""
        self.out += as_bytes(unit["body"])

    def end(self, unit: Unit) -> None:
        """The end of the bitstream."""
        counts = [self.tensors[number].samples for number in self.order]
        values = {"tensor_count": len(counts), "sample_count": counts, "bitstream_crc": self.chain}
        values["bitstream_crc"] ^= unit.get("bitstream_crc_xor", 0)
        self.put(TYPES["end"], self.body(END_OF_BITSTREAM, values, unit), unit)
