"""14.5 to 14.7: units that a receiver uses or not, and what it puts out of them, at their bounds."""

from __future__ import annotations

from typing import Any

from vectors.catalog import Catalog
from vectors.recipes.captures import samples
from vectors.recipes.words import data, digest, fps, metadata
from vectors.tensors import Unit

BASE, TICKS = 1_000_000, 3000
"""Of the timestamps of these captures."""
SET, DATA, DIGEST, END, PART = 1, 2, 3, 5, 6
ALONE: dict[str, Any] = {"aggregate": False}


def register(c: Catalog) -> None:
    """Add the recipes."""
    _data(c)
    _times(c)
    _ends(c)
    _digests(c)
    _parts(c)


def _add(
    c: Catalog, name: str, title: str, units: list[Unit], requirement: str, *edits: dict[str, Any], **more: Any
) -> None:
    c.capture(f"carriage-{name}", title, units, requirements=(requirement,), edit=edits, **more)


def _time(index: int) -> int:
    return (BASE + TICKS * index) % 2**32


def _forge(at: int, kind: int, index: int, ue: list[int], rest: str = "", **more: Any) -> dict[str, Any]:
    """In the place of a packet, a unit of a type in a packet with the timestamp of a sample."""
    unit = {"type": kind, "ue": ue, "rest": rest, "skippable": int(kind == DIGEST)} | more.pop("unit", {})
    return {"forge": {"at": at, "time": _time(index), "kind": "2c", "unit": unit} | more}


def _data(c: Catalog) -> None:
    """Forged samples in the place of a session description, which nobody misses, before sample 4."""

    def forged(name: str, title: str, requirement: str, index: int, ue: list[int], rest: str, **more: Any) -> None:
        _add(c, f"data-{name}", title, more.pop("units", samples(8)), requirement, _forge(6, DATA, index, ue, rest),
             **more)  # fmt: skip

    one = "5a" * 24
    forged("again", "A sample that has come", "carriage.samples", 3, [0, 3, 0], one)
    forged("overlap", "Two samples of which the first has come", "carriage.samples", 3, [0, 3, 1], one * 2)
    forged("next", "A sample that comes twice: the first one is used", "carriage.samples", 4, [0, 4, 0], one)
    forged("two", "Two samples at once, of which the second comes again", "carriage.samples", 4, [0, 4, 1], one * 2)
    forged("ahead", "A sample two ahead: those between are past", "carriage.samples", 6, [0, 6, 0], one)
    forged("ahead.broken", "A sample two ahead that does not decode", "carriage.nonconforming", 6, [0, 6, 0], one[:46])
    forged("ahead.count", "A unit of more samples than its payload has", "carriage.nonconforming", 4, [0, 4, 2], one)
    forged("ahead.empty", "A sample without payload", "carriage.nonconforming", 5, [0, 5, 0], "")
    forged("short", "A unit that ends within its elements", "carriage.nonconforming", 4, [0, 4], "")
    forged("far", "A sample after more that are missing than a receiver can put out", "carriage.bounds", 4_000_000_000,
           [0, 4_000_000_000, 0], one)  # fmt: skip
    forged("last", "The greatest index that a sample can have", "carriage.bounds", 2**32 - 2, [0, 2**32 - 2, 0], one)
    forged("count", "A unit of very many samples", "carriage.nonconforming", 4, [0, 4, 2**32 - 2], one)
    forged("time", "A sample one tick late", "carriage.time-agrees", 5, [0, 4, 0], one)
    three = [
        fps(layer="a"),
        fps(id=1, layer="b", C=3),
        fps(id=2, layer="c", axes="CHW"),
        data(),
        data(id=1),
        data(id=2),
    ]
    three += [data(id=k, seed=i) for i in range(5) for k in (0, 1)]
    send = ALONE | {"repeat": 3}
    for place, name, ue, title in (
        (12, "tensors.past", [1, 1, 0], "A sample of another tensor before one that has come"),
        (12, "tensors.same", [2, 3, 0], "A second sample of a tensor without an axis of samples"),
        (12, "tensors.unknown", [5, 3, 0], "A sample of a tensor that is not known"),
        (12, "tensors.next", [1, 3, 0], "A sample ahead: those of all tensors before it are past"),
    ):  # fmt: skip
        _add(c, f"data-{name}", title, three, "carriage.samples", {"repeat": [place, place]},
             _forge(place, DATA, ue[1], ue, "5a" * 36), {"count": 500}, send=send)  # fmt: skip
    _add(c, "data-tensors", "Samples of three tensors, some of each of which are lost", three, "carriage.output",
         {"drop": [7, 9, 15]}, send=send)  # fmt: skip
    _add(c, "data-one.lost", "The one sample of a tensor without an axis of samples is lost", three, "carriage.extent",
         {"drop": [7]}, send=send)  # fmt: skip


