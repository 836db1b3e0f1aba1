"""Informative: a run in one file, sealed: with it, anybody can see that nothing of it was changed since."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import refsw
from refsw.errors import UsageError
from refsw.evaluation.anchors import folder as files
from refsw.evaluation.anchors.archives.container import Archive, Contents, opened, write_archive
from refsw.evaluation.anchors.archives.frozen import FROZEN, coded_groups
from refsw.evaluation.anchors.crosscheck import within
from refsw.evaluation.anchors.folder import Run, label, open_run, read_groups
from refsw.evaluation.errors import ArchiveError

SEALED = "refsw-anchor-sealed-1"
FEATURES = "features.archive"
OWN = (files.RUN, files.ENVIRONMENT, files.GROUPS, files.RECORDS)


@dataclass(frozen=True, slots=True)
class Seal:
    """What a sealed run comes to.

    Args:
        digest: SHA-256 of the manifest, which stands for everything in the archive.
        files: how many.
        about: what the manifest says of the run.
        findings: what is not as it was sealed, or does not go together.
    """

    digest: str
    files: int
    about: dict[str, Any]
    findings: list[str]

    @property
    def exit_code(self) -> int:
        """0 where all is as it was sealed, else 1."""
        return int(bool(self.findings))

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {"digest": self.digest, "files": self.files, "about": self.about, "findings": self.findings}


def pack(run_dir: Path, output: Path, features: Path | None = None) -> Seal:
    """Seal a run that is complete and goes together: its records, versions, conditions, and bitstreams if it kept them.

    Args:
        run_dir: the run.
        output: the archive, which appears whole or not at all.
        features: frozen features of the run, to go with it.

    Raises:
        UsageError: another run is at work in the folder; there are points without a record; the records do not go
            together, or not with the features.
    """
    run = open_run(run_dir)
    with files.locked(run_dir):
        missing = sum(1 for _ in run.conditions.points()) - len(run.records)
        if missing > 0:
            raise UsageError(f"{run_dir}: {missing} points have no record: finish the run first")
        wrong = [*within(run), *(_features_of(run, features) if features else [])]
        if wrong:
            raise UsageError(f"{run_dir}: not sealed, since it does not go together: {'; '.join(wrong[:4])}")
        about = {
            "name": run.name, "refsw": refsw.__version__, "conditions": run.conditions.name,
            "identity": dict(run.identity), "records": len(run.records),
        }  # fmt: skip
        members = list(_members(run_dir, features))
        digest = write_archive(output, SEALED, about, members)
    return Seal(digest, len(members), about, [])


def _members(run_dir: Path, features: Path | None) -> Iterator[tuple[str, Contents]]:
    for name in OWN:
        if (run_dir / name).is_file():
            yield name, run_dir / name
    for path in sorted((run_dir / files.BITSTREAMS).glob("*.bin")):
        yield f"{files.BITSTREAMS}/{path.name}", path
    if features is not None:
        yield FEATURES, features


def verify(path: Path, *, into: Path | None = None, digest: str | None = None) -> Seal:
    """Whether a sealed run is what was sealed, and goes together: records, groups, bitstreams, features.

    Args:
        path: the archive.
        into: a folder that does not exist yet, for what is in it, if all is well.
        digest: of everything, as it was told when the run was sealed: whoever changes all of it can seal it again.

    Raises:
        ArchiveError: it is no sealed run, or nothing that anyone should unpack.
        UsageError: the folder is there already.
    """
    if into is not None and into.exists():
        raise UsageError(f"{into}: is there already")
    with opened(path, SEALED) as archive, tempfile.TemporaryDirectory(dir=into.parent if into else None) as place:
        found = list(archive.findings())
        if digest is not None and digest.lower() != archive.digest:
            found.append(f"another run was sealed: {archive.digest}, not {digest}")
        if not found:
            run_dir = Path(place) / "run"
            _unpack(archive, run_dir)
            found += _together(run_dir)
        if into is not None and not found:
            run_dir.rename(into)
        return Seal(archive.digest, len(archive.files), archive.about, found)


def _unpack(archive: Archive, folder: Path) -> None:
    for name in archive.files:
        target = folder / name  # a plain name below the archive, as `opened` has seen to
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for part in archive.parts(name):
                file.write(part)


def _together(run_dir: Path) -> Iterator[str]:
    """What of a run does not go with the rest of it."""
    try:
        run = open_run(run_dir)
        yield from within(run)
        missing = sum(1 for _ in run.conditions.points()) - len(run.records)
        if missing > 0:
            yield f"{missing} points have no record"
        if (run_dir / FEATURES).exists():
            yield from _features_of(run, run_dir / FEATURES)
    except UsageError as error:
        yield str(error)


def _features_of(run: Run, features: Path) -> Iterator[str]:
    """Groups whose features are not those of the archive."""
    try:
        with opened(features, FROZEN) as archive:
            yield from archive.findings()
            known = coded_groups(archive)
    except ArchiveError as error:
        yield str(error)
        return
    for record in read_groups(run.folder / files.GROUPS):
        if record["codec"]:
            digest = known.get((record["test"], record["layer"], record["group"]))
            if digest != record["features"]:
                yield f"{label(record)}: the features are not those of {features.name}"


def as_text(path: Path, seal: Seal) -> str:
    """The findings, one a line, and the verdict."""
    verdict = "as it was sealed" if not seal.findings else f"NOT as it was sealed: {len(seal.findings)} findings"
    lines = [*seal.findings, f"{path}: {seal.files} files, {seal.about.get('records')} records: {verdict}"]
    return "\n".join([*lines, f"sha256 of everything: {seal.digest}"]) + "\n"


def dumped(seal: Seal) -> str:
    """As JSON."""
    return json.dumps(seal.as_dict(), indent=1)
