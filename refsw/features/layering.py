"""6.20, 9.11 The elements of a layer in a parameter set, what they mean, and what is wrong with them on their own."""

from __future__ import annotations

from collections.abc import Iterator

from refsw.errors import DfcError, ErrorClass, SemanticError
from refsw.syntax.codes import LayerKind
from refsw.syntax.declaration import Values
from refsw.tensor.layers import Layer


def layer_of(values: Values) -> Layer | None:
    """The layer that a parameter set tells of; None if the tensor is none."""
    if not values.get("layers_flag"):
        return None
    carried = values["channel_carried_flag"]
    return Layer(
        LayerKind(values["layer_kind"]),
        values.get("base_parameter_set_id"),
        values["purpose"].decode(),
        tuple(c for c, flag in enumerate(carried) if flag) if values["carried_flag"] else None,
        tuple(values["fill_value"]) if values["fill_flag"] else (),
    )


def layer_values(layer: Layer | None, channels: int) -> Values:
    """The values of the syntax elements; the inverse of `layer_of`."""
    if layer is None:
        return {"layers_flag": 0}
    purpose = layer.purpose.encode()
    return {
        "layers_flag": 1,
        "layer_kind": layer.kind,
        "base_parameter_set_id": layer.base,
        "purpose_length": len(purpose),
        "purpose": purpose,
        "carried_flag": int(layer.channels is not None),
        "channel_carried_flag": [int(flag) for flag in layer.carried(channels)],
        "fill_flag": int(bool(layer.fill)),
        "fill_value": list(layer.fill),
    }


def check_layer(values: Values, offset: int | None) -> Iterator[DfcError]:
    """9.11.2 What is wrong with a layer, whatever its base layer is."""
    if not values.get("layers_flag"):
        return
    if values["parts_flag"]:
        yield layer_error("layer.parts", "parts_flag", "0 for a layer", "1", offset)
    if values["carried_flag"] and not any(values["channel_carried_flag"]):
        yield layer_error("layer.channels", "channel_carried_flag", "at least one channel", "none", offset)


def layer_error(requirement: str, element: str, expected: str, got: str, offset: int | None) -> DfcError:
    """Elements of a layer that do not go together."""
    return SemanticError(ErrorClass.LAYOUT_MISMATCH, requirement, element, offset, expected=expected, got=got)
