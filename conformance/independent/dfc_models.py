"""Decoder of DFC 1.1 model updates (chapter 10): written from spec/ alone, independent of refsw, slow and simple.
Run it with `python dfc_models.py BASE UPDATE.dfc OUTPUT [NAME ...]`, or call decode(data, base), which raises Reject.

BASE, `-` for none, and OUTPUT are .npz or .safetensors files. In .npz, bfloat16 is stored as uint16 words, and the
member of the archive has the comment "bfloat16"; NAME ... are tensors of BASE that are bfloat16 without saying so.
Exit code 0: OUTPUT is the result of the last update. 65: UPDATE.dfc does not conform or BASE is not its base, 69: it
needs what this decoder lacks, 66: a file cannot be read; then there is no output file. Needs what dfc_decoder.py needs.
"""
import hashlib
import json
import re
import sys
import zipfile
from collections import namedtuple
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from dfc_model_values import Values
from dfc_units import (CAPACITY, METADATA, MODEL_DATA, MODEL_EXTENDED, MODEL_HEADER, OF_MODELS, STORAGE, TYPES, Units,
                       known)
from dfc_video import Reject, need

MODES = UNCHANGED, REMOVED, COPY, QUANTIZED_DIFFERENCE, QUANTIZED, EXACT_DIFFERENCE, EXACT = range(7)     # 6.2
SOURCED, QUANTIZING = (UNCHANGED, QUANTIZED_DIFFERENCE, EXACT_DIFFERENCE), (QUANTIZED_DIFFERENCE, QUANTIZED)
MULTIPLIERS, FLOATS = (1, 2, 5), TYPES[:4]
SAFETENSORS = dict(zip("F32 F16 BF16 F64 U8 I8 U16 I16 U32 I32 U64 I64 BOOL".split(), TYPES, strict=True))

Tensor = namedtuple("Tensor", "type shape words")       # words: the elements in raster order, as unsigned integers

def size(kind):
    return np.dtype(STORAGE[kind]).itemsize

# ---- digests (10.2)
def canonical(model):
    return dict(sorted(model.items(), key=lambda item: item[0].encode()))

def tensor_digest(name, t):
    head = [t.type, len(t.shape), *t.shape, len(name.encode())]
    return hashlib.sha256(f"{' '.join(map(str, head))}\n{name}".encode() + t.words.tobytes()).digest()

def model_digest(model):
    return hashlib.sha256(b"DFC model\n" + b"".join(tensor_digest(*item) for item in canonical(model).items())).digest()

# ---- syntax (6.10, 6.11) and what can be checked without the base
class Updates(Units):
    """The updates of a bitstream, parsed but not applied."""
    def __init__(self, data):
        self.updates = []
        super().__init__(data, OF_MODELS)
    def unit(self, kind, r):
        need(self.updates or kind in (MODEL_HEADER, METADATA), "model.order")
        if kind == METADATA:
            self.metadata(r)
        elif kind == MODEL_DATA:
            self.updates[-1].units.append(Values(r, self.updates[-1]))
        else:
            for update in self.updates[-1:]:
                need(update.done == len(update.coded), "model.complete")
                update.expand(sum(prod(e.shape) for e in update.entries if e.new and e.mode == COPY))
            if kind == MODEL_HEADER:
                self.updates.append(Update(r, self))
                a, b = self.updates[-2:] if len(self.updates) > 1 else [None, None]
                need(not a or a.result_digest == b.base_digest, "model.chain")
            else:
                need(self.counts(r) == [], "end.sample-counts")

