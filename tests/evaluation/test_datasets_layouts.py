"""ImageNet in each of its layouts, labels that are wrong, and pictures of unusual kinds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from test_datasets import picture, text

from refsw.errors import UsageError
from refsw.evaluation.datasets import Dataset, Item, open_dataset
from refsw.evaluation.errors import DatasetError, NetworkError
from refsw.evaluation.mini import mini_dataset, mini_network
from refsw.evaluation.pictures import preprocessing, read_picture
from refsw.evaluation.tasks.classification import Classification

DOG, CAT, FISH = "n02110806", "n02123045", "n01440764"
SYNSETS = f"{FISH} tench, Tinca tinca\n{DOG} basenji\n{CAT} tabby\n"


@pytest.fixture
def pictures(tmp_path):
    for number in (2, 1, 3):
        picture(tmp_path / "val" / f"ILSVRC2012_val_{number:08d}.JPEG")
    return tmp_path / "val"


def classes(data):
    return {item.path.stem[-1]: item.label for item in data.items}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lines.txt", "".join(f"ILSVRC2012_val_{i:08d}.JPEG {s}\n" for i, s in ((1, CAT), (2, FISH), (3, DOG)))),
        ("synset_labels.txt", f"{CAT}\n{FISH}\n{DOG}\n"),
        (
            "LOC_val_solution.csv",
            "ImageId,PredictionString\n"
            + "".join(f"ILSVRC2012_val_{i:08d},{s} 1 2 3 4 \n" for i, s in ((3, DOG), (1, CAT), (2, FISH))),
        ),
    ],
)
def test_lists_of_synsets_need_the_order_of_all(pictures, name, content):
    text(pictures.parent / name, content)
    text(pictures.parent / "synset_words.txt", SYNSETS)
    data = open_dataset("imagenet", pictures, labels=f"../{name}", synsets="../synset_words.txt")
    assert classes(data) == {"1": 2, "2": 0, "3": 1}
    assert data.classes == (FISH, DOG, CAT)
    data.check()
    with pytest.raises(DatasetError, match=r":\d: synset n\d+: name a list of all with synsets"):
        open_dataset("imagenet", pictures, labels=f"../{name}")
    text(pictures.parent / "synset_words.txt", "n00000001 thing\n")
    with pytest.raises(DatasetError, match=r"synset n\d+: not known"):
        open_dataset("imagenet", pictures, labels=f"../{name}", synsets="../synset_words.txt")


def test_numbers_of_the_development_kit_are_not_taken_for_classes(pictures):
    io = pytest.importorskip("scipy.io", reason="meta.mat is read with scipy")
    text(pictures.parent / "ILSVRC2012_validation_ground_truth.txt", "1\n2\n3\n")
    labels = {"labels": "../ILSVRC2012_validation_ground_truth.txt"}
    with pytest.raises(DatasetError, match=r"number 1 of the development kit: name meta.mat with synsets"):
        open_dataset("imagenet", pictures, **labels)
    rows = [(1, CAT, 0), (2, FISH, 0), (3, DOG, 0), (4, "n00001740", 3)]
    table = np.array(rows, [("ILSVRC2012_ID", float), ("WNID", "O"), ("num_children", float)])
    io.savemat(pictures.parent / "meta.mat", {"synsets": table.reshape(-1, 1)})
    data = open_dataset("imagenet", pictures, **labels, synsets="../meta.mat")
    assert classes(data) == {"1": 2, "2": 0, "3": 1}
    assert data.classes == (FISH, DOG, CAT)
    text(pictures.parent / "ILSVRC2012_validation_ground_truth.txt", "1\n2\n4\n")
    with pytest.raises(DatasetError, match="number 4 of the development kit: not known"):
        open_dataset("imagenet", pictures, **labels, synsets="../meta.mat")
    text(pictures.parent / "ILSVRC2012_validation_ground_truth.txt", "1\n2\n")
    with pytest.raises(DatasetError, match=r"2 classes for 3 pictures in .*val$"):
        open_dataset("imagenet", pictures, **labels, synsets="../meta.mat")
    for name in ("none.mat", "broken.mat"):
        text(pictures.parent / "broken.mat", "text")
        with pytest.raises(DatasetError, match=rf"{name}: no"):
            open_dataset("imagenet", pictures, **labels, synsets=f"../{name}")


def test_some_folders_of_synsets_have_the_classes_of_all(tmp_path):
    for synset in (CAT, DOG):
        picture(tmp_path / synset / "1.JPEG")
    text(tmp_path / "words.txt", SYNSETS)
    assert [item.label for item in open_dataset("imagenet", tmp_path).items] == [0, 1]
    data = open_dataset("imagenet", tmp_path, synsets="words.txt")
    assert [(item.id, item.label) for item in data.items] == [(f"{DOG}/1.JPEG", 1), (f"{CAT}/1.JPEG", 2)]
    assert data.classes == (FISH, DOG, CAT)
    picture(tmp_path / "n00000001" / "1.JPEG")
    with pytest.raises(DatasetError, match=r"n00000001: no synset of words\.txt"):
        open_dataset("imagenet", tmp_path, synsets="words.txt")
    text(tmp_path / "words.txt", SYNSETS + SYNSETS)
    with pytest.raises(DatasetError, match=r"words\.txt:4: synset n01440764 is there twice"):
        open_dataset("imagenet", tmp_path, synsets="words.txt")


def test_an_empty_folder_would_shift_the_classes_and_is_named(tmp_path):
    for name in ("a/1.png", "c/1.png"):
        picture(tmp_path / name)
    (tmp_path / ".thumbnails").mkdir()
    assert open_dataset("folder", tmp_path).classes == ("a", "c")
    (tmp_path / "b").mkdir()
    for kind in ("folder", "imagenet"):
        with pytest.raises(DatasetError, match=r"b: no pictures, in a folder beside those of classes"):
            open_dataset(kind, tmp_path)
    with pytest.raises(DatasetError, match="a: no folder for each identity"):
        open_dataset("folder", tmp_path / "a", queries=1)


def test_msmt17_version_2_has_another_folder(tmp_path):
    line = "0000/0000_000_11_0303morning_0015_0.jpg"
    for which in ("query", "gallery"):
        text(tmp_path / f"list_{which}.txt", f"{line} 0\n")
    picture(tmp_path / "mask_test_v2" / line)
    data = open_dataset("msmt17", tmp_path)
    data.check()
    assert data.items[0].path == tmp_path / "mask_test_v2" / line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": "five"}, "limit is 'five': a number from 0"),
        ({"limit": 2.5}, "limit is 2.5"),
        ({"limit": True}, "limit is True"),
        ({"queries": -1}, "queries is -1: a number from 0"),
        ({"root": 5}, "root is 5: text"),
        ({"root": None}, "root is None: text"),
    ],
)
def test_options_of_another_kind_are_refused(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        open_dataset("folder", **{"root": tmp_path, **options})
    with pytest.raises(UsageError, match="no kind of data set"):
        open_dataset(["folder"], tmp_path)


@pytest.mark.parametrize("line", ["1 nan 0.5 0.1 0.1", "1.5 0.5 0.5 0.1 0.1", "-1 0.5 0.5 0.1 0.1", "1 320 240 40 40"])
def test_labels_that_are_no_boxes_are_named_when_a_data_set_is_opened(tmp_path, line):
    picture(tmp_path / "images" / "a.png", (100, 50))
    with pytest.raises(DatasetError, match=r"labels: no such folder"):
        open_dataset("yolo", tmp_path)
    text(tmp_path / "labels" / "a.txt", f"1 0.5 0.5 0.2 0.4\n{line}\n")
    with pytest.raises(DatasetError, match=r"a\.txt:2: class, x, y, width, height, the last four from 0 to 1"):
        open_dataset("yolo", tmp_path)


@pytest.mark.parametrize("box", ["[NaN, 2, 3, 4]", "[1, 2, -3, 4]", "[1, 2, Infinity, 4]"])
def test_boxes_that_are_none_are_named_when_a_data_set_is_opened(tmp_path, box):
    entry = {"image_id": 9, "category_id": 18, "bbox": "BOX", "iscrowd": 0}
    content = {"images": [{"id": 9, "file_name": "9.jpg"}], "categories": [{"id": 18, "name": "dog"}]}
    path = tmp_path / "annotations" / "instances_val2017.json"
    text(path, json.dumps(content | {"annotations": [entry]}).replace('"BOX"', box))
    with pytest.raises(DatasetError, match=r"9\.jpg: a box from left and top to right and bottom, not"):
        open_dataset("coco", tmp_path)
    corners = "<xmin>8</xmin><xmax>1</xmax><ymin>2</ymin><ymax>6</ymax>"
    voc = f"<annotation><object><name>dog</name><bndbox>{corners}</bndbox></object></annotation>"
    text(tmp_path / "Annotations" / "000001.xml", voc)
    text(tmp_path / "ImageSets" / "Main" / "dog_test.txt", "000001 -1\n\n")
    with pytest.raises(DatasetError, match=r"000001\.xml: a box from left and top to right and bottom, not 7, 1, 0, 5"):
        open_dataset("voc2007", tmp_path, split="dog_test")


def test_lists_that_are_no_text_are_named(tmp_path):
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "test.txt").write_bytes(b"000\0001\n")
    with pytest.raises(DatasetError, match=r"test\.txt: no text"):
        open_dataset("voc2007", tmp_path)
    text(tmp_path / "annotations" / "instances_val2017.json", "[" * 200_000)
    with pytest.raises(DatasetError, match="no COCO annotations: "):
        open_dataset("coco", tmp_path)


def save(array, path, mode=None, **options):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)


RAMP = np.linspace(0, 255, 48).astype(np.uint8).reshape(6, 8)
FULL = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)


def test_pictures_of_all_kinds_become_three_colours_of_eight_bits(tmp_path):
    path = tmp_path / "a.png"
    save(RAMP, path)
    np.testing.assert_array_equal(read_picture(path), np.repeat(RAMP[:, :, None], 3, 2))
    save(RAMP.astype(np.uint16) * 257, path)
    np.testing.assert_array_equal(read_picture(path), np.repeat(RAMP[:, :, None], 3, 2))
    save(np.dstack([FULL, RAMP]), path)
    np.testing.assert_array_equal(read_picture(path), FULL)
    save(FULL, path, "P", palette=Image.Palette.ADAPTIVE)
    with Image.open(path) as image:
        image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path)
    np.testing.assert_allclose(read_picture(path), Image.open(path).convert("RGB"))
    save(FULL, tmp_path / "a.tif", "CMYK")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), FULL)
    Image.fromarray(FULL[..., 0].astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(DatasetError, match=r"f\.tif: samples of 32 bits: 8 or 16 are taken"):
        read_picture(tmp_path / "f.tif")


def test_a_picture_is_not_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(FULL).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert read_picture(tmp_path / "a.jpg").shape == FULL.shape


def test_a_picture_that_claims_to_be_enormous_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "a.ppm").write_bytes(b"P6 65535 65535 255\n")
    with pytest.raises(DatasetError, match=r"a\.ppm: 65535 x 65535 pixels: at most 67,108,864 are taken"):
        read_picture(tmp_path / "a.ppm")


def test_whatever_a_damaged_picture_does_to_its_reader_it_is_named(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    for suffix in ("png", "jpg", "bmp", "gif", "tif", "webp", "ppm"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(FULL).save(path)
        data = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(data[: rng.integers(len(data) + 1)] if rng.integers(2) else data)
            for _ in range(3):
                if damaged:
                    damaged[rng.integers(len(damaged))] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                assert read_picture(path).shape[2] == 3
            except DatasetError as error:
                assert str(error).startswith(str(path))
                assert "\n" not in str(error)
        path.write_bytes(b"")
        with pytest.raises(DatasetError, match=f"{suffix}: damaged, or no picture"):
            read_picture(path)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DatasetError, match=r"folder\.png: no plain file"):
        read_picture(tmp_path / "folder.png")

    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", forbidden)
    with pytest.raises(DatasetError, match=r"a\.png: Permission denied"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (5, "pre-processing 5: a name, or a mapping"),
        ({"like": ["imagenet"]}, "no pre-processing"),
        ({"height": 0}, "at least 1"),
        ({"height": 2.5}, "2.5 is no whole number"),
        ({"mean": [0.5]}, "mean has 3 values, or none"),
        ({"std": [1, 0, 1]}, "std has 3 values above 0, or none"),
        ({"mean": [float("nan"), 0, 0]}, "mean and std are finite"),
        ({"colours": "grey"}, "mean has 1 values, or none"),
        ({"divisor": 0}, "divisor is above 0"),
        ({"pad": 256}, "pad is 0 to 255"),
        ({"short_side": 200}, "short_side is at least height and width, to crop from"),
    ],
)
def test_pre_processing_that_makes_no_input_is_refused(choice, message):
    with pytest.raises(UsageError, match=message):
        preprocessing(choice)


def digits(labels, classes=()):
    pytest.importorskip("onnxruntime", reason="the network is run by onnxruntime")
    stored = mini_dataset("classification")
    items = [Item(item.id, item.path, label) for item, label in zip(stored.items, labels, strict=False)]

    class Some(Dataset):
        def picture(self, item):
            return stored.picture(item)

        def treatment(self, item):
            return stored.treatment(item)

    data = Some("digits", items, classes=classes)
    return Classification(data, mini_network("classification"), preprocessing("mini-digits"), {})


def test_classes_that_the_network_does_not_have_are_named_before_anything_runs():
    digits([0, 9], [str(i) for i in range(10)]).check()
    digits([-1, 9]).check()
    with pytest.raises(DatasetError, match=r"digit-001: class 10, the network has 10, from 0"):
        digits([1, 10]).check()
    with pytest.raises(DatasetError, match="digits has 2 synsets, the network 10 classes: name a list of all"):
        digits([0, 1], [FISH, DOG]).check()


def test_folders_that_are_not_the_classes_of_the_network_are_no_labels():
    for classes, judged in ((["cats", "dogs"], False), ([str(i) for i in range(10)], True), ([], True)):
        task = digits([0, 1], classes)
        task.check()
        outputs = {item: task.reference(item) for item in task.items()}
        scores = task.score("conv1", outputs, outputs)
        assert scores["fidelity"] == 1
        assert ("top1" in scores) is judged


def test_a_cut_that_is_none_is_found_before_anything_runs(monkeypatch):
    task = digits([0, 9])
    task.layers = task.network.cuts[:1]
    task.check()
    cut = task.cut(task.layers[0])
    back = cut.back
    monkeypatch.setattr(cut, "back", lambda features: back(features) * np.float32(1.1))
    with pytest.raises(
        NetworkError, match=rf"cut {task.layers[0]}: front and back differ from the whole network by 0\.1"
    ):
        task.check()
