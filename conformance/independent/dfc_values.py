"""From levels to elements (7.4), and payloads of byte and image codecs to pictures (8.2, 8.3)."""
import io
import lzma
import re
import struct
import zlib
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

import dfc_images
import numpy as np
from dfc_units import J2K, JPEG, PNG, STORAGE, STORED, XZ, ZLIB
from dfc_video import Reject, need
from PIL import Image

IMAGES = {PNG: "PNG", JPEG: "JPEG", J2K: "JPEG2000"}

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

def binary32(x, kind):
    """Elements that to_type gave, as binary32 values again."""
    return (x.astype("<u4") << 16).view("<f4") if kind == "bfloat16" else x.astype("<f4")

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
