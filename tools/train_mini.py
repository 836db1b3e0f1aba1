"""Make what the mini conditions need beside the digit classifier, and write it to refsw/evaluation/data.

    python -m pip install 'refsw[anchors]'
    python tools/train_mini.py                  # a few minutes on one core
    python tools/train_mini.py --output FOLDER  # elsewhere, to compare

Retrieval: the digit classifier (tools/train_digits.py) up to conv4, then `mini-embedding.onnx`, its global average,
as MM'19 takes the features of a classification network. mini-retrieval.npz holds 40 queries and 160 references from
the 500 digits that were held out when that network was trained; the queries are those with the worst ranking.

Classification: the digit classifier itself. mini-classification.npz holds 128 noisy copies of held-out digits that it
only just gets right (smallest margin between its two best classes): on easy ones, hardly any loss of the features
changes the class, and a curve over the QP would say nothing; with wrong ones among them, coding would mend as many as
it breaks.

Detection: digits of 14 to 40 pixels on a shaded, noisy canvas of 96x96; a small one-stage detector with a feature
pyramid, in five stages:

    mini-detector-1.onnx  image (N, 1, 96, 96) -> conv1 (N, 16, 48, 48)
    mini-detector-2.onnx  conv1                -> conv2 (N, 24, 24, 24)
    mini-detector-3.onnx  conv2                -> conv3 (N, 48, 12, 12)
    mini-detector-4.onnx  conv3                -> p3 (N, 24, 12, 12), p4 (N, 24, 6, 6), the pyramid
    mini-detector-5.onnx  p3, p4               -> output (N, 180, 15): x, y, w, h, object, ten classes

`output` is laid out as YOLOX lays it out: the centre is (x, y) + the cell, the size is exp(w, h), both times the
stride; the object and class scores have had their sigmoid. mini-detection.npz holds 24 scenes made of held-out
digits, and their boxes. The metadata of each file give its multiply-accumulates for one image.

Images: see tools/train_digits.py. Seeded, one thread: the same versions of torch and onnx on the same machine give
the same bytes.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from train_digits import DATA, SEED, TRAINING_IMAGES, hardest, npz, write

from refsw.evaluation.mini import mini_network
from refsw.evaluation.retrieval import rank

CANVAS, SIZES, STRIDES = 96, (14, 41), (8, 16)
LARGEST_FINE = 24  # objects up to this size belong to the finer level
CHANNELS, WIDTH = (1, 16, 24, 48, 64), 24
STEPS, BATCH = 2600, 16
NOISE, COPIES, HARD = 3.5, 4, 128
QUERIES, REFERENCES, SCENES = 40, 160, 24
OPSET = 13


def placed(digit: np.ndarray, size: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """A digit enlarged to size x size, 0 to 1, and the box of its ink."""
    image = functional.interpolate(
        torch.from_numpy(digit[None, None].astype(np.float32) / 16), size=(size, size), mode="bilinear"
    )[0, 0].numpy()
    rows, columns = (np.flatnonzero((image > 0.2).any(axis=axis)) for axis in (1, 0))
    return image, (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def scene(rng: np.random.Generator, digits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A canvas, uint8, and its objects: left, top, right, bottom, class, 0."""
    shade = np.linspace(*rng.uniform(0, 0.35, 2), CANVAS)
    canvas = shade[:, None] if rng.random() < 0.5 else shade[None]
    canvas = np.broadcast_to(canvas, (CANVAS, CANVAS)) + rng.normal(0, 0.04, (CANVAS, CANVAS))
    boxes: list[list[float]] = []
    for _ in range(rng.integers(2, 7)):
        chosen, size = rng.integers(len(digits)), int(rng.integers(*SIZES))
        left, top = (int(v) for v in rng.integers(0, CANVAS - size, 2))
        ink, (x0, y0, x1, y1) = placed(digits[chosen], size)
        box = [left + x0, top + y0, left + x1, top + y1]
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes):
            continue
        part = canvas[top : top + size, left : left + size]
        part += ink * (rng.uniform(0.55, 1) - part)
        boxes.append([*box, float(labels[chosen]), 0])
    return np.clip(np.round(canvas * 255), 0, 255).astype(np.uint8), np.array(boxes, np.float64)


