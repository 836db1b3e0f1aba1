"""Chapter 6, clauses 6.10, 6.11, 6.14 and 6.15: the syntax structures of model updates, declared once."""

from __future__ import annotations

from refsw.syntax.codes import ElementType, ModelCoder, Profile, StepMultiplier, TensorMode, ValueQuantizer
from refsw.syntax.declaration import Align, Derive, Element, Include, Node, Repeat, Rest, Structure, When

MAX_SYMBOLS = 504
MAX_TABLES = 4096
MAX_DISTINCT_TABLES = 256
MAX_LANES_LOG2 = 12
FREQUENCY_BITS = 14
MAX_PREDICTORS = 255
MAX_TAPS = 64
MAX_COEFFICIENT = 1023

CONSTANTS = {
    prefix + member.name: int(member)
    for kind, prefix in ((TensorMode, "MODE_"), (ModelCoder, "CODER_"), (ValueQuantizer, "QUANTIZER_"))
    for member in kind
} | {"PROFILE_MODEL_EXTENDED": int(Profile.MODEL_EXTENDED)}


def _step(prefix: str, flag: str, mode: str) -> When:
    """The elements of a tensor's own step."""
    return When(
        f"MODE_QUANTIZED_DIFFERENCE <= {mode} and {mode} <= MODE_QUANTIZED",
        (
            Element(flag, "u(1)", "1: the tensor has a step of its own.", inferred="0"),
            When(
                f"{flag}[i]",
                (
                    Element(f"{prefix}step_digits", "u(4)", "k of the tensor's step.", inferred="step_digits"),
                    Element(
                        f"{prefix}step_multiplier",
                        "u(2)",
                        "m of the tensor's step.",
                        values=StepMultiplier,
                        inferred="step_multiplier",
                    ),
                ),
            ),
        ),
    )


MODEL_HEADER = Structure(
    "model_header",
    "6.10",
    "Model header",
    (
        Element("network_id_length", "u(8)", "Length of network_id in bytes; 0: the network is not named."),
        Element("network_id", "b(network_id_length)", "Name of the network, UTF-8."),
        Element("model_version_length", "u(8)", "Length of model_version in bytes; 0: the version is not named."),
        Element("model_version", "b(model_version_length)", "Name of the version that results, UTF-8."),
        Element("base_flag", "u(1)", "1: the update changes a base; 0: it is a full model."),
        When(
            "base_flag",
            (
                Element("base_version_length", "u(8)", "Length of base_version in bytes.", inferred="0"),
                Element("base_version", "b(base_version_length)", "Name of the version of the base, UTF-8."),
                Element("base_digest", "b(32)", "Digest of the base (10.2)."),
                Element("base_tensor_count", "ue(v)", "Number of tensors of the base.", inferred="0"),
            ),
        ),
        Element("result_digest", "b(32)", "Digest of the model that results (10.2)."),
        Element("step_digits", "u(4)", "k of the update's quantization step m x 10^-k (10.4.1)."),
        Element("step_multiplier", "u(2)", "m of the update's quantization step.", values=StepMultiplier),
        Repeat(
            "i",
            "base_tensor_count",
            (
                Element("tensor_mode", "u(3)", "What becomes of tensor i of the base (10.3).", values=TensorMode),
                _step("tensor_", "tensor_step_flag", "tensor_mode[i]"),
                When(
                    "tensor_mode[i] == MODE_COPY",
                    (
                        Element(
                            "copy_entry",
                            "ue(v)",
                            "Entry of the tensor that is copied.",
                            high="i - 1",
                            inferred="0",
                        ),
                    ),
                ),
            ),
        ),
        Element(
            "new_tensor_count", "ue(v)", "Number of new tensors: those that no tensor of the base keeps its name for."
        ),
        Repeat(
            "i",
            "new_tensor_count",
            (
                Element("name_length", "u(16)", "Length of name in bytes."),
                Element("name", "b(name_length[i])", "Name of the tensor, UTF-8."),
                Element("new_element_type", "u(4)", "Number format of the tensor.", values=ElementType),
                Element("new_axis_count", "u(4)", "Number of axes of the tensor; 0: a scalar."),
                Repeat(
                    "a",
                    "new_axis_count[i]",
                    (Element("new_extent", "ue(v)", "Extent of axis a."),),
                ),
                Element(
                    "source_flag",
                    "u(1)",
                    "1: a tensor of the base is the source.",
                    high="1 if base_tensor_count else 0",
                ),
                When(
                    "source_flag[i]",
                    (
                        Element(
                            "source_entry",
                            "ue(v)",
                            "Tensor of the base that is the source.",
                            high="base_tensor_count - 1",
                            inferred="0",
                        ),
                    ),
                ),
                Element("new_tensor_mode", "u(3)", "How the tensor is given (10.3).", values=TensorMode),
                _step("new_", "new_step_flag", "new_tensor_mode[i]"),
                When(
                    "new_tensor_mode[i] == MODE_COPY",
                    (
                        Element(
                            "new_copy_entry",
                            "ue(v)",
                            "Entry of the tensor that is copied.",
                            high="base_tensor_count + i - 1",
                            inferred="0",
                        ),
                    ),
                ),
            ),
        ),
        Align(),
    ),
    CONSTANTS,
)


