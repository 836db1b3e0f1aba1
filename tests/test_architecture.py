"""The rules of the house: imports run one way, heavy ones only where they are used, files stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "refsw"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# From the bottom up: a module may import from its own layer's package and from the layers below.
LAYERS = [
    {"text", "lazy"},
    {"errors"},
    {"extras", "named"},
    {"compiled"},
    {"files"},
    {"syntax"},
    {"entropy"},
    {"tensor"},
    {"profiles"},
    {"payload"},
    {"features"},
    {"models"},
    {"bitstream"},
    {"validation", "inspection"},
    {"resilience", "carriage", "control"},
    {"conformance", "evaluation"},
    {"planning", "learning"},
    {"cli"},
    {"__main__"},
]
HEAVY = {
    "torch",
    "matplotlib",
    "dask",
    "openpyxl",
    "scipy",
    "sklearn",
    "onnxruntime",
    "pandas",
    "cv2",
    "tensorly",
    "dpkt",
    "numba",
    "mlxtend",
}
# What is imported when a command of the light part runs; the rest only inside functions.
DEFERRED = HEAVY | {"av", "PIL", "safetensors", "jsonschema"}


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def level(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


def imports(path: Path, *, top_only: bool) -> list[str]:
    tree = ast.parse(path.read_text())
    checking = {n for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
                for n in ast.walk(node)}  # fmt: skip
    nodes = [n for n in (tree.body if top_only else ast.walk(tree)) if n not in checking]
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downwards(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    own = level(room(path))
    for name in imports(path, top_only=False):
        if name.startswith("refsw."):
            assert level(name.split(".")[1]) <= own, f"{path.name} imports {name}"


@pytest.mark.parametrize("name", ["encoders", "site", "stress"])
def test_rooms_within_conformance_are_above_the_engine_and_beside_one_another(name: str) -> None:
    own = PACKAGE / "conformance" / name
    for path in (PACKAGE / "conformance").rglob("*.py"):
        if own not in path.parents:
            assert not [n for n in imports(path, top_only=False) if n.startswith(f"refsw.conformance.{name}")], path


def modules(root: Path) -> dict[str, Path]:
    """The modules below a folder, by the names by which those in it import one another."""
    top = root.parent if (root / "__init__.py").exists() else root
    found = {".".join(path.relative_to(top).with_suffix("").parts): path for path in sorted(root.rglob("*.py"))}
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


def imported(path: Path, known: set[str]) -> set[str]:
    """The known modules that a module imports anywhere: in functions, and for the checker of types, as well."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}": node.module or "" for alias in node.names}
            names |= {name if name in known else package for name, package in inner.items()}
    return names & known


