"""Checks of what every group-aware estimator promises, for any package to run.

They complement :mod:`sklearn.utils.estimator_checks`, which know nothing of groups.
Which checks apply is asked of the estimator: what it can do (`predict`, `transform`,
`fit_resample`), its tags, its parameters, and the metadata that it requests.
"""

import pickle
import re
import warnings
from importlib import import_module
from importlib.util import find_spec

import joblib
import numpy as np
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from fairsk.definitions import (
    LOSSES,
    FairnessDefinition,
    demographic_parity,
    get_definition,
    group_counts,
)
from fairsk.groups import SingleGroupWarning
from fairsk.utils._rows import take_rows

__all__ = ["check_fair_estimator", "parametrize_with_fair_checks"]

# What two orders of summation may differ by, after a solver has amplified it.
_RTOL, _ATOL = 1e-4, 1e-6
# Column of X that holds the group, for `group_by`.
_GROUP_COLUMN = 3


def check_fair_estimator(estimator):
    """Check that an estimator keeps the promises of group-aware estimators.

    Parameters
    ----------
    estimator : estimator
        An instance: classifier, regressor, transformer, or sampler. It takes
        `sensitive_features` in `fit` (`fit_resample`), and declares by its metadata
        request in which other methods it needs them. It should be set up to mitigate:
        on biased data, a disparity has to fall. What is random by design (mini-batches,
        folds) has to be switched off for weights to equal repetitions.

    Raises
    ------
    AssertionError
        If a check fails. The message names the check and says what does not hold.

    See Also
    --------
    parametrize_with_fair_checks : The same as one pytest test for each check.
    sklearn.utils.estimator_checks.check_estimator : Checks of scikit-learn's promises.

    Examples
    --------
    >>> from fairsk.inprocessing import FairMLPClassifier
    >>> from fairsk.utils.checks import check_fair_estimator
    >>> network = FairMLPClassifier(
    ...     hidden_layer_sizes=8, max_iter=30, batch_size=1000, dtype="float64"
    ... )
    >>> check_fair_estimator(network)
    """
    for check in _checks_for(estimator):
        check(estimator)


def parametrize_with_fair_checks(estimators):
    """Make a pytest decorator that runs one test for each estimator and check.

    Parameters
    ----------
    estimators : list of estimators
        Instances, as :func:`check_fair_estimator` takes them.

    Returns
    -------
    decorator : pytest.mark.parametrize
        For a test with the arguments `estimator` and `check`, whose body is
        ``check(estimator)``.

    See Also
    --------
    check_fair_estimator : The same checks in one call.

    Examples
    --------
    >>> from fairsk.inprocessing import FairMLPClassifier
    >>> from fairsk.utils.checks import parametrize_with_fair_checks
    >>> @parametrize_with_fair_checks([FairMLPClassifier()])
    ... def test_fairness(estimator, check):
    ...     check(estimator)
    """
    import pytest

    pairs = [
        pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.name}")
        for estimator in estimators
        for check in _checks_for(estimator)
    ]
    return pytest.mark.parametrize(("estimator", "check"), pairs)


class _Check:
    """A check that says its name where it fails."""

    def __init__(self, function, applies):
        self.function = function
        self.applies = applies
        self.name = function.__name__
        self.promise = function.__doc__.partition("\n")[0]

    def __call__(self, estimator):
        try:
            self.function(estimator)
        except Exception as error:
            raise AssertionError(
                f"{self.name} fails for {type(estimator).__name__}, which promises: "
                f"{self.promise} {type(error).__name__}: {error}"
            ) from error


# All checks, in the order in which they are defined below.
CHECKS = []


def _checks_for(estimator):
    return [check for check in CHECKS if check.applies(estimator)]


def _check(*conditions):
    """Register a check for the estimators that meet all conditions."""

    def register(function):
        def applies(estimator):
            return all(condition(estimator) for condition in conditions)

        CHECKS.append(_Check(function, applies))
        return function

    return register


# Kinds of estimators.


def _is_sampler(estimator):
    return hasattr(estimator, "fit_resample")


def _is_predictor(estimator):
    return is_classifier(estimator) or is_regressor(estimator)


def _responds(estimator):
    return hasattr(estimator, _response_method(estimator))


def _has_outcome(estimator):
    """Whether it makes anything of X, rather than only measure."""
    return _is_sampler(estimator) or _responds(estimator)


