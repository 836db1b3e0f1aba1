"""Chapter 6, clauses 6.16 to 6.19 and 6.22: the elements within other elements and payloads, for the trace."""

from __future__ import annotations

from refsw.errors import DfcError
from refsw.syntax.bits import BitReader
from refsw.syntax.codes import PayloadCodec
from refsw.syntax.declaration import Structure, Values
from refsw.syntax.native_structures import NATIVE_CONFIGURATION, NATIVE_PREDICTION, NATIVE_SAMPLE
from refsw.syntax.structure import Trace, TraceRow, read_structure
from refsw.syntax.transform_structures import CHANNEL_TRANSFORM

UNITS = ("feature_data", "feature_part")


class NativeTrace:
    """Hands rows on, and after a native configuration, a native payload or a transform the rows of the elements in it.

    What cannot be read has no rows; the decoder says what is wrong with it.

    Args:
        trace: receives all rows.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._native: set[int] = set()
        self._predicting: set[int] = set()
        self._id = 0
        self._is_native = False

    def __call__(self, row: TraceRow) -> None:
        """Take a row."""
        self._trace(row)
        if row.element == "parameter_set_id":
            self._id = row.value
        elif row.element == "payload_codec":
            self._is_native = row.value == PayloadCodec.NATIVE
            (self._native.add if self._is_native else self._native.discard)(self._id)
        elif row.element == "time_prediction_flag":
            (self._predicting.add if row.value else self._predicting.discard)(self._id)
        elif row.element == "codec_configuration" and self._is_native:
            self._within(NATIVE_CONFIGURATION, row)
        elif row.element == "transform":
            self._within(CHANNEL_TRANSFORM, row)
        elif row.element == "payload" and row.structure in UNITS and self._id in self._native:
            self._payload(row)

    def _within(self, structure: Structure, row: TraceRow) -> None:
        try:
            read_structure(structure, BitReader(row.value, row.bit_offset), trace=self._trace)
        except DfcError:
            return

    def _payload(self, row: TraceRow) -> None:
        place, data = 0, memoryview(row.value)
        while place < len(data):
            reader = BitReader(data[place:], row.bit_offset + 8 * place)
            try:
                if self._id in self._predicting:
                    read_structure(NATIVE_PREDICTION, reader, trace=self._trace)
                values = read_structure(NATIVE_SAMPLE, reader, trace=self._trace)
            except DfcError:
                return
            place += reader.position // 8 + bytes_after(values)


def bytes_after(values: Values) -> int:
    """8.6.1 The bytes that follow a native_sample."""
    found: int = (4 << values["lanes_log2"]) + 2 * values["word_count"] + values["raw_byte_count"]
    return found
