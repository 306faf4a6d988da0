"""Add each text as it would read of the other group, or put it in its place."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from fairsk.base import GroupAwareMixin
from fairsk.text._counterfactual_swap import CounterfactualSwap
from fairsk.text._sampler import TextSampler
from fairsk.text._validation import like_texts
from fairsk.utils._rows import take_rows
from fairsk.utils._sklearn import HasMethods, Interval, StrOptions, _fit_context


class CounterfactualTextAugmenter(GroupAwareMixin, TextSampler):
    """Add each text as it would read of the other group, under the same label.

    A model that learns from both learns that the terms that were swapped say nothing of
    the label. The new rows are of the other group, which later steps of
    :class:`fairsk.pipeline.Pipeline` are told.

    Parameters
    ----------
    swap : transformer, default=None
        Makes the counterfactual texts; None is ``CounterfactualSwap()``. Texts that it
        leaves as they are have no counterfactual.
    method : {"append", "substitute"}, default="append"
        Whether the new texts come on top, or in the place of a random share of the old
        ones, so that the data keep their size.
    share : float, default=0.5
        How many of the texts with a counterfactual are substituted.
    group_by : callable, default=None
        Function of X that gives the groups, where `sensitive_features` is not passed.
        Without either, the groups of the new rows are unknown.
    flip : mapping, default=None
        Group of a text -> group of its counterfactual. None takes the other one of two
        groups. Texts of groups that it does not name stay alone.
    random_state : int, RandomState instance or None, default=None
        Which texts are substituted.

    Attributes
    ----------
    coverage_ : float
        Share of the texts that have a counterfactual.
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of each row of the output, -1 for counterfactuals.
    group_indices_ : ndarray of shape (n_resampled,)
        Position of a row of the same group; only where the groups are known.
    source_indices_ : ndarray of shape (n_resampled,)
        Position of the text that each row was, before it was swapped.
    group_labels_ : list of length n_groups
        The groups, where they are known.

    See Also
    --------
    CounterfactualSwap : Swaps the terms.
    fairsk.resampling.CounterfactualAugmenter : The same for tables.

    References
    ----------
    Lu, Mardziel, Wu, Amancharla & Datta (2020). Gender bias in neural natural language
    processing.

    Hall Maudslay, Gonen, Cotterell & Teufel (2019). It's all in the name: mitigating
    gender bias with name-based counterfactual data substitution. EMNLP.

    Examples
    --------
    >>> from fairsk.text import CounterfactualTextAugmenter
    >>> augmenter = CounterfactualTextAugmenter()
    >>> texts, labels = augmenter.fit_resample(
    ...     ["He is kind.", "She is here.", "It rains."], [1, 0, 0],
    ...     sensitive_features=["m", "f", "f"],
    ... )
    >>> texts
    ['He is kind.', 'She is here.', 'It rains.', 'She is kind.', 'He is here.']
    >>> labels, augmenter.group_indices_.tolist()
    ([1, 0, 0, 1, 0], [0, 1, 2, 1, 0])
    """

    _parameter_constraints: dict = {
        "swap": [HasMethods(["fit", "transform"]), None],
        "method": [StrOptions({"append", "substitute"})],
        "share": [Interval(Real, 0, 1, closed="both")],
        "group_by": [callable, None],
        "flip": [Mapping, None],
        "random_state": ["random_state"],
    }
    __metadata_request__fit_resample = {"sensitive_features": True}

    def __init__(
        self,
        swap=None,
        *,
        method="append",
        share=0.5,
        group_by=None,
        flip=None,
        random_state=None,
    ):
        self.swap = swap
        self.method = method
        self.share = share
        self.group_by = group_by
        self.flip = flip
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None):
        """Check the texts and their groups.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.

        Returns
        -------
        self : object
            The sampler.
        """
        self._check_texts(X, y)
        self._check_known_groups(X, sensitive_features)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_resample(self, X, y, *, sensitive_features=None):
        """Add the counterfactual texts, or substitute them.

        Parameters
        ----------
        X : list, Series or ndarray of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.

        Returns
        -------
        X_resampled : of the type of X
            The texts. Those that are added stand at the end.
        y_resampled : of the type of y
            Their labels.
        """
        texts = self._check_texts(X, y)
        groups = self._check_known_groups(X, sensitive_features)
        resampled = self._fit_resample(texts, groups)
        return like_texts(X, resampled), take_rows(y, self.source_indices_)

    def _fit_resample(self, texts, groups):
        """The texts that go on; `groups` may be None."""
        swap = CounterfactualSwap() if self.swap is None else clone(self.swap)
        swapped = list(swap.fit(texts).transform(texts))
        changed = np.array([a != b for a, b in zip(texts, swapped)])
        self.coverage_ = float(changed.mean())
        model = None
        if groups is not None:
            model = self._models_of_flipped(groups)
            changed &= model >= 0
        self._choose(np.flatnonzero(changed), len(texts), model)
        return [
            (texts if kept >= 0 else swapped)[source]
            for kept, source in zip(self.sample_indices_, self.source_indices_)
        ]

    def _check_known_groups(self, X, sensitive_features):
        if sensitive_features is None and self.group_by is None:
            return None
        return self._check_groups(X, sensitive_features)

    def _models_of_flipped(self, groups):
        """For each row, a row of the group of its counterfactual, or -1."""
        flip = self._read_flip(groups)
        first = {
            label: int(np.argmax(groups.codes == code))
            for code, label in enumerate(groups.labels)
        }
        absent = {flip[label] for label in groups.labels if label in flip} - set(first)
        if absent:
            raise ValueError(
                f"{type(self).__name__} needs a sample of each group that a text is "
                f"flipped to. Got none of {sorted(absent, key=str)}. Pass data of all "
                "groups, or another `flip`."
            )
        table = [first[flip[g]] if g in flip else -1 for g in groups.labels]
        return np.array(table)[groups.codes]

    def _read_flip(self, groups):
        if self.flip is not None:
            return self.flip
        labels = groups.labels
        if len(labels) == 2:
            return dict(zip(labels, reversed(labels)))
        raise ValueError(
            f"{type(self).__name__} needs to know the group of each counterfactual. "
            f"Got the {len(labels)} group(s) {labels[:10]}. Pass `flip`, a mapping of "
            "a text's group to that of its counterfactual."
        )

    def _choose(self, candidates, n_rows, model):
        """Say of each row of the output where it comes from."""
        rows = np.arange(n_rows)
        if self.method == "append":
            source = np.concatenate([rows, candidates])
            made = np.arange(len(source)) >= n_rows
        else:
            random_state = check_random_state(self.random_state)
            n_made = round(self.share * len(candidates))
            source = rows
            made = np.isin(rows, random_state.choice(candidates, n_made, replace=False))
        self.source_indices_ = source
        self.sample_indices_ = np.where(made, -1, source)
        if model is not None:
            self.group_indices_ = np.where(made, model[source], source)
