"""Pipelines whose samplers resample the metadata along with X and y."""

from functools import cache, partial, wraps
from inspect import signature

import numpy as np
from imblearn.pipeline import Pipeline as _Pipeline
from imblearn.pipeline import _fit_resample_one, _fit_transform_one
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    get_routing_for_object,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, check_memory

from fairsk.groups import Groups, read_columns
from fairsk.utils._rows import count_rows, take_rows
from fairsk.utils._sklearn import (
    _name_estimators,
    _print_elapsed_time,
    _routing_enabled,
)

__all__ = ["Pipeline", "make_pipeline"]

_FIT_METHODS = ("fit", "transform", "fit_transform", "fit_predict", "fit_resample")
# Metadata that can only mean one value per row, so another length is a mistake.
_PER_ROW = ("sensitive_features", "sample_weight")


def _inherits(method):
    return lambda pipeline: hasattr(super(Pipeline, pipeline), method)


def _heeds_group_by(method):
    """Method of imbalanced-learn's pipeline, which it remains without `group_by`."""
    inherited = getattr(_Pipeline, method)

    @available_if(_inherits(method))
    @wraps(inherited)
    def respond(self, X, **params):
        if self.group_by is None:
            return inherited(self, X, **params)
        return self._respond_with_groups(method, X, **params)

    return respond


