"""Decoder of Deep Feature Coding (DFC) 1.1 bitstreams: written from spec/ alone, independent of refsw, slow and simple
on purpose. Run it with `python dfc_decoder.py IN.dfc OUT.npz`, or call decode(data), which raises Reject.

Exit code 0: OUT.npz has one member for each tensor, under its name (9.2); bfloat16, which numpy does not have, is
written as float32, which holds it exactly, with "@bfloat16" after the name. 65: IN.dfc does not conform, 69: it needs
what this decoder lacks, such as VVC of 8 bits; then there is no output file. Needs numpy, Pillow, PyAV, and ml_dtypes
for bfloat16. Units are in dfc_units.py, dequantization in dfc_values.py, HEVC and VVC in dfc_video.py, what is
constrained within HEVC in dfc_h265.py, the forms of images in dfc_images.py, the channel transform in dfc_transform.py,
layers in dfc_layers.py, samples of which parts are missing in dfc_incomplete.py; bitstreams of profile MODEL
(chapter 10) are for dfc_models.py, which shares the units.
"""
import hashlib
import math
import re
import sys
import zipfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import dfc_native
from dfc_layers import Layer
from dfc_transform import Transform
from dfc_units import (C, CAPACITY, CHANNEL, CODECS, COMPLETE, DATA, DEPTHS, DIGEST, END, EXTENDED, EXTENSIONS, FPS, H,
                       HEVC, INTER, J2K, LAYOUTS, LOG_NONNEGATIVE, METADATA, N, NATIVE, NONE, OF_MODELS, ONE_CHANNEL,
                       PART, PNG, PROFILES, QUILT, RESILIENT, ROLES, SAMPLE, SCOPES, SEQUENCE, SINCE, STORAGE, T, TYPES,
                       UNIFORM, VVC, W, XZ, Bits, Units, known)
from dfc_values import expand, logarithmic, read_image, to_type, uniform
from dfc_video import Reject, hevc_pictures, need, vvc_pictures

