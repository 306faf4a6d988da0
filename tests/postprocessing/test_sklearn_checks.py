import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from fairsk.postprocessing import ThresholdOptimizer


class Stripes:
    """Two groups that have nothing to do with the labels."""

    def __call__(self, X):
        X = X.toarray() if hasattr(X, "toarray") else np.asarray(X, dtype=float)
        return (np.floor(np.nan_to_num(X[:, 0]) * 7.3) % 2).astype(int)

    def __repr__(self):
        return "stripes"


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        ThresholdOptimizer(LogisticRegression(), tolerance=1.0, group_by=Stripes()),
        ThresholdOptimizer(
            LogisticRegression(), tolerance=0.1, group_by=Stripes(), randomize=True
        ),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
