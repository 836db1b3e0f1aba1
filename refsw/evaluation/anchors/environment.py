"""Informative: what a run ran with: the version of every codec and library that its results may depend on."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import refsw
from refsw.errors import UsageError
from refsw.evaluation.anchors.choices import CodecChoice
from refsw.evaluation.anchors.programs import program_identity
from refsw.lazy import importing
from refsw.syntax.codes import PayloadCodec

PACKAGES = ("av", "numpy", "onnxruntime", "pillow", "scipy", "torch")
NETWORK_PACKAGES = ("numpy", "onnxruntime", "pillow", "torch")
SOURCES = ("syntax", "tensor", "payload", "features")
EVALUATION = ("networks", "datasets", "tasks", "picture_codecs")
LONGEST = 100
LATER = {"mapping"}
"""What the identity of a test did not have at first."""
SHOWING = ("bdrate.py", "demo.py")
USED = {
    PayloadCodec.HEVC: ("x265", "libavcodec"),
    PayloadCodec.VVC: ("libavcodec",),
    PayloadCodec.ZLIB: ("zlib",),
    PayloadCodec.GZIP: ("zlib",),
    PayloadCodec.LZMA: ("liblzma",),
    PayloadCodec.PNG: ("pillow", "zlib in pillow"),
    PayloadCodec.JPEG: ("pillow", "libjpeg"),
    PayloadCodec.JPEG2000: ("pillow", "openjpeg"),
}
USED_BY_PICTURES = {
    "png": ("pillow", "zlib in pillow"),
    "jpeg": ("pillow", "libjpeg"),
    "jpeg2000": ("pillow", "openjpeg"),
    "webp": ("pillow", "libwebp"),
    "avif": ("pillow", "libavif"),
    "hevc": ("x265", "libavcodec"),
}


@functools.cache
def x265_version() -> str:
    """Version of the x265 inside PyAV, as it signs its streams."""
    with importing:
        import av
        import numpy as np

    # PyAV does not tell it: a picture is coded with the signature that streams of refsw leave out.
    context: Any = av.CodecContext.create("libx265", "w")
    context.width = context.height = 16
    context.pix_fmt = "gray"
    context.time_base = Fraction(1, 25)
    context.options = {"preset": "ultrafast", "x265-params": "keyint=1:info=1:pools=none:log-level=none"}
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16), np.uint8), format="gray")
    frame.pts = 0
    stream = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    found = re.search(rb"x265 \(build (\d+)\) - ([^:\s]+)", stream)
    return f"{found[2].decode()} (build {found[1].decode()})" if found else "unknown"


@functools.cache
def codec_versions() -> dict[str, str]:
    """Versions of the codecs that refsw calls."""
    with importing:
        import av
        from PIL import features

    found = {
        "x265": x265_version(),
        "ffmpeg": getattr(av, "ffmpeg_version_info", "unknown"),
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "liblzma": _liblzma_version(),
        "pillow": version("pillow"),
    }
    of_pillow = {"libjpeg": "jpg", "openjpeg": "jpg_2000", "zlib in pillow": "zlib", "libwebp": "webp"}
    for name, codec in (of_pillow | {"libavif": "avif"}).items():
        found[name] = str(features.version(codec) or "absent")
    # Pillow tells the version of the interface; that of libjpeg-turbo, which most builds have, tells more.
    found["libjpeg"] = features.version_feature("libjpeg_turbo") or found["libjpeg"]
    return found


def _liblzma_version() -> str:
    try:
        import _lzma

        told = ctypes.CDLL(_lzma.__file__).lzma_version_string
        told.restype = ctypes.c_char_p
        return str(told().decode())
    except (ImportError, AttributeError, OSError):
        return "unknown"


@functools.cache
def source_digest() -> str:
    """SHA-256 of refsw's own modules that make and read bitstreams."""
    root = Path(refsw.__file__).parent
    return _digest_of_sources(path for room in SOURCES for path in (root / room).rglob("*.py"))


@functools.cache
def evaluation_digest() -> str:
    """SHA-256 of refsw's own modules that make features and outputs of pictures, and score them."""
    root = Path(refsw.__file__).parent / "evaluation"
    found = [path for room in EVALUATION for path in (root / room).rglob("*.py")]
    return _digest_of_sources([*found, *(path for path in root.glob("*.py") if path.name not in SHOWING)])


