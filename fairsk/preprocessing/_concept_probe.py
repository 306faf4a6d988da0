"""What a fresh model still reads of the groups from the features."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fairsk.base import read_groups
from fairsk.metrics._leakage import default_probes, leakage, probe_accuracy
from fairsk.utils._sklearn import Interval, _fit_context


class ConceptProbe(BaseEstimator):
    r"""Measure how well the groups can be read from the features.

    Each probe is a classifier of the groups, judged on folds it was not fitted to:

    .. math:: \text{leakage} = \max\left(0,
       \frac{\text{balanced accuracy} - 1/G}{1 - 1/G}\right),

    0 for chance and 1 for a group that is told without error. An adversary that was
    trained along with a representation is no evidence that the group is gone; these
    probes are new.

    Parameters
    ----------
    probes : dict of {str: classifier}, default=None
        The probes by name. None takes "linear", a logistic regression, and "mlp", a
        network with 64 hidden units, each on standardised features.
    cv : int, default=5
        Number of folds, stratified by group.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed. Such columns stay among the features: do not
        name a column here that the probe is to be kept from.
    random_state : int, RandomState instance or None, default=None
        Source of the folds, and of the network's first weights.

    Attributes
    ----------
    leakage_ : dict of {str: float}
        Leakage by probe.
    balanced_accuracy_ : dict of {str: float}
        Balanced accuracy by probe.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ConceptEraser : Takes away what a linear probe finds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.preprocessing import ConceptEraser, ConceptProbe
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(2, size=400)
    >>> X = rng.normal(size=(400, 3)) + 2 * group[:, None]
    >>> probe = ConceptProbe(probes={"linear": LogisticRegression()}, random_state=0)
    >>> round(probe.fit(X, sensitive_features=group).leakage_["linear"], 1)
    0.9
    >>> erased = ConceptEraser().fit(X, sensitive_features=group).transform(X)
    >>> round(probe.fit(erased, sensitive_features=group).leakage_["linear"], 1)
    0.0
    """

    __metadata_request__fit = {"sensitive_features": True}
    __metadata_request__score = {"sensitive_features": True}

    _parameter_constraints: dict = {
        "probes": [dict, None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(self, probes=None, *, cv=5, group_by=None, random_state=None):
        self.probes = probes
        self.cv = cv
        self.group_by = group_by
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, sensitive_features=None):
        """Fit the probes on folds and measure.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.

        Returns
        -------
        self : object
            With `leakage_`.
        """
        features = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        groups = self._read_groups(X, sensitive_features)
        self.group_labels_ = list(groups.labels)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        if groups.n_groups > 1:
            self._check_sizes(groups)
        self.balanced_accuracy_, self.leakage_ = {}, {}
        for name, probe in self._probes(seed).items():
            accuracy = probe_accuracy(probe, features, groups.codes, self.cv, seed)
            self.balanced_accuracy_[name] = accuracy
            self.leakage_[name] = leakage(accuracy, groups.n_groups)
        return self

    def _read_groups(self, X, sensitive_features):
        owner = type(self).__name__
        return read_groups(X, sensitive_features, self.group_by, owner=owner)

    def _probes(self, seed):
        return default_probes(seed) if self.probes is None else self.probes

    def _check_sizes(self, groups):
        if groups.sizes.min() < 2:
            alone = groups.labels[groups.sizes.argmin()]
            raise ValueError(
                f"{type(self).__name__} needs two samples of each group to judge on "
                f"another fold than it fits. Got one of the group {alone!r}, of "
                f"n_samples={len(groups)}. Join it to another group."
            )

    def score(self, X, y=None, *, sensitive_features=None):
        """One minus the largest leakage of probes that are fitted to these samples.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.

        Returns
        -------
        score : float
            1 where no probe beats chance.
        """
        check_is_fitted(self)
        validate_data(self, X, reset=False, dtype=np.float64)
        probe = clone(self).fit(X, sensitive_features=sensitive_features)
        return 1.0 - max(probe.leakage_.values())

    def score_transformer(self, transformer, X, y=None, *, sensitive_features=None):
        """Score of what a fitted transformer makes of X.

        It has the signature of a scorer: ``GridSearchCV(..., scoring=
        ConceptProbe(group_by="sex").score_transformer)``. The groups are those of X as
        it comes, before the transformer.

        Parameters
        ----------
        transformer : fitted transformer
            Its `transform` needs no groups.
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.

        Returns
        -------
        score : float
            1 where no probe beats chance.
        """
        groups = self._read_groups(X, sensitive_features)
        probe = clone(self).fit(transformer.transform(X), sensitive_features=groups)
        return 1.0 - max(probe.leakage_.values())
