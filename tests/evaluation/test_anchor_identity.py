"""What results depend on tells runs apart; where files lie and what things are called does not."""

from __future__ import annotations

import os
import shutil
import sys

import numpy as np
import pytest
from anchor_runs import COPY, HERE, conditions, document, run
from PIL import Image

from refsw.errors import UsageError
from refsw.evaluation.anchors.choices import without_folders
from refsw.evaluation.anchors.conditions import parse_conditions
from refsw.evaluation.anchors.crosscheck import Kind, Verdict, as_text, crosscheck
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.anchors.programs import program_identity
from refsw.evaluation.mini import mini_network

EXTERNAL = {"decode": f"{COPY} decode {{input}} {{output}}", "sweep": {"qp": [12]}}


def external(encode, **more):
    return conditions(codecs={"copy": EXTERNAL | {"encode": encode} | more}, options={"count": 1},
                      test={"layers": ["early"]})  # fmt: skip


def identity(encode):
    return program_identity(external(encode).codecs["copy"])


def script(path, content):
    path.write_text(content)
    path.chmod(0o755)
    return path


@pytest.fixture
def codec(tmp_path):
    """A codec of one's own: a copy of the one that copies."""
    (tmp_path / "bin").mkdir()
    return script(tmp_path / "bin" / "mycodec", f"#!{sys.executable}\n{(HERE / 'copy_codec.py').read_text()}")


def rebuilt(codec):
    codec.write_text(codec.read_text() + "\n# another build\n")


def test_titles_and_comparisons_are_notes_and_runs_go_on(tmp_path):
    test = {"layers": ["early"], "title": "First", "quality": "closeness"}
    other = {"title": "Other conditions", "tolerance": {"default": 1.0}, "bd": {"interpolation": "akima"}}
    assert run(tmp_path / "a", conditions(test={"layers": ["early"]}))[1] == []
    assert run(tmp_path / "b", conditions(test=test, **other))[1] == []
    found = crosscheck(open_run(tmp_path / "a"), open_run(tmp_path / "b"))
    assert (found.verdict, found.exit_code) == (Verdict.IDENTICAL, 0)
    assert {finding.kind for finding in found.findings} == {Kind.NOTE}
    assert "title was Conditions for tests and is Other conditions" in as_text(found)
    assert as_text(found).endswith("verdict: identical: 4 records compared, 0 findings, 5 notes\n")
    done, failures = run(tmp_path / "a", conditions(test=test, **other))
    assert (done, failures) == ([], [])
    assert open_run(tmp_path / "a").conditions.title == "Other conditions"


@pytest.mark.parametrize(
    "changes",
    [
        {"test": {"layers": ["early"], "group": 2}},
        {"test": {"layers": ["early", "late"]}},
        {"test": {"layers": ["early"]}, "options": {"count": 5}},
        {"test": {"layers": ["early"]}, "codecs": {"uniform": {"preset": "fast", "sweep": {"qp": [12, 22]}}}},
        {"test": {"layers": ["early"]}, "codecs": {"uniform": {"preset": "best", "sweep": {"qp": [12, 22, 32, 42]}}}},
    ],
)
def test_what_decides_on_results_does_not_go_on(tmp_path, changes):
    first, other = conditions(test={"layers": ["early"]}), conditions(**changes)
    assert first.deciding() != other.deciding()
    assert run(tmp_path / "a", first)[1] == []
    with pytest.raises(UsageError, match="an earlier run is not gone on with: conditions, "):
        run(tmp_path / "a", other)


def test_the_same_pictures_in_another_folder_are_the_same_run(tmp_path):
    pytest.importorskip("onnxruntime", reason="networks are run by onnxruntime")
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / "1.png")
    found = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        shutil.copy(tmp_path / "1.png", tmp_path / name / "1.png")
        test = {
            "task": "classification",
            "network": {"kind": "mini"},
            "layers": [mini_network("classification").cuts[-1]],
            "options": {},
        }
        test["dataset"] = {"kind": "folder", "root": str(tmp_path / name)}
        assert run(tmp_path / f"run {name}", parse_conditions(document(test=test)))[1] == []
        found.append(open_run(tmp_path / f"run {name}"))
    assert crosscheck(*found).verdict is Verdict.IDENTICAL
    assert [f.kind for f in crosscheck(*found).findings] == [Kind.NOTE]


