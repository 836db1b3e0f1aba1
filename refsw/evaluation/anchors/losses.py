"""Informative: decoded features of a group of items, damaged by a link and repaired, as often as the link says."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.anchors.codecs import TOKENS, Features
from refsw.evaluation.anchors.folder import pack
from refsw.evaluation.anchors.links import Link
from refsw.features.parameters import Parameters
from refsw.resilience import conceal_features, received_mask
from refsw.syntax.codes import RangeScope
from refsw.tensor.axes import Array, Axes

LARGEST_PICTURE = 256
LEVELS = 255


@dataclass(frozen=True, slots=True)
class Arrived:
    """One realisation.

    Args:
        repaired: the features of the group after concealment.
        whole: of each item, whether nothing of it was lost.
        lost: elements that were lost, of all items.
        seconds: time of the processor that concealment took.
        digest: SHA-256 of which elements were received.
        picture: of a channel of which something was lost, the original, damaged and repaired; None if none was.
    """

    repaired: Features
    whole: tuple[bool, ...]
    lost: int
    seconds: float
    digest: str
    picture: dict[str, Any] | None


def realisations(
    decoded: Features,
    items: Sequence[str],
    link: Link,
    loss: float,
    layer: str,
    axes: str = "",
    parameters: Mapping[str, Parameters] | None = None,
) -> Iterator[Arrived]:
    """Lose and repair what was decoded.

    The losses of an item depend on seed, realisation and item alone: all methods and codecs repair the same ones. Every
    item meets the channel in the middle of a stream. What is lost is set to the minimum of its range first, as a
    receiver without concealment has it; where packets are parts, to zero, as a decoder has it (9.10.4).

    Args:
        decoded: items along the first axis.
        items: their ids.
        link, loss: the channel at its loss rate.
        layer: for methods that have learnt something of it.
        axes: letters of the axes; "" for the usual ones.
        parameters: parameter sets by tensor, of a bitstream of refsw.

    Raises:
        UsageError: packets are parts, and there are none.
    """
    tensors = dict(decoded) if isinstance(decoded, Mapping) else {"": decoded}
    own = parameters or {}
    sets = {name: own[name] if name else next(iter(own.values())) for name in tensors} if own else {}
    letters = {name: axes or (TOKENS if array.ndim == len(TOKENS) else None) for name, array in tensors.items()}
    found = {name: Axes.parse(letters[name], array.shape) for name, array in tensors.items()}
    for number in range(link.realisations):
        received = {name: np.empty(array.shape, np.bool_) for name, array in tensors.items()}
        for place, item in enumerate(items):
            for name, mask in _masks(found, item, link, loss, number, sets).items():
                received[name][place] = found[name].from_canonical(mask)
        damaged = {name: _damaged(tensors[name], received[name], found[name], link, sets.get(name)) for name in tensors}
        methods = {name: link.concealment(layer, name) for name in tensors}
        start = time.process_time()
        repaired = {
            name: conceal_features(methods[name], damaged[name], received[name], letters[name]) for name in tensors
        }
        spent = time.process_time() - start
        total = hashlib.sha256()
        for name in sorted(received):
            total.update(np.packbits(received[name]).data)
        first = next(iter(tensors))
        yield Arrived(
            repaired if isinstance(decoded, Mapping) else repaired[first],
            tuple(all(mask[i].all() for mask in received.values()) for i in range(len(items))),
            sum(int((~mask).sum()) for mask in received.values()),
            spent,
            total.hexdigest(),
            _picture(found[first], tensors[first][0], damaged[first][0], repaired[first][0], received[first][0]),
        )


def _masks(
    found: Mapping[str, Axes], item: str, link: Link, loss: float, number: int, sets: Mapping[str, Parameters]
) -> dict[str, Array]:
    """What was received of each tensor of an item, (C, H, W); its packets go one after the other, tensor by tensor."""
    name = int.from_bytes(hashlib.sha256(item.encode()).digest()[:8], "big")
    rng = np.random.default_rng([link.seed, number, name])
    packets = {tensor: link.packets(axes.canonical_shape, sets.get(tensor)) for tensor, axes in found.items()}
    count = sum(map(len, packets.values()))
    lost = iter(link.channel(loss).losses(count, rng, from_start=False).tolist())
    masks = {
        tensor: received_mask(axes.canonical_shape, packets[tensor], [next(lost) for _ in packets[tensor]])
        for tensor, axes in found.items()
    }
    for tensor, p in sets.items():
        masks[tensor][p.constant_channels] = True  # the parameter set gives them
    return masks


def _damaged(array: Array, received: Array, axes: Axes, link: Link, p: Parameters | None) -> Array:
    """Features with the minimum of the range, or zero, in the place of what was lost."""
    by_channel = p is not None and p.range_scope is RangeScope.CHANNEL
    filled = array.copy()
    for place, sample in enumerate(array):
        canonical = axes.to_canonical(sample)
        least = canonical.min(axis=(1, 2) if by_channel else None, keepdims=True) * (not link.is_in_parts)
        filled[place] = axes.from_canonical(np.where(axes.to_canonical(received[place]), canonical, least))
    return filled


def _picture(axes: Axes, decoded: Array, damaged: Array, repaired: Array, received: Array) -> dict[str, Any] | None:
    """The channel that varies most of those of which something was lost, as three pictures of 8 bits."""
    original, mask = axes.to_canonical(decoded).astype(np.float64), axes.to_canonical(received)
    hit = np.flatnonzero(~mask.all(axis=(1, 2)))
    if not hit.size or max(original.shape[1:]) > LARGEST_PICTURE or min(original.shape[1:]) < 2:
        return None
    channel = int(hit[original[hit].var(axis=(1, 2)).argmax()])
    low, high = original[channel].min(), original[channel].max()
    maps = [original] + [axes.to_canonical(array).astype(np.float64) for array in (damaged, repaired)]
    shown = [np.rint((m[channel] - low) / ((high - low) or 1.0) * LEVELS).clip(0, LEVELS) for m in maps]
    return {"channel": channel, "maps": pack(np.stack(shown).astype(np.uint8))}


def check_shapes(link: Link, features: Features, layer: str) -> None:
    """See that a link takes the features of an item before a run begins: methods, weights and packages.

    Args:
        link: to check.
        features: of one item, items along the first axis.
        layer: their name.

    Raises:
        UsageError: it does not; says which layer and why.
    """
    for name, array in features.items() if isinstance(features, Mapping) else [("", features)]:
        shape = Axes.parse(TOKENS if array.ndim == len(TOKENS) else None, array.shape).canonical_shape
        try:
            link.concealment(layer, name).check(shape)
        except (UsageError, OSError) as error:
            where = f"layer {layer}" + (f", {name}" if name else "")
            raise UsageError(f"{where}: {link.label}: {error}") from error
