"""6.20 The syntax of layers, declared once."""

from __future__ import annotations

from refsw.syntax.codes import ElementType, LayerKind
from refsw.syntax.declaration import Element, Repeat, Structure, When

MAX_LISTED_CHANNELS = 2**16
LAYER_CONSTANTS = {f"LAYER_{kind.name}": int(kind) for kind in LayerKind} | {
    "ELEMENT_FLOAT64": int(ElementType.FLOAT64)
}

LAYER = Structure(
    "layer",
    "6.20",
    "Layer",
    (
        Element("layer_kind", "u(2)", "How the layer and its base layer go together (9.11).", values=LayerKind),
        When(
            "layer_kind != LAYER_BASE",
            (Element("base_parameter_set_id", "ue(v)", "Parameter set of the base layer (9.11.1).", high="63"),),
        ),
        Element("purpose_length", "u(8)", "Length of purpose in bytes; 0: none is named."),
        Element("purpose", "b(purpose_length)", "The task that the layer serves, UTF-8. It has no effect on decoding."),
        Element(
            "carried_flag",
            "u(1)",
            "1: the layer carries some of the channels; 0: it carries all.",
            high=f"1 if channels <= {MAX_LISTED_CHANNELS} else 0",
        ),
        When(
            "carried_flag",
            (Repeat("c", "channels", (Element("channel_carried_flag", "u(1)", "1: the layer carries channel c."),)),),
        ),
        When(
            "layer_kind == LAYER_BASE and carried_flag",
            (
                Element(
                    "fill_flag",
                    "u(1)",
                    "1: values of the channels that the layer does not carry are present.",
                    high="1 if element_type <= ELEMENT_FLOAT64 else 0",
                    inferred="0",
                ),
                When(
                    "fill_flag",
                    (
                        Repeat(
                            "c",
                            "channels",
                            (
                                When(
                                    "not channel_carried_flag[c]",
                                    (
                                        Element(
                                            "fill_value",
                                            "f(32)",
                                            "What the elements of channel c are until a layer with it comes.",
                                            inferred="0.0",
                                        ),
                                    ),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    ),
    LAYER_CONSTANTS,
)
