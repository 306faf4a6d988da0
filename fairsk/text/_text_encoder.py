"""Texts to embeddings, by any language model, each distinct text once."""

import marshal
from numbers import Integral
from os import PathLike
from types import FunctionType

import joblib
import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)

from fairsk.text import _models
from fairsk.text._cache import EmbeddingCache, get_cache
from fairsk.text._embedding import POOLINGS, embed_batches, tokenize, warn_truncated
from fairsk.text._tags import TextInputMixin
from fairsk.text._validation import read_texts
from fairsk.utils._sklearn import Interval, Options, StrOptions, _fit_context

# Batches between two writes, so that a long job that is stopped has not been in vain.
_BATCHES_PER_WRITE = 200


class TextEncoder(
    TextInputMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Texts to embeddings, by a pretrained language model or any function.

    The hidden states of the tokens in one layer are pooled to one vector for each text.
    Whatever has been embedded once is not embedded again, be it by a clone, in another
    fold or at another point of a grid: embeddings are kept by text, in memory and, on
    demand, in a directory.

    Parameters
    ----------
    model : str, path or callable
        A directory with a model and its tokenizer, or a name on the Hugging Face hub;
        or a function of a list of str that returns an array of shape (n_texts,
        n_dimensions), such as any other library or service.
    pooling : {"mean", "cls", "max", "last"}, default="mean"
        Mean or maximum over the tokens of a text, its first token, or its last one
        (for models that read from left to right).
    layer : int, default=-1
        Which hidden states: 0 is the embedding of the tokens, -1 the last layer.
    batch_size : int, default=32
        Texts of a batch. Texts of about one length share a batch.
    max_length : int, default=128
        Tokens after which a text is cut, at most what the model takes. How many are
        cut is warned of when they are embedded.
    normalize : bool, default=True
        Whether to scale embeddings to length 1.
    device : str or torch.device, default="auto"
        Where to run; "auto" is CUDA where there is one, otherwise the CPU.
    dtype : str or torch.dtype, default="auto"
        Numbers that the model computes in. "auto" is float32 on the CPU, and elsewhere
        the type in which the weights are stored. "bfloat16" is faster where the
        hardware has it.
    cache : str, path, False or None, default=None
        Where to keep embeddings besides memory: a directory, which processes may share
        (as with `n_jobs`). None keeps them in memory only, False not at all.
    show_progress : bool, default=False
        Whether to show a bar.

    Attributes
    ----------
    n_dimensions_ : int
        Length of an embedding.

    See Also
    --------
    fairsk.preprocessing.ConceptEraser : Erases groups from embeddings.

    Notes
    -----
    The model itself is no part of the estimator: it is loaded when a text is to be
    embedded, once in a process, so that clones and pickles are small.

    The embeddings of a function are kept under its attribute `fingerprint`, if it has
    one; otherwise under its name, code and defaults, or the state of an object that is
    called. These say nothing of what it calls: change `fingerprint`, or the directory,
    when that changes.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.text import TextEncoder
    >>> def count_letters(texts):
    ...     return np.array([[text.count("e"), text.count("o")] for text in texts])
    >>> encoder = TextEncoder(count_letters, normalize=False)
    >>> encoder.fit_transform(["one text", "no more"])
    array([[2., 1.],
           [1., 2.]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "model": [str, PathLike, callable],
        "pooling": [StrOptions(set(POOLINGS))],
        "layer": [Integral],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
        "device": [str, torch.device],
        "dtype": [str, torch.dtype],
        "cache": [str, PathLike, Options(bool, {False}), None],
        "show_progress": ["boolean"],
    }

    def __init__(
        self,
        model,
        *,
        pooling="mean",
        layer=-1,
        batch_size=32,
        max_length=128,
        normalize=True,
        device="auto",
        dtype="auto",
        cache=None,
        show_progress=False,
    ):
        self.model = model
        self.pooling = pooling
        self.layer = layer
        self.batch_size = batch_size
        self.max_length = max_length
        self.normalize = normalize
        self.device = device
        self.dtype = dtype
        self.cache = cache
        self.show_progress = show_progress

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the texts and the model; nothing is learnt from them.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The encoder.
        """
        texts = read_texts(X, owner=type(self).__name__)
        if callable(self.model):
            self.n_dimensions_ = self._embed(texts[:1]).shape[1]
            return self
        self._check_layer()
        config = _models.load_config(self.model, owner=type(self).__name__)
        self.n_dimensions_ = config.hidden_size
        return self

    def transform(self, X):
        """Embeddings of texts.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.

        Returns
        -------
        embeddings : float32 ndarray of shape (n_samples, n_dimensions)
            One row for each text.
        """
        self._validate_params()
        embeddings = self._embed(read_texts(X, owner=type(self).__name__))
        if self.normalize:
            norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
            embeddings /= np.where(norms > 0, norms, 1)
        return embeddings

    @property
    def _n_features_out(self):
        return self.n_dimensions_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def _embed(self, texts):
        cache = self._open_cache()
        missing = cache.missing(texts)
        if missing:
            with cache.exclusive():
                # Others may have embedded some of them while we waited.
                self._fill(cache, cache.missing(missing))
        return cache.get(texts)

    def _open_cache(self):
        if self.cache is False:
            return EmbeddingCache()
        key = self._key()
        if key[0] is self.model and self.cache is not None:
            raise ValueError(
                f"{type(self).__name__} needs to know a function again to keep its "
                f"embeddings in a directory. Got {self.model!r}, which cannot be "
                "pickled. Give it an attribute `fingerprint`, a str that changes with "
                "what it computes."
            )
        return get_cache(key, self.cache)

    def _key(self):
        """All that the embedding of a text depends on."""
        if callable(self.model):
            return (_callable_fingerprint(self.model) or self.model,)
        owner = type(self).__name__
        device = _models.resolve_device(self.device, owner=owner)
        dtype = _models.resolve_dtype(self.dtype, self.model, device, owner=owner)
        fingerprint = _models.model_fingerprint(self.model, owner=owner)
        layer = self._check_layer()
        return (fingerprint, self.pooling, layer, self.max_length, str(dtype))

    def _check_layer(self):
        """The layer, counted from the end."""
        config = _models.load_config(self.model, owner=type(self).__name__)
        n_states = config.num_hidden_layers + 1
        if not -n_states <= self.layer < n_states:
            raise ValueError(
                f"{type(self).__name__} needs `layer` from {-n_states} to "
                f"{n_states - 1}: the embedding of the tokens and "
                f"{config.num_hidden_layers} layers. Got {self.layer}."
            )
        return self.layer - n_states if self.layer >= 0 else self.layer

    def _fill(self, cache, texts):
        """Embed distinct texts into the cache."""
        if not texts:
            return
        embed = self._call_model if callable(self.model) else self._run_model
        done, rows = [], []
        try:
            for positions, vectors in self._with_progress(embed(texts), len(texts)):
                done += [texts[i] for i in positions]
                rows.append(vectors)
                if len(rows) == _BATCHES_PER_WRITE:
                    cache.add(done, np.concatenate(rows))
                    done, rows = [], []
        finally:
            if rows:
                cache.add(done, np.concatenate(rows))

    def _run_model(self, texts):
        loaded = _models.load_model(
            self.model,
            device=self.device,
            dtype=self.dtype,
            owner=type(self).__name__,
        )
        tokens = tokenize(loaded, texts, self.max_length)
        warn_truncated(type(self).__name__, tokens, stacklevel=5)
        batches = embed_batches(
            loaded,
            tokens,
            pooling=self.pooling,
            layers=(self._check_layer(),),
            batch_size=self.batch_size,
        )
        for positions, vectors in batches:
            yield positions, vectors[0]

    def _call_model(self, texts):
        for start in range(0, len(texts), self.batch_size):
            batch = texts[start : start + self.batch_size]
            vectors = np.asarray(self.model(batch), dtype=np.float32)
            if vectors.ndim != 2 or len(vectors) != len(batch):
                raise ValueError(
                    f"{type(self).__name__} needs `model` to return an array of shape "
                    f"(n_texts, n_dimensions). Got shape {vectors.shape} for "
                    f"{len(batch)} texts."
                )
            yield range(start, start + len(batch)), vectors

    def _with_progress(self, batches, n_texts):
        if not self.show_progress:
            return batches
        from tqdm.auto import tqdm

        n_batches = -(-n_texts // self.batch_size)
        return tqdm(batches, total=n_batches, desc=type(self).__name__)


def _callable_fingerprint(function):
    """What tells functions apart, or None if only the object itself does."""
    given = getattr(function, "fingerprint", None)
    if given is not None:
        return str(given)
    if isinstance(function, FunctionType):
        if function.__closure__:
            return None
        # Version 2 writes no references, which differ from one call to the next.
        code = marshal.dumps(function.__code__, 2)
        defaults = function.__defaults__, function.__kwdefaults__
        function = function.__module__, function.__qualname__, code, defaults
    try:
        return joblib.hash(function)
    except Exception:  # whatever its parts raise when they are pickled
        return None
