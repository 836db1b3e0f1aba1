"""Informative: what the tasks share: pictures in, features out, features in, outputs out."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset, Item
from refsw.evaluation.errors import DatasetError, EvaluationError, NetworkError
from refsw.evaluation.inputs import INPUT, INPUTS
from refsw.evaluation.networks.base import Cut, Network, check_cut
from refsw.evaluation.pictures import Fit, Geometry, Preprocessing
from refsw.tensor.axes import Array

Features = Array | dict[str, Array]
RANKS = (2, 3, 4)
"""Axes of features, that of the pictures with them: as many as a feature tensor has (7.1)."""
OPEN_CUTS = 2
"""How many are kept open: work goes layer by layer, and the halves of an ONNX model hold their weights each."""


class Task(ABC):
    """A data set, a network that can be cut, and how its outputs are scored.

    The outputs of an item depend on the item and its features alone, so that items can be worked on anywhere in any
    order.

    Args:
        dataset: of pictures.
        network: that takes them.
        preprocessing: that makes pictures the input of the network.
    """

    def __init__(self, dataset: Dataset, network: Network, preprocessing: Preprocessing) -> None:
        self.dataset, self.network, self.preprocessing = dataset, network, preprocessing
        self._cuts: dict[str, Cut] = {}
        self._ranks: dict[str, dict[str, int]] = {}
        self.layers: tuple[str, ...] = ()

    def items(self) -> list[str]:
        """Ids of the pictures whose features are coded, in order."""
        return [item.id for item in self.dataset.items]

    def features(self, item: str, layer: str) -> Features:
        """Features of a picture at a cut.

        Returns:
            What the network has there, of one to three axes, such as (C, H, W), (L, C) or (C,), and of its own dtype;
            at a cut with several tensors a dictionary of them; before the network (`refsw.evaluation.inputs`) the
            picture, uint8 (H, W, 3) or (H, W).

        Raises:
            UsageError: there is no such picture or cut.
            DatasetError: the picture is missing or damaged.
            NetworkError: they are of another shape.
        """
        if self.is_input(layer):
            picture = self.dataset.picture(self.picture_of(item))
            return picture if layer == INPUT else self.preprocessing.fitted(picture)[0]
        tensors = {}
        for name, tensor in self.cut(layer).front(self._input(item)[0]).items():
            if tensor.ndim not in RANKS or tensor.shape[0] != 1 or 0 in tensor.shape:
                raise NetworkError(
                    f"layer {layer}: tensor {name} is of shape {tensor.shape} for one picture: features have one to "
                    "three axes behind that of the pictures, which comes first"
                )
            tensors[name] = np.asarray(tensor[0])
        self._ranks[layer] = {name: tensor.ndim for name, tensor in tensors.items()}
        return tensors if len(tensors) > 1 else next(iter(tensors.values()))

    def is_input(self, layer: str) -> bool:
        """Whether a layer is a place before the network, and not a cut of it that is called so."""
        return layer in INPUTS and layer not in self.network.cuts

    def example(self, layer: str) -> Features:
        """Features of the first picture at a cut."""
        return self.features(self.dataset.items[0].id, layer)

    def outputs(self, item: str, layer: str, decoded: Features) -> Array:
        """What the rest of the network makes of decoded features of a picture.

        Args:
            item: its id.
            layer: the cut.
            decoded: as `features` gives them, with or without a first axis of one sample.

        Raises:
            EvaluationError: the network makes NaN of them.
        """
        if self.is_input(layer):
            assert isinstance(decoded, np.ndarray)
            apply = self.preprocessing
            tensor = apply.apply(decoded)[0] if layer == INPUT else apply.normalised(decoded)
            return self._interpreted(item, self.network.run(tensor))
        cut = self.cut(layer)
        tensors = decoded if isinstance(decoded, Mapping) else dict.fromkeys(cut.tensors, decoded)
        if set(tensors) != set(cut.tensors) or (len(cut.tensors) > 1 and not isinstance(decoded, Mapping)):
            raise UsageError(f"cut {layer} takes {', '.join(cut.tensors)}, not {', '.join(tensors)}")
        if layer not in self._ranks:
            self.example(layer)
        ranks = self._ranks[layer]
        batch = {name: tensor[None] if tensor.ndim == ranks[name] else tensor for name, tensor in tensors.items()}
        return self._interpreted(item, cut.back(batch))

    def reference(self, item: str) -> Array:
        """What the whole network makes of a picture."""
        return self._interpreted(item, self.network.run(self._input(item)[0]))

    @abstractmethod
    def score(self, layer: str, outputs: Mapping[str, Any], references: Mapping[str, Any]) -> dict[str, float]:
        """Fidelity and performance over pictures.

        Args:
            layer: the cut, for tasks whose score depends on it.
            outputs: by item, from coded features.
            references: of the same items, from the whole network.

        Raises:
            EvaluationError: there are none, or not the same items.
        """

    @abstractmethod
    def interpret(self, item: Item, output: Array, geometry: Geometry) -> Array:
        """The output of the network for one picture (no axis of samples) as the task wants it."""

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """What outputs depend on beside network and pre-processing, as JSON types."""

    def cut(self, layer: str) -> Cut:
        """The network cut at a layer.

        Raises:
            UsageError: there is no such cut.
        """
        if layer not in self._cuts:
            while len(self._cuts) >= OPEN_CUTS:
                del self._cuts[next(iter(self._cuts))]
            self._cuts[layer] = self.network.cut(layer)
        return self._cuts[layer]

    def check(self, progress: Callable[[], None] | None = None) -> None:
        """Decode every picture, and prove on the first that every cut of `layers` is one.

        Raises:
            DatasetError: a picture is missing or damaged.
            NetworkError: the network does not take the pictures, or front and back of a cut are not the whole.
        """
        self.dataset.check(progress)
        for layer in self.layers:
            if self.is_input(layer):
                continue
            try:
                self.check_cut(layer)
            except NetworkError as error:
                raise NetworkError(f"cut {layer}: {error}") from error

    def check_cut(self, layer: str, tolerance: float = 1e-4) -> float:
        """Prove on the first picture that a cut is one (`refsw.evaluation.networks.check_cut`)."""
        return check_cut(self.cut(layer), self._input(self.dataset.items[0].id)[0], tolerance=tolerance)

    def check_groups(self, size: int) -> None:
        """Make sure that the pictures of a group give inputs of one shape, and so features of one shape.

        Args:
            size: pictures of a group.

        Raises:
            DatasetError: two do not.
        """
        cuts = [layer for layer in self.layers if not self.is_input(layer)]
        if self.preprocessing.fit is not Fit.NONE or size == 1 or (self.layers and not cuts):
            return
        for start in range(0, len(self.dataset.items), size):
            first, *others = self.dataset.items[start : start + size]
            shape = self.dataset.picture(first).shape
            for other in others:
                if self.dataset.picture(other).shape != shape:
                    told = f"{other.path}: a picture of another size than {first.path.name}, in the same group"
                    raise DatasetError(f"{told}: group: 1, or another pre-processing")

    def fingerprint(self) -> dict[str, str]:
        """What features and outputs depend on beside the pictures and the versions of libraries."""
        choices = {"preprocessing": self.preprocessing.description, "task": type(self).__name__} | self.options
        text = json.dumps(choices, sort_keys=True)
        return {"network": self.network.digest, "choices": hashlib.sha256(text.encode()).hexdigest()}

    def item_digest(self, item: str) -> str:
        """SHA-256 of a picture."""
        return self.dataset.digest(self.picture_of(item))

    def annotations(self) -> str:
        """SHA-256 of what is known of the pictures beside their samples: labels, boxes, text, names of classes."""
        total = hashlib.sha256()
        for item in (*self.dataset.items, *self.dataset.references):
            for part in item.annotations():
                total.update(part)
        total.update(json.dumps(self.dataset.classes).encode())
        return total.hexdigest()

    def mapping(self) -> dict[str, Any]:
        """Which class has which number, by name, as JSON types; empty where no order and no list decides it."""
        numbers = {name: number for number, name in enumerate(self.dataset.classes) if name}
        return {"classes": numbers} if numbers else {}

    def notes(self) -> list[str]:
        """What a user should know of the data set: files that are left out, say."""
        return list(self.dataset.notes)

    def frames(self) -> dict[str, tuple[str, str, float]]:
        """Sequence, class of sequences and seconds of the items that are frames of sequences."""
        return {i.id: (i.sequence, i.category, i.seconds) for i in self.dataset.items if i.sequence}

    def picture_of(self, item: str) -> Item:
        """The picture of an id.

        Raises:
            UsageError: there is none.
        """
        return self.dataset.item(item)

    def input_pixels(self, item: str) -> int:
        """Height * width of what the network takes for a picture."""
        return int(np.prod(self._input(item)[0].shape[2:]))

    def picture_pixels(self, item: str) -> int:
        """Height * width of a picture as the data set has it."""
        return int(np.prod(self.dataset.picture(self.dataset.item(item)).shape[:2]))

    def input_bytes(self, item: str) -> int:
        """Size of a picture as it is stored."""
        return self.dataset.coded_bytes(self.dataset.item(item))

    def complexity(self, layer: str) -> dict[str, int]:
        """Multiply-accumulates before and after a cut, and elements at it, for one picture; empty if not known."""
        before = self.is_input(layer)
        cut = self.network.cuts[0] if before else layer
        found = self.network.complexity(cut, self._input(self.dataset.items[0].id)[0])
        if found is None:
            return {}
        if before:
            elements = np.asarray(self.example(layer)).size
            return {"macs_front": 0, "macs_back": found.macs_front + found.macs_back, "elements": elements}
        return {"macs_front": found.macs_front, "macs_back": found.macs_back, "elements": found.elements}

    def _input(self, item: str) -> tuple[Array, Geometry]:
        return self.preprocessing.apply(self.dataset.picture(self.picture_of(item)))

    def _interpreted(self, item: str, output: Array) -> Array:
        found = self.picture_of(item)
        geometry = self.preprocessing.apply(self.dataset.picture(found))[1] if self.wants_geometry else Geometry()
        return self.interpret(found, output[0], geometry)

    wants_geometry = False


def paired(outputs: Mapping[str, Any], references: Mapping[str, Any]) -> tuple[list[str], list[Array], list[Array]]:
    """Items, outputs and references in the order of the items' ids.

    Raises:
        EvaluationError: there are none, or not the same items.
    """
    if not outputs or set(outputs) != set(references):
        odd = sorted(set(outputs) ^ set(references))
        told = f"{odd[0]} has only one of them" if odd else "none"
        raise EvaluationError(f"outputs and references are scored together: {told}")
    items = sorted(outputs)
    return items, [np.asarray(outputs[i]) for i in items], [np.asarray(references[i]) for i in items]


def known_options(
    options: Mapping[str, Any], known: Mapping[str, Any], where: str, *, also: Sequence[str] = ()
) -> dict[str, Any]:
    """Options with their defaults filled in; the names of `also` are only for the message.

    Raises:
        UsageError: an option that does not exist, or of another type.
    """
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"{where}: no option {name}: {', '.join([*known, *also]) or 'it has none'}")
        default = known[name]
        fits = isinstance(value, int | float) if isinstance(default, int | float) else isinstance(value, type(default))
        if not fits or isinstance(value, bool) != isinstance(default, bool):
            raise UsageError(f"{where}: option {name} is {value!r}: like {default!r}")
    return {**known, **options}
