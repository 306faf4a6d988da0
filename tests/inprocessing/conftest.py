import pytest
from sklearn.preprocessing import StandardScaler

from fairsk.datasets import make_biased_classification


@pytest.fixture(scope="session")
def biased():
    """Features, labels and groups of biased data."""
    X, y, groups = make_biased_classification(
        600, n_features=6, base_rate_gap=0.5, proxy_strength=2.0, random_state=0
    )
    return StandardScaler().fit_transform(X), y, groups
