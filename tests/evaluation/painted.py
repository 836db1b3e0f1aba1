"""Painted pictures in the layouts of data sets, and a network of a few lines of NumPy that finds what is painted.

Rectangles are red (class 0), green (1) and blue (2) on grey. The front of the network takes means over 2 x 2 samples.
"""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from refsw.evaluation.datasets import open_dataset
from refsw.evaluation.networks.base import Complexity
from refsw.evaluation.pictures import Colours, Fit, Preprocessing
from refsw.evaluation.tasks.opening import TASKS

COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]], np.float32) / 255
GREY = np.array([128, 128, 128], np.float32) / 255
HEIGHT, WIDTH = 32, 48
PLAIN = Preprocessing(HEIGHT, WIDTH, Fit.NONE, colours=Colours.RGB, mean=(), std=())


def painted(rectangles):
    """uint8 (32, 48, 3) with rectangles (left, top, right, bottom, class)."""
    picture = np.full((HEIGHT, WIDTH, 3), GREY * 255, np.uint8)
    for left, top, right, bottom, kind in rectangles:
        picture[top:bottom, left:right] = np.round(COLOURS[kind] * 255)
    return picture


def labels(rectangles, *, nothing=3):
    """uint8 (32, 48): the class of every sample."""
    found = np.full((HEIGHT, WIDTH), nothing, np.uint8)
    for left, top, right, bottom, kind in rectangles:
        found[top:bottom, left:right] = kind
    return found


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def moving(number):
    """Two objects that move, of which the second comes later."""
    first = (2 + 2 * number, 4, 12 + 2 * number, 14, 0)
    return [first, (30 - 2 * number, 18, 42 - 2 * number, 28, 0)] if number else [first]


def sequence_info(folder, rate):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={folder.name}\nframeRate={rate}\nimWidth={WIDTH}\n")


def mot_sequence(folder, count=4, rate=25):
    """A sequence in the layout of the MOT Challenge; the ground truth counts corners from 1."""
    sequence_info(folder, rate)
    lines = []
    for number in range(count):
        save(folder / "img1" / f"{number + 1:06d}.png", painted(moving(number)))
        for identity, (left, top, right, bottom, _) in enumerate(moving(number), 1):
            lines.append(f"{number + 1},{identity},{left + 1},{top + 1},{right - left},{bottom - top},1,1,1.0")
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")


def coco_file(path, pictures, categories):
    """A COCO file of {file name: rectangles}."""
    content = {"images": [], "annotations": [], "categories": [{"id": k, "name": v} for k, v in categories.items()]}
    ids = list(categories)
    for number, (name, rectangles) in enumerate(pictures.items(), 1):
        content["images"].append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for left, top, right, bottom, kind in rectangles:
            box = [left, top, right - left, bottom - top]
            entry = {"id": len(content["annotations"]) + 1, "image_id": number, "category_id": ids[kind]}
            content["annotations"].append(entry | {"iscrowd": 0, "bbox": box, "area": box[2] * box[3]})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return content


class Cut:
    tensors = ("means",)

    def __init__(self, network):
        self.network = network

    def front(self, images):
        count, channels, height, width = images.shape
        parts = images.reshape(count, channels, height // 2, 2, width // 2, 2)
        return {"means": parts.mean(axis=(3, 5), dtype=np.float32)}

    def back(self, features):
        return self.network.back(features["means"])

    def whole(self, images):
        return self.back(self.front(images))


class Network:
    """What is nearest to each colour: as scores, as boxes, or as heatmaps."""

    cuts, digest, metadata = ("means",), "0" * 64, {}

    def __init__(self, gives):
        self.gives = gives

    def cut(self, name):
        return Cut(self)

    def run(self, images):
        return Cut(self).whole(images)

    def complexity(self, name, images):
        return Complexity(images[0].size, images[0].size, images[0].size // 4)

    def back(self, means):
        palette = np.concatenate([COLOURS, GREY[None]])
        gaps = np.square(means[:, None] - palette[None, :, :, None, None]).sum(axis=2)  # (N, 4, h, w)
        scores = np.exp(-10 * gaps).astype(np.float32)
        if self.gives == "scores":
            return scores
        if self.gives == "heatmaps":
            return scores[:, :3]
        return self._boxes(scores[0])[None]

    def _boxes(self, scores):
        from scipy import ndimage

        best, rows = scores.argmax(axis=0), []
        for kind in range(3):
            numbers, _ = ndimage.label(best == kind)
            for place in ndimage.find_objects(numbers):
                confidence = float(scores[kind][place].mean())
                rows.append(
                    [2 * place[1].start, 2 * place[0].start, 2 * place[1].stop, 2 * place[0].stop, confidence, kind]
                )
        return np.array(rows, np.float32).reshape(-1, 6)


GIVES = {"segmentation": "scores", "keypoints": "heatmaps", "detection": "boxes", "tracking": "boxes"}


def open_task(condition):
    """A task of refsw with this network: options `of`, `dataset`, and those of the task."""
    given = dict(condition["options"])
    name, chosen = given.pop("of"), {key: value for key, value in given.items() if key != "dataset"}
    if GIVES[name] == "boxes":
        chosen = {"format": "boxes"} | chosen
    task = TASKS[name](open_dataset(**given["dataset"]), Network(GIVES[name]), PLAIN, chosen)
    task.layers = tuple(condition.get("layers", ()))
    return task
