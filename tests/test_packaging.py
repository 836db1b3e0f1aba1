"""What the commands of the README install."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINE = re.compile(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)( ; [a-z_]+ [!<>=]+ '[^']+')?")
"""A release by number: no address, no path, no release that only one machine has."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, tuple[int, ...]]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    found = [LINE.fullmatch(line) for line in lines if not line.startswith("#")]
    assert None not in found, lines
    assert len({match[1] for match in found}) == len(found), "one release of each package, whatever the Python"
    return {match[1]: tuple(int(part) for part in re.findall(r"\d+", match[2])) for match in found}


def test_every_package_that_make_installs_is_locked_to_a_release_that_the_project_admits():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = [*project["project"]["dependencies"], *extras["demo"], *extras["dev"], *project["build-system"]["requires"]]
    releases = locked()
    for requirement in asked:
        name, _, least = requirement.partition(">=")
        assert canonical(name) in releases, f"{name}: make lock"
        assert releases[canonical(name)] >= tuple(int(part) for part in least.split(".") if part), f"{name}: make lock"


def test_nothing_heavy_is_among_what_make_installs():
    assert not {"torch", "dask", "distributed", "onnx", "scikit-learn"} & set(locked())
