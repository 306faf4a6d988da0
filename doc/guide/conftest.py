"""Keep the pages of the guide from changing settings for each other's tests."""

import pytest
import sklearn


@pytest.fixture(autouse=True)
def _restored_configuration():
    with sklearn.config_context():
        yield
