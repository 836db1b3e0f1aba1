"""Informative: what the runs of one seed share: samples of the target's domain, sources, and the sources' features."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.extras import optional
from refsw.learning.experiment import Experiment
from refsw.learning.multireuse import Target
from refsw.learning.networks import Shape, features_of, new_network
from refsw.learning.pictures import Pictures, in_domain, load
from refsw.learning.training import Descent, Training, cross_entropy
from refsw.tensor.axes import Array

MIDDLE, SPREAD = 0.45, 4.0
"""What networks see: (pixel - MIDDLE) * SPREAD."""
BATCH = 64
NOTHING = Pictures(np.zeros((0, 1, 1, 1), np.float32), np.zeros(0, np.int64))
SEEDS = 1000
"""Apart from one another, so that no two networks of an experiment begin alike."""


@dataclass(frozen=True, slots=True)
class Data:
    """Data of an experiment, read once.

    Args:
        main, test: pictures; test may be absent, and is then taken from the main ones.
        references: that the test's queries are compared with; empty unless the test is one of retrieval.
        others: those of sources with data of their own, by source.
    """

    main: Pictures
    test: Pictures | None
    references: Pictures
    others: Mapping[str, Pictures]

    @property
    def digests(self) -> dict[str, str]:
        """Identities."""
        found = {"data": self.main.digest} | ({} if self.test is None else {"test": self.test.digest})
        if len(self.references.labels):
            found["references"] = self.references.digest
        return found | {f"source {name}": pictures.digest for name, pictures in self.others.items()}


def read_data(experiment: Experiment) -> Data:
    """Read the pictures of an experiment.

    Raises:
        UsageError: no such kind, or a package that is not installed.
        DatasetError: a data set is not there, or is damaged.
    """
    network = experiment.document["network"]

    def read(choice: Mapping[str, Any]) -> tuple[Pictures, Pictures]:
        options = {key: value for key, value in choice.items() if key not in ("kind", "root")}
        root = experiment.folder / choice["root"] if "root" in choice else None
        return load(choice["kind"], network["size"], colour=network.get("colour", False), root=root, **options)

    def learned(choice: Mapping[str, Any]) -> Pictures:
        pictures = read(choice)[0]
        if min(pictures.labels) < 0:
            raise UsageError(f"data {choice['kind']} without labels: nothing can be learned from them")
        if not len(references.labels):
            return pictures
        # Identities of a training set are not those of the test: they are only told apart.
        return replace(pictures, labels=np.unique(pictures.labels, return_inverse=True)[1].astype(np.int64))

    told = experiment.document
    test, references = read(told["test"]) if "test" in told else (None, NOTHING)
    main = learned(told["data"])
    others = {name: learned(source["data"]) for name, source in experiment.sources.items() if "data" in source}
    return Data(main, test, references, others)


def labelled_first(labels: Array, count: int) -> Array:
    """An order of samples whose first `count` are spread over the classes, each in its own order.

    Args:
        labels: of the samples.
        count: how many are to be labelled.
    """
    rank = np.zeros(len(labels), np.int64)  # the how manieth of its class a sample is
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        rank[own] = np.arange(len(own))
    order = np.argsort(rank, kind="stable")
    return np.concatenate([np.sort(order[:count]), np.sort(order[count:])])


@dataclass
class Bench:
    """Everything that the runs of one seed share.

    Args:
        experiment, data: what is asked for.
        seed: of the split, the transformations and the sources.
        folder: for checkpoints of the sources.
        shared: what methods keep for other runs of the seed, by their own keys.
    """

    experiment: Experiment
    data: Data
    seed: int
    folder: Path
    shared: dict[Any, Any] = field(default_factory=dict)
    shape: Shape = field(init=False)
    samples: Any = field(init=False)
    labels: Any = field(init=False)
    test: Any = field(init=False)
    truth: Any = field(init=False)
    references: Pictures = field(init=False)
    _places: dict[str, Array] = field(init=False)
    _sources: dict[str, Any] = field(default_factory=dict)
    _features: dict[tuple[str, tuple[str, ...], str], dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        told, main = self.experiment.document["target"], self.data.main
        self.shape = self.experiment.shape(int(main.labels.max()) + 1)
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(main.labels))
        given, order = self._cut(order, told["samples"], "target")
        own = main.take(given)
        own = own.take(labelled_first(own.labels, told["labelled"]))
        domain = told.get("domain", "plain")
        self.samples = self.tensor(in_domain(own.pixels, domain, rng))
        self.labels = self.tensor(own.labels)
        test = self.data.test
        if test is None:
            places, order = self._cut(order, told.get("test", len(order)), "test")
            test = main.take(places)
        elif "test" in told and len(test.labels) > told["test"]:
            # The same for every seed.
            test = test.take(np.random.default_rng(0).permutation(len(test.labels))[: told["test"]])
        # Noise of the test's domain is the same for every seed as well.
        self.test = self.tensor(in_domain(test.pixels, domain, np.random.default_rng(0)))
        self.truth = self.tensor(test.labels)
        self._test = test
        compared = self.data.references
        self.references = replace(compared, pixels=in_domain(compared.pixels, domain, np.random.default_rng(1)))
        self._places = {}
        for name, source in self.experiment.sources.items():
            if "samples" not in source:
                continue
            if name in self.data.others:
                other = rng.permutation(len(self.data.others[name].labels))
                self._places[name], _ = self._cut(other, source["samples"], f"source {name}")
            else:
                self._places[name], order = self._cut(order, source["samples"], f"source {name}")

    @staticmethod
    def _cut(order: Array, count: int, what: str) -> tuple[Array, Array]:
        if count > len(order) or not count:
            raise UsageError(f"{what}: {count} samples are asked for, {len(order)} are left")
        return order[:count], order[count:]

    @staticmethod
    def tensor(array: Array) -> Any:
        """Pixels as networks see them, or labels."""
        torch = optional("torch")
        if array.dtype != np.float32:
            return torch.from_numpy(array)
        return torch.from_numpy((array - MIDDLE) * SPREAD).contiguous(memory_format=torch.channels_last)

    @property
    def cameras(self) -> Array | None:
        """Of the test's pictures."""
        return self._test.cameras

    def target(self, unlabelled: float | None = None) -> Target:
        """Samples of the target's domain.

        Args:
            unlabelled: share of them whose labels are not used; None: as the experiment says.
        """
        count = self.experiment.document["target"]["labelled"]
        samples, labels = self.samples, self.labels
        if unlabelled is not None:
            count = max(2, round((1 - unlabelled) * len(samples)))
        return Target(samples, labels[:count])

    def source(self, name: str) -> Any:
        """A trained source, in evaluation mode; trained at first use."""
        if name not in self._sources:
            told = self.experiment.sources[name]
            network = new_network(self._shape_of(name), self._seed_of(name))
            if "samples" in told:
                self._train(network, name, told)
            for parameter in network.parameters():
                parameter.requires_grad_(False)
            self._sources[name] = network.eval()
        return self._sources[name]

    def _shape_of(self, name: str) -> Shape:
        """That of the target, with the classes of its own data: identities of one set are not those of another."""
        if name not in self.data.others:
            return self.shape
        return replace(self.shape, classes=int(self.data.others[name].labels.max()) + 1)

    def source_samples(self, name: str) -> tuple[Any, Any]:
        """Pictures in a source's domain, and labels."""
        told = self.experiment.sources[name]
        pictures = self.data.others.get(name, self.data.main).take(self._places[name])
        rng = np.random.default_rng([self.seed, self._seed_of(name)])
        return self.tensor(in_domain(pictures.pixels, told.get("domain", "plain"), rng)), self.tensor(pictures.labels)

    def _seed_of(self, name: str) -> int:
        """By the name alone, whatever other sources there are."""
        return self.seed * SEEDS + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little") % SEEDS

    def _train(self, network: Any, name: str, told: Mapping[str, Any]) -> None:
        torch = optional("torch")
        pixels, labels = self.source_samples(name)
        generator = torch.Generator().manual_seed(self._seed_of(name))
        epoch = max(1, len(pixels) // BATCH)
        steps = told["epochs"] * epoch
        descent = Descent([(list(network.parameters()), 1.0)], self.experiment.settings({}).rate, steps)
        order: list[Any] = []

        def step(number: int) -> None:
            if number % epoch == 0 or not order:
                order[:] = torch.randperm(len(pixels), generator=generator).split(BATCH)
            chosen = order[number % epoch]
            descent.step(cross_entropy(network(pixels[chosen]), labels[chosen]))

        network.train()
        kept = self.folder / f"{self.seed}-{name}.pt"
        Training({"network": network, "descent": descent}, generator, steps, epoch, kept).run(step)

    def features(self, name: str, layers: Sequence[str], of: str = "samples") -> dict[str, Any]:
        """A source's hidden representations of the target's samples, or of the `test`."""
        key = name, tuple(layers), of
        if key not in self._features:
            pictures = self.samples if of == "samples" else self.test
            self._features[key] = features_of(self.source(name), pictures, layers)
        return self._features[key]
