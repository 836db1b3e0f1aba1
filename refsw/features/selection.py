"""9.7, 9.11.4 Which units are read for some samples, and for some tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from refsw.errors import DfcError
from refsw.features.layers import chain
from refsw.features.parameters import Parameters
from refsw.syntax.bits import BitReader
from refsw.syntax.codes import UnitType

Wanted = Callable[[int, bytes], bool]
"""Type and first body bytes of a unit -> whether it is read."""
OF_TENSORS = {UnitType.FEATURE_DATA, UnitType.FEATURE_PART, UnitType.DIGEST}


def of_samples(first: int, last: int) -> Wanted:
    """9.7 The units that hold some samples; digests and metadata are passed over."""

    def wanted(unit_type: int, start: bytes) -> bool:
        if unit_type in (UnitType.DIGEST, UnitType.METADATA):
            return False
        if unit_type not in (UnitType.FEATURE_DATA, UnitType.FEATURE_PART):
            return True
        reader = BitReader(start)
        try:
            reader.ue()  # parameter_set_id
            index = reader.ue()
            more = reader.ue() if unit_type == UnitType.FEATURE_DATA else 0
            return index <= last and first <= index + more
        except DfcError:
            return True  # what is wrong with it is told, with its place, when it is read

    return wanted


def of_tensors(names: Collection[str], sets: Callable[[], Mapping[int, Parameters]]) -> Wanted:
    """9.11.4 The units of some tensors and of the chains of those that are layers.

    Args:
        names: of the tensors.
        sets: gives the parameter sets that have come, by their id.
    """

    def wanted(unit_type: int, start: bytes) -> bool:
        if unit_type not in OF_TENSORS:
            return True
        try:
            number = BitReader(start).ue()
        except DfcError:
            return True
        known = sets()
        if number not in known:
            return True
        if known[number].layer is not None and not {p.name for p in known.values()} >= set(names):
            return True  # a layer that is wanted, and whose parameter set comes later, may need it
        return any(number == one.id for p in known.values() if p.name in names for one in chain(p, known))

    return wanted
