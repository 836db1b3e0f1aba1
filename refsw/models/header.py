"""Informative: writing the directory of an update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refsw.models.arithmetic import Step
from refsw.models.config import DiffConfig
from refsw.models.directory import QUANTIZED
from refsw.models.state import TensorType
from refsw.syntax.codes import TensorMode
from refsw.syntax.model_structures import MODEL_HEADER
from refsw.syntax.units import pack_body


@dataclass
class Planned:
    """An entry of the directory as it will be written."""

    mode: TensorMode
    kind: TensorType | None = None
    source: int | None = None
    step: Step | None = None
    copy_of: int = 0


def header_body(
    base: bytes | None,
    count: int,
    entries: Sequence[Planned],
    config: DiffConfig,
    versions: tuple[str, str],
    digest: bytes,
) -> bytes:
    """6.10 The body of a model header unit; `base` is the digest of the base, `count` the number of its tensors."""
    network, base_version, version = (t.encode() for t in (config.network_id, *versions))
    default = config.step
    values: dict[str, Any] = {
        "network_id_length": len(network),
        "network_id": network,
        "model_version_length": len(version),
        "model_version": version,
        "base_flag": int(base is not None),
        "base_version_length": len(base_version),
        "base_version": base_version,
        "base_digest": base or b"",
        "base_tensor_count": count,
        "result_digest": digest,
        "step_digits": default.digits,
        "step_multiplier": default.multiplier,
        "new_tensor_count": len(entries) - count,
    }
    steps = [_step(entry, default) for entry in entries]
    columns: dict[str, list[Any]] = {
        "tensor_mode": [e.mode for e in entries],
        "tensor_step_flag": [int(s != default) for s in steps],
        "tensor_step_digits": [s.digits for s in steps],
        "tensor_step_multiplier": [s.multiplier for s in steps],
        "copy_entry": [e.copy_of for e in entries],
    }
    values |= {name: column[:count] for name, column in columns.items()}
    renamed = ("new_tensor_mode", "new_step_flag", "new_step_digits", "new_step_multiplier", "new_copy_entry")
    values |= {new: column[count:] for new, column in zip(renamed, columns.values(), strict=True)}
    kinds = [e.kind for e in entries[count:] if e.kind is not None]
    names = [kind.name.encode() for kind in kinds]
    values |= {
        "name_length": [len(name) for name in names],
        "name": names,
        "new_element_type": [kind.element_type for kind in kinds],
        "new_axis_count": [len(kind.shape) for kind in kinds],
        "new_extent": [list(kind.shape) for kind in kinds],
        "source_flag": [int(e.source is not None) for e in entries[count:]],
        "source_entry": [e.source or 0 for e in entries[count:]],
    }
    return pack_body(MODEL_HEADER, values)


def _step(entry: Planned, default: Step) -> Step:
    return entry.step if entry.step is not None and entry.mode in QUANTIZED else default
