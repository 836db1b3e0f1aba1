"""Informative: YAML that people write, read so that a mistake is a line with a number, and never a surprise."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from refsw.errors import UsageError
from refsw.extras import optional

DEEPEST = 50
MOST_VALUES = 1_000_000
"""As many as a file may stand for, repetitions by name (aliases) counted each time."""
KEYS = (bool, int, float, str)
LONGEST = 200
"""Characters of a validator's message, which may repeat the document."""


def read_yaml(text: str, where: str) -> Any:
    """One YAML document of mappings, lists, text, numbers and truth values; a duplicate key does not overwrite.

    Args:
        text: to read.
        where: name of the file, for messages.

    Raises:
        UsageError: no such document; it is nested too deeply; or it stands for far more than it says.
    """
    yaml = optional("yaml")
    base: Any = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader

    class Loader(base):  # type: ignore[misc]
        """A safe loader that takes every key once."""

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        loader.flatten_mapping(node)
        seen: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if type(key) not in KEYS:
                raise UsageError(f"{where}:{key_node.start_mark.line + 1}: a key is a word")
            if str(key) in seen:  # as text, which is what JSON makes of it
                raise UsageError(f"{where}:{key_node.start_mark.line + 1}: {key} is there twice")
            seen[str(key)] = loader.construct_object(value_node, deep=True)
        return seen

    def other(loader: Any, node: Any) -> Any:
        raise UsageError(f"{where}:{node.start_mark.line + 1}: {node.tag.rpartition(':')[2]}: write it as text")

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    for tag in ("timestamp", "binary", "set", "omap", "pairs"):
        Loader.add_constructor(f"tag:yaml.org,2002:{tag}", other)
    try:
        _check_depth(yaml, base, text, where)
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _count(yaml, node, {}, where)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        told = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UsageError(f"{where}{line}: no YAML: {told}") from error
    except ValueError as error:  # a number that is none
        raise UsageError(f"{where}: no YAML: {' '.join(str(error).split())[:200]}") from error


def _check_depth(yaml: Any, loader: Any, text: str, where: str) -> None:
    """Before anything is composed, which takes a level of the stack for each level of the document."""
    try:
        _follow(yaml, loader, text, where)
    except yaml.YAMLError as error:
        # A library has a limit of its own, met while it looks ahead: what lies before that place may be too deep.
        mark = getattr(error, "problem_mark", None)
        if mark is not None:
            with suppress(yaml.YAMLError):
                _follow(yaml, loader, text[: mark.index], where)
        raise


def _follow(yaml: Any, loader: Any, text: str, where: str) -> None:
    depth = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise UsageError(f"{where}:{event.start_mark.line + 1}: nested more than {DEEPEST} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _count(yaml: Any, node: Any, known: dict[int, int], where: str) -> int:
    """Values that a node stands for."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        if not known[id(node)]:
            raise UsageError(f"{where}:{node.start_mark.line + 1}: contains itself")
        return known[id(node)]
    known[id(node)] = 0  # being counted
    pairs = isinstance(node, yaml.MappingNode)
    parts = [part for pair in node.value for part in pair] if pairs else node.value
    total = 1 + sum(_count(yaml, part, known, where) for part in parts)
    if total > MOST_VALUES:
        raise UsageError(f"{where}:{node.start_mark.line + 1}: stands for more than {MOST_VALUES} values")
    known[id(node)] = total
    return total


def words(value: Any, where: str) -> Any:
    """A document with keys as text, as JSON has them.

    Raises:
        UsageError: there is NaN or infinity somewhere, which JSON does not have.
    """
    if isinstance(value, dict):
        return {str(k): words(v, where) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{where}: {value} is no number")
    return [words(v, where) for v in value] if isinstance(value, list) else value


def check_schema(document: Any, path: Path, where: str, told: Callable[[Any], str] | None = None) -> None:
    """That a document is as a JSON schema wants it.

    Args:
        document: with keys as text.
        path: of the schema.
        where: name of the file, for messages.
        told: what to say of an error of the validator; by default its own message.

    Raises:
        UsageError: says in one line what is wrong, and where.
    """
    schema = optional("jsonschema")
    validator = schema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    errors = list(validator.iter_errors(document))
    if not errors:
        return
    error = min(errors, key=schema.exceptions.relevance) if len(errors) == 1 else schema.exceptions.best_match(errors)
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    text = told(error) if told else str(error.message)
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    raise UsageError(f"{where}: {place or 'the file'}: {' '.join(text.split())}")
