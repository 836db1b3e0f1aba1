"""A process that is forked while another thread uses the package for the first time can use it as well."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from refsw.lazy import importing

USE = """
import importlib.abc, io, sys
from pathlib import Path
import numpy as np
import refsw
from refsw.lazy import importing

class Watch(importlib.abc.MetaPathFinder):
    alone, seen = set(), set()
    def find_spec(self, name, path, target=None):
        self.seen.add(name)
        if not importing._is_owned():
            self.alone.add(name)

sys.meta_path.insert(0, Watch())
x = np.linspace(0, 1, 2 * 4 * 16 * 16, dtype=np.float32).reshape(2, 4, 16, 16)
for payload in ("stored", "zlib", "gzip", "lzma", "png", "jpeg", "jpeg2000", "hevc"):
    data = refsw.encode(x, payload=payload, bit_depth=8)
    for use in (refsw.decode, refsw.validate, refsw.inspect):
        use(data)
    list(refsw.Decoder(io.BytesIO(data)))
    list(refsw.decode_samples(data, 0, 1))
v0 = {"a": np.zeros((8, 8), np.float32), "b": np.arange(9, dtype=np.int64)}
v1 = {"a": v0["a"] + 0.1, "b": v0["b"]}
refsw.model_digest(refsw.apply_update(v0, refsw.diff_models(v0, v1, digits=2)))
for vector in Path(sys.argv[1]).glob("vvc/vvc-bits-10_r1.dfc"):
    refsw.decode(vector.read_bytes())
print(sorted(Watch.alone), "av" in Watch.seen, "PIL" in Watch.seen)
"""


def test_every_import_of_the_library_is_one_that_a_fork_waits_for() -> None:
    vectors = Path(__file__).resolve().parents[1] / "test_vectors"
    done = subprocess.run([sys.executable, "-c", USE, str(vectors)], capture_output=True, text=True, check=False)
    assert not done.stderr
    assert done.stdout.strip() == "[] True True"


def test_a_fork_waits_for_an_import_of_another_thread() -> None:
    begun, steps = threading.Event(), []

    def load() -> None:
        with importing:
            begun.set()
            for step in range(200):
                time.sleep(0.001)
                steps.append(step)

    thread = threading.Thread(target=load)
    thread.start()
    begun.wait()
    child = os.fork()
    if not child:
        os._exit(0 if len(steps) == 200 and importing.acquire(blocking=False) else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


FORK = """
import os, sys, threading
import refsw
from refsw.lazy import importing

begun = threading.Event()
class Tell:
    def find_spec(self, name, path, target=None):
        begun.set() if name == "numpy" else None

sys.meta_path.insert(0, Tell())
data = open(sys.argv[1], "rb").read()
thread = threading.Thread(target=refsw.__getattr__, args=("decode",))
thread.start()
begun.wait()
child = os.fork()
if not child:
    specs = [vars(module).get("__spec__") for module in sys.modules.values()]
    half = [spec.name for spec in specs if getattr(spec, "_initializing", False)]
    os._exit(0 if not half and refsw.decode(data).shape else 1)
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_that_is_forked_in_the_first_use_decodes() -> None:
    vector = Path(__file__).resolve().parents[1] / "test_vectors" / "intra" / "hevc-bits-8_r1.dfc"
    done = subprocess.run([sys.executable, "-c", FORK, str(vector)], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_a_thread_can_fork_within_an_import_of_its_own() -> None:
    with importing:
        child = os.fork()
        if not child:
            os._exit(0 if importing.acquire(blocking=False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert importing.acquire(blocking=False)
    importing.release()
