"""A run on a Dask cluster gives the same records, also when a worker is killed."""

from __future__ import annotations

import pytest
from anchor_runs import compared, conditions, run

from refsw.errors import UsageError

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


def test_a_scheduler_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"dask nowhere://1: no scheduler answers"):
        run(tmp_path, dask="nowhere://1")
