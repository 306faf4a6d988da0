"""Our own checks, on every public estimator that compares groups."""

from fairsk.utils.checks import parametrize_with_fair_checks
from tests.common.instances import for_check, fresh_instances


@parametrize_with_fair_checks(fresh_instances(group_aware=True))
def test_fairness_checks(estimator, check):
    check(for_check(estimator, check.name))
