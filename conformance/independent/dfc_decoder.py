"""Decoder of Deep Feature Coding (DFC) 1.0 bitstreams: written from spec/ alone, independent of refsw, slow and simple
on purpose. Run it with `python dfc_decoder.py IN.dfc OUT.npz`, or call decode(data), which raises Reject.

Exit code 0: OUT.npz has one member for each tensor, under its name (9.2); bfloat16, which numpy does not have, is
written as float32, which holds it exactly, with "@bfloat16" after the name. 65: IN.dfc does not conform, 69: it needs
what this decoder lacks, such as VVC of 8 bits; then there is no output file. Needs numpy, Pillow, PyAV, and ml_dtypes
for bfloat16. HEVC and VVC are in dfc_video.py, what is constrained within HEVC in dfc_h265.py, the forms of images in
dfc_images.py; bitstreams of profile MODEL (chapter 10) are for dfc_models.py, which shares the units.
"""
import hashlib
import io
import lzma
import re
import struct
import sys
import zipfile
import zlib
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))
import dfc_images
from dfc_video import Reject, hevc_pictures, need, vvc_pictures

UNITS = FPS, DATA, DIGEST, METADATA, END, MODEL_HEADER, MODEL_DATA = 1, 2, 3, 4, 5, 8, 9      # code points (6.2)
ROLES = C, H, W, N, T = range(5)
NONE, UNIFORM, LOG, LOG_NONNEGATIVE = range(4)
SCOPES = SAMPLE, SEQUENCE, CHANNEL = range(3)
LAYOUTS = ONE_CHANNEL, MOSAIC, QUILT = range(3)
CODECS = STORED, ZLIB, GZIP, XZ, PNG, JPEG, J2K, HEVC, VVC = range(9)
TYPES = "float32 float16 bfloat16 float64 uint8 int8 uint16 int16 uint32 int32 uint64 int64 bool".split()
STORAGE = dict(zip(TYPES, "<f4 <f2 <u2 <f8 u1 i1 <u2 <i2 <u4 <i4 <u8 <i8 ?".split(), strict=True))
PROFILES = {1: {HEVC}, 2: {HEVC}, 3: {STORED, ZLIB, GZIP, XZ}, 4: {PNG, JPEG, J2K}, 5: set(CODECS), 6: set()}
DEPTHS = {HEVC: (8, 10, 12), VVC: (8, 10), JPEG: (8,)}
LIMITS = {"sample-elements": (20, 24, 28), "unit-elements": (22, 26, 28), "picture-side": (12, 13, 14),
          "picture-elements": (22, 25, 28), "unit-pictures": (12, 14, 16), "unit-bytes": (25, 29, 31),
          "parameter-sets": (3, 4, 6), "model-tensors": (12, 16, 20), "model-elements": (26, 30, 34),
          "model-unit-elements": (24, 27, 30)}      # powers of two (11.3)
MODEL, CAPACITY = 6, 1 << 30       # profile_idc; elements of all samples that this decoder keeps (11.4)
IMAGES = {PNG: "PNG", JPEG: "JPEG", J2K: "JPEG2000"}

def known(value, code_points, requirement, minor):
    """value, unless it is reserved in this version (syntax.reserved, bitstream.version-minor)."""
    need(value in code_points, requirement, f"reserved value {value}", 69 if minor else 65)
    return value

