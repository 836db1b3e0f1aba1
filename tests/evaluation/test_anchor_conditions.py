"""Conditions are checked before anything runs, and what is wrong is said in one line."""

from __future__ import annotations

import pytest
from anchor_runs import document

from refsw.errors import UsageError
from refsw.evaluation.anchors.conditions import (
    find_conditions,
    load_conditions,
    parse_conditions,
    read_yaml,
    resolved,
    with_codec,
    with_tests,
)

for package in ("yaml", "jsonschema"):
    pytest.importorskip(package, reason=f"conditions need {package}")


def refused(asked):
    with pytest.raises(UsageError) as caught:
        parse_conditions(asked, "c.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed_test(**changes):
    return document(tests=[document()["tests"][0] | changes])


def external(encode, **more):
    return document(codecs={"a": {"encode": encode, "decode": "d {input} {output}"} | more})


def test_the_document_is_what_was_read():
    asked = parse_conditions(document())
    assert asked.tests[0].codecs == ("uniform",)
    assert asked.codecs["uniform"].values == (12, 22, 32, 42)
    assert asked.tests[0].quality == "fidelity"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "'format' is a required property"),
        (document(format="other"), "c.yaml: format: 'refsw-conditions-1' was expected"),
        (document(unknown=1), "'unknown'"),
        (document(tests=[]), "tests: [] should be non-empty"),
        (changed_test(layers=[]), "tests[0].layers: [] should be non-empty"),
        (changed_test(codecs=["x"]), "tests.sum: no codec x: uniform"),
        (changed_test(name="sum\n"), "tests[0].name: 'sum\\n' does not match"),
        (changed_test(name="../x"), "tests[0].name: '../x' does not match"),
        (changed_test(options={"a": [float("nan")]}), "c.yaml: nan is no number"),
        (document(tolerance={"default": float("inf")}), "c.yaml: inf is no number"),
        (changed_test(group=0), "tests[0].group: 0 is less than the minimum of 1"),
        (document(tests=document()["tests"] * 2), "tests: sum is there twice"),
        (document(codecs={"a": {"preset": "none"}}), "codecs.a: preset none: one of anchor"),
        (document(codecs={"a": {"preset": "fast", "choices": {"qpp": 3}}}), "codecs.a: unknown choice: qpp"),
        (document(codecs={"a": {"preset": "fast", "sweep": {"qp": [99]}}}), "codecs.a: qp 99: from 0 to 63"),
        (document(codecs={"a": {"preset": "fast", "sweep": {"qp": [22.5]}}}), "codecs.a: qp 22.5: a whole number"),
        (document(codecs={"a": {"preset": "fast", "choices": {"clip": "much"}}}), "a choice of the wrong type"),
        (document(codecs={"a": {"encode": "x"}}), "a codec has either a preset, or the commands encode and decode"),
        (document(codecs={"a": {"preset": "fast", "encode": "x", "decode": "y"}}), "either a preset, or the commands"),
        (
            external("x {input} {output} {qp}"),
            "codecs.a: command 'x {input} {output} {qp}': unknown placeholder {qp}: ",
        ),
        (external("x {input}"), "codecs.a: command 'x {input}': {output} is missing"),
        (external("x {input} {output} {"), "Single '{' encountered"),
        (external("x '{input} {output}"), "No closing quotation"),
        (external("x {input:>9999999999} {output}"), "unknown placeholder {input}"),
        (external("x {input.__class__} {output}"), "unknown placeholder {input.__class__}"),
        (external(" {input} {output}", sweep={"input": [1]}), "sweep: input is the name of a file"),
        (document(published=[{"source": "s", "test": "t", "parameter": "qp", "points": {}}]), "a test t, which does"),
    ],
)
def test_what_is_wrong_is_named(asked, told):
    assert told in refused(asked)


def test_a_key_that_is_there_twice_is_refused_with_its_line():
    with pytest.raises(UsageError, match=r"c\.yaml:2: a is there twice"):
        read_yaml("a: 1\na: 2\n", "c.yaml")


