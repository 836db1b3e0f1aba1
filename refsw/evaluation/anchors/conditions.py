"""Informative: common test conditions as data: a YAML file, checked against a schema before anything runs.

A file names codecs, each with the values of the parameter that is swept (QP, quality, rate), and tests: a task on a
data set with a network that is cut at layers. MM'19, section 4.1, is one such file; docs/anchors.md explains them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.evaluation.anchors.choices import CodecChoice, takers
from refsw.evaluation.anchors.links import links
from refsw.evaluation.documents import check_schema, read_yaml, words
from refsw.evaluation.inputs import INPUTS
from refsw.evaluation.picture_codecs.external import FILES
from refsw.evaluation.picture_codecs.external import PLACES as PLACES_OF_PICTURES
from refsw.evaluation.picture_codecs.groups import APART, FRAMES
from refsw.extras import package_folder
from refsw.payload.commands import INPUT, OUTPUT, VALUE, check_command

SCHEMA = Path(__file__).parent / "conditions.schema.json"
SHIPPED = Path(__file__).parent.parent / "data"
DATA_PLACE, PACKAGE_PLACE = "${data}", re.compile(r"\$\{package:(\w+)\}")
DEFAULT_TOLERANCE = 1e-6
PLACES = {"network": ("path", "weights"), "dataset": ("root", "labels", "synsets", "annotations", "classes")}
"""Entries of refsw's own tasks that say where a file lies; what is in it is known by its digest."""


@dataclass(frozen=True, slots=True)
class Test:
    """One task on one data set with one network.

    Args:
        name, title: as tables show it.
        condition: what `refsw.evaluation.tasks.open_task` is given.
        layers: cuts of the network.
        codecs: names.
        group: items that share a bitstream.
        quality: the metric beside the rate in tables; more is better.
        axes: letters of the axes of features by layer, items first, where they are not the usual ones.
        headers: measure what codecs make of items with nothing in them.
    """

    __test__ = False  # for pytest, which collects classes of this name

    name: str
    title: str
    condition: Mapping[str, Any]
    layers: tuple[str, ...]
    codecs: tuple[str, ...]
    group: int
    quality: str
    axes: Mapping[str, str] = field(default_factory=dict)
    headers: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """A checked file of conditions; `document` is the file itself."""

    name: str
    title: str
    codecs: Mapping[str, CodecChoice]
    tests: tuple[Test, ...]
    document: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the document in a canonical form: order of keys and comments do not count."""
        return digest_of(self.document)

    def deciding(self) -> dict[str, Any]:
        """What of the document results depend on: not its titles, nor what it is compared with, nor where files lie.

        The content of files is part of a run's identity by other ways.
        """
        codecs = {name: codec.as_dict() | {"values": _sorted(codec.values)} for name, codec in self.codecs.items()}
        tests = {}
        for test in self.tests:
            own = {key: value for key, value in test.condition.items() if key not in ("name", "layers")}
            for part, keys in PLACES.items() if ":" not in str(own["task"]) else ():
                if part in own:
                    own[part] = {k: v for k, v in own[part].items() if k not in keys or not isinstance(v, str)}
            own |= {"layers": sorted(test.layers), "codecs": sorted(test.codecs), "group": test.group}
            own |= {"headers": True} if test.headers else {}
            tests[test.name] = own | ({"axes": dict(test.axes)} if test.axes else {})
        return {"codecs": codecs, "tests": tests}

    def test(self, name: str) -> Test:
        """A test by its name."""
        return next(test for test in self.tests if test.name == name)

    def codecs_of(self, test: Test, layer: str) -> list[CodecChoice]:
        """The codecs that code a layer of a test, in their order."""
        return takers((self.codecs[name] for name in test.codecs), layer)

    def layers_of(self, test: Test, codec: str) -> tuple[str, ...]:
        """The layers of a test that a codec codes, in their order."""
        return tuple(layer for layer in test.layers if codec in (c.name for c in self.codecs_of(test, layer)))

    def points(self) -> Iterator[dict[str, Any]]:
        """The places of all points, in the order of tables: test, layer, codec, parameter, value."""
        for test in self.tests:
            for layer in test.layers:
                for codec in self.codecs_of(test, layer):
                    place = {"test": test.name, "layer": layer, "codec": codec.name, "parameter": codec.parameter}
                    yield from (place | {"value": value} for value in codec.values)

    def tolerance(self, metric: str) -> float:
        """Largest difference of a metric that counts as equal."""
        given = self.document.get("tolerance", {})
        return float(given.get(metric, given.get("default", DEFAULT_TOLERANCE)))


def by_name(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document with its tests by their names, so that differences can be named."""
    return {**document, "tests": {test["name"]: test for test in document["tests"]}}


def _sorted(values: Sequence[float | int | None]) -> list[float | int | None]:
    return sorted(values, key=lambda value: (value is None, value or 0))