def _times(c: Catalog) -> None:
    agrees, alone = "carriage.time-agrees", {"aggregate": False, "in_band": False}

    def of_set(name: str, title: str, *times: int, units: list[Unit] | None = None, **send: Any) -> None:
        """Times of the packet of the parameter set, which comes nowhere else."""
        for time in times:
            valid = name != "no"
            edit = [{"forge": {"at": 2, "time": time}}]
            whole = f"carriage-time-{name}-{time}"
            if valid:
                c.capture(whole, title, units or samples(), requirements=(agrees,), edit=edit, send=alone | send)
            else:
                c.capture(whole, title, samples(3), kind="malformed", violates="carriage.tensors", edit=edit,
                          send=alone | send)  # fmt: skip

    of_set("set", "A parameter set at the time of a later access unit", _time(3), _time(10_000), _time(1_431_655))
    of_set("no", "A parameter set at a time of no access unit", _time(0) + 1, _time(0) - TICKS, _time(1) - 1)
    of_set("rates", "A parameter set where every time is that of an access unit", 12_345, rate=[2**32 - 1, 1])
    of_set("thirds", "A parameter set where access units are 3,003 ticks apart", BASE + 3003 * 70, units=samples(3),
           rate=[30_000, 1001])  # fmt: skip
    later = [fps(layer="a"), *(data(seed=i) for i in range(5)), fps(id=1, layer="b"), data()]
    for index, title in ((6, "after"), (5, "with"), (4, "before"), (1, "long before")):
        _add(c, f"time-second-{index}", f"A second parameter set at the time of an access unit {title} its own", later,
             agrees, {"forge": {"at": 8, "time": _time(index)}}, send=alone | {"repeat": 0})  # fmt: skip
    _add(c, "time-wrap", "Timestamps that begin again at 0, and a parameter set after that", later, agrees,
         send=alone | {"repeat": 0, "timestamp_base": 2**32 - 7000})  # fmt: skip
    _add(c, "time-metadata", "Metadata at no time of an access unit, among samples",
         [fps(), data(), metadata(["a", "b"]), data()], agrees, {"forge": {"at": 4, "time": _time(0) + 7}},
         send=ALONE)  # fmt: skip


def _ends(c: Catalog) -> None:
    """Forged ends of bitstream; the samples come before, but for the last one or two."""

    def end(name: str, title: str, requirement: str, index: int, ue: list[int], *edits: dict[str, Any],
    rest: str = "00" * 4,
            **more: Any) -> None:  # fmt: skip
        _add(c, f"end-{name}", title, more.pop("units", samples()), requirement, *edits,
             _forge(-1, END, index, ue, rest), send={"copies": 1, "repeat": 0} | more.pop("send", {}),
                    **more)  # fmt: skip

    lost = {"drop": [-2]}
    end("count", "The number of samples, where the last one is lost", "carriage.extent", 6, [1, 6], lost)
    end("more", "More samples than came", "carriage.extent", 9, [1, 9])
    end("fewer", "Fewer samples than came", "carriage.samples", 4, [1, 4])
    end("fewer.one", "One sample fewer than came, of which one is lost", "carriage.samples", 5, [1, 5], {"drop": [3]})
    end("tensors", "The numbers of samples of more tensors than are known", "carriage.extent", 9, [2, 6, 9], lost)
    end("no.tensors", "No numbers of samples", "carriage.extent", 0, [0], lost)
    end("time", "A number of samples that is not that of the time", "carriage.time-agrees", 6, [1, 7], lost)
    end("far", "A number of samples beyond what a receiver can put out", "carriage.bounds", 4_000_000_000,
        [1, 4_000_000_000])  # fmt: skip
    end("short", "An end of bitstream that ends within its elements", "carriage.nonconforming", 6, [1, 6], lost,
        rest="0000")  # fmt: skip
    end("rest", "Bytes after the elements of an end of bitstream", "carriage.nonconforming", 6, [1, 6], lost,
        rest="00" * 5)  # fmt: skip
    end("late", "A receiver that begins late, and the last samples are lost", "carriage.extent", 6, [1, 6],
        {"drop": [0, 1, 2, 3, 7]}, units=samples(), send={"repeat": 2})  # fmt: skip
    two = [fps(layer="a"), fps(id=1, layer="b"), *(data(id=k, seed=i) for i in range(4) for k in (0, 1))]
    for name, counts in (("first", [4, 3]), ("second", [3, 4]), ("both", [6, 5])):
        _add(c, f"end-two.{name}", "Numbers of samples of two tensors, of which the last ones are lost", two,
             "carriage.extent", {"drop": [-2, -3]}, _forge(-1, END, max(counts), [2, *counts], "00" * 4),
             send=ALONE | {"copies": 1, "repeat": 0})  # fmt: skip
    _add(c, "end-none", "Nothing but a session description", samples(3), "carriage.extent",
         {"drop": [1, 2, 3, 4]}, send={"copies": 1, "repeat": 0})  # fmt: skip
    _add(c, "end-again", "An end of bitstream, and another one that tells more", samples(), "carriage.repeated-end",
         _forge(-1, END, 9, [1, 9], "00" * 4))  # fmt: skip
    _add(c, "end-damaged", "A damaged end of bitstream, and a whole one", samples(), "carriage.repeated-end",
         {"bytes": {"packet": -2, "byte": 20, "to": "00"}}, {"drop": [-3]})  # fmt: skip
    _add(c, "end-samples", "Samples after the end of bitstream, which are not used", samples(), "carriage.repeated-end",
         {"move": [-2, 6]}, {"count": 500})  # fmt: skip


