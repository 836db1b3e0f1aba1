"""Makes payloads for the store, once: with the libraries and encoders of the machine that runs it first.

External encoders are found by environment variables: DFC_X265,
DFC_HM (a folder with TAppEncoderStatic and cfg), DFC_VVENC.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refsw.payload.base import EncoderSettings, PictureFormat
from refsw.payload.hevc import HevcCodec, hevc_configuration
from refsw.payload.registry import codec
from refsw.payload.sharing import separate
from refsw.profiles import INTER_PROFILES
from refsw.syntax.codes import PayloadCodec, Profile

if TYPE_CHECKING:
    from vectors.data import Array
    from vectors.tensors import Tensor

HM_CONFIGURATIONS = {
    "intra": "encoder_intra_main_rext.cfg",
    "randomaccess": "encoder_randomaccess_main_rext.cfg",
    "lowdelay": "encoder_lowdelay_P_main.cfg",
}


def encode(tensor: Tensor, units: list[Array], profile: Profile) -> tuple[list[bytes], dict[str, Any]]:
    """([configuration, payload of every unit], where they come from)."""
    height, width = tensor.coded
    depth = tensor.bits if tensor.quantizer != "NONE" else 8 * tensor.dtype.itemsize
    form = PictureFormat(height, width, depth, tensor.dtype, profile not in INTER_PROFILES)
    name = tensor.encoder.get("name", "refsw")
    if name == "refsw":
        return _library(tensor, units, form)
    if name == "pillow":
        return _pillow(tensor, units)
    streams, said = [], {}
    for pictures in units:
        stream, said = EXTERNAL[name](pictures, form, tensor.encoder)
        streams.append(stream)
    if tensor.codec == "VVC":
        return [b"", *streams], said
    separated = [_separate(stream, keep_sei=bool(tensor.encoder.get("sei"))) for stream in streams]
    if len({configuration for configuration, _ in separated}) != 1:
        raise ValueError("units of one tensor with different parameter sets")
    return [separated[0][0], *(payload for _, payload in separated)], said


def _separate(stream: bytes, keep_sei: bool) -> tuple[bytes, bytes]:
    configuration, slices = separate(stream)
    if not keep_sei:
        return configuration, slices
    from refsw.payload import nal

    kept = [unit for unit in nal.split(stream) if unit.is_slice or unit.type in (39, 40)]
    return configuration, nal.join(kept)


def _library(tensor: Tensor, units: list[Array], form: PictureFormat) -> tuple[list[bytes], dict[str, Any]]:
    options = {k: v for k, v in tensor.encoder.items() if k != "name"}
    settings = EncoderSettings(**({"qp": 22, "effort": "balanced"} | options))
    if tensor.codec == "HEVC":
        parts = [hevc_configuration(form, settings)]
        for pictures in units:
            if len(pictures) == 0:
                parts.append(b"")
                continue
            own, payload = HevcCodec().encode(pictures, form, settings)
            if own != parts[0]:
                raise ValueError("parameter sets differ")
            parts.append(payload)
        return parts, {"encoder": "x265 (PyAV)", "version": _version("av"), "options": options}
    implementation = codec(PayloadCodec[tensor.codec])
    parts = [b"", *(implementation.encode(p, form, settings)[1] if len(p) else b"" for p in units)]
    return parts, {"encoder": f"{tensor.codec} (Python libraries)", "version": _version("pillow"), "options": options}


def _pillow(tensor: Tensor, units: list[Array]) -> tuple[list[bytes], dict[str, Any]]:
    """Images with options of Pillow that refsw's encoder does not have."""
    import io

    from PIL import Image

    options = dict(tensor.encoder["options"])
    mode = options.pop("mode", None)
    said = dict(tensor.encoder["options"])
    if tensor.codec == "JPEG2000":
        options = {"no_jp2": True, "irreversible": False} | options
    for key in ("tile_size", "codeblock_size", "offset", "tile_offset"):
        if key in options:
            options[key] = tuple(options[key])
    parts = [b""]
    for pictures in units:
        payload = b""
        for picture in pictures:
            buffer = io.BytesIO()
            image = Image.fromarray(picture)
            (image.convert(mode) if mode else image).save(buffer, tensor.codec, **options)
            payload += len(buffer.getvalue()).to_bytes(4, "big") + buffer.getvalue()
        parts.append(payload)
    return parts, {"encoder": f"{tensor.codec} (Pillow)", "version": _version("pillow"), "options": said}


def _version(package: str) -> str:
    from importlib.metadata import version

    return f"{package} {version(package)}"


def _run(words: list[str], pictures: Array) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.yuv", Path(folder) / "out.bin"
        source.write_bytes(np.ascontiguousarray(pictures).tobytes())
        named = [w.replace("{input}", str(source)).replace("{output}", str(output)) for w in words]
        subprocess.run(named, check=True, capture_output=True, cwd=folder)
        return output.read_bytes()


def _said(encoder: str, version: str, words: list[str]) -> dict[str, Any]:
    return {"encoder": encoder, "version": version, "command": " ".join([Path(words[0]).name, *words[1:]])}


def _x265(pictures: Array, form: PictureFormat, options: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    program = os.environ.get("DFC_X265", "x265")
    depth = str(form.bit_depth)
    words = [program, "--input", "{input}", "--input-res", f"{form.width}x{form.height}", "--input-csp", "i400",
             "--input-depth", depth, "--output-depth", depth, "--fps", "25", "--keyint", "1", "--qp",
             str(options.get("qp", 30)), "--ipratio", "1", "--ctu", "16", "--no-info", "--output",
             "{output}"]  # fmt: skip
    return _run(words, pictures), _said("x265 (command)", "3.5+1-f0c1022b6", words)


def _hm(pictures: Array, form: PictureFormat, options: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    root = Path(os.environ.get("DFC_HM", "hm"))
    depth = form.bit_depth
    words = [str(root / "bin" / "TAppEncoderStatic"), "-c",
             str(root / "cfg" / HM_CONFIGURATIONS[options.get("mode", "intra")]),
             "--InputChromaFormat=400", "--ChromaFormatIDC=400", "-i", "{input}", "-wdt", str(form.width), "-hgt",
             str(form.height), "-f", str(len(pictures)), "-fr", "25", f"--InputBitDepth={depth}",
             f"--InternalBitDepth={depth}", f"--OutputBitDepth={depth}", "--ConformanceWindowMode=1",
             "--TransformSkip=1",
             "--Profile=main-RExt", "-q", str(options.get("qp", 30)), *options.get("extra", []), "-b", "{output}", "-o",
             "/dev/null"]  # fmt: skip
    return _run(words, pictures), _said("HM", "16.8 (including RExt)", [w.replace(str(root), "HM") for w in words])


def _vvenc(pictures: Array, form: PictureFormat, options: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    program = os.environ.get("DFC_VVENC", "vvencapp")
    words = [program, "-i", "{input}", "-s", f"{form.width}x{form.height}", "-c", "yuv400_10", "--preset",
    "medium", "-q",
             str(options.get("qp", 32)), "--internal-bitdepth", "10", "-f", str(len(pictures)), "-r", "25", "-t", "1",
             "-o", "{output}"]  # fmt: skip
    return _run(words, pictures), _said("vvenc", "of the command", words)


EXTERNAL = {"x265": _x265, "hm": _hm, "vvenc": _vvenc}
