"""What each layer of a language model says of the group, and of the label."""

import os
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from fairsk.base import GroupAwareMixin
from fairsk.preprocessing import ConceptProbe
from fairsk.text._embedding import POOLINGS, embed_batches, tokenize, warn_truncated
from fairsk.text._models import load_model
from fairsk.text._tags import TextInputMixin
from fairsk.text._validation import read_texts
from fairsk.utils._sklearn import HasMethods, Interval, StrOptions, _fit_context


class LayerwiseProbe(TextInputMixin, GroupAwareMixin, BaseEstimator):
    """Probe every hidden layer of a language model for the group.

    The hidden states of each layer are pooled to one vector for each text, and a fresh
    :class:`~fairsk.preprocessing.ConceptProbe` measures how well the group can be read
    from them. With labels, a second probe measures the same of the label: a layer that
    tells the label but little of the group is a good one to build on.

    Parameters
    ----------
    model : str, path or callable
        A local directory or a name on the hub; or a function of a list of str that
        returns an array of shape (n_layers, n_texts, n_dimensions).
    probe : ConceptProbe, default=None
        The probe. None takes :class:`~fairsk.preprocessing.ConceptProbe` with its
        linear probe alone.
    pooling : {"mean", "cls", "max", "last"}, default="mean"
        How the tokens of a text become one vector.
    batch_size : int, default=32
        Texts of a batch.
    max_length : int, default=128
        Tokens after which a text is cut.
    group_by : callable, default=None
        Function of X that gives the groups, where `sensitive_features` is not passed.
    device : str or torch.device, default="auto"
        Where to run.
    dtype : str or torch.dtype, default="auto"
        Numbers that the model computes in.
    random_state : int, RandomState instance or None, default=None
        Source of the folds of the default probe.

    Attributes
    ----------
    leakage_ : dict of {str: ndarray of shape (n_layers,)}
        Leakage of the group by probe; the first entry is the embedding of the tokens.
    label_leakage_ : dict of {str: ndarray of shape (n_layers,)} or None
        The same of the label, where `y` was given.
    n_layers_ : int
        Number of layers, the embedding of the tokens included.
    group_labels_ : list of length n_groups
        The groups.
    group_names_in_ : list
        Names of the sensitive features.

    See Also
    --------
    fairsk.preprocessing.ConceptProbe : The probe of one set of features.
    TextEncoder : Embeds by one layer.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.text import LayerwiseProbe
    >>> texts = ["he is here", "she is here"] * 20
    >>> def layers(texts):  # in earnest: the directory or name of a language model
    ...     she = np.array([t.startswith("she") for t in texts])[:, None]
    ...     return np.stack([she * 1.0, she * 0.0])
    >>> probe = LayerwiseProbe(layers, random_state=0)
    >>> probe.fit(texts, sensitive_features=["m", "f"] * 20).leakage_
    {'linear': array([1., 0.])}
    """

    _parameter_constraints: dict = {
        "model": [str, os.PathLike, callable],
        "probe": [HasMethods(["fit"]), None],
        "pooling": [StrOptions(set(POOLINGS))],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 1, None, closed="left")],
        "group_by": [callable, None],
        "device": [str, torch.device],
        "dtype": [str, torch.dtype],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model,
        *,
        probe=None,
        pooling="mean",
        batch_size=32,
        max_length=128,
        group_by=None,
        device="auto",
        dtype="auto",
        random_state=None,
    ):
        self.model = model
        self.probe = probe
        self.pooling = pooling
        self.batch_size = batch_size
        self.max_length = max_length
        self.group_by = group_by
        self.device = device
        self.dtype = dtype
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, sensitive_features=None):
        """Embed the texts by every layer, and probe each.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.
        y : array-like of shape (n_samples,), default=None
            Labels, to probe for as well.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.

        Returns
        -------
        self : object
            With `leakage_`.
        """
        texts = read_texts(X, owner=type(self).__name__)
        groups = self._check_groups(X, sensitive_features)
        layers = self._embed(texts)
        self.n_layers_ = len(layers)
        self.leakage_ = self._probe_all(layers, groups)
        self.label_leakage_ = None
        if y is not None:
            self.label_leakage_ = self._probe_all(layers, np.asarray(y))
        return self

    def best_layer(self, name="linear"):
        """Layer that tells most of the label beyond what it tells of the group.

        Parameters
        ----------
        name : str, default="linear"
            Which probe.

        Returns
        -------
        layer : int
            Position among the layers, for `layer` of :class:`TextEncoder`.
        """
        check_is_fitted(self, "leakage_")
        if self.label_leakage_ is None:
            raise ValueError(
                f"{type(self).__name__} needs labels to choose a layer. Got none in "
                "fit. Pass y."
            )
        return int(np.argmax(self.label_leakage_[name] - self.leakage_[name]))

    def _probe_all(self, layers, groups):
        """Leakage by probe, one figure for each layer."""
        found = [
            clone(self._probe()).fit(layer, sensitive_features=groups).leakage_
            for layer in layers
        ]
        return {name: np.array([one[name] for one in found]) for name in found[0]}

    def _probe(self):
        if self.probe is not None:
            return self.probe
        whole = ConceptProbe(random_state=self.random_state)
        linear = {"linear": whole._probes(seed=0)["linear"]}
        return ConceptProbe(probes=linear, random_state=self.random_state)

    def _embed(self, texts):
        """Embeddings of shape (n_layers, n_texts, n_dimensions)."""
        if callable(self.model):
            return np.asarray(self.model(texts), dtype=np.float64)
        loaded = load_model(
            self.model, device=self.device, dtype=self.dtype, owner=type(self).__name__
        )
        tokens = tokenize(loaded, texts, self.max_length)
        warn_truncated(type(self).__name__, tokens, stacklevel=4)
        layers = range(loaded.model.config.num_hidden_layers + 1)
        embeddings = None
        for positions, vectors in embed_batches(
            loaded,
            tokens,
            pooling=self.pooling,
            layers=layers,
            batch_size=self.batch_size,
        ):
            if embeddings is None:
                embeddings = np.empty((len(layers), len(texts), vectors.shape[2]))
            embeddings[:, positions] = vectors
        return embeddings
