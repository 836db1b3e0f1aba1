"""Informative: what a run may do, by the name of its method: each takes a task of a bench, and gives its outcome."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

from refsw.extras import optional
from refsw.learning import adversarial, baselines, multireuse
from refsw.learning.bench import Bench
from refsw.learning.compression import compress
from refsw.learning.networks import CLASSES, HIDDEN, forward
from refsw.learning.tasks import Outcome, Task, scored, trained_target
from refsw.learning.training import Descent, Training, drawn


def labels(task: Task) -> Outcome:
    """Labels alone: the baseline of both papers."""
    return trained_target(task, task.network(), mixed=task.options.get("mixed", True))


def finetune(task: Task) -> Outcome:
    """Control: labels alone, from the weights of a source."""
    network = copy.deepcopy(task.bench.source(task.options["source"]))
    fresh = task.network().get_submodule(CLASSES)
    if network.get_submodule(CLASSES).out_features != fresh.out_features:  # it tells other identities apart
        network.set_submodule(CLASSES, fresh)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    return trained_target(task, network, mixed=task.options.get("mixed", True))


def reuse(task: Task) -> Outcome:
    """Multi-model reuse, equations 1 to 3 of Digital retina, of one or several sources."""
    bench, options = task.bench, task.options
    told = {
        name: options[name]
        for name in ("gamma", "weight", "learn_alpha", "matrix_rate") if name in options
    }  # fmt: skip
    chosen = multireuse.Reuse(
        layers=tuple(options.get("layers", [HIDDEN])),
        scale=multireuse.Scale(options.get("scale", "free")),
        alpha=tuple(options["alpha"]) if "alpha" in options else None,
        **told,
    )
    network = task.network()
    with optional("torch").no_grad():
        # The scale of the untrained target, by a copy whose statistics nobody needs.
        own, _ = forward(copy.deepcopy(network).train(), bench.samples[:256], chosen.layers)
    matrices = multireuse.Matrices([bench.features(name, chosen.layers) for name in options["sources"]], own, chosen)
    return trained_target(
        task, network, extra=matrices.loss, module=matrices.module, factor=chosen.matrix_rate, layers=chosen.layers,
        gamma=chosen.gamma,
    )  # fmt: skip


def fmr(task: Task) -> Outcome:
    """Baseline: fixed model reuse of one source's features."""
    torch = optional("torch")
    bench, settings = task.bench, task.settings
    target = bench.target(task.options.get("unlabelled"))
    generator = torch.Generator().manual_seed(bench.seed)
    network, fixed = task.network(), bench.features(task.options["source"], (HIDDEN,))[HIDDEN]
    method = baselines.FixedReuse(adversarial.standardised(fixed), bench.shape.classes, generator)
    descent = Descent(
        [(list(network.parameters()), 1.0), (list(method.module.parameters()), 1.0)], settings.rate, settings.steps
    )

    def step(number: int) -> None:
        chosen = drawn(len(target.labels), settings.labelled_batch, generator)
        progress = number / settings.steps
        descent.step(method.loss(network, target.pictures[chosen], target.labels[chosen], chosen, progress))

    network.train()
    parts = {"network": network, "fixed": method.module, "descent": descent}
    Training(parts, generator, settings.steps, checkpoint=task.checkpoint, tick=task.tick).run(step)
    return Outcome(scored(bench, network), network=network)


def source(task: Task) -> Outcome:
    """Control: a source as it is."""
    network = task.bench.source(task.options["source"])
    return Outcome(scored(task.bench, network), network=network)


def probe(task: Task) -> Outcome:
    """Control: a linear classifier on the features of the sources, which it goes on needing."""
    bench, names = task.bench, task.options["sources"]
    target = bench.target(task.options.get("unlabelled"))
    known = [bench.features(name, (HIDDEN,))[HIDDEN][: len(target.labels)] for name in names]
    asked = [bench.features(name, (HIDDEN,), "test")[HIDDEN] for name in names]
    return Outcome({"accuracy": baselines.probe(known, target.labels, asked, bench.truth, bench.seed)})


def adversarial_reuse(task: Task) -> Outcome:
    """Adversarial reuse, equations 1 to 3 of Collaborative intelligence; stage 1 is measured by a fresh probe."""
    bench, options = task.bench, task.options
    layer = options.get("layer", HIDDEN)
    strategy = options.get("strategy", "confusion")
    adversary = adversarial.USUAL if strategy == "usual" else adversarial.Adversary(
        strategy=adversarial.Strategy(strategy), noise=0.3 if strategy == "confusion" else 0.0
    )  # fmt: skip
    sizes = {name: options[name] for name in ("common", "specific") if name in options}
    adversary = replace(adversary, **sizes)
    mapped = _mapped(bench, tuple(options["sources"]), layer, adversary)
    count = len(bench.target(options.get("unlabelled")).labels)
    mean, truth = sum(mapped.common) / len(mapped.common), bench.labels
    told = {
        "discriminator": mapped.history.values["discriminator"][-1][1],
        "fresh probe": adversarial.probe_accuracy(mapped.common, bench.seed),
        "reconstruction error": mapped.reconstruction,
        "classes from common": adversarial.classifier_accuracy(
            (mean[count:], truth[count:]), (mean[:count], truth[:count]), bench.seed
        ),
    }
    network = task.network()
    length = forward(copy.deepcopy(network).eval(), bench.samples[:2], (layer,))[0][layer].flatten(1).shape[1]
    fusion = adversarial.Fusion(
        adversarial.common_only(mapped) if options.get("common_only") else mapped, length, layer, seed=bench.seed,
        linear=not options.get("nonlinear", False), literal=options.get("literal", False),
    )  # fmt: skip
    outcome = trained_target(
        task, network, extra=fusion.loss, module=fusion.module, layers=(layer,), gamma=options.get("gamma", 0.5)
    )
    return Outcome({**outcome.metrics, **told}, mapped.history.values, outcome.network)


def _mapped(bench: Bench, sources: tuple[str, ...], layer: str, adversary: adversarial.Adversary) -> adversarial.Mapped:
    """Stage 1, which runs of a seed that differ in stage 2 share."""
    key = ("stage one", sources, layer, adversary)
    if key not in bench.shared:
        hidden = [bench.features(name, (layer,))[layer].flatten(1) for name in sources]
        bench.shared[key] = adversarial.stage_one([adversarial.standardised(z) for z in hidden], adversary, bench.seed)
    found: adversarial.Mapped = bench.shared[key]
    return found


METHODS: Mapping[str, Callable[[Task], Outcome]] = {
    "labels": labels, "finetune": finetune, "reuse": reuse, "fmr": fmr, "source": source, "probe": probe,
    "adversarial": adversarial_reuse, "compress": compress,
}  # fmt: skip
"""Methods by their names in experiments."""
