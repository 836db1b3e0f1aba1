"""What of the decoder is mutated, and what is not, by rule.

It is the code that decides how a bitstream decodes. Left out: docstrings, annotations, texts and
numbers that only words and places of an error are made of; `strict` of zip, which asks for what is so by
construction; `repr` and `init` of fields; the -1 of reshape; traces; functions that only an encoder, a validator,
random access, the receiver's own limits (11.4), the choice of a library, or an external program uses, or that only
take arrays of a caller for tensors or choose which requirement the error for refused data names (`OTHERS`). What takes
incomplete samples of files (9.10.4: features/arrivals.py, features/reception.py) is left out as well: such bitstreams
do not conform, so that there are no vectors of them.
"""

from __future__ import annotations

MODULES = (
    "profiles.py",
    "syntax/bits.py", "syntax/codes.py", "syntax/declaration.py", "syntax/structure.py", "syntax/structures.py",
    "syntax/units.py", "syntax/walker.py",
    "tensor/axes.py", "tensor/dequantize.py", "tensor/repack.py", "tensor/parts.py",
    "features/parameters.py", "features/reader.py", "features/decoder.py", "features/reconstruct.py",
    "features/assembly.py", "features/digest.py", "features/limits.py", "features/layering.py", "features/layers.py",
    "features/transform_values.py", "tensor/layers.py", "tensor/transform.py", "named.py",
    "syntax/layer_structures.py", "syntax/transform_structures.py",
    "payload/base.py", "payload/nal.py", "payload/parameter_sets.py", "payload/slices.py", "payload/bytecodecs.py",
    "payload/images.py", "payload/image_headers.py", "payload/hevc.py", "payload/ffmpeg.py", "payload/registry.py",
    "payload/vvc.py",
    "payload/native/codec.py", "payload/native/configuration.py", "payload/native/contexts.py",
    "payload/native/decoder.py", "payload/native/errors.py", "payload/native/parameters.py", "payload/native/scale.py",
    "payload/native/starts.py", "syntax/native_structures.py",
    "syntax/model_structures.py",
    "models/state.py", "models/arithmetic.py", "models/directory.py", "models/labels.py", "models/prediction.py",
    "entropy/rans.py", "entropy/rawbits.py", "models/symbols.py", "models/tables.py",
    "models/quantizers.py", "models/levels.py", "models/payload.py", "models/reader.py", "models/apply.py",
    "models/update.py",
    "syntax/carriage_structures.py",
    "carriage/sdp.py", "carriage/captures.py", "carriage/datagrams.py", "carriage/packets.py", "carriage/window.py",
    "carriage/fragments.py", "carriage/depacketizer.py", "carriage/session.py", "carriage/acceptance.py",
    "carriage/reception.py", "carriage/output.py",
)  # fmt: skip
"""Of the package."""