def _digest_of_sources(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(Path(refsw.__file__).parent).as_posix()}\n".encode())
        total.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return total.hexdigest()


@functools.cache
def package_versions() -> dict[str, str]:
    """Versions of the Python packages that results may depend on; those that are absent are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def installed() -> tuple[dict[str, str], dict[str, str]]:
    """Releases of all packages that are installed: those that an index has, and those from a folder or an address."""
    indexed: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for found in distributions():
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"] or "").lower()
        if name and name not in indexed and name not in elsewhere:  # the first one on the path is the one imported
            (elsewhere if found.read_text("direct_url.json") else indexed)[name] = found.version
    return dict(sorted(indexed.items())), dict(sorted(elsewhere.items()))


def requirements(environment: Mapping[str, Any]) -> str:
    """What pip installs to have the packages of a run again: the text of a requirements file.

    Args:
        environment: the record of a run, `environment.json`.

    Raises:
        UsageError: the record is damaged, or of a version of refsw that did not keep them.
    """
    indexed, elsewhere = (environment.get(name) for name in ("installed", "installed_elsewhere"))
    if not isinstance(indexed, Mapping) or not isinstance(elsewhere, Mapping):
        raise UsageError("the record of the run does not hold what was installed: it is of an earlier version of refsw")
    lines = ["# " + ", ".join(str(environment.get(name, "unknown")) for name in ("python", "system", "machine"))]
    lines += [f"{name}=={release}" for name, release in indexed.items()]
    lines += [
        f"# {name} {release} was not installed from a package index: install it from where it is kept"
        for name, release in elsewhere.items()
    ]
    if not all(line.isprintable() for line in lines):  # of another hand, a record might slip in a line of its own
        raise UsageError("the record of what was installed is damaged: it holds control characters")
    return "\n".join(lines) + "\n"


def network_versions() -> dict[str, str]:
    """What features and scores depend on beside network and data: packages, and refsw's own source."""
    packages = package_versions()
    return {name: packages[name] for name in NETWORK_PACKAGES if name in packages} | {
        "refsw evaluation": evaluation_digest()
    }


def used_versions(codecs: Iterable[CodecChoice]) -> dict[str, str]:
    """Versions of what these codecs call: when one changes, no earlier record may be reused."""
    used = {"refsw": refsw.__version__, "refsw source": source_digest()}
    known = codec_versions()
    for codec in codecs:
        if codec.link is not None:
            used |= codec.link.versions()
        codec = codec.coding
        used |= {f"{codec.name}: {name}": value for name, value in program_identity(codec).items()}
        if codec.external:
            continue
        if codec.picture:
            used |= {name: known[name] for name in USED_BY_PICTURES[codec.picture]}
        else:
            payload = codec.config(codec.values[0]).payload
            used |= {name: known[name] for name in USED.get(payload, ())}
    return used


@functools.cache
def processor() -> str:
    """Model of the processor, as well as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def environment() -> dict[str, Any]:
    """Everything that helps to explain why two runs differ, and to have the packages of a run again."""
    indexed, elsewhere = installed()
    return {
        "refsw": refsw.__version__,
        "refsw_source": source_digest(),
        "codecs": codec_versions(),
        "packages": package_versions(),
        "installed": indexed,
        "installed_elsewhere": elsewhere,
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "byte_order": sys.byteorder,
    }


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """What differs between two identities, each in a few words."""
    for name in sorted({*earlier, *now}):
        before, after = earlier.get(name), now.get(name)
        where = f"{place}, {name}" if place else name
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, where)
        elif before != after:
            yield f"{where} was {_short(before)} and is {_short(after)}"


def subject_differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What differs between the networks and data of two tests; what one of two versions did not write is left out."""
    both = earlier.keys() & now.keys()
    first, second = ({k: v for k, v in test.items() if k in both or k not in LATER} for test in (earlier, now))
    yield from differences(first, second)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "there"
    text = "absent" if value is None else str(value)
    if len(text) == 64:  # a digest
        return f"{text[:12]}..."
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