def digest_of(value: Any) -> str:
    """SHA-256 of JSON types, with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def find_conditions(name: str) -> Path:
    """A file by its path, or one of those that ship with the package by its name.

    Raises:
        UsageError: there is none.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = SHIPPED / f"{name}.yaml"
    if re.fullmatch(r"[A-Za-z0-9_-]+", name) and shipped.is_file():
        return shipped
    known = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.yaml")))
    raise UsageError(f"{name}: no such file, and no conditions of that name ship with refsw ({known})")


def load_conditions(path: Path) -> Conditions:
    """Read and check a file of conditions.

    Raises:
        UsageError: says in one line what is wrong, and where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    return parse_conditions(read_yaml(text, str(path)), str(path))


def parse_conditions(document: Any, where: str = "conditions") -> Conditions:
    """Check a document and make conditions of it.

    Raises:
        UsageError: says in one line what is wrong, and where.
    """
    document = words(document, where)
    check_schema(document, SCHEMA, where, _told)
    codecs = {name: _codec(name, entry, where) for name, entry in document["codecs"].items()}
    tests = tuple(_test(entry, codecs, where) for entry in document["tests"])
    for place, names in (("tests", [test.name for test in tests]),):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(f"{where}: {place}: {', '.join(twice)} is there twice")
    for entry in document.get("published", []):
        if entry["test"] not in {test.name for test in tests}:
            raise UsageError(f"{where}: published figures for a test {entry['test']}, which does not exist")
    return Conditions(document["name"], document["title"], codecs, tests, document)


def _told(error: Any) -> str:
    """The message of a schema's validator, in the words of conditions where its own would not help."""
    if error.validator in ("oneOf", "not") and "codecs" in error.absolute_path:
        return "a codec has either a preset, or the commands encode and decode, or picture, or picture and commands"
    return str(error.message)


def _codec(name: str, entry: Mapping[str, Any], where: str) -> CodecChoice:
    parameter, values = next(iter(entry.get("sweep", {"": [None]}).items()))
    choice = CodecChoice(
        name,
        entry.get("title", name),
        entry.get("preset", ""),
        entry.get("choices", {}),
        entry.get("encode", ""),
        entry.get("decode", ""),
        parameter,
        tuple(values),
        picture=entry.get("picture", ""),
        arrange=entry.get("arrange", APART),
    )
    if not isinstance(choice.choices.get("command", ""), str):
        raise UsageError(f"{where}: codecs.{name}: command is {choice.choices['command']!r}: text")
    try:
        if choice.external:
            _check_commands(choice)
        if choice.picture or not choice.external:
            check = choice.picture_codec if choice.picture else choice.config
            made = [check(value) for value in choice.values]
            if choice.arrange == FRAMES and not all(getattr(codec, "takes_frames", False) for codec in made):
                raise UsageError(f"arrange {FRAMES}: {choice.picture or 'a codec of features'} codes no video")
    except UsageError as error:
        raise UsageError(f"{where}: codecs.{name}: {error}") from error
    return choice


def _check_commands(choice: CodecChoice) -> None:
    names = [INPUT, OUTPUT, *(PLACES_OF_PICTURES if choice.picture else ())]
    if choice.picture and choice.picture not in FILES:
        raise UsageError(f"picture {choice.picture}: what its commands take: {', '.join(FILES)}")
    if choice.parameter:
        if choice.parameter in names:
            raise UsageError(f"sweep: {choice.parameter} is the name of a file")
        names += [choice.parameter, VALUE]
    for template in (choice.encode, choice.decode):
        check_command(template, names, (INPUT, OUTPUT))


def _test(entry: Mapping[str, Any], known: dict[str, CodecChoice], where: str) -> Test:
    """A test; the codecs that its channel makes are added to those that are known."""
    own = [name for name, codec in known.items() if codec.link is None]
    layers = entry["layers"]
    # Unasked, codecs of pictures are for tests that send pictures.
    fitting = [name for name in own if not known[name].picture or set(layers) & set(INPUTS)]
    codecs = tuple(entry.get("codecs", fitting))
    for name in codecs:
        if name not in own:
            raise UsageError(f"{where}: tests.{entry['name']}: no codec {name}: {', '.join(own)}")
    chosen = [known[name] for name in codecs]
    for layer in layers:
        if not takers(chosen, layer):
            raise UsageError(f"{where}: tests.{entry['name']}: no codec for layer {layer}: {', '.join(codecs)}")
    for codec in chosen:
        if not any(codec in takers(chosen, layer) for layer in layers):
            told = f"codec {codec.name} codes pictures: layers: {', '.join(INPUTS)}"
            told = told if codec.picture else f"codec {codec.name} codes features, of which there is no layer"
            raise UsageError(f"{where}: tests.{entry['name']}: {told}")
    if "channel" in entry:
        try:
            made = [codec for name in codecs for codec in _linked(known[name], entry["channel"])]
        except UsageError as error:
            raise UsageError(f"{where}: tests.{entry['name']}.channel: {error}") from error
        codecs = tuple(codec.name for codec in made)
        for codec in made:
            # Titles count for this as well: one of two would be lost.
            if codecs.count(codec.name) > 1 or known.get(codec.name, codec) != codec:
                told = f"{codec.name} is there twice: give methods names of their own"
                raise UsageError(f"{where}: tests.{entry['name']}.channel: {told}")
        known |= {codec.name: codec for codec in made}
    axes = entry.get("axes", {})
    for layer in axes:
        if layer not in entry["layers"]:
            raise UsageError(f"{where}: tests.{entry['name']}.axes: no layer {layer}: {', '.join(entry['layers'])}")
    apart = ("codecs", "group", "quality", "title", "axes", "channel", "headers")
    condition = {k: v for k, v in entry.items() if k not in apart}
    return Test(
        entry["name"],
        entry.get("title", entry["name"]),
        condition,
        tuple(entry["layers"]),
        codecs,
        int(entry.get("group", 1)),
        entry.get("quality", "fidelity"),
        axes,
        entry.get("headers", False),
    )


