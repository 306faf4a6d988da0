import os

import numpy as np
import pytest
import torch
from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# One worker of pytest-xdist a core: more threads only get in each other's way.
torch.set_num_threads(1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
