"""Informative: pictures of text: lines with what is written in them, and pages that are drawn here with a free font.

Drawn pages: words of a list in DejaVu (licence: dejavu-fonts.github.io, free), which Matplotlib ships, on paper of a
light shade with noise. The generator is frozen; what a release of FreeType makes of a font may differ in a few samples,
and a run tells its pictures by digests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from refsw.errors import UsageError
from refsw.evaluation.datasets.base import Dataset, Item, StoredDataset
from refsw.evaluation.datasets.files import existing, read_text
from refsw.evaluation.errors import DatasetError
from refsw.extras import optional
from refsw.tensor.axes import Array

FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold")
WORDS = (
    "feature", "tensor", "layer", "channel", "picture", "network", "coding", "level", "sample", "range", "payload",
    "header", "unit", "stream", "model", "packet", "delay", "battery", "server", "camera", "street", "bridge",
    "window", "garden", "winter", "summer", "market", "station", "number", "quick", "brown", "fox", "jumps", "over",
    "lazy", "dog", "five", "dozen", "liquor", "jugs", "sphinx", "black", "quartz", "judge", "vow", "Monday",
    "Tuesday", "2019", "2022", "4096", "65", "100%", "A-12",
)  # fmt: skip
HEIGHT, WIDTH, MARGIN = 384, 512, 16
SIZES = (14, 26)
LINE_HEIGHT, LINE_WIDTH = 48, 320
"""Lines as recognisers take them."""
SEED = 2024


def open_lines(name: str, root: Path, *, labels: str) -> Dataset:
    """Pictures of lines, and a list with a picture, a tab or a space, and its text in every line.

    Raises:
        DatasetError: there is no such list, or a line of it is none.
    """
    items = []
    for number, line in enumerate(read_text(existing(root) / labels).splitlines(), 1):
        if not line.strip():
            continue
        path, separator, text = line.partition("\t" if "\t" in line else " ")
        if not separator or not text:
            raise DatasetError(f"{root / labels}:{number}: a picture and its text, not {line!r}")
        items.append(Item(path, root / path, text=text))
    return Dataset(name, items)


def drawn(task: str) -> Dataset:
    """Pages with boxes around their lines, for detection; or lines with their text.

    Raises:
        UsageError: it is for another task.
    """
    if task == "detection":
        return pages(8)
    if task == "text":
        return lines(40)
    raise UsageError(f"no pages for {task}: detection, text")


def pages(count: int) -> Dataset:
    """Pages of 384 x 512 with a box around every line, class 0."""
    draw = np.random.RandomState(SEED)
    items, pictures = [], {}
    for number in range(count):
        paper, boxes = _paper(draw, HEIGHT, WIDTH), []
        top = MARGIN
        while top < HEIGHT - SIZES[1] - MARGIN:
            font, text = _font(draw), _words(draw, 2, 5)
            box = _write(draw, paper, text, font, draw.randint(MARGIN, 60), top)
            margin = font.size // 5  # as text is annotated, not as tight as ink
            boxes.append([box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin, 0.0, 0.0])
            top = int(box[3]) + draw.randint(10, 26)
        name = f"page-{number:03d}"
        pictures[name] = _noisy(draw, paper)
        items.append(Item(name, Path(name), boxes=np.array(boxes, np.float64)))
    return StoredDataset("pages", items, classes=("text",), pictures=pictures)


def lines(count: int) -> Dataset:
    """Lines of 48 x 320 with their text."""
    draw = np.random.RandomState(SEED + 1)
    items, pictures = [], {}
    for number in range(count):
        paper, font = _paper(draw, LINE_HEIGHT, LINE_WIDTH), _font(draw, 22, 27)
        text = _words(draw, 1, 4)
        while font.getlength(text) > LINE_WIDTH - 12:
            text = text.rpartition(" ")[0] or text[:-1]
        _write(draw, paper, text, font, draw.randint(3, 9), draw.randint(8, 14))
        name = f"line-{number:03d}"
        pictures[name] = _noisy(draw, paper)
        items.append(Item(name, Path(name), text=text))
    return StoredDataset("lines", items, pictures=pictures)


def _words(draw: np.random.RandomState, least: int, most: int) -> str:
    return " ".join(WORDS[i] for i in draw.randint(0, len(WORDS), draw.randint(least, most + 1)))


def _font(draw: np.random.RandomState, least: int = SIZES[0], most: int = SIZES[1]) -> Any:
    from PIL import ImageFont

    folder = Path(optional("matplotlib").get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / f"{FONTS[draw.randint(len(FONTS))]}.ttf", int(draw.randint(least, most)))


def _paper(draw: np.random.RandomState, height: int, width: int) -> Any:
    from PIL import Image

    return Image.new("RGB", (width, height), tuple(int(shade) for shade in draw.randint(200, 256, 3)))


def _write(draw: np.random.RandomState, paper: Any, text: str, font: Any, left: int, top: int) -> tuple[float, ...]:
    """Draw a line, and give the box of its ink."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(paper)
    while len(text) > 1 and left + font.getlength(text) > paper.width - 4:
        text = text.rpartition(" ")[0] or text[:-1]
    pen.text((left, top), text, fill=tuple(int(shade) for shade in draw.randint(0, 90, 3)), font=font)
    return tuple(float(value) for value in pen.textbbox((left, top), text, font=font))


def _noisy(draw: np.random.RandomState, paper: Any) -> Array:
    samples = np.asarray(paper).astype(np.int64)
    noisy: Array = np.clip(samples + draw.randint(-8, 9, samples.shape), 0, 255).astype(np.uint8)
    return noisy