def _frequencies(prefix: str, of: str) -> tuple[Node, ...]:
    """The elements of a frequency table after its number of symbols."""
    end, first, rest = f"{prefix}symbol_end[t]", f"{prefix}first_symbol", f"{prefix}rest_symbol"
    size = f"{prefix}frequency_class"
    return (
        When(
            f"{end} > 0",
            (
                Element(
                    first,
                    "ue(v)",
                    f"First symbol whose frequency{of} is present.",
                    high=f"{end} - 1",
                    inferred="0",
                ),
                Element(
                    rest,
                    "ue(v)",
                    f"Symbol, counted from {first}, that has the frequency that is left (10.6.2).",
                    high=f"{end} - {first}[t] - 1",
                    inferred="0",
                ),
            ),
        ),
        Repeat(
            "s",
            f"{end} - {first}[t]",
            (
                When(
                    f"s != {rest}[t]",
                    (
                        Element(
                            size,
                            "u(4)",
                            "0: the symbol does not occur; else the number of bits of its frequency.",
                            high=str(FREQUENCY_BITS),
                            inferred="0",
                        ),
                        Element(
                            f"{prefix}frequency_bits",
                            f"u(max(0, min({size}[t][s] - 1, frequency_precision)))",
                            "The bits of the frequency after its first (10.6.2).",
                            inferred="0",
                        ),
                    ),
                ),
            ),
        ),
    )


_TABLES: tuple[Node, ...] = (
    Element(
        "symbol_end",
        "ue(v)",
        "Number of symbols of table t, those below first_symbol included; 0: the table is the same as table t - 1.",
        low="0 if t else 1",
        high=str(MAX_SYMBOLS),
    ),
    *_frequencies("", ""),
)

MODEL_LEVELS = Structure(
    "model_levels",
    "6.14",
    "Model levels",
    (
        Element("value_quantizer", "u(2)", "How levels become values.", values=ValueQuantizer),
        When(
            "value_quantizer != QUANTIZER_PLAIN",
            (
                Element(
                    "grid",
                    "u(11)",
                    "g: quantized values count 1024ths of the step, g each (10.4.2).",
                    low="1",
                ),
            ),
        ),
    ),
    CONSTANTS,
)

SECOND_TABLES = Structure(
    "second_tables",
    "6.15",
    "Second tables",
    (
        Repeat(
            "t",
            "table_count_minus1 + 1",
            (
                When(
                    "symbol_end[t] > 0",
                    (
                        Element(
                            "second_symbol_end",
                            "ue(v)",
                            "Number of symbols of the second table of t (10.6.2); 0: it is the same as table t.",
                            high=str(MAX_SYMBOLS),
                            inferred="0",
                        ),
                        *_frequencies("second_", " in the second table"),
                    ),
                ),
            ),
        ),
    ),
    CONSTANTS,
)