def _takes_weights(estimator):
    return has_fit_parameter(estimator, "sample_weight")


def _has(param):
    return lambda estimator: param in estimator.get_params(deep=False)


def _needs_groups(estimator, method=None):
    """Whether `method` (the one to respond by) needs `sensitive_features`."""
    request = get_routing_for_object(estimator)
    method = method or _response_method(estimator)
    return bool(request.consumes(method, ["sensitive_features"]))


def _response_method(estimator):
    if not _is_predictor(estimator):
        return "transform"
    for method in ("predict_proba", "decision_function"):
        if is_classifier(estimator) and hasattr(estimator, method):
            return method
    return "predict"


# Data, and what an estimator makes of them.


class _Data:
    """Rows with a group each, whose target depends on the group."""

    def __init__(self, estimator, n_samples=240, n_groups=2):
        rng = np.random.default_rng(0)
        # The first group is the larger one.
        self.codes = np.maximum(rng.integers(n_groups + 1, size=n_samples) - 1, 0)
        first = self.codes == 0
        X = rng.normal(size=(n_samples, 5))
        X[:, 0] += 1.5 * first
        X[:, _GROUP_COLUMN] = self.codes
        signal = X[:, 0] + X[:, 1] + np.where(first, X[:, 2], -X[:, 2]) + first
        signal = signal + rng.normal(scale=0.5, size=n_samples)
        if is_regressor(estimator):
            self.y = signal
        else:
            self.y = (signal > np.median(signal)).astype(int)
        self.X = X - X.min(axis=0) if _wants_positive(estimator) else X
        self.groups = np.array(list("abcdefgh"))[self.codes]

    def take(self, rows):
        taken = object.__new__(_Data)
        for name, values in vars(self).items():
            setattr(taken, name, take_rows(values, rows))
        return taken


def _wants_positive(estimator):
    tags = getattr(estimator, "__sklearn_tags__", None)
    return tags is not None and tags().input_tags.positive_only


def _prepared(estimator, **params):
    """Unfitted copy with a fixed seed, whose groups come as metadata."""
    known = estimator.get_params(deep=False)
    fixed = {"random_state": 0, "group_by": None}
    fixed = {name: value for name, value in fixed.items() if name in known}
    return clone(estimator).set_params(**{**fixed, **params})


