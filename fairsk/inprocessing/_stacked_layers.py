"""Forward and backward pass of stacked perceptrons, a few members at a time."""

import torch

# Numbers of the widest layer that are at work at once: they should stay in the cache.
_CHUNK = 1 << 18

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


class StackedLayers(torch.autograd.Function):
    """Logits of many perceptrons on the same batch of each fold.

    On a CPU, the activations of all members at once are read from memory by every
    operation. So the members go through all layers in chunks whose activations stay in
    the cache, and the gradient of an activation takes the place of the one that it was
    computed from.
    """

    @staticmethod
    def forward(ctx, X, n_weights, activations, *parameters):
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
        *parameters : float tensor of shape (F * L, n_out, n_in) or (F * L, n_out, 1)
            Weight and bias of each layer.

        Returns
        -------
        logits : float tensor of shape (F * L, C, B)
            Logits.
        """
        ctx.save_for_backward(X, *parameters)
        ctx.n_weights, ctx.activations, ctx.hidden = n_weights, activations, []
        weights, biases = parameters[::2], parameters[1::2]
        logits = X.new_empty((len(weights[-1]), weights[-1].shape[1], X.shape[1]))
        for fold, part in _parts(X, n_weights, weights):
            # The members of a fold have one input: their first layers are one wide one.
            z = torch.addmm(
                biases[0][part].flatten(0, 1),
                weights[0][part].flatten(0, 1),
                X[fold].T,
            )
            z = z.view(-1, weights[0].shape[1], X.shape[1])
            for layer, activation in enumerate(activations, start=1):
                hidden = _ACTIVATIONS[type(activation)][0](z)
                ctx.hidden.append(hidden)
                z = torch.baddbmm(biases[layer][part], weights[layer][part], hidden)
            logits[part] = z
        return logits

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
        X, *parameters = ctx.saved_tensors
        weights = parameters[::2]
        gradients = [torch.empty_like(parameter) for parameter in parameters]
        hidden = iter(ctx.hidden)
        for fold, part in _parts(X, ctx.n_weights, weights):
            inputs = [next(hidden) for _ in ctx.activations]
            grad = grad_logits[part]
            for layer in range(len(weights) - 1, 0, -1):
                below = inputs[layer - 1]
                of_weight, of_bias = (g[part] for g in gradients[2 * layer :][:2])
                # Long rows by short ones: the other order takes twice as long.
                of_weight.copy_(torch.bmm(below, grad.mT).mT)
                torch.sum(grad, 2, keepdim=True, out=of_bias)
                grad = torch.bmm(weights[layer][part].mT, grad)
                slope = _ACTIVATIONS[type(ctx.activations[layer - 1])][1]
                grad = slope(grad, below)
            wide = grad.flatten(0, 1)
            of_weight, of_bias = (g[part].flatten(0, 1) for g in gradients[:2])
            torch.mm(wide, X[fold], out=of_weight)
            torch.sum(wide, 1, keepdim=True, out=of_bias)
        ctx.hidden = None
        return None, None, None, *gradients


def _parts(X, n_weights, weights):
    """Pairs of a fold, and a slice of members of it that fit into the cache."""
    widest = max(weight.shape[1] for weight in weights)
    size = max(_CHUNK // (widest * X.shape[1]), 1)
    for fold in range(len(X)):
        end = (fold + 1) * n_weights
        for start in range(fold * n_weights, end, size):
            yield fold, slice(start, min(start + size, end))
