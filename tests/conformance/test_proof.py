"""13.7.2, 13.7.3 What is optional is skipped and nothing else; a rejection shows nothing where all is rejected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.conformance.decoders import decoder_under_test
from refsw.conformance.engine import locked
from refsw.conformance.outcomes import Result
from refsw.conformance.programs import takes_base
from refsw.conformance.proof import settle
from refsw.conformance.reports import write_reports
from refsw.conformance.results import Plan, Report
from refsw.conformance.runner import run
from refsw.conformance.suite import Kind, Selection, Vector, load_suites
from refsw.conformance.verdicts import Outcome
from refsw.errors import UsageError
from tests.conformance import making
from tests.conformance.making import ROOT, judge, outcomes

SUITES = ROOT / "conformance" / "suites"
SABOTEUR = making.SABOTEUR
INDEPENDENT = ROOT / "conformance" / "independent" / "dfc.py"


def vector(name: str, kind: Kind = Kind.VALID, **fields: object) -> Vector:
    """A vector as a manifest would give it."""
    (made,) = [v for v in load_suites([SUITES / "vvc.json"])[0] if v.id == "vvc-bits-10_r1"]
    values = {f: getattr(made, f) for f in Vector.__dataclass_fields__}
    plain = {"id": name, "kind": kind, "exercises": (), "optional": (), "suite": "s", "profile": "INTRA"}
    return Vector(**(values | plain | fields))


def result(outcome: Outcome, code: int, name: str, kind: Kind = Kind.VALID, **fields: object) -> Result:
    return Result(vector(name, kind, **fields), outcome, exit_code=code)


def settled(*results: Result, witnesses: tuple[Result, ...] = ()) -> list[str]:
    return [str(r.outcome) for r in settle(results, witnesses)]


DECODED = result(Outcome.PASS, 0, "a")
WRONG = result(Outcome.MISMATCH, 0, "b")
REFUSED = result(Outcome.REJECTED_VALID, 65, "c")
BAD = result(Outcome.PASS, 65, "d", Kind.MALFORMED)
LATER = result(Outcome.PASS, 69, "e", Kind.UNSUPPORTED)


@pytest.mark.parametrize(
    ("valid", "outcome"),
    [
        ([DECODED], "PASS"),
        ([WRONG], "PASS"),
        ([DECODED, REFUSED], "PASS"),
        ([REFUSED], "UNPROVEN"),
        ([DECODED, REFUSED, REFUSED], "UNPROVEN"),
        ([result(Outcome.CRASH, 70, "f")], "UNPROVEN"),
        ([result(Outcome.TIMEOUT, 0, "f")], "UNPROVEN"),
        ([result(Outcome.UNSUPPORTED, 69, "f")], "UNPROVEN"),
        ([result(Outcome.NOT_RUN, 0, "f")], "UNPROVEN"),
        ([result(Outcome.HARNESS_ERROR, 0, "f")], "UNPROVEN"),
        ([result(Outcome.PASS, 0, "f", suite="t", profile="IMAGE")], "UNPROVEN"),
        ([], "UNPROVEN"),
    ],
)
def test_a_rejection_shows_something_where_half_of_the_valid_vectors_are_decoded(
    valid: list[Result], outcome: str
) -> None:
    assert settled(*valid, BAD, LATER)[-2:] == [outcome, outcome]


def test_witnesses_count_and_are_not_reported() -> None:
    assert settled(BAD, witnesses=(DECODED,)) == ["PASS"]
    assert settled(BAD, witnesses=(REFUSED,)) == ["UNPROVEN"]


def test_what_else_vectors_have_in_common_counts() -> None:
    base = vector("x").base
    hevc = {"exercises": ("feature_parameter_set.payload_codec=HEVC",)}
    for fields in (hevc, {"area": "hevc"}, {"level": 3}):
        bad = result(Outcome.PASS, 65, "d", Kind.INVALID, **fields)
        assert settled(DECODED, DECODED, result(Outcome.REJECTED_VALID, 65, "f", **fields), bad)[-1] == "UNPROVEN"
        assert settled(DECODED, DECODED, REFUSED, result(Outcome.PASS, 0, "f", **fields), bad)[-1] == "PASS"
        assert settled(DECODED, result(Outcome.REJECTED_VALID, 65, "f", **fields), BAD)[-1] == "PASS"
    assert base is None


def test_the_reason_names_what_is_rejected() -> None:
    fields = {"exercises": ("feature_parameter_set.payload_codec=HEVC",)}
    bad = result(Outcome.PASS, 65, "d", Kind.INVALID, **fields)
    found = settle([DECODED, DECODED, result(Outcome.REJECTED_VALID, 65, "f", **fields), bad])[-1]
    assert found.reason == (
        "ended with exit code 65, which shows nothing: of 1 valid vectors with "
        "feature_parameter_set.payload_codec=HEVC it decodes none"
    )


# --- optional parts ---

VVC = {"optional": ("VVC",)}
SKIPPED = result(Outcome.SKIPPED, 69, "v", **VVC)


def test_what_is_optional_is_skipped_by_a_decoder_that_never_decodes_it() -> None:
    negative = result(Outcome.SKIPPED, 69, "w", Kind.INVALID, **VVC)
    found_bad = result(Outcome.PASS, 65, "w", Kind.INVALID, **VVC)
    assert settled(DECODED, SKIPPED, negative, found_bad, BAD) == ["PASS", "SKIPPED", "SKIPPED", "SKIPPED", "PASS"]


@pytest.mark.parametrize(
    "shown",
    [
        result(Outcome.PASS, 0, "x", **VVC),
        result(Outcome.MISMATCH, 0, "x", **VVC),
        result(Outcome.ACCEPTED_INVALID, 0, "x", Kind.INVALID, **VVC),
    ],
)
def test_a_decoder_that_has_what_is_optional_does_not_skip(shown: Result) -> None:
    negative = result(Outcome.SKIPPED, 69, "w", Kind.INVALID, **VVC)
    assert settled(shown, SKIPPED, negative)[1:] == ["UNSUPPORTED", "WRONG_CLASS"]


def test_only_69_without_an_output_is_skipped(tmp_path: Path, streams: dict[str, bytes]) -> None:
    entries = [
        making.vector(tmp_path, "raw-plain", streams["raw"]),
        making.vector(tmp_path, "raw-optional", streams["raw"], optional=["VVC"]),
        making.vector(tmp_path, "text-optional", b"x", "invalid", optional=["VVC"]),
    ]
    path = making.suite(tmp_path, entries)
    for code, output, expected in (
        (69, "", ["UNSUPPORTED", "SKIPPED", "SKIPPED"]),
        (65, "", ["REJECTED_VALID", "REJECTED_VALID", "UNPROVEN"]),
        (70, "", ["CRASH", "CRASH", "CRASH"]),
        (69, "cp $1 $2;", ["UNSUPPORTED", "UNSUPPORTED", "WRONG_CLASS"]),
    ):
        program = tmp_path / "decoder.sh"
        raw = '{"name": "a", "dtype": "uint8", "shape": [0]}\n'
        (tmp_path / "raw").write_text(raw)
        program.write_text(f"#!/bin/sh\n{output.replace('$1', str(tmp_path / 'raw'))} exit {code}\n")
        program.chmod(0o755)
        report = judge(path, f"{program} {{input}} {{output}}")
        assert list(outcomes(report).values()) == expected
        assert report.exit_code == 1


def test_a_run_in_which_all_is_skipped_has_not_passed(tmp_path: Path, streams: dict[str, bytes]) -> None:
    entry = making.vector(tmp_path, "raw-optional", streams["raw"], optional=["VVC"])
    report = judge(making.suite(tmp_path, [entry]), f"{SABOTEUR}:find_all_unsupported")
    assert (outcomes(report), report.passed) == ({"raw-optional": "SKIPPED"}, False)


def test_either_of_65_and_69_is_right_where_both_are(tmp_path: Path, streams: dict[str, bytes]) -> None:
    entries = [making.vector(tmp_path, "raw-plain", streams["raw"])]
    for number, (kind, text) in enumerate(
        [("invalid", b"65"), ("invalid", b"69"), ("unsupported", b"65"), ("unsupported", b"69")]
    ):
        entries.append(making.vector(tmp_path, f"text-n{number}", text, kind, either=True))
        entries.append(making.vector(tmp_path, f"text-strict{number}", text, kind))
    (tmp_path / "mine.py").write_text(
        "import refsw\nclass R(Exception): pass\ndef decode(data):\n    if len(data) > 2: return "
        "{'tensor0': refsw.decode(data)}\n    e = R(); e.exit_code = int(data); raise e\n"
    )
    found = outcomes(judge(making.suite(tmp_path, entries), f"{tmp_path}/mine.py:decode"))
    assert {found[f"text-n{n}"] for n in range(4)} == {"PASS"}
    assert [found[f"text-strict{n}"] for n in range(4)] == ["PASS", "WRONG_CLASS", "WRONG_CLASS", "PASS"]


# --- with the published suites ---


def small_run(folder: Path, decoder: str, *suites: str, **selected: tuple[str, ...]) -> Report:
    plan = Plan(load_suites([SUITES / f"{s}.json" for s in suites]), decoder_under_test(decoder),
                selection=Selection(**selected), jobs=2)  # fmt: skip
    with locked(folder):
        return run(plan, folder)


def test_a_decoder_without_vvc_is_green(tmp_path: Path) -> None:
    """refsw without its VVC decoder, with everything that needs one and what does not beside it."""
    (tmp_path / "mine.py").write_text(
        "from refsw.conformance.reference import decode as theirs\nfrom refsw.payload import vvc\n"
        "vvc.has_decoder = lambda name: False\n"
        "def decode(data):\n    return theirs(data)\n"
    )
    report = small_run(tmp_path / "r", f"{tmp_path}/mine.py:decode", "vvc", "extended")
    assert report.failures() == []
    optional = [v for name in ("vvc", "extended") for v in json.loads((SUITES / f"{name}.json").read_text())["vectors"]
                if v.get("optional")]  # fmt: skip
    assert len(optional) > 0
    assert (report.exit_code, report.counts()["SKIPPED"]) == (0, len(optional))
    results = write_reports(report, tmp_path / "r")
    assert "VVC, which is optional" in (tmp_path / "r" / "report.md").read_text()
    assert results["passed"]


MODELS = ("model-exact-*", "model.broken-*")


@pytest.mark.parametrize("base", ["", "{base}"])
def test_a_command_without_a_base_is_refused(tmp_path: Path, base: str) -> None:
    words = ["conformance", "run", str(SUITES / "model.json"), "-o", str(tmp_path), "--decoder",
             f"false {{input}} {{output}} {base}", "--fresh", "--id"]  # fmt: skip
    assert CliRunner().invoke(cli, [*words, "model-full-alone_r1"]).exit_code == 1  # it needs no base, and is run
    done = CliRunner().invoke(cli, [*words, "model-exact-*"])
    if base:
        assert done.exit_code == 1
        assert isinstance(done.exception, SystemExit)
    else:
        assert isinstance(done.exception, UsageError)
        assert "has no {base} in its command, and 29 of the selected vectors" in str(done.exception)
        assert "add {base} to the command, or select other profiles with --profile" in str(done.exception)


def test_a_function_without_a_base_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def one(data): pass\ndef two(data, base=None): pass\n"
        "def both(data, base):\n    assert base is None\n    import refsw\n    return {'tensor0': refsw.decode(data)}\n"
        "def rest(*arguments): pass\nclass Odd:\n"
        "    def __call__(self, data): pass\nodd = Odd()\n"
    )
    for name, taken in (("one", False), ("two", True), ("both", True), ("rest", True), ("odd", False)):
        assert takes_base(decoder_under_test(f"{tmp_path}/mine.py:{name}")) is taken
    with pytest.raises(UsageError, match="takes no second argument"):
        small_run(tmp_path / "r", f"{tmp_path}/mine.py:one", "model", ids=MODELS)
    with pytest.raises(UsageError, match=r"it does not load: .*there_is_none"):
        small_run(tmp_path / "r", f"{tmp_path}/mine.py:there_is_none", "model", ids=MODELS)
    for name in ("refsw", "independent"):
        assert takes_base(decoder_under_test(name))
    assert small_run(tmp_path / "b", f"{tmp_path}/mine.py:both", "lossless", ids=("bytes-zlib-level_r1",)).passed


@pytest.mark.parametrize("mode", ["reject_with_base", "reject_everything_with_base"])
def test_who_rejects_all_model_updates_has_shown_nothing(tmp_path: Path, mode: str) -> None:
    report = small_run(tmp_path, f"{SABOTEUR}:{mode}", "model", ids=(*MODELS, "model-full-*"))
    counts = report.counts()
    negative = [r for r in report.results if r.vector.kind is not Kind.VALID and r.vector.base]
    assert len(negative) > 20
    assert {str(r.outcome) for r in negative} <= {"UNPROVEN", "WRONG_CLASS"}
    assert counts["UNPROVEN"] > 20


def test_who_rejects_one_codec_has_shown_nothing_about_it(tmp_path: Path) -> None:
    report = small_run(tmp_path, f"{SABOTEUR}:reject_lzma", "lossless", ids=("bytes-*",))
    for r in report.results:
        if r.vector.kind is not Kind.VALID:
            lzma = "feature_parameter_set.payload_codec=LZMA" in r.vector.exercises
            assert str(r.outcome) == ("UNPROVEN" if lzma else "PASS"), r.vector.id


def test_a_selection_without_valid_vectors_has_witnesses(tmp_path: Path) -> None:
    for decoder, outcome in (("refsw", "PASS"), (f"{SABOTEUR}:reject_everything", "UNPROVEN")):
        report = small_run(tmp_path / outcome, decoder, "lossless", kinds=("malformed",), areas=("truncation",))
        assert {str(r.outcome) for r in report.results} == {outcome}
        assert len(report.results) == report.as_dict()["total"] > 30


@pytest.mark.slow  # as long as the suites are
def test_an_independent_decoder_without_vvc_is_green_in_all_suites(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        f"import sys\nsys.path.insert(0, {str(INDEPENDENT.parent)!r})\nimport dfc, dfc_decoder\n"
        "def none(*_): raise dfc_decoder.Reject('vvc.optional', exit_code=69)\n"
        "dfc_decoder.vvc_pictures, decode = none, dfc.decode\n"
    )
    report = small_run(tmp_path / "r", f"{tmp_path}/mine.py:decode", *(p.stem for p in SUITES.glob("*.json")))
    assert (report.failures(), report.exit_code) == ([], 0)


# --- what a base is ---


def test_the_text_of_the_specification_is_enough_to_read_every_base() -> None:
    chapter = (ROOT / "spec" / "13-conformance.md").read_text()
    codes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "BOOL": 1}
    codes |= {f"{sign}{bits}": bits // 8 for sign in "UI" for bits in (8, 16, 32, 64)}
    assert all(f"| `{code}` |" in chapter for code in codes)
    bases = sorted((ROOT / "test_vectors" / "model" / "bases").glob("*"))
    assert len(bases) > 10
    for path in bases:
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length].decode())
        assert data[8 : 8 + length].rstrip(b" ").endswith(b"}")
        places = []
        for name, tensor in header.items():
            if name != "__metadata__":
                assert set(tensor) == {"dtype", "shape", "data_offsets"}
                elements = 1
                for extent in tensor["shape"]:
                    elements *= extent
                begin, end = tensor["data_offsets"]
                assert end - begin == elements * codes[tensor["dtype"]]
                places.append((begin, end))
        ends = [0, *(end for _, end in sorted(places))]
        assert [begin for begin, _ in sorted(places)] == ends[:-1]
        assert ends[-1] == len(data) - 8 - length
