"""Informative: the main job in one call, on networks and pictures that ship with the package.

The mini conditions twice, with the preset `anchor` (the configuration of MM'19) and with another one; that one against
coded pictures; every bitstream validated; and the report of the second run against the first, and of the third.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import refsw
from refsw.errors import CodecError
from refsw.evaluation.anchors.compare import Comparison, Rules, compare
from refsw.evaluation.anchors.conditions import Conditions, find_conditions, load_conditions, with_codec
from refsw.evaluation.anchors.folder import BITSTREAMS, REPORT, Run, open_run
from refsw.evaluation.anchors.remote import Against, compare_with_pictures
from refsw.evaluation.anchors.run import AnchorRun, Options
from refsw.evaluation.bdrate import NonMonotone
from refsw.evaluation.reports.report import write_report
from refsw.extras import DEMO_MODULES, optional
from refsw.features.config import EncoderConfig

CONDITIONS, PICTURE_CONDITIONS = "mini", "mini-pictures"
ANCHOR, PICTURES = "anchor", "pictures"


class Demo:
    """The job. `runs` are done one after the other, then `validated` looks at their bitstreams, then `report`.

    Args:
        output: folder, made if it is not there; each run has a folder of its name in it.
        preset: to show, against `anchor`.
        jobs: number of processes; the results do not depend on it.
        conditions, pictures: other conditions than the mini ones, and than those with pictures.

    Raises:
        UsageError: a package is missing, or there is no such preset.
    """

    def __init__(
        self,
        output: Path,
        preset: str = "balanced",
        *,
        jobs: int = 1,
        conditions: Conditions | None = None,
        pictures: Conditions | None = None,
    ) -> None:
        for package in DEMO_MODULES:
            optional(package)
        EncoderConfig.preset(preset)
        self.output, self.preset = output, preset
        self._options = Options(jobs=jobs, keep_bitstreams=True)
        self.conditions = conditions or load_conditions(find_conditions(CONDITIONS))
        self.pictures = pictures or load_conditions(find_conditions(PICTURE_CONDITIONS))

    @property
    def names(self) -> tuple[str, ...]:
        """The anchor, and the preset if it is another one: what the runs and their folders are called."""
        return tuple(dict.fromkeys((ANCHOR, self.preset)))

    def runs(self) -> Mapping[str, AnchorRun]:
        """The anchor, the preset, and the preset against pictures, by name, still to be entered."""
        asked = {name: with_codec(self.conditions, name, {"preset": name}) for name in self.names}
        asked[ANCHOR] = self.conditions  # with its other codecs
        asked[PICTURES] = with_codec(self.pictures, self.preset, {"preset": self.preset})
        return {name: AnchorRun(those, self.output / name, self._options) for name, those in asked.items()}

    def bitstreams(self) -> list[Path]:
        """Those of all runs that are refsw's own; those of pictures are left out."""
        runs = [(name, sorted((self.output / name / BITSTREAMS).iterdir())) for name in (*self.names, PICTURES)]
        return [path for name, paths in runs for path in paths if name != PICTURES or f"-{self.preset}-" in path.name]

    def validated(self) -> Iterator[Path]:
        """Every bitstream, once it is known to conform.

        Raises:
            CodecError: the encoder made one that does not.
        """
        for path in self.bitstreams():
            report = refsw.validate(path.read_bytes())
            if not report.conforming:
                raise CodecError(f"{path}: the bitstream does not conform: {report.violations[0]}")
            yield path

    def report_on_pictures(self) -> tuple[list[Against], list[Path]]:
        """Write the report of features against pictures; what it says, and its files."""
        run = open_run(self.output / PICTURES)
        return compare_with_pictures(run), write_report(run, self.output / PICTURES / REPORT)[1]

    def report(self) -> tuple[Run, Comparison | None, list[Path]]:
        """Write the report.

        Returns:
            The run that it is about, its comparison with the anchor, and the files.
        """
        run, anchor = open_run(self.output / self.preset), open_run(self.output / ANCHOR)
        other = None if self.preset == ANCHOR else anchor
        comparison = None if other is None else compare(other, run, Rules(non_monotone=NonMonotone.PARETO))
        return run, comparison, write_report(run, self.output / REPORT, other)[1]
