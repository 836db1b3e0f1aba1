"""Chapter 8: which implementation belongs to which payload codec. A new codec is one module and one line here."""

from __future__ import annotations

from refsw.payload.base import Codec
from refsw.payload.bytecodecs import ByteCodec
from refsw.payload.hevc import HevcCodec
from refsw.payload.images import ImageCodec
from refsw.payload.native.codec import NativeCodec
from refsw.payload.vvc import VvcCodec
from refsw.syntax.codes import PayloadCodec

_BYTES = (PayloadCodec.STORED, PayloadCodec.ZLIB, PayloadCodec.GZIP, PayloadCodec.LZMA)
_IMAGES = (PayloadCodec.PNG, PayloadCodec.JPEG, PayloadCodec.JPEG2000)

CODECS: dict[PayloadCodec, Codec] = {
    **{code: ByteCodec(code) for code in _BYTES},
    **{code: ImageCodec(code) for code in _IMAGES},
    PayloadCodec.HEVC: HevcCodec(),
    PayloadCodec.VVC: VvcCodec(),
    PayloadCodec.NATIVE: NativeCodec(),
}


def codec(payload_codec: PayloadCodec) -> Codec:
    """The implementation of a payload codec."""
    return CODECS[payload_codec]