class Pipeline(_Pipeline):
    """Chain of transformers, samplers and an estimator that keeps metadata aligned.

    It is imbalanced-learn's pipeline with one difference: after a sampler, whatever
    metadata go to later steps (`sensitive_features`, `sample_weight`, any other array
    with one entry per row) are resampled as X and y were. Nothing is guessed: where a
    sampler does not say from which rows its output comes, and a later step is to get
    metadata, `fit` raises.

    Parameters
    ----------
    steps : list of (str, estimator)
        Names and steps. All but the last are transformers or samplers.
    transform_input : list of str, default=None
        Names of metadata that the steps transform like X, such as a validation set.
        Needs metadata routing.
    memory : str or object with the joblib.Memory interface, default=None
        Where to cache fitted transformers and samplers.
    verbose : bool, default=False
        Whether to print the time that each step takes.
    group_by : str, int, list of str or int, or callable, default=None
        Column name(s) or position(s) of the X that the pipeline is given, or a function
        of it that returns the sensitive features. They go as `sensitive_features` to
        each step that takes them in the method at hand, unless that step was handed
        some or has a `group_by` of its own. So the columns need not survive the
        transformers, and metadata routing may be off.

    Attributes
    ----------
    named_steps : Bunch
        The steps by name.
    classes_ : ndarray of shape (n_classes,)
        The labels, if the last step is a classifier.
    n_features_in_ : int
        Number of features that the first step saw.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features that the first step saw, if it had names.

    See Also
    --------
    make_pipeline : Build a pipeline without naming the steps.
    imblearn.pipeline.Pipeline : The pipeline this one extends.

    Notes
    -----
    What a sampler says of its output, after `fit_resample`:

    ``sample_indices_``
        Integers of shape (n_resampled,). The row of the input whose metadata the output
        row carries, or -1 for a row that was made from several. imbalanced-learn's
        random over-sampler and its prototype selection (random under-sampling,
        NearMiss, Tomek links, edited nearest neighbours, ...) have it.
    ``group_indices_``
        Integers of shape (n_resampled,), only needed where `sample_indices_` has -1. A
        row of the input that is of the same group as the output row. It applies where
        the later step gets the groups that the sampler used. Other metadata of a made
        row (its weight) remain unknown, and raise.

    As in scikit-learn's cross-validation, an array or list belongs to the rows if it
    has as many entries as X. A dict is taken for columns, and resampled if all are of
    that length.

    With metadata routing off, `group_by` reaches the steps themselves, not estimators
    nested in a step (such as a search inside the pipeline): give these their own
    `group_by`. A slice keeps `group_by` if it starts with the first step, because later
    steps see another X.

    Examples
    --------
    >>> import numpy as np
    >>> from imblearn.under_sampling import RandomUnderSampler
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.pipeline import Pipeline
    >>> X, y = np.arange(20.0).reshape(10, 2), np.array([0] * 7 + [1] * 3)
    >>> pipe = Pipeline(
    ...     [("sample", RandomUnderSampler()), ("model", LogisticRegression())]
    ... )
    >>> pipe.fit(X, y, model__sample_weight=np.ones(10))
    Pipeline(steps=[('sample', RandomUnderSampler()), ('model', LogisticRegression())])
    """

    _parameter_constraints: dict = {
        **_Pipeline._parameter_constraints,
        "group_by": [str, int, list, callable, None],
    }

    def __init__(
        self, steps, *, transform_input=None, memory=None, verbose=False, group_by=None
    ):
        super().__init__(
            steps, transform_input=transform_input, memory=memory, verbose=verbose
        )
        self.group_by = group_by

    def __getitem__(self, ind):
        """Return a step, or the pipeline of a slice of the steps."""
        part = super().__getitem__(ind)
        if isinstance(ind, slice) and ind.indices(len(self))[0] == 0:
            part.group_by = self.group_by
        return part

    def get_metadata_routing(self):
        """Routing of the steps' metadata.

        Returns
        -------
        routing : MetadataRouter
            As in imbalanced-learn, plus what its `fit_resample` forgets: the steps
            before the last one take metadata there too.
        """
        router = super().get_metadata_routing()
        before_last = {name for name, _ in self.steps[:-1]}
        for name, pair in router:
            if name in before_last:
                for callee in ("fit", "fit_transform", "fit_resample"):
                    pair.mapping.add(caller="fit_resample", callee=callee)
        return router

    # The loop over the steps is imbalanced-learn's, which offers no hook after a step.
    # `routed_params` is changed in place: the caller reads the last step's from there.
    def _fit(self, X, y=None, routed_params=None, raw_params=None):
        self.steps = list(self.steps)
        self._validate_steps()
        self._hand_out_groups(X, routed_params)
        memory = check_memory(self.memory)
        fit_transform_one = memory.cache(_fit_transform_one)
        fit_resample_one = memory.cache(_fit_resample_one)
        for index, name, step in self._iter(
            with_final=False, filter_passthrough=False, filter_resample=False
        ):
            message = self._log_message(index)
            if step is None or step == "passthrough":
                with _print_elapsed_time("Pipeline", message):
                    continue
            if getattr(memory, "location", memory) is not None:
                step = clone(step)
            one = {
                "message_clsname": "Pipeline",
                "message": message,
                "params": self._get_metadata_for_step(
                    step_idx=index,
                    step_params=routed_params[name],
                    all_params=raw_params,
                ),
            }
            if hasattr(step, "fit_resample"):
                X_before = X
                X, y, fitted = fit_resample_one(step, X, y, **one)
                aligned = _Alignment(fitted, X_before, X, one["params"]["fit_resample"])
                self._resample_metadata(index, routed_params, aligned)
            else:
                X, fitted = fit_transform_one(step, X, y, weight=None, **one)
            self.steps[index] = (name, fitted)
        return X, y

    def _check_method_params(self, method, props, **kwargs):
        routed = super()._check_method_params(method, props, **kwargs)
        params = Bunch()
        for name, step in self.steps:
            given = routed.get(name, {})
            params[name] = Bunch(**{m: dict(given.get(m, {})) for m in _FIT_METHODS})
            if not _routing_enabled() and hasattr(step, "fit_resample"):
                params[name]["fit_resample"] = dict(given.get("fit", {}))
        return params

    def _resample_metadata(self, index, routed_params, aligned):
        for name, _ in self.steps[index + 1 :]:
            for method, params in routed_params[name].items():
                routed_params[name][method] = {
                    key: aligned.resample(key, value, name)
                    for key, value in params.items()
                }

    def _hand_out_groups(self, X, routed_params):
        """Add the groups of the raw X to the metadata of the steps that take them."""
        if self.group_by is None:
            return
        read = self._reader(X)
        for _, name, step in self._iter(filter_resample=False):
            for method in _FIT_METHODS:
                if _takes_groups(step, method, routed_params[name][method]):
                    routed_params[name][method]["sensitive_features"] = read()

    def _reader(self, X):
        """Read `group_by` when the first step asks, and the same for the others."""
        return cache(partial(read_columns, X, self.group_by, owner=type(self).__name__))

    def _respond_with_groups(self, method, X, *y, **params):
        """Respond as imbalanced-learn's method does, with the groups of the raw X."""
        check_is_fitted(self)
        last = self.steps[-1][0]
        routed = {last: {method: params}}
        if _routing_enabled():
            routed = process_routing(self, method, **params)
        read = self._reader(X)

        def metadata(name, step, callee):
            given = dict(routed.get(name, {}).get(callee, {}))
            if _takes_groups(step, callee, given):
                given["sensitive_features"] = read()
            return given

        for _, name, step in self._iter(with_final=False):
            X = step.transform(X, **metadata(name, step, "transform"))
        step = self._final_estimator
        if step == "passthrough":
            return X
        return getattr(step, method)(X, *y, **metadata(last, step, method))

    predict = _heeds_group_by("predict")
    predict_proba = _heeds_group_by("predict_proba")
    predict_log_proba = _heeds_group_by("predict_log_proba")
    decision_function = _heeds_group_by("decision_function")
    transform = _heeds_group_by("transform")

    @available_if(_inherits("score"))
    def score(self, X, y=None, sample_weight=None, **params):
        """Score of the last step on the transformed data.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The raw data.
        y : array-like of shape (n_samples,), default=None
            The true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        **params : dict
            Metadata that the steps request; needs metadata routing.

        Returns
        -------
        score : float
            What the last step's `score` returns.
        """
        if self.group_by is None:
            return super().score(X, y, sample_weight, **params)
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        return self._respond_with_groups("score", X, y, **params)


