"""Chapter 6: the syntax structures, declared once.

Reader, writer, trace, the tables of spec/06-syntax.md and spec/syntax.json all come from here.
"""

from __future__ import annotations

from refsw.syntax.carriage_structures import CARRIAGE_STRUCTURES
from refsw.syntax.codes import (
    AxisRole,
    DigestKind,
    ElementType,
    Level,
    PayloadCodec,
    Profile,
    Quantizer,
    RangeScope,
    RepackLayout,
    UnitType,
)
from refsw.syntax.declaration import Activate, Align, Derive, Element, Include, Repeat, Rest, Structure, When
from refsw.syntax.layer_structures import LAYER, LAYER_CONSTANTS, MAX_LISTED_CHANNELS
from refsw.syntax.model_structures import MODEL_DATA, MODEL_HEADER, MODEL_LEVELS, SECOND_TABLES
from refsw.syntax.native_structures import NATIVE_CONFIGURATION, NATIVE_PARAMETERS, NATIVE_PREDICTION, NATIVE_SAMPLE
from refsw.syntax.transform_structures import CHANNEL_TRANSFORM, TRANSFORM_EXTENSION

SIGNATURE = 0x89444643
VERSION_MAJOR = 1
VERSION_MINOR = 1
MAX_PARAMETER_SETS = 64
MAX_EXTENT = 2**24
HEADER_BYTES = 12

CONSTANTS = {
    name: int(member)
    for kind, prefix in (
        (AxisRole, "AXIS_"),
        (Quantizer, "QUANTIZER_"),
        (RangeScope, "SCOPE_"),
        (RepackLayout, "LAYOUT_"),
    )
    for name, member in ((prefix + m.name, m) for m in kind)
} | {f"PROFILE_{profile.name}": int(profile) for profile in (Profile.RESILIENT, Profile.NATIVE, Profile.COMPLETE)}
CONSTANTS |= LAYER_CONSTANTS

BITSTREAM_HEADER = Structure(
    "bitstream_header",
    "6.3",
    "Bitstream header",
    (
        Element("signature", "u(32)", "The bytes 0x89 0x44 0x46 0x43 (0x89 and `DFC`); see 5.1."),
        Element("version_major", "u(8)", "Major version of this specification, 1; see 5.5."),
        Element("version_minor", "u(8)", "Minor version of this specification; see 5.5."),
        Element("profile_idc", "u(8)", "Profile that the bitstream conforms to (11.2).", values=Profile),
        Element("level_idc", "u(8)", "Level that the bitstream conforms to (11.3).", values=Level),
        Element("header_crc", "u(32)", "CRC-32 (4.5) of the eight bytes before it."),
    ),
    CONSTANTS,
)

UNIT_HEADER = Structure(
    "unit_header",
    "6.4",
    "Unit header",
    (
        Element("unit_type", "u(7)", "What the unit body holds (6.2). Other values than those of 6.2: see 5.4."),
        Element("skippable_flag", "u(1)", "1: a decoder that does not know unit_type ignores the unit (5.4)."),
    ),
    CONSTANTS,
)

FEATURE_EXTENSION = Structure(
    "feature_extension",
    "6.12",
    "Feature extension",
    (
        Element("parts_flag", "u(1)", "1: the samples come in parts (9.10)."),
        Element(
            "layers_flag",
            "u(1)",
            "1: the tensor is a layer (9.11).",
            high="1 if profile_idc >= PROFILE_COMPLETE else 0",
            later=True,
        ),
        Element(
            "time_prediction_flag",
            "u(1)",
            "1: samples of a unit may be predicted from the one before (8.6.9).",
            high="1 if profile_idc >= PROFILE_NATIVE else 0",
            later=True,
        ),
        Element(
            "channel_transform_flag",
            "u(1)",
            "1: the pictures hold components of a transform across channels (7.6).",
            high="1 if profile_idc >= PROFILE_COMPLETE else 0",
            later=True,
        ),
        Element("other_extension_flags", "u(4)", "For extensions without a name yet.", high="0", later=True),
        When(
            "parts_flag",
            (
                Element(
                    "part_rows_minus1",
                    "ue(v)",
                    "Rows of a part, minus 1; the last band of a channel may have fewer.",
                    high="rows - 1",
                    inferred="rows - 1",
                ),
                Element(
                    "channel_groups_minus1",
                    "ue(v)",
                    "Number of groups that the channels are dealt out to, minus 1.",
                    high="channels - 1",
                    inferred="0",
                ),
            ),
        ),
        When("layers_flag", (Include(LAYER),)),
        Derive("part_rows", "part_rows_minus1 + 1", "Number of rows of a part; all rows if there are no parts."),
        Derive(
            "part_count",
            "ceil_div(rows, part_rows) * (channel_groups_minus1 + 1) if parts_flag else 0",
            "Number of parts of a sample; 0 if samples do not come in parts.",
        ),
        When("channel_transform_flag", (Include(TRANSFORM_EXTENSION),)),
        Align(),
    ),
    CONSTANTS,
)