class Bits:
    """Reader of the descriptors of 4.3 over a unit body."""
    def __init__(self, data):
        self.data, self.pos = data, 0
    def u(self, n):
        self.pos += n
        need(self.pos <= 8 * len(self.data), "unit.complete-element")
        last = (self.pos + 7) // 8
        word = int.from_bytes(self.data[(self.pos - n) // 8:last], "big") >> (8 * last - self.pos)
        return word & ((1 << n) - 1)
    def b(self, n):
        return self.u(8 * n).to_bytes(n, "big")
    def ue(self, maximum=None, requirement=""):
        k = 0
        while not self.u(1):
            k += 1
            need(k <= 31, "descriptor.ue-prefix")
        value = (1 << k) - 1 + self.u(k)
        need(maximum is None or value <= maximum, requirement)
        return value
    def f32(self, requirement):
        word = self.u(32)
        need(word & 0x7F800000 != 0x7F800000 and word != 0x80000000, requirement)
        return struct.unpack(">f", struct.pack(">I", word))[0]
    def utf8(self, n, requirement):
        text = (raw := self.b(n)).decode("utf-8", "replace")
        need(text.encode() == raw, requirement)
        return text
    def align(self):
        need(self.u(-self.pos % 8) == 0, "descriptor.alignment-zero")

# ---- units (chapters 5, 6, 9)
class Units:
    """Parses a bitstream of certain profiles as it is made, and hands every known unit to unit of a subclass."""
    def __init__(self, data, profiles):
        need(data[:4] == b"\x89DFC", "bitstream.signature")
        need(data[4:5] in (b"", b"\1"), "bitstream.version-major", exit_code=69)
        need(len(data) >= 12, "bitstream.header-complete")
        need(zlib.crc32(data[:8]) == int.from_bytes(data[8:12], "big"), "bitstream.header-crc")
        self.minor = data[5]
        self.profile = known(data[6], PROFILES, "bitstream_header.profile_idc", self.minor)
        need(self.profile in profiles, "profile.implemented", "for dfc_models.py, or for dfc_decoder.py", 69)
        self.level = known(data[7], (1, 2, 3), "bitstream_header.level_idc", self.minor)
        self.data, self.crcs, pos, kind = data, data[8:12], 12, None
        while kind != END:
            need(pos < len(data), "bitstream.end")
            kind, skippable = data[pos] >> 1, data[pos] & 1
            length, start = self.leb(pos + 1)
            self.limit("unit-bytes", length)
            stop = start + length
            need(stop + 4 <= len(data), "unit.complete")
            need(zlib.crc32(data[pos:stop]) == int.from_bytes(data[stop:stop + 4], "big"), "unit.crc")
            pos = stop + 4
            need(skippable or kind in UNITS, "unit.unknown", f"unit type {kind}", 69)
            if kind in UNITS:
                need(skippable == (kind in (DIGEST, METADATA)), "unit.skippable-known")
                own = kind in (METADATA, END) or (kind in (MODEL_HEADER, MODEL_DATA)) == (self.profile == MODEL)
                need(own, "profile.model")
                r = Bits(data[start:stop])
                self.unit(kind, r)
                need(self.minor or kind in (DATA, MODEL_DATA) or r.pos == 8 * length, "unit.no-rest")
            self.crcs += data[stop:pos]
        need(pos == len(data), "bitstream.nothing-after-end")
    def limit(self, name, value):
        need(value <= 1 << LIMITS[name][self.level - 1], "level." + name)
    def leb(self, pos):
        code = re.compile(b"[\x80-\xff]*[\0-\x7f]").match(self.data, pos)
        need(code, "unit.complete")
        need(len(code[0]) <= 5, "descriptor.leb-length")
        value = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(code[0]))
        need(value < 1 << 32 and (code[0][-1] or len(code[0]) == 1), "descriptor.leb-shortest")
        return value, code.end()
    def metadata(self, r):
        for _ in range(r.u(8) + 1):
            need(length := r.u(8), "metadata.key_length")
            r.utf8(length, "metadata.utf8")
            r.utf8(r.u(16), "metadata.utf8")
    def counts(self, r):
        """End of bitstream unit: the sample counts (6.9)."""
        counts = [r.ue() for _ in range(r.ue(64, "end_of_bitstream.tensor_count"))]
        r.align()
        need(r.u(32) == zlib.crc32(self.crcs), "end.bitstream-crc")
        return counts

class Decoder(Units):
    """The feature tensors of a bitstream; tensors holds the result. model is the digest of the receiver's model (9.6)."""
    def __init__(self, data, model=None):
        self.model, self.tensors, self.last_first, self.kept = model, {}, 0, 0
        super().__init__(data, range(1, 6))
    def unit(self, kind, r):
        need(self.tensors or kind in (FPS, METADATA), "order.units")
        (self.parameter_set, self.feature_data, self.digest, self.metadata, self.end)[kind - FPS](r)
    def parameter_set(self, r):
        t = Tensor(r, self)
        need(self.tensors.setdefault(t.id, t).body == r.data, "order.parameter-set-repeated")
        need(None in (self.model, t.model) or self.model == t.model, "fps.model-digest", "features of another model")
        self.limit("parameter-sets", len(self.tensors))
        need(len({t.name for t in self.tensors.values()}) == len(self.tensors), "fps.layer-id-unique")
    def tensor(self, r, structure):
        number = r.ue(63, structure + ".parameter_set_id")
        need(number in self.tensors, "order.parameter-set-first")
        return self.tensors[number]
    def feature_data(self, r):
        t = self.tensor(r, "feature_data")
        first, count = r.ue(), r.ue() + 1
        need(first == len(t.samples), "order.samples")
        need(first >= self.last_first, "order.access-units")
        need(t.many or first + count == 1, "fps.single-sample")
        self.last_first, self.kept = first, self.kept + count * t.elements
        self.limit("unit-elements", count * t.elements)
        self.limit("unit-pictures", count * -(-t.channels // (t.R * t.G)))
        need(self.kept <= CAPACITY, "level.capacity", exit_code=69)
        t.add_samples(r, count)
    def digest(self, r):
        t = self.tensor(r, "digest")
        kind = known(r.u(2), (0, 1), "digest.digest_kind", self.minor)
        first, count, length = r.ue(), r.ue() + 1, r.u(5) + 1
        need(length >= 4, "digest.digest_length_minus1")
        value = r.b(length)
        r.align()
        need(t.announced[kind], "digest.announced")
        need(first == t.digested[kind] and first + count == len(t.samples), "digest.coverage")
        t.digested[kind] = len(t.samples)
        name, extents, samples = ((t.type, t.sample_shape, t.samples), ("levels", t.shape, t.levels))[kind]
        sha = hashlib.sha256(f"{name} {'x'.join(map(str, extents))}\n".encode())
        sha.update(b"".join(sample.tobytes() for sample in samples[first:]))
        need(sha.digest()[:length] == value, "digest.value")
    def end(self, r):
        need(self.counts(r) == [len(t.samples) for t in self.tensors.values()], "end.sample-counts")
        for t in self.tensors.values():
            need(t.many or t.samples, "fps.single-sample")
            need(all(t.digested[k] == len(t.samples) for k in (0, 1) if t.announced[k]), "digest.complete")

class Tensor:
    """A feature parameter set (6.5, 9.2), and the samples decoded with it."""
    def __init__(self, r, stream):
        p, minor = "feature_parameter_set.", stream.minor
        self.body, self.samples, self.levels, self.digested = r.data, [], [], [0, 0]
        self.id = r.ue(63, p + "parameter_set_id")
        names = [r.utf8(r.u(8), "fps.utf8") for _ in range(2)]
        self.name = names[1] or f"tensor{self.id}"
        self.model = r.b(32) if r.u(1) else None
        roles, extent = [], {}
        for _ in range(r.u(2) + 1):
            roles.append(known(r.u(3), ROLES, p + "axis_role", minor))
            if roles[-1] <= W:
                extent[roles[-1]] = r.ue((1 << 24) - 1, p + "axis_extent_minus1") + 1
            elif roles[-1] == T:
                need(r.u(32), p + "time_scale")
                need(r.u(32), p + "time_step")
        self.shape = self.channels, self.rows, self.columns = [extent.get(a, 1) for a in (C, H, W)]
        self.elements, self.many = self.channels * self.rows * self.columns, not extent.keys() >= set(roles)
        self.type = TYPES[known(r.u(4), range(len(TYPES)), p + "element_type", minor)]
        self.quantizer, self.scope, self.depth, self.ranges = r.u(2), SEQUENCE, None, []
        if self.quantizer != NONE:
            self.depth = r.u(4) + 1
            self.top = (1 << self.depth) - 1
            self.scope = known(r.u(2), SCOPES, p + "range_scope", minor)
            need(self.scope != CHANNEL or self.channels <= 65536, p + "range_scope")
            self.ranges = self.read_ranges(r, (0, 1, self.channels)[self.scope], p + "range")
        self.codec = known(r.u(8), CODECS, p + "payload_codec", minor)
        self.layout = known(r.u(2), LAYOUTS, p + "repack_layout", minor)
        grid = [p + "grid_rows_minus1", p + "grid_columns_minus1"]
        self.R, self.G = [r.ue((1 << 24) - 1, x) + 1 for x in grid] if self.layout != ONE_CHANNEL else (1, 1)
        self.width, self.height = r.ue() + 1, r.ue() + 1
        ordered, order = r.u(1), range(self.channels)
        need(not ordered or self.channels <= 65536, p + "channel_order_flag")
        if ordered:
            order = [r.u(max(1, (self.channels - 1).bit_length())) for _ in order]
            need(max(order) < self.channels, p + "channel_order")
        self.word = np.dtype(STORAGE[self.type] if self.quantizer == NONE else "u1" if self.depth <= 8 else "<u2")
        self.announced = r.u(1), r.u(1)
        need(self.quantizer != NONE or not self.announced[1], p + "levels_digest_flag")
        self.configuration = r.b(r.ue())
        r.align()
        raw, image, configured = self.quantizer == NONE, PNG <= self.codec <= J2K, self.configuration != b""
        margins = self.width - self.G * self.columns, self.height - self.R * self.rows
        for requirement, holds in {
                "fps.name-characters": not re.search("[\0-\x1f\x7f]", "".join(names)),
                "fps.axis-once": len(set(roles)) == len(roles) and not {N, T} <= set(roles),
                "fps.sample-axis-first": not self.many or roles[0] in (N, T), "fps.sample-has-axis": extent,
                "fps.unquantized-codec": not raw or self.codec <= XZ,
                "fps.quantized-type": raw or self.type in TYPES[:4],
                "fps.codec-bit-depth": raw or self.depth in DEPTHS.get(self.codec, range(1, 17)),
                "fps.coded-size": 0 <= min(margins) <= max(margins) < 64,
                "fps.grid-cells": self.R * self.G < 2 * self.channels + 64,
                "fps.channel-order": not ordered or len(set(order)) == self.channels,
                "profile.codec": self.codec in PROFILES[stream.profile],
                "bytes.no-configuration": not (configured and self.codec <= XZ),
                "image.no-configuration": not (configured and image)}.items():
            need(holds, requirement)
        stream.limit("sample-elements", self.elements)
        stream.limit("picture-side", max(self.width, self.height))
        stream.limit("picture-elements", self.width * self.height)
        self.coded = np.array(order) if ordered else np.arange(self.channels)
        if self.scope == CHANNEL:                       # without the constant channels
            self.coded = self.coded[np.array([lo < hi for lo, hi in self.ranges])[self.coded]]
        self.pictures = -(-len(self.coded) // (self.R * self.G))
        axes = [a for a in roles if a <= W]
        self.transpose = axes + [a for a in (C, H, W) if a not in axes]
        self.sample_shape = [extent[a] for a in axes]
        if self.codec == HEVC:
            self.inter = stream.profile in (2, 5)
            hevc_pictures(self)
    def read_ranges(self, r, count, element):
        ranges = []
        for _ in range(count):
            lo = 0.0 if self.quantizer == LOG_NONNEGATIVE else r.f32(element + "_minimum")
            ranges.append((lo, r.f32(element + "_maximum")))
            need(lo <= ranges[-1][1], "range.order")
        return ranges
    def add_samples(self, r, count):
        """The rest of a feature data unit (6.6, 9.4)."""
        own = self.read_ranges(r, count if self.scope == SAMPLE else 0, "feature_data.sample")
        ranges = [[pair] for pair in own] or [self.ranges] * count
        r.align()
        used = [0 if self.scope != CHANNEL and any(lo == hi for lo, hi in pairs) else self.pictures for pairs in ranges]
        pictures = self.read_pictures(r.data[r.pos // 8:], sum(used))
        need(self.quantizer == NONE or not (pictures > self.top).any(), "payload.level-range")
        for pairs, part in zip(ranges, np.split(pictures, np.cumsum(used)[:-1]), strict=True):
            self.add_sample(part, pairs)
    def read_pictures(self, payload, total):
        if not total:
            need(not payload, "payload.empty")
            return np.zeros((0, self.height, self.width), self.word)
        if self.codec == VVC:
            return vvc_pictures(self, payload, total)
        if self.codec == HEVC:
            return hevc_pictures(self, payload, total)
        if self.codec <= XZ:
            raw = expand(self.codec, payload, total * self.width * self.height * self.word.itemsize)
            need(self.type != "bool" or max(raw) <= 1, "bytes.bool")
            return np.frombuffer(raw, self.word).reshape(total, self.height, self.width)
        out, pos = [], 0
        while pos < len(payload) and len(out) < total:
            pos, start = pos + 4 + int.from_bytes(payload[pos:pos + 4], "big"), pos + 4
            need(start <= pos <= len(payload), "image.length")
            out.append(read_image(self, payload[start:pos]))
        need(len(out) == total and pos == len(payload), "image.count")
        return np.stack(out)
    def add_sample(self, pictures, ranges):
        """Unpack (7.5) and dequantize (7.4) one sample; there are no pictures if it is constant."""
        values = np.zeros(self.shape, self.word)
        if len(pictures):
            area = pictures[:, :self.R * self.rows, :self.G * self.columns]
            if self.layout == QUILT:
                cells = area.reshape(-1, self.rows, self.R, self.columns, self.G).transpose(0, 2, 4, 1, 3)
            else:
                cells = area.reshape(-1, self.R, self.rows, self.G, self.columns).transpose(0, 1, 3, 2, 4)
            values[self.coded] = cells.reshape(-1, self.rows, self.columns)[:len(self.coded)]
        if self.announced[1]:
            self.levels.append(values.astype("<u2"))
        if self.quantizer != NONE:
            if self.quantizer == UNIFORM:
                lo, hi = np.array(ranges).T.reshape(2, -1, 1, 1)
                values = to_type(uniform(values, self.top, lo, hi), self.type)
            else:
                parts = values if self.scope == CHANNEL else [values]
                parts = [self.dequantize(part, *pair) for part, pair in zip(parts, ranges, strict=True)]
                values = np.stack(parts).reshape(self.shape)
        self.samples.append(np.ascontiguousarray(values.transpose(self.transpose)).reshape(self.sample_shape))
    def dequantize(self, levels, lo, hi):
        q, where = np.unique(levels, return_inverse=True)
        return to_type(logarithmic(q, self.top, lo, hi), self.type)[where].reshape(levels.shape)
    def array(self):
        out = np.stack(self.samples) if self.samples else np.zeros((0, *self.sample_shape), STORAGE[self.type])
        if self.type == "bfloat16":
            import ml_dtypes
            out = out.view(ml_dtypes.bfloat16)
        return out if self.many else out[0]

# ---- dequantization (7.4)
def uniform(q, top, lo, hi):
    return np.clip(lo + q.astype("f8") * (hi - lo) / top, lo, hi).astype("<f4")

def logarithmic(q, top, lo, hi):
    """RoundBinary32( D^(q / top) + lo - 1 ), D = hi - lo + 1: in binary64, and where its error may matter, exactly."""
    g = np.expm1(q.astype("f8") / top * np.log1p(hi - lo))
    e = 1e-11 * (g + np.abs(lo + g))
    v, other = (np.clip(t, lo, hi).astype("<f4") for t in (lo + g - e, lo + g + e))
    for i in np.flatnonzero(v != other):
        x = exactly(int(q[i]), top, lo, hi)
        near = [v[i], other[i], *np.nextafter(np.float32(float(x)), np.float32([lo, hi])), np.float32(float(x))]
        v[i] = min(near, key=lambda a, x=x: (abs(Fraction(float(a)) - x), a.view("<u4") & 1))
    return v

@lru_cache(1 << 16)  # what is hard is often asked again, for every sample
def exactly(level, top, lo, hi):
    digits, d = Context(prec=400, Emin=-9999, Emax=9999), Fraction(hi) - Fraction(lo) + 1
    base = digits.divide(Decimal(d.numerator), Decimal(d.denominator))
    power = digits.power(base, digits.divide(Decimal(level), Decimal(top)))
    return Fraction(round((Fraction(power) + Fraction(lo) - 1) * 2**400), 2**400)     # a tie becomes exact

def to_type(v, kind):
    """Binary32 values in the element type (7.4.4), bfloat16 as 16-bit words; no result is negative zero (4.4)."""
    if kind == "float16":
        v = np.clip(v, -65504, 65504).astype("<f2")
    elif kind == "bfloat16":
        bits = np.clip(v, -255 * 2.0**120, 255 * 2.0**120).astype("<f4").view("<u4")
        v = bits + 0x7FFF + (bits >> 16 & 1) >> 16
        v[v == 0x8000] = 0
    return (v + v.dtype.type(0)).astype(STORAGE[kind])

# ---- byte codecs (8.2) and image codecs (8.3)
def expand(codec, payload, size):
    if codec == STORED:
        need(len(payload) == size, "bytes.size")
        return payload
    if codec == XZ:     # stream header, start of the block header with up to two sizes, its first filter
        number = b"[\x80-\xff]*[\0-\x7f]"
        need(payload[7:8] in (b"\0", b"\1", b"\4", b"\n"), "bytes.format", "a reserved check")
        block = re.match(b"\xfd7zXZ\0.{7}(?:\0|[@\x80]%b|\xc0%b%b)\x21.(.)" % (number, number, number), payload, re.S)
        need(block, "bytes.xz")
        need(block[1][0] <= 28, "bytes.lzma-memory")
    try:
        d = lzma.LZMADecompressor(lzma.FORMAT_XZ) if codec == XZ else zlib.decompressobj(15 if codec == ZLIB else 31)
        out = d.decompress(payload, size + 1)
    except (zlib.error, lzma.LZMAError) as error:
        raise Reject("bytes.format", str(error)) from error
    need(d.eof or len(out) > size, "bytes.format", "ends early")
    need(not d.unused_data, "bytes.trailing")
    need(len(out) == size, "bytes.size")
    index = -12 - 4 * (int.from_bytes(payload[-8:-4], "little") + 1)
    need(codec != XZ or payload[index + 1] == 1, "bytes.xz", "more than one block")
    return out

def read_image(t, data):
    depth = 8 * t.word.itemsize
    if t.codec == JPEG:
        data = dfc_images.jpeg(data, t.height, t.width)
    else:
        data = (dfc_images.png if t.codec == PNG else dfc_images.jpeg2000)(data, t.height, t.width, depth)
    Image.MAX_IMAGE_PIXELS = None
    try:
        image = Image.open(io.BytesIO(data), formats=[IMAGES[t.codec]])
        need(image.mode == ("L" if t.depth <= 8 else "I;16"), "image.grey", image.mode)
        need(image.size == (t.width, t.height), "image.size")
        return np.asarray(image).astype(t.word)
    except (OSError, ValueError, SyntaxError, struct.error, IndexError) as error:
        raise Reject("image.format", f"{type(error).__name__} {error}") from error

# ---- output
def decode(data, model=None):
    """All tensors by name."""
    return {t.name: t.array() for t in Decoder(data, model).tensors.values()}

def main(source, target):
    try:
        tensors = decode(Path(source).read_bytes())
    except Reject as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return error.exit_code
    with zipfile.ZipFile(target + ".part", "w") as archive:
        for name, array in tensors.items():
            if array.dtype.name == "bfloat16":
                name, array = name + "@bfloat16", array.astype("<f4")
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    Path(target + ".part").replace(target)

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else __doc__)
