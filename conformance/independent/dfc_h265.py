"""What 8.4 of the specification constrains in the parameter sets and slice headers of H.265, read by H.265 (7.3, E.2)
into dictionaries. Part of dfc_decoder.py; ValueError: a NAL unit ends early, or is something else.
"""

class Wrong(ValueError):
    """Something that 8.4.8 names; its text is the requirement."""

class Fields:
    """The bits of a NAL unit after its header, without emulation prevention."""
    def __init__(self, nal):
        data = nal[2:].replace(b"\0\0\3", b"\0\0")
        self.bits, self.pos = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}", 0
    def u(self, n=1):
        if self.pos + n > len(self.bits):
            raise ValueError("a NAL unit ends early")
        self.pos += n
        return int(self.bits[self.pos - n:self.pos] or "0", 2)
    def ue(self):
        zeros = self.bits.find("1", self.pos) - self.pos
        if not 0 <= zeros < 32:
            raise ValueError("no Exp-Golomb code")
        self.pos += zeros
        return self.u(zeros + 1) - 1
    def se(self):
        k = self.ue()
        return k // 2 + 1 if k % 2 else -(k // 2)
    def many(self, n):
        for _ in range(n):
            self.ue()
    def end(self):
        if self.bits[self.pos:].rstrip("0") != "1" or len(self.bits) - self.pos > 8:
            raise ValueError("a parameter set goes on after its end")

def sps(nal):
    f, s = Fields(nal), {}
    s["vps"], layers = f.u(4), f.u(3)
    f.u(97)
    flags = [(f.u(), f.u()) for _ in range(layers)]
    f.u(2 * (8 - layers) if layers else 0)
    for has_profile, has_level in flags:
        f.u(88 * has_profile + 8 * has_level)
    s["id"] = f.ue()
    if f.ue() == 3:                                     # chroma_format_idc
        f.u()
    width, height = f.ue(), f.ue()
    f.many(4 if f.u() else 0)                           # conformance window
    f.many(2)
    s["poc"] = f.ue() + 4
    f.many(3 * (layers + 1 if f.u() else 1))
    least, block = (least := f.ue() + 3), least + f.ue()
    if s["id"] > 15 or least > 6 or not 4 <= block <= 6 or s["poc"] > 16:
        raise Wrong("hevc.configuration" if s["id"] > 15 else "hevc.sps")
    blocks = (width + (1 << block) - 1 >> block) * (height + (1 << block) - 1 >> block)
    s["address"] = max(0, blocks - 1).bit_length()
    small, large = (small := f.ue() + 2), small + f.ue()
    s["right"] = layers <= 6 and width and height and not (width | height) % (1 << least) and small < least
    s["right"] = s["right"] and large <= min(block, 5)
    f.many(2)
    if f.u() and f.u():
        scaling_lists(f)
    f.u()
    s["sao"] = f.u()
    if f.u():                                           # PCM
        f.u(8)
        f.many(2)
        f.u()
    s["short"] = []
    for i in range(total := f.ue()):
        s["short"].append(short_set(f, s["short"], i, total))
    s["long"] = [(f.u(s["poc"]), f.u())[1] for _ in range(f.ue())] if f.u() else None
    s["motion"] = f.u()
    f.u()
    if f.u():
        usability(f, layers)
    ranged, s["other"] = (f.u(), f.u(7)) if f.u() else (0, 0)
    names = "rotation context implicit explicit precision smoothing offsets rice alignment".split()
    s |= {name: f.u() if ranged and not s["other"] else 0 for name in names}
    if not s["other"]:
        f.end()
    return s

def scaling_lists(f):
    for size, matrices in enumerate((6, 6, 6, 2)):
        for _ in range(matrices):
            f.many((16, 64, 65, 65)[size] if f.u() else 1)

