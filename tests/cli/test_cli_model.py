"""refsw model: differences coded and applied from the command line, and what happens when something is wrong."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import refsw
from refsw.models.files import open_model, safetensors_metadata


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "refsw", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture
def chain(tmp_path: Path) -> list[Path]:
    """Four versions of a small network."""
    rng = np.random.default_rng(3)
    weights = {
        "conv.weight": rng.standard_normal((16, 8, 3, 3), np.float32) * np.float32(0.1),
        "fc.weight": rng.standard_normal((40, 16), np.float32) * np.float32(0.1),
        "bn.running_var": np.ones(16, np.float32),
        "bn.num_batches_tracked": np.array(0, np.int64),
    }
    paths = []
    for version in range(4):
        paths.append(tmp_path / f"V{version}.safetensors")
        save_file(weights, paths[-1], metadata={"format": "pt"})
        weights = {
            name: np.asarray(w + (rng.standard_normal(w.shape) * 0.01 if w.dtype.kind == "f" else 10), w.dtype)
            for name, w in weights.items()
        }
    return paths


def test_a_model_is_updated_in_three_lines(chain: list[Path], tmp_path: Path) -> None:
    update, result = tmp_path / "update.dfc", tmp_path / "result.safetensors"
    done = run("model", "diff", chain[0], chain[1], "-o", update, "--digits", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "V0 -> V1, step 1e-4" in done.stdout
    done = run("model", "apply", chain[0], update, "-o", result)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version V1, 1 update applied, 4 tensors" in done.stdout
    got, wanted = load_file(result), load_file(chain[1])
    assert got["bn.num_batches_tracked"] == wanted["bn.num_batches_tracked"]
    assert max(float(np.abs(got[n] - wanted[n]).max()) for n in wanted) <= 0.501e-4
    assert safetensors_metadata(result) == {"format": "pt"}
    digest = run("model", "digest", result).stdout.split()[0]
    assert digest == refsw.model_digest(got).hex() == json.loads(
        run("model", "apply", chain[0], update, "-o", tmp_path / "r.npz", "--json").stdout
    )["digest"]  # fmt: skip


def test_a_chain_is_applied_from_every_version(chain: list[Path], tmp_path: Path) -> None:
    updates = tmp_path / "chain.dfc"
    assert run("model", "diff", *chain, "-o", updates, "--digits", "3").returncode == 0
    have, digests = chain[0], set()
    for version in range(1, 4):
        single = tmp_path / f"single{version}.dfc"
        step = run("model", "diff", have, chain[version], "-o", single, "--digits", "3")
        assert step.returncode == 0
        have = tmp_path / f"have{version}.safetensors"
        previous = chain[0] if version == 1 else tmp_path / f"have{version - 1}.safetensors"
        assert run("model", "apply", previous, single, "-o", have).returncode == 0
        out = tmp_path / f"newest{version}.safetensors"
        done = run("model", "apply", have, updates, "-o", out, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["applied"], told["passed"]) == (3 - version, version)
        digests.add(told["digest"])
    assert len(digests) == 1


def test_a_full_model_needs_no_base(chain: list[Path], tmp_path: Path) -> None:
    update = tmp_path / "full.dfc"
    assert run("model", "diff", "--full", chain[2], "-o", update, "--exact", "*").returncode == 0
    assert run("model", "apply", update, "-o", tmp_path / "out.npz").returncode == 0
    got, wanted = open_model(tmp_path / "out.npz"), open_model(chain[2])
    assert refsw.model_digest(got) == refsw.model_digest(wanted)


def test_the_base_itself_can_be_updated(chain: list[Path], tmp_path: Path) -> None:
    update = tmp_path / "u.dfc"
    run("model", "diff", chain[0], chain[1], "-o", update)
    wanted = refsw.model_digest(refsw.apply_update(load_file(chain[0]), update.read_bytes()))
    assert run("model", "apply", chain[0], update, "-o", chain[0]).returncode == 0
    assert refsw.model_digest(load_file(chain[0])) == wanted


def test_what_is_wrong_is_told_and_nothing_is_left(chain: list[Path], tmp_path: Path) -> None:
    update, out = tmp_path / "u.dfc", tmp_path / "out.safetensors"
    run("model", "diff", chain[0], chain[1], "-o", update)
    before = {path: path.read_bytes() for path in [*chain, update]}
    damaged = tmp_path / "damaged.dfc"
    data = bytearray(update.read_bytes())
    data[len(data) // 2] ^= 4
    damaged.write_bytes(data)
    nan = tmp_path / "nan.safetensors"
    save_file(load_file(chain[1]) | {"fc.weight": np.full((40, 16), np.nan, np.float32)}, nan)
    features = tmp_path / "f.npy"
    np.save(features, np.ones((2, 3, 4, 4), np.float32))
    run("encode", features, "-o", tmp_path / "f.dfc", "--payload", "stored")
    cases = [
        (("model", "apply", chain[2], update, "-o", out), 65, "BASE_MODEL_MISMATCH"),
        (("model", "apply", update, "-o", out), 65, "model.base"),
        (("model", "apply", chain[0], damaged, "-o", out), 65, "unit.crc"),
        (("model", "apply", chain[0], tmp_path / "none.dfc", "-o", out), 66, os.strerror(errno.ENOENT)),
        (("model", "apply", tmp_path / "none.npz", update, "-o", out), 66, os.strerror(errno.ENOENT)),
        (("model", "apply", chain[0], tmp_path / "f.dfc", "-o", out), 69, "refsw decode"),
        (("decode", update, "-o", tmp_path / "x.npy"), 69, "refsw model apply"),
        (("model", "apply", chain[0], update, "-o", tmp_path / "out.txt"), 2, "models are written to"),
        (("model", "apply", chain[0], update, "-o", tmp_path / "no/where.npz"), 73, os.strerror(errno.ENOENT)),
        (("model", "apply", chain[0], update, "-o", out, "--max-output", "100"), 69, "level.capacity"),
        (("model", "diff", chain[0], nan, "-o", out), 65, "fc.weight: NaN"),
        (("model", "diff", chain[0], "-o", out), 2, "give BASE and TARGET"),
        (("model", "diff", chain[0], chain[1], "-o", out, "--exact", "fc.wieght"), 2, "no tensor of the models"),
        (("model", "diff", chain[0], chain[1], "-o", out, "--tensor-step", "fc.weight"), 2, "--tensor-step"),
        (("model", "diff", chain[0], features, "-o", out), 2, "models are read from"),
    ]
    for arguments, code, text in cases:
        done = run(*arguments)
        assert (done.returncode, text in done.stderr) == (code, True), (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    assert not out.exists()
    assert {path: path.read_bytes() for path in before} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_inspect_and_validate_know_updates(chain: list[Path], tmp_path: Path) -> None:
    updates = tmp_path / "chain.dfc"
    run("model", "diff", *chain, "-o", updates, "--network", "small", "--metadata", "who=a test")
    shown = run("model", "inspect", updates, "--base", chain[0]).stdout
    assert "V0 -> V1 of small, step 1e-4" in shown
    assert "conv.weight: float32 (16, 8, 3, 3), quantized_difference" in shown
    assert "metadata  who: a test" in shown
    told = json.loads(run("inspect", updates, "--json").stdout)
    assert [u["version"] for u in told["updates"]] == ["V1", "V2", "V3"]
    assert "result_digest" in run("inspect", updates, "--trace").stdout
    assert run("validate", updates, "--base", chain[0]).returncode == 0
    assert run("validate", updates).returncode == 69
    data = updates.read_bytes()
    (tmp_path / "short.dfc").write_bytes(data[:-9])
    assert run("validate", tmp_path / "short.dfc", "--base", chain[0]).returncode == 65


def test_a_full_disk_leaves_the_old_file(chain: list[Path], tmp_path: Path) -> None:
    update, out = tmp_path / "u.dfc", tmp_path / "out.safetensors"
    run("model", "diff", chain[0], chain[1], "-o", update)
    out.write_bytes(b"the old file")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = run("model", "apply", chain[0], update, "-o", out, preexec_fn=limit)
    assert done.returncode == 74, done.stderr
    assert out.read_bytes() == b"the old file"


ENDING = """
import os, signal, sys
left = int(sys.argv.pop(1))
NAMES = {"open", "write", "truncate", "flush", "close", "replace", "rename", "unlink", "fsync", "mkdir", "rmdir"}
def end(frame, event, called):
    global left
    if event == "c_call" and called.__name__ in NAMES:
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
from refsw.cli.main import main
sys.setprofile(end)
try:
    main()
