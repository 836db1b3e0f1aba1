"""Informative: what each place to cut costs, for one item, from the records of an anchor run.

The whole network at the cloud behind a coded picture (all-cloud), the whole network at the edge (all-edge), and every
cut between them with coded features: seconds on both sides, of coding too, and bytes that are sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from refsw.errors import UsageError
from refsw.evaluation.anchors.checks import check
from refsw.evaluation.anchors.conditions import Test
from refsw.evaluation.anchors.folder import Record, Run
from refsw.evaluation.inputs import INPUTS

CLOUD, EDGE = "all-cloud", "all-edge"
RESULT_BYTES = 0
"""What a result takes is left out, on the way to the cloud as well as back."""
COLOURS = 3


@dataclass(frozen=True, slots=True)
class Device:
    """A device by its speed, in units of the machine that the run was made on.

    Args:
        name: as tables show it.
        slowdown: seconds there for one second here.
        watts: while it computes.

    Raises:
        UsageError: a slowdown or a power that is not above 0.
    """

    name: str = "as measured"
    slowdown: float = 1.0
    watts: float = 10.0

    def __post_init__(self) -> None:
        if not (0 < self.slowdown < math.inf and 0 < self.watts < math.inf):
            raise UsageError(f"device {self.name}: slowdown and watts are above 0")


@dataclass(frozen=True, slots=True)
class Choice:
    """One place to cut, for one item.

    Args:
        name: of the layer, or all-cloud, all-edge.
        codec, point: what is sent is coded with.
        edge, encode, decode, cloud: seconds.
        sent_bytes: coded.
        share: of the multiply-accumulates before the cut; of seconds where they are not known.
        quality: the metric at this point; that without coding of all-edge.
        layer, value: of what is sent, as conditions and records have them.
    """

    name: str
    codec: str
    point: str
    edge: float
    encode: float
    sent_bytes: float
    decode: float
    cloud: float
    share: float
    quality: float
    layer: str = ""
    value: float | None = None

    def on(self, edge: Device, cloud: Device) -> Choice:
        """The same on other devices."""
        return replace(
            self, edge=self.edge * edge.slowdown, encode=self.encode * edge.slowdown,
            decode=self.decode * cloud.slowdown, cloud=self.cloud * cloud.slowdown,
        )  # fmt: skip

    def without_coding_time(self) -> Choice:
        """The same if coding took no time."""
        return replace(self, encode=0.0, decode=0.0)


def choices_of(run: Run, test: Test, *, share: float = 0.99, metric: str = "", raw: bool = False) -> list[Choice]:
    """All-cloud, the cuts in order, and all-edge.

    Of each layer the point is taken that sends the fewest bytes and keeps a share of the metric without coding.

    Args:
        run: with codecs of pictures, and with times of the front (no features kept from earlier runs).
        test: of the run.
        share: of the metric.
        metric: the quality of the test by default.
        raw: all-cloud sends three bytes a pixel, which takes no time to code, in place of the coded picture.

    Raises:
        UsageError: no such metric, no pictures, no times, or no point of the pictures that is good enough.
    """
    check(run)
    metric = metric or test.quality
    own = [r for r in run.records if r["test"] == test.name and "realisations" not in r]
    if not own or any(metric not in record["metrics"] for record in own):
        raise UsageError(f"{run.folder}: test {test.name} has no {metric} at every point")
    pictures = [r for r in own if r["layer"] in INPUTS and run.conditions.codecs[r["codec"]].picture]
    if not pictures:
        raise UsageError(f"{run.folder}: test {test.name} codes no pictures: a layer input and a codec of pictures")
    wanted = share * own[0]["pristine"][metric]
    whole = min(_seconds(record, "network") for record in pictures)
    best = _cheapest(pictures, metric, wanted)
    if best is None:
        told = f"no point of the pictures keeps {100 * share:g} % of {metric}"
        raise UsageError(f"{run.folder}: test {test.name}: {told}")
    cloud = _choice(CLOUD, best, metric, whole)
    if raw:
        size = COLOURS * best["picture_pixels"] / best["items"]
        cloud = replace(cloud, codec="raw", point="", encode=0.0, decode=0.0, sent_bytes=size, quality=wanted / share)
    found = [cloud]
    for layer in test.layers:
        if layer in INPUTS:
            continue
        best = _cheapest([r for r in own if r["layer"] == layer], metric, wanted)
        if best is not None:
            found.append(_choice(layer, best, metric, whole))
    edge = Choice(EDGE, "", "", whole, 0.0, RESULT_BYTES, 0.0, 0.0, 1.0, own[0]["pristine"][metric])
    return [*found, edge]


def _cheapest(records: Sequence[Record], metric: str, wanted: float) -> Record | None:
    good = [r for r in records if r["metrics"][metric] is not None and r["metrics"][metric] >= wanted]
    return min(good, key=lambda record: record["coded_bytes"] / record["items"], default=None)


def _choice(name: str, record: Record, metric: str, whole: float) -> Choice:
    before = name == CLOUD
    front = 0.0 if before else _seconds(record, "extraction")
    counts = record.get("complexity", {})
    total = counts.get("macs_front", 0) + counts.get("macs_back", 0)
    share = counts["macs_front"] / total if total else min(1.0, front / whole)
    point = "" if record["value"] is None else f"{record['parameter']} {record['value']:g}"
    return Choice(
        name, record["codec"], point, front, _seconds(record, "encode"), record["coded_bytes"] / record["items"],
        _seconds(record, "decode"), whole if before else _seconds(record, "network"), share,
        record["metrics"][metric], record["layer"], record["value"],
    )  # fmt: skip


def _seconds(record: Record, what: str) -> float:
    """Of one item.

    Raises:
        UsageError: it was not measured.
    """
    if what not in record["times"]:
        told = "features were kept from an earlier run: run with --no-cache" if what == "extraction" else "no time"
        raise UsageError(f"test {record['test']}, {record['layer']}: {what}: {told}")
    return float(record["times"][what] / record["items"])
