"""Runs that are ended from outside leave nothing behind: no process, no program, no folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from anchor_runs import COPY, HERE, compared, conditions, document, run
from processes import alive, below, until

from refsw.evaluation.anchors import workers
from refsw.evaluation.anchors.folder import GROUPS
from refsw.payload import commands

for package in ("yaml", "jsonschema"):
    pytest.importorskip(package, reason=f"conditions need {package}")
ENVIRON = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent.parent)])}


ONE = {"codecs": {"uniform": {"preset": "fast", "sweep": {"qp": [12]}}}}


def started(folder, asked, *options):
    (folder / "c.json").write_text(json.dumps(asked))
    command = [sys.executable, "-m", "refsw", "anchor", "run", "c.json", "-o", "run", "--no-cache", *options]
    environ = ENVIRON | {"TMPDIR": str(folder)}
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def gone(pids):
    return not any(map(alive, pids))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("number", "jobs", "code"),
    [(signal.SIGINT, "2", 130), (signal.SIGTERM, "1", 143), (signal.SIGTERM, "2", 143), (signal.SIGKILL, "1", -9)],
)
def test_programs_and_workers_end_with_the_run(tmp_path, number, jobs, code):
    marker = tmp_path / "begun"
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {marker}\nsleep 3600 &\nsleep 3600\n")
    program.chmod(0o755)
    codec = {"encode": f"{program} {{input}} {{output}}", "decode": f"{program} {{input}} {{output}}"}
    process = started(tmp_path, document(codecs={"x": codec}, options={"count": 2}), "-j", jobs)
    until(marker.exists, process)
    pids = below(process.pid)
    assert len(pids) >= 3
    process.send_signal(number)
    said = process.communicate()[1].decode()
    assert process.returncode == code
    assert "Traceback" not in said
    until(lambda: gone(pids))
    until(lambda: not list(tmp_path.glob("refsw-*")))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_gone_on_with(tmp_path, number):
    process = started(tmp_path, document(options={"delay": 0.02}), "-j", "2")
    until(lambda: (tmp_path / "run" / GROUPS).exists() and (tmp_path / "run" / GROUPS).stat().st_size > 20000, process)
    process.send_signal(number)
    said = process.communicate()[1].decode()
    assert "Traceback" not in said
    run(tmp_path / "run", conditions(options={"delay": 0.02}))
    run(tmp_path / "other")
    assert compared(tmp_path / "run") == compared(tmp_path / "other")


def test_a_job_that_ends_its_workers_is_given_up_and_the_others_go_on(tmp_path):
    done, failures = run(tmp_path, conditions(**ONE, options={"die": "item3"}, test={"layers": ["late"]}), jobs=2)
    # The output of the whole network, and the point of that item; either may be given up first.
    assert sorted(failures) == [
        f"sum, late, codec uniform, qp 12, group 3: {workers.ENDED}",
        f"sum, whole network, group 3: {workers.ENDED}",
    ]
    assert len(done) == 6 + 6
    assert compared(tmp_path) == []


def test_a_program_that_does_not_end_is_ended_with_what_it_started(tmp_path, monkeypatch):
    from refsw.errors import CodecError

    program, pid = tmp_path / "program.sh", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\nsleep 3600 &\necho $! > {pid}.new\nmv {pid}.new {pid}\nwait\n")
    program.chmod(0o755)

    class Late(subprocess.Popen):
        def wait(self, timeout=None):
            if timeout is not None:
                until(pid.exists, self)
                raise subprocess.TimeoutExpired(self.args, timeout)
            return super().wait()

    monkeypatch.setattr(subprocess, "Popen", Late)
    with pytest.raises(CodecError, match=r"did not end within 3600 s"):
        commands.run(f"{program} {{input}} {{output}}", {"input": "a", "output": "b"})
    until(lambda: gone([int(pid.read_text())]))


def test_a_program_is_given_so_much_time_and_no_more(monkeypatch):
    from refsw.errors import CodecError

    monkeypatch.setattr(commands, "TIMEOUT_SECONDS", 0.1)
    with pytest.raises(CodecError, match=r"did not end within 0 s"):
        commands.run("sleep 3600", {})


def test_a_program_that_leaves_another_behind_keeps_nobody_waiting(tmp_path):
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\nsleep 3600 &\necho $! > {tmp_path}/pid\n")
    program.chmod(0o755)
    commands.run(f"{program} {{input}} {{output}}", {"input": "a", "output": "b"})
    until(lambda: gone([int((tmp_path / "pid").read_text())]))


def test_a_program_that_says_much_is_told_in_a_line(tmp_path):
    from refsw.errors import CodecError

    program = tmp_path / "program.sh"
    program.write_text(
        "#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' 'e' >&2\necho >&2\necho Error: late >&2\nexit 4\n"
    )
    program.chmod(0o755)
    with pytest.raises(CodecError, match=r"ended with exit code 4: Error: late$"):
        commands.run(f"{program} {{input}} {{output}}", {"input": "a", "output": "b"})


@pytest.mark.parametrize("shape", ["(1 << 60,)", "(1, 4, 12, 13)"])
def test_a_header_that_promises_too_much_takes_no_memory(tmp_path, shape):
    program = tmp_path / "decoder.py"
    program.write_text(
        "import sys, numpy as np\n"
        "with open(sys.argv[2], 'wb') as file:\n"
        f"    header = {{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n"
        "    np.lib.format.write_array_header_1_0(file, header)\n"
    )
    codec = {
        "encode": f"{COPY} encode {{input}} {{output}} 12",
        "decode": f"{sys.executable} {program} {{input}} {{output}}",
    }
    asked = conditions(codecs={"x": codec}, options={"count": 1}, test={"layers": ["early"]})
    _, failures = run(tmp_path / "run", asked)
    assert "codec x: decoded float32 (1" in failures[0]
    assert failures[0].endswith("float32 (1, 4, 12, 12) was coded")


def test_workers_that_end_before_they_are_ready_are_not_started_for_ever(tmp_path):
    script, folder = tmp_path / "unguarded.py", str(tmp_path / "run")
    script.write_text(f"from pathlib import Path; from anchor_runs import run; run(Path({folder!r}), jobs=2)")
    done = subprocess.run([sys.executable, script], env=ENVIRON, capture_output=True, text=True, check=False)
    assert workers.NEVER_READY in done.stderr.splitlines()[-1]