def _linked(codec: CodecChoice, entry: Any) -> Iterator[CodecChoice]:
    """A codec over a channel: one for each of its values, each burst length and each method."""
    if codec.picture:
        raise UsageError(f"codec {codec.name} codes pictures: losses are those of features")
    for value in codec.values:
        for link, (parameter, values) in links(entry, codec.name, codec.parameter, value):
            if link.is_in_parts:
                config = None if codec.external else codec.config(value)
                if config is None or (config.parts is None and config.packet_bytes is None):
                    told = "cuts no samples into parts: choices: {parts: [ROWS, CHANNELS]}, or packet_bytes"
                    raise UsageError(f"codec {codec.name} {told}")
            title = f"{codec.title or codec.name}: {link.setting}: {link.title}"
            yield replace(codec, name=link.label, title=title, parameter=parameter, values=tuple(values), link=link)


def resolved(test: Test, data: Path | None) -> dict[str, Any]:
    """The condition of a test with its data found: `${data}` is the folder of data sets and weights...

    ...and `${package:NAME}` that of an installed package, which is not imported.

    Raises:
        UsageError: the test needs that folder and none was given, or a package that is not installed.
    """
    found: dict[str, Any] = _each_text(test.condition, lambda text: _placed(text, f"test {test.name}", data))
    return found


def located(codec: CodecChoice, data: Path | None) -> CodecChoice:
    """A codec with the files of its link found.

    Raises:
        UsageError: it needs the folder of data and none was given.
    """
    if codec.link is None:
        return codec
    return replace(codec, link=codec.link.located(lambda text: _placed(text, f"codec {codec.name}", data)))


def _placed(text: str, who: str, data: Path | None) -> str:
    for package in PACKAGE_PLACE.findall(text):
        text = text.replace(f"${{package:{package}}}", str(package_folder(package, f"{who} needs models of")))
    if DATA_PLACE not in text:
        return text
    if data is None:
        raise UsageError(f"{who} needs {text}: say where the data are with --data FOLDER")
    return text.replace(DATA_PLACE, str(data.resolve()))


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {k: _each_text(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(v, change) for v in value]
    return change(value) if isinstance(value, str) else value


def with_codec(conditions: Conditions, name: str, entry: Mapping[str, Any]) -> Conditions:
    """The same conditions with one codec in place of theirs: a proposal. Codecs of pictures stay.

    The parameter and its values are those of the first codec that sweeps one, unless the entry has its own.

    Raises:
        UsageError: the codec does not take them.
    """
    known = [codec for codec in conditions.codecs.values() if not codec.picture]
    swept = [codec for codec in known if codec.parameter and codec.link is None]
    entry = dict(entry)
    if swept and "sweep" not in entry:
        entry["sweep"] = {swept[0].parameter: list(swept[0].values)}
    pictures = {n: e for n, e in conditions.document["codecs"].items() if "picture" in e and n != name}
    document = dict(conditions.document) | {
        "codecs": {name: entry} | pictures,
        "tests": [{k: v for k, v in test.items() if k != "codecs"} for test in conditions.document["tests"]],
    }
    return parse_conditions(document, f"{conditions.name} with codec {name}")


def with_tests(conditions: Conditions, names: tuple[str, ...]) -> Conditions:
    """The same conditions with these tests only.

    Raises:
        UsageError: there is no such test.
    """
    known = [test.name for test in conditions.tests]
    for name in names:
        if name not in known:
            raise UsageError(f"no test {name}: {', '.join(known)}")
    document = dict(conditions.document)
    document["tests"] = [entry for entry in document["tests"] if entry["name"] in names]
    if "published" in document:
        document["published"] = [entry for entry in document["published"] if entry["test"] in names]
    return parse_conditions(document, conditions.name)