def _digests(c: Catalog) -> None:
    def units(count: int = 3, of: int = 2, kinds: str = "T", **words: Any) -> list[Unit]:
        out: list[Unit] = [fps(digests=kinds, **words)]
        for i in range(count):
            out += [data(seed=of * i + k) for k in range(of)]
            out += [digest(kind="TL".index(kind)) for kind in kinds]
        return out

    wrong: dict[str, Any] = {"byte": 28, "to": "5a5a", "crc": True}

    def add(name: str, title: str, *edits: dict[str, Any], reject: bool = False, kinds: str = "T") -> None:
        c.capture(f"carriage-digest-{name}", title, units(kinds=kinds), kind="invalid" if reject else "valid",
                  violates="digest.value" if reject else None, requirements=("carriage.digests",), edit=edits,
                  send={"aggregate": False, "repeat": 0})  # fmt: skip

    # Places: sessions at 0 and 1, the parameter set at 2, samples at 3 and 4, their digest at 5, and so on.
    add("right", "Digests of two samples each")
    add("lost.later", "A digest that is wrong, and the one two before is lost", {"bytes": {"packet": 11} | wrong},
        {"drop": [5]}, reject=True)  # fmt: skip
    add("sample", "A digest that is wrong, and a sample that it covers is lost", {"bytes": {"packet": 8} | wrong},
        {"drop": [6]})  # fmt: skip
    add("sample.second", "A digest that is wrong, and the second sample that it covers is lost",
        {"bytes": {"packet": 8} | wrong}, {"drop": [7]})  # fmt: skip
    add("sample.before", "A digest that is wrong, and a sample before those that it covers is lost",
        {"bytes": {"packet": 8} | wrong}, {"drop": [4]}, reject=True)  # fmt: skip
    add("second", "The second digest is wrong", {"bytes": {"packet": 8} | wrong}, reject=True)
    add("time", "A digest that is wrong, at no time of an access unit", {"bytes": {"packet": 8} | wrong},
        {"forge": {"at": 8, "time": _time(3) + 1}})  # fmt: skip
    for place, name in ((5, "elements"), (6, "levels")):
        add(f"{name}.wrong", f"The digest of {name} is wrong", {"bytes": {"packet": place} | wrong}, reject=True,
            kinds="TL")  # fmt: skip
    add("levels.lost", "The digest of elements is lost, and the next one of levels wrong",
        {"bytes": {"packet": 10} | wrong}, {"drop": [5]}, reject=True, kinds="TL")  # fmt: skip
    late = units(4, 1)
    _add(c, "digest-late", "A receiver that begins late, and digests after that", late, "carriage.digests",
         {"drop": [0, 1, 2, 3]}, send={"aggregate": False, "repeat": 2})  # fmt: skip


