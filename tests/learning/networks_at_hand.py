"""What the tests of learning share: PyTorch, which may be absent, and small tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="learning needs PyTorch, which is not installed")
torch.set_num_threads(1)  # of several, each waits for the others: no good for small tensors


def generator(seed: int = 0) -> Any:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Any:
    """Binary64, as finite differences need it."""
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def assert_gradient(loss: Callable[..., Any], *inputs: Any, step: float = 1e-6) -> None:
    """The gradient of a loss by each of its inputs is that of central differences, everywhere."""
    inputs = tuple(value.clone().requires_grad_(True) for value in inputs)
    found = torch.autograd.grad(loss(*inputs), inputs)
    with torch.no_grad():
        for value, gradient in zip(inputs, found, strict=True):
            flat = value.view(-1)
            wanted = torch.empty_like(flat)
            for place in range(len(flat)):
                kept = flat[place].item()
                flat[place] = kept + step
                above = loss(*inputs)
                flat[place] = kept - step
                wanted[place] = (above - loss(*inputs)) / (2 * step)
                flat[place] = kept
            assert wanted.abs().max() > 0
            torch.testing.assert_close(gradient.reshape(-1), wanted, rtol=1e-5, atol=1e-7)
