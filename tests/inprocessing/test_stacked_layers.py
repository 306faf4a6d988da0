from itertools import pairwise

import pytest
import torch

from fairsk.inprocessing import _stacked_layers
from fairsk.inprocessing._stacked_layers import (
    StackedLayers,
    Workspace,
    has_all,
    stacked_logits,
)

N_FOLDS, N_WEIGHTS, N_ROWS = 2, 3, 7
SIZES = [4, 5, 3, 2]


def reference(X, activations, parameters):
    """Logits of each member by itself."""
    first, *others = parameters
    logits = []
    for member in range(N_FOLDS * N_WEIGHTS):
        hidden = (
            first[member, :, :-1] @ X[member // N_WEIGHTS].T + first[member, :, -1:]
        )
        for activation, weight, bias in zip(activations, others[::2], others[1::2]):
            hidden = weight[member] @ activation(hidden) + bias[member]
        logits.append(hidden)
    return torch.stack(logits)


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


def draw_parameters(draw, sizes=SIZES):
    shapes = [(sizes[1], sizes[0] + 1)]
    for n_in, n_out in pairwise(sizes[1:]):
        shapes += [(n_out, n_in), (n_out, 1)]
    return [draw(N_FOLDS * N_WEIGHTS, *shape).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("chunk", [1, 70, 1 << 18])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize(
    "activation", [torch.nn.Identity, torch.nn.ReLU, torch.nn.Tanh, torch.nn.Sigmoid]
)
def test_logits_and_gradients_are_those_of_each_member(
    monkeypatch, draw, activation, n_outputs, chunk
):
    monkeypatch.setattr(_stacked_layers, "_CHUNK", chunk)
    parameters = draw_parameters(draw, [*SIZES[:-1], n_outputs])
    activations, workspace = [activation(), activation()], Workspace()
    assert has_all(activations)
    for n_rows in (N_ROWS, N_ROWS - 3, N_ROWS + 2):  # other rows, the same memory
        X = draw(N_FOLDS, n_rows, SIZES[0])
        expected = reference(X, activations, parameters)
        arguments = X, N_WEIGHTS, activations, workspace, *parameters
        actual = StackedLayers.apply(*arguments)
        torch.testing.assert_close(actual, expected)
        direction = draw(*actual.shape)
        torch.testing.assert_close(
            torch.autograd.grad(actual, parameters, direction),
            torch.autograd.grad(expected, parameters, direction),
        )
        with torch.no_grad():
            torch.testing.assert_close(stacked_logits(*arguments), expected)


def test_steps_share_their_memory_and_a_gradient_that_lost_it_raises(draw):
    parameters, workspace = draw_parameters(draw), Workspace()
    arguments = N_WEIGHTS, [torch.nn.ReLU(), torch.nn.ReLU()], workspace, *parameters
    first = StackedLayers.apply(draw(N_FOLDS, N_ROWS, SIZES[0]), *arguments)
    place = workspace.take(0, (1,), first).data_ptr()
    StackedLayers.apply(draw(N_FOLDS, N_ROWS, SIZES[0]), *arguments).sum().backward()
    assert workspace.take(0, (1,), first).data_ptr() == place
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        first.sum().backward()


def test_other_activations_are_left_to_autograd():
    assert not has_all([torch.nn.ReLU(), torch.nn.GELU()])
