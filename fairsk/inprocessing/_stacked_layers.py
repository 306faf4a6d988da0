"""Forward and backward pass of stacked perceptrons, in memory that stays."""

import math

import torch

# Numbers of the widest layer that are at work at once.
_CHUNK = 1 << 19

# Each activation in place, and its slope times a gradient, from what it returned.
_ATEN = torch.ops.aten
_ACTIVATIONS = {
    torch.nn.Identity: (lambda z: z, lambda grad, out: grad),
    torch.nn.ReLU: (
        torch.relu_,
        lambda grad, out: _ATEN.threshold_backward.grad_input(
            grad, out, 0, grad_input=grad
        ),
    ),
    torch.nn.Tanh: (
        torch.tanh_,
        lambda grad, out: _ATEN.tanh_backward.grad_input(grad, out, grad_input=grad),
    ),
    torch.nn.Sigmoid: (
        torch.sigmoid_,
        lambda grad, out: _ATEN.sigmoid_backward.grad_input(grad, out, grad_input=grad),
    ),
}


def has_all(activations):
    """Whether :class:`StackedLayers` knows all activations.

    Parameters
    ----------
    activations : list of torch.nn.Module
        The activations.

    Returns
    -------
    known : bool
        True for those of multilayer perceptrons.
    """
    return all(type(activation) in _ACTIVATIONS for activation in activations)


class Workspace:
    """Memory that each step writes anew.

    To ask the system for it in every step takes longer than the products do that fill
    it: fresh pages have to be cleared.
    """

    def __init__(self):
        self._blocks = {}

    def take(self, name, shape, like):
        """Memory with whatever is in it.

        Parameters
        ----------
        name : hashable
            What it is for: all that is taken by one name shares its memory.
        shape : tuple of int
            Shape.
        like : tensor
            What has the dtype and device.

        Returns
        -------
        block : tensor of that shape
            Contiguous.
        """
        size, block = math.prod(shape), self._blocks.get(name)
        if block is None or len(block) < size:
            self._blocks[name] = block = like.new_empty(size)
        return block[:size].view(shape)


class StackedLayers(torch.autograd.Function):
    """Logits of many perceptrons on the same batch of each fold.

    The members of a fold have one input, so that their first layers are one wide layer.
    """

    @staticmethod
    def forward(ctx, X, n_weights, activations, workspace, *parameters):
        """Logits.

        Parameters
        ----------
        ctx : object
            What autograd keeps for the backward pass.
        X : float tensor of shape (F, B, d)
            Features.
        n_weights : int
            Number L of members of a fold.
        activations : list of torch.nn.Module
            Activations between the layers.
        workspace : Workspace
            Where the activations are. The backward pass has to come before the next
            forward pass that takes the same one; autograd raises otherwise.
        *parameters : float tensor of shape (F * L, n_out, n_in) or (F * L, n_out, 1)
            The first layer, its bias in the last column; weight and bias of the others.

        Returns
        -------
        logits : float tensor of shape (F * L, C, B)
            Logits.
        """
        X, shapes = _with_ones(X, workspace), _shapes(X, parameters)
        hidden = [workspace.take(i, s, X) for i, s in enumerate(shapes[:-1])]
        outputs = [*hidden, X.new_empty(shapes[-1])]
        for fold, part in _parts(X, n_weights, shapes):
            _propagate(
                X[fold],
                [parameter[part] for parameter in parameters],
                activations,
                [output[part] for output in outputs],
            )
        ctx.save_for_backward(X, *parameters, *hidden)
        ctx.n_weights, ctx.activations = n_weights, activations
        ctx.workspace = workspace
        return outputs[-1]

    @staticmethod
    def backward(ctx, grad_logits):
        """Gradients with respect to the parameters; none with respect to X.

        Parameters
        ----------
        ctx : object
            What the forward pass kept.
        grad_logits : float tensor of shape (F * L, C, B)
            Gradient with respect to the logits.

        Returns
        -------
        gradients : tuple
            None for all but the parameters.
        """
        X, *saved = ctx.saved_tensors
        n_parameters = len(saved) - len(ctx.activations)
        parameters, hidden = saved[:n_parameters], saved[n_parameters:]
        gradients = [torch.empty_like(parameter) for parameter in parameters]
        parts = list(_parts(X, ctx.n_weights, _shapes(X, parameters)))
        for fold, part in reversed(parts):  # the last one may still be in the cache
            _propagate_back(
                X[fold],
                [parameter[part] for parameter in parameters],
                ctx.activations,
                [h[part] for h in hidden],
                grad_logits[part],
                [gradient[part] for gradient in gradients],
                ctx.workspace,
            )
        return None, None, None, None, *gradients


