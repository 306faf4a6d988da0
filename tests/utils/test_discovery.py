import sys

import pytest

from fairsk.inprocessing import FairMLPClassifier
from fairsk.pipeline import Pipeline
from fairsk.utils import discovery
from fairsk.utils.discovery import all_estimators


def test_public_estimators_are_found_once_and_sorted():
    estimators = all_estimators()
    assert ("FairMLPClassifier", FairMLPClassifier) in estimators
    assert ("Pipeline", Pipeline) in estimators
    names = [name for name, _ in estimators]
    assert names == sorted(set(names))
    assert not [name for name in names if name.startswith(("_", "Base"))]


def test_kinds_are_what_the_estimators_can_do():
    classifiers = all_estimators("classifier")
    assert ("FairMLPClassifier", FairMLPClassifier) in classifiers
    assert set(all_estimators(["classifier", "regressor"])) >= set(classifiers)
    assert "Pipeline" not in dict(all_estimators(["transformer", "sampler"]))
    assert all(hasattr(cls, "transform") for _, cls in all_estimators("transformer"))
    assert all(hasattr(cls, "fit_resample") for _, cls in all_estimators("sampler"))


def test_unknown_kind_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"\['classifier', 'regressor'.*Got 'cluster'"):
        all_estimators("cluster")


def break_import(monkeypatch, error):
    real = discovery.import_module

    def import_module(name):
        if name == "fairsk.inprocessing":
            raise error
        return real(name)

    monkeypatch.setattr(discovery, "import_module", import_module)


def test_module_without_its_extra_is_passed_over(monkeypatch):
    break_import(monkeypatch, ModuleNotFoundError("no", name="transformers.models"))
    assert "FairMLPClassifier" not in dict(all_estimators())
    assert "Pipeline" in dict(all_estimators())


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("no", name="fairsk.nothing"),
        ImportError("cannot import name"),
        ValueError("bug"),
    ],
)
def test_broken_module_is_not_hidden(monkeypatch, error):
    assert "fairsk.inprocessing" in sys.modules
    break_import(monkeypatch, error)
    with pytest.raises(type(error), match=str(error)):
        all_estimators()
