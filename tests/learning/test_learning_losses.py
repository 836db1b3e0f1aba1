"""Every loss: its value where that is known, and its gradient against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from refsw.errors import UsageError
from refsw.learning import adversarial, baselines, compressible, multireuse, training
from refsw.learning.multireuse import Matrices, Reuse, Scale
from tests.learning.networks_at_hand import assert_gradient, generator, normal, torch

SIDES = (3, 4, 2, 5)
"""Of the axes of a target's layer; a source's are one longer each."""


def layer(axes: int, seed: int = 0) -> tuple[object, object, list[object]]:
    """A source's representation, the target's, and matrices, with so many axes a sample."""
    own = SIDES[:axes]
    theirs = [side + 1 for side in own]
    matrices = [normal(e, d, seed=seed + q) for q, (e, d) in enumerate(zip(theirs, own, strict=True))]
    return normal(2, *theirs, seed=seed + 10), normal(2, *own, seed=seed + 11), matrices


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_mode_products_are_sums_over_every_axis(axes):
    _, values, matrices = layer(axes)
    letters = "abcd"[:axes]
    told = ",".join(f"{letter.upper()}{letter}" for letter in letters)
    wanted = torch.einsum(f"n{letters},{told}->n{letters.upper()}", values, *matrices)
    torch.testing.assert_close(multireuse.mode_products(values, matrices), wanted)


def test_as_many_matrices_as_axes():
    with pytest.raises(UsageError, match="1 matrices for samples of 2 axes"):
        multireuse.mode_products(normal(2, 3, 3), [normal(3, 3)])


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_reconstruction_term(axes):
    source, values, matrices = layer(axes)
    assert_gradient(lambda z, *v: multireuse.reconstruction(source, z, v), values, *matrices)


def test_reconstruction_is_the_squared_norm_of_a_sample_in_the_mean():
    assert multireuse.reconstruction(torch.ones(2, 3, 4), torch.zeros(2, 3, 4), [torch.eye(3), torch.eye(4)]) == 12


def test_regulariser_and_weights_on_the_simplex():
    terms, logits = normal(3), normal(3, seed=1)
    alpha = multireuse.on_simplex(logits)
    assert alpha.min() > 0
    torch.testing.assert_close(alpha.sum(), torch.tensor(1.0, dtype=torch.float64))
    assert_gradient(lambda t, a: multireuse.regulariser(t, multireuse.on_simplex(a)), terms, logits)


def test_reuse_does_not_change_with_the_scale_of_the_target_but_what_holds_it_does():
    source, values, (matrix,) = layer(1)
    changed = multireuse.reconstruction(source, 7 * values, [matrix / 7])
    torch.testing.assert_close(multireuse.reconstruction(source, values, [matrix]), changed)
    assert multireuse.orthonormality(matrix) != multireuse.orthonormality(matrix / 7)
    assert multireuse.ridge(matrix) != multireuse.ridge(matrix / 7)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_orthonormal_rows_or_columns_cost_nothing(shape):
    basis, _ = torch.linalg.qr(normal(5, 3))
    basis = basis if shape[0] > shape[1] else basis.T
    assert multireuse.orthonormality(2.5 * basis, scale=2.5) < 1e-20
    assert_gradient(multireuse.orthonormality, normal(*shape))


def test_ridge():
    assert_gradient(lambda v: multireuse.ridge(v, 2.0), normal(3, 4))


@pytest.mark.parametrize("scale", list(Scale))
def test_reuse_of_two_sources_over_two_layers(scale):
    sources = [{"a": normal(6, 4, 2, 2, seed=m), "b": normal(6, 5, seed=m + 5)} for m in range(2)]
    target = {"a": normal(6, 3, 2, 2, seed=20), "b": normal(6, 5, seed=21)}
    reuse = Reuse(layers=("a", "b"), scale=scale, learn_alpha=True)
    matrices = Matrices(sources, target, reuse)
    matrices.module.double()
    samples = torch.tensor([4, 1, 1])

    def loss(a, b):
        return matrices.loss({"a": a, "b": b}, samples)

    assert_gradient(loss, target["a"][samples], target["b"][samples])
    loss(target["a"][samples], target["b"][samples]).backward()
    assert all(parameter.grad is not None for parameter in matrices.module.parameters())


@pytest.mark.parametrize("alpha", [(0.5,), (0.7, 0.7), (1.5, -0.5)])
def test_weights_of_the_sources_are_on_the_simplex(alpha):
    sources = [{"hidden": normal(4, 3)}] * 2
    with pytest.raises(UsageError, match="2 weights from 0, of sum 1"):
        Matrices(sources, {"hidden": normal(4, 3)}, Reuse(alpha=alpha))


def test_layers_of_a_source_have_the_axes_of_the_target():
    with pytest.raises(UsageError, match="a source has 3 axes, the target 1"):
        Matrices([{"hidden": normal(4, 3, 2, 2)}], {"hidden": normal(4, 3)}, Reuse())


def test_cross_entropy():
    labels = torch.tensor([0, 2, 1])
    assert training.cross_entropy(torch.zeros(3, 4), labels) == pytest.approx(math.log(4))
    assert_gradient(lambda s: training.cross_entropy(s, labels), normal(3, 4))


def test_losses_of_the_adversary():
    labels = torch.tensor([0, 2, 1, 0])
    assert_gradient(lambda s: adversarial.discriminator_loss(s, labels), normal(4, 3))
    assert_gradient(adversarial.confusion_loss, normal(4, 3))
    assert adversarial.confusion_loss(torch.zeros(5, 3)) == pytest.approx(math.log(3))
    assert_gradient(adversarial.reconstruction_error, normal(4, 3), normal(4, 3, seed=1))
    assert_gradient(adversarial.reuse_term, normal(4, 3), normal(4, 3, seed=1))
    assert_gradient(lambda z: adversarial.reuse_term(adversarial.standardised(z), normal(4, 3, seed=1)), normal(4, 3))


def test_a_reversed_gradient_is_minus_strength_times_the_gradient_of_the_same_value():
    values = normal(3, 2).requires_grad_(True)
    passed = adversarial.reverse_gradient(values, 0.5)
    assert torch.equal(passed, values)
    (found,) = torch.autograd.grad(passed.pow(3).sum(), values)
    torch.testing.assert_close(found, -0.5 * 3 * values.detach() ** 2)


def test_fixed_model_reuse():
    network = torch.nn.Sequential(torch.nn.Linear(4, 3)).double()
    chosen = torch.tensor([0, 1, 3])

    def loss(pictures, features):
        method = baselines.FixedReuse(features, 3, generator())
        method.module.double()
        return method.loss(network, pictures, torch.tensor([0, 1, 2]), chosen, 0.5)

    assert_gradient(loss, normal(3, 4), normal(6, 5, seed=1))


def test_fixed_features_are_knocked_down_column_by_column():
    features = torch.ones(5, 200)
    for kept in (0.0, 0.5, 1.0):
        masked = baselines.knocked_down(features, kept, generator())
        assert torch.equal(masked, masked[:1].expand(5, -1))
        assert masked.mean() == pytest.approx(kept, abs=0.1)


MAPS = normal(1, 2, 8, 9).abs()
"""Not whole blocks: 9 columns are continued to 16."""


def test_gradient_l1():
    assert compressible.gradient_l1(torch.full((1, 1, 4, 4), 3.0), 2.0) == 0
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    assert compressible.gradient_l1(ramp, 2.0) == 0.5
    assert_gradient(lambda z: compressible.gradient_l1(z, 2.0), MAPS)


def test_dct_is_orthonormal_and_its_log_counts_bits():
    assert np.allclose(compressible.dct_basis() @ compressible.dct_basis().T, np.eye(8), atol=1e-6)
    coefficients = compressible.block_coefficients(torch.full((1, 1, 8, 8), 0.25))
    assert coefficients[0, 0, 0, 0, 0, 0] == pytest.approx(2.0)
    assert coefficients.abs().sum() == pytest.approx(2.0, abs=1e-5)
    # One coefficient of 64 is not zero, and is (2 / highest) / step steps large.
    told = compressible.dct_log(torch.full((1, 1, 8, 8), 0.25), 1.0, 0.5)
    assert told == pytest.approx(0.5 * math.log2(1 + 4**2) / 64)
    assert_gradient(lambda z: compressible.dct_log(z, 2.0, 0.1), MAPS)


def test_rate_proxy_is_a_line_over_it():
    proxy = compressible.RateProxy(2.0, 0.25, 1.0)
    assert proxy.bits(torch.zeros(1, 1, 8, 8), 1.0, 30) == 0.25
    assert_gradient(lambda z: proxy.bits(z, 2.0, 30), MAPS)


def test_straight_through_quantises_and_has_the_gradient_of_nothing():
    values = torch.tensor([0.0, 0.4, 0.6, 2.0]).requires_grad_(True)
    passed = compressible.straight_through(values, 2.0, 1)
    torch.testing.assert_close(passed, torch.tensor([0.0, 0.0, 0.0, 2.0]))
    (found,) = torch.autograd.grad((passed * torch.arange(4.0)).sum(), values)
    assert torch.equal(found, torch.arange(4.0))


def test_noise_is_as_wide_as_the_step_of_each_sample():
    steps = compressible.random_steps(50, 0.01, 1.0, generator())
    noise = compressible.quantisation_noise(torch.zeros(50, 4, 5, 5), steps, generator(1)) / steps
    assert steps.min() >= 0.01
    assert steps.max() <= 1.0
    assert noise.abs().max() <= 0.5
    assert noise.std() == pytest.approx(12**-0.5, rel=0.05)