def _fit(estimator, X, y, **metadata):
    """Fit `estimator` itself; a sampler also keeps its output, as `_resampled`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if _is_sampler(estimator):
            estimator._resampled = estimator.fit_resample(X, y, **metadata)
            return estimator
        return estimator.fit(X, y, **metadata)


def _respond(estimator, X, groups=None, method=None):
    """Response as a float array; class labels as their positions in `classes_`."""
    if _is_sampler(estimator):
        X, y = estimator._resampled
        return np.column_stack([_dense(X), np.unique(y, return_inverse=True)[1]])
    method = method or _response_method(estimator)
    metadata = {}
    if groups is not None and _needs_groups(estimator, method):
        metadata["sensitive_features"] = groups
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        response = _dense(getattr(estimator, method)(X, **metadata))
    if method == "predict" and is_classifier(estimator):
        response = np.searchsorted(estimator.classes_, response)
    return response.astype(float)


def _dense(array):
    if hasattr(array, "toarray"):
        return array.toarray()
    return array.to_numpy() if hasattr(array, "to_numpy") else np.asarray(array)


def _outcome(estimator, data, groups=None, **metadata):
    """Response to the data that the estimator is fitted on."""
    groups = data.groups if groups is None else groups
    fitted = _fit(
        _prepared(estimator), data.X, data.y, sensitive_features=groups, **metadata
    )
    return _respond(fitted, data.X, groups)


def _assert_same(actual, expected, what):
    assert actual.shape == expected.shape, (
        f"{what}: shape {actual.shape} instead of {expected.shape}"
    )
    np.testing.assert_allclose(actual, expected, rtol=_RTOL, atol=_ATOL, err_msg=what)


def _assert_raises(call, pattern, what):
    message = None
    try:
        call()
    except ValueError as error:
        message = str(error)
    assert message is not None, f"no ValueError was raised {what}"
    assert re.search(pattern, message, re.DOTALL), (
        f"the error {what} should match {pattern!r}. Got {message!r}"
    )


# The checks. A docstring is the promise that the message of a failure states.


@_check(_has_outcome)
def check_relabelled_groups(estimator):
    """What the groups are called changes nothing."""
    data = _Data(estimator, n_groups=3)
    expected = _outcome(estimator, data)
    for labels in (["z", "y", "x"], [30, 10, 20]):
        relabelled = np.array(labels)[data.codes]
        actual = _outcome(estimator, data, relabelled)
        _assert_same(actual, expected, f"groups called {labels}")


@_check()
def check_single_group_warns(estimator):
    """A single group fits, with a SingleGroupWarning."""
    data = _Data(estimator)
    fresh = _prepared(estimator)
    fit = fresh.fit_resample if _is_sampler(fresh) else fresh.fit
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        fit(data.X, data.y, sensitive_features=np.full(len(data.y), "a"))
    warned = any(issubclass(w.category, SingleGroupWarning) for w in record)
    assert warned, "no SingleGroupWarning"


@_check(_is_predictor, _has("fairness_weight"))
def check_single_group_has_no_penalty(estimator):
    """With a single group, the penalty is nothing."""
    data = _Data(estimator)
    one = np.full(len(data.y), "a")
    plain = _prepared(estimator, fairness_weight=0)
    expected = _respond(
        _fit(plain, data.X, data.y, sensitive_features=data.groups), data.X, data.groups
    )
    _assert_same(_outcome(estimator, data, one), expected, "no fairness_weight")


@_check(_is_predictor, _has("estimator"))
def check_single_group_is_plain_estimator(estimator):
    """With a single group, the predictions are those of the estimator inside."""
    inside = estimator.get_params(deep=False)["estimator"]
    if inside is None:
        return
    data = _Data(estimator)
    one = np.full(len(data.y), "a")
    fitted = _fit(_prepared(estimator), data.X, data.y, sensitive_features=one)
    plain = _fit(clone(inside), data.X, data.y)
    _assert_same(
        _respond(fitted, data.X, one, "predict"),
        _respond(plain, data.X, method="predict"),
        "predictions",
    )


@_check(_has_outcome, _has("group_by"))
def check_both_ways_to_pass_groups(estimator):
    """Groups from metadata and groups from X by group_by give the same."""
    data = _Data(estimator)
    expected = _outcome(estimator, data)
    ways = [_read_group_column, _GROUP_COLUMN, [_GROUP_COLUMN]]
    # Where it leaves out, or changes, the columns that it is told by name, only a
    # function of X leaves X the same.
    apart = getattr(estimator, "_sets_named_columns_apart", False)
    for group_by in ways[:1] if apart else ways:
        reads_X = _prepared(estimator, group_by=group_by)
        actual = _respond(_fit(reads_X, data.X, data.y), data.X)
        _assert_same(actual, expected, f"group_by={group_by}")
    other = _read_first_column if apart else 0
    wins = _prepared(estimator, group_by=other)
    fitted = _fit(wins, data.X, data.y, sensitive_features=data.groups)
    actual = _respond(fitted, data.X, data.groups)
    _assert_same(actual, expected, "metadata together with another group_by")


def _read_group_column(X):
    return X[:, _GROUP_COLUMN]


def _read_first_column(X):
    return X[:, 0]


@_check(_has_outcome, _takes_weights)
def check_weight_is_repetition(estimator):
    """A sample of weight 2 counts as two samples, and one of weight 0 as none."""
    data = _Data(estimator)
    weight = np.random.default_rng(1).integers(0, 3, size=len(data.y))
    weighted = _fit(
        _prepared(estimator),
        data.X,
        data.y,
        sensitive_features=data.groups,
        sample_weight=weight.astype(float),
    )
    repeated = data.take(np.repeat(np.arange(len(weight)), weight))
    again = _fit(
        _prepared(estimator), repeated.X, repeated.y, sensitive_features=repeated.groups
    )
    _assert_same(
        _respond(weighted, data.X, data.groups),
        _respond(again, data.X, data.groups),
        "weights instead of repetitions",
    )


@_check(_responds)
def check_permuted_rows(estimator):
    """To permute the rows is to permute the responses."""
    data = _Data(estimator)
    fitted = _fit(_prepared(estimator), data.X, data.y, sensitive_features=data.groups)
    expected = _respond(fitted, data.X, data.groups)
    order = np.random.default_rng(1).permutation(len(data.y))
    actual = _respond(fitted, data.X[order], data.groups[order])
    _assert_same(actual, expected[order], "permuted rows")


@_check()
def check_no_groups_raise(estimator):
    """Without any groups, the error names the ways to pass them."""
    data = _Data(estimator)
    pattern = (
        "sensitive_features.*group_by"
        if _has("group_by")(estimator)
        else ("sensitive_features")
    )
    _assert_raises(
        lambda: _fit(_prepared(estimator), data.X, data.y), pattern, "without groups"
    )


@_check()
def check_missing_groups_raise(estimator):
    """Missing groups raise, and the error says how many are missing."""
    data = _Data(estimator)
    missing = data.groups.astype(object)
    missing[[3, 17]] = None
    _assert_raises(
        lambda: _outcome(estimator, data, missing), r"\b2\b", "with 2 missing groups"
    )


@_check()
def check_group_length(estimator):
    """Groups of another length than X raise."""
    data = _Data(estimator)
    n_samples = len(data.y)
    for groups in (data.groups[:-1], np.append(data.groups, "a")):
        _assert_raises(
            lambda groups=groups: _outcome(estimator, data, groups),
            rf"\b{len(groups)}\b.*\b{n_samples}\b|\b{n_samples}\b.*\b{len(groups)}\b",
            f"with {len(groups)} groups for {n_samples} samples",
        )


@_check(_responds, _needs_groups)
def check_bad_groups_at_predict_raise(estimator):
    """Unseen, missing and absent groups raise where groups are needed to respond."""
    data = _Data(estimator)
    fitted = _fit(_prepared(estimator), data.X, data.y, sensitive_features=data.groups)
    method = getattr(fitted, _response_method(fitted))
    unseen, missing = data.groups.astype(object), data.groups.astype(object)
    unseen[5], missing[5] = "zebra", None
    for groups, pattern, what in (
        (unseen, "zebra", "for an unseen group"),
        (missing, r"\b1\b", "for a missing group"),
        (None, "sensitive_features", "without groups"),
    ):
        _assert_raises(
            lambda groups=groups: method(data.X, sensitive_features=groups),
            pattern,
            what,
        )


@_check(_has_outcome)
def check_disparity_falls(estimator):
    """On biased data, the disparity is smaller than with a single group."""
    data = _Data(estimator, n_samples=600)
    one = np.full(len(data.y), "a")
    before, after = (
        _disparity(
            _fit(_prepared(estimator), data.X, data.y, sensitive_features=groups),
            data,
            groups,
        )
        for groups in (one, data.groups)
    )
    assert after < 0.99 * before, f"disparity {before:.4f} before and {after:.4f} after"


def _disparity(fitted, data, groups):
    """How unequally the groups are treated, by what kind of estimator it is."""
    if _is_sampler(fitted):
        _, y = fitted._resampled
        origin = np.asarray(fitted.sample_indices_)
        group_origin = getattr(fitted, "group_indices_", origin)
        codes = data.codes[np.where(origin < 0, group_origin, origin)]
        return np.ptp(_means(np.asarray(y, dtype=float), codes))
    if getattr(fitted, "_promises_calibration", False):
        return _calibration_gap(fitted, data, groups)
    if getattr(fitted, "_promises_worst_group", False):
        wrong = np.asarray(fitted.predict(data.X)) != data.y
        return _means(wrong.astype(float), data.codes).max()
    if is_classifier(fitted):
        predicted = _respond(fitted, data.X, groups, "predict").astype(int)
        counts = group_counts(data.codes, data.y, predicted, n_groups=2, n_classes=2)
        fairness = getattr(fitted, "fairness", None)
        is_known = isinstance(fairness, (str, FairnessDefinition))
        definition = get_definition(fairness) if is_known else demographic_parity
        return float(definition.disparity(counts))
    response = _respond(fitted, data.X, groups)
    if is_regressor(fitted):
        loss = LOSSES.get(getattr(fitted, "loss", None))
        if loss is not None and not hasattr(fitted, "fairness_weight"):
            return _means(loss(data.y, response), data.codes).max()
        return np.ptp(_means(response, data.codes))
    spread = response.std(axis=0)
    gaps = np.ptp(_means(response, data.codes), axis=0)
    return np.divide(gaps, spread, out=np.zeros_like(gaps), where=spread > 1e-9).max()


def _calibration_gap(fitted, data, groups):
    """Mean of how far the groups are from calibration at each level, by mass."""
    probability = _respond(fitted, data.X, groups, "predict_proba")[:, 1]
    cells = 5 * data.codes + np.minimum(5 * probability, 4).astype(int)
    residual = np.bincount(cells, data.y - probability)
    return np.abs(residual).sum() / len(data.y)


def _means(values, codes):
    return np.array([values[codes == code].mean(axis=0) for code in np.unique(codes)])


@_check()
def check_parameters_untouched(estimator):
    """Fitting leaves the constructor parameters as they were."""
    data = _Data(estimator)
    fresh = _prepared(estimator)
    before = fresh.get_params(deep=False)
    hashes = {name: joblib.hash(value) for name, value in before.items()}
    _fit(fresh, data.X, data.y, sensitive_features=data.groups)
    for name, value in fresh.get_params(deep=False).items():
        assert value is before[name], f"`{name}` is another object"
        assert joblib.hash(value) == hashes[name], f"`{name}` was changed in place"


@_check(_has_outcome)
def check_clone_and_pickle(estimator):
    """A fitted estimator survives pickling, and its clone fits to the same."""
    data = _Data(estimator)
    fitted = _fit(_prepared(estimator), data.X, data.y, sensitive_features=data.groups)
    expected = _respond(fitted, data.X, data.groups)
    copy = pickle.loads(pickle.dumps(fitted))
    _assert_same(_respond(copy, data.X, data.groups), expected, "unpickled")
    _assert_same(_outcome(fitted, data), expected, "cloned and fitted again")


@_check(_has_outcome, _has("random_state"))
def check_same_random_state(estimator):
    """The same random_state gives the same result, whatever the global one."""
    data = _Data(estimator)
    outcomes = []
    for seed in (0, 1):
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(seed)  # noqa: NPY002
        try:
            outcomes.append(_outcome(estimator, data))
        finally:
            np.random.set_state(state)  # noqa: NPY002
    np.testing.assert_array_equal(*outcomes)


@_check(is_classifier)
def check_string_labels(estimator):
    """Labels may be strings, which are what is predicted."""
    data = _Data(estimator)
    expected = _outcome(estimator, data)
    names = np.array(["no", "yes"])
    fitted = _fit(
        _prepared(estimator), data.X, names[data.y], sensitive_features=data.groups
    )
    np.testing.assert_array_equal(fitted.classes_, names)
    _assert_same(_respond(fitted, data.X, data.groups), expected, "labels are strings")
    metadata = {}
    if _needs_groups(fitted, "predict"):
        metadata["sensitive_features"] = data.groups
    predicted = fitted.predict(data.X, **metadata)
    assert set(predicted) <= set(names), f"predicted {set(predicted)}"


@_check(_has_outcome)
def check_many_groups(estimator):
    """There may be any number of groups, of several crossed sensitive features."""
    data = _Data(estimator, n_samples=400, n_groups=4)
    assert np.isfinite(_outcome(estimator, data)).all(), "4 groups"
    first, second = data.codes // 2, data.codes % 2
    crossed = np.column_stack([first, second])
    _assert_same(
        _outcome(estimator, data, crossed),
        _outcome(estimator, data),
        "two crossed columns instead of one",
    )


@_check(_has_outcome)
def check_containers_agree(estimator):
    """Frames and series of pandas and polars give what arrays give."""
    data = _Data(estimator)
    expected = _outcome(estimator, data)
    names = [f"x{i}" for i in range(data.X.shape[1])]
    for library in ("pandas", "polars"):
        if find_spec(library) is None:
            continue
        module = import_module(library)
        X = module.DataFrame(dict(zip(names, data.X.T)))
        y, groups = module.Series(data.y), module.Series(data.groups.tolist())
        if library == "pandas":  # rows are matched by position, never by index
            X.index = np.arange(len(X))[::-1]
        elif _is_sampler(estimator):  # imbalanced-learn takes frames of pandas only
            X, y = data.X, data.y
        fitted = _fit(_prepared(estimator), X, y, sensitive_features=groups)
        _assert_same(_respond(fitted, X, groups), expected, f"{library} Series")
        columns = module.DataFrame({"group": groups})
        fitted = _fit(_prepared(estimator), X, y, sensitive_features=columns)
        _assert_same(_respond(fitted, X, columns), expected, f"{library} DataFrame")
