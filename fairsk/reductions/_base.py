"""What the reductions share: checks of the target, delegation."""

from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from fairsk.utils._validation import check_fit_input, check_predict_input


def check_labels(estimator, X, y):
    """`check_fit_input` for classifiers."""
    X, y = check_fit_input(estimator, X, y)
    check_classification_targets(y)
    return X, y


def check_target(estimator, X, y):
    """`check_fit_input` for regressors: y becomes float."""
    X, y = check_fit_input(estimator, X, y)
    return X, y.astype(float)


def inherit_tags(tags, estimator):
    """Take over from the inner estimator what it says of its input."""
    inner = get_tags(estimator)
    tags.input_tags.sparse = inner.input_tags.sparse
    tags.input_tags.allow_nan = inner.input_tags.allow_nan
    return tags


def estimator_has(method):
    """Condition for `available_if`: the inner estimator has `method`."""

    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class DelegatingMixin:
    """Predicts by one fitted estimator, `estimator_`."""

    def predict(self, X):
        """Predict by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predictions.
        """
        return self._delegate("predict", X)

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Probability of each class by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._delegate("predict_proba", X)

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X):
        """Decision values of the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The decision values.
        """
        return self._delegate("decision_function", X)

    def _delegate(self, method, X):
        X = check_predict_input(self, X)
        return getattr(self.estimator_, method)(X)
