"""scikit-learn's own checks, on every public estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.common.instances import Stripes, for_check, fresh_instances


# The data of some checks have one group, or a group that lacks a class.
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(fresh_instances(group_by=Stripes()))
def test_scikit_learn_checks(estimator, check):
    check(for_check(estimator, check.func.__name__))
