"""Features that are frozen give the records of the run, and a sealed run shows whatever was done to it."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile

import fake_task
import numpy as np
import pytest
from anchor_runs import compared, conditions, edit_records, run
from click.testing import CliRunner

from refsw.cli.main import cli
from refsw.errors import UsageError
from refsw.evaluation.anchors import run as running
from refsw.evaluation.anchors.archives import container
from refsw.evaluation.anchors.archives.container import opened, write_archive
from refsw.evaluation.anchors.archives.freezing import freeze
from refsw.evaluation.anchors.archives.frozen import FROZEN, frozen_conditions, packed, unpacked
from refsw.evaluation.anchors.archives.sealing import SEALED, pack, verify
from refsw.evaluation.anchors.crosscheck import Verdict, crosscheck
from refsw.evaluation.anchors.folder import BITSTREAMS, RECORDS, open_run
from refsw.evaluation.errors import ArchiveError, EvaluationError
from refsw.syntax.codes import ElementType
from refsw.tensor.axes import DTYPES

for package in ("yaml", "jsonschema"):
    pytest.importorskip(package, reason=f"conditions need {package}")

LAYERS = {
    "codecs": {"uniform": {"preset": "fast", "sweep": {"qp": [12, 22]}}},
    "test": {"layers": ["early", "both"], "group": 3},
}
CHANNEL = {
    "model": "iid", "loss_rates": [0.0, 0.3], "packets": {"rows": 5}, "methods": ["none", "linear"], "realisations": 2,
    "seed": 4,
}  # fmt: skip
LOSSY = {
    "codecs": {"levels": {"preset": "fast", "choices": {"quantizer": "uniform", "payload": "zlib"}}},
    "test": {"layers": ["early"], "channel": CHANNEL},
}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    run(folder, conditions(**LAYERS), keep_bitstreams=True)
    return folder


@pytest.fixture(scope="module")
def frozen(first):
    path = first.parent / "frozen"
    freeze(first, path)
    return path


@pytest.fixture(scope="module")
def sealed(first, frozen):
    path = first.parent / "sealed"
    assert not pack(first, path, frozen).findings
    return path


@pytest.fixture
def without_network(monkeypatch):
    """Neither pictures nor network nor the libraries that the run was made with."""

    def fail(*_):
        raise UsageError("no network here")

    monkeypatch.setattr(fake_task, "open_task", fail)
    monkeypatch.setattr(running, "network_versions", lambda: {"onnxruntime": "another"})


# --- frozen features ---


def test_frozen_features_give_the_records_of_the_run_without_its_network(first, frozen, tmp_path, without_network):
    _, failures = run(tmp_path / "again", frozen_conditions(frozen), features=frozen, keep_bitstreams=True)
    assert not failures
    assert compared(tmp_path / "again") == compared(first)
    found = crosscheck(open_run(first), open_run(tmp_path / "again"))
    assert (found.verdict, found.findings) == (Verdict.IDENTICAL, ())


def test_frozen_features_give_the_records_of_losses_too(tmp_path, monkeypatch):
    asked = conditions(**LOSSY)
    run(tmp_path / "first", asked)
    freeze(tmp_path / "first", tmp_path / "frozen")

    def fail(*_):
        raise UsageError("no network here")

    monkeypatch.setattr(fake_task, "open_task", fail)
    _, failures = run(tmp_path / "again", asked, features=tmp_path / "frozen")
    assert not failures
    assert compared(tmp_path / "again") == compared(tmp_path / "first")


def test_another_codec_has_its_outputs_from_the_network(first, frozen, tmp_path):
    other = conditions(
        **LAYERS | {"codecs": {"mine": {"preset": "fast", "choices": {"bit_depth": 8}, "sweep": {"qp": [20]}}}}
    )
    run(tmp_path / "with", other, features=frozen)
    run(tmp_path / "without", other)
    assert compared(tmp_path / "with") == compared(tmp_path / "without")


def test_another_codec_without_network_is_told_before_the_run(frozen, tmp_path, without_network):
    other = conditions(**LAYERS | {"codecs": {"mine": {"preset": "fast", "sweep": {"qp": [20]}}}})
    with pytest.raises(UsageError, match="no network here"):
        run(tmp_path / "again", other, features=frozen)


def test_another_network_than_that_of_the_features_is_told_before_the_run(frozen, tmp_path, monkeypatch):
    monkeypatch.setattr(fake_task.FakeTask, "fingerprint", lambda _: {"weights": "others"})
    other = conditions(**LAYERS | {"codecs": {"mine": {"preset": "fast", "sweep": {"qp": [20]}}}})
    with pytest.raises(UsageError, match="another network than that of the features: weights was"):
        run(tmp_path / "again", other, features=frozen)


def test_other_bits_are_named_where_there_is_no_network(first, frozen, tmp_path, without_network, monkeypatch):
    from refsw.evaluation.anchors import codecs

    decode = codecs.decode

    def off(bitstream, features, codec, value):
        decoded = decode(bitstream, features, codec, value)
        return decoded if value != 22 or isinstance(decoded, dict) else decoded + np.float32(1)

    monkeypatch.setattr(codecs, "decode", off)
    _, failures = run(tmp_path / "again", frozen_conditions(frozen), features=frozen)
    assert failures
    assert all("qp 22" in told and "coding differs here" in told for told in failures)
    assert len(compared(tmp_path / "again")) == len(compared(first)) - 1


def test_a_run_with_frozen_features_goes_on_with_the_same_ones_alone(first, frozen, tmp_path):
    run(tmp_path / "again", frozen_conditions(frozen), features=frozen)
    edit_records(tmp_path / "again", lambda records: records[1:])
    done, _ = run(tmp_path / "again", frozen_conditions(frozen), features=frozen)
    assert not done  # its groups are there
    assert compared(tmp_path / "again")[0] != compared(tmp_path / "again")[1]
    shutil.copytree(first, tmp_path / "run", dirs_exist_ok=True)
    with pytest.raises(UsageError, match="not gone on with"):
        run(tmp_path / "run", frozen_conditions(frozen), features=frozen)


def test_features_of_other_tests_are_refused(frozen, tmp_path):
    with pytest.raises(UsageError, match="no features of late"):
        run(tmp_path / "again", conditions(test={"layers": ["late"], "group": 3}), features=frozen)
    with pytest.raises(UsageError, match="group was 3 and is 2"):
        run(tmp_path / "again", conditions(test={"layers": ["early"], "group": 2}), features=frozen)
    with pytest.raises(UsageError, match="features of other tests"):
        run(tmp_path / "again", conditions(test={"name": "more"}), features=frozen)


def test_a_run_that_is_not_complete_is_neither_frozen_nor_sealed(first, tmp_path):
    part = shutil.copytree(first, tmp_path / "part")
    edit_records(part, lambda records: records[1:])
    with pytest.raises(UsageError, match="1 points have no record"):
        freeze(part, tmp_path / "frozen")
    with pytest.raises(UsageError, match="1 points have no record"):
        pack(part, tmp_path / "sealed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part"]


def test_features_that_are_others_here_are_not_frozen(first, tmp_path, monkeypatch):
    features = fake_task.FakeTask.features
    monkeypatch.setattr(fake_task.FakeTask, "features", lambda self, item, layer: features(self, "item0", layer))
    with pytest.raises(EvaluationError, match="other ones here than in the run"):
        freeze(first, tmp_path / "frozen")
    assert not list(tmp_path.iterdir())


def test_data_that_are_others_here_are_not_frozen(first, tmp_path, monkeypatch):
    monkeypatch.setattr(fake_task.FakeTask, "fingerprint", lambda _: {"weights": "others"})
    with pytest.raises(UsageError, match="is another one here"):
        freeze(first, tmp_path / "frozen")


@pytest.mark.parametrize("dtype", [DTYPES[kind] for kind in ElementType])
def test_features_of_every_format_are_packed_bit_by_bit(dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    told, data = packed({3: x, "p": x[0]})
    back = unpacked(json.loads(json.dumps(told)), data)
    assert list(back) == [3, "p"]
    assert back[3].dtype == x.dtype
    assert np.array_equal(back[3], x)
    assert np.array_equal(unpacked(*packed(x)), x)


# --- sealed runs ---


def test_a_sealed_run_is_verified_and_unpacked(first, sealed, tmp_path):
    seal = verify(sealed, into=tmp_path / "out")
    assert not seal.findings
    assert compared(tmp_path / "out") == compared(first)
    assert verify(sealed, digest=seal.digest).exit_code == 0
    assert "another run was sealed" in verify(sealed, digest="0" * 64).findings[0]
    with pytest.raises(UsageError, match="is there already"):
        verify(sealed, into=tmp_path / "out")


def test_the_same_run_gives_the_same_archive(first, frozen, sealed, tmp_path):
    pack(first, tmp_path / "again", frozen)
    assert (tmp_path / "again").read_bytes() == sealed.read_bytes()


def test_a_flipped_byte_anywhere_is_found(sealed, tmp_path):
    whole = sealed.read_bytes()
    chosen = random.Random(17)
    places = [*range(0, 64, 7), *chosen.sample(range(len(whole)), 60), *range(len(whole) - 100, len(whole), 9)]
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << chosen.randrange(8)
        (tmp_path / "flipped").write_bytes(data)
        try:
            assert verify(tmp_path / "flipped").findings, place
        except ArchiveError as error:
            assert str(tmp_path / "flipped") in str(error)


def rewritten(sealed, target, change):
    """An archive with other members; whoever does that cannot keep the digest of the whole."""
    with zipfile.ZipFile(sealed) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def test_what_is_missing_added_or_changed_is_named(sealed, tmp_path):
    def change(members):
        del members["environment.json"]
        members["more.txt"] = b"?"
        members[RECORDS] = members[RECORDS].replace(b"1", b"2", 1)

    found = verify(rewritten(sealed, tmp_path / "changed", change)).findings
    assert found == [
        "environment.json: is missing",
        "more.txt: is not one of the files that were sealed",
        "records.jsonl: is not what it was",
    ]


def resealed(sealed, target, change):
    with opened(sealed, SEALED) as archive:
        members = {name: archive.read(name) for name in archive.files}
        about = archive.about
    change(members)
    write_archive(target, SEALED, about, members.items())
    return target


def test_a_record_that_was_changed_before_sealing_does_not_go_with_its_groups(first, sealed, tmp_path):
    def records(members):
        lines = [json.loads(line) for line in members[RECORDS].splitlines()]
        lines[0]["coded_bytes"] += 1
        members[RECORDS] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    found = verify(resealed(sealed, tmp_path / "a", records)).findings
    assert any("coded_bytes is not the sum" in told for told in found)

    def bitstreams(members):
        name = next(name for name in members if name.startswith(BITSTREAMS))
        members[name] += b"\0"

    assert "are not those of the record" in verify(resealed(sealed, tmp_path / "b", bitstreams)).findings[0]

    def features(members):
        frozen = io.BytesIO(members["features.archive"])
        assert zipfile.is_zipfile(frozen)
        members["features.archive"] = members["features.archive"][:-1] + b"!"

    assert verify(resealed(sealed, tmp_path / "c", features)).findings


def test_a_run_that_does_not_go_together_is_not_sealed(first, tmp_path):
    other = shutil.copytree(first, tmp_path / "other")
    next((other / BITSTREAMS).iterdir()).write_bytes(b"?")
    with pytest.raises(UsageError, match="does not go together"):
        pack(other, tmp_path / "sealed")
    assert not (tmp_path / "sealed").exists()


def test_features_of_another_run_are_not_sealed_with_it(frozen, tmp_path):
    run(tmp_path / "other", conditions(test={"layers": ["late"]}))
    with pytest.raises(UsageError, match="the features are not those"):
        pack(tmp_path / "other", tmp_path / "sealed", frozen)


# --- what is no archive of this kind ---


def test_many_members_are_refused(sealed, monkeypatch):
    monkeypatch.setattr(container, "MOST_MEMBERS", 3)
    with pytest.raises(ArchiveError, match="at most 3"):
        verify(sealed)


def test_archives_of_another_kind_or_none_are_refused(frozen, tmp_path):
    with pytest.raises(ArchiveError, match=f"of kind {FROZEN}"):
        verify(frozen)
    for data in (b"", b"PK\5\6", b"no archive" * 20):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(ArchiveError, match="no archive"):
            verify(tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "y", "w") as archive:
        archive.writestr("a", b"")
    with pytest.raises(ArchiveError, match="no archive of refsw anchor"):
        verify(tmp_path / "y")


def test_frozen_features_that_were_changed_are_refused(frozen, tmp_path):
    data = bytearray(frozen.read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "frozen").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"not as it was frozen|damaged"):
        run(tmp_path / "again", conditions(**LAYERS), features=tmp_path / "frozen")


# --- commands ---


def refsw(*words):
    return CliRunner().invoke(cli, ["anchor", *map(str, words)])


def test_the_commands_freeze_run_seal_and_verify(first, tmp_path):
    assert refsw("freeze", first, "-o", tmp_path / "frozen", "--no-cache").exit_code == 0
    done = refsw("run", "--features", tmp_path / "frozen", "-o", tmp_path / "again")
    assert done.exit_code == 0, done.output
    assert "identical" in refsw("crosscheck", first, tmp_path / "again").output
    done = refsw("pack", first, "-o", tmp_path / "sealed", "--features", tmp_path / "frozen")
    assert "as it was sealed" in done.output
    done = refsw("verify", tmp_path / "sealed")
    assert (done.exit_code, "as it was sealed" in done.output) == (0, True)
    data = bytearray((tmp_path / "sealed").read_bytes())
    data[-70] ^= 1
    (tmp_path / "sealed").write_bytes(data)
    told = json.loads(refsw("verify", tmp_path / "sealed", "--json").output)
    assert told["findings"]
    assert refsw("verify", tmp_path / "sealed").exit_code == 1


def test_a_run_without_conditions_and_features_is_refused(tmp_path):
    done = CliRunner().invoke(cli, ["anchor", "run", "-o", str(tmp_path / "x")])
    assert isinstance(done.exception, UsageError)
    assert "CONDITIONS are missing" in str(done.exception)
