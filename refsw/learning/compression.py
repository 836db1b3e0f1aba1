"""Informative: the method `compress`: a network is cut, trained on with a loss of the rate or without, and coded."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

import refsw
from refsw.extras import optional
from refsw.features.native_training import train_native
from refsw.learning import compressible
from refsw.learning.networks import RANGE, accuracy, scores_of, split_at, with_range
from refsw.learning.tasks import Outcome, Task
from refsw.learning.training import Descent, Training, cross_entropy, drawn
from refsw.profiles import Allowance
from refsw.tensor.axes import Array

STEPS = (8 / 255, 64 / 255)
"""Of the noise, in units of the range: what HEVC leaves from QP 22 to 40."""
DCT_STEP = 24 / 255
PROXY_QP = 34
RANGED, FITTED, DECODED, LEARNED = 500, 96, 1600, 48
"""Samples that the range, the rate proxy, the back end and native parameters are taken from."""
BITS = 8

Loss = Callable[[Any], Any]


def compress(task: Task) -> Outcome:
    """Features that are made to be coded: from a trained source, with or without a loss; scored by bytes and accuracy.

    The curves are by preset: bytes of a sample, accuracy from the decoded features, QP.
    """
    bench, options = task.bench, task.options
    network = copy.deepcopy(bench.source(options["source"]))
    pixels, labels = bench.source_samples(options["source"])
    seen = scores_of(split_at(network, options["layer"])[0], pixels[:RANGED])
    highest = compressible.range_of(seen.numpy())
    network = with_range(network, options["layer"], highest)
    front, back = split_at(network, RANGE)
    if "back_only" in options:
        _train_back(task, (front, back), (pixels, labels), highest)
    elif not options.get("untouched", False):
        _train_both(task, (front, back), (pixels, labels), highest)
    test = bench.test[: options.get("samples", 1000)]
    values = scores_of(front, test).numpy()
    curves = {}
    for preset in options.get("presets", ["fast"]):
        code = _coder(preset, front, pixels, highest)
        points = [(code(values, qp), qp) for qp in options["qps"]]
        curves[preset] = [
            [one.sample_bytes, accuracy(back, optional("torch").from_numpy(one.values), bench.truth[: len(test)]), qp]
            for one, qp in points
        ]
    metrics = {"accuracy": accuracy(network, bench.test, bench.truth), "zeros": float((values == 0).mean())}
    return Outcome(metrics, curves, network)


def _coder(preset: str, front: Any, pixels: Any, highest: float) -> Callable[[Array, int], compressible.Coded]:
    """Code and decode; with native payloads, the parameters are learned from training pictures and are not sent."""
    if not preset.startswith("native"):
        return lambda values, qp: compressible.coded(values, highest, qp, preset)
    learned = scores_of(front, pixels[:LEARNED]).numpy()
    parameters = train_native(list(learned))
    known = {hashlib.sha256(parameters).digest(): parameters}

    def code(values: Array, qp: int) -> compressible.Coded:
        ranges = ((0.0, float(highest)),)
        data = refsw.encode(values, preset, qp=qp, ranges=ranges, match_step=False, native=parameters, named=True)
        # Its parameters, which are not in the bitstream, make these few bytes more work than is usual.
        limits = refsw.DecoderLimits(allowance=Allowance(0))
        return compressible.Coded(len(data) / len(values), np.asarray(refsw.decode(data, known=known, limits=limits)))

    return code


def _loss(kind: str, front: Any, pixels: Any, highest: float) -> Loss:
    """The loss of features that stands for their rate."""
    if kind == "gradient":
        return lambda values: compressible.gradient_l1(values, highest)
    if kind == "dct":
        return lambda values: compressible.dct_log(values, highest, DCT_STEP)
    if kind == "rate":
        fitted = compressible.fit_rate_proxy(
            scores_of(front, pixels[:FITTED]), highest, (PROXY_QP - 6, PROXY_QP, PROXY_QP + 6)
        )
        return lambda values: fitted.bits(values, highest, PROXY_QP)
    return lambda values: 0.0


def _train_both(task: Task, ends: tuple[Any, Any], samples: tuple[Any, Any], highest: float) -> None:
    """Both ends, with noise or straight-through quantisation between them."""
    torch = optional("torch")
    options, settings, (front, back) = task.options, task.settings, ends
    loss_of = _loss(options.get("loss", "none"), front, samples[0], highest)
    generator = torch.Generator().manual_seed(task.bench.seed)
    weights = [*front.parameters(), *back.parameters()]
    for parameter in weights:
        parameter.requires_grad_(True)
    descent = Descent([(weights, 1.0)], settings.rate, settings.steps)

    def step(number: int) -> None:
        chosen = drawn(len(samples[0]), settings.batch, generator)
        values = front(samples[0][chosen])
        loss = options.get("weight", 1.0) * loss_of(values)
        if options.get("straight_through", False):
            values = compressible.straight_through(values, highest, BITS)
        if options.get("noise", False):
            steps = compressible.random_steps(len(chosen), *STEPS, generator) * highest
            values = compressible.quantisation_noise(values, steps, generator)
        descent.step(cross_entropy(back(values), samples[1][chosen]) + loss)

    front.train()
    back.train()
    parts = {"front": front, "back": back, "descent": descent}
    Training(parts, generator, settings.steps, checkpoint=task.checkpoint, tick=task.tick).run(step)


def _train_back(task: Task, ends: tuple[Any, Any], samples: tuple[Any, Any], highest: float) -> None:
    """The back end alone, on features that were coded and decoded at one QP."""
    torch = optional("torch")
    settings, (front, back) = task.settings, ends
    decoded = torch.from_numpy(
        compressible.coded(scores_of(front, samples[0][:DECODED]).numpy(), highest, task.options["back_only"]).values
    )
    generator = torch.Generator().manual_seed(task.bench.seed)
    for parameter in back.parameters():
        parameter.requires_grad_(True)
    descent = Descent([(list(back.parameters()), 1.0)], settings.rate, settings.steps)

    def step(number: int) -> None:
        chosen = drawn(len(decoded), settings.batch, generator)
        descent.step(cross_entropy(back(decoded[chosen]), samples[1][chosen]))

    back.train()
    parts = {"back": back, "descent": descent}
    Training(parts, generator, settings.steps, checkpoint=task.checkpoint, tick=task.tick).run(step)
