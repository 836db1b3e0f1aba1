"""Bitstream, units and their descriptors (chapters 4 to 6, 11): what every other part of this decoder reads with."""
import re
import struct
import zlib

from dfc_video import need

UNITS = FPS, DATA, DIGEST, METADATA, END, PART, MODEL_HEADER, MODEL_DATA = 1, 2, 3, 4, 5, 6, 8, 9   # code points (6.2)
ROLES = C, H, W, N, T = range(5)
NONE, UNIFORM, LOG, LOG_NONNEGATIVE = range(4)
SCOPES = SAMPLE, SEQUENCE, CHANNEL = range(3)
LAYOUTS = ONE_CHANNEL, MOSAIC, QUILT = range(3)
CODECS = STORED, ZLIB, GZIP, XZ, PNG, JPEG, J2K, HEVC, VVC, NATIVE = range(10)
TYPES = "float32 float16 bfloat16 float64 uint8 int8 uint16 int16 uint32 int32 uint64 int64 bool".split()
STORAGE = dict(zip(TYPES, "<f4 <f2 <u2 <f8 u1 i1 <u2 <i2 <u4 <i4 <u8 <i8 ?".split(), strict=True))
PROFILES = {1: {HEVC}, 2: {HEVC}, 3: {STORED, ZLIB, GZIP, XZ}, 4: {PNG, JPEG, J2K}, 5: set(CODECS[:NATIVE]), 6: set(),
            8: {STORED, ZLIB, GZIP, XZ, HEVC}, 9: {STORED, ZLIB, GZIP, XZ, NATIVE}, 10: set(CODECS), 11: set(),
            12: {STORED, ZLIB, GZIP, XZ, HEVC, NATIVE}}
INTER, EXTENDED, MODEL, RESILIENT, OF_NATIVE, COMPLETE, MODEL_EXTENDED, SCALABLE = 2, 5, 6, 8, 9, 10, 11, 12
EXTENSIONS = {RESILIENT: {"parts"}, OF_NATIVE: {"parts", "time_prediction"}, SCALABLE: {"layers", "time_prediction"},
              COMPLETE: {"parts", "layers", "time_prediction", "channel_transform"}}
SINCE = {"parts": RESILIENT, "layers": COMPLETE, "time_prediction": OF_NATIVE, "channel_transform": COMPLETE}
OF_MODELS = {MODEL, MODEL_EXTENDED}
DEPTHS = {HEVC: (8, 10, 12), VVC: (8, 10), JPEG: (8,)}
LIMITS = {"sample-elements": (20, 24, 28), "unit-elements": (22, 26, 28), "picture-side": (12, 13, 14),
          "picture-elements": (22, 25, 28), "unit-pictures": (12, 14, 16), "unit-bytes": (25, 29, 31),
          "parameter-sets": (3, 4, 6), "sample-parts": (12, 14, 16), "layers": (2, 3, 4),
          "transform-entries": (20, 22, 24), "model-tensors": (12, 16, 20), "model-elements": (26, 30, 34),
          "model-unit-elements": (24, 27, 30)}      # powers of two (11.3)
CAPACITY = 1 << 30       # elements of all samples that this decoder keeps (11.4)

def version(profile):
    """The minor version that brought a profile (11.2)."""
    return 1 if profile >= RESILIENT else 0

def known(value, code_points, requirement, later):
    """value, unless it is reserved (6.1); later: in a bitstream of a later version than its profile (5.5)."""
    need(value in code_points, requirement, f"reserved value {value}", 69 if later else 65)
    return value

class Bits:
    """Reader of the descriptors of 4.3 over a unit body, or over what stands in one; complete: the requirement that it
    is all there."""
    def __init__(self, data, complete="unit.complete-element"):
        self.data, self.pos, self.complete = data, 0, complete
    def u(self, n):
        self.pos += n
        need(self.pos <= 8 * len(self.data), self.complete)
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

def se(r, maximum, requirement):
    """Reads an se(v) (4.3.7)."""
    value = (code + 1) // 2 if (code := r.ue()) & 1 else -code // 2
    need(abs(value) <= maximum, requirement)
    return value

# ---- units (chapters 5, 6, 9)
class Units:
    """Parses a bitstream of certain profiles as it is made, and hands every known unit to unit of a subclass."""
    def __init__(self, data, profiles):
        need(data[:4] == b"\x89DFC", "bitstream.signature")
        need(data[4:5] in (b"", b"\1"), "bitstream.version-major", exit_code=69)
        need(len(data) >= 12, "bitstream.header-complete")
        need(zlib.crc32(data[:8]) == int.from_bytes(data[8:12], "big"), "bitstream.header-crc")
        self.minor, self.data, self.crcs = data[5], data, data[8:12]
        profiles_then = [profile for profile in PROFILES if version(profile) <= self.minor]
        self.profile = known(data[6], profiles_then, "bitstream_header.profile_idc", self.minor)
        need(self.profile in profiles, "profile.implemented", "for dfc_models.py, or for dfc_decoder.py", 69)
        self.later = self.minor > version(self.profile)
        self.level = known(data[7], (1, 2, 3), "bitstream_header.level_idc", self.later)
        self.scan(12)
    def scan(self, pos):
        kind = None
        while kind != END:
            need(pos < len(self.data), "bitstream.end")
            kind, skippable, body, stop = self.frame(pos)
            self.check(pos, stop)
            self.take(kind, skippable, body)
            self.crcs += self.data[stop - 4:stop]
            pos = stop
        need(pos == len(self.data), "bitstream.nothing-after-end")
    def frame(self, pos):
        """unit_type, skippable_flag, the body and the end of the unit at pos (5.2)."""
        need(pos + 1 < len(self.data), "unit.complete")
        length, start = self.leb(pos + 1)
        self.limit("unit-bytes", length)
        stop = start + length + 4
        need(stop <= len(self.data), "unit.complete")
        return self.data[pos] >> 1, self.data[pos] & 1, self.data[start:stop - 4], stop
    def check(self, pos, stop):
        crc = int.from_bytes(self.data[stop - 4:stop], "big")
        need(zlib.crc32(self.data[pos:stop - 4]) == crc, "unit.crc")
    def take(self, kind, skippable, body):
        """Reads a unit of a type that is known in this bitstream (5.3, 5.4)."""
        if kind not in UNITS or kind == PART and version(self.profile) < 1:
            need(skippable, "unit.unknown", f"unit type {kind}", 69)
            return
        need(skippable == (kind in (DIGEST, METADATA)), "unit.skippable-known")
        own = kind in (METADATA, END) or (kind in (MODEL_HEADER, MODEL_DATA)) == (self.profile in OF_MODELS)
        need(own, "profile.model")
        r = Bits(body)
        self.unit(kind, r)
        need(self.later or kind in (DATA, PART, MODEL_DATA) or r.pos == 8 * len(body), "unit.no-rest")
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
        self.compare(r.u(32))
        return counts
    def compare(self, crc):
        need(crc == zlib.crc32(self.crcs), "end.bitstream-crc")
