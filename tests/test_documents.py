"""Every command and every program in README.md and docs/ does what is written there, on small inputs.

Commands of `refsw` are run as they stand, block by block. What stands for something of the reader's own, or is too
large here, has an entry in SMALLER; what cannot be run has one in ELSEWHERE, with the reason. Anything else fails.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from safetensors.numpy import save_file

import refsw
from refsw.cli.main import cli
from tests.conformance import making

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HERE = Path(__file__).parent

ELSEWHERE = {
    "make demo": "a demo of minutes; tests/evaluation/test_demo.py runs it on less",
    "make test": "is what runs this test",
    "pip install 'refsw[demo]'": "needs the package index",
    "pip install refsw": "needs the package index",
    "refsw anchor run tools/anchors/data.yaml --data DATA --test NAME -o RUN -j 2":
        "hours, on data that are not part of the project; tests/evaluation/test_real_tasks.py runs some of it",
    "refsw receive rtp://:5004 -o received.npz --save-mask": "waits; tests/carriage/test_carriage_network.py receives",
    "refsw send features.dfc rtp://192.0.2.9:5004 --rate 25": "sends into nowhere; the same tests send",
    "pip install 'refsw[learning]'": "needs the package index",
    "refsw learn demo -o learn-demo": "needs PyTorch; tests/learning/test_learning_coding.py has the loop on less",
    "refsw learn run reuse-digits -o digits": "needs PyTorch; tests/learning/test_learning_runs.py runs a small one",
    "refsw learn run reuse-cifar --data CIFAR -o cifar": "data that are not part of the project",
    "refsw learn report digits": "of that run; the same tests report on a smaller one",
    "refsw anchor report RUN": "of that run; docs/anchors.md has a report of a smaller one",
}  # fmt: skip
ENCODER = (
    "x265 --input {input} --input-res {width}x{height} --input-csp i400 --input-depth {bit_depth} "
    "--output-depth {bit_depth} --fps 25 --keyint 1 --qp {qp} --ipratio 1 --ctu 16 --output {output}"
)
SMALLER = {
    "anchor run mini-loss": f"anchor run {HERE}/evaluation/small-loss.yaml",
    "anchor run mini-pictures": f"anchor run {HERE}/evaluation/small-pictures.yaml",
    "anchor run mini": f"anchor run {HERE}/evaluation/small.yaml",
    "--hevc-encoder 'PROGRAM ... {input} ... {output}'": f"--hevc-encoder '{ENCODER}'",
    "--hevc-decoder 'PROGRAM ... {input} ... {output}'": "--hevc-decoder 'dec265 -q {input} -o {output}'",
    "'./myencoder {input} {output} {options}'": "'./myencoder {input} {output} {options}' --id 'axes-nhwc*' --no-rates",
    "conformance stress": "conformance stress --id '*-level-1-sample*'",
    "'mycodec enc ": f"'{sys.executable} {HERE}/evaluation/copy_codec.py encode ",
    "'mycodec dec ": f"'{sys.executable} {HERE}/evaluation/copy_codec.py decode ",
}
ALIKE = {"dec265": "libde265-dec265"}
"""Programs that have another name on some systems."""
LOSING = {"refsw anchor bd anchor mine"}
"""What may end with 1, findings, as the runs here are too small for curves."""


@dataclass(frozen=True)
class Block:
    place: str
    kind: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Each in one line, without comments: a command goes on in lines that are indented."""
        joined = re.sub(r"\n[ \t]+", " ", self.text)
        words = (shlex.split(line, comments=True) for line in joined.splitlines())
        return [" ".join(f"'{w}'" if re.search(r"[\s\[]", w) else w for w in line) for line in words if line]


def blocks() -> Iterator[Block]:
    for path in DOCUMENTS:
        text = path.read_text()
        for found in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(f"{path.relative_to(ROOT)}:{line}", found[1], found[2])


