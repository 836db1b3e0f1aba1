"""A cross-check names whatever differs, and its verdict is the exit code."""

from __future__ import annotations

import json
import shutil

import pytest
from anchor_runs import conditions, edit_lines, edit_records, run
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import UsageError
from refsw.evaluation.anchors.crosscheck import Kind, Verdict, as_text, crosscheck
from refsw.evaluation.anchors.folder import BITSTREAMS, ENVIRONMENT, GROUPS, RECORDS, RUN, open_run

for package in ("yaml", "jsonschema"):
    pytest.importorskip(package, reason=f"conditions need {package}")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    run(folder, keep_bitstreams=True)
    return folder


@pytest.fixture
def second(first, tmp_path):
    return shutil.copytree(first, tmp_path / "second")


def check(first, second):
    result = crosscheck(open_run(first), open_run(second))
    return result, as_text(result)


def edit_json(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_the_same_run_twice_is_identical(first, tmp_path):
    run(tmp_path, jobs=2)
    result, text = check(first, tmp_path)
    assert (result.verdict, result.exit_code, result.findings) == (Verdict.IDENTICAL, 0, ())
    assert text == "verdict: identical: 8 records compared, 0 findings\n"


def test_one_changed_byte_of_a_bitstream_is_named(first, second):
    path = sorted((second / BITSTREAMS).iterdir())[7]
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    result, text = check(first, second)
    assert result.exit_code == 1
    assert [finding.kind for finding in result.findings] == [Kind.DAMAGED]
    assert str(path) in text


def test_a_group_with_another_bitstream_is_named_with_its_item(first, second):
    edit_lines(second / GROUPS, 20, lambda record: record.update(bitstream="0" * 64))
    record = json.loads((second / GROUPS).read_text().splitlines()[20])
    result, text = check(first, second)
    assert result.verdict is Verdict.DIFFERENT
    place = f"{record['layer']}, codec uniform, qp {record['value']}, group {record['group']} ({record['items'][0]})"
    assert f"digest: sum, {place}: bitstream differ" in text


def test_another_encoder_gives_other_digests_and_sizes(first, tmp_path):
    run(tmp_path, conditions(codecs={"uniform": {"preset": "best", "sweep": {"qp": [12, 22, 32, 42]}}}))
    result, text = check(first, tmp_path)
    assert {Kind.CONDITIONS, Kind.DIGEST, Kind.SIZE, Kind.METRIC} <= {finding.kind for finding in result.findings}
    assert "conditions: conditions: codecs, uniform, preset was fast and is best" in text
    assert "digest: sum, early, codec uniform, qp 12: the bitstreams differ" in text
    assert "digest: groups: " in text


@pytest.mark.parametrize(("change", "found"), [(1e-9, 0), (1e-3, 1), (-0.5, 1)])
def test_one_changed_metric_is_named_beyond_the_tolerance(first, second, change, found):
    def edit(records):
        records[5]["metrics"]["fidelity"] += change
        return records

    edit_records(second, edit)
    result, text = check(first, second)
    assert result.exit_code == found
    if found:
        assert "metric: sum, late, codec uniform, qp 22: fidelity 0." in text
        assert "(tolerance 1e-06)" in text
        assert len(result.findings) == 1
    else:
        assert (result.verdict, result.within_tolerance) == (Verdict.REPRODUCED, 1)


def test_one_missing_record_is_named_on_either_side(first, second):
    edit_records(second, lambda records: [r for r in records if (r["layer"], r["value"]) != ("late", 32)])
    for pair in ((first, second), (second, first)):
        result, text = check(*pair)
        assert result.exit_code == 1
        assert f"missing: sum, late, codec uniform, qp 32: no record in {second}" in text
        assert len(result.findings) == 1


def test_another_version_of_x265_is_named_and_the_records_are_reproduced(first, second):
    edit_json(second / RUN, lambda run: run["identity"]["versions"].update(x265="3.5 (build 199)"))
    result, text = check(first, second)
    assert (result.verdict, result.exit_code) == (Verdict.REPRODUCED, 0)
    assert "version: environment: x265 was 4" in text
    assert "and is 3.5 (build 199)" in text


def test_another_machine_is_named(first, second):
    edit_json(second / ENVIRONMENT, lambda environment: environment.update(machine="aarch64"))
    assert "machine was" in check(first, second)[1]


def test_other_weights_make_another_run(first, second):
    edit_json(second / RUN, lambda run: run["identity"]["tests"]["sum"].update(weights="0" * 64))
    result, text = check(first, second)
    assert result.exit_code == 1
    assert "conditions: network and data: sum, weights was" in text


@pytest.mark.parametrize("field", ["coded_bytes", "elements", "items"])
def test_a_changed_size_is_named(first, second, field):
    def edit(records):
        records[0][field] += 1
        return records

    edit_records(second, edit)
    result, text = check(first, second)
    assert result.exit_code == 1
    assert f"size: sum, early, codec uniform, qp 12: {field} " in text


def test_a_record_that_its_groups_do_not_make_is_named(first, second):
    def edit(records):
        records[0]["digests"]["decoded"] = "0" * 64
        return records

    edit_records(second, edit)
    assert "the decoded digest is not that of its groups" in check(first, second)[1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: r.update(rate=r["rate"] * 0.9), "rate is 0."),
        (lambda r: r["metrics"].update(snr=99.0), "snr is 99.0, its groups make "),
        (lambda r: r["metrics"].update(snr=None), "snr is None, its groups make "),
        (lambda r: r.update(raw_bytes=r["raw_bytes"] + 4), "raw_bytes is not the sum over its groups"),
    ],
)
def test_a_record_edited_by_hand_is_told_from_what_its_groups_make(first, second, change, told):
    def edit(records):
        change(records[2])
        return records

    edit_records(second, edit)
    # Both runs have the same edit: it is found all the same.
    for pair in ((first, second), (second, second)):
        result, text = check(*pair)
        assert result.exit_code == 1
        assert f"damaged: {second}: sum, early, codec uniform, qp 32: {told}" in text


