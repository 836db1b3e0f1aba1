"""Runs give the same records however they are done, interrupted, or gone on with."""

from __future__ import annotations

import importlib.metadata
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from anchor_runs import COPY, HERE, compared, conditions, document, run

from refsw.errors import UsageError
from refsw.evaluation.anchors import environment
from refsw.evaluation.anchors.cache import FeatureCache, prune
from refsw.evaluation.anchors.conditions import parse_conditions, with_tests
from refsw.evaluation.anchors.folder import BITSTREAMS, GROUPS, RECORDS, RUN, open_run, pack, unpack
from refsw.evaluation.anchors.run import AnchorRun, Options

for package in ("yaml", "jsonschema"):
    pytest.importorskip(package, reason=f"conditions need {package}")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    done, failures = run(folder)
    assert len(done) == 6 + 2 * 4 * 6
    assert failures == []
    return folder


def test_there_is_a_record_for_every_point_in_the_order_of_the_conditions(undisturbed):
    told = [(r["layer"], r["value"]) for r in open_run(undisturbed).records]
    assert told == [(layer, qp) for layer in ("early", "late") for qp in (12, 22, 32, 42)]


def test_rate_and_quality_fall_with_qp(undisturbed):
    for layer in ("early", "late"):
        own = [r for r in open_run(undisturbed).records if r["layer"] == layer]
        for name in ("rate", "bits_per_element", "bits_per_pixel"):
            values = [r[name] for r in own]
            assert values == sorted(values, reverse=True)
        qualities = [r["metrics"]["fidelity"] for r in own]
        assert qualities == sorted(qualities, reverse=True)
        assert {r["pristine"]["fidelity"] for r in own} == {1.0}
        assert own[0]["rate"] == pytest.approx(own[0]["bits_per_element"] / 32)


def test_two_processes_give_the_same_records(undisturbed, tmp_path):
    run(tmp_path, jobs=2)
    assert compared(tmp_path) == compared(undisturbed)


def test_a_finished_run_has_nothing_left_to_do(undisturbed):
    before = (undisturbed / RECORDS).read_bytes(), (undisturbed / GROUPS).read_bytes()
    assert run(undisturbed) == ([], [])
    assert ((undisturbed / RECORDS).read_bytes(), (undisturbed / GROUPS).read_bytes()) == before


def cut(path, keep, torn=b""):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:keep]) + torn)


@pytest.mark.parametrize("keep", [0, 3, 7, 20, 54])
def test_a_run_goes_on_from_any_group(undisturbed, tmp_path, keep):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    cut(tmp_path / GROUPS, keep, b'{"test": "sum", "lay')
    cut(tmp_path / RECORDS, max(0, keep - 6) // 24, b"{" if keep else b"")
    run(tmp_path)
    assert compared(tmp_path) == compared(undisturbed)
    assert (tmp_path / GROUPS).read_bytes().count(b"\n") >= 54


def test_a_line_damaged_before_the_last_is_named(tmp_path, undisturbed):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / RECORDS).read_bytes().splitlines(keepends=True)
    (tmp_path / RECORDS).write_bytes(lines[0] + b"{broken\n" + lines[1])
    with pytest.raises(UsageError, match=r"records\.jsonl, line 2: damaged"):
        run(tmp_path)
    with pytest.raises(UsageError, match=r"records\.jsonl, line 2: damaged"):
        open_run(tmp_path)