class _Alignment:
    """Takes to the output rows of a fitted sampler what belongs to its input rows."""

    def __init__(self, sampler, X, X_resampled, metadata):
        self.sampler = sampler
        self.n_rows = count_rows(X)
        self.n_resampled = count_rows(X_resampled)
        self.sensitive_features = metadata.get("sensitive_features")
        group_by = getattr(sampler, "group_by", None)
        if self.sensitive_features is None and group_by is not None:
            self.sensitive_features = read_columns(X, group_by)
        # One object that goes to several steps stays one object.
        self.resampled = {}

    def resample(self, key, values, step):
        """Resample the metadata `key` of a later step, if it belongs to the rows."""
        n_rows = count_rows(values)
        if n_rows != self.n_rows:
            if n_rows is not None and _basename(key) in _PER_ROW:
                raise ValueError(
                    f"Pipeline needs one entry of `{key}` for each row. Got {n_rows} "
                    f"for the step {step!r}, and {self.n_rows} rows before "
                    f"{_name(self.sampler)}. Pass that of the rows of X."
                )
            return values
        if (key, id(values)) not in self.resampled:
            taken = take_rows(values, self._origin(key, values, step))
            # `values` is kept too, so that its id is not given to another object.
            self.resampled[key, id(values)] = taken, values
        return self.resampled[key, id(values)][0]

    def _origin(self, key, values, step):
        """Row of the input whose `key` each row of the output has."""
        indices = getattr(self.sampler, "sample_indices_", None)
        if indices is None or len(indices) != self.n_resampled:
            raise ValueError(self._unknown(key, step, "`sample_indices_`"))
        indices = np.asarray(indices)
        made = indices < 0
        if not made.any():
            return indices
        group_indices = getattr(self.sampler, "group_indices_", None)
        if _basename(key) != "sensitive_features" or group_indices is None:
            raise ValueError(self._unknown(key, step, f"the `{key}` of made rows"))
        if not self._are_groups_of_sampler(values):
            raise ValueError(
                f"Pipeline can give rows that {_name(self.sampler)} made only the "
                f"groups that it used. Got other groups in the `{key}` of the step "
                f"{step!r}. Pass the same `sensitive_features` to both, or set "
                "`group_by` on the pipeline instead of its steps."
            )
        return np.where(made, group_indices, indices)

    def _are_groups_of_sampler(self, values):
        if self.sensitive_features is None or values is self.sensitive_features:
            return self.sensitive_features is not None
        ours = Groups.from_columns(values)
        theirs = Groups.from_columns(self.sensitive_features)
        return ours.labels == theirs.labels and np.array_equal(ours.codes, theirs.codes)

    def _unknown(self, key, step, what):
        return (
            f"Pipeline needs to know from which row each row of the output of "
            f"{_name(self.sampler)} comes, to resample the `{key}` that the step "
            f"{step!r} gets. The sampler does not tell {what}. Use a sampler that "
            "copies rows, such as RandomOverSampler, or one that knows the groups of "
            f"the rows it makes; or do without `{key}` in that step, such as by "
            "reading the groups from X with its `group_by`."
        )


def make_pipeline(
    *steps, transform_input=None, memory=None, verbose=False, group_by=None
):
    """Build a :class:`Pipeline` whose steps are named after their classes.

    Parameters
    ----------
    *steps : estimators
        Transformers, samplers, and the last estimator.
    transform_input : list of str, default=None
        Names of metadata that the steps transform like X.
    memory : str or object with the joblib.Memory interface, default=None
        Where to cache fitted transformers and samplers.
    verbose : bool, default=False
        Whether to print the time that each step takes.
    group_by : str, int, list of str or int, or callable, default=None
        Where the groups stand in the X that the pipeline is given.

    Returns
    -------
    pipeline : Pipeline
        The pipeline.

    See Also
    --------
    Pipeline : The class, which says what is resampled and how.

    Examples
    --------
    >>> from imblearn.over_sampling import RandomOverSampler
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.pipeline import make_pipeline
    >>> make_pipeline(RandomOverSampler(), LogisticRegression())
    Pipeline(steps=[('randomoversampler', RandomOverSampler()),
                    ('logisticregression', LogisticRegression())])
    """
    return Pipeline(
        _name_estimators(steps),
        transform_input=transform_input,
        memory=memory,
        verbose=verbose,
        group_by=group_by,
    )


def _takes_groups(step, method, given):
    """Whether `step` takes `sensitive_features` in `method` and has none yet."""
    if "sensitive_features" in given or getattr(step, "group_by", None) is not None:
        return False
    request = get_routing_for_object(step)
    if not isinstance(request, MetadataRequest) and not _routing_enabled():
        # A router hands nothing on then: only what it takes itself counts.
        own = getattr(step, method, None)
        if own is None or "sensitive_features" not in signature(own).parameters:
            return False
    return bool(request.consumes(method, ["sensitive_features"]))


def _name(estimator):
    return type(estimator).__name__


def _basename(key):
    """Name of the metadata that `key` hands to a step of a nested pipeline."""
    return key.rpartition("__")[2]
