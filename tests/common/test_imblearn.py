"""imbalanced-learn's own checks, on every public sampler."""

import numpy as np
import pytest
from imblearn.utils import estimator_checks
from sklearn.utils import get_tags

from tests.common.instances import fresh_instances


class Alternate:
    """Two groups that take turns, whatever X holds."""

    def __call__(self, X):
        return np.arange(X.shape[0]) % 2

    def __repr__(self):
        return "Alternate()"


def takes_two_labels_only(sampler):
    tags = get_tags(sampler).classifier_tags
    return tags is not None and not tags.multi_class


def checks_of(sampler):
    """All checks; indicators of two labels are one column, and no positions."""
    for instance, check in estimator_checks.estimator_checks_generator(sampler):
        of_indicators = check.func is estimator_checks.check_samplers_multiclass_ova
        if not (of_indicators and takes_two_labels_only(sampler)):
            name = f"{type(sampler).__name__}-{check.func.__name__}"
            yield pytest.param(instance, check, id=name)


SAMPLERS = [
    sampler
    for sampler in fresh_instances(group_aware=True, group_by=Alternate())
    if hasattr(sampler, "fit_resample")
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("sampler", "check"), [pair for s in SAMPLERS for pair in checks_of(s)]
)
def test_imbalanced_learn_checks(sampler, check, monkeypatch):
    if "random_state" in sampler.get_params():
        sampler.set_params(random_state=0)
    if takes_two_labels_only(sampler):
        X, y = estimator_checks.sample_dataset_generator()
        few = np.minimum(y, 1)
        monkeypatch.setattr(
            estimator_checks, "sample_dataset_generator", lambda: (X, few)
        )
    check(sampler)