OTHERS = {
    "profiles.py": {"default_profile", "Allowance", "Meter"},
    "syntax/bits.py": {"BitWriter", "BitReader.se"},
    "syntax/declaration.py": {"Structure.requirement", "Element.__post_init__"},
    "syntax/structure.py": {"write_structure", "_Writing", "_Reading.row"},
    "syntax/units.py": {
        "leb128", "pack_header", "pack_unit", "pack_body", "UnitReader._trace_framing", "ByteSource.skip",
        "UnitReader.__iter__",
        "body_reader",
    },
    "syntax/walker.py": {"BitstreamWalker.with_units"},
    "tensor/axes.py": {"Axes.parse", "Axes.to_canonical", "element_type_of", "contiguous_parts"},
    "tensor/dequantize.py": {"log_ceilings"},
    "tensor/repack.py": {"pack", "choose_grid", "order_by_similarity", "order_by_mean"},
    "features/parameters.py": {"to_values", "_extension"},
    "features/layering.py": {"layer_values"},
    "features/transform_values.py": {"transform_values"},
    "tensor/transform.py": {"pack_basis", "values_of", "_floats"},
    "named.py": {"known_by_digest"},
    "features/assembly.py": {"Assembler.check"},
    "features/decoder.py": {
        "sample_time", "model_mismatch", "Decoder._account", "Decoder._account_absent", "Decoder.__enter__",
        "Decoder.__exit__", "DecoderLimits",
    },
    "features/digest.py": {"RunningDigest.take", "RunningDigest.restart"},
    "features/reconstruct.py": {"check_unit", "locate"},
    "payload/base.py": {"EncoderSettings", "DecoderSettings", "guarded"},
    "payload/bytecodecs.py": {"ByteCodec.encode", "ByteCodec._compress", "ByteCodec._refused", "_dictionary"},
    "payload/images.py": {"ImageCodec.encode", "ImageCodec._encode_one"},
    "payload/hevc.py": {
        "HevcCodec.encode", "HevcCodec._by_command", "annex_b", "hevc_configuration", "_hashes_agree",
        "_check_slice_ends",
    },
    "payload/ffmpeg.py": {"has_decoder"},
    "payload/nal.py": {"Nal.told", "Nal.is_coded"},
    "payload/slices.py": {"header_places", "_filters"},
    "payload/parameter_sets.py": {"Promises", "bits_of"},
    "payload/vvc.py": {"VvcCodec.encode", "VvcCodec._compare"},
    "payload/native/codec.py": {
        "NativeCodec.encode", "native_configuration", "step_of", "encoder_start", "demands_of",
    },
    "payload/native/parameters.py": {"Start.class_count"},
    "payload/native/scale.py": {"nearest_code"},
    "models/state.py": {
        "type_of", "model_of", "plain_names", "Model.__init__", "Model.nbytes", "Model._as_coded", "TensorType.nbytes",
    },
    "models/arithmetic.py": {"quantize", "word_differences", "Rounding", "Step.__post_init__", "Step.__str__"},
    "models/directory.py": {"_wanted"},
    "models/prediction.py": {"Predictor.residuals", "Predictor.bits"},
    "entropy/rans.py": {"encode", "Tables.coding", "Encoder"},
    "entropy/rawbits.py": {"pack"},
    "models/symbols.py": {"to_symbols", "_near", "_classify", "pack_raw"},
    "models/levels.py": {"to_level_symbols", "Planes.gather"},
    "models/payload.py": {"_Rans._error"},
    "models/apply.py": {"_no_base", "Applier._check_base", "changed", "apply_update"},
    "models/update.py": {"ApplyLimits", "UpdateRun._limit", "UpdateRun._range"},
    "carriage/sdp.py": {"make_sdp"},
    "carriage/captures.py": {"CaptureWriter", "is_capture"},
    "carriage/datagrams.py": {"ip_packet", "_checksum", "address_of", "_cooked"},
    "carriage/packets.py": {"payload_header", "FirstBytes", "_first_bytes", "trace_packet"},
    "carriage/window.py": {"Window.expected"},
    "carriage/fragments.py": {"Assembler.finish"},
    "carriage/acceptance.py": {"Acceptance.lack", "_sample_bytes"},
    "carriage/depacketizer.py": {
        "Bounds", "Depacketizer.statistics", "Depacketizer.damaged", "Depacketizer.nothing", "batches",
    },
    "carriage/session.py": {"Clock.seconds", "Session.__bytes__", "repeated", "_with_crc", "rate_of",
                            "read_parameter_set"},
    "carriage/reception.py": {"Receiver.statistics", "Receiver.problems", "Receiver.complete", "Receiver.ended",
                              "Receiver.put"},
}  # fmt: skip
WORDS = {"expected", "got", "doc", "offset", "strict", "repr", "init"}
PLACES = {"offset", "payload_offset", "last"}
ELSEWHERE = {
    "DEFAULT_AXES", "self._lost", "self._damaged", "self.violated", "IN_MEMORY",
    "MAX_AXES", "MAX_EXTENT", "MAX_NAME_BYTES", "MAX_DIGITS", "EXACT_INTEGER", "_BELOW", "_REACH", "SAMPLE_RUNS",
    "FULL_TAPS", "ENCODER_LIMIT", "ENCODER_COEFFICIENT", "FRACTION", "(CLASS_COST, HEAD_COST)", "SMALL", "FEW", "CHUNK",
    "LZMA_DICTIONARIES", "LZMA_LEAST_DICTIONARY", "NAMES", "BEHIND", "NO_LATENCY", "LOOKED_UP", "LZMA_LARGEST_BITS",
    "QP_OF_STEP_ONE", "LARGEST_STEP", "MOST_STEPS", "LONGEST", "LONGEST_LINE", "LONGEST_RECORD", "LONGEST_SESSION",
    "(MISSING, MISSING_PER_BYTE)", "MANY", "TOLD", "DEFAULT_PAYLOAD_TYPE", "self._skipped", "OVERHEAD",
}  # fmt: skip
"""Of the encoder, the validator, which reads on after a violation, and the decoder's own limits."""
COUNTS = {
    "OTHERS", "self.place", "self.damaged", "self.unused", "self.repeated", "self._samples", "self._partial",
    "self.assembler.damaged", "self._counts.packets", "self._counts.ignored", "self._counts.foreign",
    "self._skipped", "SENDER", "RECEIVER",
}  # fmt: skip
"""What a receiver of packets tells of them, and what it reads besides the captures of 14.10."""
PROMISES = {"Promises", "marks.append"}
"""What an encoder compares parameter sets by."""
TESTS = {
    "found", "errors", "self._damaged", "TYPE_CHECKING", "settings.command", "settings.thorough",
    "self.window.received > before",
    "before is not None and self.waiting[number][0] > before and (number != self.next)",
}  # fmt: skip
ERRORS = {
    "_error",
    "_layout",
    "layout_error",
    "layer_error",
    "_broken",
    "payload_error",
    "range_order",
    "over",
    "_truncated",
    "_out_of_range",
    "out_of_range",
    "_wrong_sps",
    "_no_substreams",
    "_crc_error",
    "_unsupported_version",
    "error_of",
    "self._error",
    "self._too_many",
    "self._limit",
    "self._range",
    "_twice",
    "_not_float",
    "_no_base",
    "_wrong",
    "_refused",
}