def killed_at_random(folder, document_, kills, seed):
    """Runs of the command line, each killed with its workers a random while after it has begun to work."""
    rng = random.Random(seed)
    path = folder / "conditions.json"
    path.write_text(json.dumps(document_))
    command = [sys.executable, "-m", "refsw", "anchor", "run", str(path), "-o", str(folder / "run"), "--no-cache"]
    paths = os.pathsep.join([str(HERE), str(HERE.parent.parent)])
    environ = os.environ | {"PYTHONPATH": paths}
    count = 0
    while count < kills:
        jobs = ["-j", "2"] if count % 5 == 4 else []
        process = subprocess.Popen([*command, *jobs], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        groups, size = folder / "run" / GROUPS, 0
        size = groups.stat().st_size if groups.exists() else 0
        while process.poll() is None and (not groups.exists() or groups.stat().st_size == size):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        count += 1
        if process.returncode == 0:
            break
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return count


def slow_document(delay):
    return document(options={"delay": delay})


@pytest.mark.parametrize(("kills", "seed"), [(4, 1), pytest.param(20, 2, marks=pytest.mark.slow)])
def test_killed_at_random_moments_the_records_are_those_of_an_undisturbed_run(tmp_path, undisturbed, kills, seed):
    assert killed_at_random(tmp_path, slow_document(0.02), kills, seed) == kills
    assert compared(tmp_path / "run") == compared(undisturbed)


def test_a_second_run_in_the_folder_refuses(tmp_path):
    with (
        AnchorRun(conditions(), tmp_path, Options()),
        pytest.raises(UsageError, match=f"another run is at work here \\(process {os.getpid()}\\)"),
    ):
        run(tmp_path)
    assert run(tmp_path)[1] == []


def test_other_conditions_are_not_gone_on_with(tmp_path, undisturbed):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    other = conditions(codecs={"uniform": {"preset": "fast", "sweep": {"qp": [12, 22]}}})
    with pytest.raises(
        UsageError,
        match=r"gone on with: conditions, codecs, uniform, values was .* and is \[12, 22\]; .* Use another",
    ):
        run(tmp_path, other)


def test_other_weights_are_not_gone_on_with(tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(b"weights1")
    asked = conditions(options={"weights": str(weights)})
    run(tmp_path / "run", asked)
    weights.write_bytes(b"weights2")
    with pytest.raises(UsageError, match="tests, sum, weights was "):
        run(tmp_path / "run", asked)


def test_another_version_of_x265_is_not_gone_on_with(tmp_path, undisturbed, monkeypatch):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    newer = environment.codec_versions() | {"x265": "9.9"}
    monkeypatch.setattr(environment, "codec_versions", lambda: newer)
    with pytest.raises(UsageError, match=r"versions, x265 was .* and is 9\.9"):
        run(tmp_path)


def test_missing_data_is_named_before_there_is_a_folder(tmp_path):
    with pytest.raises(UsageError, match="images/7: no such file"):
        run(tmp_path / "run", conditions(options={"missing": "images/7"}))
    assert not (tmp_path / "run").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / RECORDS).write_text("mine\n")
    with pytest.raises(UsageError, match=r"records\.jsonl without run\.json"):
        run(tmp_path)
    assert (tmp_path / RECORDS).read_text() == "mine\n"


def test_items_of_a_group_share_a_bitstream(tmp_path, undisturbed):
    run(tmp_path, conditions(test={"group": 4}))
    grouped, single = compared(tmp_path), compared(undisturbed)
    assert [r["bitstreams"] for r in grouped] == [2] * 8
    for one, other in zip(grouped, single, strict=True):
        assert one["coded_bytes"] < other["coded_bytes"]
        assert one["metrics"]["fidelity"] == pytest.approx(other["metrics"]["fidelity"])


def test_cuts_of_several_tensors_and_vectors_are_coded(tmp_path):
    run(tmp_path, conditions(test={"layers": ["both", "vector"], "group": 3}))
    elements = {r["layer"]: r["elements"] for r in compared(tmp_path)}
    assert elements == {"both": 6 * (4 * 12 * 12 + 6 * 6 * 6), "vector": 6 * 32}


def test_bitstreams_that_were_not_kept_are_not_promised(tmp_path):
    run(tmp_path)
    with pytest.raises(UsageError, match=r"sum, early, .*group 0: done without keeping its bitstream"):
        run(tmp_path, keep_bitstreams=True)


def test_kept_bitstreams_are_those_of_the_records(tmp_path):
    import refsw

    run(tmp_path, keep_bitstreams=True)
    files = sorted((tmp_path / BITSTREAMS).iterdir())
    assert len(files) == 48
    assert refsw.validate(files[0].read_bytes()).conforming
    assert sum(p.stat().st_size for p in files) == sum(r["coded_bytes"] for r in compared(tmp_path))


EXTERNAL = {
    "encode": f"{COPY} encode {{input}} {{output}} {{qp}}",
    "decode": f"{COPY} decode {{input}} {{output}}",
    "sweep": {"qp": [12, 42]},
}


@pytest.mark.parametrize("layer", ["early", "both"])
def test_an_external_codec_is_run_by_command(tmp_path, layer):
    asked = conditions(codecs={"copy": EXTERNAL}, options={"count": 2}, test={"layers": [layer]})
    assert run(tmp_path, asked)[1] == []
    fine, coarse = compared(tmp_path)
    assert fine["coded_bytes"] > coarse["coded_bytes"]
    assert fine["metrics"]["snr"] > coarse["metrics"]["snr"] > 10


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encode": f"{COPY} fail {{input}} {{output}}"}, "ended with exit code 1: error: out of cheese"),
        ({"encode": f"{COPY} nothing {{input}} {{output}}"}, "the encoder ended well and wrote no bitstream"),
        ({"decode": f"{COPY} nothing {{input}} {{output}}"}, "the decoder ended well and wrote nothing"),
        ({"decode": f"{COPY} wrong {{input}} {{output}}"}, "decoded float32 (3, 3), float32 (1, 4, 12, 12) was coded"),
    ],
)
def test_an_external_codec_that_fails_is_named_and_the_run_is_not_complete(tmp_path, changes, told):
    asked = conditions(codecs={"copy": EXTERNAL | changes}, options={"count": 1}, test={"layers": ["early"]})
    done, failures = run(tmp_path, asked)
    assert len(done) == 3
    assert len(failures) == 2
    assert failures[0].startswith("sum, early, codec copy, qp 12, group 0: ")
    assert told in failures[0]
    assert compared(tmp_path) == []


