"""Train the digit classifier of the mini conditions and write it to refsw/evaluation/data.

    python -m pip install 'refsw[anchors]' onnx
    python tools/train_digits.py                  # less than a minute on one core
    python tools/train_digits.py --output FOLDER  # elsewhere, to compare

Network: the 8x8 image enlarged to 32x32, four 3x3 convolutions with ReLU (conv1 to conv4, the last three
with stride 2), global average, one linear layer. Batch normalization is folded into the convolutions.
It is written in five stages, each a small ONNX file that goes from one cut to the next:

    digits-1.onnx  image (N, 1, 8, 8)     -> conv1 (N, 16, 32, 32)
    digits-2.onnx  conv1                  -> conv2 (N, 32, 16, 16)
    digits-3.onnx  conv2                  -> conv3 (N, 64, 8, 8)
    digits-4.onnx  conv3                  -> conv4 (N, 128, 4, 4)
    digits-5.onnx  conv4                  -> logits (N, 10)

so that a cut at any depth is a place in the chain and no weight is stored twice.

Images: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository,
doi:10.24432/C50P49, licence CC BY 4.0; taken from scikit-learn's `load_digits` (the 1797 images of the test set
of UCI). 1297 of them train the network, 500 are held out; tools/train_mini.py selects pictures from these.

Seeded, one thread: the same versions of torch and onnx on the same machine give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from refsw.evaluation.networks import StagedNetwork

SEED = 2019
CHANNELS = (1, 16, 32, 64, 128)
TRAINING_IMAGES = 1297
EPOCHS, BATCH = 24, 32
OPSET, IR_VERSION = 13, 8
DATA = Path(__file__).resolve().parent.parent / "refsw" / "evaluation" / "data"


class DigitsNetwork(nn.Module):
    """Four convolutions at 32x32, 16x16, 8x8 and 4x4, then a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(CHANNELS[i], CHANNELS[i + 1], 3, stride=1 if i == 0 else 2, padding=1, bias=False)
            for i in range(4)
        )
        self.normalizations = nn.ModuleList(nn.BatchNorm2d(channels) for channels in CHANNELS[1:])
        self.classifier = nn.Linear(CHANNELS[-1], 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 1, 8, 8) -> (N, 10)."""
        x = functional.interpolate(image, scale_factor=4, mode="bilinear", align_corners=False)
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            x = functional.relu(normalization(convolution(x)))
        return self.classifier(x.mean(dim=(2, 3)))


def train(images: torch.Tensor, labels: torch.Tensor) -> DigitsNetwork:
    network = DigitsNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images))
        for batch in order[: len(images) // BATCH * BATCH].view(-1, BATCH):
            loss = functional.cross_entropy(network(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
    return network.eval()


def folded(convolution: nn.Conv2d, normalization: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the convolution that does the work of both."""
    scale = normalization.weight / torch.sqrt(normalization.running_var + normalization.eps)
    weight = convolution.weight * scale[:, None, None, None]
    bias = normalization.bias - normalization.running_mean * scale
    return weight.detach().numpy(), bias.detach().numpy()


def stages(network: DigitsNetwork) -> list[bytes]:
    """The five stages as ONNX files."""
    files = []
    sizes = (8, 32, 16, 8, 4)
    for i, (convolution, normalization) in enumerate(zip(network.convolutions, network.normalizations, strict=True)):
        source, target = ("image" if i == 0 else f"conv{i}"), f"conv{i + 1}"
        weight, bias = folded(convolution, normalization)
        nodes, constants, x = [], {"weight": weight, "bias": bias}, source
        if i == 0:
            constants["scales"] = np.array([1, 1, 4, 4], np.float32)
            nodes.append(
                helper.make_node(
                    "Resize", [x, "", "scales"], ["enlarged"],
                    mode="linear", coordinate_transformation_mode="half_pixel",
                )
            )  # fmt: skip
            x = "enlarged"
        stride = 1 if i == 0 else 2
        nodes.append(
            helper.make_node(
                "Conv", [x, "weight", "bias"], ["sum"], kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4
            )
        )
        nodes.append(helper.make_node("Relu", ["sum"], [target]))
        shapes = ["N", CHANNELS[i], sizes[i], sizes[i]], ["N", CHANNELS[i + 1], sizes[i + 1], sizes[i + 1]]
        files.append(model(nodes, constants, (source, shapes[0]), (target, shapes[1])))
    nodes = [
        helper.make_node("GlobalAveragePool", ["conv4"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
    ]
    weights = {name: value.detach().numpy() for name, value in network.classifier.named_parameters()}
    files.append(model(nodes, weights, ("conv4", ["N", CHANNELS[-1], 4, 4]), ("logits", ["N", 10])))
    return files


def model(
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    source: tuple[str, list[int | str]],
    target: tuple[str, list[int | str]],
) -> bytes:
    graph = helper.make_graph(
        nodes,
        f"digits {source[0]} to {target[0]}",
        [helper.make_tensor_value_info(source[0], TensorProto.FLOAT, source[1])],
        [helper.make_tensor_value_info(target[0], TensorProto.FLOAT, target[1])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    result = helper.make_model(
        graph,
        producer_name="refsw tools/train_digits.py",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(result, full_check=True)
    return result.SerializeToString(deterministic=True)


def hardest(logits: np.ndarray, count: int) -> np.ndarray:
    """The images with the smallest margin between the two best classes, in their own order."""
    ranked = np.sort(logits, axis=1)
    return np.sort(np.argsort(ranked[:, -1] - ranked[:, -2], kind="stable")[:count])


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of a compressed .npz; without the time of day that numpy's own has."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    return out.getvalue()


def write(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".part")
    beside.write_bytes(data)
    beside.replace(path)
    print(f"{path}: {len(data):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=DATA)
    output: Path = parser.parse_args().output
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)

    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.images))
    images = digits.images[order].astype(np.uint8)
    labels = digits.target[order].astype(np.uint8)
    inputs = torch.from_numpy(images[:, None] / np.float32(16))
    network = train(inputs[:TRAINING_IMAGES], torch.from_numpy(labels[:TRAINING_IMAGES].astype(np.int64)))

    output.mkdir(parents=True, exist_ok=True)
    files = [output / f"digits-{number}.onnx" for number in range(1, 6)]
    for path, data in zip(files, stages(network), strict=True):
        write(path, data)

    with torch.no_grad():
        logits = network(inputs[TRAINING_IMAGES:]).numpy()
    correct = logits.argmax(axis=1) == labels[TRAINING_IMAGES:]
    difference = np.abs(StagedNetwork(files).run(inputs[TRAINING_IMAGES:].numpy()) - logits).max()
    print(f"accuracy: {100 * correct.mean():.1f} % of the {len(correct)} held-out images")
    print(f"the files differ from the network as trained by at most {difference:.1e}")
    if difference > 1e-3:
        raise SystemExit("the files are not the network")


if __name__ == "__main__":
    main()
