"""Chapter 6, clauses 6.21 and 6.22: the syntax structures of the channel transform (7.6), declared once."""

from __future__ import annotations

from refsw.syntax.declaration import Align, Derive, Element, Repeat, Rest, Structure, When

MAX_COMPONENTS = 1 << 12
MAX_PREFIX = 16

TRANSFORM_EXTENSION = Structure(
    "transform_extension",
    "6.21",
    "Transform extension",
    (
        Element("space_to_depth_flag", "u(1)", "1: the transform is across four phases of the channels (7.6.2)."),
        Element("component_count", "ue(v)", "Number of components of a sample.",
                high=f"min({MAX_COMPONENTS}, channels * (4 if space_to_depth_flag else 1))"),
        Element("prefix_rows", "ue(v)", "Number of rows, from the first, that are not transformed.",
                high=f"min({MAX_PREFIX}, rows) if component_count == channels and not space_to_depth_flag else 0"),
        Element("component_step", "f(32)", "What one level of a component is."),
        When("prefix_rows", (
            Element("prefix_step", "f(32)", "What one level of an element of the prefix is.", inferred="0.0"),
        )),
        Element("level_shift_flag", "u(1)", "1: level_shift is present."),
        When("level_shift_flag", (
            Repeat("p", "ceil_div(component_count, (grid_rows_minus1 + 1) * (grid_columns_minus1 + 1))", (
                Element("level_shift", "u(5)", "Levels of components in picture p of a sample are multiplied by 2 to "
                        "this power."),
            )),
        )),
        Element("transform_sent_flag", "u(1)", "1: the transform is present; 0: it is named by its digest."),
        When("transform_sent_flag", (
            Element("transform_length", "ue(v)", "Length of transform in bytes."),
            Element("transform", "b(transform_length)", "The channel_transform (6.22)."),
        )),
        When("not transform_sent_flag", (
            Element("transform_digest", "b(32)", "SHA-256 digest of the channel_transform (6.22)."),
        )),
        Derive("component_rows", "ceil_div(rows, 2 if space_to_depth_flag else 1)", "Number of rows of a component."),
        Derive("component_columns", "ceil_div(columns, 2 if space_to_depth_flag else 1)",
               "Number of columns of a component."),
    ),
)  # fmt: skip

CHANNEL_TRANSFORM = Structure(
    "channel_transform",
    "6.22",
    "Channel transform",
    (
        Element("basis_channels_minus1", "ue(v)", "Number N of channels, or phases of channels, minus 1.",
                high=str(MAX_COMPONENTS - 1)),
        Element("basis_component_count", "ue(v)", "Number K of components.", high="basis_channels_minus1 + 1"),
        Element("basis_prefix_rows", "ue(v)", "Number of rows with means of their own.",
                high=f"{MAX_PREFIX} if basis_component_count == basis_channels_minus1 + 1 else 0"),
        Repeat("i", "basis_channels_minus1 + 1", (
            Element("mean", "f(32)", "What channel i is where all components are 0."),
        )),
        Repeat("y", "basis_prefix_rows", (
            Repeat("i", "basis_channels_minus1 + 1", (
                Element("prefix_mean", "f(32)", "The same in row y of the prefix."),
            )),
        )),
        Repeat("k", "basis_component_count", (
            Element("component_bits_minus2", "u(4)", "Bits of an entry of the basis, minus 2.", high="10"),
            Element("component_exponent", "u(5)", "Entries are multiplied by 2 to this power."),
        )),
        Align(),
        Rest("basis", "The entries of the basis (7.6.3)."),
    ),
)  # fmt: skip
