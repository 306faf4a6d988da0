"""What every display keeps: found, not listed."""

import inspect as python
import sys

import matplotlib as mpl
import numpy as np
import pytest
from numpydoc.docscrape import NumpyDocString

from fairsk import inspection

mpl.use("Agg")
DISPLAYS = [getattr(inspection, name) for name in inspection.__all__
            if name.endswith("Display")]  # fmt: skip
every_display = pytest.mark.parametrize("cls", DISPLAYS)


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def _draw(cls, rng, **options):
    """A display of random predictions, by the names of what it takes."""
    y_true, y_pred, group = rng.integers(2, size=(3, 80))
    responses = {"y_pred": y_pred, "y_preds": [y_pred, y_true], "y_score": y_pred * 0.5}
    named = python.signature(cls.from_predictions).parameters
    given = {name: value for name, value in responses.items() if name in named}
    if "y_score" in given and "y_pred" in given:
        del given["y_score"]
    return cls.from_predictions(y_true, **given, sensitive_features=group, **options)


def _axes(display):
    return np.ravel(getattr(display, "axes_", getattr(display, "ax_", None)))


@every_display
def test_constructor_keeps_its_parameters_and_draws_nothing(cls):
    marks = {name: object() for name in python.signature(cls).parameters}
    display = cls(**marks)
    assert {name: getattr(display, name) for name in marks} == marks
    assert not hasattr(display, "figure_")


@every_display
def test_plot_returns_itself_and_draws_on_the_axes_that_it_is_given(cls, rng):
    import matplotlib.pyplot as plt

    display = _draw(cls, rng)
    n_axes = len(_axes(display))
    assert _axes(display)[0].figure is display.figure_
    figure, axes = plt.subplots(1, n_axes)
    again = display.plot(ax=axes)
    assert again is display
    assert display.figure_ is figure
    assert list(_axes(display)) == list(np.ravel(axes))


@every_display
def test_axes_are_named(cls, rng):
    for axis in _axes(_draw(cls, rng)):
        assert axis.get_xlabel() or axis.get_ylabel() or axis.get_title()


@every_display
def test_missing_matplotlib_says_what_to_install(cls, rng, monkeypatch):
    display = _draw(cls, rng)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=rf"{cls.__name__} needs matplotlib"):
        display.plot()


@every_display
def test_groups_are_needed(cls, rng):
    with pytest.raises(ValueError, match="group"):
        cls.from_predictions(*rng.integers(2, size=(2, 9)), sensitive_features=None)


@every_display
def test_has_an_example_and_its_constructors(cls):
    assert NumpyDocString(python.getdoc(cls))["Examples"]
    for name in ("from_estimator", "from_predictions", "plot"):
        assert callable(getattr(cls, name))