BLOCKS = list(blocks())


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", [b for b in BLOCKS if b.kind in kinds], ids=lambda block: block.place)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, streams: dict[str, bytes]) -> Path:
    """A folder with the inputs that the documents speak of, and `refsw` and other programs as commands."""
    folder = tmp_path_factory.mktemp("documents")
    rng = np.random.default_rng(4)
    maps = np.maximum(rng.standard_normal((18, 4, 16, 24)).cumsum(-1), 0).astype(np.float32)
    np.save(folder / "features.npy", maps)
    np.save(folder / "x.npy", maps[:2])
    np.save(folder / "video.npy", maps)
    np.savez(folder / "pyramid.npz", p3=maps, p4=maps[:, :, ::2, ::2])
    (folder / "features.dfc").write_bytes(refsw.encode(maps, qp=22))
    (folder / "x.dfc").write_bytes(refsw.encode(maps[:2], qp=22))
    weights = {"conv.weight": rng.standard_normal((8, 4, 3, 3)).astype(np.float32), "steps": np.array(7)}
    save_file(weights, folder / "V0.safetensors")
    save_file(weights | {"conv.weight": weights["conv.weight"] + np.float32(0.01)}, folder / "V1.safetensors")
    (folder / "conformance" / "suites").mkdir(parents=True)
    making.small_suite(folder / "conformance" / "suites", streams)
    script, encoder = (b.text for b in BLOCKS if b.place.startswith("docs/conformance.md") and b.kind == "python")
    program(folder / "myencoder", f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n{encoder}")
    (folder / "myencoder.py").write_text(
        "from refsw.conformance.encoders.reference import encode as reference\n"
        "from refsw.errors import FeatureError as Refused\n"
        "def encode(tensors, axes):\n    return reference(tensors, axes=axes, choices={'payload': 'zlib'})\n"
    )
    program(folder / "mydecoder", f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n{script}")
    (folder / "mydecoder.py").write_text(
        "import refsw\nfrom refsw.features.decoder import decode_by_name\n"
        "class Reject(Exception):\n    unsupported = False\n"
        "def decode(data, base):\n"
        "    try:\n        return decode_by_name(data)\n"
        "    except refsw.DfcError as error:\n"
        "        mine = Reject(str(error)); mine.unsupported = error.phase == 'unsupported'; raise mine\n"
    )
    (folder / "bin").mkdir()
    program(folder / "bin" / "refsw", f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m refsw "$@"\n')
    for name, other in ALIKE.items():
        if (found := shutil.which(name) or shutil.which(other)) is not None:
            (folder / "bin" / name).symlink_to(found)
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "here", symlinks=True)
    monkeypatch.setenv("PATH", f"{made / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(made / "cache"))
    monkeypatch.setenv("HOME", str(made))
    return tmp_path / "here"


def run(words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)


def as_run(command: str) -> str:
    """The command with what stands for something else put in."""
    if command.split()[0] != "refsw":  # the command line of an encoder or a decoder
        option = "--hevc-encoder" if "{qp}" in command else "--hevc-decoder"
        job = "encode x.npy -o x.dfc --bit-depth 10" if "{qp}" in command else "decode x.dfc -o x.npy"
        return f"refsw {job} {option} '{command}'"
    for large, small in SMALLER.items():
        command = command.replace(large, small)
    return command


def absent(command: str) -> str | None:
    """The program that a command asks for and that is not here."""
    words = shlex.split(command)
    asked = [shlex.split(words[i + 1])[0] for i, w in enumerate(words) if w in ("--hevc-encoder", "--hevc-decoder")]
    return next((name for name in asked if shutil.which(name) is None), None)


@of_kind("sh")
def test_every_command_runs_as_it_stands(block: Block, place: Path) -> None:
    assert block.commands
    left_out = []
    for told in block.commands:
        if told in ELSEWHERE:
            left_out.append(f"{told}: {ELSEWHERE[told]}")
            continue
        command = as_run(told)
        missing = absent(command)
        if missing is not None:
            left_out.append(f"{missing} is not installed here")
            continue
        if "their-anchor" in told:
            shutil.copytree(place / "anchor", place / "their-anchor")
        done = run(shlex.split(command), place)
        assert done.returncode in ((0, 1) if told in LOSING else (0,)), f"{block.place}: {command}\n{done.stderr}"
    if left_out:
        pytest.skip("; ".join(left_out))


@of_kind("python")
def test_every_program_in_python_runs(block: Block, place: Path) -> None:
    if block.place.startswith("docs/conformance.md"):
        if "myencoder" in block.text:
            (place / "options").write_text('{"axes": {"conv.weight": "NCHW"}}')
            save_file({"conv.weight": np.ones((2, 3, 4, 5), np.float32)}, place / "in")
            assert run(["./myencoder", "in", "out", "options"], place).returncode == 0
            assert refsw.decode((place / "out").read_bytes()).shape == (2, 3, 4, 5)
            return
        assert run(["./mydecoder", "features.dfc", "out"], place).returncode == 0
        assert (place / "out").stat().st_size > 18 * 4 * 16 * 24 * 4
        return
    done = run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{block.text}"], place)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@of_kind("yaml")
def test_conditions_are_taken_as_they_stand(block: Block) -> None:
    from refsw.evaluation.anchors.conditions import parse_conditions
    from refsw.evaluation.documents import read_yaml

    pytest.importorskip("yaml", reason="conditions need yaml")
    if block.text.startswith("format:"):
        assert parse_conditions(read_yaml(block.text, block.place), block.place).tests
        return
    whole = next(b for b in BLOCKS if b.kind == "yaml" and b.text.startswith("format:"))
    for line in block.text.splitlines():  # entries of a test
        document = read_yaml(whole.text, whole.place)
        document["tests"][0].update(read_yaml(line, block.place))
        assert parse_conditions(document, block.place).tests


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {block.kind for block in BLOCKS} <= {"sh", "python", "yaml", "text"}
    assert len(BLOCKS) > 15
    told = {command for block in BLOCKS if block.kind == "sh" for command in block.commands}
    assert set(ELSEWHERE) | LOSING <= told, "an entry without its command"
    assert all(any(large in command for command in told) for large in SMALLER)


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command of `refsw` that words ask for, and the words after its name."""
    command: click.Command = cli
    while words and isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), words[0])
        if inner is None:
            break
        command, words = inner, words[1:]
    return command, words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_within_a_sentence_exists(path: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    for told in re.findall(r"`((?:refsw|make) [^`]*)`", text):
        words = shlex.split(" ".join(told.split()))
        if words[0] == "make":
            assert words[1] in targets, told
            continue
        command, rest = command_of(words[1:])
        assert command is not cli, told
        known = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
        assert {word for word in rest if re.fullmatch(r"--?[a-z][a-z-]*", word)} <= known | {"--help"}, told
