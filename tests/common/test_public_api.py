"""What is public resolves, is documented, and says the same everywhere.

tests/test_documentation.py sees that every public name is in the API reference.
"""

import ast
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest
from numpydoc.docscrape import NumpyDocString

import fairsk
from fairsk.utils.discovery import all_estimators
from tests.common.instances import INSTANCES

MODULES = {
    info.name: import_module(info.name)
    for info in pkgutil.walk_packages(fairsk.__path__, "fairsk.")
    if not any(part.startswith("_") for part in info.name.split("."))
}
PUBLIC = {
    f"{name}.{member}": getattr(module, member)
    for name, module in MODULES.items()
    for member in getattr(module, "__all__", [])
}
DOCUMENTED = {
    name: member
    for name, member in PUBLIC.items()
    if inspect.isclass(member) or inspect.isfunction(member)
}
ESTIMATORS = dict(all_estimators())


@pytest.mark.parametrize("name", MODULES)
def test_all_resolves_and_is_sorted_without_repeats(name):
    names = getattr(MODULES[name], "__all__", [])
    assert len(set(names)) == len(names)
    assert not [member for member in names if not hasattr(MODULES[name], member)]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_parameters_of_docstring_and_signature_agree(name):
    member = DOCUMENTED[name]
    assert member.__doc__, "no docstring"
    if inspect.isclass(member) and issubclass(member, Warning):
        return
    documented = [
        single.lstrip("*")
        for entry in NumpyDocString(inspect.getdoc(member))["Parameters"]
        for single in entry.name.split(", ")
    ]
    public = [p for p in inspect.signature(member).parameters if not p.startswith("_")]
    assert documented == public


@pytest.mark.parametrize("name", ESTIMATORS)
def test_constraints_and_signature_agree(name):
    cls = ESTIMATORS[name]
    constraints = getattr(cls, "_parameter_constraints", None)
    assert constraints is not None, "no _parameter_constraints"
    parameters = {
        parameter.name
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    assert parameters - set(constraints) == set()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_have_an_example_and_documented_defaults(name):
    cls = ESTIMATORS[name]
    doc = NumpyDocString(inspect.getdoc(cls))
    assert doc["Examples"]
    parameters = inspect.signature(cls).parameters
    for entry in doc["Parameters"]:
        for single in entry.name.split(", "):
            default = parameters[single.lstrip("*")].default
            stated = entry.type.partition("default=")[2]
            if stated and default is not inspect.Parameter.empty:
                assert stands_for(stated, default), f"{single}: {stated!r}"


def stands_for(stated, default):
    """Whether the text of a docstring means the default of a signature."""
    if inspect.isclass(default):
        return stated.rpartition(".")[2] == default.__name__
    try:
        return ast.literal_eval(stated) == default
    except ValueError:  # a name, such as np.inf
        return stated.rpartition(".")[2] == str(default)


def test_instances_name_public_estimators():
    assert set(INSTANCES) <= set(ESTIMATORS)


def test_metrics_leave_torch_unloaded():
    code = "import fairsk.metrics, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