def test_paths_of_a_task_of_ones_own_may_decide():
    entry = {"dataset": {"root": "a"}}
    assert conditions(test=entry).deciding() != conditions(test={"dataset": {"root": "b"}}).deciding()


def test_commands_are_known_by_their_words_without_folders():
    assert (
        without_folders("/opt/a/enc -c ../cfg/x.cfg --log=/tmp/y {input} 1/2") == "enc -c x.cfg --log=y '{input}' 1/2"
    )


def test_a_program_that_moved_is_the_same_and_one_that_was_rebuilt_is_not(tmp_path, codec):
    moved = tmp_path / "elsewhere" / "mycodec"
    moved.parent.mkdir()
    shutil.copy(codec, moved)
    arguments = "encode {input} {output} {qp}"
    assert identity(f"{codec} {arguments}") == identity(f"{moved} {arguments}")
    assert run(tmp_path / "a", external(f"{codec} {arguments}"))[1] == []
    assert run(tmp_path / "b", external(f"{moved} {arguments}"))[1] == []
    found = crosscheck(open_run(tmp_path / "a"), open_run(tmp_path / "b"))
    assert (found.verdict, {f.kind for f in found.findings}) == (Verdict.IDENTICAL, {Kind.NOTE})
    rebuilt(codec)
    with pytest.raises(UsageError, match="versions, copy: mycodec was "):
        run(tmp_path / "a", external(f"{codec} {arguments}"))


@pytest.mark.parametrize(
    "wrapper",
    [
        "#!/bin/sh\n# wraps\nexec {codec} \"$@\"\n",
        "#!/bin/bash\nset -e\nnice -n 1 \"{codec}\" \"$@\"\n",
        "#!{python}\nimport subprocess, sys\nsubprocess.run(['{codec}', *sys.argv[1:]], check=True)\n",
        "#!/bin/sh\nexec mycodec \"$@\"\n",
    ],
)  # fmt: skip
def test_wrappers_are_looked_through(tmp_path, codec, wrapper, monkeypatch):
    monkeypatch.setenv("PATH", f"{codec.parent}{os.pathsep}{os.environ['PATH']}")
    wrap = script(tmp_path / "wrap", wrapper.format(codec=codec, python=sys.executable))
    before = identity(f"{wrap} encode {{input}} {{output}} {{qp}}")
    assert {"wrap", "mycodec"} <= set(before)
    rebuilt(codec)
    assert identity(f"{wrap} encode {{input}} {{output}} {{qp}}") != before


def test_words_that_are_programs_are_known_and_so_is_what_libraries_hang_on(codec, monkeypatch):
    monkeypatch.setenv("PATH", f"{codec.parent}{os.pathsep}{os.environ['PATH']}")
    before = identity("nice -n 1 mycodec encode {input} {output} {qp}")
    assert {"nice", "mycodec"} <= set(before)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/other")
    assert identity("nice -n 1 mycodec encode {input} {output} {qp}") == before | {"LD_LIBRARY_PATH": "/opt/other"}


def test_two_files_of_one_name_are_both_known(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.cfg").write_text(name)
    found = identity(f"{COPY} encode {{input}} {{output}} {tmp_path}/a/x.cfg --more={tmp_path}/b/x.cfg")
    assert len({found["x.cfg"], found["x.cfg (2)"]}) == 2


def test_a_command_of_a_payload_encoder_is_in_the_identity(codec):
    choices = {"payload": "hevc", "command": f"{codec} {{input}} {{output}}"}
    asked = conditions(codecs={"own": {"preset": "anchor", "choices": choices, "sweep": {"qp": [12]}}})
    chosen = asked.codecs["own"]
    before = program_identity(chosen)
    assert "mycodec" in before
    assert chosen.as_dict()["choices"]["command"] == "mycodec '{input}' '{output}'"
    rebuilt(codec)
    assert program_identity(chosen) != before


def test_a_program_that_is_not_there_is_missed_before_the_run(tmp_path):
    with pytest.raises(UsageError, match="codec copy: no program /no/such/program"):
        run(
            tmp_path / "run",
            external(f"{COPY} encode {{input}} {{output}}", decode="/no/such/program {input} {output}"),
        )
    assert not (tmp_path / "run").exists()
