"""Payloads of HEVC (8.4) and VVC (8.5) by FFmpeg; part of dfc_decoder.py, with the error that it raises."""
import re

import av
import dfc_h265
import numpy as np

class Reject(Exception):
    """The bitstream is not decoded; exit_code is 65 (not conforming) or 69 (unsupported)."""
    def __init__(self, requirement, why="", exit_code=65):
        super().__init__(f"{requirement}: {why}" if why else requirement)
        self.requirement, self.exit_code = requirement, exit_code

def need(condition, requirement, why="", exit_code=65):
    if not condition:
        raise Reject(requirement, why, exit_code)

def nal_units(stream):
    first, *units = (part.rstrip(b"\0") for part in re.split(b"\0\0\1", stream))
    need(units and not first, "hevc.start-code")
    need(all(len(unit) >= 3 for unit in units), "hevc.nal-length")
    need(all(unit[0] < 128 and unit[1] & 7 for unit in units), "hevc.nal-header")
    return units

def hevc_pictures(t, payload=b"", total=0):
    """The pictures of a payload; without a payload, a check of the parameter sets only (8.4.3, 8.4.4)."""
    units, start_code, frames = nal_units(t.configuration), b"\0\0\0\1", []
    kinds = [nal[0] if nal[1] < 8 else 0 for nal in units]              # nal_unit_type and nuh_layer_id
    need(kinds[:2] == [64, 66] and len(kinds) > 2 and set(kinds[2:]) == {68}, "hevc.configuration")
    try:
        sps, sets = dfc_h265.sps(units[1]), list(map(dfc_h265.pps, units[2:]))
    except dfc_h265.Wrong as error:
        raise Reject(str(error)) from error
    except ValueError as error:
        raise Reject("hevc.configuration", str(error)) from error
    for requirement, holds in dfc_h265.constraints(units[0], sps, sets, t.depth).items():
        need(holds, requirement)
    sets = dict(sets)                                                   # of those with one id, the last
    decoder = av.CodecContext.create("hevc", "r")
    decoder.thread_count, decoder.options = 1, {"err_detect": "explode+crccheck+bitstream+buffer"}
    decoder.extradata = start_code + start_code.join(units)
    try:
        decoder.open()
        found, expected = decoder.pix_fmt or "nothing", {8: "gray", 10: "gray10le", 12: "gray12le"}[t.depth]
        need(found == expected, "hevc.bit-depth" if found.startswith("gray") else "hevc.chroma-format", found)
        need((decoder.width, decoder.height) == (t.width, t.height), "hevc.picture-size")
        need(max(decoder.coded_width - t.width, decoder.coded_height - t.height) < 64, "hevc.cropping")
        if not total:
            return None
        units = nal_units(payload)
        allowed = {*range(0, 16, 2), *range(32, 44, 2), 78, 80}         # first byte: nal_unit_type, layer bit
        need(all(nal[0] in allowed and nal[1] < 8 for nal in units), "hevc.payload-nal-types")
        units = [nal for nal in units if nal[0] < 78]                   # SEI has no effect
        starts = [i for i, nal in enumerate(units) if nal[2] & 0x80]    # first_slice_segment_in_pic_flag
        need(units and units[0][0] >> 1 in (19, 20) and starts[:1] == [0], "hevc.first-picture")
        need(len(starts) == total, "hevc.picture-count")
        for nal in units:
            try:
                slice_type, qp = dfc_h265.slice_segment(nal, sps, sets, t.depth)
            except dfc_h265.Wrong:
                raise
            except ValueError as error:
                raise dfc_h265.Wrong("hevc.slice-header") from error
            need(t.inter or slice_type == 2, "hevc.intra-only")
            need(qp <= 49, "hevc.qp")
        for a, b in zip(starts, [*starts[1:], None], strict=True):
            frames += decoder.decode(av.Packet(start_code + start_code.join(units[a:b])))
        frames += decoder.decode(None)
    except dfc_h265.Wrong as error:
        raise Reject(str(error)) from error
    except (ValueError, av.error.FFmpegError) as error:
        raise Reject("hevc.decodes" if total else "hevc.stream", str(error)) from error
    need(len(frames) == total, "hevc.picture-count", f"{len(frames)} pictures come out")
    for frame in frames:
        need(not frame.is_corrupt, "hevc.decodes")
        need((frame.width, frame.height, frame.format.name) == (t.width, t.height, expected), "hevc.picture-size")
    return np.stack([frame.to_ndarray() for frame in frames])

def vvc_pictures(t, payload, total):
    """8.5, at 10 bits, which FFmpeg is known to decode rightly."""
    need(t.depth == 10 and "vvc" in av.codecs_available, "vvc.optional", exit_code=69)
    decoder, frames = av.CodecContext.create("vvc", "r"), []
    decoder.thread_count, decoder.options = 1, {"err_detect": "explode+crccheck+bitstream+buffer"}
    try:
        for packet in [*decoder.parse(t.configuration + payload), *decoder.parse(b""), None]:
            frames += decoder.decode(packet)
    except av.error.FFmpegError as error:
        raise Reject("vvc.stream", str(error)) from error
    found = [(frame.width, frame.height, frame.format.name, frame.is_corrupt) for frame in frames]
    need(found == [(t.width, t.height, "gray10le", False)] * total, "vvc.pictures")
    return np.stack([frame.to_ndarray() for frame in frames])
