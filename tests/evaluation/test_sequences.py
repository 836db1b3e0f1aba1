"""Sets of sequences in the layouts in which they come, tracking and segmentation on them, and classes of sequences."""

from __future__ import annotations

import csv
import json

import numpy as np
import painted
import pytest
from anchor_runs import compared, run
from conftest import ROOT

from refsw.errors import UsageError
from refsw.evaluation.anchors.archives.freezing import freeze
from refsw.evaluation.anchors.conditions import load_conditions, parse_conditions, resolved
from refsw.evaluation.anchors.folder import open_run
from refsw.evaluation.anchors.sequences import Frame, in_groups
from refsw.evaluation.datasets import open_dataset
from refsw.evaluation.datasets.sequences import HIEVE, PANDASET, SFU_HW, TVD
from refsw.evaluation.errors import DatasetError
from refsw.evaluation.reports import template
from refsw.evaluation.reports.report import write_report
from refsw.evaluation.tasks.opening import TASKS

for package in ("yaml", "scipy", "matplotlib", "openpyxl"):
    pytest.importorskip(package, reason=f"the conditions need {package}")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Every layout, a few frames each."""
    root = tmp_path_factory.mktemp("sets")
    for name in ("TVD-01", "TVD-02"):
        painted.mot_sequence(root / "tvd" / name)
    for name, rate in (("13", 50), ("2", 25)):
        painted.mot_sequence(root / "hieve" / name, 3 if name == "13" else 4, rate)
    for name, rate, present, kind in (
        ("BQMall_832x480_60_val", 60, {1: "person", 3: "car"}, 1),
        ("RaceHorses_416x240_30_val", 30, {1: "person"}, 0),
    ):
        folder = root / "sfu" / name
        painted.sequence_info(folder, rate)
        frames = {f"{name}_{n}.png": [(2 + 2 * n, 2, 14 + 2 * n, 12, kind)] for n in range(3)}
        for file, rectangles in frames.items():
            painted.save(folder / "images" / file, painted.painted(rectangles))
        painted.coco_file(folder / "annotations" / f"{name}.json", frames, present)
    folder = root / "pandaset" / "003"
    painted.sequence_info(folder, 10)
    stack = []
    for number in range(3):
        rectangles = [(4 + number, 4, 24, 20, 0), (28, 8, 44, 30, 1)]
        painted.save(folder / "camera" / "front_camera" / f"{number:02d}.jpg", painted.painted(rectangles))
        # Labels of PandaSet: 5 vegetation, 13 car, 200 nothing that counts.
        stack.append(np.array([5, 13, 0, 200], np.uint8)[painted.labels(rectangles)])
    (folder / "annotations").mkdir()
    np.savez(folder / "annotations" / "003.npz", gt=np.stack(stack))
    return root


def test_sequences_of_the_mot_challenge(sets):
    data = open_dataset("mot", sets / "tvd")
    assert [item.id for item in data.items[:2]] == ["TVD-01/000001.png", "TVD-01/000002.png"]
    second = data.items[1]
    assert second.boxes.tolist() == [[4, 4, 14, 14, 0, 0], [28, 18, 40, 28, 0, 0]]
    assert second.identities.tolist() == [1, 2]
    assert (second.sequence, second.category, second.seconds) == ("TVD-01", "", 1 / 25)
    fewer = open_dataset("mot", sets / "tvd", sequences="TVD-02", step=2)
    assert [item.id for item in fewer.items] == ["TVD-02/000001.png", "TVD-02/000003.png"]
    assert fewer.items[0].seconds == 2 / 25


def test_classes_of_sets_of_sequences(sets):
    found = open_dataset("hieve", sets / "hieve", sequences="13,2")
    assert {item.sequence: item.category for item in found.items} == {"13": "1080p", "2": "720p"}
    sfu = open_dataset("sfu-hw", sets / "sfu", sequences="BQMall_832x480_60_val, RaceHorses_416x240_30_val")
    assert {item.category for item in sfu.items} == {"C", "D"}
    # Categories of all sequences in the order of their ids: a class has one number, whichever of them a file lists.
    assert list(sfu.classes) == ["person", "car"]
    assert {item.sequence: item.boxes[0, 4] for item in sfu.items} == {
        "BQMall_832x480_60_val": 1, "RaceHorses_416x240_30_val": 0}  # fmt: skip
    assert sfu.ids == {1: 0, 3: 1}


def test_labels_of_pandaset(sets):
    data = open_dataset("pandaset", sets / "pandaset", sequences="003")
    own = data.items[0].labels.read()
    assert own[10, 10] == 0  # vegetation
    assert own[10, 30] == 3  # car
    assert own[0, 0] == 255
    assert len(data.classes) == 10


@pytest.mark.parametrize(
    ("kind", "layout"), [("sfu-hw", SFU_HW), ("tvd", TVD), ("hieve", HIEVE), ("pandaset", PANDASET)]
)
def test_a_missing_set_is_one_line_that_says_where_it_is_to_be_had(tmp_path, kind, layout):
    with pytest.raises(DatasetError) as caught:
        open_dataset(kind, tmp_path)
    first = next(iter(next(iter(layout.classes.values()))))
    assert str(caught.value) == f"{tmp_path / first} is missing: {layout.source}"


def test_a_sequence_that_is_none(tmp_path):
    with pytest.raises(DatasetError, match="no sequence TVD-09: TVD-01, TVD-02, TVD-03"):
        open_dataset("tvd", tmp_path, sequences="TVD-09")


@pytest.mark.parametrize(
    ("line", "told"),
    [("1,1,2,3,4", "frame, identity, left"), ("1,1,2,3,x,5", "frame, identity, left"),
     ("1,1,2,3,-4,5", "frame, identity"), ("1,1,2,3,nan,5", "frame, identity")],
)  # fmt: skip
def test_damaged_tracks(tmp_path, line, told):
    painted.mot_sequence(tmp_path / "s", 1)
    (tmp_path / "s" / "gt" / "gt.txt").write_text(line + "\n")
    with pytest.raises(DatasetError, match=f"gt.txt:1: {told}"):
        open_dataset("mot", tmp_path)


def test_what_counts_in_tracks(tmp_path):
    painted.mot_sequence(tmp_path / "s", 1)
    (tmp_path / "s" / "gt" / "gt.txt").write_text(
        "1,1,1,1,9,9,1,1,1\n1,2,1,1,9,9,0,1,1\n1,3,1,1,9,9,1,8,1\n1,4,1,1,9,9\n"
    )
    assert open_dataset("mot", tmp_path).items[0].boxes[:, 5].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    "text", ["", "[Sequence]\n", "[Sequence]\nframeRate=x\n", "[Sequence]\nframeRate=0\n", "no ini"]
)
def test_a_frame_rate_that_is_none(tmp_path, text):
    painted.mot_sequence(tmp_path / "s", 1)
    (tmp_path / "s" / "seqinfo.ini").write_text(text)
    with pytest.raises(DatasetError, match=r"seqinfo.ini: .*frameRate"):
        open_dataset("mot", tmp_path)


def test_stacks_of_labels_are_never_unpickled(sets, tmp_path):
    folder = tmp_path / "003"
    painted.sequence_info(folder, 10)
    painted.save(folder / "camera" / "front_camera" / "00.jpg", painted.painted([]))
    (folder / "annotations").mkdir()
    np.savez(folder / "annotations" / "003.npz", gt=np.array([{"a": 1}], object))
    data = open_dataset("pandaset", tmp_path, sequences="003")
    with pytest.raises(DatasetError, match="gt is stored as objects, which are not read: save it again"):
        data.items[0].labels.read()


def test_folders_of_frames(sets):
    data = open_dataset("frames", sets / "tvd" / "TVD-01" / "img1", rate=50, step=2)
    assert [item.id for item in data.items] == ["000001.png", "000003.png"]
    assert {(item.sequence, item.seconds) for item in data.items} == {("img1", 1 / 25)}
    several = open_dataset("frames", sets / "pandaset" / "003" / "camera")
    assert several.items[0].id == "front_camera/00.jpg"


def test_a_video_file_is_its_frames(tmp_path):
    import av

    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = painted.WIDTH, painted.HEIGHT, "bgr0"
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(painted.painted(painted.moving(number)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = open_dataset("video", tmp_path, file="v.mkv", step=2)
    assert [item.id for item in data.items] == ["frame-000000", "frame-000002", "frame-000004"]
    assert data.items[0].seconds == pytest.approx(2 / 5)
    assert np.array_equal(data.picture(data.items[1]), painted.painted(painted.moving(2)))
    assert len(open_dataset("video", tmp_path, file="v.mkv", frames=2).items) == 2
    (tmp_path / "none.mkv").write_bytes(b"no video")
    with pytest.raises(DatasetError, match=r"none.mkv: no video that is read"):
        open_dataset("video", tmp_path, file="none.mkv")
    with pytest.raises(DatasetError, match=r"v.mp4: no such file"):
        open_dataset("video", tmp_path, file="v.mp4")


def document(kind, root, of, **changes):
    options = {"of": of, "dataset": {"kind": kind, "root": str(root)} | changes.pop("dataset", {})}
    test = {
        "name": "own",
        "task": "painted:open_task",
        "layers": ["means"],
        "options": options | changes.pop("options", {}),
    }
    codecs = {"fast": {"preset": "fast", "sweep": {"qp": [1, 51]}}}
    return {"format": "refsw-conditions-1", "name": "own", "title": "Own", "codecs": codecs, "tests": [test | changes]}


def test_groups_do_not_reach_over_two_sequences():
    frames = {f"{s}{n}": Frame(s, "", 0.0) for s in "ab" for n in range(3)}
    assert in_groups(list(frames), 2, frames) == [("a0", "a1"), ("a2",), ("b0", "b1"), ("b2",)]
    assert in_groups(["x", "y", "z"], 2, {}) == [("x", "y"), ("z",)]


@pytest.fixture(scope="module")
def tracked(sets, tmp_path_factory):
    asked = document("hieve", sets / "hieve", "tracking", dataset={"sequences": "13,2"}, group=2, quality="mota",
                     axes={"means": "TCHW"})  # fmt: skip
    folder = tmp_path_factory.mktemp("tracked") / "run"
    _, failures = run(folder, parse_conditions(asked), keep_bitstreams=True)
    assert not failures
    return open_run(folder)


def test_tracking_end_to_end(tracked):
    fine, coarse = tracked.records
    # A painted object is found as it is: no error but that of the first frame of the second object, which has none.
    assert fine["pristine"]["mota"] == fine["metrics"]["mota"] == 1
    assert fine["metrics"]["fidelity"] == 1
    assert coarse["coded_bytes"] < fine["coded_bytes"]


def test_features_of_a_video_have_an_axis_of_time(tracked):
    import refsw

    path = next((tracked.folder / "bitstreams").iterdir())
    with path.open("rb") as file, refsw.Decoder(file) as decoder:
        for _ in decoder:
            pass
        assert next(iter(decoder.parameters.values())).axes.letters == "TCHW"


def test_classes_are_pooled_and_weighted_by_duration(tracked):
    record = tracked.records[0]
    assert record["bitstreams"] == 2 + 2  # three frames and four, two together
    assert record["seconds"] == pytest.approx(3 / 50 + 4 / 25)
    classes = record["classes"]
    assert {name: (own["items"], own["seconds"]) for name, own in classes.items()} == {
        "1080p": (3, pytest.approx(3 / 50)), "720p": (4, pytest.approx(4 / 25))}  # fmt: skip
    assert sum(own["coded_bytes"] for own in classes.values()) == record["coded_bytes"]
    # The rate over all is that of each weighted by its duration.
    rates = [(8 * own["coded_bytes"] / own["seconds"], own["seconds"]) for own in classes.values()]
    weighted = sum(rate * seconds for rate, seconds in rates) / sum(seconds for _, seconds in rates)
    assert 8 * record["coded_bytes"] / record["seconds"] == pytest.approx(weighted)


def test_the_template_has_a_row_for_each_class(tracked, tmp_path):
    names, rows = template.flat(tracked)
    assert "kbit/s" in names
    own = [row[: len(template.TEXTS)] for row in rows]
    assert [row[0] for row in own[:3]] == ["own", "own 1080p", "own 720p"]
    kbps = names.index("kbit/s")
    record = tracked.records[0]
    assert rows[0][kbps] == pytest.approx(8 * record["coded_bytes"] / record["seconds"] / 1000)
    part = record["classes"]["720p"]
    assert rows[2][kbps] == pytest.approx(8 * part["coded_bytes"] / part["seconds"] / 1000)
    write_report(tracked, tmp_path)
    with (tmp_path / "template.csv").open() as file:
        assert [row[0] for row in csv.reader(file)][1:4] == ["own", "own 1080p", "own 720p"]


def test_frozen_sequences_give_the_same_records(tracked, tmp_path):
    freeze(tracked.folder, tmp_path / "f.frozen")
    _, failures = run(tmp_path / "again", tracked.conditions, features=tmp_path / "f.frozen")
    assert not failures
    assert compared(tmp_path / "again") == compared(tracked.folder)


def test_segmentation_of_sequences_end_to_end(sets, tmp_path):
    labels = {0: "vegetation", 1: "car", 2: None, 3: None}
    asked = document("pandaset", sets / "pandaset", "segmentation", dataset={"sequences": "003"}, quality="miou",
                     options={"labels": labels, "per_class": True})  # fmt: skip
    _, failures = run(tmp_path / "run", parse_conditions(asked))
    assert not failures
    fine = open_run(tmp_path / "run").records[0]
    assert fine["metrics"]["miou"] > 0.9
    assert fine["metrics"]["iou-car"] > 0.9
    assert fine["classes"]["PandaSet"]["metrics"]["miou"] == fine["metrics"]["miou"]


def test_detection_on_sequences_end_to_end(sets, tmp_path):
    asked = document("sfu-hw", sets / "sfu", "detection", quality="ap50",
                     dataset={"sequences": "BQMall_832x480_60_val,RaceHorses_416x240_30_val"},
                     options={"labels": {0: "person", 1: "car"}, "unknown": "ignore", "per_class": True})  # fmt: skip
    _, failures = run(tmp_path / "run", parse_conditions(asked))
    assert not failures
    fine = open_run(tmp_path / "run").records[0]
    assert fine["metrics"]["ap-person"] == fine["metrics"]["ap-car"] == 1
    assert fine["classes"]["D"]["metrics"]["ap50"] == 1


def test_options_of_tracking(sets):
    options = document("tvd", sets / "tvd", "tracking", dataset={"sequences": "TVD-01"})["tests"][0]["options"]
    with pytest.raises(UsageError, match=r"no option speed: .*match, follow, patience"):
        painted.open_task({"options": options | {"speed": 1}})
    with pytest.raises(UsageError, match="match 2: from 0 to 1"):
        painted.open_task({"options": options | {"match": 2}})


def test_damaged_classes_of_a_record(tracked, tmp_path):
    import shutil

    from anchor_runs import edit_records

    shutil.copytree(tracked.folder, tmp_path / "run")
    edit_records(tmp_path / "run", lambda records: [r | {"classes": {"720p": {"items": "x"}}} for r in records])
    with pytest.raises(UsageError, match="720p: damaged"):
        open_run(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["format"] == "refsw-anchor-run-1"


def test_the_conditions_of_coding_for_machines_find_every_set(tmp_path):
    """Each set of vcm.yaml in its layout, a frame a sequence, through the entries that the file has."""
    for folder, layout in (("tvd_tracking", TVD), ("HiEve_pngs", HIEVE)):
        for sequence in (name for own in layout.classes.values() for name in own):
            painted.mot_sequence(tmp_path / folder / sequence, 1)
    for sequence in (name for own in SFU_HW.classes.values() for name in own):
        place = tmp_path / "SFU_HW_Obj" / sequence
        painted.sequence_info(place, 30)
        painted.save(place / "images" / f"{sequence}_000.png", painted.painted([(2, 2, 12, 12, 0)]))
        frames = {f"{sequence}_000.png": [(2, 2, 12, 12, 0)]}
        painted.coco_file(place / "annotations" / f"{sequence}.json", frames, {1: "person"})
    for sequence in PANDASET.classes["PandaSet"]:
        place = tmp_path / "PandaSet" / sequence
        painted.sequence_info(place, 10)
        painted.save(place / "camera" / "front_camera" / "00.jpg", painted.painted([(2, 2, 12, 12, 0)]))
        (place / "annotations").mkdir()
        np.savez(place / "annotations" / f"{sequence}.npz", gt=np.full((1, 32, 48), 13, np.uint8))
    place = tmp_path / "mpeg-oiv6"
    painted.save(place / "images" / "a.png", painted.painted([(2, 2, 12, 12, 0)]))
    painted.save(place / "labels" / "a.png", painted.labels([(2, 2, 12, 12, 0)], nothing=255))
    (place / "classes.txt").write_text("person\ncar\n")
    listed = place / "annotations" / "mpeg-oiv6-detection-coco.json"
    painted.coco_file(listed, {"a.png": [(2, 2, 12, 12, 0)]}, {1: "Person"})

    asked = load_conditions(ROOT / "tools" / "anchors" / "vcm.yaml")
    counts = {}
    for test in asked.tests:
        entry = resolved(test, tmp_path)["dataset"]
        data = open_dataset(**entry)
        data.check()
        gives = painted.Network({"segmentation": "scores"}.get(test.condition["task"], "boxes"))
        options = test.condition["options"] | {"unknown": "ignore"}
        task = TASKS[test.condition["task"]](data, gives, painted.PLAIN, options)
        references = {item: task.reference(item) for item in task.items()}
        assert test.quality in task.score("means", references, references)
        counts[test.name] = len(data.items)
    assert counts == {"oiv6-detection": 1, "oiv6-segmentation": 1, "sfu-hw": 14, "tvd": 3, "hieve": 5, "pandaset": 36}
