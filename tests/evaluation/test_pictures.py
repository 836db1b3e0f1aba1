"""Pictures on their way into a network."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from refsw.errors import UsageError
from refsw.evaluation.datasets import open_dataset
from refsw.evaluation.errors import DatasetError
from refsw.evaluation.pictures import Fit, preprocessing, treatment

# 40 columns, 20 rows; red rises from left to right, green from top to bottom.
PICTURE = np.zeros((20, 40, 3), np.uint8)
PICTURE[..., 0] = 6 * np.arange(40)
PICTURE[..., 1] = 12 * np.arange(20)[:, None]
PLAIN = {"divisor": 1, "mean": [], "std": []}


def test_the_middle_is_taken_after_the_short_side_is_scaled():
    choice = preprocessing({"like": "imagenet", "short_side": 10, "width": 8, "height": 6, **PLAIN})
    tensor, geometry = choice.apply(PICTURE)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 6, 8), np.float32)
    # Scaled to 20 x 10; columns 6 to 13 and rows 2 to 7 stay.
    np.testing.assert_allclose(geometry.undo(np.array([[0.0, 0, 8, 6]])), [[12, 4, 28, 16]])
    np.testing.assert_allclose(tensor[0, 0, 0], 12 * np.arange(6, 14) + 3, atol=1)


def test_a_letterbox_keeps_the_proportions_and_fills_the_rest():
    tensor, geometry = preprocessing({"like": "yolox", "width": 20, "height": 20}).apply(PICTURE)
    assert tensor.shape == (1, 3, 20, 20)
    assert (tensor[0, :, 10:] == 114).all()
    np.testing.assert_allclose(tensor[0, 2, 0], 12 * np.arange(20) + 3, atol=1)  # blue comes first
    np.testing.assert_allclose(geometry.undo(np.array([[0.0, 0, 20, 10]])), [[0, 0, 40, 20]])


def test_stretching_scales_both_sides_freely():
    tensor, geometry = preprocessing({"like": "reid", "width": 10, "height": 10}).apply(PICTURE)
    assert tensor.shape == (1, 3, 10, 10)
    np.testing.assert_allclose(geometry.undo(np.array([[0.0, 0, 10, 10]])), [[0, 0, 40, 20]])


def test_mean_and_deviation_are_those_of_each_channel():
    choice = preprocessing({"fit": "none", "divisor": 2, "mean": [1, 2, 3], "std": [2, 4, 5]})
    assert choice.fit is Fit.NONE
    tensor, _ = choice.apply(np.full((2, 2, 3), 20, np.uint8))
    np.testing.assert_allclose(tensor[0, :, 0, 0], [4.5, 2, 1.4], rtol=1e-6)


def test_grey_pictures_go_into_networks_of_colours_and_back():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    tensor, _ = preprocessing("mini-digits").apply(grey)
    np.testing.assert_array_equal(tensor[0, 0], grey / np.float32(16))
    colours, _ = preprocessing({"fit": "none", **PLAIN}).apply(grey)
    assert (colours[0] == grey).all()


def test_a_picture_too_narrow_to_crop_from_is_refused():
    tensor, _ = preprocessing("imagenet").apply(np.zeros((1, 64, 3), np.uint8))
    assert tensor.shape == (1, 3, 224, 224)
    with pytest.raises(DatasetError, match="a picture of 5000 x 1 is too narrow"):
        preprocessing("imagenet").apply(np.zeros((1, 5000, 3), np.uint8))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("sharp", "no pre-processing sharp"),
        ({"blur": 1}, "no field blur: height"),
        ({"width": "wide"}, "'wide'"),
        ({"mean": 3}, "not iterable"),
        ({"colours": "cmyk"}, "'cmyk'"),
    ],
)
def test_what_does_not_exist_is_named(choice, message):
    with pytest.raises(UsageError, match=message):
        preprocessing(choice)


def unusual(folder):
    """Pictures by what is unusual of them."""
    rgb, turned = Image.fromarray(PICTURE), Image.Exif()
    turned[0x112] = 6
    ramp = np.arange(800, dtype=np.uint16).reshape(20, 40)
    made = {
        "an EXIF orientation": ("turned.jpg", rgb, {"exif": turned}),
        "colours in CMYK": ("cmyk.jpg", rgb.convert("CMYK"), {}),
        "samples of 16 bits": ("deep.png", Image.fromarray(ramp), {}),
        "transparency": ("clear.png", rgb.convert("RGBA"), {}),
        "several frames": ("moving.webp", rgb, {"save_all": True, "append_images": [rgb.rotate(180)]}),
    }
    for name, picture, options in made.values():
        picture.save(folder / name, **options)
    return {what: folder / entry[0] for what, entry in made.items()}


def test_what_becomes_of_unusual_pictures_is_said(tmp_path):
    for what, path in unusual(tmp_path).items():
        assert [told[: len(what)] for told in treatment(path)] == [what]
    for name in ("plain.png", "plain.jpg", "plain.bmp"):
        Image.fromarray(PICTURE).save(tmp_path / name)
        assert treatment(tmp_path / name) == []
    data = open_dataset("folder", tmp_path)
    data.check()
    assert len(data.notes) == 5
    assert "1 picture has an EXIF orientation, which is not applied: turned.jpg" in data.notes
