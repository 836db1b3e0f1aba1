"""Informative: one bitstream through every decoder present, down to where they disagree."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from refsw.conformance.decoders import DecoderSession, decoder_under_test, registered
from refsw.conformance.elements import ulp_distance
from refsw.conformance.outputs import Found, OutputError, little_endian, output_file, read_tensors
from refsw.conformance.programs import Limits
from refsw.conformance.verdicts import UNSUPPORTED_CODE
from refsw.errors import CodecError, DfcError, UsageError
from refsw.features.cost import FeatureMeter
from refsw.features.parameters import Parameters
from refsw.features.reader import BitstreamReader
from refsw.features.reconstruct import UnitContent, check_unit, decode_pictures
from refsw.payload.base import DecoderSettings
from refsw.payload.commands import INPUT, OUTPUT, check_command, words_of
from refsw.payload.known_faults import known_faults
from refsw.payload.nal import parse_configuration
from refsw.payload.registry import codec
from refsw.profiles import Allowance
from refsw.syntax.codes import PayloadCodec, Profile
from refsw.tensor.axes import Array
from refsw.text import sentence, shown

LIBDE265 = ("libde265-dec265", "dec265")
FFMPEG = "FFmpeg (PyAV)"
PICTURES = "pictures of "


@dataclass
class Row:
    """What one decoder made of one tensor, or of the pictures of its payloads."""

    what: str
    decoder: str
    digest: str | None
    remark: str = ""

    @property
    def status(self) -> str:
        """`decoded`, or why there is no digest."""
        return "decoded" if self.digest else self.remark


@dataclass
class CrossCheck:
    """All rows, and the disagreements in words. A decoder that does not support the bitstream takes no part."""

    rows: list[Row] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    rejected: int = 0

    @property
    def agree(self) -> bool:
        """Whether something was decoded, nobody disagrees, and no decoder rejects the bitstream."""
        return not self.disagreements and not self.rejected and self._decoded

    @property
    def _decoded(self) -> bool:
        """Whether a decoder has decoded the bitstream; where nothing else was tried, the pictures."""
        whole = [row for row in self.rows if not row.what.startswith(PICTURES)]
        return any(row.digest for row in whole or self.rows)

    @property
    def exit_code(self) -> int:
        """0 all agree, 1 they do not, 65 all reject it, 69 none supports it."""
        if self.disagreements:
            return 1
        if self.rejected:
            return 65
        return 0 if self._decoded else 69

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON types."""
        rows = [{"what": r.what, "decoder": r.decoder, "sha256": r.digest, "remark": r.remark} for r in self.rows]
        return {"agree": self.agree, "rows": rows, "disagreements": self.disagreements}

    def lines(self, name: str) -> list[str]:
        """The result for people."""
        rows = [[shown(text, 300) for text in (r.what, r.decoder, (r.digest or "-")[:32], r.remark)] for r in self.rows]
        widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
        out = [
            f"{what:<{widths[0]}}  {decoder:<{widths[1]}}  {digest:<32}  {remark}".rstrip()
            for what, decoder, digest, remark in rows
        ]
        out += [f"DISAGREE: {shown(text)}" for text in self.disagreements]
        name = shown(name)
        digests = {row.what for row in self.rows if row.digest}
        if self.agree:
            out.append(f"{name}: all decoders agree ({len(digests)} results compared)")
        elif self.disagreements:
            out.append(f"{name}: decoders disagree")
        else:
            out.append(f"{name}: " + ("every decoder rejects it" if self.rejected else "no decoder supports it"))
        return out