def test_a_rebuilt_external_codec_is_another_codec(tmp_path):
    program = tmp_path / "codec.py"
    program.write_text((HERE / "copy_codec.py").read_text())
    entry = {
        k: v.replace(str(HERE / "copy_codec.py"), str(program)) if k != "sweep" else v for k, v in EXTERNAL.items()
    }
    asked = conditions(codecs={"copy": entry}, options={"count": 1}, test={"layers": ["early"]})
    run(tmp_path / "run", asked)
    program.write_text(program.read_text() + "\n")
    with pytest.raises(UsageError, match="versions, copy: "):
        run(tmp_path / "run", asked)


def test_features_are_kept_by_content(tmp_path):
    log, weights = tmp_path / "log", tmp_path / "weights"
    weights.write_bytes(b"weights1")
    asked = conditions(options={"log": str(log), "weights": str(weights)})

    def extracted(folder):
        log.write_text("")
        run(tmp_path / folder, asked, cache=tmp_path / "cache")
        # What the references need is not counted: they look at every cut once.
        return len(log.read_text().splitlines()) - 6 * 5

    assert extracted("first") == 12
    assert extracted("second") == 0
    assert compared(tmp_path / "first") == compared(tmp_path / "second")
    victim = next((tmp_path / "cache").glob("*/*.npz"))
    data = bytearray(victim.read_bytes())
    data[200] ^= 1
    victim.write_bytes(data)
    assert extracted("third") == 1
    weights.write_bytes(b"weights2")
    assert extracted("fourth") == 12
    assert compared(tmp_path / "fourth") != compared(tmp_path / "first")


def test_features_of_another_item_are_not_taken_from_the_cache(tmp_path, undisturbed):
    run(tmp_path / "first", cache=tmp_path / "cache")
    files = sorted((tmp_path / "cache").glob("*/*.npz"))
    files[0].write_bytes(files[1].read_bytes())
    np.savez(files[2], features=np.zeros((3, 3), np.float32))
    assert run(tmp_path / "second", cache=tmp_path / "cache")[1] == []
    assert compared(tmp_path / "second") == compared(undisturbed)


def test_a_test_that_was_not_run_before_makes_another_run(tmp_path):
    document_ = document(tests=[document()["tests"][0] | {"name": name, "layers": ["late"]} for name in "ab"])
    asked = parse_conditions(document_)
    run(tmp_path, with_tests(asked, ("a",)))
    with pytest.raises(UsageError, match=r"gone on with: conditions, tests, b was absent and is there; "):
        run(tmp_path, asked)


def test_the_cache_keeps_to_its_size(tmp_path):
    cache = FeatureCache(tmp_path)
    for i, key in enumerate(("aa1", "bb2", "cc3")):
        cache.put(key, np.zeros(1000, np.float32))
        os.utime(tmp_path / key[:2] / f"{key}.npz", (i, i))
    size = (tmp_path / "aa" / "aa1.npz").stat().st_size
    prune(tmp_path, 3 * size - 1)
    assert [cache.get(key) is not None for key in ("aa1", "bb2", "cc3")] == [False, True, True]


