"""Informative: fixed model reuse, which the papers compare with, and a control that they lack: a probe on the sources.

Labels alone are `multireuse.objective` without R; fine-tuning is the same from the weights of a source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refsw.extras import optional
from refsw.learning.adversarial import classifier_accuracy
from refsw.learning.networks import forward, small_linear
from refsw.learning.training import cross_entropy


def knocked_down(features: Any, kept: float, generator: Any) -> Any:
    """Columns of fixed features, each there with probability `kept`, for the whole batch.

    Args:
        features: (N, d).
        kept: from 0 to 1.
        generator: draws.
    """
    torch = optional("torch")
    return features * (torch.rand(features.shape[1], generator=generator) < kept)


@dataclass
class FixedReuse:
    """FMR (Yang et al., "Deep learning for fixed model reuse", AAAI 2017): one source's features help the labels.

    Beside the network's own last layer a linear one reads the fixed features, whose columns are knocked down one after
    the other while training goes on: at the end the network has taken over what they told, and they are not needed.
    Only labelled samples are used, and only features of one source.

    Args:
        features: of the source, for the labelled samples, (N, d).
        classes: how many.
        generator: draws the initial layer, and what is knocked down.
    """

    features: Any
    classes: int
    generator: Any

    def __post_init__(self) -> None:
        self.module = small_linear(self.features.shape[1], self.classes, self.generator)

    def loss(self, network: Any, pictures: Any, labels: Any, samples: Any, progress: float) -> Any:
        """Cross-entropy of both layers' scores together.

        Args:
            network: the target.
            pictures, labels: of the batch.
            samples: numbers of the batch's samples.
            progress: share of the training that is done; all columns are there at 0, none at 1.
        """
        own = forward(network, pictures, ())[1]
        fixed = self.module(knocked_down(self.features[samples], 1 - progress, self.generator))
        return cross_entropy(own + fixed, labels)


def probe(train: Sequence[Any], labels: Any, test: Sequence[Any], truth: Any, seed: int) -> float:
    """Accuracy of a linear classifier on the sources' features side by side; the sources are needed for ever.

    Args:
        train: each source's features of the labelled samples, (N, d_m).
        labels: theirs.
        test, truth: features and labels to be scored.
        seed: of the classifier.
    """
    torch = optional("torch")
    known, asked = torch.cat(list(train), 1), torch.cat(list(test), 1)
    mean, deviation = known.mean(0), known.std(0) + 1e-3
    return classifier_accuracy(((known - mean) / deviation, labels), ((asked - mean) / deviation, truth), seed)
