"""11.4 What a feature data unit asks for: work, in units of about a byte written, and memory in bytes.

The weights are rounded up from measurements; docs/cost.md has them, with the worst bitstreams that they admit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from refsw.entropy.cost import symbol_work
from refsw.features.parameters import Parameters
from refsw.features.reconstruct import UnitContent
from refsw.payload.base import VIDEO, PictureFormat
from refsw.payload.codestreams import Demand
from refsw.payload.images import demands
from refsw.payload.native.codec import demands_of
from refsw.payload.native.configuration import STARTS_KEPT
from refsw.profiles import PROFILE_CODECS, Allowance, Meter
from refsw.syntax.codes import DigestKind, PayloadCodec, Profile, Quantizer, RangeScope

SAMPLE, UNIT = 30_000, 100_000
OUTPUT, HASHED, REORDERED, LOOKED_UP, LAYERED = 3, 2, 4, 2, 20
LINEAR, POWER = 16, 400
"""An element or level computed on its own, with a uniform quantizer and with a logarithmic one."""
LEVEL_BYTES, FLOAT_BYTES = 2, 4


@dataclass(frozen=True, slots=True)
class Codec:
    """What a payload codec takes: work and bytes of memory for a byte of the pictures, and work for a picture.

    An image codec takes the same for elements of 8 and of 16 bits: there, it is for an element.
    """

    work: int
    memory: int
    picture: int


CODECS: dict[PayloadCodec, Codec] = {
    PayloadCodec.STORED: Codec(1, 1, 0),
    PayloadCodec.ZLIB: Codec(6, 1, 0),
    PayloadCodec.GZIP: Codec(6, 1, 0),
    PayloadCodec.LZMA: Codec(6, 1, 0),
    PayloadCodec.PNG: Codec(12, 6, 200_000),
    PayloadCodec.JPEG: Codec(8, 4, 200_000),
    PayloadCodec.JPEG2000: Codec(40, 14, 200_000),
    PayloadCodec.HEVC: Codec(6, 1, 300_000),
    PayloadCodec.VVC: Codec(12, 1, 300_000),
    PayloadCodec.NATIVE: Codec(60, 30, 0),
}
GROUPS = 16
NATIVE_TABLES, NATIVE_STEP, NATIVE_MEMORY = 100_000_000, 100_000, 24 << 20
PREDICTED, BLOCK, REFERENCE, TIME_MEMORY = 160, 12_000, 50, 8 << 20
"""Of a predicted sample: work for an element and for a block of its motion; bytes for an element, and for tables."""
BASIS, PRODUCT, TRANSFORMED = 16, 4, 60
"""Of a channel transform: work for an entry of its basis, products that are a unit of work, work for an element."""
ENTRY_BYTES, SUM_BYTES = 20, 24
TILE, PRECINCT, PACKET = 6_000, 1_200, 60
TILE_BYTES, PRECINCT_BYTES = 11_000, 650
IMAGES = PROFILE_CODECS[Profile.IMAGE]
FRAMES = 17
"""Pictures that a video decoder keeps, the current one included."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What decoding a unit takes.

    Args:
        work: units of work.
        memory: bytes, without constant samples, which take none until someone writes them out.
        elements: bytes of the samples that are not constant.
        output: bytes of all samples.
    """

    work: int
    memory: int
    elements: int
    output: int


def unit_cost(content: UnitContent, profile: Profile) -> Cost:
    """What decoding a unit takes, known before anything of it is done."""
    p, samples = content.parameters, content.samples
    elements = p.axes.elements
    output = samples * elements * p.dtype.itemsize
    coded = sum(count > 0 for count in content.pictures)
    work = UNIT + samples * SAMPLE + OUTPUT * output + samples * _digests(p)
    work += coded * _elements(p)
    own = coded * elements * p.dtype.itemsize
    pictures, picture_format = sum(content.pictures), p.picture_format(profile)
    work += pictures_work(p.payload_codec, pictures, picture_format)
    if p.layer is not None and (p.base is not None or p.layer.channels is not None):  # put together (9.11.3)
        work += samples * LAYERED * elements
        own += output + samples * elements * FLOAT_BYTES
    if p.transform is not None and pictures:
        work += transform_work(p, coded)
    if content.whole is not None:  # its place in the sample, and its share of the digests
        work += REORDERED * elements + _digests(content.whole) * elements // content.whole.axes.elements
        own = output
    memory = own + pictures_memory(p.payload_codec, pictures, picture_format)
    if p.transform is not None and pictures:
        memory += transform_memory(p)
    if p.payload_codec is PayloadCodec.NATIVE and pictures:
        work += native_work(content)
        memory += NATIVE_MEMORY
        if p.time_prediction:
            memory += TIME_MEMORY + REFERENCE * p.packing.pictures(len(p.coded_channels)) * _cells(p)
    if p.payload_codec is PayloadCodec.JPEG2000:
        asked = demands(content.payload)
        work += sum(map(codestream_work, asked))
        memory += max(map(codestream_memory, asked), default=0)
    return Cost(work, memory, own, output)


def transform_work(p: Parameters, samples: int) -> int:
    """Work for the basis of a channel transform, and for the products and elements of some samples."""
    assert p.transform is not None
    channels, (components, rows, columns) = p.transform.channels(p.axes.channels), p.maps
    places = rows * columns
    each = components * channels * places // PRODUCT + TRANSFORMED * (components + channels) * places
    return BASIS * components * channels + samples * each


def transform_memory(p: Parameters) -> int:
    """Bytes of memory for the same, of one sample."""
    assert p.transform is not None
    channels, (components, rows, columns) = p.transform.channels(p.axes.channels), p.maps
    return ENTRY_BYTES * components * channels + SUM_BYTES * (components + channels) * rows * columns


def pictures_work(payload_codec: PayloadCodec, count: int, picture_format: PictureFormat) -> int:
    """Work for the pictures of a payload."""
    codec = CODECS[payload_codec]
    return count * (codec.picture + codec.work * _size(payload_codec, picture_format))


def pictures_memory(payload_codec: PayloadCodec, count: int, picture_format: PictureFormat) -> int:
    """Bytes of memory for the pictures of a payload, for copies of them, and for what the codec has beside them."""
    if not count:
        return 0
    size = picture_format.picture_bytes
    if payload_codec in VIDEO:
        return (2 * count + (2 if picture_format.intra_only else min(FRAMES, count + 1))) * size
    beside = CODECS[payload_codec].memory * _size(payload_codec, picture_format)
    # Image codecs decode one picture after the other.
    return 2 * count * size + (beside if payload_codec in IMAGES else count * beside)


def codestream_work(asked: Demand) -> int:
    """Work for what a JPEG 2000 image has beside its elements."""
    return TILE * asked.tiles + PRECINCT * asked.precincts + PACKET * asked.packets


def codestream_memory(asked: Demand) -> int:
    """Bytes of memory for the same."""
    return TILE_BYTES * asked.tiles + PRECINCT_BYTES * asked.precincts + asked.included


def _cells(p: Parameters) -> int:
    """Elements of a picture."""
    return p.packing.coded_height * p.packing.coded_width


def native_work(content: UnitContent) -> int:
    """Work for the steps and lanes of native samples."""
    p = content.parameters
    channels, cells = p.packing.pictures(len(p.coded_channels)), _cells(p)
    predicted = (p.packing.coded_height, p.packing.coded_width) if p.time_prediction else None
    steps = min(GROUPS, channels) * min(2, p.packing.coded_height) * min(2, p.packing.coded_width)
    return sum(
        steps * NATIVE_STEP + symbol_work(one.coded * cells, one.lanes) + symbol_work(channels, one.lanes)
        + (0 if one.blocks is None else PREDICTED * channels * cells + BLOCK * one.blocks)
        for one in demands_of(content.payload, channels, predicted=predicted)
    )  # fmt: skip


def _size(payload_codec: PayloadCodec, picture_format: PictureFormat) -> int:
    if payload_codec in IMAGES:
        return picture_format.height * picture_format.width
    return picture_format.picture_bytes


def _digests(p: Parameters) -> int:
    """Work for the digests of a sample."""
    elements, work = p.elements, 0
    if DigestKind.TENSOR in p.digests:
        work += HASHED * elements * p.dtype.itemsize
        work += REORDERED * elements * (not p.axes.is_canonical)
    if DigestKind.LEVELS in p.digests:
        work += (HASHED * LEVEL_BYTES + LOOKED_UP) * elements
    return work


def _elements(p: Parameters) -> int:
    """Work for the elements of a sample that has pictures."""
    elements = p.axes.elements
    if p.transform is not None:
        return REORDERED * elements
    work = REORDERED * elements * (not p.in_own_order or not p.axes.is_canonical)
    if p.quantizer is Quantizer.NONE:
        return work + elements * p.dtype.itemsize
    each = LINEAR if p.quantizer is Quantizer.UNIFORM else POWER
    ranges = p.axes.channels if p.range_scope is RangeScope.CHANNEL else 1
    # Levels are computed one by one, or looked up in a table of all, whichever is fewer.
    return work + LOOKED_UP * elements + each * min(elements, ranges << p.bit_depth)


class FeatureMeter(Meter):
    """11.4 What units of features have taken from an allowance.

    Args:
        allowance: what may be spent.
        read: gives the bytes that have been read so far.
        keeps: the decoded samples stay in memory, and are copied together in the end.
    """

    def __init__(self, allowance: Allowance, read: Callable[[], int], *, keeps: bool = False) -> None:
        super().__init__(allowance, read)
        self.keeps = keeps
        self.output = self._kept = 0
        self._tables: list[bytes] = []  # configurations of the native payload whose tables were made last
        self._open: dict[int, int] = {}  # bytes of samples of a tensor that wait for others: parts, or layers above

    def absent(self, p: Parameters) -> None:
        """Take the cost of a sample of which nothing came: next to none, but for what is made of it.

        Raises:
            CapacityError: it is too much for so few bytes.
        """
        self.output += p.axes.elements * p.dtype.itemsize
        self.work(SAMPLE, "sample_index", None)

    def _tables_work(self, content: UnitContent) -> int:
        """Work for the tables of a native payload that are sent or named: a decoder keeps those that it made last."""
        p = content.parameters
        if p.payload_codec is not PayloadCodec.NATIVE or len(p.configuration) <= 1 or not any(content.pictures):
            return 0
        known = p.configuration in self._tables
        others = [one for one in self._tables if one != p.configuration]
        self._tables = [*others, p.configuration][-STARTS_KEPT:]
        return 0 if known else NATIVE_TABLES

    def charge(self, content: UnitContent, profile: Profile) -> None:
        """Take a unit's cost from the allowance, before anything of it is done.

        Raises:
            CapacityError: it is too much for so few bytes.
        """
        cost, offset = unit_cost(content, profile), content.payload_offset
        element = "feature_data" if content.part is None else "feature_part"
        self.output += cost.output
        self.work(cost.work + self._tables_work(content), element, offset)
        self.memory(cost.memory, len(content.payload), element, offset)
        if content.whole is not None:
            p = content.whole
            self._open[p.id] = p.axes.elements * (p.dtype.itemsize + LEVEL_BYTES * (DigestKind.LEVELS in p.digests))
        if content.tensor.layer is not None:
            self._open[content.tensor.id] = cost.elements
        if content.whole is not None or content.tensor.layer is not None:
            self.memory(sum(self._open.values()), self.read(), element, offset)
        if self.keeps:
            self._kept += cost.elements + cost.output
            self.memory(self._kept, self.read(), element, offset)