def short_set(f, earlier, i, total):
    """7.4.8: (DeltaPoc, used) in the order of the entries: those before, then those after, by distance."""
    entries = []
    if i and f.u():
        back = 1 + (f.ue() if i == total else 0)
        if back > i:
            raise ValueError("no such reference picture set")
        delta = -1 if f.u() else 1
        delta *= 1 + f.ue()
        for poc, _ in [*earlier[i - back], (0, 0)]:
            used = f.u()
            kept = used or f.u()
            entries += [(poc + delta, used)] * (kept and poc + delta != 0)
    else:
        before, after = f.ue(), f.ue()
        for sign, n in ((-1, before), (1, after)):
            poc = 0
            for _ in range(n):
                poc += sign * (f.ue() + 1)
                entries.append((poc, f.u()))
    return sorted((e for e in entries if e[0] < 0), reverse=True) + sorted(e for e in entries if e[0] > 0)

def usability(f, layers):
    if f.u() and f.u(8) == 255:
        f.u(32)
    if f.u():
        f.u()
    if f.u():
        f.u(4)
        f.u(24 if f.u() else 0)
    f.many(2 if f.u() else 0)
    f.u(3)
    f.many(4 if f.u() else 0)
    if f.u():
        f.u(64)
        f.many(f.u())
        if f.u():                                       # HRD
            kinds = f.u() + f.u()
            parts = kinds and f.u()
            f.u((42 if parts else 23) + 4 * parts if kinds else 0)
            for _ in range(layers + 1):
                low = 0
                if f.u() or f.u():
                    f.ue()
                else:
                    low = f.u()
                for _ in range(kinds * (1 if low else 1 + f.ue())):
                    f.many(4 if parts else 2)
                    f.u()
    if f.u():
        f.u(3)
        f.many(5)

def pps(nal):
    f, p = Fields(nal), {}
    number, p["sps"] = f.ue(), f.ue()
    p["dependent"], p["output"], p["extra"], _, p["init"] = f.u(), f.u(), f.u(3), f.u(), f.u()
    p["active"] = f.ue() + 1, f.ue() + 1
    p["qp"] = 26 + f.se()
    f.u()
    skip, p["delta"] = f.u(), f.u()
    f.many(p["delta"] + 2)
    p["offsets"] = f.u()
    p["weighted"], p["bypass"], tiles, rows = (f.u(), f.u()), f.u(), f.u(), f.u()
    p["substreams"] = tiles or rows
    if tiles:
        sizes = f.ue() + f.ue()
        f.many(0 if f.u() else sizes)
        f.u()
    p["across"], p["override"], p["unfiltered"] = f.u(), 0, 0
    if f.u():
        p["override"], p["unfiltered"] = f.u(), f.u()
        f.many(0 if p["unfiltered"] else 2)
    if f.u():
        scaling_lists(f)
    p["lists"] = f.u()
    f.ue()
    p["extension"] = f.u()
    ranged, p["other"] = (f.u(), f.u(7)) if f.u() else (0, 0)
    p["cross"] = p["chroma"] = 0
    if ranged and not p["other"]:
        f.many(skip)
        p["cross"] = f.u()
        p["chroma"] = f.u()
        f.many(0 if p["cross"] or p["chroma"] else 2)
    if not p["other"] and not p["cross"] and not p["chroma"]:
        f.end()
    return number, p

def constraints(vps, s, pictures, depth):
    """8.4.1, 8.4.8: requirement and whether it holds, for a VPS, an SPS and all PPSs with their ids."""
    ids = [s["vps"] == vps[2] >> 4, *(number <= 63 and p["sps"] == s["id"] for number, p in pictures)]
    pictures = [p for _, p in pictures]
    excluded = s["other"], s["precision"], s["alignment"], *(p[k] for p in pictures for k in ("other", "cross", "chroma"))
    return {"hevc.configuration": all(ids), "hevc.sps": s["right"], "hevc.profile": not any(excluded),
            "hevc.bypass": not (any(p["bypass"] for p in pictures) and (s["rotation"] or s["implicit"])),
            "hevc.weights": not (any(any(p["weighted"]) for p in pictures) and s["offsets"]),
            "hevc.qp": depth != 12 or not any(p["delta"] for p in pictures)}