class Detector(nn.Module):
    """Four convolutions with stride 2, a pyramid of two levels, one head for both."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleList(
            nn.Sequential(nn.Conv2d(CHANNELS[i], CHANNELS[i + 1], 3, 2, 1, bias=False), nn.BatchNorm2d(CHANNELS[i + 1]))
            for i in range(4)
        )
        self.lateral3, self.lateral4 = nn.Conv2d(CHANNELS[3], WIDTH, 1), nn.Conv2d(CHANNELS[4], WIDTH, 1)
        self.smooth3, self.smooth4 = nn.Conv2d(WIDTH, WIDTH, 3, 1, 1), nn.Conv2d(WIDTH, WIDTH, 3, 1, 1)
        self.tower, self.head = nn.Conv2d(WIDTH, 2 * WIDTH, 3, 1, 1), nn.Conv2d(2 * WIDTH, 15, 1)

    def stage(self, number: int, tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """What the files of the stages do."""
        if number < 3:
            return (functional.relu(self.backbone[number](tensors[0])),)
        if number == 3:
            conv4 = functional.relu(self.backbone[3](tensors[0]))
            coarse = self.lateral4(conv4)
            fine = self.lateral3(tensors[0]) + functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
            return functional.relu(self.smooth3(fine)), functional.relu(self.smooth4(coarse))
        levels = [self.head(functional.relu(self.tower(level))) for level in tensors]
        joined = torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)
        return (torch.cat([joined[..., :4], joined[..., 4:].sigmoid()], dim=2),)

    def raw(self, image: torch.Tensor) -> torch.Tensor:
        """The output before its sigmoid, for training."""
        tensors: tuple[torch.Tensor, ...] = (image,)
        for number in range(4):
            tensors = self.stage(number, tensors)
        levels = [self.head(functional.relu(self.tower(level))) for level in tensors]
        return torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)


def cells() -> tuple[torch.Tensor, torch.Tensor]:
    """Corner (column, row) and stride of each place of the output."""
    corners, strides = [], []
    for stride in STRIDES:
        side = CANVAS // stride
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        corners.append(torch.stack([columns.flatten(), rows.flatten()], 1).float())
        strides.append(torch.full((side * side,), float(stride)))
    return torch.cat(corners), torch.cat(strides)


def targets(boxes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which object each place is to find (-1: none), its coded box, and its class."""
    corners, strides = cells()
    owner = torch.full((len(corners),), -1)
    coded, kinds = torch.zeros(len(corners), 4), torch.zeros(len(corners), dtype=torch.long)
    for i, (x0, y0, x1, y1, kind, _) in enumerate(boxes.tolist()):
        centre, size = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2]), torch.tensor([x1 - x0, y1 - y0])
        stride = STRIDES[0] if float(size.max()) <= LARGEST_FINE else STRIDES[1]
        distance = ((corners + 0.5) * strides[:, None] - centre).abs().max(dim=1).values
        mine = (strides == stride) & (distance <= max(0.6 * stride, float(distance[strides == stride].min()) + 1e-3))
        owner[mine], kinds[mine] = i, int(kind)
        coded[mine] = torch.cat([centre / stride - corners[mine], (size / stride).log().expand(int(mine.sum()), 2)], 1)
    return owner, coded, kinds


def train(digits: np.ndarray, labels: np.ndarray) -> Detector:
    network = Detector()
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, STEPS)
    rng = np.random.default_rng(SEED)
    for step in range(STEPS):
        scenes = [scene(rng, digits, labels) for _ in range(BATCH)]
        wanted = [targets(boxes) for _, boxes in scenes]
        owner, coded, kinds = (torch.stack(part) for part in zip(*wanted, strict=True))
        out = network.raw(torch.from_numpy(np.stack([canvas for canvas, _ in scenes])[:, None]).float() / 255)
        positive = owner >= 0
        objects = functional.binary_cross_entropy_with_logits(out[..., 4], positive.float(), reduction="sum")
        place = functional.smooth_l1_loss(out[..., :4][positive], coded[positive], reduction="sum", beta=0.1)
        classes = functional.cross_entropy(out[..., 5:][positive], kinds[positive], reduction="sum")
        hot = functional.one_hot(kinds[positive], 10).float()
        scores = functional.binary_cross_entropy_with_logits(out[..., 5:][positive], hot, reduction="sum")
        loss = (objects + 2 * place + 0.5 * classes + scores) / positive.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
    return network.eval()


def fold(network: Detector) -> None:
    """Batch normalization into the convolutions before it."""
    for number, (convolution, normalization) in enumerate(network.backbone):
        network.backbone[number] = nn.utils.fuse_conv_bn_eval(convolution, normalization)


