"""Fit any classifier with weights that make label and group independent."""

from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.metaestimators import available_if

from fairsk.base import GroupAwareMixin
from fairsk.reductions._base import (
    DelegatingMixin,
    check_labels,
    estimator_has,
)
from fairsk.reductions._learner import (
    check_weights_matter,
    fit_weighted,
    require_weights,
)
from fairsk.reductions._weights import cell_weights
from fairsk.utils._cells import WEIGHT_TARGETS, take_cells
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import (
    HasMethods,
    StrOptions,
    _check_sample_weight,
    _fit_context,
)
from fairsk.utils._validation import inherit_tags


class ReweighingClassifier(
    GroupAwareMixin, DelegatingMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator
):
    r"""Classifier fitted with weights that make label and group independent.

    A sample of group a and label y gets the weight

    .. math:: w_{ay} = \frac{P(A = a)\, P(Y = y)}{P(A = a, Y = y)},

    so that in the weighted data every group has the same share of each label. Nothing
    else changes: labels, features and the number of samples stay.

    Parameters
    ----------
    estimator : classifier
        Its `fit` takes `sample_weight`. Of a pipeline the last step gets the weights.
    strategy : {"independence", "fair_balance", "equal_cells"}, default="independence"
        What the weights aim for, see :func:`compute_fairness_weight`.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    cell_weight_ : ndarray of shape (n_groups, n_classes)
        Weight of a sample by group and label; 0 where there is none.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    compute_fairness_weight : The weights alone.
    ExponentiatedGradientClassifier : Searches the weights for which a definition holds.

    Notes
    -----
    Reweighing is one point of the trade-off and cannot be steered: the labels become
    independent of the group, the predictions only as far as the classifier follows
    its weights. A classifier that can tell every sample apart ignores them.

    References
    ----------
    Kamiran & Calders (2012). Data preprocessing techniques for classification without
    discrimination. Knowledge and Information Systems 33.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.reductions import ReweighingClassifier
    >>> X, y, group = make_biased_classification(random_state=0)
    >>> model = ReweighingClassifier(LogisticRegression())
    >>> model.fit(X, y, sensitive_features=group).cell_weight_.round(2)
    array([[1.18, 0.86],
           [0.86, 1.21]])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "strategy": [StrOptions(set(WEIGHT_TARGETS))],
        "group_by": [str, int, list, tuple, callable, None],
    }

    def __init__(self, estimator, *, strategy="independence", group_by=None):
        self.estimator = estimator
        self.strategy = strategy
        self.group_by = group_by

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Fit the classifier to the weighted samples.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, which the fairness weights multiply.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        require_weights(self.estimator, type(self).__name__)
        X, y = check_labels(self, X, y)
        weight = _check_sample_weight(sample_weight, X)
        groups = self._check_groups(X, sensitive_features)
        self.classes_, y_codes = factorize(y)
        self.cell_weight_ = cell_weights(
            groups, y_codes, self.classes_, self.strategy, weight
        )
        if len(self.classes_) > 1:
            check_weights_matter(self.estimator, X, type(self).__name__)
        weight = weight * take_cells(self.cell_weight_, groups.codes, y_codes)
        self.estimator_ = fit_weighted(clone(self.estimator), X, y, weight)
        return self

    @available_if(estimator_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._delegate("predict_log_proba", X)

    def __sklearn_tags__(self):
        return inherit_tags(super().__sklearn_tags__(), self.estimator)
