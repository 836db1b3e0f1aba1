"""What a stranger has put into a bitstream or a name never acts on the terminal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile import ENCODABLE, NAMES, harmful

import refsw
from refsw.cli.main import main

X = np.arange(2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """All that a command says, none of it harmful."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handlers are for a process of its own

    def call(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["refsw", *words])
        with pytest.raises(SystemExit):
            main()
        out, err = capfd.readouterr()
        assert harmful(out + err) == [], words
        assert "internal error" not in err
        return out + err

    return call


@pytest.mark.parametrize("kind", ENCODABLE)
def test_names_and_metadata_of_a_bitstream_are_one_line_each(said: Callable[..., str], kind: str) -> None:
    name, text = NAMES[kind], ENCODABLE[kind]
    data = refsw.encode({name: X}, payload="zlib", network_id=name, metadata=((text[:60], text),))
    Path("x.dfc").write_bytes(data)
    plain = refsw.encode({"a": X}, payload="zlib", network_id="a", metadata=(("a", "a"),))
    Path("plain.dfc").write_bytes(plain)
    assert len(said("inspect", "x.dfc").splitlines()) == len(said("inspect", "plain.dfc").splitlines())
    for command in (("inspect", "x.dfc", "--trace"), ("inspect", "x.dfc", "--json"), ("validate", "x.dfc"),
                    ("decode", "x.dfc", "-o", "x.safetensors"), ("decode", "x.dfc", "-o", "x.npz"),
                    ("decode", "x.dfc", "-o", "x.npy", "--samples", "7")):  # fmt: skip
        said(*command)
    Path("x.dfc").write_bytes(data[:-3])
    said("decode", "x.dfc", "-o", "x.npy")
    said("decode", "x.dfc", "-o", "x.npy", "--json")


@pytest.mark.parametrize("kind", ENCODABLE)
def test_names_in_updates_are_harmless(said: Callable[..., str], kind: str) -> None:
    name = NAMES[kind].replace("/", "").replace(":", "")
    models = ({name: X}, {name: X + 1, f"{name}2": X})
    update = refsw.diff_models(*models, network_id=name, metadata={"key": ENCODABLE[kind]})
    Path("u.dfc").write_bytes(update)
    said("model", "inspect", "u.dfc")
    said("inspect", "u.dfc")
    said("validate", "u.dfc")


@pytest.mark.parametrize(
    "name", ["\x1b[2J.npy", "a\nrefsw: fake.npy", "\u202egnp.npy", "\udcff.npy", "[bold]x[blink].npy"]
)
def test_the_name_of_a_file_is_one_line(said: Callable[..., str], name: str) -> None:
    lines = said("encode", name, "-o", "x.dfc").splitlines()
    assert len(lines) == 1
    np.save("x.npy", X)
    Path("x.npy").rename(name)
    assert len(said("encode", name, "-o", f"{name}.dfc", "--payload", "zlib").splitlines()) == 1
    assert len(said("inspect", f"{name}.dfc").splitlines()) > 3
    said("encode", f"--{name}", "x", name)


def test_a_bitstream_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "x.dfc"
    path.write_bytes(refsw.encode({0: X, 1: X + 1}, payload="zlib", quantizer="none"))
    for place in (path, str(path)):
        decoded = refsw.decode(place)
        assert isinstance(decoded, dict)
        assert {name: bool((a == X + int(name)).all()) for name, a in decoded.items()} == {"0": True, "1": True}
        assert refsw.validate(place).conforming
        assert len(refsw.inspect(place).tensors) == 2
        assert len(list(refsw.decode_samples(place, 0))) == 2
    with pytest.raises(FileNotFoundError, match="absent"):
        refsw.decode(str(tmp_path / "absent"))
    with path.open(encoding="latin-1") as text, pytest.raises(TypeError, match="mode 'rb'"):
        refsw.decode(text)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="int is no bitstream"):
        refsw.validate(3)  # type: ignore[arg-type]