MODEL_DATA = Structure(
    "model_data",
    "6.11",
    "Model data",
    (
        Element("first_coded_tensor", "ue(v)", "First coded tensor of the unit (10.3); the first of an update is 0."),
        Element("coded_tensor_count_minus1", "ue(v)", "Number of coded tensors of the unit, minus 1."),
        Element("model_coder", "u(2)", "Coder of the values.", values=ModelCoder),
        When(
            "model_coder == CODER_RANS",
            (
                When("profile_idc == PROFILE_MODEL_EXTENDED", (Include(MODEL_LEVELS),)),
                Element(
                    "predictor_count", "ue(v)", "Number of predictors (10.6.6).", high=str(MAX_PREDICTORS), inferred="0"
                ),
                Repeat(
                    "i",
                    "predictor_count",
                    (
                        Element(
                            "predictor_taps_minus2",
                            "ue(v)",
                            "Values of a run, minus 2.",
                            high=str(MAX_TAPS - 2),
                        ),
                        Repeat(
                            "p",
                            "predictor_taps_minus2[i] + 1",
                            (
                                Repeat(
                                    "j",
                                    "p + 1",
                                    (
                                        Element(
                                            "predictor_coefficient",
                                            "se(v)",
                                            "Weight of value j in the prediction of value p + 1, in units of 1/64.",
                                            low=str(-MAX_COEFFICIENT),
                                            high=str(MAX_COEFFICIENT),
                                        ),
                                    ),
                                ),
                            ),
                        ),
                    ),
                ),
                Repeat(
                    "t",
                    "coded_tensor_count_minus1 + 1",
                    (
                        Element(
                            "predictor",
                            "ue(v)",
                            "0: no prediction; else the predictor of the tensor, counted from 1.",
                            high="predictor_count",
                            inferred="0",
                        ),
                        Element(
                            "table_offset",
                            "ue(v)",
                            "Table of the values whose labels are all 0.",
                            high=str(MAX_TABLES - 1),
                        ),
                        Element("label_group_count", "u(4)", "Number of groups of axes with labels (10.6.3)."),
                        When(
                            "label_group_count[t] > 0",
                            (
                                Element(
                                    "label_step_minus1",
                                    "u(4)",
                                    "Tables from one label to the next, minus 1.",
                                    inferred="0",
                                ),
                            ),
                        ),
                        Repeat(
                            "g",
                            "label_group_count[t]",
                            (
                                Element(
                                    "group_first_axis",
                                    "u(4)",
                                    "First axis of the group.",
                                    low="group_last_axis[t][g - 1] + 1 if g else 0",
                                ),
                                Element(
                                    "group_last_axis", "u(4)", "Last axis of the group.", low="group_first_axis[t][g]"
                                ),
                            ),
                        ),
                    ),
                ),
                Derive("label_flag", "1 if max(label_group_count) > 0 else 0", "Whether there are labels."),
                Element("lanes_log2", "u(4)", "Log2 of the number of lanes.", high=str(MAX_LANES_LOG2)),
                Element(
                    "frequency_precision", "u(4)", "Greatest number of frequency_bits.", high=str(FREQUENCY_BITS - 1)
                ),
                Element(
                    "table_count_minus1", "ue(v)", "Number of tables for values, minus 1.", high=str(MAX_TABLES - 1)
                ),
                When(
                    "label_flag",
                    (
                        Element(
                            "label_lanes_log2", "u(4)", "The same for labels.", high=str(MAX_LANES_LOG2), inferred="0"
                        ),
                        Element("label_word_count", "ue(v)", "Words of the labels.", inferred="0"),
                    ),
                ),
                Repeat("t", "table_count_minus1 + 1 + label_flag", _TABLES),
                When(
                    "profile_idc == PROFILE_MODEL_EXTENDED and value_quantizer == QUANTIZER_DEPENDENT",
                    (Include(SECOND_TABLES),),
                ),
                Element("word_count", "ue(v)", "Words of the values.", inferred="0"),
            ),
        ),
        When(
            "model_coder == CODER_XZ",
            (
                Element("word_bytes_log2", "u(2)", "Log2 of the bytes of a value.", inferred="0"),
                Element("plane_flag", "u(1)", "1: all first bytes, then all second ones, and so on.", inferred="0"),
            ),
        ),
        Align(),
        Rest("model_payload", "Words and bits (10.6.4), or the .xz stream (10.7)."),
    ),
    CONSTANTS,
)
