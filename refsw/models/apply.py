"""10.9.1 The decoder of model updates: from the receiver's model to the newest one, update by update."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from refsw.errors import DfcError, ErrorClass, ModelStateError, SemanticError
from refsw.files import Bitstream, opened
from refsw.models import cost
from refsw.models.directory import Directory
from refsw.models.payload import DataContent
from refsw.models.reader import ModelContent, ModelReader
from refsw.models.results import Outcome, Results
from refsw.models.state import Model, TensorType, digest_of, model_of, tensor_digest
from refsw.models.texts import with_texts
from refsw.models.update import ApplyLimits, UpdateRun
from refsw.profiles import LevelLimits, Meter
from refsw.syntax.walker import MetadataContent, error_of
from refsw.tensor.axes import Array


class Applier:
    """10.9.1 Applies the updates of a bitstream, in order, from whichever version the receiver has.

    Args:
        base: the receiver's model; None if it has none, then the first update has to be a full model.
        limits: what is accepted beyond the level.
        results: makes the place for the tensors of one result.
    """

    def __init__(
        self, base: Model | None, limits: ApplyLimits | None = None, results: Callable[[], Results] = Results
    ) -> None:
        self.accepted = limits or ApplyLimits()
        self.results = results
        self._read = 0
        self._meter = Meter(cost.with_base(self.accepted.allowance, base), lambda: self._read)
        self.model = base
        self.digests: dict[str, bytes] = {}
        if base is not None:
            self.digests = {name: tensor_digest(base.types[name], base[name]) for name in base}
        self.digest = digest_of(self.digests) if base is not None else None
        self.seen: list[Directory] = []
        self.applied = 0
        self.resized = False
        self.outcome: Outcome | None = None
        self.texts: Mapping[str, str] | None = None
        self._texts: Mapping[str, str] | None = None
        self._run: UpdateRun | None = None
        self._place: Results | None = None

    def feed(self, content: Directory | DataContent | MetadataContent, level: LevelLimits) -> None:
        """The content of the next unit.

        Raises:
            DfcError: the bitstream is damaged or does not fit the base.
        """
        if isinstance(content, DataContent):
            self._read = content.payload_offset // 8 + len(content.payload)
        if isinstance(content, Directory):
            self._close()
            self._read = content.bit_offset // 8
            self.seen.append(content)
            self.texts, self._texts = self._texts, None
            if content.base_digest == self.digest:  # both None: a full model, and a receiver without one
                self._begin(content, level, self.texts)
        elif isinstance(content, MetadataContent):
            self._texts = with_texts(self._texts, content.entries)
        elif self._run is not None:
            self._put(self._run.unit(content))

    def _begin(self, directory: Directory, level: LevelLimits, texts: Mapping[str, str] | None) -> None:
        start = Model({}) if self.model is None else self.model
        self._run = UpdateRun(directory, start, self.digests, level, self.accepted, self._meter)
        self._place = self.results()
        self._place.begin(self._run.types, texts)
        self._put(self._run.kept(), steady=start.steady)

    def _put(self, tensors: Iterator[tuple[TensorType, Array]], *, steady: bool = True) -> None:
        """Tensors of the result into their place, with the digests of what comes to lie there."""
        assert self._run is not None
        assert self._place is not None
        for kind, array in tensors:
            known = self._run.digests[kind.name] if steady else None
            self._run.digests[kind.name] = self._place.put(kind, array, known)

    def _close(self) -> None:
        if self._run is None:
            return
        assert self._place is not None
        self._put(self._run.copies(self._place.get))
        try:
            self._run.finish()
        except SemanticError:
            self._check_base()
            raise
        self.model, self.digests = self._place.model(), self._run.digests
        self.digest = self._run.directory.result_digest
        self.resized |= self._run.resized
        self.applied += 1
        self._run = self._place = None

    def _check_base(self) -> None:
        """Whether a base that may change is still the model whose digest was taken."""
        for name in self.model or ():
            if self.model is not None and not self.model.steady:
                digest = tensor_digest(self.model.types[name], self.model[name])
                if digest != self.digests[name]:
                    raise changed(name, self.digests[name], digest)

    def finish(self) -> Outcome:
        """The newest model, after the last unit; it stays known as `outcome`.

        Raises:
            ModelStateError: the updates start from other models than the receiver's.
        """
        self._close()
        last = self.seen[-1]
        if self.model is None or self.digest != last.result_digest:
            raise _no_base(self.seen, self.digest)
        passed = len(self.seen) - self.applied
        self.outcome = Outcome(self.model, last.version, last.result_digest, self.applied, passed, self.texts)
        return self.outcome


def apply_stream(
    base: Model | None,
    stream: BinaryIO,
    *,
    limits: ApplyLimits | None = None,
    results: Callable[[], Results] = Results,
) -> Outcome:
    """10.9 Apply the updates of a bitstream to the receiver's model.

    Args:
        base: the receiver's model; None if it has none.
        stream: the bitstream, read once.
        limits: what is accepted beyond the level.
        results: makes the place for the tensors of one result.

    Raises:
        DfcError: the bitstream is damaged or does not fit the base; nothing of the result may be used.
    """
    reader = ModelReader(stream)
    applier = Applier(base, limits, results)
    for _ in applied(reader, applier):
        pass
    assert applier.outcome is not None
    return applier.outcome


def applied(reader: ModelReader, applier: Applier) -> Iterator[ModelContent | MetadataContent]:
    """10.9 The content of a bitstream, unit by unit, with its updates applied; the outcome is the applier's.

    With a reporter that does not raise, reading goes on after a violation, but nothing more is applied.
    """
    for content in reader:
        if not reader.violated:
            try:
                applier.feed(content, reader.limits)
            except DfcError as error:
                reader.report(error)
        yield content
    if not reader.violated:
        try:
            applier.finish()
        except DfcError as error:
            reader.report(error)


def changed(name: str, before: bytes, now: bytes) -> DfcError:
    """The error of a base that somebody writes to while it is read."""
    return error_of(ModelStateError, ErrorClass.BASE_MODEL_MISMATCH, "model.base", f"{name} of the base", 0,
                    f"the digest that it had at first ({before.hex()[:16]}...)",
                    f"{now.hex()[:16]}...: the file was changed while it was read")  # fmt: skip


def _no_base(seen: list[Directory], digest: bytes | None) -> DfcError:
    wanted = [f"{u.base_version or 'the base'} ({u.base_digest.hex()[:16]}...)" for u in seen if u.base_digest]
    have = "no model" if digest is None else f"a model with the digest {digest.hex()[:16]}..."
    return error_of(ModelStateError, ErrorClass.BASE_MODEL_MISMATCH, "model.base", "base_digest", seen[0].bit_offset,
                    "one of " + ", ".join(wanted) if wanted else "no base: this is a full model", have)  # fmt: skip


def apply_update(base: Any, update: Bitstream) -> dict[str, Array]:
    """Apply model updates to a model in memory; `base` is left as it is.

    Args:
        base: numpy arrays or PyTorch tensors by name, or a PyTorch module: the model that the receiver has; None for a
            full model.
        update: the bitstream, an open file or pipe, or the path of one; of several updates in it, those that follow
            the version of `base`.

    Returns:
        The newest model: numpy arrays by name. Tensors that did not change are those of `base`, not copies.

    Raises:
        ModelStateError: `base` is none of the versions that the updates start from.
        DfcError: the bitstream is damaged.
    """
    start = None if base is None else model_of(base)
    with opened(update) as stream:
        outcome = apply_stream(start, stream)
    model = {name: outcome.model[name] for name in outcome.model}
    # What was floats of 8 bits before, and bytes in the update, is that again.
    for name, dtype in start.float8.items() if start is not None else ():
        if name in model and model[name].dtype == np.uint8:
            model[name] = model[name].view(dtype)
    return model