class Update:
    """A model_header and the units of its values."""
    def __init__(self, r, stream):
        p, self.stream, self.later, self.units, self.done = "model_header.", stream, stream.later, [], 0
        self.base_digest, self.base_count, self.entries, self.added, self.room = None, 0, [], 0, 1 << 20
        _ = self.text(r, 8), self.text(r, 8)            # network_id, model_version
        if r.u(1):
            _, self.base_digest, self.base_count = self.text(r, 8), r.b(32), r.ue()
        stream.limit("model-tensors", self.base_count)
        self.result_digest = r.b(32)
        self.step = r.u(4), known(r.u(2), range(3), p + "step_multiplier", self.later)
        for i in range(self.base_count):
            e = SimpleNamespace(new=False, source=i, name=None, type=None, shape=None)
            self.read_mode(r, e, p + "tensor_mode", p + "tensor_step_multiplier", p + "copy_entry")
        new = r.ue()
        stream.limit("model-tensors", self.base_count + new)
        for _ in range(new):
            e = SimpleNamespace(new=True, source=None, name=self.text(r, 16))
            parts = re.split(r"[/\\]", e.name)
            need(".." not in parts, "model.name-path")
            need(len(parts) == 1 or parts[0] and not parts[0].endswith(":"), "model.name-path")
            e.type = TYPES[known(r.u(4), range(len(TYPES)), p + "new_element_type", self.later)]
            e.shape = [r.ue() for _ in range(r.u(4))]
            need(prod(n or 1 for n in e.shape) <= 1 << 40, "model.new-shape")
            if r.u(1):
                e.source = need(self.base_count, p + "source_flag") or r.ue(self.base_count - 1, p + "source_entry")
            self.read_mode(r, e, p + "new_tensor_mode", p + "new_step_multiplier", p + "new_copy_entry")
            need(e.mode != REMOVED, "model.new-mode")
            need((e.source is not None) == (e.mode in SOURCED), "model.source")
        r.align()
        sources = [e.source for e in self.entries if e.mode in SOURCED]
        need(len(set(sources)) == len(sources), "model.source-once")
        self.coded = [e for e in self.entries if e.mode >= QUANTIZED_DIFFERENCE]
        self.resolve({} if self.base_digest is None else None)
    def text(self, r, bits):
        text = r.utf8(r.u(bits), "model.utf8")
        need(not re.search("[\0-\x1f\x7f]", text), "model.name-characters")
        return text
    def expand(self, new):
        """Counts elements of new tensors against the bytes of model_payload so far (10.9.2)."""
        self.added += new
        need(self.added <= self.room, "model.expansion")
    def read_mode(self, r, e, mode, multiplier, copy):
        e.mode, e.step = known(r.u(3), MODES, mode, self.later), self.step
        if e.mode in QUANTIZING and r.u(1):
            e.step = r.u(4), known(r.u(2), range(3), multiplier, self.later)
        if e.mode == COPY:
            e.copy = r.ue(len(self.entries) - 1, copy)
        self.entries.append(e)
    def resolve(self, base):
        """Applies 10.3.2; without the base (None), as far as that is possible."""
        if base is not None:
            need(len(base) == self.base_count, "model.base-tensors")
            for e, (name, t) in zip(self.entries, base.items(), strict=False):
                e.name, e.type, e.shape = name, t.type, t.shape
            base = list(base.values())
        for e in self.entries:
            if e.mode in QUANTIZING:
                need(e.type in (None, *FLOATS), "model.quantized-type")
            if e.mode in SOURCED and base is not None:
                source = base[e.source]
                fits = {UNCHANGED: source.type == e.type, EXACT_DIFFERENCE: size(source.type) == size(e.type)}
                free = self.stream.profile == MODEL_EXTENDED and e.mode != UNCHANGED        # of the shape of the source
                need(fits.get(e.mode, True), "model.source-format")
                if prod(source.shape) != prod(e.shape):
                    need(free, "model.source-format")
                    need(len(source.shape) == len(e.shape), "model.source-shape")
                need(e.mode != QUANTIZED_DIFFERENCE or source.type in FLOATS, "model.quantized-type")
            if e.mode == COPY:
                other = self.entries[e.copy]
                formats = {(t.type, tuple(t.shape)) for t in (e, other) if t.type}
                need(other.mode != REMOVED and len(formats) <= 1, "model.copy")
        given = [e for e in self.entries if e.mode != REMOVED and e.type]
        elements = sum(prod(e.shape) for e in given)
        need(len({e.name for e in given}) == len(given), "model.name-unique")
        self.stream.limit("model-elements", elements)
        need(elements <= CAPACITY, "level.capacity", exit_code=69)
    def apply(self, base):
        """The result of the update (10.9)."""
        self.resolve(base)
        sources, result = list(base.values()), []
        values = (array for unit in self.units for array in unit.decode(self.stream))
        for e in self.entries:
            source = part_of(sources[e.source], e.shape) if e.mode in SOURCED else None
            if e.mode >= QUANTIZED_DIFFERENCE:
                words = elements(e, next(values), source)
            else:
                words = source.words if source else result[e.copy].words if e.mode == COPY else None
            result.append(Tensor(e.type, tuple(e.shape), words))
        pairs = zip(self.entries, result, strict=True)
        model = canonical({e.name: tensor for e, tensor in pairs if e.mode != REMOVED})
        need(model_digest(model) == self.result_digest, "model.result-digest")
        return model

# ---- elements (10.4)
def as_float(kind, words):
    """Words of a floating-point format as numbers of that format, bfloat16 as binary32."""
    return (words.astype("<u4") << 16).view("<f4") if kind == "bfloat16" else words.view(STORAGE[kind])

def round_to(s, kind):
    """Words of binary64 values in a format; a zero is positive (4.4)."""
    if kind != "bfloat16":
        return (s.astype(STORAGE[kind]) + np.dtype(STORAGE[kind]).type(0)).view(f"<u{size(kind)}")
    f = s.astype("<f4")
    bits = f.view("<u4") - (np.abs(f.astype("f8")) > np.abs(s))        # towards zero,
    bits |= f.astype("f8") != s                                         # with a sticky bit: one rounding in all
    words = bits + 0x7FFF + (bits >> 16 & 1) >> 16
    words[words == 0x8000] = 0
    return words.astype("<u2")