FEATURE_PARAMETER_SET = Structure(
    "feature_parameter_set",
    "6.5",
    "Feature parameter set",
    (
        Element(
            "parameter_set_id",
            "ue(v)",
            "Names the parameter set and with it one feature tensor of the bitstream.",
            high=str(MAX_PARAMETER_SETS - 1),
        ),
        Element("network_id_length", "u(8)", "Length of network_id in bytes; 0: the network is not named."),
        Element("network_id", "b(network_id_length)", "Name of the network, UTF-8."),
        Element("layer_id_length", "u(8)", "Length of layer_id in bytes; 0: the layer is not named."),
        Element("layer_id", "b(layer_id_length)", "Name of the layer (the tensor) that the features leave, UTF-8."),
        Element("model_digest_flag", "u(1)", "1: model_digest is present."),
        When(
            "model_digest_flag",
            (Element("model_digest", "b(32)", "SHA-256 digest of the model that the features belong to (9.6)."),),
        ),
        Element("axis_count_minus1", "u(2)", "Number of axes of the feature tensor, minus 1."),
        Repeat(
            "i",
            "axis_count_minus1 + 1",
            (
                Element("axis_role", "u(3)", "What axis i counts (7.1).", values=AxisRole),
                When(
                    "axis_role[i] <= AXIS_W",
                    (
                        Element(
                            "axis_extent_minus1",
                            "ue(v)",
                            "Extent of axis i, minus 1. Axes N and T have no extent here: it is the number of samples.",
                            high=str(MAX_EXTENT - 1),
                            inferred="0",
                        ),
                    ),
                ),
                When(
                    "axis_role[i] == AXIS_T",
                    (
                        Element("time_scale", "u(32)", "Ticks of the clock in a second.", low="1", inferred="1"),
                        Element("time_step", "u(32)", "Ticks from one sample to the next.", low="1", inferred="1"),
                    ),
                ),
            ),
        ),
        Derive("channels", "extent_of(AXIS_C, axis_role, axis_extent_minus1)", "Number of channels C."),
        Derive("rows", "extent_of(AXIS_H, axis_role, axis_extent_minus1)", "Number of rows H of a channel."),
        Derive("columns", "extent_of(AXIS_W, axis_role, axis_extent_minus1)", "Number of columns W of a channel."),
        Element("element_type", "u(4)", "Number format of the decoded elements.", values=ElementType),
        Element("quantizer", "u(2)", "Pre-quantizer (7.4).", values=Quantizer),
        When(
            "quantizer != QUANTIZER_NONE",
            (
                Element("bit_depth_minus1", "u(4)", "Bit depth n of the quantized integers (levels), minus 1."),
                Element(
                    "range_scope",
                    "u(2)",
                    "What a range holds for (7.3).",
                    values=RangeScope,
                    high=f"SCOPE_CHANNEL if channels <= {MAX_LISTED_CHANNELS} else SCOPE_SEQUENCE",
                    inferred="SCOPE_SEQUENCE",
                ),
                Derive(
                    "range_count",
                    "0 if range_scope == SCOPE_SAMPLE else 1 if range_scope == SCOPE_SEQUENCE else channels",
                    "Number of ranges in the parameter set.",
                ),
                Repeat(
                    "r",
                    "range_count",
                    (
                        When(
                            "quantizer != QUANTIZER_LOG_NONNEGATIVE",
                            (
                                Element(
                                    "range_minimum",
                                    "f(32)",
                                    "Minimum of range r.",
                                    inferred="0.0",
                                ),
                            ),
                        ),
                        Element("range_maximum", "f(32)", "Maximum of range r."),
                    ),
                ),
            ),
        ),
        Element("payload_codec", "u(8)", "Codec of the payload (chapter 8).", values=PayloadCodec),
        Element("repack_layout", "u(2)", "How channels are laid into pictures (7.5).", values=RepackLayout),
        When(
            "repack_layout != LAYOUT_SEQUENCE",
            (
                Element(
                    "grid_rows_minus1",
                    "ue(v)",
                    "Rows of the grid of channels in a picture, minus 1.",
                    high=str(MAX_EXTENT - 1),
                    inferred="0",
                ),
                Element(
                    "grid_columns_minus1",
                    "ue(v)",
                    "Columns of the grid of channels in a picture, minus 1.",
                    high=str(MAX_EXTENT - 1),
                    inferred="0",
                ),
            ),
        ),
        Element("coded_width_minus1", "ue(v)", "Width of the coded pictures in elements, minus 1."),
        Element("coded_height_minus1", "ue(v)", "Height of the coded pictures in elements, minus 1."),
        Element(
            "channel_order_flag",
            "u(1)",
            "1: channel_order is present; 0: channels are in their own order.",
            high=f"1 if channels <= {MAX_LISTED_CHANNELS} else 0",
        ),
        When(
            "channel_order_flag",
            (
                Repeat(
                    "k",
                    "channels",
                    (
                        Element(
                            "channel_order",
                            "u(max(1, ceil_log2(channels)))",
                            "Channel that is the k-th in the order of repacking.",
                            high="channels - 1",
                        ),
                    ),
                ),
            ),
        ),
        Element("tensor_digest_flag", "u(1)", "1: digests of kind TENSOR cover all samples (9.5)."),
        Element(
            "levels_digest_flag",
            "u(1)",
            "1: digests of kind LEVELS cover all samples (9.5).",
            high="0 if quantizer == QUANTIZER_NONE else 1",
        ),
        Element("codec_configuration_length", "ue(v)", "Length of codec_configuration in bytes."),
        Element(
            "codec_configuration",
            "b(codec_configuration_length)",
            "What the payload codec sends once for all units: for HEVC and VVC the parameter sets (8.4, 8.5).",
        ),
        Align(),
        When("profile_idc >= PROFILE_RESILIENT", (Include(FEATURE_EXTENSION),)),
    ),
    CONSTANTS,
)

