"""Conditions and runs that the tests of anchor runs share."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.folder import RECORDS, open_run
from refsw.evaluation.anchors.run import AnchorRun, Options

HERE = Path(__file__).parent
COPY = f"{sys.executable} {HERE / 'copy_codec.py'}"


def document(**changes):
    options = changes.pop("options", {})
    test = {"name": "sum", "task": "fake_task:open_task", "layers": ["early", "late"], "options": options}
    base = {
        "format": "refsw-conditions-1",
        "name": "fake",
        "title": "Conditions for tests",
        "codecs": {"uniform": {"preset": "fast", "sweep": {"qp": [12, 22, 32, 42]}}},
        "tests": [test | changes.pop("test", {})],
    }
    return base | changes


def conditions(**changes):
    return parse_conditions(document(**changes))


def run(folder, asked=None, **options):
    with AnchorRun(asked or conditions(), folder, Options(**options)) as job:
        done = list(job.work())
        failures = job.failures
    return done, failures


def compared(folder):
    """The records without what may differ: wall times."""
    return [{k: v for k, v in record.items() if k != "times"} for record in open_run(folder).records]


def edit_records(folder, change):
    """Rewrite records.jsonl; `change` gives the records to keep."""
    path = folder / RECORDS
    records = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def edit_lines(path, number, change):
    """Rewrite one record of a journal in place."""
    lines = path.read_text().splitlines()
    record = json.loads(lines[number])
    change(record)
    lines[number] = json.dumps(record)
    path.write_text("\n".join(lines) + "\n")
