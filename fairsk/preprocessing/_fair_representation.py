"""Prototypes that keep the label and lose the group."""

from numbers import Integral, Real

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fairsk.base import GroupAwareMixin
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import Interval, _check_sample_weight, _fit_context

# The absolute value |d| is smoothed to sqrt(d^2 + this^2) for the solver.
_SMOOTH = 1e-4


class FairRepresentation(
    ClassNamePrefixFeaturesOutMixin, GroupAwareMixin, TransformerMixin, BaseEstimator
):
    r"""Represent each sample by prototypes that all groups use alike (LFR).

    A sample belongs to prototype k with probability

    .. math:: M_{nk} \propto \exp\Bigl(-\sum_d \alpha_d (x_{nd} - v_{kd})^2\Bigr),

    and the prototypes v, their label probabilities w and the weights
    :math:`\alpha \ge 0` of the features minimise

    .. math:: A_x \operatorname{mean}_n \|x_n - (Mv)_n\|^2
       + A_y \operatorname{mean}_n \bigl(-\log (Mw)_{n y_n}\bigr)
       + A_z \operatorname{mean}_{k,\, a < b} |\bar M_{ak} - \bar M_{bk}|,

    where :math:`\bar M_a` is the mean membership in group a.

    Parameters
    ----------
    n_prototypes : int, default=10
        Number of prototypes, the number of features of the output.
    reconstruction_weight : float, default=0.01
        :math:`A_x`.
    label_weight : float, default=1.0
        :math:`A_y`. Without y in `fit` this term is left out.
    fairness_weight : float, default=50.0
        :math:`A_z`.
    max_iter : int, default=200
        Largest number of iterations of L-BFGS.
    tol : float, default=1e-6
        Relative decrease of the loss at which to stop.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed. Such columns stay among the features.
    random_state : int, RandomState instance or None, default=None
        Source of the first prototypes, which are drawn around the mean.

    Attributes
    ----------
    prototypes_ : ndarray of shape (n_prototypes, n_features_in_)
        v.
    prototype_labels_ : ndarray of shape (n_prototypes, n_classes)
        w, where y was given.
    feature_weight_ : ndarray of shape (n_features_in_,)
        :math:`\alpha`.
    loss_ : float
        The loss at the end.
    n_iter_ : int
        Number of iterations.
    classes_ : ndarray of shape (n_classes,)
        The labels, where y was given.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ConceptEraser : Keeps all that is not the group, in closed form.
    fairsk.inprocessing.AdversarialRepresentation : A network's code, against an
        adversary.

    Notes
    -----
    The groups are not needed at `transform`. The loss is not convex: another
    `random_state` finds other prototypes. Standardise the features first. The gradient
    is written out, so that no network library is needed.

    References
    ----------
    Zemel, Wu, Swersky, Pitassi & Dwork (2013). Learning fair representations. ICML.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.preprocessing import FairRepresentation
    >>> X, y, group = make_biased_classification(random_state=0)
    >>> learner = FairRepresentation(4, random_state=0)
    >>> learner.fit(X, y, sensitive_features=group).transform(X).shape
    (1000, 4)
    """

    _parameter_constraints: dict = {
        "n_prototypes": [Interval(Integral, 1, None, closed="left")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "fairness_weight": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_prototypes=10,
        *,
        reconstruction_weight=0.01,
        label_weight=1.0,
        fairness_weight=50.0,
        max_iter=200,
        tol=1e-6,
        group_by=None,
        random_state=None,
    ):
        self.n_prototypes = n_prototypes
        self.reconstruction_weight = reconstruction_weight
        self.label_weight = label_weight
        self.fairness_weight = fairness_weight
        self.max_iter = max_iter
        self.tol = tol
        self.group_by = group_by
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Find the prototypes.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,), default=None
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        if y is None:
            features, n_classes = validate_data(self, X, dtype=np.float64), 0
            y_codes = np.zeros(len(features), dtype=int)
        else:
            features, y = validate_data(self, X, y, dtype=np.float64)
            check_classification_targets(y)
            self.classes_, y_codes = factorize(y)
            n_classes = len(self.classes_)
        weight = _check_sample_weight(sample_weight, features)
        groups = self._check_groups(X, sensitive_features)
        problem = _Problem(
            features,
            y_codes.astype(int),
            groups,
            weight,
            (self.n_prototypes, n_classes),
            (self.reconstruction_weight, self.label_weight, self.fairness_weight),
        )
        start = problem.start(check_random_state(self.random_state))
        n_free = len(start) - features.shape[1]
        result = minimize(
            problem,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None)] * n_free + [(0, None)] * features.shape[1],
            options={"maxiter": self.max_iter, "ftol": self.tol},
        )
        self.prototypes_, logits, self.feature_weight_ = problem.unpack(result.x)
        if n_classes:
            self.prototype_labels_ = softmax(logits, axis=1)
        self.loss_, self.n_iter_ = float(result.fun), int(result.nit)
        self._n_features_out = self.n_prototypes
        return self

    def transform(self, X):
        """Membership of each sample in each prototype.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples. Their groups are not needed.

        Returns
        -------
        memberships : ndarray of shape (n_samples, n_prototypes)
            Probabilities, each row sums to 1.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return _memberships(X, self.prototypes_, self.feature_weight_)


class _Problem:
    """The loss and its gradient as a function of one vector."""

    def __init__(self, X, y_codes, groups, weight, sizes, factors):
        self.X, self.y_codes = X, y_codes
        self.n_prototypes, self.n_classes = sizes
        self.factors = factors
        self.weight = weight / weight.sum()
        mass = np.bincount(groups.codes, self.weight, minlength=groups.n_groups)
        self.codes = groups.codes
        self.mass = np.where(mass > 0, mass, 1.0)
        self.pairs = np.triu_indices(groups.n_groups, k=1)

    def start(self, rng):
        """Prototypes around the mean, undecided labels, equal weights."""
        n_features = self.X.shape[1]
        # From moments, not from rows: weight 2 equals the row twice, in any order.
        mean = self.weight @ self.X
        scale = np.sqrt(self.weight @ (self.X - mean) ** 2)
        noise = rng.normal(size=(self.n_prototypes, n_features))
        prototypes = mean + scale * noise
        logits = 0.1 * rng.normal(size=self.n_prototypes * self.n_classes)
        weights = np.full(n_features, 1.0 / n_features)
        return np.concatenate([prototypes.ravel(), logits, weights])

    def unpack(self, vector):
        """Prototypes, logits of their labels, weights of the features."""
        n_features = self.X.shape[1]
        first = self.n_prototypes * n_features
        prototypes = vector[:first].reshape(self.n_prototypes, n_features)
        logits = vector[first : len(vector) - n_features]
        logits = logits.reshape(self.n_prototypes, self.n_classes)
        return prototypes, logits, vector[len(vector) - n_features :]

    def __call__(self, vector):
        """Loss and gradient."""
        prototypes, logits, alpha = self.unpack(vector)
        M = _memberships(self.X, prototypes, alpha)
        loss, of_M = 0.0, np.zeros_like(M)
        of_prototypes = np.zeros_like(prototypes)
        of_logits = np.zeros_like(logits)
        on_x, on_y, on_z = self.factors
        if on_x:
            miss = M @ prototypes - self.X
            weighted = 2 * on_x * self.weight[:, None] * miss
            loss += on_x * self.weight @ (miss**2).sum(axis=1)
            of_M += weighted @ prototypes.T
            of_prototypes += M.T @ weighted
        if on_y and self.n_classes:
            loss += self._label_term(M, logits, on_y, of_M, of_logits)
        if on_z and len(self.pairs[0]):
            loss += self._fairness_term(M, on_z, of_M)
        of_scores = M * (of_M - (of_M * M).sum(axis=1, keepdims=True))
        pulled = of_scores.T @ self.X
        total = of_scores.sum(axis=0)[:, None]
        of_prototypes += 2 * alpha * (pulled - total * prototypes)
        of_alpha = (2 * pulled * prototypes - total * prototypes**2).sum(axis=0)
        gradient = [of_prototypes.ravel(), of_logits.ravel(), of_alpha]
        return loss, np.concatenate(gradient)

    def _label_term(self, M, logits, factor, of_M, of_logits):
        labels = np.exp(log_softmax(logits, axis=1))
        likelihood = np.einsum("nk,kn->n", M, labels[:, self.y_codes])
        likelihood = np.maximum(likelihood, 1e-300)
        slope = -factor * self.weight / likelihood
        of_M += slope[:, None] * labels[:, self.y_codes].T
        of_labels = np.zeros_like(labels)
        for label in range(self.n_classes):
            rows = self.y_codes == label
            of_labels[:, label] = slope[rows] @ M[rows]
        of_logits += labels * (
            of_labels - (of_labels * labels).sum(axis=1, keepdims=True)
        )
        return -factor * self.weight @ np.log(likelihood)

    def _fairness_term(self, M, factor, of_M):
        first, second = self.pairs
        indicator = np.zeros((len(M), len(self.mass)))
        indicator[np.arange(len(M)), self.codes] = self.weight
        means = (indicator.T @ M) / self.mass[:, None]
        gaps = means[first] - means[second]
        smooth = np.sqrt(gaps**2 + _SMOOTH**2)
        slopes = factor * gaps / smooth / gaps.size
        of_means = np.zeros_like(means)
        np.add.at(of_means, first, slopes)
        np.add.at(of_means, second, -slopes)
        of_M += indicator @ (of_means / self.mass[:, None])
        return factor * (smooth - _SMOOTH).mean()


def _memberships(X, prototypes, alpha):
    """Softmax of the negative weighted distances.

    The part of a distance that all prototypes share drops out.
    """
    weighted = alpha * prototypes
    return softmax(
        2 * X @ weighted.T - (weighted * prototypes).sum(axis=1)[None], axis=1
    )