FEATURE_DATA = Structure(
    "feature_data",
    "6.6",
    "Feature data",
    (
        Element("parameter_set_id", "ue(v)", "Parameter set of the samples.", high=str(MAX_PARAMETER_SETS - 1)),
        Activate("parameter_set_id"),
        Element("first_sample", "ue(v)", "Index of the first sample of the unit; the first of a tensor is 0."),
        Element("sample_count_minus1", "ue(v)", "Number of samples of the unit, minus 1."),
        When(
            "range_scope == SCOPE_SAMPLE",
            (
                Repeat(
                    "s",
                    "sample_count_minus1 + 1",
                    (
                        When(
                            "quantizer != QUANTIZER_LOG_NONNEGATIVE",
                            (
                                Element(
                                    "sample_minimum",
                                    "f(32)",
                                    "Minimum of the s-th sample.",
                                    inferred="0.0",
                                ),
                            ),
                        ),
                        Element("sample_maximum", "f(32)", "Maximum of the s-th sample."),
                    ),
                ),
            ),
        ),
        Align(),
        Rest("payload", "The pictures of the samples, coded with payload_codec (chapter 8)."),
    ),
    CONSTANTS,
)

DIGEST = Structure(
    "digest",
    "6.7",
    "Digest",
    (
        Element("parameter_set_id", "ue(v)", "Parameter set of the samples.", high=str(MAX_PARAMETER_SETS - 1)),
        Element("digest_kind", "u(2)", "What the digest is taken over (9.5).", values=DigestKind),
        Element("first_sample", "ue(v)", "Index of the first sample that the digest covers."),
        Element("sample_count_minus1", "ue(v)", "Number of samples that the digest covers, minus 1."),
        Element("digest_length_minus1", "u(5)", "Length of digest in bytes, minus 1.", low="3"),
        Element("digest", "b(digest_length_minus1 + 1)", "The first bytes of the SHA-256 digest (9.5)."),
        Align(),
    ),
    CONSTANTS,
)

