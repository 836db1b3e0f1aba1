"""A run on a Dask cluster gives the same records, also when a worker is killed."""

from __future__ import annotations

import pytest
from anchor_runs import compared, conditions, run

from refsw.errors import UsageError
from refsw.evaluation.anchors.run import AnchorRun, Options

distributed = pytest.importorskip("distributed", reason="dask is not installed")
for package in ("yaml", "jsonschema"):
    pytest.importorskip(package, reason=f"conditions need {package}")


def test_a_worker_killed_in_mid_run_loses_nothing(tmp_path):
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    asked = conditions(options={"die_once": str(tmp_path / "died")})
    with distributed.LocalCluster(**options, silence_logs=50) as cluster:
        done, failures = run(tmp_path / "cluster", asked, dask=cluster.scheduler_address)
    assert (tmp_path / "died").exists()
    assert (len(done), failures) == (54, [])
    run(tmp_path / "here", conditions())
    assert compared(tmp_path / "cluster") == compared(tmp_path / "here")


def test_workers_with_another_refsw_are_named(tmp_path, monkeypatch):
    from refsw.evaluation.anchors import workers

    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options, silence_logs=50) as cluster:
        monkeypatch.setattr(workers, "source_digest", lambda: "0" * 64)
        with pytest.raises(UsageError, match=r"dask worker .*: has another refsw than this machine"):
            run(tmp_path, dask=cluster.scheduler_address)
        monkeypatch.setattr(workers, "SOURCE_THERE", "__import__('refsw.nowhere')")
        with pytest.raises(UsageError, match=r"dask worker .*: .*refsw\.nowhere"):
            run(tmp_path, dask=cluster.scheduler_address)


def test_a_worker_that_is_not_like_this_machine_is_named(tmp_path, monkeypatch):
    from refsw.evaluation.anchors import work

    with AnchorRun(conditions(), tmp_path, Options()) as job:
        known = work.network_versions()
        monkeypatch.setattr(work, "network_versions", lambda: known | {"numpy": "0.1"})
        results = list(job.work())
    told = "this worker is not like the machine that started the run: network, numpy was "
    assert all(told in failure for failure in job.failures)
    assert len(job.failures) == len(results) == 54


def test_a_scheduler_that_goes_away_ends_the_run_in_one_line(tmp_path):
    from refsw.errors import CodecError

    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options, silence_logs=50) as cluster:
        asked = conditions(options={"delay": 0.05})
        with AnchorRun(asked, tmp_path / "run", Options(dask=cluster.scheduler_address)) as job:
            results = job.work()
            next(results)
            cluster.close()
            with pytest.raises(CodecError, match=r"dask .*: the cluster is gone: "):
                list(results)
    run(tmp_path / "run", asked)
    run(tmp_path / "here")
    assert compared(tmp_path / "run") == compared(tmp_path / "here")


def test_a_scheduler_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"dask nowhere://1: no scheduler answers"):
        run(tmp_path, dask="nowhere://1")
