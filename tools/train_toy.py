"""Train the network of the toy conditions and write it to refsw/evaluation/data.

    python -m pip install 'refsw[anchors]' onnx
    python tools/train_toy.py                                  # a few minutes on one core
    python tools/train_toy.py --pictures FOLDER --output OUT   # the same network on pictures of one's own

The network is that of the ICME 2022 tutorial, part 1: five layers of 3x3 convolutions (8, 16, 32, 64, 128 channels),
batch normalization, ReLU and 2x2 max pooling, then fully connected ones. Written in six stages, of which five end at a
cut, with weights in binary16:

    toy-1.onnx  image (N, 3, H, W)         -> layer1 (N, 8, H/2, W/2)
    ...
    toy-5.onnx  layer4                     -> layer5 (N, 128, H/32, W/32)
    toy-6.onnx  layer5                     -> logits (N, classes)

Without --pictures it tells odd digits from even ones in clutter (`refsw.evaluation.toy`); digits as for
tools/train_digits.py, 1297 of which train. With it, FOLDER/train and FOLDER/test hold a folder of pictures of one size
for each class (of `--classes`, cat and dog): the tutorial's own task, on CIFAR-10 or Kaggle's pictures. Then toy.onnx
is written too, which conditions can name: `{kind: onnx, path: OUT/toy.onnx, cuts: {layer1: layer1, ...}}`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from train_digits import DATA, SEED, TRAINING_IMAGES, folded, write

from refsw.evaluation.networks import StagedNetwork
from refsw.evaluation.pictures import read_picture
from refsw.evaluation.toy import composed, toy_dataset

CHANNELS = (3, 8, 16, 32, 64, 128)
HIDDEN, RATE, BATCH, EPOCHS, COPIES = 128, 4e-3, 64, 8, 4
OPSET, IR_VERSION, PRODUCER = 13, 8, "refsw tools/train_toy.py"


class ToyNetwork(nn.Module):
    """Five convolutions, two linear layers; `places` of the fifth are what the first linear layer takes."""

    def __init__(self, places: int, classes: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(CHANNELS[i], CHANNELS[i + 1], 3, padding=1, bias=False) for i in range(5)
        )
        self.normalizations = nn.ModuleList(nn.BatchNorm2d(channels) for channels in CHANNELS[1:])
        self.hidden, self.classifier = nn.Linear(CHANNELS[-1] * places, HIDDEN), nn.Linear(HIDDEN, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            x = functional.max_pool2d(functional.relu(normalization(convolution(x))), 2)
        x = functional.relu(self.hidden(x.flatten(1)))
        return self.classifier(functional.dropout(x, 0.3, self.training))


def normalised(pictures: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, 3) -> (N, 3, H, W), as the pre-processing `toy` has it."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float().div(255).sub(0.5).div(0.25)


def train(network: ToyNetwork, pictures: np.ndarray, labels: np.ndarray, *, mirrored: bool) -> ToyNetwork:
    rng, steps = np.random.default_rng(SEED), EPOCHS * (len(pictures) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    for epoch in range(EPOCHS):
        loss, order = torch.zeros(()), rng.permutation(len(pictures))
        for chosen in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            batch = pictures[chosen][:, :, :: -1 if mirrored and rng.random() < 0.5 else 1]
            loss = functional.cross_entropy(network(normalised(batch)), torch.from_numpy(labels[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}", flush=True)
    return network.eval()


def stages(network: ToyNetwork, side: int) -> list[onnx.ModelProto]:
    """The six stages as ONNX models."""
    files = []
    for i, (convolution, normalization) in enumerate(zip(network.convolutions, network.normalizations, strict=True)):
        source, target = "image" if i == 0 else f"layer{i}", f"layer{i + 1}"
        weight, bias = folded(convolution, normalization)
        nodes = [
            helper.make_node("Conv", [source, "weight", "bias"], ["sum"], kernel_shape=[3, 3], pads=[1] * 4),
            helper.make_node("Relu", ["sum"], ["positive"]),
            helper.make_node("MaxPool", ["positive"], [target], kernel_shape=[2, 2], strides=[2, 2]),
        ]
        places = (side >> i, side >> (i + 1))
        shapes = ["N", CHANNELS[i], places[0], places[0]], ["N", CHANNELS[i + 1], places[1], places[1]]
        files.append(model(nodes, {"weight": weight, "bias": bias}, (source, shapes[0]), (target, shapes[1])))
    nodes = [
        helper.make_node("Flatten", ["layer5"], ["flat"]),
        helper.make_node("Gemm", ["flat", "hidden.weight", "hidden.bias"], ["sum"], transB=1),
        helper.make_node("Relu", ["sum"], ["positive"]),
        helper.make_node("Gemm", ["positive", "classifier.weight", "classifier.bias"], ["logits"], transB=1),
    ]
    weights = {
        name: value.detach().numpy()
        for name, value in network.named_parameters()
        if name.startswith(("hidden", "classifier"))
    }
    shapes = ["N", CHANNELS[-1], side >> 5, side >> 5], ["N", len(network.classifier.bias)]
    return [*files, model(nodes, weights, ("layer5", shapes[0]), ("logits", shapes[1]))]


def model(
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    source: tuple[str, list[int | str]],
    target: tuple[str, list[int | str]],
) -> onnx.ModelProto:
    halves = [numpy_helper.from_array(array.astype(np.float16), f"{name}.half") for name, array in constants.items()]
    casts = [helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT) for name in constants]
    graph = helper.make_graph(
        [*casts, *nodes],
        f"toy {source[0]} to {target[0]}",
        [helper.make_tensor_value_info(source[0], TensorProto.FLOAT, source[1])],
        [helper.make_tensor_value_info(target[0], TensorProto.FLOAT, target[1])],
        halves,
    )
    result = helper.make_model(
        graph,
        producer_name=PRODUCER,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(result, full_check=True)
    return result


def whole(parts: list[onnx.ModelProto]) -> onnx.ModelProto:
    """The stages as one model, in which layer1 to layer5 are tensors."""
    apart = [
        compose.add_prefix(part, f"stage{number}.", rename_inputs=False, rename_outputs=False)
        for number, part in enumerate(parts, 1)
    ]
    graph = helper.make_graph(
        [node for part in apart for node in part.graph.node],
        "toy",
        list(parts[0].graph.input),
        list(parts[-1].graph.output),
        [tensor for part in apart for tensor in part.graph.initializer],
    )
    joined = helper.make_model(
        graph, producer_name=PRODUCER, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(joined, full_check=True)
    return joined


def pictures_of(folder: Path, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    places = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())]
    found = [(read_picture(path), label) for path, label in places]
    return np.stack([picture for picture, _ in found]), np.array([label for _, label in found], np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=DATA)
    parser.add_argument("--pictures", type=Path, help="folder with train/ and test/")
    parser.add_argument("--classes", nargs="+", default=["cat", "dog"])
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)

    if options.pictures is None:
        digits = load_digits()
        order = np.random.default_rng(SEED).permutation(len(digits.images))[:TRAINING_IMAGES]
        images = np.concatenate([digits.images[order]] * COPIES).astype(np.uint8)
        labels = np.concatenate([digits.target[order] % 2] * COPIES).astype(np.int64)
        pictures = np.stack(list(composed(images, seed=SEED + 1)))
        data = toy_dataset()
        tests = np.stack([data.picture(item) for item in data.items])
        truths = np.array([item.label for item in data.items])
    else:
        pictures, labels = pictures_of(options.pictures / "train", options.classes)
        tests, truths = pictures_of(options.pictures / "test", options.classes)
    side = tests.shape[1]
    network = ToyNetwork((side >> 5) ** 2, len(set(truths.tolist())))
    train(network, pictures, labels, mirrored=options.pictures is not None)

    options.output.mkdir(parents=True, exist_ok=True)
    parts = stages(network, side)
    files = [options.output / f"toy-{number}.onnx" for number in range(1, len(parts) + 1)]
    for path, part in zip(files, parts, strict=True):
        write(path, part.SerializeToString(deterministic=True))
    if options.pictures is not None:
        write(options.output / "toy.onnx", whole(parts).SerializeToString(deterministic=True))
    scores = StagedNetwork(files).run(normalised(tests).numpy())
    print(f"accuracy: {100 * (scores.argmax(axis=1) == truths).mean():.1f} % of the {len(truths)} held-out pictures")


if __name__ == "__main__":
    main()
