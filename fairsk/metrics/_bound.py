"""Hand the groups to the response methods of an estimator, wherever it wants them."""

import copy
import functools
import inspect

from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from fairsk.utils._sklearn import _routing_enabled

RESPONSE_METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
)


class BoundEstimator:
    """A fitted estimator whose response methods need X alone.

    Everything else is the estimator's own, so that scikit-learn sees no difference.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator.
    handed : dict of dict
        Metadata to add, by response method.
    note : str, default=None
        What to add to an error that speaks of sensitive features, if none are added.
    """

    def __init__(self, estimator, handed, note=None):
        self._estimator = estimator
        self._handed = handed
        self._note = note

    def __getattr__(self, name):
        value = getattr(self._estimator, name)
        return self._bind(name, value) if name in self._handed else value

    def __sklearn_is_fitted__(self):
        # scikit-learn looks into `vars` of an object without this method.
        check_is_fitted(self._estimator)
        return True

    def _bind(self, name, method):
        metadata = self._handed[name]

        @functools.wraps(method)  # scikit-learn asks the method for its name
        def respond(X, **given):
            try:
                return method(X, **(given | metadata))
            except (TypeError, ValueError) as error:
                if self._note and not metadata and "sensitive_features" in str(error):
                    error.add_note(self._note)
                raise

        return respond


def bind_metadata(estimator, alias, groups, *, owner):
    """Bind groups that came as metadata, by the rules of metadata routing.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator; may be a pipeline, a search, or another meta-estimator.
    alias : str
        Name under which the user passed the groups: the response methods get them if
        they request that name.
    groups : object
        The sensitive features.
    owner : object
        Who routes, for scikit-learn's error messages.

    Returns
    -------
    bound : estimator or BoundEstimator
        To call the response methods of.
    handed : set of str
        Response methods that are handed the groups.
    """
    if not _routing_enabled():
        return bind_predictor(estimator, groups)
    estimator = _without_searches(estimator)
    routed = {
        method: _route(estimator, method, {alias: groups}, owner)
        for method in RESPONSE_METHODS
        if hasattr(estimator, method)
    }
    bound = BoundEstimator(estimator, routed, _note(estimator))
    return bound, {method for method, metadata in routed.items() if metadata}


def bind_predictor(estimator, groups, *, unless_group_by=False):
    """Bind groups to the predictor at the end of pipelines and searches.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator.
    groups : object
        The sensitive features.
    unless_group_by : bool, default=False
        Leave alone a predictor whose own `group_by` is set, or that of a pipeline
        around it.

    Returns
    -------
    bound, handed
        As :func:`bind_metadata` returns them.
    """
    estimator = _without_searches(estimator)
    if unless_group_by and _reads_groups(estimator):
        return estimator, set()
    predictor = _predictor(estimator)
    wanting = {
        name
        for name in RESPONSE_METHODS
        if hasattr(predictor, name) and _takes_groups(getattr(predictor, name))
    }
    metadata = {
        name: {"sensitive_features": groups} if name in wanting else {}
        for name in RESPONSE_METHODS
        if hasattr(predictor, name)
    }
    bound = BoundEstimator(predictor, metadata, _note(estimator))
    return _with_predictor(estimator, bound), wanting


def _route(estimator, method, params, owner):
    """What scikit-learn's routing would hand to `method`, by the names it takes."""
    mapping = MethodMapping().add(caller="score", callee=method)
    router = MetadataRouter(owner=owner).add(
        estimator=estimator, method_mapping=mapping
    )
    return dict(router.route_params(caller="score", params=params)["estimator"][method])


def _takes_groups(method):
    return "sensitive_features" in inspect.signature(method).parameters


def _is_pipeline(estimator):
    # By what it has, since importing scikit-learn's class takes a tenth of a second.
    return hasattr(estimator, "named_steps") and hasattr(estimator, "steps")


def _without_searches(estimator):
    """The estimator with each search replaced by the best estimator that it calls.

    The response methods of a search take no metadata, those of its best estimator do.
    """
    if hasattr(estimator, "best_estimator_") and hasattr(estimator, "cv_results_"):
        return _without_searches(estimator.best_estimator_)
    if _is_pipeline(estimator):
        last = estimator.steps[-1][1]
        inner = _without_searches(last)
        return estimator if inner is last else _with_last_step(estimator, inner)
    return estimator


def _reads_groups(estimator):
    """Whether the predictor or a pipeline around it reads the groups from X itself."""
    if getattr(estimator, "group_by", None) is not None:
        return True
    return _is_pipeline(estimator) and _reads_groups(estimator.steps[-1][1])


def _predictor(estimator):
    return _predictor(estimator.steps[-1][1]) if _is_pipeline(estimator) else estimator


def _with_predictor(estimator, predictor):
    if not _is_pipeline(estimator):
        return predictor
    return _with_last_step(
        estimator, _with_predictor(estimator.steps[-1][1], predictor)
    )


def _with_last_step(pipeline, estimator):
    replaced = copy.copy(pipeline)
    replaced.steps = [*pipeline.steps[:-1], (pipeline.steps[-1][0], estimator)]
    return replaced


def _note(estimator):
    return (
        f"The scorer has the groups, but {type(_predictor(estimator)).__name__} takes "
        "none where it predicts. An estimator inside it that needs them must read them "
        "from X: set its `group_by`."
    )
