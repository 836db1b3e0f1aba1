"""Channel transform (7.6): from the levels of components to the values of channels; part of dfc_decoder.py."""
import numpy as np
from dfc_units import CHANNEL, UNIFORM, Bits
from dfc_video import need

class Transform:
    """transform_extension( ) of a parameter set (6.21). shape: number, rows and columns of components."""
    def __init__(self, r, t, stream):
        p = "transform_extension."
        self.split = 2 if r.u(1) else 1
        self.inputs = self.split**2 * t.channels                # N
        count = r.ue(min(4096, self.inputs), p + "component_count")
        self.shape = count, -(-t.rows // self.split), -(-t.columns // self.split)
        self.prefix = r.ue(min(16, t.rows) if count == t.channels and self.split == 1 else 0, p + "prefix_rows")
        self.step = r.f32(p + "component_step")
        self.prefix_step = r.f32(p + "prefix_step") if self.prefix else 0.0
        shifts = [r.u(5) for _ in range(-(-count // (t.R * t.G)))] if r.u(1) else None
        data = r.b(r.ue()) if r.u(1) else None
        if data is None:
            r.b(32)                                             # transform_digest
        plain = t.quantizer == UNIFORM and t.scope != CHANNEL and not (t.ordered or t.parts or t.layer)
        need(plain, "fps.channel-transform")
        stream.limit("transform-entries", self.inputs * count)
        self.basis = None
        if data is not None:
            self.read(data)
            exponents = [e + (shifts[k // (t.R * t.G)] if shifts else 0) for k, e in enumerate(self.exponents)]
            width = sum(1 << bits - 2 + e + t.depth for bits, e in zip(self.bits, exponents, strict=True))
            need(width <= 1 << 53, "transform.width")
            self.basis = self.entries * (1 << np.array(exponents, "i8"))[:, None]
    def read(self, data):
        """channel_transform( ) (6.22, 7.6.3)."""
        p, r = "channel_transform.", Bits(data, "transform.bytes")
        n = r.ue(4095, p + "basis_channels_minus1") + 1
        count = r.ue(n, p + "basis_component_count")
        rows = r.ue(16 if count == n else 0, p + "basis_prefix_rows")
        self.mean = np.array([r.f32(p + "mean") for _ in range(n)])
        self.prefix_mean = np.array([[r.f32(p + "prefix_mean") for _ in range(n)] for _ in range(rows)])
        self.bits, self.exponents = [], []
        for _ in range(count):
            bits = r.u(4)
            need(bits <= 10, p + "component_bits_minus2")
            self.bits.append(bits + 2)
            self.exponents.append(r.u(5))
        r.align()
        rest, total = data[r.pos // 8:], n * sum(self.bits)
        need(len(rest) == (total + 7) // 8, "transform.bytes")
        stored, pos, self.entries = np.unpackbits(np.frombuffer(rest, "u1")), 0, np.zeros((count, n), "i8")
        need(not stored[total:].any(), "transform.bytes")
        for k, bits in enumerate(self.bits):
            words = stored[pos:pos + n * bits].reshape(n, bits).astype("i8")
            words[:, 0] *= -1                                   # two's complement
            self.entries[k] = words @ (1 << np.arange(bits)[::-1])
            pos += n * bits
        need((n, count, rows) == (self.inputs, self.shape[0], self.prefix), "transform.fit")
    def values(self, z, t, lo, hi):
        """Binary32 values of the channels (7.6.2, 7.6.4, 7.6.5)."""
        need(self.basis is not None, "named.unknown", "a transform that this decoder does not have", 69)
        z = z.astype("i8") - (1 << t.depth - 1)
        sums = np.tensordot(self.basis, z, (0, 0)).astype("f8")
        v = self.mean[:, None, None] + self.step * sums
        for y in range(self.prefix):
            v[:, y] = self.prefix_mean[y][:, None] + self.prefix_step * z[:, y].astype("f8")
        v = np.clip(v, lo, hi).astype("<f4")
        out = np.empty(t.shape, "<f4")
        for down in range(self.split):
            for right in range(self.split):
                place = out[:, down::self.split, right::self.split]
                phase = (2 * down + right) * t.channels
                place[...] = v[phase:phase + t.channels, :place.shape[1], :place.shape[2]]
        return out