def slice_segment(nal, s, pictures, depth):
    """slice_type, and at 12 bits SliceQpY, of a slice segment with its header and substreams; I and 0 of a dependent one."""
    f, kind = Fields(nal[:65536]), nal[0] >> 1          # no header of H.265 has more
    first = f.u()
    if kind >= 16 and f.u():
        raise Wrong("hevc.picture-count")               # no_output_of_prior_pics_flag
    if (number := f.ue()) not in pictures:
        raise Wrong("hevc.slice-header")
    p, dependent, found = pictures[number], 0, (2, 0)
    if not first:
        dependent = p["dependent"] and f.u()
        f.u(s["address"])
    if not dependent:
        slice_type, qp = slice_header(f, kind, s, p)
        found = slice_type, qp if depth == 12 else 0
    offsets = []
    if p["substreams"] and (count := f.ue()):
        bits = f.ue() + 1
        for _ in range(count):
            offsets.append(f.u(bits) + 1)
    f.u(8 * f.ue() if p["extension"] else 0)
    if "1".ljust(8 - f.pos % 8, "0") != f.bits[f.pos:f.pos + 8 - f.pos % 8]:
        raise ValueError("no byte_alignment( )")
    while nal.endswith(b"\0\0\3"):                      # cabac_zero_words
        nal = nal[:-3]
    header, start = f.pos // 8 + 1, 0
    while header + (escapes := nal[2:start].count(b"\0\0\3")) + 2 > start:
        start = header + escapes + 2
    if min([*offsets, len(nal) - start - sum(offsets)]) < 2:
        raise Wrong("hevc.slice-data")
    return found

def entry(known, index):
    """What a slice header takes from the SPS."""
    if index >= len(known):
        raise ValueError("no such reference pictures")
    return known[index]

def slice_header(f, kind, s, p):
    """7.3.6.1 for an independent slice segment up to the entry points: slice_type (0 B, 1 P, 2 I) and SliceQpY (7-54)."""
    f.u(p["extra"])
    slice_type, used, motion = f.ue(), 0, 0
    if slice_type > 2:
        raise ValueError("no such slice_type")
    f.u(p["output"])
    if kind not in (19, 20):
        f.u(s["poc"])
        sets = s["short"]
        bits = max(0, len(sets) - 1).bit_length()
        chosen = f.u(bits) if f.u() else None
        used = sum(u for _, u in (short_set(f, sets, len(sets), len(sets)) if chosen is None else entry(sets, chosen)))
        if s["long"] is not None:
            named = f.ue() if s["long"] else 0
            for i in range(named + f.ue()):
                if i < named:
                    used += entry(s["long"], f.u(max(0, len(s["long"]) - 1).bit_length()))
                else:
                    f.u(s["poc"])
                    used += f.u()
                f.many(f.u())
        motion = f.u(s["motion"])
    offset = f.u(s["sao"])
    if slice_type < 2:
        n = [*p["active"]][:2 - slice_type]
        if f.u():
            n = [f.ue() + 1 for _ in n]
        for entries in n if p["lists"] and used > 1 else ():
            f.u((used - 1).bit_length() * entries if f.u() else 0)
        f.u((slice_type == 0) + p["init"])
        if motion:
            other = slice_type == 0 and not f.u()
            f.many(n[other] > 1)
        if p["weighted"][slice_type == 0]:
            f.ue()
            for entries in n:
                f.many(2 * sum([f.u() for _ in range(entries)]))
        f.ue()
    qp = p["qp"] + f.se()
    f.many(2 * p["offsets"])
    unfiltered = p["unfiltered"]
    if p["override"] and f.u():
        unfiltered = f.u()
        f.many(0 if unfiltered else 2)
    f.u(p["across"] and (offset or not unfiltered))
    return slice_type, qp
