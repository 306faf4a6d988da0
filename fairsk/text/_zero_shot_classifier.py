"""A causal language model as a classifier, by the likelihood of the labels' words."""

import os
import warnings
from collections.abc import Mapping
from numbers import Integral

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from fairsk.text._embedding import longest_input
from fairsk.text._likelihood import causal_log_likelihood
from fairsk.text._models import load_model
from fairsk.text._paired_likelihood_bias import with_start
from fairsk.text._tags import TextInputMixin
from fairsk.text._validation import read_texts
from fairsk.utils._sklearn import Interval, _fit_context


class ZeroShotClassifier(TextInputMixin, ClassifierMixin, BaseEstimator):
    r"""Classifier that asks a language model which label's words follow a text.

    Nothing is trained. The score of a class is the log-likelihood of its words behind
    the prompt that `template` makes of the text,

    .. math:: z_k(x) = \log p(\mathrm{words}_k \mid \mathrm{prompt}(x)),

    less, with `calibrate`, that behind a neutral text, so that words that are likely
    anyway do not win. Being a classifier, it is audited by the same scorers,
    thresholds and displays as any other.

    Parameters
    ----------
    model : str, path or callable
        A local directory or a name on the hub of a causal language model; or a function
        of two lists of str, prompts and continuations, that returns log-likelihoods of
        the continuations.
    label_words : mapping, default=None
        The words of each class, by label. None takes the labels as they are.
    template : str, default="{text} Answer:"
        The prompt, with a place for the text.
    calibrate : bool, default=False
        Whether to subtract the log-likelihood behind `neutral_text`.
    neutral_text : str, default="N/A"
        A text that says nothing.
    max_length : int, default=512
        Tokens of a prompt with its words; longer texts lose their beginning.
    device : str or torch.device, default="auto"
        Where to run.
    dtype : str or torch.dtype, default="auto"
        Numbers that the model computes in.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, from `y`.

    See Also
    --------
    FairTransformerClassifier : Fine-tunes a model.

    References
    ----------
    Brown et al. (2020). Language models are few-shot learners. NeurIPS.

    Zhao, Wallace, Feng, Klein & Singh (2021). Calibrate before use. ICML.

    Examples
    --------
    >>> from fairsk.text import ZeroShotClassifier
    >>> def log_likelihood(prompts, continuations):  # in earnest: a language model
    ...     return [2.0 * (c.strip() in p) for p, c in zip(prompts, continuations)]
    >>> clf = ZeroShotClassifier(log_likelihood, label_words={0: "sad", 1: "glad"})
    >>> clf.fit(["a glad day", "a sad day"], [1, 0]).predict(["what a sad song"])
    array([0])
    """

    _parameter_constraints: dict = {
        "model": [str, os.PathLike, callable],
        "label_words": [Mapping, None],
        "template": [str],
        "calibrate": ["boolean"],
        "neutral_text": [str],
        "max_length": [Interval(Integral, 2, None, closed="left")],
        "device": [str, torch.device],
        "dtype": [str, torch.dtype],
    }

    def __init__(
        self,
        model,
        *,
        label_words=None,
        template="{text} Answer:",
        calibrate=False,
        neutral_text="N/A",
        max_length=512,
        device="auto",
        dtype="auto",
    ):
        self.model = model
        self.label_words = label_words
        self.template = template
        self.calibrate = calibrate
        self.neutral_text = neutral_text
        self.max_length = max_length
        self.device = device
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Take note of the labels; nothing is learnt from the texts.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : object
            The classifier.
        """
        owner = type(self).__name__
        texts = read_texts(X, owner=owner)
        check_consistent_length(texts, y)
        check_classification_targets(y)
        classes = np.unique(column_or_1d(y))
        if "{text}" not in self.template:
            raise ValueError(
                f"{owner} needs a place {{text}} in `template`. Got {self.template!r}."
            )
        missing = [k for k in classes.tolist() if k not in (self.label_words or [k])]
        if self.label_words is not None and missing:
            raise ValueError(
                f"{owner} needs `label_words` of every class of y: "
                f"{classes.tolist()}. Got none of {missing}."
            )
        self.classes_ = classes
        return self

    def predict_log_proba(self, X):
        """Logarithm of the probability of each class.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return np.log(np.maximum(self.predict_proba(X), np.finfo(float).tiny))

    def predict_proba(self, X):
        """Probability of each class, among the classes.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.

        Returns
        -------
        y_score : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        scores = self._score(read_texts(X, owner=type(self).__name__))
        if self.calibrate:
            scores = scores - self._score([self.neutral_text])
        return softmax(scores, axis=1)

    def predict(self, X):
        """Most probable class.

        Parameters
        ----------
        X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
            Texts.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Class labels.
        """
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]

    def _score(self, texts):
        """Log-likelihood of the words of each class behind each prompt."""
        labels = self.classes_.tolist()
        words = self.label_words or {k: str(k) for k in labels}
        distinct = list(dict.fromkeys(texts))
        prompts = [self.template.replace("{text}", text) for text in distinct]
        pairs = [(p, " " + words[k].strip()) for p in prompts for k in labels]
        likelihood = self.model if callable(self.model) else self._log_likelihood
        scores = np.asarray(likelihood(*map(list, zip(*pairs))), dtype=np.float64)
        by_text = dict(zip(distinct, scores.reshape(len(distinct), len(labels))))
        return np.array([by_text[text] for text in texts])

    def _log_likelihood(self, prompts, continuations):
        loaded = load_model(
            self.model,
            head="causal_lm",
            device=self.device,
            dtype=self.dtype,
            owner=type(self).__name__,
        )
        limit = longest_input(loaded, self.max_length)
        options = {"add_special_tokens": False, "verbose": False}
        before = loaded.tokenizer(prompts, **options)["input_ids"]
        after = loaded.tokenizer(continuations, **options)["input_ids"]
        texts, n_given, cut = [], [], set()
        for text, prompt, words in zip(prompts, before, after):
            room = len(prompt) if limit is None else max(limit - len(words) - 1, 0)
            if len(prompt) > room:
                cut.add(text)
            kept = with_start(loaded, prompt[max(len(prompt) - room, 0) :])
            texts.append([*kept, *words])
            n_given.append(max(len(kept), 1))
        if cut:
            warnings.warn(
                f"{type(self).__name__} cuts prompts to their last {limit} tokens, the "
                f"class included. {len(cut)} of {len(set(prompts))} prompts are "
                "longer. What stands before is not read: raise `max_length`, or split "
                "the texts.",
                UserWarning,
                stacklevel=5,
            )
        return causal_log_likelihood(loaded, texts, n_given)
