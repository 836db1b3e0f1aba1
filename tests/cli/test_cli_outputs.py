"""Where an output may go, and what is there after success, failure, a full disk and a kill."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import until
from safetensors.numpy import load_file, save_file

import refsw
from refsw.features.sinks import Sink
from refsw.files import whole_file
from refsw.models.files import ModelFiles

MAIN = "from refsw.cli.main import main; main()"
ODD = "\N{GRINNING FACE}"


def refsw_process(*words: object, prelude: str = "", **more: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", f"{prelude}\n{MAIN}", *map(str, words)]
    return subprocess.run(command, capture_output="stdout" not in more, check=False, **more)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: Callable[..., Any]) -> Path:
    """Inputs of every command that writes a file."""
    monkeypatch.chdir(tmp_path)
    x = features(2, 3, 16, 16)
    np.save("x.npy", x)
    Path("x.dfc").write_bytes(refsw.encode(x, qp=30))
    base = {"w": np.arange(4096, dtype=np.float32).reshape(64, 64)}
    save_file(base, "base.safetensors")
    Path("update.dfc").write_bytes(refsw.diff_models(base, {"w": base["w"] + 1}))
    return tmp_path


SUITE = Path(__file__).resolve().parents[2] / "conformance" / "suites"
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "encode": (("encode", "x.npy"), ".dfc"),
    "decode": (("decode", "x.dfc"), ".npy"),
    "decode archive": (("decode", "x.dfc"), ".npz"),
    "decode safetensors": (("decode", "x.dfc"), ".safetensors"),
    "diff": (("model", "diff", "base.safetensors", "base.safetensors"), ".dfc"),
    "apply": (("model", "apply", "base.safetensors", "update.dfc"), ".safetensors"),
    "apply archive": (("model", "apply", "base.safetensors", "update.dfc"), ".npz"),
}
CLOSED = "import os, sys\nfor number in (0, 1, 2): os.close(number)\nsys.stdin = sys.stdout = sys.stderr = None"
KILLED = [
    ("decode", "-", "-o", "x.npz"),
    ("model", "apply", "base.safetensors", "-", "-o", "t.npz"),
    ("model", "apply", "base.safetensors", "-", "-o", "base.safetensors"),
]
every_command = pytest.mark.parametrize(("words", "suffix"), COMMANDS.values(), ids=COMMANDS.keys())


def listed(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@every_command
def test_a_name_of_as_many_bytes_as_the_system_takes_is_written(
    folder: Path, words: tuple[str, ...], suffix: str
) -> None:
    before = listed(folder)
    most = os.pathconf(folder, "PC_NAME_MAX") - len(suffix)
    name = (ODD * (most // 4)).ljust(most // 4 + most % 4, "x") + suffix
    assert len(os.fsencode(name)) == os.pathconf(folder, "PC_NAME_MAX")
    done = refsw_process(*words, "-o", name, cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert listed(folder) - before == {name}
    too_long = refsw_process(*words, "-o", f"x{name}", cwd=folder)
    assert too_long.returncode == 73
    assert listed(folder) - before == {name}


@every_command
def test_what_is_no_place_for_a_file_is_told(folder: Path, words: tuple[str, ...], suffix: str) -> None:
    (folder / f"folder{suffix}").mkdir()
    (folder / f"a{suffix}").symlink_to(f"b{suffix}")
    (folder / f"b{suffix}").symlink_to(f"a{suffix}")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"socket{suffix}")
        before = listed(folder)
        places = {
            f"folder{suffix}": 73, f"a{suffix}": 73, f"socket{suffix}": 73, f"x.npy/x{suffix}": 73,
            f"absent/x{suffix}": 73, f"new{suffix}/": 2, "/proc/x.npz": 73,
        }  # fmt: skip
        for place, code in places.items():
            done = refsw_process(*words, "-o", place, cwd=folder)
            assert done.returncode == code, (place, done.stderr)
            last = done.stderr.decode().splitlines()[-1]
            assert place in last, last
            assert "internal" not in last
    assert listed(folder) == before


@every_command
def test_links_are_written_through_and_rights_are_kept(folder: Path, words: tuple[str, ...], suffix: str) -> None:
    for name, target in (("link", "real"), ("hanging", "new")):
        (folder / f"{name}{suffix}").symlink_to(f"{target}{suffix}")
    (folder / f"real{suffix}").write_bytes(b"old")
    (folder / f"real{suffix}").chmod(0o640)
    for name in ("link", "hanging", "plain"):
        assert refsw_process(*words, "-o", f"{name}{suffix}", cwd=folder, umask=0o027).returncode == 0
    assert (folder / f"link{suffix}").is_symlink()
    made = [folder / f"{name}{suffix}" for name in ("real", "new", "plain")]
    assert len({path.read_bytes() for path in made}) == 1
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o640] * 3


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no file system below /dev")
@every_command
def test_a_file_below_dev_is_a_file(folder: Path, words: tuple[str, ...], suffix: str) -> None:
    place = Path("/dev/shm") / f"refsw-{os.getpid()}{suffix}"
    try:
        assert refsw_process(*words, "-o", place, cwd=folder).returncode == 0
        whole = place.read_bytes()
        for name in ("x.dfc", "update.dfc", "x.npy"):
            (folder / name).write_bytes((folder / name).read_bytes()[:-30])
        if words[:2] != ("model", "diff"):
            assert refsw_process(*words, "-o", place, cwd=folder).returncode == 65
        assert place.read_bytes() == whole
        assert not list(place.parent.glob(".refsw-*"))
    finally:
        place.unlink(missing_ok=True)


@every_command
def test_a_pipe_with_a_name_is_written_directly(folder: Path, words: tuple[str, ...], suffix: str) -> None:
    assert refsw_process(*words, "-o", f"plain{suffix}", cwd=folder).returncode == 0
    os.mkfifo(f"pipe{suffix}")
    before, read = listed(folder), []
    reader = threading.Thread(target=lambda: read.append(Path(f"pipe{suffix}").read_bytes()))
    reader.start()
    done = refsw_process(*words, "-o", f"pipe{suffix}", cwd=folder)
    reader.join()
    assert done.returncode == 0, done.stderr
    assert listed(folder) == before
    if suffix == ".npz":  # an archive that cannot be wound back says the sizes after the members
        Path("read.npz").write_bytes(read[0])
        with np.load("read.npz") as a, np.load(f"plain{suffix}") as b:
            assert {k: v.tobytes() for k, v in a.items()} == {k: v.tobytes() for k, v in b.items()}
    else:
        assert read == [Path(f"plain{suffix}").read_bytes()]


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="open files have no names here")
@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "link"])
def test_an_open_file_is_written_on_from_where_it_is(folder: Path, name: str) -> None:
    (folder / "link").symlink_to("/dev/stdout")
    (folder / "made").write_bytes(b"before")
    with (folder / "made").open("ab") as out:
        command = [sys.executable, "-c", MAIN, "encode", "x.npy", "-o", name]
        assert subprocess.run(command, stdout=out, check=False, cwd=folder).returncode == 0
    assert refsw_process("encode", "x.npy", "-o", "x.dfc", cwd=folder).returncode == 0
    assert (folder / "made").read_bytes() == b"before" + (folder / "x.dfc").read_bytes()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="open files have no names here")
def test_the_name_of_a_piped_output_carries_bytes_alone(folder: Path) -> None:
    done = refsw_process("encode", "x.npy", "-o", "/dev/stdout", cwd=folder)
    assert (done.stdout, done.stderr) == (Path("x.dfc").read_bytes()[:0] + done.stdout, b"")
    refsw.decode(done.stdout)


@every_command
def test_a_disk_that_fills_leaves_the_old_file(folder: Path, words: tuple[str, ...], suffix: str) -> None:
    (folder / f"out{suffix}").write_bytes(b"old")
    before = listed(folder)
    # What a file may grow to stands for what the disk has left.
    prelude = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    done = refsw_process(*words, "-o", f"out{suffix}", prelude=prelude, cwd=folder)
    assert done.returncode == 74, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (folder / f"out{suffix}").read_bytes() == b"old"
    assert listed(folder) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [("decode", "x.dfc", "--format", "npz"), ("encode", "x.npy")], ids=str)
def test_a_device_that_takes_nothing_is_named(folder: Path, words: tuple[str, ...]) -> None:
    done = refsw_process(*words, "-o", "/dev/full")
    assert (done.returncode, done.stderr.count(b"\n")) == (74, 1)
    assert done.stderr.startswith(b"refsw: /dev/full: ")
    with open("/dev/full", "wb") as full:
        done = refsw_process(*words, "-o", "-", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 74
    assert done.stderr.startswith(b"refsw: standard output: ")


@every_command
@pytest.mark.parametrize("how", ["ascii", "C", "closed"])
def test_a_terminal_that_takes_nothing_is_no_reason_to_fail(
    folder: Path, words: tuple[str, ...], suffix: str, how: str
) -> None:
    name = f"{ODD}{suffix}"
    settings = {
        "ascii": {"PYTHONIOENCODING": "ascii"},
        "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        "closed": {},
    }
    prelude = CLOSED if how == "closed" else ""
    done = refsw_process(*words, "-o", name, prelude=prelude, cwd=folder, env=os.environ | settings[how])
    assert (done.returncode, done.stderr) == (0, b"")
    assert (folder / name).stat().st_size > 20
    assert done.stdout.isascii()


@pytest.mark.parametrize("words", KILLED)
def test_a_kill_leaves_nothing_but_a_part(folder: Path, words: tuple[str, ...]) -> None:
    source = "x.dfc" if words[0] == "decode" else "update.dfc"
    before, data = listed(folder), Path(source).read_bytes()
    process = subprocess.Popen([sys.executable, "-c", MAIN, *words], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(data[:-20])
    process.stdin.flush()
    until(lambda: list(folder.glob(".*.part")), process)  # the output is begun; it waits for the rest of its input
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    left = listed(folder) - before
    assert left
    assert all(name.endswith(".part") for name in left)


def test_the_last_of_two_writers_stays_and_both_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with whole_file(path) as first:
        first.write(b"1" * 100_000)
        with whole_file(path) as second:
            second.write(b"2" * 100_000)
        assert path.read_bytes() == b"2" * 100_000
        first.write(b"1" * 100_000)
    assert path.read_bytes() == b"1" * 200_000
    assert listed(tmp_path) == {"x"}


def test_writing_a_file_changes_nothing_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "umask")
    with whole_file(tmp_path / "x") as file:
        (part,) = tmp_path.iterdir()
        assert stat.S_IMODE(part.stat().st_mode) & 0o111 == 0
        file.write(b"x")
    (tmp_path / "x").chmod(0o600)
    with whole_file(tmp_path / "x"):
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("begin", [whole_file, lambda path: ModelFiles(path, {})], ids=["file", "model"])
def test_a_signal_just_after_an_output_was_created_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: Callable[[Path], AbstractContextManager[object]]
) -> None:
    original, seen = os.open, []

    def create(*words: Any) -> int:
        os.close(original(*words))
        seen.extend(listed(tmp_path))
        raise SystemExit(143)

    def write() -> None:
        with begin(tmp_path / "x.npz"):
            pass

    monkeypatch.setattr(os, "open", create)
    with pytest.raises(SystemExit):
        write()
    assert [name.endswith(".part") for name in seen] == [True]
    assert listed(tmp_path) == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="rights do not hold for root")
def test_a_write_protected_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    (tmp_path / "x").chmod(0o444)
    with pytest.raises(PermissionError), whole_file(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "x").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "/x", "\\x", "..\\x", "C:\\x", ".."])
def test_no_archive_has_members_outside_of_it(folder: Path, features: Callable[..., Any], name: str) -> None:
    Path("hostile.dfc").write_bytes(refsw.encode({name: features(1, 2, 8, 8)}, payload="zlib", quantizer="none"))
    done = refsw_process("decode", "hostile.dfc", "-o", "out.npz", cwd=folder)
    assert done.returncode == 2
    assert b"safetensors" in done.stderr
    assert not Path("out.npz").exists()
    assert refsw_process("decode", "hostile.dfc", "-o", "out.safetensors", cwd=folder).returncode == 0
    assert list(load_file("out.safetensors")) == [name]


@pytest.mark.parametrize("name", ["block1/conv", "a.b", "..x", "x..", "a/..b", "c:", "\N{GRINNING FACE}"])
def test_names_with_slashes_and_points_are_kept(tmp_path: Path, features: Callable[..., Any], name: str) -> None:
    import io

    decoder = refsw.Decoder(io.BytesIO(refsw.encode({name: features(1, 2, 8, 8)})))
    with Sink(None, ".npz") as sink, whole_file(tmp_path / "x.npz") as out:
        for sample in decoder:
            sink.add(sample.tensor, sample.elements)
        sink.write(decoder.parameters, out)
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert archive.namelist() == [f"{name}.npy"]


def test_a_name_that_no_archive_takes_is_refused(tmp_path: Path) -> None:
    for length, code in ((65_531, 0), (65_535, 2)):
        base = {"n" * length: np.ones(3, np.float32)}
        save_file(base, tmp_path / "base.safetensors")
        (tmp_path / "u.dfc").write_bytes(refsw.diff_models(base, base))
        done = refsw_process("model", "apply", "base.safetensors", "u.dfc", "-o", "x.npz", cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert len(done.stderr) < 400
