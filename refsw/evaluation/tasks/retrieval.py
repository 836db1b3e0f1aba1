"""Informative: retrieval: references ranked by the distance of their vectors to the query's, MM'19 (3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.distortion import task_distortion
from refsw.evaluation.errors import EvaluationError
from refsw.evaluation.fidelity import retrieval_fidelity
from refsw.evaluation.networks.base import Network
from refsw.evaluation.pictures import Geometry, Preprocessing
from refsw.evaluation.retrieval import Distance, cumulative_match, mean_average_precision, rank
from refsw.evaluation.tasks.base import Task, known_options, paired
from refsw.tensor.axes import Array

RANKS = (1, 5, 10)


class Retrieval(Task):
    """The output of a query is a vector, binary32 (length,). Only queries are coded; references stay as they are.

    Options: `distance` (cosine or euclidean), `literal` (fidelity as printed).

    Raises:
        UsageError: the data set has no references, or other ones under the ids of queries; or no such option.
    """

    def __init__(
        self, dataset: Dataset, network: Network, preprocessing: Preprocessing, options: Mapping[str, Any]
    ) -> None:
        super().__init__(dataset, network, preprocessing)
        if not dataset.references:
            raise UsageError(f"{dataset.name} has no references to retrieve")
        chosen = known_options(options, {"literal": False, "distance": Distance.COSINE.value}, "retrieval")
        if chosen["distance"] not in list(Distance):
            raise UsageError(f"retrieval: no distance {chosen['distance']}: {', '.join(Distance)}")
        self._literal, self._distance = chosen["literal"], Distance(chosen["distance"])
        self._references = {item.id: item for item in dataset.references}
        for item in dataset.items:
            if self._references.get(item.id, item).path != item.path:
                raise UsageError(f"{dataset.name}: a query and a reference with the same id, {item.id}")
        self._pristine: tuple[str, Array] = ("", np.empty(0))

    @property
    def options(self) -> dict[str, Any]:
        """None that outputs depend on."""
        return {}

    def interpret(self, item: Item, output: Array, geometry: Geometry) -> Array:
        """The vector; a map is averaged over its places."""
        vector: Array = output.mean(axis=(1, 2)) if output.ndim == 3 else output.reshape(-1)
        return vector

    def support(self) -> list[str]:
        """Ids of the references: what `score` needs the vectors of beside those of the queries."""
        return [item.id for item in self.dataset.references]

    def picture_of(self, item: str) -> Item:
        """A query, or a reference, of an id.

        Raises:
            UsageError: there is none.
        """
        return self._references.get(item) or super().picture_of(item)

    def score(
        self,
        layer: str,
        outputs: Mapping[str, Any],
        references: Mapping[str, Any],
        support: Mapping[str, Any] | None = None,
    ) -> dict[str, float]:
        """`fidelity`; where queries have labels, `map`, `cmc1`, `cmc5`, `cmc10`, `_pristine`, `distortion` of map.

        Args:
            layer, outputs, references: as for every task.
            support: vectors of the references that are retrieved, by id; without them they are computed.

        Raises:
            EvaluationError: as for every task; also that a vector is missing.
        """
        items, coded, pristine = paired(outputs, references)
        support = support or {item: self.reference(item) for item in self.support()}
        missing = [item for item in self.support() if item not in support]
        if missing:
            raise EvaluationError(f"no vector of reference {missing[0]}")
        gallery = np.stack([support[item] for item in self.support()])
        rankings = {
            "": rank(np.stack(coded), gallery, self._distance),
            "_pristine": self._ranked(np.stack(pristine), gallery),
        }
        result = {"fidelity": retrieval_fidelity(rankings["_pristine"], rankings[""], literal=self._literal)}
        queries = [self.dataset.item(item) for item in items]
        for name, order in rankings.items():
            try:
                judged = self._judged(queries, order)
            except EvaluationError:  # no query has a reference of its identity: there is nothing to judge
                return result
            result |= {f"{key}{name}": value for key, value in judged.items()}
        if result["map_pristine"] > 0:
            result["distortion"] = task_distortion(result["map_pristine"], result["map"])
        return result

    def _ranked(self, vectors: Array, gallery: Array) -> Array:
        """The ranking of vectors that stay the same from point to point, done once as long as they do."""
        digest = hashlib.sha256(vectors.tobytes() + gallery.tobytes()).hexdigest()
        if self._pristine[0] != digest:
            self._pristine = (digest, rank(vectors, gallery, self._distance))
        return self._pristine[1]

    def _judged(self, queries: Sequence[Item], order: Array) -> dict[str, float]:
        """References of the query's identity and camera are left out where cameras are known."""
        references = self.dataset.references
        labels = [item.label for item in queries], [item.label for item in references]
        cameras: tuple[list[int] | None, list[int] | None] = (None, None)
        if all(item.camera is not None for item in (*queries, *references)):
            cameras = [item.camera or 0 for item in queries], [item.camera or 0 for item in references]
        precision = mean_average_precision(order, *labels, *cameras)
        ranks = [k for k in RANKS if k <= len(references)]
        match = cumulative_match(order, *labels, *cameras, ranks=ranks)
        return {"map": precision} | {f"cmc{k}": share for k, share in match.items()}
