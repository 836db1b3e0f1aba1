"""Trainings: networks from seeds, resumption, stage 1 of adversarial reuse, and what is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refsw.errors import UsageError
from refsw.learning import adversarial, multireuse, networks
from refsw.learning.training import Descent, History, Training, cross_entropy, drawn
from tests.learning.networks_at_hand import generator, torch

ROOT = Path(__file__).resolve().parents[2]
SHAPE = networks.Shape(1, 8, (4, "pool", 6, "pool"), 5, 3)
CODE = """
import os, signal, sys
import torch
from pathlib import Path
from tests.learning.test_learning_training import trained
torch.set_num_threads(1)
for epoch in range(4):  # of a process that imports PyTorch once, a child for each epoch
    child = os.fork()
    if not child:
        trained(Path(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
print(trained(Path(sys.argv[1])))
"""


def trained(checkpoint: Path | None, tick=lambda: None) -> str:
    """A reuse of one source by a target with batch normalisation, in 4 epochs; the weights at the end in words."""
    network, source = networks.new_network(SHAPE, 1), networks.new_network(SHAPE, 2)
    pictures = torch.randn((30, 1, 8, 8), generator=generator(3))
    target = multireuse.Target(pictures, torch.arange(12) % 3)
    with torch.no_grad():
        own = networks.forward(network, pictures, ("pool2", "hidden"))[0]
    reuse = multireuse.Reuse(layers=("pool2", "hidden"), learn_alpha=True)
    theirs = networks.features_of(source, pictures, reuse.layers)
    matrices = multireuse.Matrices([theirs, theirs], own, reuse)
    draws, history = generator(4), History()
    descent = Descent([(list(network.parameters()), 1), (list(matrices.module.parameters()), 10)], 1e-2, 20)

    def step(number: int) -> None:
        chosen = multireuse.batches(target, (4, 6), draws)
        loss = multireuse.objective(
            network, target, chosen, layers=reuse.layers, gamma=reuse.gamma, extra=matrices.loss
        )
        descent.step(loss)
        history.log(number, loss=float(loss.detach()))

    network.train()
    parts = {"network": network, "matrices": matrices.module, "descent": descent, "history": history}
    Training(parts, draws, 20, 5, checkpoint, tick).run(step)
    state = {name: value.tobytes().hex() for name, value in networks.state_of(network).items()}
    return repr((state, history.values))


def test_a_training_that_is_killed_after_each_epoch_ends_with_the_same_weights_to_the_bit(tmp_path):
    words = [sys.executable, "-c", CODE, str(tmp_path / "kept.pt")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == trained(None)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    kept = tmp_path / "kept.pt"
    kept.write_bytes(b"no checkpoint")
    with pytest.raises(UsageError, match=r"kept.pt: no checkpoint of this training"):
        trained(kept)
    os.unlink(kept)
    layer = torch.nn.Linear(2, 2)
    Training({"layer": layer}, generator(), 2, 1, kept).run(lambda number: None)
    with pytest.raises(UsageError, match=r"kept.pt: no checkpoint of this training"):
        trained(kept)


def test_weights_come_from_the_seed_and_the_process_keeps_its_own_random_numbers():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (networks.state_of(networks.new_network(SHAPE, seed)) for seed in (1, 1, 2))
    trained(None)
    assert torch.equal(torch.rand(3), wanted)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["conv1.0.weight"], other["conv1.0.weight"])


def test_initial_weights_are_those_of_pytorch():
    ours = networks.new_network(networks.Shape(1, 8, (200, "pool"), 100, 10), 1)
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 200, 3, bias=False), torch.nn.Linear(200 * 16, 100), torch.nn.Linear(100, 10)
    )
    for one, other in ((ours.conv1[0], theirs[0]), (ours.hidden[1], theirs[1]), (ours.classes, theirs[2])):
        mine, wanted = one.weight.detach(), other.weight.detach()
        assert mine.abs().max() == pytest.approx(float(wanted.abs().max()), rel=0.02)
        assert mine.std() == pytest.approx(float(wanted.std()), rel=0.1)


def test_a_network_cut_at_a_layer_is_the_network():
    network = networks.new_network(SHAPE, 1).eval()
    pictures = torch.randn((4, 1, 8, 8), generator=generator())
    with torch.no_grad():
        for layer in ("conv1", "pool1", "conv2", "pool2", "hidden"):
            front, back = networks.split_at(network, layer)
            assert torch.equal(back(front(pictures)), network(pictures))
            assert torch.equal(networks.forward(network, pictures, (layer,))[0][layer], front(pictures))
        highest = 0.5
        ranged = networks.with_range(network, "conv1", highest)
        front, _ = networks.split_at(ranged, networks.RANGE)
        assert front(pictures).max() == highest
    for layer in ("classes", "pool3"):
        with pytest.raises(UsageError, match=f"no layer {layer} to cut at: conv1, pool1, conv2, pool2, hidden"):
            networks.split_at(network, layer)
    with pytest.raises(UsageError, match="no layer pool3: conv1"):
        networks.forward(network, pictures, ("pool3",))


def test_too_much_pooling_is_refused():
    with pytest.raises(UsageError, match="pictures of 8x8 are too small for 4 times pooling"):
        networks.new_network(networks.Shape(1, 8, ("pool", "pool", 4, "pool", "pool"), 5, 3), 1)


def test_a_state_travels_as_arrays():
    one, other = networks.new_network(SHAPE, 1), networks.new_network(SHAPE, 2)
    state = networks.state_of(one)
    assert state["conv1.1.num_batches_tracked"].shape == ()
    pictures = torch.randn((4, 1, 8, 8), generator=generator())
    networks.put_state(other, state)
    assert torch.equal(networks.scores_of(one, pictures), networks.scores_of(other, pictures))


def sources() -> list:
    """Two sources that differ in their means alone."""
    return [torch.randn((200, 4), generator=generator(number)) + 2 - 4 * number for number in (0, 1)]


SHORT = adversarial.Adversary(steps=100, batch=32, common=3, specific=3, rate=2e-2, own_statistics=False)


def test_without_an_adversary_a_probe_tells_the_sources_apart_and_with_it_less():
    found = {}
    for strategy in (adversarial.Strategy.NONE, adversarial.Strategy.CONFUSION):
        mapped = adversarial.stage_one(sources(), adversarial.replace(SHORT, strategy=strategy), 1)
        assert [code.shape for code in (*mapped.common, *mapped.specific)] == [(200, 3)] * 4
        found[strategy] = adversarial.probe_accuracy(mapped.common, 1)
        assert mapped.history.values["discriminator"][-1][0] == 99
    assert found[adversarial.Strategy.NONE] > 0.95
    assert found[adversarial.Strategy.CONFUSION] < 0.8


def test_every_strategy_comes_out_the_same_from_the_same_seed_and_the_usual_one_reverses():
    for adversary in (SHORT, adversarial.replace(adversarial.USUAL, steps=10, common=3, specific=3)):
        short = adversarial.replace(adversary, steps=10)
        one, other = (adversarial.stage_one(sources(), short, 7) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(one.common, other.common, strict=True))


def test_fusion_reads_the_mean_of_what_is_common_and_all_that_is_specific():
    mapped = adversarial.Mapped((torch.zeros(5, 4), torch.ones(5, 4)), (torch.ones(5, 3),) * 2, 0.0, History())
    for linear in (True, False):
        fusion = adversarial.Fusion(mapped, 6, "hidden", seed=1, linear=linear)
        assert fusion.module(torch.zeros(2, 4 + 3 + 3)).shape == (2, 6)
        loss = fusion.loss({"hidden": torch.randn(2, 6)}, torch.tensor([0, 3]))
        assert loss.ndim == 0
    alone = adversarial.Fusion(adversarial.common_only(mapped), 6, "hidden", seed=1)
    assert alone.module.in_features == 4
    # As printed, z -> 0 costs what g makes of it; standardised, it is no way out.
    literal = adversarial.Fusion(mapped, 6, "hidden", seed=1, literal=True)
    with torch.no_grad():
        for parameter in literal.module.parameters():
            parameter.zero_()
    assert literal.loss({"hidden": torch.zeros(3, 6)}, torch.arange(3)) == 0


def test_a_classifier_finds_what_can_be_told_and_no_more():
    labels = torch.arange(200) % 2
    telling = torch.stack([labels - 0.5, torch.zeros(200)], 1)
    blind = torch.randn((200, 2), generator=generator())
    for wide in (0, 8):
        assert adversarial.classifier_accuracy((telling, labels), (telling, labels), 1, wide) == 1
        assert adversarial.classifier_accuracy((blind[:100], labels[:100]), (blind[100:], labels[100:]), 1, wide) < 0.7


def test_labels_alone_are_learned():
    pictures = torch.randn((60, 1, 8, 8), generator=generator(1))
    labels = torch.arange(60) % 3
    pictures += labels[:, None, None, None]
    network, draws = networks.new_network(SHAPE, 1), generator(2)
    descent = Descent([(list(network.parameters()), 1)], 1e-2, 60)

    def step(number: int) -> None:
        chosen = drawn(60, 20, draws)
        descent.step(cross_entropy(network(pictures[chosen]), labels[chosen]))

    Training({"network": network}, draws, 60).run(step)
    assert networks.accuracy(network, pictures, labels) > 0.9
