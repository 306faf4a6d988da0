"""Smaller versions of fine-tuned classifiers: fewer bits, weights, or features."""

import copy

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional

from fairsk.text._split import Frozen, Prefix

_METHODS = ("bfloat16", "int8", "pruning", "pca")


class Int8Linear(torch.nn.Module):
    r"""A linear layer in integers of 8 bits, by dynamic quantisation.

    Weights are rounded once, with a scale for each output; inputs are rounded as they
    come, with one scale for each row: :math:`y = s_x s_w\, (q_x q_w^\top) + b`. Sums of
    products of such integers are exact, so that it computes what integer hardware does.

    Parameters
    ----------
    linear : torch.nn.Linear
        The layer; it is only read.
    """

    def __init__(self, linear):
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
        self.register_buffer("weight", (weight / scale).round().to(torch.int8))
        self.register_buffer("scale", scale[:, 0])
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.register_buffer("bias", bias)
        self.in_features = linear.in_features

    def forward(self, x):
        """Output of the layer."""
        scale = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / 127
        rounded = (x / scale).round()
        out = functional.linear(rounded, self.weight.to(x.dtype)) * scale * self.scale
        return out if self.bias is None else out + self.bias


def compress(classifier, method, *, amount=None, X=None):
    """A compressed version of a fine-tuned classifier.

    Parameters
    ----------
    classifier : fitted FairTransformerClassifier
        The classifier, which stays as it is.
    method : {"bfloat16", "int8", "pruning", "pca"}
        Multiply in bfloat16; round weights and inputs of all linear layers to 8 bits
        (dynamic quantisation); set the smallest weights of each linear layer to 0; or
        keep the first principal components of the embedding.
    amount : float or int, default=None
        Share of the weights that pruning sets to 0 (None is 0.3), or number of
        components (None is 16).
    X : list, Series or ndarray of shape (n_samples,), default=None
        Texts whose embeddings give the components, for "pca": those of training.

    Returns
    -------
    compressed : FairTransformerClassifier
        A fitted classifier. It pickles as it is, but for clones and further fits the
        compression is gone.

    See Also
    --------
    CompressionAudit : What compression does to each group.

    Notes
    -----
    What is compressed are the linear layers of the classifier, GPT-2's among them: with
    ``train="head"`` the head alone.

    Speed and size are not what it shows: 8-bit integers are computed with floats here,
    and zeros are stored. It shows what such a model decides.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.text import FairTransformerClassifier, compress
    >>> texts = ["good", "bad", "so good", "so bad"] * 5
    >>> def embed(texts):
    ...     return np.array([[t.count("g"), len(t)] for t in texts])
    >>> clf = FairTransformerClassifier(embed, train="head", fairness_weight=0)
    >>> clf = clf.fit(texts, [1, 0, 1, 0] * 5)
    >>> small = compress(clf, "pca", amount=1, X=texts)
    >>> small.predict(texts).shape
    (20,)
    """
    check_is_fitted(classifier, "trained_state_")
    if method not in _METHODS:
        raise ValueError(f"compress needs `method` among {_METHODS}. Got {method!r}.")
    module, frozen = classifier._put_together()
    module, compressed = copy.deepcopy(module), copy.copy(classifier)
    if method == "bfloat16":
        compressed.dtype = "bfloat16"
        frozen = frozen and Frozen(frozen.prefix, torch.bfloat16)
    elif method == "pca":
        _project_head(module.head, classifier, 16 if amount is None else amount, X)
    else:
        share = 0.3 if amount is None else amount
        change = Int8Linear if method == "int8" else _pruner(share)
        _replace_linear(module, change)
        frozen = frozen and _replace_in_prefix(frozen, change)
    compressed._parts = module.eval(), frozen
    compressed._is_compressed = True
    return compressed


def _project_head(head, classifier, n_components, X):
    """Let the head see the principal components of its input alone."""
    if X is None:
        raise ValueError(
            "compress needs texts to find principal components. Got X=None. Pass those "
            "of training."
        )
    pca = PCA(n_components, svd_solver="full").fit(classifier.transform(X))
    projection = torch.as_tensor(pca.components_.T @ pca.components_).to(head.weight)
    mean = torch.as_tensor(pca.mean_).to(head.weight)
    with torch.no_grad():
        # W (P (x - m) + m) + b is again a linear layer.
        head.bias += head.weight @ (mean - projection @ mean)
        head.weight.copy_(head.weight @ projection)


def _pruner(share):
    if not 0 <= share < 1:
        raise ValueError(f"compress needs `amount` in [0, 1) to prune. Got {share!r}.")

    def prune(linear):
        linear = copy.deepcopy(linear)
        with torch.no_grad():
            size = linear.weight.abs()
            cut = np.quantile(size.float().cpu().numpy(), share)
            linear.weight *= size > cut if share else 1
        return linear

    return prune


def _replace_linear(module, change):
    """Replace all linear layers inside a module."""
    for name, child in list(module.named_children()):
        linear = _as_linear(child)
        if linear is None:
            _replace_linear(child, change)
        else:
            setattr(module, name, change(linear))


def _as_linear(layer):
    """The layer if it is linear, made of GPT-2's, which are transposed; else None."""
    if isinstance(layer, torch.nn.Linear):
        return layer
    if type(layer).__name__ != "Conv1D":  # of transformers, not a convolution
        return None
    linear = torch.nn.Linear(*layer.weight.shape).to(layer.weight)
    with torch.no_grad():
        linear.weight.copy_(layer.weight.T)
        linear.bias.copy_(layer.bias)
    return linear


def _replace_in_prefix(frozen, change):
    backbone = copy.deepcopy(frozen.prefix.backbone)
    _replace_linear(backbone, change)
    return Frozen(Prefix(backbone, frozen.prefix.n_layers), frozen.dtype)