def stacked_logits(X, n_weights, activations, workspace, *parameters):
    """Logits as :class:`StackedLayers` returns them, where nobody needs gradients.

    Parameters
    ----------
    X : float tensor of shape (F, B, d)
        Features.
    n_weights : int
        Number L of members of a fold.
    activations : list of torch.nn.Module
        Activations between the layers.
    workspace : Workspace
        Where the activations are, those of a few members at a time.
    *parameters : float tensor of shape (F * L, n_out, n_in) or (F * L, n_out, 1)
        The first layer, its bias in the last column; weight and bias of the others.

    Returns
    -------
    logits : float tensor of shape (F * L, C, B)
        Logits.
    """
    X, shapes = _with_ones(X, workspace), _shapes(X, parameters)
    logits = X.new_empty(shapes[-1])
    for fold, part in _parts(X, n_weights, shapes):
        n_members = part.stop - part.start
        hidden = [
            workspace.take(("part", i), (n_members, *shape[1:]), X)
            for i, shape in enumerate(shapes[:-1])
        ]
        _propagate(
            X[fold],
            [parameter[part] for parameter in parameters],
            activations,
            [*hidden, logits[part]],
        )
    return logits


def _propagate(X, parameters, activations, outputs):
    """Write what the layers of some members of one fold return for the rows of X."""
    first, *others = parameters
    torch.mm(first.flatten(0, 1), X.T, out=outputs[0].flatten(0, 1))
    for layer, activation in enumerate(activations, start=1):
        hidden = _ACTIVATIONS[type(activation)][0](outputs[layer - 1])
        weight, bias = others[2 * layer - 2 :][:2]
        torch.baddbmm(bias, weight, hidden, out=outputs[layer])


def _propagate_back(X, parameters, activations, hidden, grad, gradients, workspace):
    """Write the gradients of the parameters of some members of one fold."""
    for layer in range(len(activations), 0, -1):
        below, (of_weight, of_bias) = hidden[layer - 1], gradients[2 * layer - 1 :][:2]
        _outer(grad, below, of_weight)
        torch.sum(grad, 2, keepdim=True, out=of_bias)
        block = workspace.take(("gradient", layer), below.shape, below)
        grad = torch.bmm(parameters[2 * layer - 1].mT, grad, out=block)
        grad = _ACTIVATIONS[type(activations[layer - 1])][1](grad, below)
    torch.mm(grad.flatten(0, 1), X, out=gradients[0].flatten(0, 1))


def _outer(grad, below, out):
    """Sum over the rows of the products of a gradient and the activations below."""
    if grad.shape[1] == 1:
        torch.bmm(grad, below.mT, out=out)
    else:
        # Long rows by short ones: the other order takes up to twice as long.
        out.copy_(torch.bmm(below, grad.mT).mT)


def _with_ones(X, workspace):
    """Features, and a column of ones that the bias of the first layer multiplies."""
    extended = workspace.take("X", (*X.shape[:2], X.shape[2] + 1), X)
    extended[..., :-1] = X
    extended[..., -1] = 1
    return extended


def _shapes(X, parameters):
    """Shape of what each layer returns, all members together."""
    weights = [parameters[0], *parameters[1::2]]
    return [(*weight.shape[:2], X.shape[1]) for weight in weights]


def _parts(X, n_weights, shapes):
    """Pairs of a fold and a slice of its members."""
    size = max(_CHUNK // max(width * n_rows for _, width, n_rows in shapes), 1)
    for fold in range(len(X)):
        end = (fold + 1) * n_weights
        for start in range(fold * n_weights, end, size):
            yield fold, slice(start, min(start + size, end))