finally:
    sys.setprofile(None)
    print(left)
"""
"""`refsw` that is killed before it touches a file once more than so many times; what is left of them, if it is not."""


@pytest.mark.parametrize("share", [12, pytest.param(1, marks=pytest.mark.slow)])
def test_killing_apply_never_leaves_a_damaged_target(share: int, chain: list[Path], tmp_path: Path) -> None:
    updates, target, many = tmp_path / "chain.dfc", tmp_path / "target.safetensors", 10**9
    run("model", "diff", *chain, "-o", updates)
    old = chain[0].read_bytes()

    def killed_after(touches: int) -> subprocess.CompletedProcess[str]:
        target.write_bytes(old)
        words = ["model", "apply", str(chain[0]), str(updates), "-o", str(target)]
        return subprocess.run([sys.executable, "-c", ENDING, str(touches), *words], capture_output=True, text=True,
                              check=False)  # fmt: skip

    killed_after(many)  # which may be the first to compile a module, and writes that too
    whole = killed_after(many)
    assert whole.returncode == 0
    new, touches = target.read_bytes(), many - int(whole.stdout.split()[-1])
    found = set()
    for place in range(touches - 1, -1, -share):
        assert killed_after(place).returncode == -signal.SIGKILL
        after = target.read_bytes()
        assert after in (old, new)
        found.add(after)
    assert found == {old, new}


def test_a_pipe_a_file_memory_and_threads_give_the_same_model(chain: list[Path], tmp_path: Path) -> None:
    updates = tmp_path / "chain.dfc"
    run("model", "diff", *chain, "-o", updates, "--digits", "5")
    piped = subprocess.run(
        [sys.executable, "-m", "refsw", "model", "apply", str(chain[0]), "-", "-o", str(tmp_path / "piped.npz")],
        input=updates.read_bytes(), capture_output=True, check=True,
    )  # fmt: skip
    assert b"3 updates applied" in piped.stdout
    run("model", "apply", chain[0], updates, "-o", tmp_path / "file.safetensors")
    base, data = load_file(chain[0]), updates.read_bytes()
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: refsw.apply_update(base, data), range(8)))
    files = [open_model(tmp_path / name) for name in ("piped.npz", "file.safetensors")]
    assert len({refsw.model_digest(model) for model in [*models, *files]}) == 1