def _parts(c: Catalog) -> None:
    words = {"C": 4, "H": 6, "W": 3, "parts": [2, 2]}

    def units(count: int = 3, ids: tuple[int, ...] = (0,), **more: Any) -> list[Unit]:
        out: list[Unit] = [fps(id=k, layer=f"t{k}", **words, **more) for k in ids]
        for i in range(count):
            out += [{"unit": "part", "id": k, "index": part, "sample": i} for part in range(6) for k in ids]
            out += [digest(id=k) for k in ids] if more.get("digests") else []
        return out

    def add(name: str, title: str, requirement: str, *edits: dict[str, Any], kind: str = "valid",
    violates: str | None = None,
            made: list[Unit] | None = None) -> None:  # fmt: skip
        c.capture(f"carriage-parts-{name}", title, made or units(), profile="RESILIENT", kind=kind, violates=violates,
                  requirements=(requirement,), edit=edits, send={"aggregate": False, "repeat": 0})  # fmt: skip

    # Places: sessions at 0 and 1, the parameter set at 2, parts of sample 0 from 3, of sample 1 from 9.
    part = "5a" * 12
    add("order", "Parts in another order than they were sent", "carriage.samples", {"move": [3, 8]}, {"move": [5, 4]},
        {"count": 500})  # fmt: skip
    add("past", "A part of a sample after parts of the next one", "carriage.samples", {"move": [4, 10]}, {"count": 500})
    add("first.only", "Of a sample only the first part came, and of another only the last", "part.missing",
        {"drop": [*range(4, 14)]})  # fmt: skip
    add("broken", "A part that does not decode, and the right one after it", "carriage.nonconforming",
        {"repeat": [4, 4]}, _forge(4, PART, 0, [0, 0], part[:-2], unit={"bits": "001"}), {"count": 500})  # fmt: skip
    add("broken.first", "The first part of a sample that does not decode, and the right one after it",
        "carriage.nonconforming", {"repeat": [9, 9]}, _forge(9, PART, 1, [0, 1], part[:-2], unit={"bits": "000"}),
        {"count": 500})  # fmt: skip
    add("broken.next", "A part of the next sample that does not decode, among those of one", "carriage.nonconforming",
        {"repeat": [6, 6]}, _forge(6, PART, 1, [0, 1], part[:-2], unit={"bits": "000"}), {"count": 500})  # fmt: skip
    add("index", "A part with an index that the tensor does not have", "carriage.nonconforming", {"repeat": [6, 6]},
        _forge(6, PART, 0, [0, 0], part, unit={"bits": "110"}), {"count": 500})  # fmt: skip
    add("far", "A part of a sample after more that are missing than a receiver can put out", "carriage.bounds",
        {"repeat": [6, 6]}, _forge(6, PART, 4_000_000_000, [0, 4_000_000_000], part, unit={"bits": "000"}),
        {"count": 500})  # fmt: skip
    add("data", "Feature data of a tensor that has parts", "carriage.nonconforming", {"repeat": [9, 9]},
        _forge(9, DATA, 1, [0, 1, 0], part * 6), {"count": 500})  # fmt: skip
    both = units(2, (0, 1))
    add("tensors", "Parts of two tensors in turn, of which some are lost", "carriage.output",
        {"drop": [5, 8, 16, 17, 18, 20, 21, 24]}, made=both)  # fmt: skip
    add("tensors.one", "All parts of one tensor came, and none of another's sample", "carriage.output",
        {"drop": [*range(5, 28, 2)]}, made=both)  # fmt: skip
    wrong: dict[str, Any] = {"byte": 28, "to": "5a5a", "crc": True}
    checked = units(digests="T")
    add("digest.wrong", "A digest that differs from a sample all of whose parts came", "carriage.digests",
        {"bytes": {"packet": 9} | wrong}, kind="invalid", violates="digest.value", made=checked)  # fmt: skip
    add("digest.part", "A digest that is wrong, and a part is lost", "carriage.digests",
        {"bytes": {"packet": 9} | wrong}, {"drop": [5]}, made=checked)  # fmt: skip
    add("digest.after", "A part that comes after the digest of its sample", "carriage.samples", {"move": [5, 9]},
        {"count": 500}, made=checked)  # fmt: skip
    add("digest.after.all", "The first part that comes of a sample comes after its digest", "carriage.samples",
        {"move": [3, 9]}, {"drop": [3, 4, 5, 6, 7]}, {"count": 500}, made=checked)  # fmt: skip
    levels = [fps(**words, digests="L"), *units(2)[1:7], digest(kind=1), *units(2)[7:], digest(kind=1)]
    add("levels", "Digests of levels of samples in parts", "carriage.digests", made=levels)
    add("levels.wrong", "A digest of levels that differs from a sample all of whose parts came", "carriage.digests",
        {"bytes": {"packet": 9} | wrong}, kind="invalid", violates="digest.value", made=levels)  # fmt: skip
    one = [fps(axes="CHW", **words), *units(1)[1:]]
    add("one", "A tensor without an axis of samples, some parts of which are lost", "carriage.extent",
        {"drop": [4, 6]}, made=one)  # fmt: skip
    add("one.none", "A tensor without an axis of samples of which nothing came", "carriage.extent",
        {"drop": [*range(3, 9)]}, made=one)  # fmt: skip
    constant = [fps(**words, scope="CHANNEL", ranges=[[0.0, 1.0], [2.5, 2.5], [0.0, 3.0], [-1.0, 1.0]]), *units(2)[1:]]
    add("constant.none", "A channel that the parameter set gives, and no part of a sample came", "carriage.output",
        {"drop": [*range(3, 9)]}, made=constant)  # fmt: skip
    time = [fps(**words | {"axes": "TCHW", "time": (25, 1)}), *units(3)[1:]]
    add("time", "Samples in time, of which one came in part and one not at all", "carriage.output",
        {"drop": [4, *range(9, 15)]}, made=time)  # fmt: skip
