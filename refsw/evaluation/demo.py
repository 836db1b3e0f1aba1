"""Informative: the main job on data that ship with the package, after MM'19, section 4.

For every cut of the network and every QP: features of all images, coded, validated, decoded, and passed on through
the rest of the network; rate and fidelity of each point, and the preset compared with `anchor`, which is the
configuration of the paper.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import refsw
from refsw.errors import CodecError
from refsw.evaluation import plots
from refsw.evaluation.bdrate import Curve, Interpolation, bd_rate
from refsw.evaluation.digits import NETWORK_ID, digit_images, digit_network
from refsw.evaluation.distortion import snr_db
from refsw.evaluation.errors import CurveError
from refsw.evaluation.extras import DEMO_PACKAGES, optional
from refsw.evaluation.fidelity import accuracy, classification_fidelity
from refsw.evaluation.rates import bits_per_element, compression_rate
from refsw.features.config import EncoderConfig
from refsw.features.pool import Pool
from refsw.features.sinks import whole_file
from refsw.tensor.axes import Array

QPS = (12, 22, 32, 42)
ANCHOR = "anchor"
INTERPOLATION = Interpolation.PCHIP
BITSTREAMS, RESULTS, PLOTS = "bitstreams", "results.json", ("rd.png", "rd.svg")


@dataclass(frozen=True, slots=True)
class Point:
    """One layer with one preset at one QP.

    Args:
        layer, shape: of the feature tensor of all images.
        preset, qp: how it was coded.
        coded_bytes: of the bitstream.
        rate: MM'19 (1), of the bytes as binary32.
        bits_per_element: the same rate in bits.
        snr: of the decoded features, in decibels.
        agreement: MM'19 (2), share of images whose top-1 class is that of the uncompressed network.
        accuracy: share of images whose top-1 class is the label.
        bitstream: file, from the folder of the results.
    """

    layer: str
    shape: tuple[int, ...]
    preset: str
    qp: int
    coded_bytes: int
    rate: float
    bits_per_element: float
    snr: float
    agreement: float
    accuracy: float
    bitstream: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A layer with the preset against `anchor`, over all QPs, by feature SNR.

    Args:
        layer: its name.
        bd_rate: percent of rate at equal SNR; low, high: the decibels that both curves cover.
        reason: why these are missing.
    """

    layer: str
    bd_rate: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class Demo:
    """The job. `measure` does the work, point by point; `write` leaves the results.

    Args:
        output: folder, which exists.
        preset: to show, beside `anchor`.
        jobs: number of processes; the results do not depend on it.
        qps: quantization parameters.

    Raises:
        UsageError: a package is missing, or there is no such preset.
    """

    def __init__(self, output: Path, preset: str = "balanced", *, jobs: int = 1, qps: Sequence[int] = QPS) -> None:
        for package in DEMO_PACKAGES:
            optional(package)
        EncoderConfig.preset(preset)
        self.output = output
        self.preset = preset
        self.jobs = jobs
        self.qps = tuple(qps)
        self.data = digit_images()
        self.network = digit_network()
        self.outputs = self.network.run(self.data.images)

    @property
    def presets(self) -> tuple[str, ...]:
        """The preset to show, and the one that it is compared with."""
        return (self.preset,) if self.preset == ANCHOR else (self.preset, ANCHOR)

    @property
    def point_count(self) -> int:
        """How many points `measure` gives."""
        return len(self.presets) * len(self.network.cuts) * len(self.qps)

    @property
    def accuracy(self) -> float:
        """Share of the images that the uncompressed network gets right."""
        return accuracy(self.outputs, self.data.labels)

    def measure(self) -> Iterator[Point]:
        """Every point, in the order preset, layer, QP; the bitstreams are written on the way."""
        # The results of an earlier run do not describe the bitstreams that are about to be replaced.
        (self.output / RESULTS).unlink(missing_ok=True)
        (self.output / BITSTREAMS).mkdir(exist_ok=True)
        features = {cut: self.network.front(self.data.images, cut) for cut in self.network.cuts}
        with Pool(self.jobs) as pool:
            started = (
                (layer, preset, qp, pool.submit(code, features[layer], layer, preset, qp))
                for preset in self.presets
                for layer in self.network.cuts
                for qp in self.qps
            )
            # With processes, everything starts at once; without, each point is coded when its turn comes.
            for layer, preset, qp, task in started if self.jobs == 1 else list(started):
                yield self._point(features[layer], layer, preset, qp, *task.result())

    def _point(self, features: Array, layer: str, preset: str, qp: int, coded: bytes, decoded: Array) -> Point:
        name = f"{BITSTREAMS}/{layer}-qp{qp}-{preset}.dfc"
        with whole_file(self.output / name) as file:
            file.write(coded)
        outputs = self.network.back(decoded, layer)
        return Point(
            layer=layer,
            shape=features.shape,
            preset=preset,
            qp=qp,
            coded_bytes=len(coded),
            rate=compression_rate(len(coded), features.nbytes),
            bits_per_element=bits_per_element(len(coded), features.size),
            snr=snr_db(features, decoded),
            agreement=classification_fidelity(self.outputs, outputs),
            accuracy=accuracy(outputs, self.data.labels),
            bitstream=name,
        )

    def compare(self, points: Sequence[Point]) -> list[Comparison]:
        """The preset against `anchor`, layer by layer; nothing if it is `anchor` itself."""
        return [compare(layer, points, self.preset) for layer in self.network.cuts] if self.preset != ANCHOR else []

    def write(self, points: Sequence[Point], comparisons: Sequence[Comparison]) -> None:
        """The plots, and then the figures: a folder with results.json is complete."""
        images, qps = len(self.data.images), ", ".join(map(str, sorted(self.qps)))
        figure = plots.rate_fidelity(
            [_series(layer, preset, points) for preset in self.presets for layer in self.network.cuts],
            reference=ANCHOR if self.preset != ANCHOR else "",
            rate="Bytes per image",
            title="Coded features of a digit classifier: rate against fidelity",
            subtitle=f"The {images} hardest of the held-out images; QP {qps} from right to left",
        )
        for name in PLOTS:
            plots.save(figure, self.output / name)
        results = {
            "network": {
                "id": NETWORK_ID,
                "accuracy": self.accuracy,
                "held_out_accuracy": self.data.held_out_accuracy,
                "images": images,
            },
            "preset": self.preset,
            "qps": self.qps,
            "points": [_finite(asdict(point)) for point in points],
            "against_anchor": {
                "quality": "snr",
                "interpolation": INTERPOLATION,
                "layers": [asdict(comparison) for comparison in comparisons],
            },
            "environment": {
                "refsw": refsw.__version__,
                "python": platform.python_version(),
                "machine": platform.machine(),
            }
            | {package: version(package) for package in ("av", "numpy", *DEMO_PACKAGES)},
        }
        with whole_file(self.output / RESULTS) as file:
            file.write(json.dumps(results, indent=2, allow_nan=False).encode() + b"\n")


