from itertools import pairwise

import pytest
import torch

from fairsk.inprocessing import _stacked_layers
from fairsk.inprocessing._stacked_layers import StackedLayers, has_all

N_FOLDS, N_WEIGHTS, N_ROWS = 2, 3, 7
SIZES = [4, 5, 3, 2]


def reference(X, activations, parameters):
    """Logits of each member by itself."""
    logits = []
    for member in range(N_FOLDS * N_WEIGHTS):
        hidden = X[member // N_WEIGHTS].T
        for layer in range(len(SIZES) - 1):
            weight, bias = parameters[2 * layer][member], parameters[2 * layer + 1]
            hidden = weight @ hidden + bias[member]
            if layer < len(activations):
                hidden = activations[layer](hidden)
        logits.append(hidden)
    return torch.stack(logits)


@pytest.mark.parametrize("chunk", [1, 70, 1 << 18])
@pytest.mark.parametrize(
    "activation", [torch.nn.Identity, torch.nn.ReLU, torch.nn.Tanh, torch.nn.Sigmoid]
)
def test_logits_and_gradients_are_those_of_each_member(monkeypatch, activation, chunk):
    monkeypatch.setattr(_stacked_layers, "_CHUNK", chunk)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    X, members = draw(N_FOLDS, N_ROWS, SIZES[0]), N_FOLDS * N_WEIGHTS
    parameters = [
        draw(members, *shape).requires_grad_()
        for n_in, n_out in pairwise(SIZES)
        for shape in ((n_out, n_in), (n_out, 1))
    ]
    activations = [activation(), activation()]
    assert has_all(activations)
    expected = reference(X, activations, parameters)
    actual = StackedLayers.apply(X, N_WEIGHTS, activations, *parameters)
    torch.testing.assert_close(actual, expected)
    direction = draw(*actual.shape)
    torch.testing.assert_close(
        torch.autograd.grad(actual, parameters, direction),
        torch.autograd.grad(expected, parameters, direction),
    )


def test_other_activations_are_left_to_autograd():
    assert not has_all([torch.nn.ReLU(), torch.nn.GELU()])