class Stage(nn.Module):
    """One stage of the detector, for export."""

    def __init__(self, network: Detector, number: int) -> None:
        super().__init__()
        self.network, self.number = network, number

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Tensors of one cut -> tensors of the next."""
        return self.network.stage(self.number, tensors)


def multiplications(module: nn.Module, tensors: tuple[torch.Tensor, ...]) -> int:
    """Multiply-accumulates of the convolutions."""
    total = 0

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0].numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d)]
    module(*tensors)
    for hook in hooks:
        hook.remove()
    return total


def export(network: Detector) -> list[bytes]:
    fold(network)
    names = [("image",), ("conv1",), ("conv2",), ("conv3",), ("p3", "p4"), ("output",)]
    tensors: tuple[torch.Tensor, ...] = (torch.zeros(1, 1, CANVAS, CANVAS),)
    files = []
    for number in range(5):
        stage = Stage(network, number).eval()
        sources, results = names[number], names[number + 1]
        macs = multiplications(stage, tensors)
        buffer = io.BytesIO()
        torch.onnx.export(
            stage,
            tensors,
            buffer,
            input_names=list(sources),
            output_names=list(results),
            dynamic_axes={name: {0: "N"} for name in (*sources, *results)},
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load_from_string(buffer.getvalue())
        model.producer_name, model.producer_version = "refsw tools/train_mini.py", ""
        helper.set_model_props(model, {"macs": str(macs)})
        onnx.checker.check_model(model, full_check=True)
        files.append(model.SerializeToString(deterministic=True))
        with torch.no_grad():
            tensors = stage(*tensors)
    return files


def embedding() -> bytes:
    """conv4 of the digit classifier -> its average over the places."""
    shapes = [("conv4", ["N", 128, 4, 4]), ("embedding", ["N", 128])]
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["conv4"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["embedding"]),
        ],
        "digits conv4 to embedding",
        [helper.make_tensor_value_info(shapes[0][0], onnx.TensorProto.FLOAT, shapes[0][1])],
        [helper.make_tensor_value_info(shapes[1][0], onnx.TensorProto.FLOAT, shapes[1][1])],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="refsw tools/train_mini.py", opset_imports=opset, ir_version=8)
    helper.set_model_props(model, {"macs": "0"})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def classification_set(digits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The hardest of the noisy copies that are classified rightly."""
    digits, labels = np.tile(digits, (COPIES, 1, 1)), np.tile(labels, COPIES)
    noisy = digits + np.random.default_rng(SEED).normal(0, NOISE, digits.shape)
    noisy = np.clip(np.round(noisy), 0, 16).astype(np.uint8)
    logits = mini_network("classification").run(noisy[:, None].astype(np.float32) / 16)
    right = logits.argmax(axis=1) == labels
    hard = np.flatnonzero(right)[hardest(logits[right], HARD)]
    print(f"classification: {right.mean():.3f} of the noisy copies are right")
    return {"images": noisy[hard], "labels": labels[hard]}


def retrieval_set(digits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """References are the first of the held-out digits; queries the worst ranked of the rest."""
    vectors = mini_network("retrieval").run(digits[:, None].astype(np.float32) / 16)
    references = slice(0, REFERENCES)
    rankings = rank(vectors[REFERENCES:], vectors[references])
    right = labels[references][rankings] == labels[REFERENCES:, None]
    places = np.arange(1, REFERENCES + 1)
    precision = (right * np.cumsum(right, axis=1) / places).sum(axis=1) / right.sum(axis=1)
    queries = REFERENCES + np.sort(np.argsort(precision, kind="stable")[:QUERIES])
    print(f"retrieval: mAP {precision.mean():.3f} over all held-out digits")
    return {
        "queries": digits[queries],
        "query_labels": labels[queries],
        "references": digits[references],
        "reference_labels": labels[references],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=DATA)
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)

    stored = load_digits()
    order = np.random.default_rng(SEED).permutation(len(stored.images))  # as in train_digits.py
    digits, labels = stored.images[order].astype(np.uint8), stored.target[order].astype(np.uint8)
    held_out = digits[TRAINING_IMAGES:], labels[TRAINING_IMAGES:]
    write(output / "mini-classification.npz", npz(classification_set(*held_out)))
    write(output / "mini-embedding.onnx", embedding())
    write(output / "mini-retrieval.npz", npz(retrieval_set(*held_out)))

    rng = np.random.default_rng(SEED + 1)
    scenes = [scene(rng, *held_out) for _ in range(SCENES)]
    arrays = {
        "scenes": np.stack([canvas for canvas, _ in scenes]),
        "boxes": np.concatenate([boxes for _, boxes in scenes]),
        "counts": np.array([len(boxes) for _, boxes in scenes]),
    }
    write(output / "mini-detection.npz", npz(arrays))
    network = train(digits[:TRAINING_IMAGES], labels[:TRAINING_IMAGES])
    for number, data in enumerate(export(network), 1):
        write(output / f"mini-detector-{number}.onnx", data)


if __name__ == "__main__":
    main()
