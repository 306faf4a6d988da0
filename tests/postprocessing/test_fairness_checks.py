from sklearn.linear_model import LogisticRegression

from fairsk.postprocessing import ThresholdOptimizer
from fairsk.utils.checks import parametrize_with_fair_checks


@parametrize_with_fair_checks(
    [
        ThresholdOptimizer(LogisticRegression()),
        ThresholdOptimizer(
            LogisticRegression(), fairness="equalized_odds", randomize=True
        ),
        ThresholdOptimizer(LogisticRegression(tol=1e-10), group_aware=False),
    ]
)
def test_fairness_checks(estimator, check):
    check(estimator)