def circles(graph: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """The groups of modules of which each is reached from each other one."""
    reached = {name: set(targets) for name, targets in graph.items()}
    for middle in graph:
        for name in graph:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    on_a_circle = [name for name in graph if name in reached[name]]
    return {tuple(sorted(b for b in reached[a] if a in reached[b])) for a in on_a_circle}


def test_no_module_imports_itself_by_way_of_others() -> None:
    found = set()
    for root in (PACKAGE, ROOT / "tools", ROOT / "conformance" / "independent"):
        known = modules(root)
        found |= circles({name: imported(path, set(known)) for name, path in known.items()})
    assert found == set()


def test_circles_are_found_wherever_the_import_stands(tmp_path: Path) -> None:
    texts = {
        "a": "import b",
        "b": "def f():\n    from c import x",
        "c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a",
        "d": "import a",
        "e": "import e",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    known = modules(tmp_path)
    graph = {name: imported(path, set(known)) for name, path in known.items()}
    assert circles(graph) == {("a", "b", "c"), ("e",)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_are_imported_inside_functions(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path, top_only=True)} & DEFERRED == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 450


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled(path: Path) -> None:
    calls = [ast.unparse(n) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    assert [
        c for c in calls if c.startswith("pickle.load") or ("torch.load(" in c and "weights_only=True" not in c)
    ] == []
    assert [c for c in calls if "np.load(" in c and "allow_pickle=False" not in c] == []


SPEAKS = {Path("cli", "common.py"), Path("conformance", "worker.py")}
"""What may write to a terminal, and what talks to the runner in JSON lines."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_reaches_people_in_one_place(path: Path) -> None:
    calls = [ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    if path.relative_to(PACKAGE) not in SPEAKS:
        assert {"print", "click.echo", "click.secho"} & set(calls) == set()


# Calls that change what other threads, or a program that uses refsw, see of their process; and locks, which a fork
# in the middle of them leaves locked.
PROCESS_WIDE = {
    "catch_warnings", "simplefilter", "filterwarnings", "umask", "chdir", "setlocale", "setLevel", "basicConfig",
    "seterr", "set_num_threads", "rc_context", "setrecursionlimit", "setrlimit", "set_level", "Lock", "RLock",
    "signal", "set_wakeup_fd", "insert", "append", "putenv", "manual_seed", "seed", "set_start_method",
}  # fmt: skip
OWNERS = ("warnings", "os", "locale", "logging", "logger", "np", "numpy", "random", "sys", "sys.path", "signal",
          "resource", "threading", "matplotlib", "torch", "self._torch", "av.logging", "multiprocessing")  # fmt: skip
ALLOWED = {
    "cli/main.py": {"signal.signal"},  # the process is its own
    "cli/learn.py": {"torch.set_num_threads"},  # so is that of an experiment
    "conformance/guard.py": {"signal.signal", "signal.set_wakeup_fd", "resource.setrlimit"},  # a child of its own
    "conformance/worker.py": {"sys.path.insert"},  # the process is its own
    "evaluation/anchors/workers.py": {"signal.signal", "logger.setLevel"},  # a worker; Dask's loggers
    "evaluation/reports/apart.py": {"warnings.simplefilter"},  # the process is its own
    "lazy.py": {"threading.RLock"},  # which a fork waits for
    "evaluation/networks/torch.py": {"self._torch.set_num_threads"},  # PyTorch has no narrower one
}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_changes_the_whole_process(path: Path) -> None:
    tree = ast.parse(path.read_text())
    calls = {n.func for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
    found = {ast.unparse(f) for f in calls if f.attr in PROCESS_WIDE and ast.unparse(f.value) in OWNERS}
    assert found <= ALLOWED.get(str(path.relative_to(PACKAGE)), set())
    assert [n for n in ast.walk(tree) if isinstance(n, ast.Global)] == []
    targets = [t for n in ast.walk(tree) if isinstance(n, ast.Assign) for t in n.targets]
    changed = {ast.unparse(t.value) for t in targets if isinstance(t, ast.Subscript | ast.Attribute)}
    assert changed & {"os.environ", "Image", "PIL.Image", "ImageFile", "sys", "warnings"} == set()


def test_help_is_quick_to_import() -> None:
    code = (
        "import sys; from refsw.cli.main import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'av', 'numpy', 'rich', 'PIL') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_decoding_needs_no_extra(tmp_path: Path) -> None:
    code = (
        "import sys, refsw, numpy as np\n"
        "data = refsw.encode(np.ones((1, 2, 20, 20), np.float32) * np.arange(20, dtype=np.float32))\n"
        "refsw.decode(data); refsw.validate(data)\n"
        f"print([m for m in {sorted(HEAVY)} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"


CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time"}


def clocks_read(text: str) -> list[str]:
    """Calls that read a clock, or wait with a limit of time, in the text of a test."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            last = called.rpartition(".")[2]
            numbers = [n for n in node.args if isinstance(n, ast.Constant) and isinstance(n.value, int | float)]
            reads = called in ("time.time", "time.time_ns") or last.removesuffix("_ns") in CLOCKS
            limited = any(word.arg == "timeout" for word in node.keywords) or (last in ("wait", "join") and numbers)
            if reads or limited:
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_reads_a_clock(path: Path) -> None:
    assert clocks_read(path.read_text()) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [("time.perf_counter() + monotonic() + time.time()", 3), ("p.wait(30); p.communicate(timeout=3); t.join(1.5)", 3),
     ("time.sleep(1); p.wait(); 'x'.join(parts); datetime.time(3)", 0)],
)  # fmt: skip
def test_clocks_are_seen_in_whatever_form(text: str, count: int) -> None:
    assert len(clocks_read(text)) == count