METADATA = Structure(
    "metadata",
    "6.8",
    "Metadata",
    (
        Element("entry_count_minus1", "u(8)", "Number of entries, minus 1."),
        Repeat(
            "i",
            "entry_count_minus1 + 1",
            (
                Element("key_length", "u(8)", "Length of key in bytes.", low="1"),
                Element("key", "b(key_length[i])", "What the entry is about, UTF-8."),
                Element("text_length", "u(16)", "Length of text in bytes."),
                Element("text", "b(text_length[i])", "The entry, UTF-8. It has no effect on decoding."),
            ),
        ),
    ),
    CONSTANTS,
)

END_OF_BITSTREAM = Structure(
    "end_of_bitstream",
    "6.9",
    "End of bitstream",
    (
        Element("tensor_count", "ue(v)", "Number of feature tensors.", high=str(MAX_PARAMETER_SETS)),
        Repeat(
            "i",
            "tensor_count",
            (Element("sample_count", "ue(v)", "Number of samples of the tensor whose parameter set came i-th."),),
        ),
        Align(),
        Element("bitstream_crc", "u(32)", "CRC-32 (4.5) of the CRCs of everything before this unit (5.6)."),
    ),
    CONSTANTS,
)

FEATURE_PART = Structure(
    "feature_part",
    "6.13",
    "Feature part",
    (
        Element("parameter_set_id", "ue(v)", "Parameter set of the sample.", high=str(MAX_PARAMETER_SETS - 1)),
        Activate("parameter_set_id"),
        Element("sample_index", "ue(v)", "Index of the sample; the first of a tensor is 0."),
        Element(
            "part_index",
            "u(ceil_log2(max(1, part_count)))",
            "Index of the part (9.10.1).",
            high="part_count - 1",
        ),
        When(
            "range_scope == SCOPE_SAMPLE",
            (
                When(
                    "quantizer != QUANTIZER_LOG_NONNEGATIVE",
                    (Element("part_minimum", "f(32)", "Minimum of the part.", inferred="0.0"),),
                ),
                Element("part_maximum", "f(32)", "Maximum of the part."),
            ),
        ),
        Align(),
        Rest("payload", "The pictures of the part, coded with payload_codec (chapter 8)."),
    ),
    CONSTANTS,
)

BY_UNIT_TYPE = {
    UnitType.FEATURE_PARAMETER_SET: FEATURE_PARAMETER_SET,
    UnitType.FEATURE_DATA: FEATURE_DATA,
    UnitType.DIGEST: DIGEST,
    UnitType.METADATA: METADATA,
    UnitType.END_OF_BITSTREAM: END_OF_BITSTREAM,
    UnitType.MODEL_HEADER: MODEL_HEADER,
    UnitType.MODEL_DATA: MODEL_DATA,
    UnitType.FEATURE_PART: FEATURE_PART,
}
IN_PAYLOADS = (NATIVE_CONFIGURATION, NATIVE_PARAMETERS, NATIVE_SAMPLE, NATIVE_PREDICTION, CHANNEL_TRANSFORM)
"""Structures within codec_configuration, payload and transform."""
STRUCTURES = (
    BITSTREAM_HEADER,
    UNIT_HEADER,
    *BY_UNIT_TYPE.values(),
    FEATURE_EXTENSION,
    LAYER,
    MODEL_LEVELS,
    SECOND_TABLES,
    TRANSFORM_EXTENSION,
    *IN_PAYLOADS,
    *CARRIAGE_STRUCTURES,
)
