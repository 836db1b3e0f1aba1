"""Informative: the entry `channel` of conditions: what loses packets between a codec and the rest of the network.

Every codec of the test is coded once and then lost and repaired under each burst length and with each method. Each of
these is a codec of its own to the rest of the harness, with the loss rate as the parameter that is swept.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import refsw
from refsw.errors import UsageError
from refsw.features.parameters import Parameters
from refsw.resilience import (
    METHODS,
    Channel,
    GilbertElliott,
    Iid,
    Method,
    Packet,
    Trace,
    find_method,
    interleaved,
    part_packets,
)

LOSS, TRACE = "loss", "trace"
WEIGHTS, LAYER, TENSOR = "weights", "{layer}", "{tensor}"
PACKAGES = {"navier-stokes": "opencv-python-headless", "telea": "opencv-python-headless", "fcp": "tensorly"}
DEFAULT_REALISATIONS = 10
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Link:
    """A channel, and what the receiver does about what it loses.

    Args:
        codec, parameter, value: what is coded: a codec of the conditions, at one point.
        model: of the channel; `burst` and `traces` are of some models only.
        rows, channels: of a packet; 0 where packets are the parts that the codec cuts samples into (9.10).
        interleave: packets between two that are neighbours in the tensor.
        method, options: concealment; `name` and `title` are as tables show it.
        realisations: how often the losses are drawn.
        seed: of the losses.
    """

    codec: str
    parameter: str
    value: float | int | None
    model: str
    burst: float | None
    traces: tuple[str, ...]
    rows: int
    channels: int
    interleave: int
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    title: str = ""
    realisations: int = DEFAULT_REALISATIONS
    seed: int = 0

    @property
    def setting(self) -> str:
        """Channel and packets for people."""
        model = {"iid": "independent losses", "trace": "measured losses"}.get(self.model)
        model = model or f"bursts of {self.burst:g} packets"
        if self.is_in_parts:
            packet = "a packet a part"
        else:
            packet = f"packets of {self.rows} row{'s' * (self.rows != 1)}"
            packet += f" of {self.channels} channels" if self.channels != 1 else " of a channel"
        return f"{model}, {packet}" + (f", interleaved by {self.interleave}" if self.interleave > 1 else "")

    @property
    def is_in_parts(self) -> bool:
        """Whether packets are parts of the bitstream."""
        return not self.rows

    @property
    def label(self) -> str:
        """Codec, channel, packets and method as a name, with a few digits of a digest of all that results depend on."""
        point = "" if self.value is None else f"-{self.parameter}{self.value:g}"
        burst = "" if self.burst is None else f"{self.burst:g}"
        model = {"gilbert-elliott": "burst"}.get(self.model, self.model) + burst
        packet = "parts" if self.is_in_parts else f"r{self.rows}" + f"c{self.channels}" * (self.channels != 1)
        packet += f"i{self.interleave}" if self.interleave > 1 else ""
        told = json.dumps(self.as_dict(), sort_keys=True).encode()
        return f"{self.codec}{point}+{model}+{packet}+{self.name}.{hashlib.sha256(told).hexdigest()[:DIGITS]}"

    def channel(self, loss: float) -> Channel:
        """The channel at a value of the parameter."""
        if self.model == Trace.name:
            return Trace.read(Path(self.traces[int(loss) - 1]))
        return Iid(loss) if self.burst is None else GilbertElliott(loss, self.burst)

    def packets(self, shape: tuple[int, ...], parameters: Parameters | None = None) -> list[Packet]:
        """Packets of a tensor (C, H, W) in the order of sending; where they are parts, of its parameter set.

        Raises:
            UsageError: the samples do not come in parts.
        """
        if not self.is_in_parts:
            return interleaved(part_packets(shape, self.channels, self.rows), self.interleave)
        if parameters is None or parameters.parts is None:
            raise UsageError(f"codec {self.codec} cuts no samples into parts")
        geometry = parameters.parts
        parts = [Packet(parameters.part_channels(i), geometry.band(i)) for i in parameters.part_numbers]
        return interleaved(parts, self.interleave)

    def concealment(self, layer: str, tensor: str) -> Method:
        """The method for a tensor of a layer.

        Raises:
            UsageError: what its options say does not exist.
            FeatureError: weights are damaged.
        """
        options, content = dict(self.options), ""
        if isinstance(options.get(WEIGHTS), str):
            options[WEIGHTS] = options[WEIGHTS].replace(LAYER, _in_name(layer)).replace(TENSOR, _in_name(tensor))
            content = _content(options[WEIGHTS])
        return _method(self.method, json.dumps(options, sort_keys=True), content)

    def as_dict(self) -> dict[str, Any]:
        """What results depend on, as JSON types: not titles, nor where files lie."""
        own = dataclasses.asdict(self) | {"traces": [PurePath(trace).name for trace in self.traces]}
        own["options"] = {k: PurePath(v).name if k == WEIGHTS else v for k, v in self.options.items()}
        return {name: value for name, value in own.items() if name not in ("name", "title")}

    def located(self, place: Any) -> Link:
        """The same link with its files found.

        Args:
            place: of a file by what the conditions call it.
        """
        options = {k: place(v) if k == WEIGHTS and isinstance(v, str) else v for k, v in self.options.items()}
        return dataclasses.replace(self, options=options, traces=tuple(map(place, self.traces)))

    def versions(self) -> dict[str, str]:
        """What losses and concealment depend on: refsw's source, a package, and the content of files."""
        found = {"refsw resilience": source_digest()}
        if self.method in PACKAGES:
            found[PACKAGES[self.method]] = version(PACKAGES[self.method])
        files = [self.options[WEIGHTS]] if isinstance(self.options.get(WEIGHTS), str) else []
        for name in (*files, *self.traces):
            found[PurePath(name).name] = _content(name)
        return found


