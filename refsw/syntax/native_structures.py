"""Chapter 6, clauses 6.16 to 6.19: the syntax structures of the native payload (8.6), declared once."""

from __future__ import annotations

from refsw.syntax.codes import NativeStart
from refsw.syntax.declaration import Align, Element, Include, Node, Repeat, Structure, When

MAX_LANES_LOG2 = 12
MAX_REFERENCES = 12
BINS, TABLES = 48, 144
CLASSES = 32
CONSTANTS = {"START_" + member.name: int(member) for member in NativeStart}

PARAMETERS: tuple[Node, ...] = (
    Element("native_channel_count_minus1", "ue(v)", "Number of channels that the parameters are for, minus 1.",
            high=str(2**24 - 1)),
    Element("prior_flag", "u(1)", "1: priors of the channels are present; 0: samples tell them (6.18)."),
    When("prior_flag", (
        Repeat("k", "native_channel_count_minus1 + 1", (
            Element("prior_index", "u(6)", "Index of the magnitude (8.6.2) that is usual in channel k."),
        )),
    )),
    Element("channel_class_count_minus1", "u(2)", "Number of classes of channels, minus 1."),
    When("channel_class_count_minus1", (
        Repeat("k", "native_channel_count_minus1 + 1", (
            Element("channel_class", "u(2)", "Class of channel k.", high="channel_class_count_minus1"),
        )),
    )),
    Element("reference_count", "u(4)", "Number of references of a channel.",
            high=f"{MAX_REFERENCES} if prior_flag else 0"),
    When("reference_count", (
        Repeat("p", "native_channel_count_minus1 + 1", (
            Repeat("j", "reference_count", (
                Element("reference_weight", "u(8)", "Weight of reference j of the channel at place p, in 1/256."),
                When("reference_weight[p][j]", (
                    Element("reference_distance_minus1", "u(max(1, ceil_log2(p + 1)))",
                            "How many places before p the reference stands (8.6.4), minus 1.", inferred="0"),
                )),
            )),
        )),
    )),
    Element("weight_flag", "u(1)", "1: weights are present; 0: those of the universal start hold."),
    When("weight_flag", (
        Repeat("g", "2", (
            Repeat("p", "4", (
                Repeat("f", "9", (
                    Element("weight", "u(12)", "Weight of a part of the expected magnitude (8.6.5), in 2^-10."),
                )),
            )),
        )),
    )),
    Element("point_bin_count", "u(6)", "Number of bins whose reconstruction points are present.", high=str(BINS)),
    Repeat("b", "point_bin_count", (
        Repeat("v", "4", (
            Element("point_delta", "se(v)", "What a reconstruction point of bin b differs by from the universal "
                    "start's, in 1/256 step.", low="-510", high="510"),
        )),
    )),
    Element("table_count", "u(10)", "Number of tables that are present.",
            high=f"(channel_class_count_minus1 + 1) * {TABLES}"),
    Repeat("t", "table_count", (
        Element("token_count_minus1", "u(6)", "Number of tokens that table t has, but for the escape, minus 1."),
        Repeat("s", "token_count_minus1[t] + 1", (
            Element("code_delta", "se(v)", "What the code of a probability (8.6.2) differs by from that of the "
                    "universal start.", low="-255", high="255"),
        )),
    )),
    Align(),
)  # fmt: skip

NATIVE_PARAMETERS = Structure("native_parameters", "6.17", "Native parameters", PARAMETERS, CONSTANTS)

NATIVE_CONFIGURATION = Structure(
    "native_configuration",
    "6.16",
    "Native configuration",
    (
        Element("native_start", "u(8)", "What the samples are decoded with (8.6.3).", values=NativeStart),
        When("native_start == START_SENT", (Include(NATIVE_PARAMETERS),)),
        When("native_start == START_NAMED", (
            Element("native_digest", "b(32)", "SHA-256 digest of the native_parameters (6.17) that hold."),
        )),
        Align(),
    ),
    CONSTANTS,
)  # fmt: skip

NATIVE_SAMPLE = Structure(
    "native_sample",
    "6.18",
    "Native sample",
    (
        Element("quantization_step", "u(24)", "Quantization step in 1/256 level.", low="1"),
        Element("signed_flag", "u(1)", "1: values have signs; 0: they are not negative."),
        When("signed_flag", (
            Element("zero_level", "u(16)", "Level of the value 0.", inferred="0"),
        )),
        Element("class_flag", "u(1)", "1: the sample tells the magnitudes of its channels; 0: the parameters do."),
        When("class_flag", (
            Element("class_code_count", "u(5)", "Number of codes of the table of magnitude classes."),
            Repeat("i", "class_code_count", (
                Element("class_code", "u(8)", "Code of a probability (8.6.2) in that table."),
            )),
        )),
        When("not class_flag", (
            Element("prior_shift", "se(v)", "What is added to prior_index.", low="-63", high="63", inferred="0"),
        )),
        Element("lanes_log2", "u(4)", "Binary logarithm of the number of lanes.", high=str(MAX_LANES_LOG2)),
        Element("word_count", "ue(v)", "Number of words of the lanes."),
        Element("raw_byte_count", "ue(v)", "Number of bytes of raw bits."),
        Align(),
    ),
    CONSTANTS,
)  # fmt: skip

NATIVE_PREDICTION = Structure(
    "native_prediction",
    "6.19",
    "Native prediction",
    (
        Element("predicted_flag", "u(1)", "1: the sample is predicted from the one before; 0: it is intra."),
        When("predicted_flag", (
            Element("reference_step", "u(24)", "The quantization step, in 1/256 level of the sample before.", low="1"),
            Element("motion_flag", "u(1)", "1: motion vectors are present; 0: nothing has moved."),
            When("motion_flag", (
                Element("block_log2_minus1", "u(3)", "Binary logarithm of the rows and columns of a block, minus 1."),
                Element("block_rows_minus1", "ue(v)", "Number of rows of blocks, minus 1."),
                Element("block_columns_minus1", "ue(v)", "Number of columns of blocks, minus 1."),
                Repeat("i", "block_rows_minus1 + 1", (
                    Repeat("j", "block_columns_minus1 + 1", (
                        Element("vector_flag", "u(1)", "0: the vector is the expected one (8.6.9.2)."),
                        When("vector_flag[i][j]", (
                            Element("vector_row_delta", "se(v)", "Rows of the vector, less the expected ones, in "
                                    "quarters of a position.", low="-255", high="255", inferred="0"),
                            Element("vector_column_delta", "se(v)", "Columns likewise.", low="-255", high="255",
                                    inferred="0"),
                        )),
                    )),
                )),
            )),
        )),
        Align(),
    ),
    CONSTANTS,
)  # fmt: skip