class Decoder(Units):
    """The feature tensors of a bitstream; tensors holds them. model is the digest of the receiver's model (9.6)."""
    def __init__(self, data, model=None):
        self.model, self.tensors, self.last_first, self.kept = model, {}, 0, 0
        self.readers = {FPS: self.parameter_set, DATA: self.feature_data, DIGEST: self.digest, METADATA: self.metadata,
                        END: self.end, PART: self.feature_part}
        super().__init__(data, set(PROFILES) - OF_MODELS)
    def unit(self, kind, r):
        need(self.tensors or kind in (FPS, METADATA), "order.units")
        self.readers[kind](r)
    def parameter_set(self, r):
        t = Tensor(r, self)
        if t.layer and t.id not in self.tensors:
            t.layer.join(t, self)
        need(self.tensors.setdefault(t.id, t).body == r.data, "order.parameter-set-repeated")
        need(None in (self.model, t.model) or self.model == t.model, "fps.model-digest", "features of another model")
        self.limit("parameter-sets", len(self.tensors))
        need(len({t.name for t in self.tensors.values()}) == len(self.tensors), "fps.layer-id-unique")
    def base_layer(self, number):
        need(number in self.tensors, "layer.base")
        return self.tensors[number]
    def tensor(self, r, structure):
        number = r.ue(63, structure + ".parameter_set_id")
        need(number in self.tensors, "order.parameter-set-first")
        return self.tensors[number]
    def feature_data(self, r):
        t = self.tensor(r, "feature_data")
        first, count = r.ue(), r.ue() + 1
        need(not t.parts, "part.units")
        need(t.many or first + count == 1, "fps.single-sample")
        self.limit("unit-elements", count * t.size)
        self.limit("unit-pictures", count * -(-t.inside[0] // (t.R * t.G)))
        self.place(t, first, count)
        if t.layer:
            self.place_layer(t.layer.base, first, count)
        t.add(first, t.decode_samples(r, count))
    def feature_part(self, r):
        t = self.tensor(r, "feature_part")
        index, number = r.ue(), r.u(max(0, t.parts - 1).bit_length())
        need(number < t.parts, "feature_part.part_index")
        need(t.many or index == 0, "fps.single-sample")
        self.limit("unit-pictures", -(-len(t.part(number)[0]) // (t.R * t.G)))
        self.place(t, index, 1)
        need(index not in t.samples or number not in t.samples[index].came, "part.once")
        t.add(index, [t.decode_part(r, number)], number)
    def place(self, t, first, count):
        """Whether samples may come here (9.1, 9.10.2), and whether there is room for them."""
        last = len(t.samples) - 1
        if first != last + 1:
            need(t.parts and first == last, "order.samples")
        elif t.parts:
            need(t.whole(last), "part.complete")
        need(first >= self.last_first, "order.access-units")
        self.last_first, self.kept = first, self.kept + count * t.elements * (first > last)
        need(self.kept <= CAPACITY, "level.capacity", exit_code=69)
    def place_layer(self, base, first, count):
        """Whether samples of a layer may come here (9.11.2)."""
        need(not base or base.last_unit == (first, count), "layer.units")
    def digest(self, r):
        t = self.tensor(r, "digest")
        kind = known(r.u(2), (0, 1), "digest.digest_kind", self.later)
        first, count, length = r.ue(), r.ue() + 1, r.u(5) + 1
        need(length >= 4, "digest.digest_length_minus1")
        value = r.b(length)
        r.align()
        need(t.announced[kind], "digest.announced")
        self.cover(t, kind, first, count, value)
    def cover(self, t, kind, first, count, value):
        need(t.whole(len(t.samples) - 1), "part.complete")
        need(first == t.digested[kind] and first + count == len(t.samples), "digest.coverage")
        t.digested[kind] = len(t.samples)
        need(t.digest(kind, first, count)[:len(value)] == value, "digest.value")
    def end(self, r):
        need(self.counts(r) == [len(t.samples) for t in self.tensors.values()], "end.sample-counts")
        for t in self.tensors.values():
            need(t.many or t.samples, "fps.single-sample")
            need(t.whole(len(t.samples) - 1), "part.complete")
            need(all(t.digested[k] == len(t.samples) for k in (0, 1) if t.announced[k]), "digest.complete")

class Some(Decoder):
    """The tensors of these names and those of their chains; the units of others are passed over (5.7, 9.11.4)."""
    def __init__(self, data, names, model=None):
        self.names, self.wanted = names, None
        super().__init__(data, model)
    def scan(self, pos):
        super().scan(pos)               # the parameter sets, which may come late
        chosen = [t for t in self.tensors.values() if t.name in self.names]
        self.wanted = {one.id for t in chosen for one in (t.layer.chain if t.layer else [t])}
        self.crcs = self.data[8:12]
        super().scan(pos)
    def unit(self, kind, r):
        if kind in (DATA, PART, DIGEST) and (not self.wanted or Bits(r.data).ue() not in self.wanted):
            r.pos = 8 * len(r.data)
        else:
            super().unit(kind, r)
    def end(self, r):
        self.counts(r)

class Sample:
    """Levels, where they are digested, and elements X[ c ][ y ][ x ] of a sample (7.1), and the parts that came."""
    def __init__(self, levels, values):
        self.levels, self.values, self.came = levels, values, set()

class Tensor:
    """A feature parameter set (6.5, 9.2), and the samples decoded with it."""
    def __init__(self, r, stream):
        p, later = "feature_parameter_set.", stream.later
        self.body, self.samples, self.digested, self.later = r.data, {}, [0, 0], later
        self.id = r.ue(63, p + "parameter_set_id")
        names = [r.utf8(r.u(8), "fps.utf8") for _ in range(2)]
        self.name = names[1] or f"tensor{self.id}"
        self.model = r.b(32) if r.u(1) else None
        roles, extent, clock = [], {}, None
        for _ in range(r.u(2) + 1):
            roles.append(known(r.u(3), ROLES, p + "axis_role", later))
            if roles[-1] <= W:
                extent[roles[-1]] = r.ue((1 << 24) - 1, p + "axis_extent_minus1") + 1
            elif roles[-1] == T:
                clock = r.u(32), r.u(32)
                need(clock[0], p + "time_scale")
                need(clock[1], p + "time_step")
        self.shape = self.channels, self.rows, self.columns = [extent.get(a, 1) for a in (C, H, W)]
        self.elements, self.many = self.channels * self.rows * self.columns, not extent.keys() >= set(roles)
        self.type = TYPES[known(r.u(4), range(len(TYPES)), p + "element_type", later)]
        self.same = roles, extent, clock, self.type             # as in the base layer (9.11.2)
        self.quantizer, self.scope, self.depth, self.ranges = r.u(2), SEQUENCE, None, []
        if self.quantizer != NONE:
            self.depth = r.u(4) + 1
            self.top = (1 << self.depth) - 1
            self.scope = known(r.u(2), SCOPES, p + "range_scope", later)
            need(self.scope != CHANNEL or self.channels <= 65536, p + "range_scope")
            self.ranges = self.read_ranges(r, (0, 1, self.channels)[self.scope], p + "range")
        codecs = CODECS if stream.profile >= RESILIENT else CODECS[:NATIVE]
        self.codec = known(r.u(8), codecs, p + "payload_codec", later)
        self.layout = known(r.u(2), LAYOUTS, p + "repack_layout", later)
        grid = [p + "grid_rows_minus1", p + "grid_columns_minus1"]
        self.R, self.G = [r.ue((1 << 24) - 1, x) + 1 for x in grid] if self.layout != ONE_CHANNEL else (1, 1)
        self.width, self.height = r.ue() + 1, r.ue() + 1
        ordered, order = r.u(1), np.arange(self.channels)
        self.ordered = ordered
        need(not ordered or self.channels <= 65536, p + "channel_order_flag")
        if ordered:
            order = [r.u(max(1, (self.channels - 1).bit_length())) for _ in order]
            need(max(order) < self.channels, p + "channel_order")
        self.word = np.dtype(STORAGE[self.type] if self.quantizer == NONE else "u1" if self.depth <= 8 else "<u2")
        self.announced = r.u(1), r.u(1)
        need(self.quantizer != NONE or not self.announced[1], p + "levels_digest_flag")
        self.configuration = r.b(r.ue())
        r.align()
        self.parts, self.groups, self.band, self.predicts = 0, 1, self.rows, 0
        self.layer, self.transform, self.last_unit = None, None, None
        if stream.profile >= RESILIENT:
            self.extension(r, stream)
        self.inside = self.transform.shape if self.transform else self.shape        # what pictures hold (7.5, 7.6)
        self.band = self.inside[1] if self.transform else self.band
        self.size = max(self.elements, math.prod(self.inside))
        raw, image, configured = self.quantizer == NONE, PNG <= self.codec <= J2K, self.configuration != b""
        margins = self.width - self.G * self.inside[2], self.height - self.R * self.band
        for requirement, holds in {
                "fps.name-characters": not re.search("[\0-\x1f\x7f]", "".join(names)),
                "fps.axis-once": len(set(roles)) == len(roles) and not {N, T} <= set(roles),
                "fps.sample-axis-first": not self.many or roles[0] in (N, T), "fps.sample-has-axis": extent,
                "fps.unquantized-codec": not raw or self.codec <= XZ,
                "fps.quantized-type": raw or self.type in TYPES[:4],
                "fps.codec-bit-depth": raw or self.depth in DEPTHS.get(self.codec, range(1, 17)),
                "fps.coded-size": 0 <= min(margins) <= max(margins) < 64,
                "fps.grid-cells": self.R * self.G < 2 * -(-self.inside[0] // self.groups) + 64,
                "fps.time-prediction": not self.predicts or self.codec == NATIVE and T in roles and not self.parts,
                "fps.channel-order": not ordered or len(set(order)) == self.channels,
                "profile.codec": self.codec in PROFILES[stream.profile],
                "bytes.no-configuration": not (configured and self.codec <= XZ),
                "image.no-configuration": not (configured and image)}.items():
            need(holds, requirement)
        stream.limit("sample-elements", self.size)
        stream.limit("picture-side", max(self.width, self.height))
        stream.limit("picture-elements", self.width * self.height)
        stream.limit("sample-parts", self.parts)
        self.order = np.array(order)
        self.varies = np.ones(self.channels, bool)      # but for the constant channels
        if self.scope == CHANNEL:
            self.varies = np.array([lo < hi for lo, hi in self.ranges])
        axes = [a for a in roles if a <= W]
        if self.codec == NATIVE:
            self.native = dfc_native.Start(self)
        self.transpose = axes + [a for a in (C, H, W) if a not in axes]
        self.sample_shape = [extent[a] for a in axes]
        if self.codec == HEVC:
            self.inter = stream.profile in (INTER, EXTENDED, COMPLETE)
            hevc_pictures(self)
    def read_ranges(self, r, count, element):
        ranges = []
        for _ in range(count):
            lo = 0.0 if self.quantizer == LOG_NONNEGATIVE else r.f32(element + "_minimum")
            ranges.append((lo, r.f32(element + "_maximum")))
            need(lo <= ranges[-1][1], "range.order")
        return ranges
    def extension(self, r, stream):
        """feature_extension( ) (6.12)."""
        p, has = "feature_extension.", set()
        for name in ("parts", "layers", "time_prediction", "channel_transform"):
            if r.u(1):
                need(stream.profile >= SINCE[name], f"{p}{name}_flag", "of a later version", 69)
                has.add(name)
        need(not r.u(4), p + "other_extension_flags", "of a later version", 69)
        need(has <= EXTENSIONS[stream.profile], "profile.extension")
        self.predicts = "time_prediction" in has
        if "parts" in has:
            need("layers" not in has, "layer.parts")
            self.band = r.ue(self.rows - 1, p + "part_rows_minus1") + 1
            self.groups = r.ue(self.channels - 1, p + "channel_groups_minus1") + 1
            self.parts = -(-self.rows // self.band) * self.groups
        if "layers" in has:
            self.layer = Layer(r, self)
        if "channel_transform" in has:
            self.transform = Transform(r, self, stream)
        r.align()
    def part(self, number):
        """Channels and rows of a part (9.10.1)."""
        band, group = divmod(number, self.groups)
        return self.order[group::self.groups], slice(band * self.band, min((band + 1) * self.band, self.rows))
    def whole_sample(self):
        count, rows, _ = self.inside
        if self.transform:
            return np.arange(count), slice(0, rows), np.arange(count)
        coded = self.varies & self.layer.carries if self.layer else self.varies
        return np.arange(count), slice(0, rows), self.order[coded[self.order]]
    def whole(self, index):
        """Whether all parts of a sample have come."""
        return not self.parts or index < 0 or index in self.samples and len(self.samples[index].came) == self.parts
    def decode_samples(self, r, count):
        """The rest of a feature data unit (6.6, 9.4): what add takes, for every sample."""
        return self.decode_rest(r, "feature_data.sample", [self.whole_sample()] * count)
    def decode_part(self, r, number):
        """The rest of a feature part unit (6.13, 9.10.3)."""
        channels, rows = self.part(number)
        return self.decode_rest(r, "feature_part.part", [(channels, rows, np.flatnonzero(self.varies[channels]))])[0]
    def decode_rest(self, r, element, places):
        """Places are channels, rows, and which of these channels are coded, in the order of coding."""
        own = self.read_ranges(r, len(places) if self.scope == SAMPLE else 0, element)
        ranges = [[pair] for pair in own] or [self.ranges] * len(places)
        r.align()
        used = [0 if self.scope != CHANNEL and any(lo == hi for lo, hi in pairs)
                else -(-len(coded) // (self.R * self.G))
                for pairs, (_, _, coded) in zip(ranges, places, strict=True)]
        self.pictures_of_a_unit = used
        pictures = self.read_pictures(r.data[r.pos // 8:], sum(used))
        need(self.quantizer == NONE or not (pictures > self.top).any(), "payload.level-range")
        of_each = np.split(pictures, np.cumsum(used)[:-1])
        return [(*place[:2], *self.unpack(part, pairs, *place))
                for place, pairs, part in zip(places, ranges, of_each, strict=True)]
    def read_pictures(self, payload, total):
        if not total:
            need(not payload, "payload.empty")
            return np.zeros((0, self.height, self.width), self.word)
        if self.codec == NATIVE:
            return self.native.pictures(self, payload, total)
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
    def unpack(self, pictures, ranges, channels, rows, coded):
        """Levels (7.5) and elements (7.4) of channels and rows; there are no pictures if they are constant."""
        columns = self.inside[2]
        levels = np.zeros((len(channels), rows.stop - rows.start, columns), self.word)
        if len(pictures):
            area = pictures[:, :self.R * self.band, :self.G * columns]
            if self.layout == QUILT:
                cells = area.reshape(-1, self.band, self.R, columns, self.G).transpose(0, 2, 4, 1, 3)
            else:
                cells = area.reshape(-1, self.R, self.band, self.G, columns).transpose(0, 1, 3, 2, 4)
            levels[coded] = cells.reshape(-1, self.band, columns)[:len(coded), :levels.shape[1]]
        if self.quantizer == NONE:
            return levels, levels
        v = self.dequantize(levels, [ranges[c] for c in channels] if self.scope == CHANNEL else ranges)
        return levels, v if self.layer and self.layer.refines else to_type(v, self.type)
    def dequantize(self, levels, ranges):
        """Binary32 values v (7.4.1)."""
        lo, hi = np.array(ranges).reshape(-1, 2).T.reshape(2, -1, 1, 1)
        if self.transform and lo < hi:
            return self.transform.values(levels, self, lo, hi)
        if self.transform:
            return np.full(self.shape, lo, "<f4")
        if self.quantizer == UNIFORM:
            return uniform(levels, self.top, lo, hi)
        out = []
        for one, pair in zip(levels if self.scope == CHANNEL else [levels], ranges, strict=True):
            q, where = np.unique(one, return_inverse=True)
            out.append(logarithmic(q, self.top, *pair)[where])
        return np.array(out, "<f4").reshape(levels.shape)
    def add(self, first, decoded, number=None):
        """Samples, or a part of one, as decode_samples and decode_part give them."""
        self.last_unit = first, len(decoded)
        for index, (channels, rows, levels, values) in enumerate(decoded, first):
            levels = levels.astype("<u2") if self.announced[1] else None
            if self.layer:
                values = self.layer.whole(self, index, values)
            if number is None:
                self.samples[index] = Sample(levels, values)
                continue
            if index not in self.samples:
                self.samples[index] = Sample(np.zeros(self.shape, "<u2"), np.zeros(self.shape, STORAGE[self.type]))
            sample = self.samples[index]
            sample.came.add(number)
            sample.values[channels, rows] = values
            if self.announced[1]:
                sample.levels[channels, rows] = levels
    def digest(self, kind, first, count):
        """SHA-256 of consecutive samples (9.5.1)."""
        name, extents = ((self.type, self.sample_shape), ("levels", self.inside))[kind]
        sha = hashlib.sha256(f"{name} {'x'.join(map(str, extents))}\n".encode())
        for index in range(first, first + count):
            sample = self.samples[index]
            sha.update(sample.levels.tobytes() if kind else self.put_out(sample.values).tobytes())
        return sha.digest()
    def put_out(self, sample):
        """A sample in the order of its axes (7.1)."""
        return np.ascontiguousarray(sample.transpose(self.transpose)).reshape(self.sample_shape)
    def array(self):
        samples = [self.put_out(self.samples[index].values) for index in range(len(self.samples))]
        return self.stack(samples, STORAGE[self.type])
    def stack(self, samples, dtype):
        out = np.stack(samples) if samples else np.zeros((0, *self.sample_shape), dtype)
        if self.type == "bfloat16" and out.dtype != bool:
            import ml_dtypes
            out = out.view(ml_dtypes.bfloat16)
        return out if self.many else out[0]

# ---- output
def decode(data, model=None, names=None):
    """All tensors by name, or those of these names alone."""
    if names is None:
        return {t.name: t.array() for t in Decoder(data, model).tensors.values()}
    return {t.name: t.array() for t in Some(data, names, model).tensors.values() if t.name in names}

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