def test_broken_yaml_is_refused_with_its_line():
    with pytest.raises(UsageError, match=r"c\.yaml:3: no YAML"):
        read_yaml("a: 1\nb: [\n", "c.yaml")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "c.yaml:7: stands for more than 1000000 values"),
        ("a: &a [*a]\n", "c.yaml:1: contains itself"),
        ("a: 2020-01-01\n", "c.yaml:1: timestamp: write it as text"),
        ("a: !!python/object/apply:os.system [ls]\n", "c.yaml:1: no YAML: "),
        ("a: 1\n'1': 1\n1: 2\n", "c.yaml:3: 1 is there twice"),
        ("? [a]\n: 1\n", "c.yaml:1: a key is a word"),
        ("a: \0", "c.yaml: no YAML: "),
        ("a: 1\n---\nb: 1\n", "c.yaml:2: no YAML"),
    ],
)
def test_yaml_with_surprises_is_refused_at_once(text, told):
    with pytest.raises(UsageError) as caught:
        read_yaml(text, "c.yaml")
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize("levels", [51, 999, 1001, 5000])
@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ("{a: ", "}"), ('["]", ', "]"), ("- ", ""), ("? ", ""), ("[\n", "]")]
)
def test_a_document_nested_too_deeply_is_refused_whatever_the_library_bounds(
    monkeypatch, loader, levels, opening, closing
):
    yaml = pytest.importorskip("yaml")
    monkeypatch.setattr(yaml, "CSafeLoader", getattr(yaml, loader), raising=False)
    for text in (opening * levels, opening * levels + "1" + closing * levels):
        with pytest.raises(UsageError) as caught:
            read_yaml(text, "c.yaml")
        line = 51 if "\n" in opening else 1
        assert str(caught.value) == f"c.yaml:{line}: nested more than 50 deep"


def test_a_document_of_fifty_levels_is_read():
    value = read_yaml("[" * 50 + "]" * 50, "c.yaml")
    for _ in range(49):
        (value,) = value
    assert value == []


def test_data_folder_is_asked_for_where_it_is_needed(tmp_path):
    asked = parse_conditions(changed_test(dataset={"root": "${data}/images"}))
    with pytest.raises(UsageError, match=r"test sum needs \$\{data\}/images: say where the data are with --data"):
        resolved(asked.tests[0], None)
    assert resolved(asked.tests[0], tmp_path)["dataset"]["root"] == f"{tmp_path.resolve()}/images"


def test_order_of_keys_and_comments_do_not_count():
    one = parse_conditions(document())
    other = parse_conditions(dict(reversed(document().items())))
    assert one.digest == other.digest
    assert one.digest != parse_conditions(document(title="Other")).digest


def test_a_proposal_takes_the_sweep_of_the_anchor():
    asked = with_codec(
        parse_conditions(document()), "mine", {"encode": "e {input} {output}", "decode": "d {input} {output}"}
    )
    assert asked.tests[0].codecs == ("mine",)
    assert (asked.codecs["mine"].parameter, asked.codecs["mine"].values) == ("qp", (12, 22, 32, 42))


def test_tests_are_chosen_by_name():
    asked = parse_conditions(document(tests=[document()["tests"][0] | {"name": name} for name in "abc"]))
    assert [test.name for test in with_tests(asked, ("c", "a")).tests] == ["a", "c"]
    assert with_tests(asked, ("a", "b", "c")).digest == asked.digest
    with pytest.raises(UsageError, match="no test d: a, b, c"):
        with_tests(asked, ("d",))


def test_an_unknown_name_is_told_what_ships():
    with pytest.raises(UsageError, match="no such file, and no conditions of that name ship with refsw"):
        find_conditions("nowhere")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(UsageError, match=r"c\.yaml"):
        load_conditions(tmp_path / "c.yaml")
