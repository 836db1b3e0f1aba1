"""Bitstreams of model updates from recipes: directories and values in, units out, with digests that are right."""

from __future__ import annotations

import math
from typing import Any

from refsw.syntax.codes import ElementType, ModelCoder, Profile, StepMultiplier, TensorMode, ValueQuantizer
from refsw.syntax.model_structures import MODEL_DATA, MODEL_HEADER
from vectors import diffs, plain, planes
from vectors.bases import BASES
from vectors.formats import xz_of
from vectors.plain import TOTAL, Model, Tensor
from vectors.store import Store
from vectors.stream import Assembler, Names, as_bytes
from vectors.tensors import Unit

ALONE = [{"frequency": {"0": TOTAL}, "rest": 0}]
SOURCED = ("UNCHANGED", "QUANTIZED_DIFFERENCE", "EXACT_DIFFERENCE")
MODEL_TYPES = {"update": 8, "values": 9}


def expanded(values: Any) -> list[int]:
    """Values of a recipe: a list, {"times": n, "value": v}, {"times": n, "cycle": [...]}, or those of `spread`."""
    if isinstance(values, list):
        return values
    if "cycle" in values:
        cycle: list[int] = values["cycle"]
        return cycle * values["times"]
    if "times" in values:
        return [values["value"]] * values["times"]
    seed, spread = values.get("seed", 1), values["spread"]
    return [
        (seed + i) * 2654435761 % (1 << 32) * (2 * spread + 1) // (1 << 32) - spread for i in range(values["count"])
    ]


