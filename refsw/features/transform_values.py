"""6.21, 7.6 The elements of a transform extension, and the constraints on them that span others."""

from __future__ import annotations

from collections.abc import Iterator

from refsw.errors import DfcError, ErrorClass, SemanticError
from refsw.syntax.codes import Quantizer, RangeScope
from refsw.syntax.declaration import Values
from refsw.tensor.transform import Transform, basis_of, check_fit


def map_shape_of(values: Values) -> tuple[int, int]:
    """7.5 Rows and columns of what is laid into pictures: of a component, of a part, or of a channel."""
    names = (
        ("component_rows", "component_columns") if values.get("channel_transform_flag") else ("part_rows", "columns")
    )
    rows, columns = (values[name if name in values else "rows"] for name in names)  # no extension, no part_rows
    return rows, columns


def transform_of(values: Values) -> Transform | None:
    """6.21 The transform of a parameter set, if it has one."""
    if not values.get("channel_transform_flag"):
        return None
    return Transform(
        values["component_count"], values["component_step"], tuple(values.get("level_shift", ())),
        bool(values["space_to_depth_flag"]), values["prefix_rows"], values["prefix_step"],
        values.get("transform"), values.get("transform_digest"),
    )  # fmt: skip


def transform_values(t: Transform) -> Values:
    """6.21 Its elements."""
    return {
        "space_to_depth_flag": int(t.space_to_depth),
        "component_count": t.components,
        "prefix_rows": t.prefix_rows,
        "component_step": t.step,
        "prefix_step": t.prefix_step,
        "level_shift_flag": int(bool(t.shifts)),
        "level_shift": list(t.shifts),
        "transform_sent_flag": int(t.sent is not None),
        "transform_length": len(t.sent or b""),
        "transform": t.sent,
        "transform_digest": t.digest,
    }


def check_transform(values: Values, offset: int | None) -> Iterator[DfcError]:
    """7.6.1, 7.6.3 What goes with a channel transform, and the channel_transform if it is sent."""
    allowed = {
        "quantizer": values["quantizer"] == Quantizer.UNIFORM,
        "range_scope": values["range_scope"] != RangeScope.CHANNEL,
        "channel_order_flag": not values["channel_order_flag"],
        "parts_flag": not values["parts_flag"],
        "layers_flag": not values["layers_flag"],
    }
    for element in (name for name, fine in allowed.items() if not fine):
        expected, got = "one that goes with a channel transform", values[element]
        yield layout_error("fps.channel-transform", element, expected, got, offset)
    transform = transform_of(values)
    if transform is not None and transform.sent is not None and "bit_depth_minus1" in values:
        cells = (values["grid_rows_minus1"] + 1) * (values["grid_columns_minus1"] + 1)
        try:
            check_fit(basis_of(transform.sent), transform, values["channels"], cells, values["bit_depth_minus1"] + 1)
        except DfcError as error:
            yield type(error)(error.error_class, error.requirement, error.element, offset, expected=error.expected,
                              got=error.got)  # fmt: skip


def layout_error(requirement: str, element: str, expected: str, got: object, offset: int | None) -> DfcError:
    """Elements that do not go together."""
    return SemanticError(ErrorClass.LAYOUT_MISMATCH, requirement, element, offset, expected=expected, got=str(got))