def test_a_worker_that_is_killed_loses_nothing(tmp_path, undisturbed):
    asked = conditions(options={"die_once": str(tmp_path / "died")})
    done, failures = run(tmp_path / "run", asked, jobs=2)
    assert (tmp_path / "died").exists()
    assert (len(done), failures) == (54, [])
    assert compared(tmp_path / "run") == compared(undisturbed)


def test_outputs_survive_as_text():
    value = {"a": [np.arange(6, dtype=np.float32).reshape(2, 3), 1, None], "b": np.float64(0.1), "c": (np.int64(3),)}
    back = unpack(json.loads(json.dumps(pack(value))))
    np.testing.assert_array_equal(back["a"][0], value["a"][0])
    assert back["a"][0].dtype == np.float32
    assert (back["a"][1:], float(back["b"]), int(back["c"][0])) == ([1, None], 0.1, 3)


def test_a_score_that_is_no_number_is_named_and_the_other_points_are_finished(tmp_path, monkeypatch):
    import fake_task

    score = fake_task.FakeTask.score

    def sometimes(self, layer, outputs, references):
        told = score(self, layer, outputs, references)
        return told if layer == "late" else told | {"fidelity": float("nan")}

    monkeypatch.setattr(fake_task.FakeTask, "score", sometimes)
    done, failures = run(tmp_path)
    assert len(done) == 54
    assert failures[0] == "sum, early, codec uniform, qp 12: the task gives fidelity = nan"
    assert len(failures) == 4
    assert {r["layer"] for r in compared(tmp_path)} == {"late"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_output_that_is_no_number_is_named_with_its_item(tmp_path, jobs):
    _, failures = run(tmp_path, conditions(options={"nan": "item3"}), jobs=jobs)
    assert failures[0] == "sum, whole network, group 3: item3: NaN or infinity in the output of the network"
    assert len(failures) == 1
    assert compared(tmp_path) == []


def test_an_error_of_a_task_of_ones_own_is_named_and_the_others_go_on(tmp_path):
    _, failures = run(tmp_path, conditions(options={"raise": "item3"}), jobs=2)
    assert "group 3: ZeroDivisionError: of item3" in failures[0]
    assert len(failures) == 1 + 8


def test_the_folder_says_what_was_run_with_what(undisturbed):
    told = json.loads((undisturbed / RUN).read_text())
    assert told["identity"]["versions"]["x265"] == environment.x265_version()
    assert told["identity"]["versions"]["x265"][0].isdigit()
    assert {"refsw", "codecs", "packages", "processor"} <= set(open_run(undisturbed).environment)
    assert environment.codec_versions()["liblzma"].startswith("5.")


def test_the_packages_of_a_run_can_be_installed_again_from_its_record(undisturbed):
    command = [sys.executable, "-m", "refsw", "anchor", "requirements", str(undisturbed)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(importlib.metadata.version(name) == release for name, release in pins)
    # All that the processes of a run import, such as the codecs, is there; what no index has is named.
    program = (
        "import sys, av, PIL, yaml, jsonschema; from refsw.evaluation.anchors import run, work; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    owners = importlib.metadata.packages_distributions()
    used = {re.sub(r"[-_.]+", "-", name).lower() for module in loaded for name in owners.get(module, ())}
    assert {"av", "numpy", "pillow"} <= used
    named = {line[2:].split()[0] for line in lines[1:] if line.startswith("#")}
    assert used <= {name for name, _ in pins} | named


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"installed": None}, "of an earlier version"), ({"python": "3.11\nother==1"}, "damaged"),
     ({"installed": {"av": "1\x1b[2J"}}, "damaged")],
)  # fmt: skip
def test_a_record_without_the_packages_and_a_damaged_one_are_refused(undisturbed, changed, told):
    with pytest.raises(UsageError, match=told):
        environment.requirements({**open_run(undisturbed).environment, **changed})


def test_a_full_disk_is_named_with_its_file_and_the_run_is_gone_on_with(tmp_path, undisturbed):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))
    try:
        with pytest.raises(OSError, match=r"groups\.jsonl"):
            run(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / GROUPS).stat().st_size == 20000
    run(tmp_path)
    assert compared(tmp_path) == compared(undisturbed)


def test_a_folder_without_a_run_is_named():
    with pytest.raises(UsageError, match="no run of refsw anchor"):
        open_run(Path("/nowhere"))