def _in_name(text: str) -> str:
    """A layer or tensor as a part of the name of a file."""
    return "".join(c if c.isalnum() or c in "._+-" else "_" for c in text)


@functools.lru_cache(maxsize=64)
def _method(name: str, options: str, content: str) -> Method:
    """A method with its options; `content` tells files of the same name apart."""
    return find_method(name, **json.loads(options))


def _content(name: str) -> str:
    """SHA-256 of a file, or of all files of a pattern.

    Raises:
        UsageError: there is none.
    """
    path = Path(name)
    pattern = path.name.replace(LAYER, "*").replace(TENSOR, "*")
    found = sorted(path.parent.glob(pattern))
    if not found:
        raise UsageError(f"{name}: no such file")
    total = hashlib.sha256()
    for file in found:
        total.update(f"{file.name}\n".encode())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


@functools.cache
def source_digest() -> str:
    """SHA-256 of refsw's own modules that lose and repair features."""
    root, total = Path(refsw.__file__).parent / "resilience", hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(f"{path.name}\n".encode())
        total.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return total.hexdigest()


def links(entry: Mapping[str, Any] | list[Any], codec: str, parameter: str, value: Any) -> Iterator[tuple[Link, Any]]:
    """The links of an entry for a codec at one of its points, each with the parameter that is swept and its values.

    Args:
        entry: that the schema has passed: a channel, or several.

    Raises:
        UsageError: something in it does not go together.
    """
    for channel in entry if isinstance(entry, list) else [entry]:
        model, packets = channel["model"], channel["packets"]
        bursts, rates, traces = (channel.get(key) for key in ("burst_lengths", "loss_rates", "traces"))
        wanted = {"burst_lengths": model == GilbertElliott.name, "traces": model == Trace.name}
        wanted["loss_rates"] = model != Trace.name
        for key, is_wanted in wanted.items():
            if (key in channel) != is_wanted:
                raise UsageError(f"channel {model} {'needs' if is_wanted else 'has no'} {key}")
        for burst in bursts or [None]:
            for method in channel["methods"]:
                given: Mapping[str, Any] = {"method": method} if isinstance(method, str) else method
                link = Link(
                    codec, parameter, value, model, burst, tuple(traces or ()), packets.get("rows", 0),
                    packets.get("channels", int("rows" in packets)), packets.get("interleave", 1), given["method"],
                    given.get("options", {}), given.get("name", given["method"]), given.get("title", ""),
                    channel.get("realisations", DEFAULT_REALISATIONS), channel.get("seed", 0),
                )  # fmt: skip
                yield _checked(link, rates), (TRACE, range(1, len(traces) + 1)) if traces else (LOSS, rates)


def _checked(link: Link, rates: list[float] | None) -> Link:
    for rate in rates or ():
        link.channel(rate)
    if link.method not in METHODS:
        raise UsageError(f"no concealment method {link.method}: {', '.join(METHODS)}")
    if isinstance(link.options.get(WEIGHTS), str):
        return dataclasses.replace(link, title=link.title or METHODS[link.method].title)
    return dataclasses.replace(link, title=link.title or find_method(link.method, **link.options).title)
