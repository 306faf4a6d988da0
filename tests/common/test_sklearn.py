"""scikit-learn's own checks, on every public estimator."""

import numpy as np
import pytest
import sklearn
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from tests.common.instances import Stripes, for_check, fresh_instances


@pytest.fixture(autouse=True)
def mended_checks(monkeypatch):
    """What scikit-learn has mended in its checks since its oldest supported release.

    1.6 makes labels binary by the first row, which is another one in the two data sets
    of its check of weights, and centres integer features in place.
    """
    if parse_version(sklearn.__version__) >= parse_version("1.7"):
        return
    of_X = estimator_checks._enforce_estimator_tags_X
    of_y = estimator_checks._enforce_estimator_tags_y

    def enforce_X(estimator, X, **kwargs):
        enforced = of_X(estimator, X, **kwargs)
        is_integer = getattr(enforced, "dtype", np.dtype(float)).kind == "i"
        return enforced.astype(float) if is_integer else enforced

    def enforce_y(estimator, y):
        tags = estimator_checks.get_tags(estimator).classifier_tags
        if tags is not None and not tags.multi_class and y.size > 0:
            return np.where(y == y.min(), y, y.min() + 1)
        return of_y(estimator, y)

    monkeypatch.setattr(estimator_checks, "_enforce_estimator_tags_X", enforce_X)
    monkeypatch.setattr(estimator_checks, "_enforce_estimator_tags_y", enforce_y)


# The data of some checks have one group, or a group that lacks a class.
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(fresh_instances(group_by=Stripes()))
def test_scikit_learn_checks(estimator, check):
    check(for_check(estimator, check.func.__name__))
