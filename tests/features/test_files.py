"""Files of tensors: names that numpy takes for others, damage, and what a format cannot hold."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

import refsw
from refsw.cli.main import cli, tell
from refsw.features.ranges import with_measured_ranges
from refsw.features.sinks import Sink
from refsw.features.sources import open_features, piped_npy
from refsw.files import whole_file
from refsw.tensor.axes import Axes


def test_members_that_differ_by_a_suffix_are_different_tensors(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"x": np.zeros(3), "x.npy": np.ones(3)})
    sources = {s.name: s.load() for s in open_features(tmp_path / "x.npz")}
    assert {name: float(array.max()) for name, array in sources.items()} == {"x": 0, "x.npy": 1}


def npy(header: str) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2, 2)}",
        "{'descr': '|S0', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
        "(" * 3000,
        "",
    ],
)
def test_a_damaged_header_is_refused(header: str, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(npy(header))
    with pytest.raises(refsw.FeatureError):
        open_features(tmp_path / "x.npy")
    with pytest.raises(refsw.FeatureError):
        piped_npy(io.BytesIO(npy(header)), "")


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.arange(5000.0))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    for place in range(100, len(data) - 200, 97):
        damaged = bytearray(data)
        damaged[place] ^= 0x55
        (tmp_path / "y.npz").write_bytes(damaged)
        with pytest.raises(refsw.FeatureError, match=r"y\.npz: member x\.npy|y\.npz: no"):
            [source.load() for source in open_features(tmp_path / "y.npz")]


X = np.arange(2 * 3 * 16 * 16, dtype=np.float32).reshape(2, 3, 16, 16)


def stored(path: Path, array: np.ndarray[Any, Any]) -> Path:
    """A file of a tensor, whatever its format."""
    made = path.with_name(f"made{path.suffix}")
    if path.suffix == ".npy":
        np.save(made, array)
    elif path.suffix == ".npz":
        np.savez(made, x=array)
    else:
        save_file({"x": array}, made)
    return made.replace(path)


def replaced(path: Path) -> None:
    """Another file of the same size takes the name."""
    stored(path, X + 1)


def written_to(path: Path) -> None:
    """The file lies where it lay, with other elements, and later by its own account."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    place = bytes(data).index(X[1].tobytes())
    data[place : place + 400] = bytes(400)
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


FORMATS = ["x.npy", "x.npz", "x.safetensors"]
CHANGES = [replaced, written_to]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_changes_between_its_header_and_its_samples_is_refused(
    tmp_path: Path, name: str, change: Callable[[Path], None]
) -> None:
    path = stored(tmp_path / name, X)
    (source,) = open_features(path)
    change(path)
    with pytest.raises(refsw.FeatureError, match=rf"{name}.*: the file was changed while it was read"):
        source.load()
    with pytest.raises(refsw.FeatureError, match="changed"):
        list(source.samples(Axes.parse("NCHW", X.shape)))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_changes_while_its_samples_are_read_is_refused(tmp_path: Path, name: str) -> None:
    path = stored(tmp_path / name, X)
    (source,) = open_features(path)
    samples = source.samples(Axes.parse("NCHW", X.shape))
    next(samples)
    written_to(path)
    with pytest.raises(refsw.FeatureError, match="the file was changed while it was read"):
        list(samples)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_written_of_a_file_that_changes_between_range_and_coding(
    tmp_path: Path, name: str, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = stored(tmp_path / name, X), tmp_path / "out.dfc"
    out.write_bytes(b"the old file")

    def measured(*arguments: Any) -> Any:
        found = with_measured_ranges(*arguments)
        change(path)
        return found

    monkeypatch.setattr("refsw.features.choice.with_measured_ranges", measured)
    words = ["encode", str(path), "-o", str(out), "--range", "sequence", "--payload", "zlib"]
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, refsw.FeatureError)
    assert tell(done.exception) == 65
    assert "the file was changed while it was read" in str(done.exception)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.dfc", name]
    assert out.read_bytes() == b"the old file"


def test_standard_input_that_is_read_twice_has_to_stay_the_same(tmp_path: Path) -> None:
    path = stored(tmp_path / "x.npy", X)
    with path.open("rb") as file:
        source = piped_npy(file, "")
        assert np.array_equal(np.stack(list(source.samples(Axes.parse("NCHW", X.shape)))), X)
        written_to(path)
        with pytest.raises(refsw.FeatureError, match="the pipe: the file was changed while it was read"):
            list(source.samples(Axes.parse("NCHW", X.shape)))


@pytest.mark.parametrize("name", ["readme.txt", "x.npy"])
def test_an_archive_of_other_things_is_refused(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr(name, "no tensor")
    with pytest.raises(refsw.FeatureError):
        open_features(tmp_path / "x.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_damage_of_a_compressed_member_names_file_and_member(method: int, tmp_path: Path) -> None:
    member, stored = io.BytesIO(), io.BytesIO()
    np.save(member, np.arange(64.0))
    with zipfile.ZipFile(stored, "w", method) as archive:
        archive.writestr("a.npy", member.getvalue())
    data = bytearray(stored.getvalue())
    for place in range(36, 60):
        data[place] ^= 0xA5
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(refsw.FeatureError, match=r"x\.npz: member a\.npy"):
        [source.load() for source in open_features(tmp_path / "x.npz")]


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_what_follows_the_elements_is_not_left_out_silently(suffix: str, tmp_path: Path) -> None:
    two = io.BytesIO()
    np.save(two, np.zeros((2, 3)))
    np.save(two, np.ones((2, 3)))
    path = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        path.write_bytes(two.getvalue())
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", two.getvalue())
    with pytest.raises(refsw.FeatureError, match=r"x\.np[yz].*: 224 bytes of elements, its shape .*has 48"):
        open_features(path)


def test_a_name_that_safetensors_reserves_is_refused(features: Any) -> None:
    data = refsw.encode({"__metadata__": features(1, 2, 8, 8)})
    with Sink(None, ".safetensors") as sink:
        decoder = refsw.Decoder(io.BytesIO(data))
        for sample in decoder:
            sink.add(sample.tensor, sample.elements)
        with pytest.raises(refsw.UsageError, match="__metadata__"):
            sink.write(decoder.parameters, io.BytesIO())


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_file(tmp_path / "link") as file:
        file.write(b"data")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"data"