class UpdateAssembler(Assembler):
    """Puts a bitstream of model updates together.

    Args:
        name, seed, store: as of other bitstreams.
        base: the model that the first update starts from.
        lenient: the result need not exist.
    """

    def __init__(self, name: str, seed: int, store: Store, base: Model | None, lenient: bool) -> None:
        super().__init__(name, seed, store)
        self.model, self.lenient = base, lenient
        self.results: list[Model] = []
        self.taken = 0

    def build(self, recipe: Names) -> bytes:
        """The whole bitstream."""
        self.header(recipe)
        units = recipe["units"]
        for place, unit in enumerate(units):
            if unit["unit"] == "update":
                own = []
                for other in units[place + 1 :]:
                    if other["unit"] == "update":
                        break
                    own += [other] if other["unit"] == "values" else []
                self.update(unit, own)
            else:
                getattr(self, unit["unit"])(unit)
        return bytes(self.out)

    # --- model header ---

    def update(self, unit: Unit, data: list[Unit]) -> None:
        """A model header, and what it and its values give."""
        base = None if unit.get("full") else self.model
        entries = self.entries(unit, base or {})
        self.taken = 0
        try:
            # "becomes": a model that the update does not give; what a decoder has that does not notice.
            known = unit.get("becomes")
            result = BASES[known]() if known else self.result(unit, entries, base or {}, data)
            digest = plain.digest(result)
        except Exception:
            if not self.lenient:
                raise
            result, digest = base or {}, bytes(32)
        values = self.header_values(unit, base, entries) | {
            "result_digest": as_bytes(unit["result_digest"]) if "result_digest" in unit else digest
        }
        self.put(MODEL_TYPES["update"], self.body(MODEL_HEADER, values, unit), unit)
        self.model = result
        self.results.append(result)

    def entries(self, unit: Unit, base: Model) -> list[Names]:
        """One entry a tensor; those of the base are UNCHANGED unless told otherwise."""
        own, names = unit.get("entries", {}), plain.canonical(base)
        if not set(own) <= set(names):
            raise ValueError(f"{set(own) - set(names)}: not in the base")
        entries = [
            {"name": n, "type": base[n].type, "shape": list(base[n].shape), "mode": "UNCHANGED", "source": i}
            | own.get(n, {})
            for i, n in enumerate(names)
        ]
        return entries + [{"new": True} | entry for told in unit.get("new", []) for entry in _numbered(told)]

    def header_values(self, unit: Unit, base: Model | None, entries: list[Names]) -> Names:
        """The elements of the model header."""
        texts = {k: unit.get(k, "").encode() for k in ("network_id", "model_version", "base_version")}
        kept = [e for e in entries if "new" not in e]
        new = entries[len(kept) :]
        digits, multiplier = unit.get("step", [4, "ONE"])
        values: Names = {f"{k}_length": len(v) for k, v in texts.items()} | texts
        values |= {
            "base_flag": int(base is not None),
            "base_digest": as_bytes(unit["base_digest"]) if "base_digest" in unit else plain.digest(base or {}),
            "base_tensor_count": len(kept),
            "new_tensor_count": len(new),
            "step_digits": digits,
            "step_multiplier": StepMultiplier[multiplier],
        }
        for part, prefix, mode in ((kept, "tensor_", "tensor_mode"), (new, "new_", "new_tensor_mode")):
            steps = [e.get("step", [0, "ONE"]) for e in part]
            copy = "copy_entry" if part is kept else "new_copy_entry"
            values |= {
                mode: [TensorMode[e["mode"]] if isinstance(e["mode"], str) else e["mode"] for e in part],
                f"{prefix}step_flag": [int("step" in e) for e in part],
                f"{prefix}step_digits": [step[0] for step in steps],
                f"{prefix}step_multiplier": [StepMultiplier[step[1]] for step in steps],
                copy: [e.get("copy", 0) for e in part],
            }
        names = [as_bytes(e["name"][4:]) if e["name"].startswith("hex:") else e["name"].encode() for e in new]
        return values | {
            "name_length": [len(name) for name in names],
            "name": names,
            "new_element_type": [ElementType[e.get("type", "FLOAT32")] for e in new],
            "new_axis_count": [len(e["shape"]) for e in new],
            "new_extent": [e["shape"] for e in new],
            "source_flag": [int("source" in e) for e in new],
            "source_entry": [e.get("source", 0) for e in new],
        }

    def result(self, unit: Unit, entries: list[Names], base: Model, data: list[Unit]) -> Model:
        """10.9.2 The model after the update."""
        sources = [base[name] for name in plain.canonical(base)]
        values = [tensor for d in self.from_levels(entries, data) for tensor in d["tensors"]]
        given: list[Tensor | None] = []
        for e in entries:
            kind, shape = e.get("type", "FLOAT32"), e["shape"]
            source = sources[e["source"]] if e["mode"] in SOURCED else None
            if source is not None and self.profile is Profile.MODEL_EXTENDED and e["mode"] != "UNCHANGED":
                resized = math.prod(source.shape) != math.prod(shape)
                source = plain.part(source, shape) if resized else source
            if e["mode"] == "REMOVED":
                given.append(None)
            elif e["mode"] == "COPY":
                other = given[e["copy"]]
                given.append(other and Tensor(kind, tuple(shape), other.raw))
            elif source is not None and e["mode"] == "UNCHANGED":
                given.append(Tensor(kind, tuple(shape), source.raw))
            else:
                told = values.pop(0)
                grid = told.get("grid") if isinstance(told, dict) else None
                if isinstance(told, dict) and "values" in told:
                    told = told.get("gives", told["values"])
                if isinstance(told, dict) and told.get("value") == 0 and source is None:
                    given.append(Tensor(kind, tuple(shape), bytes(told["times"] * plain.SIZES[kind])))
                    continue
                step = e.get("step", unit.get("step", [4, "ONE"]))
                given.append(plain.elements(kind, shape, e["mode"], step, expanded(told), source, grid))
        return {e["name"]: tensor for e, tensor in zip(entries, given, strict=True) if tensor is not None}

    def from_levels(self, entries: list[Names], data: list[Unit]) -> list[Unit]:
        """10.6.7 The units with values in the place of levels."""
        coded = [e for e in entries if e["mode"] not in ("UNCHANGED", "REMOVED", "COPY")]
        out = []
        for unit in data:
            count = len(unit["tensors"])
            own, coded = coded[:count], coded[count:]
            if "quantizer" in unit:
                found = planes.values(levels_of(unit, own), 1 << unit.get("lanes", 0), unit["quantizer"] == "DEPENDENT")
                grid = unit.get("grid", 1024)
                unit = unit | {"tensors": [{"values": v, "grid": grid} for v in found]}
            out.append(unit)
        return out

    # --- model data ---

    def values(self, unit: Unit) -> None:
        """A model data unit."""
        tensors = [t if isinstance(t, dict) and "values" in t else {"values": t} for t in unit["tensors"]]
        values: Names = {
            "first_coded_tensor": unit.get("first", self.taken),
            "coded_tensor_count_minus1": len(tensors) - 1,
            "model_coder": ModelCoder[unit.get("coder", "RANS")],
            "word_bytes_log2": unit.get("word_bytes_log2", 0),
            "plane_flag": unit.get("planes", 0),
        }
        self.taken += len(tensors)
        if unit.get("coder") == "XZ":
            payload = self.xz(unit, [v for t in tensors for v in expanded(t["values"])])
        else:
            payload = self.rans(unit, tensors, values)
        payload = spoiled(payload, unit.get("payload", []))
        active = {"profile_idc": int(self.profile)}
        body = self.body(MODEL_DATA, values | {"model_payload": payload}, unit, active)
        self.put(MODEL_TYPES["values"], body, unit)

    def xz(self, unit: Unit, values: list[int]) -> bytes:
        """10.7 An .xz stream without compression, or one of the store."""
        if "of" in unit:
            parts = self.store.get(unit["of"])
            if parts is None:
                parts, provenance = diffs.encode(unit["of"])
                self.store.put(unit["of"], parts, provenance)
            self.used.add(unit["of"])
            return parts[0]
        width = 1 << unit.get("word_bytes_log2", 0)
        words = [(v % (1 << 8 * width)).to_bytes(width, "little") for v in values]
        raw = b"".join(words)
        if unit.get("planes"):
            raw = b"".join(bytes(word[i] for word in words) for i in range(width))
        return xz_of(raw + as_bytes(unit.get("more", "")), **unit.get("xz", {}))

    def rans(self, unit: Unit, tensors: list[Names], values: Names) -> bytes:
        """10.6 The elements and the payload."""
        rows = unit.get("predictors", [])
        if unit.get("tables") == ALONE:  # whatever the number of values, there are neither words nor raw bits
            tensors = [t | {"values": []} for t in tensors]
        coded = [self.coded(t, rows, levels="quantizer" in unit) for t in tensors]
        contexts = [c for t, own in zip(tensors, coded, strict=True) for c in self.contexts(t, len(own))]
        labels = [label for t in tensors for group in t.get("labels", []) for label in group]
        values |= {
            "predictor_count": len(rows),
            "predictor_taps_minus2": [len(r) - 1 for r in rows],
            "predictor_coefficient": rows,
            "predictor": [t.get("predictor", 0) for t in tensors],
            "table_offset": [t.get("offset", 0) for t in tensors],
            "label_group_count": [len(t.get("groups", [])) for t in tensors],
            "label_step_minus1": [t.get("step", 1) - 1 for t in tensors],
            "group_first_axis": [[a for a, _ in t.get("groups", [])] for t in tensors],
            "group_last_axis": [[b for _, b in t.get("groups", [])] for t in tensors],
            "lanes_log2": unit.get("lanes", 0),
            "frequency_precision": unit.get("precision", 13),
            "label_lanes_log2": unit.get("label_lanes", 0),
        }
        values |= {"value_quantizer": ValueQuantizer[unit.get("quantizer", "PLAIN")], "grid": unit.get("grid", 1024)}
        dependent = unit.get("quantizer") == "DEPENDENT"
        turns = [0] * len(contexts)
        if "quantizer" in unit:
            tensors_of = levels_of(unit, [{"mode": "EXACT"}] * len(tensors))
            order = planes.order(tensors_of)
            split = [planes.symbol(tensors_of[t].levels[i], dependent) for t, i in order]
            starts = [sum(map(len, coded[:t])) for t in range(len(coded))]
            contexts = [contexts[starts[t] + i] for t, i in order]
            turns = planes.quantizers(tensors_of, 1 << unit.get("lanes", 0), dependent)
        else:
            split = [plain.symbol(v) for own in coded for v in own]
        symbols = [s for s, _ in split]
        given = unit.get("tables") or [None] * (max(contexts, default=0) + 1)
        tables = [table for told in given for table in _apart(told)]
        values["table_count_minus1"] = len(tables) - 1
        if "label_table" in unit or any(t.get("groups") for t in tensors):
            tables.append(unit.get("label_table"))
        full = [self.table(unit, i, t, [s for s, c in zip(symbols, contexts, strict=True) if c == i]
                           if i <= values["table_count_minus1"] else labels) for i, t in enumerate(tables)]  # fmt: skip
        for i, table in enumerate(full):
            if table["frequency"] is None:
                table["frequency"] = full[i - 1]["frequency"]
        for name in ("symbol_end", "first_symbol", "rest_symbol", "frequency_class", "frequency_bits"):
            values[name] = [table[name] for table in full]
        seconds = self.seconds(unit, full, symbols, contexts, turns) if dependent else []
        for name in ("symbol_end", "first_symbol", "rest_symbol", "frequency_class", "frequency_bits"):
            values[f"second_{name}"] = [table[name] for table in seconds]
        frequencies = [table["frequency"] for table in full]
        payload = b""
        if len(full) > values["table_count_minus1"] + 1:
            payload, values["label_word_count"] = packed(
                plain.rans(frequencies[-1:], [0] * len(labels), labels, 1 << unit.get("label_lanes", 0))
            )
        rows, chosen = frequencies, contexts
        if dependent:
            rows = [row for pair in zip(frequencies, [s["frequency"] for s in seconds], strict=True) for row in pair]
            chosen = [2 * c + q for c, q in zip(contexts, turns, strict=True)]
        main, values["word_count"] = packed(plain.rans(rows, chosen, symbols, 1 << unit.get("lanes", 0)))
        bits = "".join(raw for _, raw in split)
        bits += "0" * (-len(bits) % 8)
        return payload + main + int("1" + bits, 2).to_bytes(len(bits) // 8 + 1, "big")[1:]

    def seconds(self, unit: Unit, tables: list[Names], symbols: list[int], contexts: list[int],
                turns: list[int]) -> list[Names]:  # fmt: skip
        """10.6.2 The elements of the second tables, with the frequencies that hold."""
        found: list[Names] = []
        for i, table in enumerate(tables):
            own = [s for s, c, q in zip(symbols, contexts, turns, strict=True) if c == i and q]
            found.append(self.table(unit, i, planes.second(unit, i) if table["symbol_end"] else 0, own))
            if found[-1]["frequency"] is None:
                found[-1]["frequency"] = table["frequency"] if table["symbol_end"] else found[i - 1]["frequency"]
        return found

    def coded(self, tensor: Names, rows: list[list[list[int]]], *, levels: bool) -> list[int]:
        """What is decoded: levels, or values, with a predictor residuals."""
        told = expanded(tensor["values"])
        if levels or not tensor.get("predictor") or tensor.get("residuals"):
            return told
        return plain.residuals(told, rows[tensor["predictor"] - 1])

    def contexts(self, tensor: Names, count: int) -> list[int]:
        """10.6.3 Table numbers of a tensor's values."""
        if not tensor.get("groups"):
            return [tensor.get("offset", 0)] * count
        shape, out = tensor["shape"], []
        for place in range(math.prod(shape)):
            x, rest = [], place
            for extent in reversed(shape):
                rest, index = divmod(rest, extent)
                x.insert(0, index)
            total = 0
            for (a, b), labels in zip(tensor["groups"], tensor["labels"], strict=True):
                number = 0
                for axis in range(a, b + 1):
                    number = number * shape[axis] + x[axis]
                total += labels[number]
            out.append(tensor.get("offset", 0) + tensor.get("step", 1) * total)
        return out

    def table(self, unit: Unit, number: int, told: Any, symbols: list[int]) -> Names:
        """10.6.2 The elements of a table: 0 for the same as before, None for one that suits the symbols."""
        if told == 0:
            return {"symbol_end": 0, "first_symbol": 0, "rest_symbol": 0, "frequency_class": [],
                    "frequency_bits": [], "frequency": None}  # fmt: skip
        precision = unit.get("precision", 13)
        if told is None:
            frequency, rest = plain.frequencies(symbols, precision)
            told = {}
        else:
            frequency, rest = {int(s): f for s, f in told["frequency"].items()}, told["rest"]
        first, end = told.get("first", min(frequency)), told.get("end", max(frequency) + 1)
        size, bits = [], []
        for s in range(first, end):
            f = 0 if s == rest else frequency.get(s, 0)
            c = f.bit_length()
            n = max(0, min(c - 1, precision))
            size.append(c)
            bits.append((f >> (c - 1 - n)) - (1 << n) if c else 0)
        return {"symbol_end": end, "first_symbol": first, "rest_symbol": rest - first, "frequency_class": size,
                "frequency_bits": bits, "frequency": frequency}  # fmt: skip


def levels_of(unit: Unit, entries: list[Names]) -> list[planes.Levels]:
    """The levels of a unit, whose tensors have these entries."""
    rows = unit.get("predictors", [])
    tensors = [t if isinstance(t, dict) and "values" in t else {"values": t} for t in unit["tensors"]]
    return [
        planes.Levels(expanded(t["values"]), rows[t["predictor"] - 1] if t.get("predictor") else [],
                      e["mode"] in ("EXACT", "EXACT_DIFFERENCE"))
        for t, e in zip(tensors, entries, strict=True)
    ]  # fmt: skip


def _numbered(entry: Names) -> list[Names]:
    """{"numbered": n, "copy": i} stands for n empty tensors, named by their numbers, that are copies of entry i (0)."""
    if "numbered" not in entry:
        return [entry]
    one = {"type": "BOOL", "shape": [0], "mode": "COPY", "copy": entry.get("copy", 0)}
    return [one | {"name": f"{i:03x}"} for i in range(entry["numbered"])]


def _apart(told: Any) -> list[Any]:
    """{"apart": n, "same": m} stands for n tables that differ and m that are the same as the last one."""
    if not (isinstance(told, dict) and "apart" in told):
        return [told]
    rows = [{"frequency": {"0": 16381 - i, "1": 1 + i, "2": 1, "4": 1}, "rest": 0} for i in range(told["apart"])]
    return [*rows, *[0] * told.get("same", 0)]


def packed(coded: tuple[list[int], list[int]]) -> tuple[bytes, int]:
    """(states and words as bytes, number of words)."""
    states, words = coded
    return b"".join(x.to_bytes(4, "big") for x in states) + b"".join(w.to_bytes(2, "big") for w in words), len(words)


def spoiled(data: bytes, operations: list[list[Any]]) -> bytes:
    """A payload changed: ["xor", place, mask], ["put", place, hex], ["append", hex], ["cut", bytes]."""
    for name, *arguments in operations:
        if name == "xor":
            place = arguments[0] % len(data)
            data = data[:place] + bytes([data[place] ^ arguments[1]]) + data[place + 1 :]
        elif name == "put":
            part = bytes.fromhex(arguments[1])
            data = data[: arguments[0]] + part + data[arguments[0] + len(part) :]
        elif name == "append":
            data += bytes.fromhex(arguments[0])
        else:
            data = data[: len(data) - arguments[0]]
    return data