def part_of(source, shape):
    """A source as it is, or, with another number of elements, in the shape of the tensor, 0 beyond its own (10.3.4)."""
    if prod(source.shape) == prod(shape):
        return source
    words = np.zeros(prod(shape), source.words.dtype)
    if len(words) and len(source.words):
        both = tuple(slice(0, min(pair)) for pair in zip(shape, source.shape, strict=True))
        words.reshape(shape)[both] = source.words.reshape(source.shape)[both]
    return Tensor(source.type, tuple(shape), words)

def elements(e, v, source):
    """The words of a coded tensor; source is None where there is none."""
    kind, bits = e.type, 8 * size(e.type)
    with np.errstate(all="ignore"):
        if e.mode in QUANTIZING:
            m = MULTIPLIERS[e.step[1]] * (e.grid or 1)
            top = ((1 << 63) - 1) // m
            need(((v <= top) & (v >= -top)).all(), "model.value-range")
            s = (v * m).astype("f8") / float(10 ** e.step[0] * (1024 if e.grid else 1))
            if source:
                s = as_float(source.type, source.words).astype("f8") + s
            need(np.isfinite(s).all(), "model.finite")
            words = round_to(s, kind)
        else:
            top = (1 << bits - 1) - 1
            need(((v <= top) & (v >= -1 - top)).all(), "model.value-range")
            words = (v.view("u8") + (source.words.astype("u8") if source else 0)).astype(f"<u{bits // 8}")
        need(kind not in FLOATS or np.isfinite(as_float(kind, words)).all(), "model.finite")
        need(kind != "bool" or (words <= 1).all(), "model.bool")
    return words

# ---- bitstream
def decode(data, base=None):
    """The model that the receiver, which has the model base or none, has after the updates (10.9.1)."""
    updates, model = Updates(data).updates, canonical(base or {})
    digest = None if base is None else model_digest(base)
    starts = [i for i, update in enumerate(updates) if update.base_digest == digest]
    need(starts or updates[-1].result_digest == digest, "model.base", "the base is another model")
    for update in updates[starts[0]:] if starts else []:
        model = update.apply(model)
    return model

# ---- files
def read_model(path, bfloat16=()):
    model = {}
    if path.suffix == ".safetensors":
        data = path.read_bytes()
        header = json.loads(data[8:(start := 8 + int.from_bytes(data[:8], "little"))])
        for name, t in [item for item in header.items() if item[0] != "__metadata__"]:
            need(kind := SAFETENSORS.get(t["dtype"]), "model.tensor-digest", t["dtype"], 69)
            a, b = t["data_offsets"]
            model[name] = Tensor(kind, tuple(t["shape"]), np.frombuffer(data[start + a:start + b], f"<u{size(kind)}"))
        return model
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as member:
                array, name = np.lib.format.read_array(member, allow_pickle=False), info.filename.removesuffix(".npy")
            kind = "bfloat16" if info.comment == b"bfloat16" or name in bfloat16 else array.dtype.name
            need(kind in TYPES, "model.tensor-digest", f"{name} is {kind}", 69)
            words = np.ascontiguousarray(array.astype(STORAGE[kind])).reshape(-1).view(f"<u{size(kind)}")
            model[name] = Tensor(kind, array.shape, words)
    return model

def write_model(path, model):
    if path.name.endswith(".safetensors.part"):
        header, pos, names = {}, 0, {kind: name for name, kind in SAFETENSORS.items()}
        for name, t in model.items():
            header[name] = {"dtype": names[t.type], "shape": t.shape, "data_offsets": [pos, pos + t.words.nbytes]}
            pos += t.words.nbytes
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t.words.tobytes() for t in model.values()))
        return
    with zipfile.ZipFile(path, "w") as archive:
        for name, t in model.items():
            info = zipfile.ZipInfo(name + ".npy")
            info.comment = b"bfloat16" * (t.type == "bfloat16")
            need(prod(n or 1 for n in t.shape) < 1 << 59, "level.capacity", "numpy has no such array", 69)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, t.words.view(STORAGE[t.type]).reshape(t.shape), allow_pickle=False)

def main(base, source, target, *bfloat16):
    part = Path(target + ".part")
    try:
        write_model(part, decode(Path(source).read_bytes(), None if base == "-" else read_model(Path(base), bfloat16)))
        part.replace(target)
    except (Reject, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        print(" ".join(f"{'' if isinstance(error, Reject) else type(error).__name__} {error}".split()), file=sys.stderr)
        part.unlink(missing_ok=True)
        return getattr(error, "exit_code", 66)
    return 0

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) >= 4 else __doc__)