def test_a_record_that_is_there_twice_and_one_of_no_point_are_named(first, second):
    edit_records(second, lambda records: [*records, records[0] | {"rate": 0.5}, records[1] | {"value": 23}])
    text = check(first, second)[1]
    assert "sum, early, codec uniform, qp 12: is there 2 times" in text
    assert "sum, early, codec uniform, qp 23: is no point of the conditions" in text
    assert "missing: sum, early, codec uniform, qp 23: no record in" in text


def test_runs_that_lack_the_same_records_are_not_identical(first, second, tmp_path):
    edit_records(second, lambda records: records[1:])
    third = shutil.copytree(second, tmp_path / "third")
    result, text = check(second, third)
    assert (result.verdict, result.compared) == (Verdict.DIFFERENT, 7)
    assert "missing: sum, early, codec uniform, qp 12: no record in either run" in text


def test_a_bitstream_that_is_gone_is_named(first, second):
    path = sorted((second / BITSTREAMS).iterdir())[3]
    path.unlink()
    assert f"{path} is missing" in check(first, second)[1]


def test_a_group_that_is_there_twice_differently_is_named(first, second):
    path = second / GROUPS
    record = json.loads(path.read_text().splitlines()[20])
    with path.open("a") as file:
        file.write(json.dumps(record | {"coded_bytes": 1}) + "\n")
    assert "is there twice, with other contents" in check(first, second)[1]


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (RECORDS, lambda r: r["metrics"].update(fidelity="high"), "line 1, metrics: damaged: fidelity is 'high'"),
        (RECORDS, lambda r: r.pop("digests"), "line 1: damaged: a record without digests"),
        (RECORDS, lambda r: r.update(rate=float("nan")), "line 1: damaged: NaN is no number"),
        (GROUPS, lambda r: r.update(group="x"), "line 1: damaged: group is 'x'"),
        (RUN, lambda r: r.pop("identity"), "run.json: damaged: a record without identity"),
        (RUN, lambda r: r["identity"].update(tests=[]), "run.json: damaged: tests is '[]'"),
    ],
)
def test_damaged_files_of_a_run_are_named(first, second, name, change, told):
    edit = edit_json if name == RUN else lambda path, change: edit_lines(path, 0, change)
    edit(second / name, change)
    with pytest.raises(UsageError) as caught:
        check(first, second)
    assert told in str(caught.value)


def test_the_verdict_is_the_exit_code_of_the_command(first, second):
    runner = CliRunner()
    done = runner.invoke(cli, ["anchor", "crosscheck", str(first), str(second)])
    assert (done.exit_code, done.output) == (0, "verdict: identical: 8 records compared, 0 findings\n")
    edit_records(second, lambda records: records[:-1])
    done = runner.invoke(cli, ["anchor", "crosscheck", str(first), str(second), "--json"])
    assert done.exit_code == 1
    assert json.loads(done.output)["verdict"] == "different"