class CrossChecker:
    """Every decoder present, started once for many bitstreams.

    Args:
        decoders: DFC decoders beside the registered ones, as `decoder_under_test` takes them.
        hevc: commands of HEVC decoders beside FFmpeg and libde265, with {input} and {output}.
        seconds: what one decoder may take for one bitstream.

    Raises:
        UsageError: a decoder that was asked for is not there, or does not start.
    """

    def __init__(self, decoders: Sequence[str] = (), hevc: Sequence[str] = (), seconds: float = 60.0) -> None:
        self._limits = Limits(seconds)
        self._programs = _hevc_decoders(hevc)
        chosen = {name: decoder_under_test(name) for name in [*registered(), *decoders]}
        self._folder = tempfile.TemporaryDirectory(prefix="refsw-")
        self._sessions = {
            name: DecoderSession(decoder, Path(self._folder.name) / str(number))
            for number, (name, decoder) in enumerate(chosen.items())
        }
        try:
            for name in decoders:
                self._sessions[name].start(self._limits)
        except UsageError:
            self.close()
            raise

    def check(self, data: bytes, base: Path | None = None) -> CrossCheck:
        """Decode one bitstream with all of them; `base` is the model that updates start from."""
        found = CrossCheck()
        _payloads(data, self._programs, found)
        _bitstreams(data, self._sessions, base, self._limits, found)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the decoders."""
        for session in self._sessions.values():
            session.close()
        self._folder.cleanup()


def crosscheck(
    data: bytes, *, decoders: Sequence[str] = (), hevc: Sequence[str] = (), seconds: float = 60.0,
    base: Path | None = None,
) -> CrossCheck:  # fmt: skip
    """Decode one bitstream with every decoder present; see `CrossChecker`."""
    with CrossChecker(decoders, hevc, seconds) as checker:
        return checker.check(data, base)


def crosscheck_pictures(data: bytes, *, hevc: Sequence[str] = ()) -> CrossCheck:
    """Decode the HEVC payloads of a bitstream with every HEVC decoder present, and nothing else."""
    found = CrossCheck()
    _payloads(data, _hevc_decoders(hevc), found)
    return found


def _hevc_decoders(commands: Sequence[str]) -> dict[str, str | None]:
    """Names of HEVC decoders and their commands; FFmpeg has none."""
    present: dict[str, str | None] = {FFMPEG: None}
    for program in LIBDE265:
        if shutil.which(program):
            present["libde265"] = f"{program} -q {{input}} -o {{output}}"
            break
    for command in commands:
        try:
            check_command(command, (INPUT, OUTPUT), needed=(INPUT, OUTPUT))
        except UsageError as error:
            raise UsageError(f"HEVC decoder: {error}") from error
        program = words_of(command)[0]
        if shutil.which(program) is None:
            raise UsageError(f"HEVC decoder {command!r}: there is no program {program}")
        same = sum(name == program or name.startswith(f"{program} #") for name in present)
        present[f"{program} #{same + 1}" if same else program] = command
    return present


# --- payloads ---


def _payloads(data: bytes, programs: dict[str, str | None], found: CrossCheck) -> None:
    """9.4.1 The pictures of every tensor that is coded with HEVC, by every HEVC decoder."""
    units: dict[str, list[UnitContent]] = {}
    try:
        reader = BitstreamReader(io.BytesIO(data))
        meter = FeatureMeter(Allowance(), lambda: reader.units.source.offset, keeps=True)
        for content in reader:
            if isinstance(content, Parameters) and content.payload_codec is PayloadCodec.HEVC:
                units[content.name] = []
            elif isinstance(content, UnitContent) and content.parameters.name in units and any(content.pictures):
                meter.charge(content, reader.header.profile)
                units[content.parameters.name].append(content)
    except DfcError:
        return  # the table of whole bitstreams tells
    for tensor, contents in units.items():
        if not contents:
            continue
        results: list[tuple[str, Array | None]] = []
        for name, command in programs.items():
            row = Row(f"{PICTURES}{tensor}", name, None)
            pictures = None
            try:
                pictures = _pictures(contents, reader.header.profile, DecoderSettings(command))
                row.digest = _digest(pictures)
            except UsageError:
                raise
            except (DfcError, CodecError) as error:
                row.remark = sentence(error, 300)
                if error.exit_code != UNSUPPORTED_CODE:
                    results.append((name, None))
            found.rows.append(row)
            if pictures is not None:
                results.append((name, pictures))
        agreed = len(found.disagreements)
        _compare(f"{PICTURES}{tensor}", results, ("picture", "row", "column"), found)
        if len(found.disagreements) > agreed:
            _explain(found.rows[-len(programs) :], contents[0].parameters.configuration)


def _pictures(contents: Sequence[UnitContent], profile: Profile, settings: DecoderSettings) -> Array:
    """9.4.1 The pictures of all units. A program is started once: payloads begin with an IDR picture and put out all
    of their pictures (8.4.5), so that those of conforming units are a stream when they stand behind each other.
    """
    if not settings.command:
        return np.concatenate([decode_pictures(unit, profile, settings) for unit in contents])
    for unit in contents:
        for error in check_unit(unit, profile):
            raise error
    p, count = contents[0].parameters, sum(sum(unit.pictures) for unit in contents)
    payload = memoryview(b"".join(unit.payload for unit in contents))
    return codec(p.payload_codec).decode(p.configuration, payload, count, p.picture_format(profile), settings)


def _explain(rows: Sequence[Row], configuration: bytes) -> None:
    """Tell what is known of the decoders that may be the reason why they disagree."""
    parsed = parse_configuration(configuration)
    for row in rows:
        row.remark = "; ".join([*([row.remark] if row.remark else []), *known_faults(row.decoder, parsed)])


# --- whole bitstreams ---


def _bitstreams(
    data: bytes, sessions: Mapping[str, DecoderSession], base: Path | None, limits: Limits, found: CrossCheck
) -> None:
    results: dict[str, list[tuple[str, Array]]] = {}
    accepted, rejected = [], []
    for name, session in sessions.items():
        answer = _decode(data, session, base, limits)
        tensors = answer.tensors
        if tensors is None:
            found.rows.append(Row("bitstream", name, None, answer.remark))
            if answer.verdict is not None:
                rejected.append(f"{name} {answer.verdict}")
            if answer.too_much:
                break  # others have no such bound, and this machine is one
            continue
        accepted.append(name)
        for tensor, array in tensors.items():
            found.rows.append(Row(f"tensor {tensor}", name, _digest(array)))
        if not tensors:
            found.rows.append(Row("bitstream", name, hashlib.sha256().hexdigest(), "no tensors"))
        results[name] = list(tensors.items())
    found.rejected = len(rejected)
    if accepted and rejected:
        found.disagreements.append(f"{', '.join(accepted)} decode the bitstream; {'; '.join(rejected)}")
    arrays = {name: dict(pairs) for name, pairs in results.items()}
    # A .npy file has no name: with one tensor on either side, it is that one.
    known = next((list(a) for a in arrays.values() if "" not in a), [""])
    for name, tensors_of in arrays.items():
        if list(tensors_of) == [""] and len(known) == 1:
            arrays[name] = {known[0]: tensors_of[""]}
    for row in found.rows:
        if row.what == "tensor " and len(known) == 1:
            row.what += known[0]
    for tensor in dict.fromkeys(t for a in arrays.values() for t in a):
        _compare(f"tensor {tensor}", [(n, a.get(tensor)) for n, a in arrays.items()], (), found)


class _Answer(NamedTuple):
    """Tensors by name, or a remark; and the verdict if there is one on the bitstream: not where it is unsupported."""

    tensors: dict[str, Array] | None
    remark: str = ""
    verdict: str | None = None
    too_much: bool = False


def _decode(data: bytes, session: DecoderSession, base: Path | None, limits: Limits) -> _Answer:
    run = session.decode(data, limits, expected_bytes=1 << 32, base=base)
    said = sentence(run.text, 300)
    if run.error:
        raise UsageError(run.error)
    if run.stopped or run.signal or run.exit_code is None:
        what = f"stopped: {run.stopped}" if run.stopped else f"ended by signal {run.signal}"
        return _Answer(None, f"{what} {said}".rstrip(), "fails")
    if run.exit_code == UNSUPPORTED_CODE:
        told = (run.told or {}).get("requirement")
        return _Answer(None, f"unsupported: {said}", too_much=told == "level.capacity")
    if run.exit_code:
        return _Answer(None, f"rejected ({run.exit_code}): {said}", f"rejects it ({run.exit_code})")
    try:
        path = output_file(session.output)
        if path is None:
            return _Answer(None, "no output", "writes nothing")
        if not path.stat().st_size:  # the raw form of a model without tensors
            return _Answer({})
        return _Answer({f.name or "": f.load() for f in read_tensors(path) if not _is_checkpoint(f)})
    except OutputError as error:
        return _Answer(None, str(error), "writes an unreadable file")


def _is_checkpoint(found: Found) -> bool:
    return (found.name or "").endswith(("@levels", "@pictures"))


def _digest(array: Array) -> str:
    """SHA-256 of the elements, after number format and shape as text."""
    text = f"{array.dtype.name} {'x'.join(map(str, array.shape))}\n".encode()
    digest = hashlib.sha256(text)
    digest.update(little_endian(array))
    return digest.hexdigest()


# --- disagreements ---


def _compare(what: str, results: Sequence[tuple[str, Array | None]], axes: tuple[str, ...], found: CrossCheck) -> None:
    """Every result against the first."""
    first = next(((name, array) for name, array in results if array is not None), None)
    if first is None:
        return
    base_name, base = first
    for name, array in results:
        if array is None:
            found.disagreements.append(f"{what}: {base_name} decodes, {name} does not")
        elif (array.dtype, array.shape) != (base.dtype, base.shape):
            kinds = f"{base_name} {base.dtype.name} {base.shape}, {name} {array.dtype.name} {array.shape}"
            found.disagreements.append(f"{what}: {kinds}")
        elif not np.array_equal(_words(array), _words(base)):
            found.disagreements.append(f"{what}: {_place(base_name, base, name, array, axes)}")


def _words(array: Array) -> Array:
    """The elements as integers of their bits: another NaN or zero is another one."""
    return np.frombuffer(little_endian(array), f"<u{array.dtype.itemsize}")


def _place(base_name: str, base: Array, name: str, array: Array, axes: tuple[str, ...]) -> str:
    different = np.flatnonzero(_words(base) != _words(array))
    index = [int(i) for i in np.unravel_index(different[0], base.shape)]
    place = ", ".join(f"{axis} {i}" for axis, i in zip(axes, index, strict=True)) if axes else f"element {index}"
    a, b = base[tuple(index)], array[tuple(index)]
    far = ulp_distance(a, b)
    steps = "" if far is None else f", {far}{'' if base.dtype.kind in 'iub' else ' ULP'} apart"
    return f"{different.size} of {base.size} differ, first at {place}: {base_name} {a}, {name} {b}{steps}"