def code(features: Array, layer: str, preset: str, qp: int) -> tuple[bytes, Array]:
    """Features into a bitstream, which is validated, and out of it again.

    Raises:
        CodecError: the encoder made a bitstream that does not conform.
    """
    coded = refsw.encode({layer: features}, preset, qp=qp, network_id=NETWORK_ID)
    report = refsw.validate(coded)
    if not report.conforming:
        raise CodecError(f"{layer} at QP {qp}: the bitstream does not conform: {report.violations[0]}")
    decoded = refsw.decode(coded)
    assert not isinstance(decoded, dict)
    return coded, decoded


def compare(layer: str, points: Sequence[Point], preset: str) -> Comparison:
    """A preset against `anchor` at one layer; with a reason where their curves cannot be compared."""
    try:
        difference = bd_rate(_curve(layer, ANCHOR, points), _curve(layer, preset, points), INTERPOLATION)
    except CurveError as error:
        return Comparison(layer, reason=str(error))
    return Comparison(layer, difference.value, difference.low, difference.high)


def _curve(layer: str, preset: str, points: Sequence[Point]) -> Curve:
    own = [point for point in points if (point.layer, point.preset) == (layer, preset)]
    name = f"{layer}, preset {preset}"
    return Curve(name, tuple(point.bits_per_element for point in own), tuple(point.snr for point in own))


def _series(layer: str, preset: str, points: Sequence[Point]) -> plots.Series:
    own = [point for point in points if (point.layer, point.preset) == (layer, preset)]
    return plots.Series(
        layer,
        preset,
        tuple(point.coded_bytes / point.shape[0] for point in own),
        tuple(point.agreement for point in own),
        tuple(point.snr for point in own),
    )


def _finite(values: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity: an SNR without an error becomes null."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
