"""Layers of tensors (9.11): a tensor that stands for another one, alone or with a base layer; part of
dfc_decoder.py."""
import re

import numpy as np
from dfc_units import NONE, TYPES, known
from dfc_values import binary32, to_type
from dfc_video import need

KINDS = BASE, CHANNELS, REFINEMENT = range(3)

class Layer:
    """layer( ) of a parameter set (6.20). kept: the elements of the samples of the last unit, by index."""
    def __init__(self, r, t):
        self.kind, self.base, self.kept = known(r.u(2), KINDS, "layer.layer_kind", t.later), None, {}
        self.refines = self.kind == REFINEMENT
        self.base_id = None if self.kind == BASE else r.ue(63, "layer.base_parameter_set_id")
        purpose = r.utf8(r.u(8), "fps.utf8")
        need(not re.search("[\0-\x1f\x7f]", purpose), "fps.name-characters")
        some, self.fill = r.u(1), np.zeros(t.channels, "<f4")
        need(not some or t.channels <= 65536, "layer.carried_flag")
        self.carries = np.array([r.u(1) if some else 1 for _ in range(t.channels)], bool)
        if some and self.kind == BASE and r.u(1):
            need(t.type in TYPES[:4], "layer.fill_flag")
            for c in np.flatnonzero(~self.carries):
                self.fill[c] = r.f32("layer.fill_value")
    def join(self, t, stream):
        """Finds the base layer of t, whose first parameter set this is, and checks its chain (9.11.2)."""
        need(self.carries.any(), "layer.channels")
        others, self.chain = np.zeros(t.channels, bool), [t]
        if self.kind != BASE:
            base = stream.base_layer(self.base_id)
            need(base.layer, "layer.base")
            need(t.same == base.same, "layer.same-tensor")
            self.base, self.chain = base, [*base.layer.chain, t]
            others = np.any([other.layer.carries for other in base.layer.chain], axis=0)
        if self.kind == CHANNELS:
            need(not (self.carries & others).any(), "layer.channels")
        if self.refines:
            need(not (self.carries & ~others).any(), "layer.channels")
        if any(one.layer.refines for one in self.chain):
            need(all(one.quantizer != NONE for one in self.chain), "layer.quantizers")
        stream.limit("layers", len(self.chain))
    def whole(self, t, index, values):
        """All elements of a sample, from what 9.4 gives for the channels that are carried (9.11.3)."""
        if index == t.last_unit[0]:
            self.kept = {}
        if self.base:
            out = self.base.layer.kept[index].copy()
        elif t.type in TYPES[:4]:
            out = np.broadcast_to(to_type(self.fill[:, None, None], t.type), t.shape).copy()
        else:
            out = np.zeros(t.shape, values.dtype)
        mine = values[self.carries]
        if self.refines:
            with np.errstate(over="ignore"):
                most = np.finfo("f4").max
                mine = to_type(np.clip(binary32(out[self.carries], t.type) + mine, -most, most), t.type)
        out[self.carries] = mine
        self.kept[index] = out
        return out
