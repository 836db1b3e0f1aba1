"""Data sets in their layouts, made small; and what is said of files that are missing or damaged."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
from PIL import Image

from refsw.errors import UsageError
from refsw.evaluation.datasets import open_dataset
from refsw.evaluation.errors import DatasetError


def picture(path, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(path)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def ids(items):
    return [item.id for item in items]


def test_imagenet_by_folders(tmp_path):
    for name in ("n02/b.JPEG", "n01/a10.JPEG", "n01/a9.JPEG"):
        picture(tmp_path / name)
    text(tmp_path / "n01" / "notes.txt", "no picture")
    data = open_dataset("imagenet", tmp_path)
    assert [(item.id, item.label) for item in data.items] == [
        ("n01/a9.JPEG", 0),
        ("n01/a10.JPEG", 0),
        ("n02/b.JPEG", 1),
    ]
    assert data.classes == ("n01", "n02")
    assert data.picture(data.item("n02/b.JPEG")).shape == (6, 8, 3)
    data.check()


@pytest.mark.parametrize(
    ("name", "content"),
    [("val.txt", "a b.png 5\n\nc.png 7\n"), ("labels.csv", "index,wnid,file\n5,n1,a b.png\n7,n2,c.png\n")],
)
def test_imagenet_by_a_list(tmp_path, name, content):
    text(tmp_path / name, content)
    data = open_dataset("imagenet", tmp_path, labels=name)
    assert [(item.id, item.label) for item in data.items] == [("a b.png", 5), ("c.png", 7)]


def test_folders_with_queries(tmp_path):
    for name in ("s1/1.png", "s1/2.png", "s2/1.png", "s2/2.png", "s2/3.png"):
        picture(tmp_path / name)
    data = open_dataset("folder", tmp_path, queries=1)
    assert ids(data.items) == ["s1/1.png", "s2/1.png"]
    assert ids(data.references) == ["s1/2.png", "s2/2.png", "s2/3.png"]
    assert ids(open_dataset("folder", tmp_path / "s2").items) == ["1.png", "2.png", "3.png"]
    assert len(open_dataset("folder", tmp_path, limit=2).items) == 2


def test_vehicle_id_has_one_query_a_vehicle(tmp_path):
    text(tmp_path / "train_test_split" / "test_list_800.txt", "0001 7\n0002 7\n0003 9\n0004 9\n0005 9\n")
    picture(tmp_path / "image" / "0001.jpg")
    data = open_dataset("vehicleid", tmp_path)
    assert (ids(data.items), ids(data.references)) == (["0001", "0003"], ["0002", "0004", "0005"])
    assert data.picture(data.items[0]).shape == (6, 8, 3)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("market1501", "0002_c3s1_000451_03.jpg"), ("dukemtmc", "0002_c3_f0046985.jpg"), ("cuhk03", "0002_c3_21.png")],
)
def test_market_and_its_kin_name_identity_and_camera(tmp_path, kind, name):
    for folder in ("query", "bounding_box_test"):
        picture(tmp_path / folder / name)
    picture(tmp_path / "bounding_box_test" / "-1_c1s1_000401_03.jpg")
    picture(tmp_path / "bounding_box_test" / "0000_c1s1_000401_03.jpg")
    data = open_dataset(kind, tmp_path)
    assert [(item.label, item.camera) for item in data.items] == [(2, 3)]
    assert [item.label for item in data.references] == [0, 2]
    picture(tmp_path / "query" / "nobody.jpg")
    with pytest.raises(DatasetError, match=r"nobody\.jpg: no identity and camera"):
        open_dataset(kind, tmp_path)


def test_msmt17(tmp_path):
    text(tmp_path / "list_query.txt", "0000/0000_000_11_0303morning_0015_0.jpg 0\n")
    text(tmp_path / "list_gallery.txt", "0000/0000_001_02_0303noon_0015_0.jpg 0\n")
    data = open_dataset("msmt17", tmp_path)
    assert [(item.label, item.camera) for item in (*data.items, *data.references)] == [(0, 11), (0, 2)]
    assert data.items[0].path == tmp_path / "test" / data.items[0].id
    text(tmp_path / "list_query.txt", "0000.jpg 0\n")
    with pytest.raises(DatasetError, match="no camera in its name"):
        open_dataset("msmt17", tmp_path)


OBJECT = "<object><name>{}</name><difficult>{}</difficult><bndbox><xmax>8</xmax><xmin>1</xmin><ymin>2</ymin><ymax>6</ymax></bndbox></object>"  # noqa: E501


def test_voc_counts_corners_from_1(tmp_path):
    text(tmp_path / "ImageSets" / "Main" / "test.txt", "000001\n")
    content = "<annotation>" + OBJECT.format("dog", 0) + OBJECT.format("person", 1) + "</annotation>"
    text(tmp_path / "Annotations" / "000001.xml", content)
    picture(tmp_path / "JPEGImages" / "000001.jpg")
    data = open_dataset("voc2007", tmp_path)
    np.testing.assert_array_equal(data.items[0].boxes, [[0, 1, 7, 5, 11, 0], [0, 1, 7, 5, 14, 1]])
    data.check()
    for damaged, message in (("<annotation>", "no VOC annotation"), (OBJECT.format("unicorn", 0), "unicorn")):
        text(tmp_path / "Annotations" / "000001.xml", damaged)
        with pytest.raises(DatasetError, match=message):
            open_dataset("voc2007", tmp_path)


def test_coco_classes_come_in_the_order_of_their_ids(tmp_path):
    content = {
        "images": [{"id": 9, "file_name": "9.jpg"}, {"id": 3, "file_name": "3.jpg"}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
        "annotations": [{"image_id": 9, "category_id": 18, "bbox": [1, 2, 3, 4], "iscrowd": 1}],
    }
    path = tmp_path / "annotations" / "instances_val2017.json"
    text(path, json.dumps(content))
    data = open_dataset("coco", tmp_path)
    assert (ids(data.items), data.classes) == (["3.jpg", "9.jpg"], ("person", "dog"))
    np.testing.assert_array_equal(data.items[1].boxes, [[1, 2, 4, 6, 1, 1]])
    assert data.items[0].boxes.shape == (0, 6)
    for damaged in ("{}", "[", json.dumps(content | {"images": []})):
        text(path, damaged)
        with pytest.raises(DatasetError, match=r"no COCO annotations|picture 9, category 18, which it does not list"):
            open_dataset("coco", tmp_path)


def test_yolo_boxes_are_relative_to_the_picture(tmp_path):
    picture(tmp_path / "images" / "a.png", (100, 50))
    picture(tmp_path / "images" / "b.png")
    text(tmp_path / "labels" / "a.txt", "21 0.5 0.5 0.2 0.4\n")
    data = open_dataset("yolo", tmp_path)
    np.testing.assert_allclose(data.items[0].boxes, [[40, 15, 60, 35, 21, 0]])
    assert data.items[1].boxes.shape == (0, 6)
    text(tmp_path / "labels" / "a.txt", "21 0.5 0.5 0.2\n")
    with pytest.raises(DatasetError, match=r"a\.txt:1: class, x, y, width, height, .* not '21 0.5 0.5 0.2'"):
        open_dataset("yolo", tmp_path)


def test_a_missing_or_damaged_picture_is_named_before_anything_runs(tmp_path):
    for name in ("1.png", "2.png", "3.jpg"):
        picture(tmp_path / name, (64, 64))
    data = open_dataset("folder", tmp_path)
    seen = []
    data.check(lambda: seen.append(1))
    assert len(seen) == 3
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"2\.png: damaged, or no picture: .*"):
        data.check()
    (tmp_path / "1.png").unlink()
    with pytest.raises(DatasetError, match=r"1\.png: no such picture \(and 1 more of folder\)$") as caught:
        data.check()
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match=rf"1\.png: {os.strerror(errno.ENOENT)}"):
        data.digest(data.items[0])


def test_a_jpeg_that_ends_early_is_damaged(tmp_path):
    path = tmp_path / "1.jpg"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DatasetError, match=r"1\.jpg: damaged"):
        open_dataset("folder", tmp_path).check()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("cifar",), {}, UsageError, "no kind of data set 'cifar': mini, imagenet"),
        (("imagenet",), {"split": "val"}, UsageError, "no option split: limit, labels"),
        (("list",), {}, UsageError, "data set list: labels is missing"),
        (("folder",), {"limit": 0}, UsageError, "limit 0"),
        (("list",), {"labels": "none.txt"}, DatasetError, r"none\.txt: no such file"),
        (("list",), {"labels": "bad.txt"}, DatasetError, r"bad\.txt:2: a picture and its class, not 'x'"),
        (("list",), {"labels": "bad.csv"}, DatasetError, "columns file or ImageId, and index or label"),
        (("list",), {"labels": "empty.txt"}, DatasetError, "list: no pictures"),
        (("list",), {"labels": "twice.txt"}, DatasetError, "two pictures have the same id"),
        (("list",), {"labels": "1.png"}, DatasetError, "1.png: 'utf-8' codec"),
        (("coco",), {}, DatasetError, "instances_val2017.json: no such file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, arguments, options, error, message):
    picture(tmp_path / "1.png")
    for name, content in (
        ("bad.txt", "a.png 1\nb.png x\n"),
        ("bad.csv", "name,class\n"),
        ("empty.txt", ""),
        ("twice.txt", "a.png 1\na.png 1\n"),
    ):
        text(tmp_path / name, content)
    with pytest.raises(error, match=message) as caught:
        open_dataset(*arguments, tmp_path, **options)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    for kind in ("imagenet", "vehicleid", "market1501", "msmt17", "voc2007", "coco", "yolo", "folder"):
        with pytest.raises(DatasetError, match=r"nowhere.*: no such"):
            open_dataset(kind, tmp_path / "nowhere")
