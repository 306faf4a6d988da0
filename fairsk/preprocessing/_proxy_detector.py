"""Find the columns that stand in for the groups, and drop them."""

from numbers import Integral, Real

import narwhals.stable.v1 as nw
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin, mutual_info_classif
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fairsk.base import GroupAwareMixin
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import Interval, StrOptions, _fit_context


class ProxyDetector(SelectorMixin, GroupAwareMixin, BaseEstimator):
    r"""Rank the columns by how well each predicts the groups; drop the best.

    Parameters
    ----------
    method : {"auc", "mutual_info"}, default="auc"
        What a column's score is:

        - "auc": the area under the ROC curve, out of fold, of a small tree on that
          column alone (the mean over groups against the rest); 0.5 is chance;
        - "mutual_info": mutual information of column and group as a share of the
          entropy of the group; 0 is independence and 1 a column that tells the group.
    threshold : float, default=0.8
        Columns with a larger score are dropped.
    cv : int, default=5
        Number of folds of "auc".
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed. Such columns are proxies like any other.
    random_state : int, RandomState instance or None, default=None
        Source of the folds, and of the noise that "mutual_info" breaks ties by.

    Attributes
    ----------
    scores_ : ndarray of shape (n_features_in_,)
        Score of each column.
    ranking_ : ndarray of shape (n_features_in_,)
        Positions of the columns, the strongest proxy first.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ConceptEraser : Takes the group out of all columns together and drops none.

    Notes
    -----
    Columns are looked at one by one: several that are no proxies alone may be one
    together, which :class:`ConceptProbe` tells. Strings and categories are taken as
    codes in sorted order.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.preprocessing import ProxyDetector
    >>> X, y, group = make_biased_classification(proxy_strength=3, random_state=0)
    >>> detector = ProxyDetector(random_state=0).fit(X, sensitive_features=group)
    >>> int(detector.ranking_[0]), detector.transform(X).shape
    (0, (1000, 9))
    """

    _parameter_constraints: dict = {
        "method": [StrOptions({"auc", "mutual_info"})],
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        method="auc",
        threshold=0.8,
        cv=5,
        group_by=None,
        random_state=None,
    ):
        self.method = method
        self.threshold = threshold
        self.cv = cv
        self.group_by = group_by
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, sensitive_features=None):
        """Score the columns.

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
            With `scores_`.
        """
        features, discrete = self._check_codes(X)
        groups = self._check_groups(X, sensitive_features)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        if groups.n_groups == 1:
            self.scores_ = np.zeros(features.shape[1])
        elif self.method == "auc":
            self.scores_ = self._score_auc(features, groups, seed)
        else:
            information = mutual_info_classif(
                features, groups.codes, discrete_features=discrete, random_state=seed
            )
            shares = groups.sizes / len(groups)
            self.scores_ = np.minimum(information / -(shares @ np.log(shares)), 1.0)
        self.ranking_ = np.argsort(-self.scores_, kind="stable")
        return self

    def _check_codes(self, X):
        """Numeric columns as they are, others as codes; and which are discrete."""
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        if not isinstance(frame, nw.DataFrame):
            features = validate_data(self, X, dtype=np.float64)
            return features, np.array([_is_discrete(column) for column in features.T])
        validate_data(self, X, skip_check_array=True)
        columns = [
            column.to_numpy()
            if column.dtype.is_numeric()
            else factorize(column.to_numpy().astype(object))[1]
            for column in frame.iter_columns()
        ]
        features = check_array(
            np.column_stack(columns) if columns else np.zeros((len(frame), 0)),
            dtype=np.float64,
            estimator=self,
            input_name="X",
        )
        return features, np.array([_is_discrete(column) for column in features.T])

    def _score_auc(self, features, groups, seed):
        smallest = int(groups.sizes.min())
        if smallest < 2:
            alone = groups.labels[int(groups.sizes.argmin())]
            raise ValueError(
                f"{type(self).__name__} needs two samples of each group to score out "
                f"of fold. Got one of the group {alone!r}, of "
                f"n_samples={len(features)}. Join it to another group, or set "
                "`method='mutual_info'`."
            )
        folds = StratifiedKFold(min(self.cv, smallest), shuffle=True, random_state=seed)
        tree = DecisionTreeClassifier(
            max_leaf_nodes=16, min_samples_leaf=5, random_state=seed
        )
        scores = []
        for column in features.T:
            shares = cross_val_predict(
                tree, column[:, None], groups.codes, cv=folds, method="predict_proba"
            )
            scores.append(
                np.mean(
                    [
                        roc_auc_score(groups.codes == g, shares[:, g])
                        for g in range(groups.n_groups)
                    ]
                )
            )
        return np.array(scores)

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.scores_ <= self.threshold

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags


def _is_discrete(column):
    return len(np.unique(column)) <= 20 and bool((column == np.floor(column)).all())
